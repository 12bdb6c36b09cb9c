"""letter – a delivered message: its fields as they arrived, and the results in our Authentication-Results.

The field is read without mailvet's code: comments are removed, the rest is split at semicolons.

Raises     AssertionError where our field is not the topmost
"""

import re
from dataclasses import dataclass
from functools import cached_property

_FIELD = re.compile(rb"[^\r\n]*\r\n(?:[ \t][^\r\n]*\r\n)*")
_COMMENT = re.compile(r"\([^()]*\)")


@dataclass(frozen=True)
class Result:
    method: str
    result: str
    properties: dict[str, str]


@dataclass(frozen=True)
class Letter:
    raw: bytes

    @cached_property
    def fields(self) -> list[bytes]:
        """Every field with its folding, without the last CRLF."""
        return [
            field[0].removesuffix(b"\r\n") for field in _FIELD.finditer(self.raw.partition(b"\r\n\r\n")[0] + b"\r\n")
        ]

    @property
    def body(self) -> bytes:
        return self.raw.partition(b"\r\n\r\n")[2]

    def named(self, name: str) -> list[bytes]:
        wanted = name.lower().encode()
        return [field for field in self.fields if field.partition(b":")[0].strip().lower() == wanted]

    @property
    def top(self) -> str:
        """The topmost field, unfolded, without comments."""
        text = self.fields[0].decode("utf-8", "surrogateescape").replace("\r\n", "")
        while (shorter := _COMMENT.sub("", text)) != text:
            text = shorter
        return text

    @cached_property
    def results(self) -> list[Result]:
        """The results in our field, in order. Raises AssertionError if it is not the topmost."""
        name, _, value = self.top.partition(":")
        parts = [part.split() for part in value.split(";")]
        assert (name, parts[0]) == ("Authentication-Results", ["mx.example.org"]), self.top
        found = []
        for words in parts[1:]:
            pairs = [word.partition("=") for word in words]
            found.append(Result(pairs[0][0], pairs[0][2], {key: value for key, _, value in pairs[1:]}))
        return found

    def verdict(self, method: str) -> str:
        """Return the first result of this method, "" if there is none."""
        return next(iter(self.all(method)), "")

    def all(self, method: str) -> list[str]:
        return [result.result for result in self.results if result.method == method]

    def property(self, method: str, name: str) -> str:
        return next((r.properties[name] for r in self.results if r.method == method and name in r.properties), "")
