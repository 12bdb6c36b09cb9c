"""readings – the texts that lenient readers make of one text, and the lines that Postfix makes of a long one.

Some readers decode encoded words before they look for addresses, whatever RFC 2047 says about white space, padding or
the charset; some drop what is not ASCII, or convert it to ASCII (NFKC, NFKD). Postfix's SMTP and LMTP clients break
lines of over 998 octets (RFC 5322 §2.1.1), which a milter sees unbroken. Every list returned is short, and time is
linear.

Raises     nothing
Not here   what is looked for in these texts (checks.author, header.auth_results_parser, header.disguise); charsets
           (syntax.charsets)
"""

import binascii
import contextlib
import re
from typing import Final, NamedTuple

from mailvet.syntax import charsets
from mailvet.syntax.charsets import by_charset, codec_of
from mailvet.syntax.compatibility import forms
from mailvet.values import Problem

LONGEST_LINE: Final = 998  # octets, RFC 5322 §2.1.1; Postfix's smtp_line_length_limit and lmtp_line_length_limit

# RFC 2047 §2, with the white space, the "?" and the empty charset that lenient readers accept; RFC 2231 §5's language
_WORD_START: Final = re.compile(r"=\?([^?]*+)\?\s*+([BbQq])\s*+\?")
_INNERMOST: Final = re.compile(_WORD_START.pattern + r"([^?]*+)\?=")  # for readers that start again at each "=?"
_WORD: Final = re.compile(_WORD_START.pattern + r"((?>(?:[^?]++|\?(?!=))*))\?=")
_HEXADECIMAL: Final = re.compile(rb"=([0-9A-Fa-f]{2})")
_NOT_BASE64: Final = re.compile(rb"[^A-Za-z0-9+/=]+")
_LINE_END: Final = re.compile("[\x00-\x08\\n-\x1f\x7f\x85\u2028\u2029]")
# in a decoded word: the end of a line, what may end a field name, a character that NFKC makes a colon, another word
_SUSPICIOUS: Final = re.compile(
    _LINE_END.pattern + "|[mosMOS\x00-\x20\x7f-\U0010ffff]:|[\u2a74\ufe13\ufe55\uff1a]|=\\?"
)
_BEFORE_COLON: Final = re.compile(r"\?=[^:]{0,40}+:")
_MOST_WORDS: Final = 50  # of one field that are decoded in all ways, to find lines in it
_MARKS: Final = re.compile('[<>()\\[\\],;:"\\\\\x00-\x08\\n-\x1f\x7f\x85\u2028\u2029]')


class Decoded(NamedTuple):
    """A text with its encoded words decoded in one way."""

    text: str
    marks: bool  # a word brought a character that separates addresses or lines
    guessed: bool  # another charset was used than the word names: only the ASCII in it is of use


class _Word(NamedTuple):
    """An encoded word: its place in the text, and what it says."""

    start: int
    end: int
    charset: str  # as written
    octets: bytes  # without base64 or quoted-printable


def broken(line: bytes) -> bytes:
    """Return a field as Postfix's SMTP and LMTP clients deliver it: "name: value", lines joined by "\\n"."""
    return b"\n".join([_broken(part) if len(part) > LONGEST_LINE else part for part in line.split(b"\n")])


def _broken(line: bytes) -> bytes:
    """Break one line as Postfix's smtp_text_out() does, which begins each further line with a space and counts it."""
    more = LONGEST_LINE - 1
    pieces = [line[:LONGEST_LINE], *(line[at : at + more] for at in range(LONGEST_LINE, len(line), more))]
    return b"\n ".join(pieces)


def overlong(line: bytes) -> bool:
    """Has a field ("name: value", lines joined by "\\n") a line that Postfix breaks?"""
    return len(line) > LONGEST_LINE and any(len(part) > LONGEST_LINE for part in line.split(b"\n"))


def folded(text: str) -> tuple[str, ...]:
    """Return the ASCII texts that readers see who drop other characters, or convert them; nothing if it is ASCII."""
    if text.isascii():
        return ()
    return tuple({form.encode("ascii", "ignore").decode() for form in (text, *forms(text))})


def decoded(text: str, glued: bool = True) -> list[Decoded]:
    """Return the text with its encoded words decoded, in each way that readers do that; nothing if it has no words.

    `glued`: the white space between two words is dropped (RFC 2047 §6.2).
    """
    if "=?" not in text:
        return []
    readings: list[Decoded] = []
    for words in _different([_words(text, greedy=False), _words(text, greedy=True), _innermost(text)]):
        found = _replaced(text, words, glued)
        again = _words(found[0].text, greedy=False)  # some readers decode the result once more
        readings += [*found, *(_replaced(found[0].text, again, glued) if again else ())]
    everywhere = _quoted_printable(text.encode("utf-8", "surrogateescape")).decode("utf-8", "surrogateescape")
    readings.append(Decoded(everywhere, marks(everywhere) > marks(text), True))
    return readings


def _different(ways: list[list[_Word]]) -> list[list[_Word]]:
    return [words for number, words in enumerate(ways) if words and words not in ways[:number]]


def uncertain(text: str) -> bool:
    """May a word of the text be an address in a charset that Python does not know?"""
    words = _words(text, greedy=False) + _innermost(text)
    return any(charsets.may_be_address(word.charset, word.octets) for word in words)


def marks(text: str) -> int:
    """Count the characters that separate addresses or lines."""
    return len(_MARKS.findall(text))


def with_words(text: str, wanted: re.Pattern[str]) -> list[str] | Problem:
    """Return the text decoded in each way, if its words may bring a line end or what is `wanted`; else nothing.

    A text of many words of which some name an unknown charset is not decoded.
    """
    words = _WORD.findall(text, 0, text.rfind("?=") + 2)
    inner = any("=?" in payload for _, _, payload in words)
    if not inner and not _BEFORE_COLON.search(text) and not _may_bring(words, wanted):
        return []
    if len(words) <= _MOST_WORDS:
        return [reading.text for reading in decoded(text, glued=False)]
    if any(codec_of(charset) is None for charset, _, _ in words):
        return Problem("too many encoded words in unknown charsets")
    ways = _different([_words(text, greedy=False), _innermost(text)])
    return [_put(text, way, [by_charset(word.charset, word.octets) for word in way], glued=False) for way in ways]


def _may_bring(words: list[tuple[str, str, str]], wanted: re.Pattern[str]) -> bool:
    """May these words (charset, encoding, payload), decoded, hold a line end or what is `wanted`?

    Words of one charset are decoded together, since a line may be composed of several. Quick, for every such field.
    """
    octets: dict[str, list[bytes]] = {}
    for charset, encoding, payload in words:
        octets.setdefault(charset, []).append(_octets(encoding, payload))
    for charset, each in octets.items():
        codec = codec_of(charset) or ""
        texts = [b"".join(each)] if codec.startswith(charsets.BY_OCTET) else each
        content = "".join([by_charset(charset, every) for every in texts])
        if any(every.startswith(b":") for every in each):
            return True
        if not codec or codec in charsets.BIG_ENDIAN or _SUSPICIOUS.search(content) or wanted.search(content):
            return True
        if codec.startswith(charsets.SHIFTING) and wanted.search(b"".join(each).decode("latin-1")):
            return True
    return False


def _innermost(text: str) -> list[_Word]:
    """Return the words as readers see them that start again at each "=?"."""
    return [_Word(each.start(), each.end(), each[1], _octets(each[2], each[3])) for each in _INNERMOST.finditer(text)]


def _words(text: str, greedy: bool) -> list[_Word]:
    """Return the words, each up to its first "?="; `greedy`: up to the last one before the next word."""
    words = []
    at = 0
    while start := _WORD_START.search(text, at):
        end = text.find("?=", start.end())
        if greedy:
            following = _WORD_START.search(text, start.end())
            limit = following.start() if following else len(text)
            last = text.rfind("?=", start.end(), limit)
            end = last if last >= 0 else limit
        elif end < 0:
            break
        at = end + 2 if text.startswith("?=", end) else end
        words.append(_Word(start.start(), at, start[1], _octets(start[2], text[start.end() : end])))
    return words


def _replaced(text: str, words: list[_Word], glued: bool) -> list[Decoded]:
    """Return the text with these words decoded, in each way that readers treat the charsets."""
    codecs = {codec_of(word.charset) for word in words}
    ways = [([by_charset(word.charset, word.octets) for word in words], False), (_joined(text, words), False)]
    ways.append(([charsets.unbelieved(word.charset, word.octets) for word in words], True))
    guesses = (
        *(charsets.GUESSED if None in codecs else ()),
        *[f"{codec}_be" for codec in charsets.BIG_ENDIAN & codecs],
    )
    for guess in guesses:
        ways.append(([word.octets.decode(guess, "replace") for word in words], True))
    if None in codecs:
        ways.append(([charsets.imap(word.octets) for word in words], True))
    different = [way for number, way in enumerate(ways) if not any(way[0] == other[0] for other in ways[:number])]
    return [
        Decoded(_put(text, words, texts, glued), any(map(_MARKS.search, texts)), guessed)
        for texts, guessed in different
    ]


def _joined(text: str, words: list[_Word]) -> list[str]:
    """Decode neighbouring words of one charset together; the text of each run stands at its first word.

    RFC 2047 §5 forbids to split a character between two words; some writers do it, and some readers join them.
    """
    runs: list[list[_Word]] = []
    texts: list[str] = []
    for word in words:
        if runs and word.charset == runs[-1][0].charset and not text[runs[-1][-1].end : word.start].strip():
            runs[-1].append(word)
        else:
            runs.append([word])
    for run in runs:
        texts += [by_charset(run[0].charset, b"".join([word.octets for word in run])), *[""] * (len(run) - 1)]
    return texts


def _put(text: str, words: list[_Word], texts: list[str], glued: bool) -> str:
    """Put the texts in the place of the words; `glued` as for `decoded`."""
    parts = []
    at = 0
    for word, content in zip(words, texts, strict=True):
        between = text[at : word.start]
        parts += ["" if glued and at and not between.strip() else between, content]
        at = word.end
    return "".join([*parts, text[at:]])


def _octets(encoding: str, payload: str) -> bytes:
    """Undo the base64 ("B") or quoted-printable ("Q") of an encoded word."""
    if encoding in "bB":
        with contextlib.suppress(ValueError):
            if payload.isalnum() or "=" not in payload.rstrip("="):
                return binascii.a2b_base64(payload)
        return _base64(payload.encode("utf-8", "surrogateescape"))
    return _quoted_printable(payload.encode("utf-8", "surrogateescape"))


def _quoted_printable(text: bytes) -> bytes:
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
