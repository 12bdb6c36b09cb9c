"""spf_terms – an SPF record read ahead of its evaluation: what it will ask, and how much it gives away.

`targets` names the questions that evaluating a record will probably need; `ahead` asks them, and those
they lead to, without waiting. Both may guess: a wrong guess costs a question and never a verdict. `notes`
says of a record that let a client pass that it lets everybody pass. Work is bounded and linear in the record.

Raises     nothing
Not here   evaluation (adapters.pyspf)
"""

import re
from collections.abc import Iterator
from functools import partial
from typing import Final, NamedTuple

from mailvet.ports import Answer, Kind, Lookups
from mailvet.spf_identity import Client, client, covers, fqdn
from mailvet.spf_limits import RECORD

TERMS: Final = 10  # RFC 7208 §4.6.4: terms that ask the DNS
_AT_ONCE: Final = 2  # terms of one record asked side by side; a third costs more questions than it saves waiting
_NOTES: Final = 3  # of one record: enough to see that it is weak
# Nobody holds more than a /8 of IPv4, and only a handful of carriers more than a /24 of IPv6.
_WIDEST: Final = {Kind.A: 8, Kind.AAAA: 24}


# RFC 7208 §4.6.1; every part takes all it can and gives nothing back
_TERM = re.compile(r"([+?~-]?)([^:=/]*+)(:|=|(?=/)|\Z)(.*+)", re.DOTALL)


class Term(NamedTuple):
    text: str  # as published
    qualifier: str
    name: str  # lower case
    mark: str  # ":" or "=", or "" where neither ends the name
    argument: str  # all that follows, "/" and a length too


def is_record(record: object) -> bool:
    """Is this TXT record an SPF record? RFC 7208 §4.5"""
    return isinstance(record, bytes) and record[:6].lower() == b"v=spf1" and record[6:7] in (b"", b" ")


def terms(record: bytes) -> Iterator[Term]:
    """The terms in their order; what is not a term comes out with a name nobody knows."""
    if len(record) > RECORD:
        return
    for word in record.decode("latin-1").split(" ")[1:]:
        parts = _TERM.fullmatch(word)
        if word and parts is not None:
            qualifier, name, mark, argument = parts.groups()
            yield Term(word, qualifier, name.lower(), mark, argument)


def targets(record: bytes, domain: str, address: str) -> tuple[tuple[str, Kind], ...]:
    """What evaluating the record of `domain` for a client will ask, in order, until a term surely matches."""
    who = client(address)
    if who is None or not is_record(record):
        return ()
    found: dict[tuple[str, Kind], None] = {}
    redirect = ""
    for term in terms(record):
        if term.name == "all" or _in_range(term, who):
            redirect = ""  # RFC 7208 §6.1: only where nothing matches
            break
        if term.name == "redirect" and term.mark == "=":
            redirect = term.argument
        else:
            question = _question(term, domain, who)
            if question is not None:
                found[question] = None
                if len(found) == TERMS:
                    break
    name = fqdn(redirect)
    if name:
        found[name, Kind.TXT] = None
    return tuple(found)[:TERMS]


def _in_range(term: Term, who: Client) -> bool:
    """Is it an ip4 or ip6 term that the client is in?"""
    named = term.name in ("ip4", "ip6") and term.mark == ":"
    return named and covers(term.argument.partition("/")[0], _length(term, who), who)


def _length(term: Term, who: Client) -> int:
    """How many leading bits have to agree."""
    length = term.argument.partition("/")[2]
    if term.name in ("a", "mx"):  # RFC 7208 §5.6: dual-cidr-length
        four, _, six = term.argument.partition("//")
        length = four.partition("/")[2] if who.kind is Kind.A else six
    return int(length) if length.isdecimal() and len(length) <= 3 else who.bits


def _question(term: Term, domain: str, who: Client) -> tuple[str, Kind] | None:
    """The first question of a mechanism; None if it has none, or one that only evaluation can tell."""
    kind = {"include": Kind.TXT, "exists": Kind.A, "a": who.kind, "mx": Kind.MX}.get(term.name)
    if kind is None or term.mark == "=" or (term.mark != ":" and term.name in ("include", "exists")):
        return None
    name = fqdn(term.argument.partition("/")[0]) if term.mark == ":" else domain
    return (name, kind) if name else None  # a macro is not a host name: skipped


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
            if kind is Kind.MX:
                self._lookups.ahead(name, kind, self.exchanges)
            elif kind is Kind.TXT and at == 0:
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
        lookups.ahead(name, Kind.TXT, partial(_Asker(address, lookups).record, name))


def notes(record: bytes, address: str) -> tuple[str, ...]:
    """How a record that let this client pass would let nearly everybody pass."""
    who = client(address)
    if who is None:
        return ()
    found = []
    for term in terms(record):
        if term.qualifier in ("", "+"):
            if term.name == "all" and not term.mark:
                found.append("+all: every client of the Internet passes")
            wide = term.name in ("a", "mx") or _in_range(term, who)
            if wide and _length(term, who) < _WIDEST[who.kind]:
                found.append(f"an enormous range: {term.text}")
        if len(found) >= _NOTES:
            break
    return tuple(found[:_NOTES])
