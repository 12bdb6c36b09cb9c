"""check – does the chain of custody hold? (RFC 8617; verification only)

The newest ARC-Message-Signature has to verify, and every ARC-Seal from the newest to the first; older
message signatures need not, and decide `oldest_pass` alone. Every failure is final. RFC 8617 has no
temporary result, so DNS trouble is `fail` too, but marked unless a signature is wrong as well, and its
reason is in the comment and the log.

A chain never changes the DMARC verdict; what a trusted sealer saw of it (arc_trust) is a fact for policy.

Raises     nothing
Not here   structure (checks.arc.sets), whose word counts (checks.arc.trust); sealing
"""

from dataclasses import dataclass

from mailvet.checks.arc import sets as arc_sets, trust as arc_trust
from mailvet.checks.arc.fields import SignedBy
from mailvet.checks.arc.sets import ArcSet, Sets
from mailvet.checks.dkim import keys
from mailvet.checks.dkim.body_hash import BodyDigest, BodyHash, Canon
from mailvet.checks.dkim.header_forms import HeaderForms, without_signature
from mailvet.checks.dkim.keys import Tools
from mailvet.checks.dkim.tag_values import ParseTags, expired
from mailvet.message import Headers
from mailvet.ports import Ask, RecordType, all_secure
from mailvet.settings import LimitSettings
from mailvet.verdict import ArcResult, ArcVerdict, DkimResult


@dataclass(frozen=True, slots=True)
class Chain:
    """The ARC fields of a message, read when its header was complete."""

    sets: Sets

    @property
    def digests(self) -> frozenset[BodyDigest]:
        """What the body has to be hashed for; two hashes at most, however many signatures and l= there are."""
        return frozenset([each.message.digest for each in self.sets.found])

    @property
    def questions(self) -> tuple[tuple[str, RecordType], ...]:
        """The keys that will be needed, unless the chain breaks."""
        newest_first = self.sets.found[::-1]
        names = [each.message.by.key_name for each in newest_first[:1]]
        names += [each.seal.key_name for each in newest_first]
        return tuple((name, RecordType.TXT) for name in dict.fromkeys(names))


def prepare(headers: Headers, parse_tags: ParseTags, limits: LimitSettings) -> Chain:
    """Total, and next to nothing for a message without ARC fields."""
    return Chain(arc_sets.collect(headers, parse_tags, limits))


def judge(
    chain: Chain,
    forms: HeaderForms,
    bodies: dict[BodyDigest, BodyHash],
    ask: Ask,
    tools: Tools,
    now: float,
    trusted: frozenset[str] = frozenset(),
) -> ArcVerdict:
    """The chain's verdict. `trusted`: domains of the sealers whose word policy may use."""
    sets = chain.sets
    if sets.problem:
        return ArcVerdict(result=ArcResult.FAIL, instances=sets.count, problem=sets.problem)
    if not sets.found:
        return ArcVerdict(result=ArcResult.NONE)
    check = _Check(sets.found, forms, bodies, ask, tools, now)
    problem = check.all_that_has_to_hold()
    sealers = tuple([each.seal.domain for each in sets.found])
    word = arc_trust.NONE
    if trusted and (check.temporary or not problem):
        word = arc_trust.word(sets.found, forms.headers, trusted, check.testing)
    if problem:
        return ArcVerdict(
            result=ArcResult.FAIL,
            instances=sets.count,
            sealers=sealers,
            temporary=check.temporary,
            pending=word.sealer if word.said == "dmarc=pass" else "",
            secure=check.secure(),
            problem=problem,
            notes=check.notes,
        )
    secure, notes = check.secure(), check.notes  # older message signatures decide nothing
    oldest_pass = check.oldest_pass()
    return ArcVerdict(
        result=ArcResult.PASS,
        instances=sets.count,
        sealers=sealers,
        oldest_pass=oldest_pass,
        sealed=word.said,
        sealed_by=word.sealer,
        secure=secure,
        notes=notes,
    )


class _Check:
    """Verifying the signatures of one chain; each method says why not, or "" where one verifies."""

    def __init__(
        self,
        sets: tuple[ArcSet, ...],
        forms: HeaderForms,
        bodies: dict[BodyDigest, BodyHash],
        ask: Ask,
        tools: Tools,
        now: float,
    ) -> None:
        self._sets, self._forms, self._bodies = sets, forms, bodies
        self._ask, self._tools, self._now = ask, tools, now
        self._secure: set[bool | None] = set()
        self.testing: set[SignedBy] = set()  # those whose keys are in test mode
        self.temporary = False

    def all_that_has_to_hold(self) -> str:
        """RFC 8617 §5.2 steps 4 to 6. After DNS trouble the rest is checked too: what is false does not wait for it."""
        trouble = ""
        newest = len(self._sets)
        for check, instance in ((self.message, newest), *((self.seal, each) for each in range(newest, 0, -1))):
            self.temporary = False
            problem = check(instance)
            if problem and not self.temporary:
                return problem
            trouble = trouble or problem
        self.temporary = bool(trouble)
        return trouble

    def message(self, instance: int) -> str:
        """An ARC-Message-Signature: what the field says, the body, and only then the key."""
        each = self._sets[instance - 1]
        says, at = each.message, each.message_at
        if expired(says.expires, self._now):
            return f"instance {instance}: the message signature has expired"
        body = self._bodies.get(says.digest)
        if body is None or body.digest != says.body_hash:
            return f"instance {instance}: body hash did not verify"
        authors = len(self._forms.headers.by_name.get(b"from", ()))
        if b"from" in says.names and authors > says.names.count(b"from"):
            return f"instance {instance}: a From field was added that is not signed (RFC 6376 §8.15)"
        canon = says.header_canon
        data = self._forms.signed(canon, says.names, at)
        data += without_signature(canon, self._forms.headers.fields[at])
        return self._verify(f"instance {instance}: message signature", says.by, data)

    def seal(self, instance: int) -> str:
        """An ARC-Seal. RFC 8617 §5.1.1: relaxed, set after set from the first, and itself at the end."""
        sets = self._sets[:instance]
        positions = [at for each in sets for at in (each.results_at, each.message_at, each.seal_at)]
        own = positions.pop()
        data = b"".join([self._forms.form(Canon.RELAXED, at) for at in positions])
        data += without_signature(Canon.RELAXED, self._forms.headers.fields[own])
        return self._verify(f"instance {instance}: seal", sets[-1].seal, data)

    def _verify(self, what: str, by: SignedBy, data: bytes) -> str:
        found = keys.fetch(by.key_name, by.key_type, self._ask, self._tools)
        self._secure.add(found.secure)
        if found.key is None:
            self.temporary = found.result is DkimResult.TEMPERROR
            return f"{what}: {found.problem}"
        if found.record is not None and found.record.testing:
            self.testing.add(by)
        return "" if found.key.verify(by.signature, data) else f"{what} did not verify"

    @property
    def notes(self) -> tuple[str, ...]:
        """Seals that RFC 6376 §3.6.1 wants to be taken for none; who would count on them is told."""
        return tuple(
            f"ARC set {instance} is signed by a key in test mode (t=y)"
            for instance, each in enumerate(self._sets, 1)
            if self.testing & {each.seal, each.message.by}
        )

    def oldest_pass(self) -> int:
        """RFC 8617 §5.2 step 5: the lowest instance down to which the message signatures verify; 0 if all do."""
        for instance in range(len(self._sets) - 1, 0, -1):
            if self.message(instance):
                return instance + 1
        return 0

    def secure(self) -> bool | None:
        """Were all keys DNSSEC-validated?"""
        return all_secure(self._secure)
