"""check – every signature of a message and whether it holds (RFC 6376, 8301, 8463).

`candidate` reads each signature as it arrives, so that its key is asked ahead and the body hashed as it
streams; `judge` puts hashes, keys and arithmetic together. The order of the questions is the verifier's own
(RFC 6376 §6.1.3 leaves it open): what the field says, then the key, then the body hash, then the
signature. So a missing or revoked key is `permerror` even if the body was changed as well, and the
expensive arithmetic comes last.

Raises     nothing: DNS trouble is `temperror`
Not here   the field's syntax (signature); finding a usable key (keys)
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from mailvet.checks.dkim.body_hash import BodyDigest, BodyHash
from mailvet.checks.dkim.header_forms import HeaderForms, without_signature
from mailvet.checks.dkim.keys import FoundKey, Tools, fetch
from mailvet.checks.dkim.signature import Signature, Unusable, read
from mailvet.checks.dkim.tag_values import expired
from mailvet.message import Headers
from mailvet.ports import Ask
from mailvet.verdict import DkimResult, DkimVerdict

FIELD: Final = b"dkim-signature"
_DAY: Final = 86_400
# fields whose later addition or change deceives the reader (RFC 6376 §8.15)
_SHOWN: Final = (b"subject", b"content-type", b"date", b"to")


@dataclass(frozen=True, slots=True)
class Candidate:
    """One DKIM-Signature field: where it stands, and what it says."""

    position: int
    says: Signature | Unusable

    @property
    def digest(self) -> BodyDigest | None:
        """What the body has to be hashed for."""
        return self.says.digest if isinstance(self.says, Signature) else None

    @property
    def key_name(self) -> str | None:
        """Where its key is asked for."""
        return self.says.key_name if isinstance(self.says, Signature) else None


def candidate(position: int, value: bytes, tools: Tools) -> Candidate:
    """A signature field as it arrives: read once, for its key to be asked ahead and for the verdict."""
    return Candidate(position, read(value, tools.parse_tags, tools.limits))


def judge(
    candidates: Iterable[Candidate],
    forms: HeaderForms,
    bodies: dict[BodyDigest, BodyHash],
    ask: Ask,
    tools: Tools,
    now: float,
) -> tuple[DkimVerdict, ...]:
    """A verdict for each signature, in order; one `none` where there is no signature."""
    verdicts = [_judge(candidate, forms, bodies, ask, tools, now) for candidate in candidates]
    more = len(forms.headers.by_name.get(FIELD, ())) - len(verdicts)
    if more > 0:
        problem = f"{more} more signatures not looked at (limit {tools.limits.signatures})"
        verdicts.append(DkimVerdict(result=DkimResult.NEUTRAL, problem=problem))
    return tuple(verdicts) or (DkimVerdict(result=DkimResult.NONE),)


def _judge(
    candidate: Candidate,
    forms: HeaderForms,
    bodies: dict[BodyDigest, BodyHash],
    ask: Ask,
    tools: Tools,
    now: float,
) -> DkimVerdict:
    says = candidate.says
    if isinstance(says, Unusable):
        return DkimVerdict(
            result=says.result,
            domain=says.domain,
            selector=says.selector,
            algorithm=says.algorithm,
            signature_prefix=says.prefix,
            problem=says.problem,
        )
    found = fetch(says.key_name, says.key_type, ask, tools)
    body = bodies[says.digest]
    result, problem = _decide(candidate, says, found, body, forms, tools, now)
    return DkimVerdict(
        result=result,
        domain=says.domain,
        selector=says.selector,
        identity=says.identity,
        algorithm=says.algorithm,
        signature_prefix=says.prefix,
        key_bits=found.key.bits if found.key is not None else 0,
        testing=found.record is not None and found.record.testing,
        secure=found.secure,
        problem=problem,
        notes=tuple(_notes(says, found, body, forms.headers, now)) if result is DkimResult.PASS else (),
    )


def _decide(
    candidate: Candidate,
    says: Signature,
    found: FoundKey,
    body: BodyHash,
    forms: HeaderForms,
    tools: Tools,
    now: float,
) -> tuple[DkimResult, str]:
    if expired(says.expires, now):
        return DkimResult.PERMERROR, "the signature has expired"
    if found.key is None or found.record is None:
        return found.result, found.problem
    if found.record.exact_identity and says.identity != "@" + says.domain:
        return DkimResult.PERMERROR, "t=s of the key wants i= to be d= (RFC 6376 §3.6.1)"
    if body.digest != says.body_hash:
        return DkimResult.FAIL, "body hash did not verify"
    fields = forms.headers.fields
    data = forms.signed(says.header_canon, says.names, candidate.position)
    own = without_signature(says.header_canon, fields[candidate.position])
    if not found.key.verify(says.signature, data + own):
        return DkimResult.FAIL, "signature did not verify"
    authors = len(forms.headers.by_name.get(b"from", ()))
    if authors > says.names.count(b"from"):
        return DkimResult.POLICY, "a From field was added that is not signed (RFC 6376 §8.15)"
    if body.hashed < body.total and tools.settings.partial_body == "policy":
        return DkimResult.POLICY, f"l= covers only {_share(body)} of the body"
    return DkimResult.PASS, ""


def _notes(says: Signature, found: FoundKey, body: BodyHash, headers: Headers, now: float) -> list[str]:
    """What is weak about a signature that passed."""
    notes = []
    if body.hashed < body.total:
        notes.append(f"l= covers only {_share(body)} of the body")
    elif says.digest.length is not None and says.digest.length > body.total:
        notes.append("l= is larger than the body")  # RFC 6376 §3.5: it MUST NOT be
    for name in _SHOWN:
        present = len(headers.by_name.get(name, ()))
        if present > says.names.count(name):
            notes.append(f"{name.decode().title()} {'not signed' if name not in says.names else 'added after signing'}")
    if found.key is not None and says.key_type == "rsa" and found.key.bits < 2048:
        notes.append(f"{found.key.bits}-bit key")
    if found.record is not None and found.record.testing:
        notes.append("the signer is testing (t=y)")
    if says.signed_at is not None and says.signed_at > now + _DAY:
        notes.append("signed in the future")
    return notes


def _share(body: BodyHash) -> str:
    return f"{body.hashed * 100 // body.total} %"
