"""pyspf – SPF by the library of that name; the only file that imports it.

Of the library we use what the macros stand for and their transformation, the errors and the count of terms: not its
reading of records (spf_grammar), its order of evaluation, its resolver, its caches, its explanations, or its guesses.

Raises     nothing: what surprises the library is temperror
Not here   whom a check is about, and the memory (checks.spf.check); which clients are checked (session)
"""

import re
import time
from collections.abc import Iterator
from typing import Any, Final, cast
from urllib.parse import quote

import spf

from mailvet.checks.spf import grammar as spf_grammar, limits as spf_limits, terms as spf_terms
from mailvet.checks.spf.check import Checker, Claim, Evaluation
from mailvet.checks.spf.grammar import Directive, Macro, MacroString, Mechanism, Mistake, is_record
from mailvet.checks.spf.identity import Client, covers
from mailvet.checks.spf.memo import Clock, Memo
from mailvet.checks.spf.voids import Voids
from mailvet.ports import Answer, Lookups, RecordType, ReportBug, Status, Unavailable, all_secure
from mailvet.text import loggable
from mailvet.verdict import SpfIdentity, SpfResult, SpfVerdict

_NOTES: Final = 5  # kept with a verdict
_OF_SENDER: Final = frozenset("slh")  # RFC 7208 §7.2: macros that address and domain do not decide
_DETAIL = re.compile(r": | for ")  # what follows may be a name after expansion
_ASKABLE = re.compile(r"[ -\[\]-~]+")  # printable, and nothing a resolver takes for an escape
_NO_NAME: Final = Answer(Status.NXDOMAIN)


class SpfChecker(Checker):
    """RFC 7208 check_host(), with a memory of what it found."""

    def __init__(self, clock: Clock = time.monotonic, size: int = 8_000, surprised: ReportBug | None = None) -> None:
        super().__init__(evaluate, Memo(clock, size), surprised)


def evaluate(who: Client, claim: Claim, receiver: str, lookups: Lookups) -> Evaluation:
    """Total: what surprises the library is temperror."""
    query = _Query(who, claim, receiver, lookups)
    return Evaluation(query.verdict(claim.identity), query.ttl, query.repeatable, query.bug)


class _Query(spf.query):  # type: ignore[misc]  # the library has no types
    """One evaluation. The library keeps what the macros stand for and expands them; the order of evaluation is ours."""

    def __init__(self, who: Client, claim: Claim, receiver: str, lookups: Lookups) -> None:
        super().__init__(who.text, f"postmaster@{claim.domain}", claim.helo[:255], receiver=receiver)
        # RFC 8616 §4: what is not ASCII matches no name; lower-casing could even make ASCII of it.
        self.l = claim.local if claim.local.isascii() else "".join(c if c.isascii() else "\x80" for c in claim.local)
        self.s = f"{self.l}@{claim.domain}"
        self.who = who
        self.ask = lookups.ask
        self.ttl = float("inf")
        self.repeatable = True
        self.personal = False  # names may hold the sender's local part, which is not to be told
        self.asked: set[tuple[str, RecordType]] = set()
        self.voids = Voids(self._is_there, spf_limits.VOIDS)
        self.answers_secure: set[bool | None] = set()
        self.passing: list[bytes] = []
        self.ptr_trouble: Unavailable | None = None
        self.bug: Exception | None = None
        self.led_back: dict[tuple[int, str], list[str]] = {}  # the client's names, by term and target

    def verdict(self, identity: SpfIdentity) -> SpfVerdict:
        """Evaluate. Total."""
        mechanism = ""
        notes: tuple[str, ...] = ()
        try:
            word, _, text = self.check()
            result = SpfResult(word)
            problem = text.removeprefix("SPF Permanent Error: ")
            if self.personal:
                problem = _DETAIL.split(problem)[0]
            if self.ptr_trouble is not None and result is not SpfResult.PASS:
                raise self.ptr_trouble
            mechanism = self.mechanism or ""
        except Unavailable as e:
            result = SpfResult.TEMPERROR
            problem = f"{e.kind} of a name with macros: {e.trouble}" if self.personal else str(e)
        except Exception as e:  # the library met something it was not made for
            result, problem, self.bug = SpfResult.TEMPERROR, f"internal error: {type(e).__name__}", e
        if result is SpfResult.NONE:
            problem = "no SPF record"
        elif result is SpfResult.PASS:
            every = (note for record in self.passing for note in spf_terms.notes(record, self.who.text))
            notes = tuple(dict.fromkeys(map(loggable, every)))[:_NOTES]
        return SpfVerdict(
            result=result,
            identity=identity,
            domain=self.o,
            mechanism=loggable(mechanism),
            secure=all_secure(self.answers_secure),
            problem=loggable(problem),
            notes=notes,
        )

    def check0(self, record: bytes | None, recursion: int) -> tuple[str, int, str]:
        """Evaluate one record, the domain's own or one it leads to. Of a triple only the first is looked at."""
        if record is None:
            return (SpfResult.NONE, 0, "")
        read = spf_grammar.read(record)  # RFC 7208 §4.6: all of it, before anything is evaluated
        if isinstance(read, Mistake):
            raise spf.PermError(read.problem)
        # RFC 7208 §4.6.2: from left to right, and nothing behind a match is evaluated
        matching = next((each for each in read.directives if self._matches(each, recursion)), None)
        if matching is None and read.redirect:
            found = self._redirected(read.redirect, recursion)
        else:
            found = (matching.result if matching else SpfResult.NEUTRAL, 0, "")  # RFC 7208 §4.7
            if not recursion:
                self.mechanism = matching.text if matching else ""
        self.passing = [*self.passing, record] if found[0] == SpfResult.PASS else []
        return found

    def _matches(self, directive: Directive, recursion: int) -> bool:
        """RFC 7208 §5"""
        mechanism = directive.mechanism
        length = directive.length4 if self.who.kind is RecordType.A else directive.length6
        if mechanism is Mechanism.ALL or directive.network:
            return mechanism is Mechanism.ALL or covers(directive.network, length, self.who)
        self.check_lookups()
        target = self._target(directive.target)
        if mechanism is Mechanism.INCLUDE:
            return self._included(target, directive, recursion)
        if mechanism is Mechanism.EXISTS:
            return bool(self._records(target, RecordType.A))
        if mechanism is Mechanism.PTR:
            return bool(spf.domainmatch(self._validated(target), target))
        addresses = self._addresses(target) if mechanism is Mechanism.A else self._exchanges(target)
        return any(covers(address, length, self.who) for address in addresses)

    def _included(self, target: str, directive: Directive, recursion: int) -> bool:
        """RFC 7208 §5.2"""
        if target.lower() == self.d.lower():  # it would include itself until there are ten
            raise spf.PermError("include has trivial recursion", directive.text)
        result = self.check1(self.dns_spf(target), target, recursion + 1)[0]
        if result == SpfResult.NONE:
            raise spf.PermError(f"No valid SPF record for included domain: {target}")
        return bool(result == SpfResult.PASS)

    def _redirected(self, spec: MacroString, recursion: int) -> tuple[str, int, str]:
        """RFC 7208 §6.1: counted where it is followed."""
        self.check_lookups()
        target = self._target(spec)
        record = self.dns_spf(target)
        if record is None:
            raise spf.PermError("redirect domain has no SPF record", target)
        return cast("tuple[str, int, str]", self.check1(record, target, recursion))

    def _target(self, spec: MacroString) -> str:
        """RFC 7208 §4.8: the <target-name>."""
        name = "".join(map(self._expanded, spec)).removesuffix(".") if spec else self.d
        if not name:
            raise spf.PermError("A domain of macros came out empty")
        return name

    def _expanded(self, part: str | Macro) -> str:
        """RFC 7208 §7.3"""
        if isinstance(part, str):
            return part
        if part.letter in _OF_SENDER:
            self.repeatable, self.personal = False, True
        value: str = getattr(self, part.letter) if part.letter != "p" else [*self._validated(self.d), "unknown"][0]
        expanded: str = spf.expand_one(value, part.transformers, ".")  # "rejoined using '.'", whatever the delimiter
        return quote(expanded, safe="~") if part.escaped else expanded

    def _records(self, name: str, kind: RecordType) -> tuple[Any, ...]:
        """Records of a name, of which the absence counts."""
        answer = self._answer(name, kind)
        if not answer.records:
            self._void()
        return answer.records

    def _answer(self, name: str, kind: RecordType) -> Answer:
        """Every question comes through here."""
        name = spf_limits.fitting(name.removesuffix("."))
        if not _ASKABLE.fullmatch(name):
            return _NO_NAME
        self.asked.add((name.lower(), kind))
        if len(self.asked) > spf_limits.QUESTIONS:
            raise spf.PermError(f"More than {spf_limits.QUESTIONS} DNS questions")
        answer = self.ask(name.lower(), kind)
        self.ttl = min(self.ttl, answer.ttl)
        self.answers_secure.add(answer.secure)
        return answer

    def dns_spf(self, domain: str) -> bytes | None:
        """RFC 7208 §4.4, §4.5"""
        if not all(0 < len(label) < 64 for label in domain.split(".")):
            return None
        found = [record for record in self._records(domain, RecordType.TXT) if is_record(record)]
        if len(found) > 1:
            raise spf.PermError("Two or more SPF records")
        return found[0] if found else None

    def _addresses(self, name: str) -> tuple[Any, ...]:
        other = RecordType.AAAA if self.who.kind is RecordType.A else RecordType.A
        answer = self._answer(name, self.who.kind)
        if not answer.records:
            self._void((name, other) if answer.status is Status.NODATA else None)
        return answer.records

    def _exchanges(self, name: str) -> Iterator[str]:
        """Addresses of the exchanges, looked up one by one: the first that matches is the last that is asked."""
        exchanges = sorted(self._records(name, RecordType.MX))  # so that those of one preference have an order too
        if len(exchanges) > spf.MAX_MX:  # RFC 7208 §4.6.4
            raise spf.PermError(f"More than {spf.MAX_MX} MX records returned")
        return (address for _, host in exchanges for address in self._addresses(host))

    def _validated(self, target: str) -> list[str]:
        """RFC 7208 §5.5: the client's names that lead back to it; `target` first, then those in it, by the alphabet.

        DNS trouble is not a match here. But nobody may get less than pass because of it. Found out once for each term,
        to which void look-ups count, however many macros it has.
        """
        key = self.lookups, target.lower()
        if key in self.led_back:
            return self.led_back[key]
        names: list[str] = []
        try:
            names.extend(self._records(f"{spf.reverse_dots(self.i)}.{self.v}.arpa", RecordType.PTR))
        except Unavailable as e:
            self.ptr_trouble, self.repeatable = e, False
        names.sort(key=lambda name: (name != key[1], not name.endswith(f".{key[1]}"), name))
        found = self.led_back[key] = [name for name in names[: spf.MAX_PTR] if self._leads_back(name)]
        return found

    def _leads_back(self, name: str) -> bool:
        try:
            return any(covers(address, self.who.bits, self.who) for address in self._addresses(name))
        except Unavailable as e:
            self.ptr_trouble, self.repeatable = e, False
            return False

    def _void(self, other: tuple[str, RecordType] | None = None) -> None:
        if self.voids.add(self.lookups, other):
            raise spf.PermError(f"More than {spf_limits.VOIDS} void lookups")

    def _is_there(self, name: str, kind: RecordType) -> bool:
        """Has the host addresses of the other family? Where we cannot find out, nobody is blamed."""
        try:
            return len(self.asked) >= spf_limits.QUESTIONS or bool(self._answer(name, kind).records)
        except Unavailable:
            self.repeatable = False
            return True
