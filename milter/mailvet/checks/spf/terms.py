"""terms – an SPF record read without evaluating it: what evaluation will ask, and how wide the record is.

`targets` names the questions that evaluating a record will probably need; `ahead` asks them, and those they lead to,
without waiting. Both may guess: a wrong guess costs a question and never a verdict. `notes` tells of a record that
let a client pass where it would let nearly every client pass. Work is bounded and linear in the record.

Raises     nothing
Not here   evaluation (checks.spf.pyspf)
"""

from functools import partial
from typing import Final

from mailvet.checks.spf import grammar
from mailvet.checks.spf.grammar import Directive, MacroString, Mechanism, is_record
from mailvet.checks.spf.identity import Client, covers, parse_client
from mailvet.ports import Answer, Lookups, RecordType
from mailvet.syntax.domain import host_name
from mailvet.values import Domain, Problem
from mailvet.verdict import SpfResult

_MOST_TERMS: Final = 10  # RFC 7208 §4.6.4: terms that ask the DNS
_AT_ONCE: Final = 2  # terms of one record asked side by side; a third costs more questions than it saves waiting
_MOST_NOTES: Final = 3  # of one record: enough to see that it is weak
# No organization holds more than a /8 of IPv4, and only a handful of carriers more than a /24 of IPv6.
_WIDEST: Final = {RecordType.A: 8, RecordType.AAAA: 24}


def targets(record: bytes, domain: str, address: str) -> tuple[tuple[str, RecordType], ...]:
    """Return the questions (name, type) that evaluating this record of `domain` for a client will ask, in order.

    They end at the first term that surely matches.
    """
    client = parse_client(address)
    if client is None or not is_record(record):
        return ()
    read = grammar.read(record)
    if isinstance(read, Problem):  # permerror, and nothing is asked
        return ()
    found: dict[tuple[str, RecordType], None] = {}
    for directive in read.directives:
        if directive.mechanism is Mechanism.ALL or _in_range(directive, client):
            return tuple(found)  # RFC 7208 §6.1: redirect= only where nothing matches
        question = _question(directive, domain, client)
        if question is not None:
            found[question] = None
            if len(found) == _MOST_TERMS:
                return tuple(found)
    name = _name(read.redirect)
    if name:
        found[name, RecordType.TXT] = None
    return tuple(found)


def _in_range(directive: Directive, client: Client) -> bool:
    """Return whether this is an ip4 or ip6 term that matches the client."""
    return bool(directive.network) and covers(directive.network, _length(directive, client), client)


def _length(directive: Directive, client: Client) -> int:
    """Return how many leading bits have to agree."""
    return directive.length4 if client.kind is RecordType.A else directive.length6


def _question(directive: Directive, domain: str, client: Client) -> tuple[str, RecordType] | None:
    """Return the first question of a mechanism; None: it asks nothing, or only evaluation can tell what."""
    kind = {"include": RecordType.TXT, "exists": RecordType.A, "a": client.kind, "mx": RecordType.MX}.get(
        directive.mechanism
    )
    name = _name(directive.target) if directive.target else domain
    return (name, kind) if kind and name else None


def _name(target: MacroString) -> Domain | None:
    """Return the host name; None: it is absent, malformed, or has a macro, which only evaluation can expand."""
    return host_name(target[0]) if len(target) == 1 and isinstance(target[0], str) else None


class _Asker:
    """One run of `ahead`: how many terms and exchanges it may still ask for."""

    __slots__ = ("_address", "_exchanges", "_lookups", "_terms")

    def __init__(self, address: str, lookups: Lookups) -> None:
        self._address = address
        self._lookups = lookups
        # Answers come on several threads, and next() cannot be torn apart.
        self._terms = iter(range(_MOST_TERMS))
        self._exchanges = iter(range(_MOST_TERMS))

    def record(self, domain: str, answer: Answer) -> None:
        """Ask for the terms of a record that has arrived, and follow the first, which is the surest."""
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
        """Ask for the addresses of exchanges that have arrived."""
        client = parse_client(self._address)
        for record in sorted(r for r in answer.records if isinstance(r, tuple)):
            if client is None or next(self._exchanges, None) is None:
                return
            if record[1]:  # RFC 7505: a null MX has no addresses
                self._lookups.ahead(record[1], client.kind)


def ahead(domain: str, address: str, lookups: Lookups) -> None:
    """Ask, without waiting, what checking `domain` for this client will ask; at most 21 questions."""
    name = host_name(domain)
    if name and parse_client(address) is not None:
        lookups.ahead(name, RecordType.TXT, partial(_Asker(address, lookups).record, name))


def notes(record: bytes, address: str) -> tuple[str, ...]:
    """Return why a record that let this client pass would let nearly every client pass; at most three reasons."""
    client = parse_client(address)
    if client is None:
        return ()
    read = grammar.read(record)
    found = []
    for directive in () if isinstance(read, Problem) else read.directives:
        if directive.result is SpfResult.PASS:
            wide = directive.mechanism in (Mechanism.A, Mechanism.MX) or _in_range(directive, client)
            if directive.mechanism is Mechanism.ALL:
                found.append("+all: every client of the Internet passes")
            elif wide and _length(directive, client) < _WIDEST[client.kind]:
                found.append(f"an enormous range: {directive.text}")
        if len(found) >= _MOST_NOTES:
            break
    return tuple(found)
