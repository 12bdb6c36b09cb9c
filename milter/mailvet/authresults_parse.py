"""authresults_parse – read somebody else's Authentication-Results field, and tell whose it claims to be.

`parse` follows RFC 8601 §2.2 and, beyond it, takes what honest senders write: a ";" at the end, properties
without a ptype, unquoted addresses. `claims` is the question before removal: is it in our name, or can
it not be read? Both are linear in the input.

Raises     nothing
Not here   the removal (edits); any use of the results: no verdict is ever read back from a header
"""

import re
from functools import lru_cache
from typing import NamedTuple

from mailvet.address import to_alabel
from mailvet.lexical import QUOTED, Unreadable, comment_end, refuse, unfolded, unquoted

_BLANKS = re.compile(r"[ \t]*+")
_QUOTED = re.compile(QUOTED)
_TOKEN = re.compile(r"[^\x00-\x20()<>@,;:\\\"/\[\]?=\x7f]++")  # RFC 2045 §5.1, with UTF-8
_KEYWORD = re.compile(r"[A-Za-z0-9_-]++")  # RFC 5321 §4.1.2, and "_" as some write it
_LOOSE = re.compile(r"[^\x00-\x20()<>,;\\\"\x7f]++")  # [local]@domain, and what should have been quoted


class Result(NamedTuple):
    method: str  # lower case
    result: str  # lower case
    reason: str
    properties: tuple[tuple[str, str], ...]  # ("smtp.mailfrom", "example.org") in order, names in lower case


class Parsed(NamedTuple):
    authserv_id: str  # unquoted, as written
    version: int
    results: tuple[Result, ...]  # empty: "none"
    remarks: str  # the comments before the first ";", in lower case and without quoting


def parse(value: bytes) -> Parsed | None:
    """What the field says, or None if it cannot be read."""
    try:
        return _Reader(value).payload()
    except Unreadable:
        return None


def claims(value: bytes, own: frozenset[str]) -> bool:
    """Is it in the name of one of `own`, in whatever spelling, or not to be read at all?"""
    parsed = parse(value)
    if parsed is None or parsed.version != 1:  # RFC 8601 §5: an unknown version is removed too
        return True
    ours = _canonical_ids(own)
    named = _canonical(parsed.authserv_id)
    if named in ours or any(name in parsed.remarks for name in ours):
        return True
    if to_alabel(named) == named:
        return False
    # Not a domain: quotes of another kind, percent-encoding, more than one word. A hasty reader may find us in it.
    return "%" in named or not named or not named.isascii() or any(name in named for name in ours)


@lru_cache(maxsize=64)
def _canonical_ids(own: frozenset[str]) -> frozenset[str]:
    return frozenset(_canonical(name) for name in own)


def _canonical(name: str) -> str:
    """RFC 8601 §5: domains are compared as A-labels; what is no domain is compared as it is."""
    stripped = name.strip(" \t").rstrip(".").lower()
    return to_alabel(stripped) or stripped


class _Reader:
    """A position in the text, and the productions of RFC 8601 §2.2, each of which moves it on."""

    __slots__ = ("at", "remarks", "text")

    def __init__(self, value: bytes) -> None:
        self.text = unfolded(value)
        self.at = 0
        self.remarks: list[str] = []

    def payload(self) -> Parsed:
        self.blank()
        name = self.value()
        self.blank()
        version = 1
        if self.peek().isdigit():
            digits = self.take(_TOKEN)
            if not digits.isascii() or not digits.isdigit() or len(digits) > 4:
                refuse("a version that is no number")
            version = int(digits)
            self.blank()
        remarks = " ".join(self.remarks).replace("\\", "").lower()
        results = self.results()
        return Parsed(name, version, results, remarks)

    def results(self) -> tuple[Result, ...]:
        found: list[Result] = []
        none = False
        while self.at < len(self.text):
            self.expect(";")
            self.blank()
            if self.at == len(self.text) and (found or none):
                break  # one more ";" than there should be
            if none:
                refuse("a result beside none")
            method = self.take(_KEYWORD).lower()
            self.blank()
            if method == "none" and not found and self.peek() in ("", ";"):
                none = True
                continue
            found.append(self.result(method))
        if not found and not none:
            refuse("no result")
        return tuple(found)

    def result(self, method: str) -> Result:
        if self.peek() == "/":
            self.expect("/")
            self.blank()
            self.take(_KEYWORD)
            self.blank()
        self.expect("=")
        self.blank()
        result = self.take(_KEYWORD).lower()
        reason, properties = "", []
        self.blank()
        while self.peek() not in ("", ";"):
            name = self.property_name()
            self.expect("=")
            self.blank()
            if name == "reason":
                reason = self.value()
            else:
                properties.append((name, self.pvalue()))
            self.blank()
        return Result(method, result, reason, tuple(properties))

    def property_name(self) -> str:
        name = self.take(_KEYWORD)
        self.blank()
        while self.peek() == ".":
            self.expect(".")
            self.blank()
            name += "." + self.take(_KEYWORD)
            self.blank()
        return name.lower()

    def value(self) -> str:
        if self.peek() == '"':
            return unquoted(self.take(_QUOTED))
        return self.take(_TOKEN)

    def pvalue(self) -> str:
        if self.peek() == '"':
            local = self.value()
            return local + (self.take(_LOOSE) if self.peek() == "@" else "")
        return self.take(_LOOSE)

    def blank(self) -> None:
        """[CFWS]"""
        while True:
            self.at = _BLANKS.match(self.text, self.at).end()  # type: ignore[union-attr]  # it matches nothing too
            if self.peek() != "(":
                return
            start, self.at = self.at, comment_end(self.text, self.at)
            self.remarks.append(self.text[start : self.at])

    def peek(self) -> str:
        return self.text[self.at : self.at + 1]

    def expect(self, char: str) -> None:
        if self.peek() != char:
            refuse(f"no {char} where one belongs")
        self.at += 1

    def take(self, pattern: re.Pattern[str]) -> str:
        match = pattern.match(self.text, self.at)
        if match is None:
            refuse("a word is missing")
        self.at = match.end()
        return match[0]
