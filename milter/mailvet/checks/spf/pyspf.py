"""pyspf – RFC 7208's check_host() by the library of that name; the only file that imports it.

Of the library we use the macro values and their transformation, the errors and the count of terms: not its reading of
records (grammar), its order of evaluation, its resolver, its caches, its explanations, or its guesses.

The library calls its attributes by macro letters (RFC 7208 §7.2). Those that we set or read:

    i  the client's address, IPv4 dotted, IPv6 in nibbles     v  "in-addr" or "ip6", for reverse names
    s  the sender, l its local part, o its domain             h  the HELO name
    d  the domain whose record is being evaluated             p  a name of the client: ours, see `_validated`
    lookups    an integer: the terms counted so far (§4.6.4), raised by `check_lookups()`
    mechanism  the term that decided, as published; None where no term did

Not used: c, r and t, which only explanations may hold (§7.2), and A, the library's record type of an address.

Raises     nothing: a bug that the library meets is temperror
Not here   whom a check is about, and the memory (checks.spf.check); which clients are checked (session)
"""

import re
from collections.abc import Iterator
from typing import Any, Final, cast
from urllib.parse import quote

import spf

from mailvet.checks.spf import grammar, limits, terms
from mailvet.checks.spf.check import Claim, Evaluation
from mailvet.checks.spf.grammar import Directive, Macro, MacroString, Mechanism
from mailvet.checks.spf.identity import Client, covers
from mailvet.checks.spf.questions import Questions
from mailvet.checks.spf.voids import Voids
from mailvet.ports import Answer, Lookups, RecordType, Status, Unavailable
from mailvet.text import loggable
from mailvet.values import Problem
from mailvet.verdict import SpfIdentity, SpfResult, SpfVerdict

_MOST_NOTES: Final = 5  # of a verdict
_OF_SENDER: Final = frozenset("slh")  # RFC 7208 §7.2: macros that address and domain do not decide
_DETAIL = re.compile(r": | for ")  # what follows may be a name after expansion


def evaluate(client: Client, claim: Claim, lookups: Lookups) -> Evaluation:
    """Return what check_host() finds for this client and claim."""
    query = _Query(client, claim, lookups)
    return Evaluation(query.verdict(claim.identity), query.questions.ttl, query.repeatable, query.bug)


class _Query(spf.query):  # type: ignore[misc]  # the library has no types
    """One evaluation. The library keeps and expands the macro values; the order of evaluation is ours."""

    def __init__(self, client: Client, claim: Claim, lookups: Lookups) -> None:
        local, domain = claim.sender
        super().__init__(client.text, f"postmaster@{domain}", claim.helo[:255])
        # RFC 8616 §4: what is not ASCII matches no name; lower-casing could even make ASCII of it.
        self.l = local if local.isascii() else "".join(c if c.isascii() else "\x80" for c in local)
        self.s = f"{self.l}@{domain}"
        self.client = client
        self.questions = Questions(lookups.ask)
        self.voids = Voids(self._is_there, limits.VOIDS)
        self.repeatable = True
        self.personal = False  # names may hold the sender's local part, which may not be disclosed
        self.passing: list[bytes] = []  # the records that let the client pass
        self.ptr_trouble: Unavailable | None = None
        self.validated: dict[tuple[int, str], list[str]] = {}  # the client's names, by term and target
        self.bug: Exception | None = None

    def verdict(self, identity: SpfIdentity) -> SpfVerdict:
        """Evaluate, and return the verdict."""
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
            every = (note for record in self.passing for note in terms.notes(record, self.client.text))
            notes = tuple(dict.fromkeys(map(loggable, every)))[:_MOST_NOTES]
        return SpfVerdict(
            result=result,
            identity=identity,
            domain=self.o,
            mechanism=loggable(mechanism),
            secure=self.questions.secure,
            problem=loggable(problem),
            notes=notes,
        )

    def check0(self, record: bytes | None, recursion: int) -> tuple[str, int, str]:
        """Evaluate one record, the domain's own or one it leads to. Only the result, the first of three, is used."""
        if record is None:
            return (SpfResult.NONE, 0, "")
        read = grammar.read(record)  # RFC 7208 §4.6: all of it, before anything is evaluated
        if isinstance(read, Problem):
            raise spf.PermError(read.text)
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

    def dns_spf(self, domain: str) -> bytes | None:
        """Return the SPF record of a domain (RFC 7208 §4.4, §4.5)."""
        if not all(0 < len(label) < 64 for label in domain.split(".")):
            return None
        found = [record for record in self._records(domain, RecordType.TXT) if grammar.is_record(record)]
        if len(found) > 1:
            raise spf.PermError("Two or more SPF records")
        return found[0] if found else None

    def _matches(self, directive: Directive, recursion: int) -> bool:
        """Return whether a directive matches the client (RFC 7208 §5)."""
        mechanism = directive.mechanism
        length = directive.length4 if self.client.kind is RecordType.A else directive.length6
        if mechanism is Mechanism.ALL or directive.network:
            return mechanism is Mechanism.ALL or covers(directive.network, length, self.client)
        self.check_lookups()
        target = self._target(directive.target)
        if mechanism is Mechanism.INCLUDE:
            return self._included(target, directive, recursion)
        if mechanism is Mechanism.EXISTS:
            return bool(self._records(target, RecordType.A))
        if mechanism is Mechanism.PTR:
            return bool(spf.domainmatch(self._validated(target), target))
        addresses = self._addresses(target) if mechanism is Mechanism.A else self._exchanges(target)
        return any(covers(address, length, self.client) for address in addresses)

    def _included(self, target: str, directive: Directive, recursion: int) -> bool:
        """Return whether the included record lets the client pass (RFC 7208 §5.2)."""
        if target.lower() == self.d.lower():  # it would include itself until there are ten
            raise spf.PermError("include has trivial recursion", directive.text)
        result = self.check1(self.dns_spf(target), target, recursion + 1)[0]
        if result == SpfResult.NONE:
            raise spf.PermError(f"No valid SPF record for included domain: {target}")
        return bool(result == SpfResult.PASS)

    def _redirected(self, spec: MacroString, recursion: int) -> tuple[str, int, str]:
        """Evaluate the record that redirect= names (RFC 7208 §6.1). It is counted here: only where it is followed."""
        self.check_lookups()
        target = self._target(spec)
        record = self.dns_spf(target)
        if record is None:
            raise spf.PermError("redirect domain has no SPF record", target)
        return cast("tuple[str, int, str]", self.check1(record, target, recursion))

    def _target(self, spec: MacroString) -> str:
        """Return the <target-name> of RFC 7208 §4.8."""
        name = "".join(map(self._expanded, spec)).removesuffix(".") if spec else self.d
        if not name:
            raise spf.PermError("A domain of macros came out empty")
        return name

    def _expanded(self, part: str | Macro) -> str:
        """Return what a part of a macro-string stands for (RFC 7208 §7.3)."""
        if isinstance(part, str):
            return part
        if part.letter in _OF_SENDER:
            self.repeatable, self.personal = False, True
        value: str = getattr(self, part.letter) if part.letter != "p" else [*self._validated(self.d), "unknown"][0]
        expanded: str = spf.expand_one(value, part.transformers, ".")  # "rejoined using '.'", whatever the delimiter
        return quote(expanded, safe="~") if part.escaped else expanded

    def _answer(self, name: str, kind: RecordType) -> Answer:
        """Ask one question; every one of an evaluation comes through here."""
        answer = self.questions.ask(name, kind)
        if isinstance(answer, Problem):
            raise spf.PermError(answer.text)
        return answer

    def _records(self, name: str, kind: RecordType) -> tuple[Any, ...]:
        """Return the records of a name, whose absence counts as void."""
        answer = self._answer(name, kind)
        if not answer.records:
            self._void()
        return answer.records

    def _addresses(self, name: str) -> tuple[Any, ...]:
        """Return the addresses of a name that are of the client's family."""
        kind, other = (
            (RecordType.A, RecordType.AAAA) if self.client.kind is RecordType.A else (RecordType.AAAA, RecordType.A)
        )
        answer = self._answer(name, kind)
        if not answer.records:
            self._void((name, other) if answer.status is Status.NODATA else None)
        return answer.records

    def _exchanges(self, name: str) -> Iterator[str]:
        """Yield addresses of the exchanges, looked up one by one: the first that matches is the last that is asked."""
        exchanges = sorted(self._records(name, RecordType.MX))  # so that those of one preference have an order too
        if len(exchanges) > spf.MAX_MX:  # RFC 7208 §4.6.4
            raise spf.PermError(f"More than {spf.MAX_MX} MX records returned")
        return (address for _, host in exchanges for address in self._addresses(host))

    def _validated(self, target: str) -> list[str]:
        """Return the client's names that lead back to it (RFC 7208 §5.5): `target`, those in it, others by alphabet.

        DNS trouble is not a match here, but it may not cost the client a pass either. The names are looked up once
        for each term, to which void lookups count, however many macros the term has.
        """
        key = self.lookups, target.lower()
        if key in self.validated:
            return self.validated[key]
        names: list[str] = []
        try:
            names.extend(self._records(f"{spf.reverse_dots(self.i)}.{self.v}.arpa", RecordType.PTR))
        except Unavailable as e:
            self.ptr_trouble, self.repeatable = e, False
        names.sort(key=lambda name: (name != key[1], not name.endswith(f".{key[1]}"), name))
        found = self.validated[key] = [name for name in names[: spf.MAX_PTR] if self._leads_back(name)]
        return found

    def _leads_back(self, name: str) -> bool:
        try:
            return any(covers(address, self.client.bits, self.client) for address in self._addresses(name))
        except Unavailable as e:
            self.ptr_trouble, self.repeatable = e, False
            return False

    def _void(self, other: tuple[str, RecordType] | None = None) -> None:
        if self.voids.add(self.lookups, other):
            raise spf.PermError(f"More than {limits.VOIDS} void lookups")

    def _is_there(self, name: str, kind: RecordType) -> bool:
        """Return whether a host has addresses of the other family; True, in the sender's favour, if not known."""
        try:
            return self.questions.used_up or bool(self._answer(name, kind).records)
        except Unavailable:
            self.repeatable = False
            return True
