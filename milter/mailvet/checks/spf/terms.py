"""terms – an SPF record read ahead of its evaluation: what it will ask, and how much it gives away.

`targets` names the questions that evaluating a record will probably need; `ahead` asks them, and those
they lead to, without waiting. Both may guess: a wrong guess costs a question and never a verdict. `notes`
says of a record that let a client pass that it lets everybody pass. Work is bounded and linear in the record.

Raises     nothing
Not here   evaluation (checks.spf.pyspf)
"""

from functools import partial
from typing import Final

from mailvet.checks.spf import grammar as spf_grammar
from mailvet.checks.spf.grammar import Directive, MacroString, Mechanism, Mistake, is_record
from mailvet.checks.spf.identity import Client, client, covers, fqdn
from mailvet.ports import Answer, Lookups, RecordType
from mailvet.verdict import SpfResult

TERMS: Final = 10  # RFC 7208 §4.6.4: terms that ask the DNS
_AT_ONCE: Final = 2  # terms of one record asked side by side; a third costs more questions than it saves waiting
_NOTES: Final = 3  # of one record: enough to see that it is weak
# Nobody holds more than a /8 of IPv4, and only a handful of carriers more than a /24 of IPv6.
_WIDEST: Final = {RecordType.A: 8, RecordType.AAAA: 24}


def targets(record: bytes, domain: str, address: str) -> tuple[tuple[str, RecordType], ...]:
    """What evaluating the record of `domain` for a client will ask, in order, until a term surely matches."""
    who = client(address)
    if who is None or not is_record(record):
        return ()
    read = spf_grammar.read(record)
    if isinstance(read, Mistake):  # permerror, and nothing is asked
        return ()
    found: dict[tuple[str, RecordType], None] = {}
    for directive in read.directives:
        if directive.mechanism is Mechanism.ALL or _in_range(directive, who):
            return tuple(found)  # RFC 7208 §6.1: redirect= only where nothing matches
        question = _question(directive, domain, who)
        if question is not None:
            found[question] = None
            if len(found) == TERMS:
                return tuple(found)
    name = _name(read.redirect)
    if name:
        found[name, RecordType.TXT] = None
    return tuple(found)


def _in_range(directive: Directive, who: Client) -> bool:
    """Is it an ip4 or ip6 term that the client is in?"""
    return bool(directive.network) and covers(directive.network, _length(directive, who), who)


def _length(directive: Directive, who: Client) -> int:
    """How many leading bits have to agree."""
    return directive.length4 if who.kind is RecordType.A else directive.length6


def _question(directive: Directive, domain: str, who: Client) -> tuple[str, RecordType] | None:
    """The first question of a mechanism; None if it has none, or one that only evaluation can tell."""
    kinds = {"include": RecordType.TXT, "exists": RecordType.A, "a": who.kind, "mx": RecordType.MX}
    kind = kinds.get(directive.mechanism)
    name = _name(directive.target) if directive.target else domain
    return (name, kind) if kind and name else None


def _name(target: MacroString) -> str:
    """The host name; "" where there is none, or a macro, which only evaluation can expand."""
    return fqdn(target[0]) if len(target) == 1 and isinstance(target[0], str) else ""


class _Asker:
    """One start: the terms it may still ask for, and the exchanges of all its mx terms."""

    __slots__ = ("_address", "_exchanges", "_lookups", "_terms")

    def __init__(self, address: str, lookups: Lookups) -> None:
        self._address = address
        self._lookups = lookups
        # Answers come on several threads, and next() cannot be torn apart.
        self._terms = iter(range(TERMS))
        self._exchanges = iter(range(TERMS))

    def record(self, domain: str, answer: Answer) -> None:
        """A record is there: ask for its terms, and follow the first, which is the surest."""
        records = [r for r in answer.records if isinstance(r, bytes) and is_record(r)]
        if len(records) != 1:  # RFC 7208 §4.5: none, or permerror
            return
        for at, (name, kind) in enumerate(targets(records[0], domain, self._address)[:_AT_ONCE]):
            if next(self._terms, None) is None:
                return
            if kind is RecordType.MX:
                self._lookups.ahead(name, kind, self.exchanges)
            elif kind is RecordType.TXT and at == 0:
                self._lookups.ahead(name, kind, partial(self.record, name))
            else:
                self._lookups.ahead(name, kind)

    def exchanges(self, answer: Answer) -> None:
        who = client(self._address)
        for record in sorted(r for r in answer.records if isinstance(r, tuple)):
            if who is None or next(self._exchanges, None) is None:
                return
            if record[1]:  # RFC 7505: a null MX has no addresses
                self._lookups.ahead(record[1], who.kind)


def ahead(domain: str, address: str, lookups: Lookups) -> None:
    """Ask what checking `domain` for this client will ask; at most 21 questions."""
    name = fqdn(domain)
    if name and client(address) is not None:
        lookups.ahead(name, RecordType.TXT, partial(_Asker(address, lookups).record, name))


def notes(record: bytes, address: str) -> tuple[str, ...]:
    """How a record that let this client pass would let nearly everybody pass."""
    who = client(address)
    if who is None:
        return ()
    read = spf_grammar.read(record)
    found = []
    for directive in () if isinstance(read, Mistake) else read.directives:
        if directive.result is SpfResult.PASS:
            wide = directive.mechanism in (Mechanism.A, Mechanism.MX) or _in_range(directive, who)
            if directive.mechanism is Mechanism.ALL:
                found.append("+all: every client of the Internet passes")
            elif wide and _length(directive, who) < _WIDEST[who.kind]:
                found.append(f"an enormous range: {directive.text}")
        if len(found) >= _NOTES:
            break
    return tuple(found)
