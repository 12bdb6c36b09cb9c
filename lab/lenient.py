"""lenient – models of programs that read a delivered header more leniently than RFC 5322 allows.

A reader is made of three habits: what it does to the octets first, where it ends a line, and whether white space at the
start of a line makes it a continuation. Written from what such programs are known to do, not from mailvet's code.
"""

import email.errors
import itertools
import re
import unicodedata
from collections.abc import Callable, Iterator
from email.header import decode_header, make_header
from email.utils import parseaddr
from typing import NamedTuple

from lab.mta import Field, delivered

_QUOTED = re.compile(r'"(?:[^"\\]|\\.)*"', re.DOTALL)
_ADDRESS = re.compile(r"[^\s<>,;:()@\"]\s*@\s*([^\s<>,;:()@\"]+)")  # the first that looks like one
_WORD = re.compile(r"=\?[^?]*\?[bq]\?.*?\?=", re.IGNORECASE)


class Reader(NamedTuple):
    text: Callable[[bytes], str]
    lines: Callable[[str], list[str]]
    folds: bool

    def fields(self, header: list[Field]) -> Iterator[tuple[str, str]]:
        """Yield the name, in lower case, and the value of each field as this program sees them."""
        wire = b"".join(b"%b:%b\n" % field for field in header)
        found: list[tuple[str, str]] = []
        for line in self.lines(self.text(wire)):
            name, colon, value = line.partition(":")
            if self.folds and line[:1] in (" ", "\t") and found:
                found[-1] = (found[-1][0], found[-1][1] + line)
            elif colon:
                found.append((name.strip().lower(), value))
        yield from found


def _utf8(wire: bytes) -> str:
    return wire.decode("utf-8", "replace")


def _latin(wire: bytes) -> str:
    return wire.decode("latin-1")


def _ascii(wire: bytes) -> str:
    return wire.decode("ascii", "ignore")


def _without_nul(wire: bytes) -> str:
    return _utf8(wire.replace(b"\0", b""))


def _nfkc(wire: bytes) -> str:
    return unicodedata.normalize("NFKC", _utf8(wire))


def _nfkd(wire: bytes) -> str:
    return unicodedata.normalize("NFKD", _utf8(wire)).encode("ascii", "ignore").decode()


def _decoding(wire: bytes) -> str:
    return _WORD.sub(lambda word: decoded(word[0]), _utf8(wire))


def decoded(value: str) -> str:
    try:
        return str(make_header(decode_header(value)))
    except (LookupError, ValueError, email.errors.MessageError):
        return value


def _newlines(text: str) -> list[str]:
    return text.split("\n")


def _bare_cr(text: str) -> list[str]:
    return re.split("\r\n|\r|\n", text)


def _python_lines(text: str) -> list[str]:
    return text.splitlines()


READERS = [
    Reader(decode, lines, unfolds)
    for decode, lines, unfolds in itertools.product(
        (_utf8, _latin, _ascii, _without_nul, _nfkc, _nfkd, _decoding),
        (_newlines, _bare_cr, _python_lines),
        (True, False),
    )
]


def claimed_ids(header: list[Field]) -> Iterator[str]:
    """Yield the authserv-id of every Authentication-Results field that any reader sees after delivery."""
    for fields in (header, [delivered(field) for field in header]):
        for reader in READERS:
            for name, value in reader.fields(fields):
                if name == "authentication-results":
                    yield _authserv_id(value)


def _authserv_id(value: str) -> str:
    bare = re.sub(r"\([^()]*\)", "", value).partition(";")[0].split()
    return bare[0].strip('"').lower() if bare else ""


def authors(header: list[Field]) -> Iterator[str]:
    """Yield the domain of every From field that any reader sees."""
    for fields in (header, [delivered(field) for field in header]):
        for reader in READERS:
            for name, value in reader.fields(fields):
                if name == "from":
                    for text in (value, decoded(value)):
                        yield parseaddr(text)[1].rpartition("@")[2]
                        yield from _ADDRESS.findall(_QUOTED.sub("", text))[:1]
