"""readings – the other texts that some readers make of one text, and the lines that Postfix makes of a long one.

Some decode encoded words before they look for addresses, and do so whatever RFC 2047 says about blanks, padding or the
charset; some drop what is not ASCII, or fold it into ASCII (NFKC, NFKD). Postfix's SMTP and LMTP clients break what is
over 998 octets (RFC 5322 §2.1.1), which milters see unbroken. Every list here is short and time is linear.

Raises     nothing
Not here   what is looked for in them (author, header.auth_results_parser, disguise)
"""

import binascii
import contextlib
import re
from typing import Final, NamedTuple

from mailvet.syntax import charsets
from mailvet.syntax.charsets import by_charset, codec_of
from mailvet.syntax.compatibility import forms

LINE: Final = 998  # RFC 5322 §2.1.1; Postfix's smtp_line_length_limit and lmtp_line_length_limit

# RFC 2047 §2, with the blanks, the "?" and the missing charset that lenient readers take, and RFC 2231 §5's language
_WORD_START: Final = re.compile(r"=\?([^?]*+)\?\s*+([BbQq])\s*+\?")
_INNERMOST: Final = re.compile(_WORD_START.pattern + r"([^?]*+)\?=")  # for who begins anew at "=?"
_WORD: Final = re.compile(_WORD_START.pattern + r"((?>(?:[^?]++|\?(?!=))*))\?=")
_HEXADECIMAL: Final = re.compile(rb"=([0-9A-Fa-f]{2})")
_NOT_BASE64: Final = re.compile(rb"[^A-Za-z0-9+/=]+")
_ENDS: Final = re.compile("[\x00-\x08\\n-\x1f\x7f\x85\u2028\u2029]")
# what may end a name, a colon under Unicode's compatibility, another word
_TELLING: Final = re.compile(_ENDS.pattern + "|[mosMOS\x00-\x20\x7f-\U0010ffff]:|[\u2a74\ufe13\ufe55\uff1a]|=\\?")
_BEFORE_COLON: Final = re.compile(r"\?=[^:]{0,40}+:")
_FEW: Final = 50  # words of one field that are decoded in all ways to find lines in it
_MARKS: Final = re.compile('[<>()\\[\\],;:"\\\\\x00-\x08\\n-\x1f\x7f\x85\u2028\u2029]')


class Decoded(NamedTuple):
    text: str
    marks: bool  # a word brought a character that parts addresses or lines
    guessed: bool  # its charset was not believed: only ASCII means something


class _Word(NamedTuple):
    start: int
    end: int
    charset: str
    octets: bytes


def broken(line: bytes) -> bytes:
    """A field, "name: value" with its lines joined by "\\n", as Postfix's SMTP and LMTP clients deliver it."""
    return b"\n".join([_broken(part) if len(part) > LINE else part for part in line.split(b"\n")])


def _broken(line: bytes) -> bytes:
    """Postfix: smtp_text_out(), which counts the space that it begins the next line with."""
    pieces = [line[:LINE], *(line[at : at + LINE - 1] for at in range(LINE, len(line), LINE - 1))]
    return b"\n ".join(pieces)


def overlong(line: bytes) -> bool:
    """Is any line of it over the limit?"""
    return len(line) > LINE and any(len(part) > LINE for part in line.split(b"\n"))


def folded(text: str) -> tuple[str, ...]:
    """What is left of the text in ASCII, for readers that drop or fold everything else; nothing where it is ASCII."""
    if text.isascii():
        return ()
    return tuple({form.encode("ascii", "ignore").decode() for form in (text, *forms(text))})


def decoded(text: str, glued: bool = True) -> list[Decoded]:
    """The text with its encoded words decoded, in the ways that readers do that; nothing where there are none.

    `glued`: without the white space between two words, RFC 2047 §6.2.
    """
    if "=?" not in text:
        return []
    readings: list[Decoded] = []
    for words in _different([_words(text, greedy=False), _words(text, greedy=True), _innermost(text)]):
        found = _replaced(text, words, glued)
        again = _words(found[0].text, greedy=False)  # some decode what they have decoded
        readings += [*found, *(_replaced(found[0].text, again, glued) if again else ())]
    everywhere = _quoted_printable(text.encode("utf-8", "surrogateescape")).decode("utf-8", "surrogateescape")
    readings.append(Decoded(everywhere, marks(everywhere) > marks(text), True))
    return readings


def _different(ways: list[list[_Word]]) -> list[list[_Word]]:
    return [words for number, words in enumerate(ways) if words and words not in ways[:number]]


def uncertain(text: str) -> bool:
    """May a word of it be an address in a charset that is not known here?"""
    words = _words(text, greedy=False) + _innermost(text)
    return any(charsets.may_be_address(word.charset, word.octets) for word in words)


def marks(text: str) -> int:
    """How many characters it has that part addresses or lines."""
    return len(_MARKS.findall(text))


def with_words(text: str, wanted: re.Pattern[str]) -> list[str] | None:
    """The text decoded, if its words may bring what is wanted, a part of it, or a line end.

    None: there are too many of them in charsets that are not known.
    """
    words = _WORD.findall(text, 0, text.rfind("?=") + 2)
    inner = any("=?" in payload for _, _, payload in words)
    if not inner and not _BEFORE_COLON.search(text) and not _is_telling(words, wanted):
        return []
    if len(words) <= _FEW:
        return [reading.text for reading in decoded(text, glued=False)]
    if any(codec_of(charset) is None for charset, _, _ in words):
        return None
    ways = _different([_words(text, greedy=False), _innermost(text)])
    return [_put(text, way, [by_charset(word.charset, word.octets) for word in way], glued=False) for way in ways]


def _is_telling(words: list[tuple[str, str, str]], wanted: re.Pattern[str]) -> bool:
    octets: dict[str, list[bytes]] = {}
    for charset, encoding, payload in words:
        octets.setdefault(charset, []).append(_octets(encoding, payload))
    for charset, each in octets.items():
        codec = codec_of(charset) or ""
        texts = [b"".join(each)] if codec.startswith(charsets.BY_OCTET) else each
        said = "".join([by_charset(charset, every) for every in texts])
        if any(every.startswith(b":") for every in each):
            return True
        if not codec or codec in charsets.BIG_ENDIAN or _TELLING.search(said) or wanted.search(said):
            return True
        if codec.startswith(charsets.SHIFTING) and wanted.search(b"".join(each).decode("latin-1")):
            return True
    return False


def _innermost(text: str) -> list[_Word]:
    return [_Word(each.start(), each.end(), each[1], _octets(each[2], each[3])) for each in _INNERMOST.finditer(text)]


def _words(text: str, greedy: bool) -> list[_Word]:
    """`greedy`: a word ends where the next begins, or with the text, not at the first "?="."""
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
    """RFC 2047 §5 forbids to split a character between two words; it is done, and read."""
    runs: list[list[_Word]] = []
    said: list[str] = []
    for word in words:
        if runs and word.charset == runs[-1][0].charset and not text[runs[-1][-1].end : word.start].strip():
            runs[-1].append(word)
        else:
            runs.append([word])
    for run in runs:
        said += [by_charset(run[0].charset, b"".join([word.octets for word in run])), *[""] * (len(run) - 1)]
    return said


def _put(text: str, words: list[_Word], texts: list[str], glued: bool) -> str:
    """The texts instead of the words."""
    parts = []
    at = 0
    for word, said in zip(words, texts, strict=True):
        between = text[at : word.start]
        parts += ["" if glued and at and not between.strip() else between, said]
        at = word.end
    return "".join([*parts, text[at:]])


def _octets(encoding: str, payload: str) -> bytes:
    if encoding in "bB":
        with contextlib.suppress(ValueError):
            if payload.isalnum() or "=" not in payload.rstrip("="):
                return binascii.a2b_base64(payload)
        return _base64(payload.encode("utf-8", "surrogateescape"))
    return _quoted_printable(payload.encode("utf-8", "surrogateescape"))


def _quoted_printable(text: bytes) -> bytes:
    return _HEXADECIMAL.sub(lambda found: bytes((int(found[1], 16),)), text.replace(b"_", b" "))


def _base64(text: bytes) -> bytes:
    """Padding missing, or in the middle; blanks and other octets in between; the alphabet of URLs."""
    text = _NOT_BASE64.sub(b"", text.replace(b"-", b"+").replace(b"_", b"/"))
    return b"".join([_unpadded(part) for part in text.split(b"=")])


def _unpadded(text: bytes) -> bytes:
    if len(text) % 4 == 1:
        text = text[:-1]
    return binascii.a2b_base64(text + b"=" * (-len(text) % 4))
