"""encoded_words – find RFC 2047's encoded words in a text and undo their base64 and quoted-printable.

Everything is accepted that some reader accepts, whatever RFC 2047 says about white space, padding or nesting. Time is
linear in the text.

Raises     nothing
Not here   the charset of a word (syntax.charsets); the texts that readers make of the words (syntax.readings)
"""

import binascii
import contextlib
import re
from typing import Final, NamedTuple

# RFC 2047 §2, with the white space, the "?" and the empty charset that lenient readers accept; RFC 2231 §5's language
_START: Final = re.compile(r"=\?([^?]*+)\?\s*+([BbQq])\s*+\?")
_INNERMOST: Final = re.compile(_START.pattern + r"([^?]*+)\?=")
_WHOLE: Final = re.compile(_START.pattern + r"((?>(?:[^?]++|\?(?!=))*))\?=")
_HEXADECIMAL: Final = re.compile(rb"=([0-9A-Fa-f]{2})")
_NOT_BASE64: Final = re.compile(rb"[^A-Za-z0-9+/=]+")


class Word(NamedTuple):
    """An encoded word: its place in the text, and what it says."""

    start: int
    end: int
    charset: str  # as written
    octets: bytes  # without base64 or quoted-printable


def raw_words(text: str) -> list[tuple[str, str, str]]:
    """Return charset, encoding and payload, as written, of each word up to its first "?="; quick."""
    found: list[tuple[str, str, str]] = _WHOLE.findall(text, 0, text.rfind("?=") + 2)
    return found


def find(text: str, greedy: bool) -> list[Word]:
    """Return the words, each up to its first "?="; `greedy`: up to the last one before the next word."""
    words = []
    at = 0
    while start := _START.search(text, at):
        end = text.find("?=", start.end())
        if greedy:
            following = _START.search(text, start.end())
            limit = following.start() if following else len(text)
            last = text.rfind("?=", start.end(), limit)
            end = last if last >= 0 else limit
        elif end < 0:
            break
        at = end + 2 if text.startswith("?=", end) else end
        words.append(Word(start.start(), at, start[1], octets(start[2], text[start.end() : end])))
    return words


def innermost(text: str) -> list[Word]:
    """Return the words as readers see them that start again at each "=?"."""
    return [Word(each.start(), each.end(), each[1], octets(each[2], each[3])) for each in _INNERMOST.finditer(text)]


def octets(encoding: str, payload: str) -> bytes:
    """Undo the base64 ("B") or quoted-printable ("Q") of an encoded word."""
    if encoding in "bB":
        with contextlib.suppress(ValueError):
            if payload.isalnum() or "=" not in payload.rstrip("="):
                return binascii.a2b_base64(payload)
        return _base64(payload.encode("utf-8", "surrogateescape"))
    return quoted_printable(payload.encode("utf-8", "surrogateescape"))


def quoted_printable(text: bytes) -> bytes:
    """Decode the "Q" encoding (RFC 2047 §4.2)."""
    return _HEXADECIMAL.sub(lambda found: bytes((int(found[1], 16),)), text.replace(b"_", b" "))


def _base64(text: bytes) -> bytes:
    """Decode base64 as the most lenient readers do.

    Padding may be missing, or be in the middle; other octets may stand in between; URL-safe letters are accepted.
    """
    text = _NOT_BASE64.sub(b"", text.replace(b"-", b"+").replace(b"_", b"/"))
    return b"".join([_unpadded(part) for part in text.split(b"=")])


def _unpadded(text: bytes) -> bytes:
    if len(text) % 4 == 1:
        text = text[:-1]
    return binascii.a2b_base64(text + b"=" * (-len(text) % 4))
