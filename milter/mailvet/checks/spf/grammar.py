"""grammar – an SPF record read by the grammar of RFC 7208 §12: its terms, or what is wrong with it.

RFC 7208 §4.6 wants all of a record checked before any of it is evaluated: one mistake anywhere is permerror.
The value of an unknown modifier is checked (§6, §12) and then left out. Work is linear in the record.

Raises     nothing
Not here   evaluation, and what a macro stands for (checks.spf.pyspf)
"""

import ipaddress
import re
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from typing import Final, NamedTuple

from mailvet.checks.spf.limits import refusal
from mailvet.values import Problem
from mailvet.verdict import SpfResult

_SHORT_RECORD: Final = 512  # octets, RFC 7208 §3.4; of longer records few are cached: each may come to 100 kB


class Mechanism(StrEnum):  # RFC 7208 §5
    ALL = "all"
    INCLUDE = "include"
    A = "a"
    MX = "mx"
    PTR = "ptr"
    IP4 = "ip4"
    IP6 = "ip6"
    EXISTS = "exists"


class Macro(NamedTuple):
    """A macro, %{...} (RFC 7208 §7.1)."""

    letter: str  # lower case
    escaped: bool  # written in upper case, RFC 7208 §7.3
    transformers: str  # digits, "r" and delimiters, in lower case


MacroString = tuple[str | Macro, ...]


@dataclass(frozen=True, slots=True)
class Directive:
    """A mechanism with its qualifier and argument (RFC 7208 §4.6.1)."""

    text: str  # as published
    result: SpfResult  # where it matches
    mechanism: Mechanism
    target: MacroString = ()  # its domain-spec; empty: the domain whose record this is
    network: str = ""  # of ip4 and ip6
    length4: int = 32  # leading bits that have to agree
    length6: int = 128


@dataclass(frozen=True, slots=True)
class Record:
    """The terms of an SPF record that decide."""

    directives: tuple[Directive, ...]
    redirect: MacroString = ()  # empty: it has no redirect=


_RESULTS: Final = {
    "": SpfResult.PASS, "+": SpfResult.PASS, "-": SpfResult.FAIL, "?": SpfResult.NEUTRAL, "~": SpfResult.SOFTFAIL,
}  # fmt: skip
_MECHANISMS: Final = {each.value: each for each in Mechanism}
_NO_CASE: Final = re.ASCII | re.IGNORECASE  # RFC 5234 §2.3
_DIRECTIVE = re.compile(r"([+?~-]?)([a-z0-9]++)((?:[:/].*+)?)", _NO_CASE)
_MODIFIER = re.compile(r"([a-z][a-z0-9_.-]*+)=", _NO_CASE)
_LITERAL = re.compile(r"[!-$&-~]++")
# RFC 7208 §7.1. §7.3: the number of parts "MUST be nonzero".
_EXPAND = re.compile(r"%(?:([%_-])|\{([slodiphcrtv])(?!0++(?![0-9]))([0-9]*+r?+[.+,/_=-]*+)\})", _NO_CASE)
_SIGNS: Final = {"%": "%", "_": " ", "-": "%20"}
_ONLY_EXPLAIN: Final = frozenset("crt")  # RFC 7208 §7.2
_TOP_LABEL = re.compile(r"(?![0-9]++\Z)[a-z0-9](?:[a-z0-9-]*[a-z0-9])?", _NO_CASE)
_FOUR: Final = r"(?:/(0|[1-9]|[12][0-9]|3[0-2]))?"
_SIX: Final = r"/(0|[1-9][0-9]?|1[01][0-9]|12[0-8])"
_QNUM: Final = r"(?:[0-9]|[1-9][0-9]|1[0-9]{2}|2[0-4][0-9]|25[0-5])"
_ADDRESS = re.compile(rf"(?::(.*?))?{_FOUR}(?:/{_SIX})?", re.ASCII)  # what is not a length is left to the domain-spec
_IP4 = re.compile(rf":((?:{_QNUM}\.){{3}}{_QNUM}){_FOUR}", re.ASCII)
_IP6 = re.compile(rf":([0-9a-f:.]++)(?:{_SIX})?", _NO_CASE)


def is_record(record: object) -> bool:
    """Return whether a TXT record is an SPF record (RFC 7208 §4.5)."""
    return isinstance(record, bytes) and record[:6].lower() == b"v=spf1" and record[6:7] in (b"", b" ")


def read(record: bytes) -> Record | Problem:
    """Return the terms of an SPF record, or the first mistake in it; a record beyond our limits is one."""
    return _read_short(record) if len(record) <= _SHORT_RECORD else _read_long(record)


def _read(record: bytes) -> Record | Problem:
    text = record.decode("latin-1")
    problem = refusal(text)
    if problem is not None:
        return problem
    if not text.isascii():
        return Problem("Not all of the record is ASCII")
    directives: list[Directive] = []
    domains: dict[str, MacroString] = {}
    for word in filter(None, text.split(" ")[1:]):
        named = _MODIFIER.match(word)
        if named is None:
            directive = _directive(word)
            if isinstance(directive, Problem):
                return directive
            directives.append(directive)
            continue
        name, value = named[1].lower(), word[named.end() :]
        if name in domains:  # RFC 7208 §6
            return Problem(f"{name}= appears more than once")
        known = name in ("redirect", "exp")
        domain = domain_spec(value) if known else ()
        if domain is None or (not known and macro_string(value) is None):
            return Problem(f"Syntax error: {word}")
        if known:
            domains[name] = domain
    return Record(tuple(directives), domains.get("redirect", ()))


_read_short = lru_cache(maxsize=256)(_read)
_read_long = lru_cache(maxsize=16)(_read)


def _directive(word: str) -> Directive | Problem:
    parts = _DIRECTIVE.fullmatch(word)
    mechanism = None if parts is None else _MECHANISMS.get(parts[2].lower())
    if parts is None or mechanism is None:
        return Problem(f"Unknown mechanism: {word}")
    argument = _ARGUMENTS[mechanism](parts[3])
    if argument is None:
        return Problem(f"Syntax error: {word}")
    return Directive(word, _RESULTS[parts[1]], mechanism, *argument)


class _Argument(NamedTuple):
    """What follows the name of a mechanism; see Directive."""

    target: MacroString = ()
    network: str = ""
    length4: int = 32
    length6: int = 128


def _nothing(text: str) -> _Argument | None:
    return None if text else _Argument()


def _domain(text: str) -> _Argument | None:
    target = domain_spec(text[1:]) if text.startswith(":") else None
    return None if target is None else _Argument(target)


def _address(text: str) -> _Argument | None:
    parts = _ADDRESS.fullmatch(text)
    if parts is None:
        return None
    target = () if parts[1] is None else domain_spec(parts[1])
    return None if target is None else _Argument(target, "", int(parts[2] or 32), int(parts[3] or 128))


def _ip4(text: str) -> _Argument | None:
    parts = _IP4.fullmatch(text)
    return None if parts is None else _Argument((), parts[1], int(parts[2] or 32))


def _ip6(text: str) -> _Argument | None:
    parts = _IP6.fullmatch(text)
    try:
        ipaddress.IPv6Address(parts[1] if parts else "")  # RFC 4291 §2.2
    except ValueError:
        return None
    return _Argument((), parts[1], 32, int(parts[2] or 128)) if parts else None


_ARGUMENTS: Final[dict[Mechanism, Callable[[str], _Argument | None]]] = {
    Mechanism.ALL: _nothing,
    Mechanism.INCLUDE: _domain,
    Mechanism.A: _address,
    Mechanism.MX: _address,
    Mechanism.PTR: lambda text: _domain(text) if text else _Argument(),
    Mechanism.IP4: _ip4,
    Mechanism.IP6: _ip6,
    Mechanism.EXISTS: _domain,
}


def macro_string(text: str) -> tuple[MacroString, bool] | None:
    """Return the literals and macros of a macro-string, and whether it ends in a macro; None: it is not one.

    RFC 7208 §7.1
    """
    parts: list[str | Macro] = []
    at, ends_in_macro = 0, False
    while at < len(text):
        found = _LITERAL.match(text, at) or _EXPAND.match(text, at)
        if found is None:
            return None
        at, ends_in_macro = found.end(), found.re is _EXPAND
        parts.append(_macro(found) if ends_in_macro else found[0])
    return tuple(parts), ends_in_macro


def _macro(found: re.Match[str]) -> str | Macro:
    sign, letter, transformers = found.groups()
    return _SIGNS[sign] if sign else Macro(letter.lower(), letter.isupper(), transformers.lower())


def domain_spec(text: str) -> MacroString | None:
    """Return the literals and macros of a domain-spec (RFC 7208 §7.1); None: it is not one."""
    found = macro_string(text)
    if not found or not found[0]:
        return None
    parts, ends_in_macro = found
    if any(isinstance(part, Macro) and part.letter in _ONLY_EXPLAIN for part in parts):
        return None
    _, dot, label = text.removesuffix(".").rpartition(".")
    return parts if ends_in_macro or (dot and _TOP_LABEL.fullmatch(label)) else None
