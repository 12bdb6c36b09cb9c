"""check – does the chain of custody hold? (RFC 8617; verification only)

The newest ARC-Message-Signature has to verify, and every ARC-Seal from the newest to the first. Older message
signatures need not; they decide `oldest_pass` alone. Every failure is final. RFC 8617 has no temporary result, so DNS
trouble is `fail` too, but marked as temporary, unless a signature is wrong as well; its reason is in the comment and
the log.

A chain never changes the DMARC verdict; what a trusted sealer saw of it (checks.arc.trust) is a fact for policy.

Raises     nothing
Not here   structure (checks.arc.sets); who is trusted (checks.arc.trust); sealing, which mailvet does not do
"""

from dataclasses import dataclass

from mailvet.checks.arc.fields import SignedBy
from mailvet.checks.arc.sets import ArcSet, Sets, collect
from mailvet.checks.arc.trust import trusted_testimony
from mailvet.checks.dkim.body_hash import BodyDigest, Canon
from mailvet.checks.dkim.content import Content
from mailvet.checks.dkim.header_forms import without_signature
from mailvet.checks.dkim.keys import KeyReader
from mailvet.checks.dkim.tag_values import expired
from mailvet.message import Headers
from mailvet.ports import RecordType, all_secure
from mailvet.settings import LimitSettings
from mailvet.verdict import ArcResult, ArcVerdict, DkimResult


@dataclass(frozen=True, slots=True)
class Chain:
    """The ARC fields of a message, parsed when its header was complete."""

    sets: Sets

    @property
    def digests(self) -> frozenset[BodyDigest]:
        """Return the body hashes it needs: at most two passes over the body, whatever the number of sets and l=."""
        return frozenset([each.message.digest for each in self.sets.found])

    @property
    def questions(self) -> tuple[tuple[str, RecordType], ...]:
        """Return the DNS questions for the keys that will be needed, unless the chain is broken."""
        newest_first = self.sets.found[::-1]
        names = [each.message.by.key_name for each in newest_first[:1]]
        names += [each.seal.key_name for each in newest_first]
        return tuple((name, RecordType.TXT) for name in dict.fromkeys(names))


def prepare(headers: Headers, limits: LimitSettings) -> Chain:
    """Parse the ARC fields of a complete header; a message without any costs next to nothing."""
    return Chain(collect(headers, limits))


def judge(
    chain: Chain, content: Content, keys: KeyReader, now: float, trusted: frozenset[str] = frozenset()
) -> ArcVerdict:
    """Return the chain's verdict.

    `now`: seconds since 1970; `trusted`: domains of the sealers whose testimony policy may use.
    """
    sets = chain.sets
    if sets.problem:
        return ArcVerdict(result=ArcResult.FAIL, instances=sets.count, problem=sets.problem)
    if not sets.found:
        return ArcVerdict(result=ArcResult.NONE)
    check = _Check(sets.found, content, keys, now)
    problem = check.chain()
    sealers = tuple([each.seal.domain for each in sets.found])
    testimony = None
    if trusted and (check.temporary or not problem):
        testimony = trusted_testimony(sets.found, content.forms.headers, trusted, check.testing)
    if problem:
        return ArcVerdict(
            result=ArcResult.FAIL,
            instances=sets.count,
            sealers=sealers,
            temporary=check.temporary,
            pending=testimony.sealer if testimony is not None and testimony.dmarc == "dmarc=pass" else "",
            secure=check.secure(),
            problem=problem,
            notes=check.notes,
        )
    secure, notes = check.secure(), check.notes  # taken now: older message signatures have no influence on them
    oldest_pass = check.oldest_pass()
    return ArcVerdict(
        result=ArcResult.PASS,
        instances=sets.count,
        sealers=sealers,
        oldest_pass=oldest_pass,
        sealed=testimony.dmarc if testimony is not None else "",
        sealed_by=testimony.sealer if testimony is not None else "",
        secure=secure,
        notes=notes,
    )


class _Check:
    """The verification of one chain's signatures; `chain`, `message` and `seal` return why it fails, or ""."""

    def __init__(self, sets: tuple[ArcSet, ...], content: Content, keys: KeyReader, now: float) -> None:
        self._sets, self._content, self._keys, self._now = sets, content, keys, now
        self._secure: set[bool | None] = set()
        self.testing: set[SignedBy] = set()  # the signatures whose keys are in test mode
        self.temporary = False  # nothing but DNS trouble was the reason

    def chain(self) -> str:
        """Verify all that RFC 8617 §5.2 steps 4 to 6 demand.

        After DNS trouble the rest is verified too: a wrong signature is final whatever the other keys are.
        """
        trouble = ""
        newest = len(self._sets)
        for verify, instance in ((self.message, newest), *((self.seal, each) for each in range(newest, 0, -1))):
            self.temporary = False
            problem = verify(instance)
            if problem and not self.temporary:
                return problem
            trouble = trouble or problem
        self.temporary = bool(trouble)
        return trouble

    def message(self, instance: int) -> str:
        """Verify an ARC-Message-Signature: what the field says, the body, and only then the key."""
        each = self._sets[instance - 1]
        signature = each.message
        if expired(signature.expires, self._now):
            return f"instance {instance}: the message signature has expired"
        body = self._content.bodies.get(signature.digest)
        if body is None or body.digest != signature.body_hash:
            return f"instance {instance}: body hash did not verify"
        if b"from" in signature.names and self._content.has_unsigned_from(signature.names):
            return f"instance {instance}: a From field was added that is not signed (RFC 6376 §8.15)"
        data = self._content.signed_data(signature.header_canon, signature.names, each.message_at)
        return self._verify(f"instance {instance}: message signature", signature.by, data)

    def seal(self, instance: int) -> str:
        """Verify an ARC-Seal. It covers, relaxed, all sets from the first, and itself at the end (RFC 8617 §5.1.1)."""
        sets, forms = self._sets[:instance], self._content.forms
        positions = [at for each in sets for at in (each.results_at, each.message_at, each.seal_at)]
        own = positions.pop()
        data = b"".join([forms.form(Canon.RELAXED, at) for at in positions])
        data += without_signature(Canon.RELAXED, forms.headers.fields[own])
        return self._verify(f"instance {instance}: seal", sets[-1].seal, data)

    def _verify(self, what: str, by: SignedBy, data: bytes) -> str:
        found = self._keys.fetch(by.key_name, by.key_type)
        self._secure.add(found.secure)
        if found.key is None:
            self.temporary = found.result is DkimResult.TEMPERROR
            return f"{what}: {found.problem}"
        if found.record is not None and found.record.testing:
            self.testing.add(by)
        return "" if found.key.verify(by.signature, data) else f"{what} did not verify"

    @property
    def notes(self) -> tuple[str, ...]:
        """Return a note on each set that RFC 6376 §3.6.1 wants to be treated as unsigned."""
        return tuple(
            f"ARC set {instance} is signed by a key in test mode (t=y)"
            for instance, each in enumerate(self._sets, 1)
            if self.testing & {each.seal, each.message.by}
        )

    def oldest_pass(self) -> int:
        """Return the lowest instance down to which message signatures verify; 0 if all do (RFC 8617 §5.2 step 5)."""
        for instance in range(len(self._sets) - 1, 0, -1):
            if self.message(instance):
                return instance + 1
        return 0

    def secure(self) -> bool | None:
        """Return whether the answers with the keys were DNSSEC-validated; None: not known of all of them."""
        return all_secure(self._secure)
