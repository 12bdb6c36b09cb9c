"""arc – does the chain of custody hold? (RFC 8617; verification only)

The newest ARC-Message-Signature has to verify, and every ARC-Seal from the newest to the first; older
message signatures need not, and decide `oldest_pass` alone. Every failure is final. RFC 8617 has no
temporary result, so DNS trouble is `fail` too, but marked, and its reason is in the comment and the log.

A chain never changes the DMARC verdict. What a trusted sealer saw is a fact for policy: the seals from the
newest down to that sealer's all have to be trusted, since whoever stands above may have changed everything
(§7.2, §9), and the lowest of them is the one that took the message from outside.

Raises     nothing
Not here   structure (arc_sets); sealing
"""

from dataclasses import dataclass

from mailvet import authresults_parse
from mailvet.arc_sets import ArcSet, Sets, collect
from mailvet.bodyhash import BodyDigest, BodyHash, Canon
from mailvet.canonical import HeaderForms, without_signature
from mailvet.dkim import Ask, Tools, fetch_key
from mailvet.message import Headers
from mailvet.ports import Kind
from mailvet.settings import LimitSettings
from mailvet.signature import ParseTags
from mailvet.verdict import ArcResult, ArcVerdict, DkimResult


@dataclass(frozen=True, slots=True)
class Chain:
    """The ARC fields of a message, read when its header was complete."""

    sets: Sets

    @property
    def digests(self) -> frozenset[BodyDigest]:
        """What the body has to be hashed for: few, as signers hash alike."""
        return frozenset(each.message.digest for each in self.sets.found)

    @property
    def questions(self) -> tuple[tuple[str, Kind], ...]:
        """The keys that will be needed."""
        names = [each.seal.key_name for each in self.sets.found]
        names += [each.message.key_name for each in self.sets.found[-1:]]
        return tuple((name, Kind.TXT) for name in dict.fromkeys(names))


def prepare(headers: Headers, parse_tags: ParseTags, limits: LimitSettings) -> Chain:
    return Chain(collect(headers, parse_tags, limits))


def judge(
    chain: Chain,
    forms: HeaderForms,
    bodies: dict[BodyDigest, BodyHash],
    ask: Ask,
    tools: Tools,
    trusted: frozenset[str] = frozenset(),
) -> ArcVerdict:
    """The chain's verdict. `trusted`: the sealers whose word policy may use, as A-labels."""
    sets = chain.sets
    if not sets.count:
        return ArcVerdict(result=ArcResult.NONE)
    sealers = tuple(each.seal.domain for each in sets.found)
    if sets.problem:
        return ArcVerdict(result=ArcResult.FAIL, instances=sets.count, problem=sets.problem)
    work = _Chain(sets.found, forms, bodies, ask, tools)
    problem = work.message(sets.count)
    for instance in range(sets.count, 0, -1):
        problem = problem or work.seal(instance)
    if problem:
        return ArcVerdict(
            result=ArcResult.FAIL,
            instances=sets.count,
            sealers=sealers,
            temporary=work.temporary,
            secure=work.secure(),
            problem=problem,
        )
    return ArcVerdict(
        result=ArcResult.PASS,
        instances=sets.count,
        sealers=sealers,
        oldest_pass=work.oldest_pass(),
        sealed=_sealed(sets.found, forms.headers, trusted),
        secure=work.secure(),
    )


class _Chain:
    """Verifying the signatures of one chain."""

    def __init__(
        self,
        sets: tuple[ArcSet, ...],
        forms: HeaderForms,
        bodies: dict[BodyDigest, BodyHash],
        ask: Ask,
        tools: Tools,
    ) -> None:
        self._sets, self._forms, self._bodies = sets, forms, bodies
        self._ask, self._tools = ask, tools
        self._secure: set[bool | None] = set()
        self.temporary = False

    def message(self, instance: int) -> str:
        """Why an ARC-Message-Signature does not verify; "" if it does."""
        each = self._sets[instance - 1]
        says = each.message
        canon, at = says.header_canon, each.message_at
        if self._bodies[says.digest].digest != says.body_hash:
            return f"instance {instance}: body hash did not verify"
        data = self._forms.signed(canon, says.names, at)
        data += without_signature(canon, self._forms.headers.fields[at])
        return self._check("message signature", instance, says.key_name, says.key_type, says.signature, data)

    def seal(self, instance: int) -> str:
        """Why an ARC-Seal does not verify; "" if it does. RFC 8617 §5.1.1: relaxed, set after set, its own last."""
        each = self._sets[instance - 1]
        positions = [at for one in self._sets[:instance] for at in (one.results_at, one.message_at, one.seal_at)]
        data = b"".join([self._forms.form(Canon.RELAXED, at) for at in positions[:-1]])
        data += without_signature(Canon.RELAXED, self._forms.headers.fields[each.seal_at])
        seal = each.seal
        return self._check("seal", instance, seal.key_name, seal.key_type, seal.signature, data)

    def _check(self, what: str, instance: int, name: str, key_type: str, signature: bytes, data: bytes) -> str:
        found = fetch_key(name, key_type, self._ask, self._tools)
        self._secure.add(found.secure)
        if found.key is None:
            self.temporary = found.result is DkimResult.TEMPERROR
            return f"instance {instance}: {what}: {found.problem}"
        if not found.key.verify(signature, data):
            return f"instance {instance}: {what} did not verify"
        return ""

    def oldest_pass(self) -> int:
        """RFC 8617 §5.2 step 6: the lowest instance whose message signature still verifies, 0 if all do."""
        for instance in range(len(self._sets) - 1, 0, -1):
            if self.message(instance):
                self.temporary = False
                return instance + 1
        return 0

    def secure(self) -> bool | None:
        return False if False in self._secure else None if None in self._secure or not self._secure else True


def _sealed(sets: tuple[ArcSet, ...], headers: Headers, trusted: frozenset[str]) -> str:
    """What the lowest of the trusted sealers at the top said of DMARC: "dmarc=pass" or the like, else ""."""
    lowest = None
    for each in reversed(sets):
        if each.seal.domain not in trusted:
            break
        lowest = each
    if lowest is None:
        return ""
    _, _, payload = headers.fields[lowest.results_at].value.partition(b";")
    parsed = authresults_parse.parse(payload)
    if parsed is None:
        return ""
    said = {result.result for result in parsed.results if result.method == "dmarc"}
    return f"dmarc={said.pop()}" if len(said) == 1 else ""
