"""authresults_parse – read somebody else's Authentication-Results field, and tell whose it claims to be.

`parse` follows RFC 8601 §2.2 and, beyond it, takes what honest senders write: a ";" at the end, properties
without a ptype, unquoted addresses. `claims` is the question before removal: is it in our name, or can
it not be read? Both are linear in the input.

Raises     nothing
Not here   the removal (edits); any use of the results: no verdict is ever read back from a header
"""

import re
from functools import lru_cache
from typing import Final, NamedTuple, NoReturn

from mailvet.address import to_alabel

_DEEPEST: Final = 16  # nested comments
_FOLD = re.compile(r"\r?\n(?=[ \t])")
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
_BLANKS = re.compile(r"[ \t]*+")
_COMMENT_MARK = re.compile(r"[()\\]")
_QUOTED = re.compile(r'"(?:[^"\\]++|\\.)*+"')
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
    remarks: str  # the comments before the first ";"


class _Refused(ValueError):
    """Leaves this file as None."""


def parse(value: bytes) -> Parsed | None:
    """What the field says, or None if it cannot be read."""
    try:
        return _Reader(value).payload()
    except _Refused:
        return None


def claims(value: bytes, own: frozenset[str]) -> bool:
    """Is it in the name of one of `own`, in whatever spelling, or not to be read at all?"""
    parsed = parse(value)
    if parsed is None or parsed.version != 1:  # RFC 8601 §5: an unknown version is removed too
        return True
    if "%" in parsed.authserv_id:
        return True  # no host is called so, and somebody may decode it
    ours = _canonical_ids(own)
    named = _canonical(parsed.authserv_id)
    return named is None or named in ours or any(name in parsed.remarks.lower() for name in ours)


@lru_cache(maxsize=64)
def _canonical_ids(own: frozenset[str]) -> frozenset[str]:
    return frozenset(_canonical(name) or name for name in own)


def _canonical(name: str) -> str | None:
    """RFC 8601 §5: compared as A-labels. A name that is no domain is compared as it is; None: no name."""
    stripped = name.strip(" \t").rstrip(".")
    if stripped.isascii():
        return stripped.lower() or None
    return to_alabel(stripped)


class _Reader:
    """A position in the text, and the productions of RFC 8601 §2.2, each of which moves it on."""

    __slots__ = ("at", "remarks", "text")

    def __init__(self, value: bytes) -> None:
        try:
            self.text = _FOLD.sub("", value.decode("utf-8"))
        except UnicodeDecodeError:
            _refuse()
        self.at = 0
        self.remarks: list[str] = []
        if _CONTROL.search(self.text):
            _refuse()

    def payload(self) -> Parsed:
        self.blank()
        name = self.value()
        self.blank()
        version = 1
        if self.peek().isdigit():
            digits = self.take(_TOKEN)
            if not digits.isascii() or not digits.isdigit() or len(digits) > 4:
                _refuse()
            version = int(digits)
            self.blank()
        remarks = " ".join(self.remarks)
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
                _refuse()
            method = self.take(_KEYWORD).lower()
            self.blank()
            if method == "none" and not found and self.peek() in ("", ";"):
                none = True
                continue
            found.append(self.result(method))
        if not found and not none:
            _refuse()
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
            return re.sub(r"\\(.)", r"\1", self.take(_QUOTED)[1:-1])
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
            self.remarks.append(self.remark())

    def remark(self) -> str:
        start, depth = self.at, 0
        while True:
            mark = _COMMENT_MARK.search(self.text, self.at)
            if mark is None:
                _refuse()
            self.at = mark.end() + (mark[0] == "\\")
            depth += {"(": 1, ")": -1}.get(mark[0], 0)
            if depth == 0:
                return self.text[start : self.at]
            if depth > _DEEPEST:
                _refuse()

    def peek(self) -> str:
        return self.text[self.at : self.at + 1]

    def expect(self, char: str) -> None:
        if self.peek() != char:
            _refuse()
        self.at += 1

    def take(self, pattern: re.Pattern[str]) -> str:
        match = pattern.match(self.text, self.at)
        if match is None:
            _refuse()
        self.at = match.end()
        return match[0]


def _refuse() -> NoReturn:
    raise _Refused
