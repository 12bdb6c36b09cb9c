"""check – every signature of a message and whether it holds (RFC 6376, 8301, 8463).

`candidate` parses each signature as it arrives, so that its key can be prefetched and the body hashed as it streams;
`judge` compares hashes, fetches keys and verifies. RFC 6376 §6.1.3 leaves the order of these steps to the verifier.
Ours is: the field's own tags, the key, the body hash, the signature. So a missing or revoked key is `permerror` even
if the body was changed as well, and the expensive arithmetic comes last.

Raises     nothing: DNS trouble is `temperror`
Not here   the field's syntax (checks.dkim.signature); finding a usable key (checks.dkim.keys)
"""

from collections.abc import Iterable
from typing import Final, NamedTuple

from mailvet.checks.dkim.body_hash import BodyDigest, BodyHash
from mailvet.checks.dkim.content import Content
from mailvet.checks.dkim.keys import FoundKey, KeyReader
from mailvet.checks.dkim.signature import Signature, Unusable, parse
from mailvet.checks.dkim.tag_values import expired
from mailvet.message import Headers
from mailvet.settings import DkimSettings, LimitSettings
from mailvet.verdict import DkimResult, DkimVerdict

FIELD: Final = b"dkim-signature"
_DAY: Final = 86_400  # seconds
_SAFE_RSA_BITS: Final = 2048  # RFC 8301 §3.2
# fields whose later addition or change deceives the reader (RFC 6376 §8.15)
_SHOWN_FIELDS: Final = (b"subject", b"content-type", b"date", b"to")


class Candidate(NamedTuple):
    """One DKIM-Signature field: its position in `Headers.fields`, and what it says."""

    position: int
    parsed: Signature | Unusable

    @property
    def digest(self) -> BodyDigest | None:
        """Return the body hash that the signature needs; None: it cannot be used."""
        return self.parsed.digest if isinstance(self.parsed, Signature) else None

    @property
    def key_name(self) -> str | None:
        """Return the name at which its key is published; None: the signature cannot be used."""
        return self.parsed.key_name if isinstance(self.parsed, Signature) else None


def candidate(position: int, value: bytes, limits: LimitSettings) -> Candidate:
    """Parse a signature field as it arrives, once, both to prefetch its key and for the verdict."""
    return Candidate(position, parse(value, limits))


def judge(
    candidates: Iterable[Candidate], content: Content, keys: KeyReader, settings: DkimSettings, now: float
) -> tuple[DkimVerdict, ...]:
    """Return a verdict for each signature, in order; a message without a signature gets one `none`.

    `now`: seconds since 1970.
    """
    verdicts = [_judge(candidate, content, keys, settings, now) for candidate in candidates]
    more = len(content.forms.headers.by_name.get(FIELD, ())) - len(verdicts)
    if more > 0:
        problem = f"{more} more signatures not looked at (limits.signatures)"
        verdicts.append(DkimVerdict(result=DkimResult.NEUTRAL, problem=problem))
    return tuple(verdicts) or (DkimVerdict(result=DkimResult.NONE),)


def _judge(candidate: Candidate, content: Content, keys: KeyReader, settings: DkimSettings, now: float) -> DkimVerdict:
    signature = candidate.parsed
    if isinstance(signature, Unusable):
        return DkimVerdict(
            result=signature.result,
            domain=signature.domain,
            selector=signature.selector,
            algorithm=signature.algorithm,
            signature_prefix=signature.prefix,
            problem=signature.problem,
        )
    found = keys.fetch(signature.key_name, signature.key_type)
    body = content.bodies[signature.digest]
    if expired(signature.expires, now):
        result, problem = DkimResult.PERMERROR, "the signature has expired"
    else:
        result, problem = _verify(signature, candidate.position, content, found)
    if result is DkimResult.PASS:
        result, problem = _accept(signature, content, body, settings)
    passed = result is DkimResult.PASS
    return DkimVerdict(
        result=result,
        domain=signature.domain,
        selector=signature.selector,
        identity=signature.identity,
        algorithm=signature.algorithm,
        signature_prefix=signature.prefix,
        key_bits=found.key.bits if found.key is not None else 0,
        testing=found.record is not None and found.record.testing,
        secure=found.secure,
        problem=problem,
        notes=tuple(_notes(signature, found, body, content.forms.headers, now)) if passed else (),
    )


def _verify(signature: Signature, position: int, content: Content, found: FoundKey) -> tuple[DkimResult, str]:
    """Return PASS if the signature at this position verifies with the key that was found; else why it does not."""
    if found.key is None or found.record is None:
        return found.result, found.problem
    if found.record.exact_identity and signature.identity != "@" + signature.domain:
        return DkimResult.PERMERROR, "t=s of the key wants i= to be d= (RFC 6376 §3.6.1)"
    if content.bodies[signature.digest].digest != signature.body_hash:
        return DkimResult.FAIL, "body hash did not verify"
    data = content.signed_data(signature.header_canon, signature.names, position)
    if not found.key.verify(signature.signature, data):
        return DkimResult.FAIL, "signature did not verify"
    return DkimResult.PASS, ""


def _accept(signature: Signature, content: Content, body: BodyHash, settings: DkimSettings) -> tuple[DkimResult, str]:
    """Return PASS if a signature that verifies is acceptable; else why it is not."""
    if content.has_unsigned_from(signature.names):
        return DkimResult.POLICY, "a From field was added that is not signed (RFC 6376 §8.15)"
    if body.hashed < body.total and settings.partial_body == "policy":
        return DkimResult.POLICY, f"l= covers only {_share(body)} of the body"
    return DkimResult.PASS, ""


def _notes(signature: Signature, found: FoundKey, body: BodyHash, headers: Headers, now: float) -> list[str]:
    """Describe what is weak about a signature that passed."""
    notes = []
    if body.hashed < body.total:
        notes.append(f"l= covers only {_share(body)} of the body")
    elif signature.digest.length is not None and signature.digest.length > body.total:
        notes.append("l= is larger than the body")  # RFC 6376 §3.5: it MUST NOT be
    names = signature.names
    for name in _SHOWN_FIELDS:
        if len(headers.by_name.get(name, ())) > names.count(name):
            notes.append(f"{name.decode().title()} {'added after signing' if name in names else 'not signed'}")
    if found.key is not None and signature.key_type == "rsa" and found.key.bits < _SAFE_RSA_BITS:
        notes.append(f"{found.key.bits}-bit key")
    if found.record is not None and found.record.testing:
        notes.append("the signer is testing (t=y)")
    if signature.signed_at is not None and signature.signed_at > now + _DAY:
        notes.append("signed in the future")
    return notes


def _share(body: BodyHash) -> str:
    return f"{body.hashed * 100 // body.total} %"
