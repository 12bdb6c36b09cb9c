"""readings – the other texts that some readers make of one text, and the lines that Postfix makes of a long one.

Some decode encoded words before they look for addresses, and do so whatever RFC 2047 says about blanks, padding or the
charset; some drop what is not ASCII, or fold it into ASCII (NFKC, NFKD). Postfix's SMTP and LMTP clients break what is
over 998 octets (RFC 5322 §2.1.1), which milters see unbroken. Every list here is short and time is linear.

Raises     nothing
Not here   what is looked for in them (author, authresults_parse, disguise)
"""

import binascii
import contextlib
import re
from encodings.aliases import aliases
from functools import lru_cache
from typing import Final, NamedTuple

from mailvet.compatible import forms

LINE: Final = 998  # RFC 5322 §2.1.1; Postfix's smtp_line_length_limit and lmtp_line_length_limit

# Python's codecs by their names without punctuation. Strangers' names are looked up here and nowhere else: `codecs`
# would import a module for each, and remember for ever those that do not exist.
_NO_TEXT: Final = ("base64_codec", "bz2_codec", "hex_codec", "quopri_codec", "rot_13", "uu_codec", "zlib_codec", "mbcs")
_UNNAMED: Final = (
    "cp720", "cp737", "cp856", "cp874", "cp875", "cp1006", "koi8_t", "koi8_u", "utf_8_sig", "raw_unicode_escape",
)  # fmt: skip
_NAMES: Final = (*aliases.items(), *((codec, codec) for codec in (*aliases.values(), *_UNNAMED)))
_CODECS: Final = {re.sub("[^a-z0-9]", "", name): codec for name, codec in _NAMES if codec not in _NO_TEXT}
_LONGEST_NAME: Final = 60
_GUESSED: Final = ("utf_7", "cp500", "utf_16_be", "utf_16_le")  # a charset that Python does not know, but others may
_ESCAPING: Final = ("iso2022", "hz")  # what looks like ASCII in them need not be

# RFC 2047 §2, with the blanks, the "?" and the missing charset that lenient readers take, and RFC 2231 §5's language
_WORD_START: Final = re.compile(r"=\?([^?]*+)\?\s*+([BbQq])\s*+\?")
_WORD: Final = re.compile(_WORD_START.pattern + r"((?>(?:[^?]++|\?(?!=))*))\?=")
_BY_OCTET: Final = ("utf_8", "ascii", "latin", "iso8859", "cp125", "koi8", "euc", "gb")  # ASCII is ASCII in them
_HEXADECIMAL: Final = re.compile(rb"=([0-9A-Fa-f]{2})")
_NOT_BASE64: Final = re.compile(rb"[^A-Za-z0-9+/=]+")
_ENDS: Final = re.compile("[\x00-\x08\\n-\x1f\x7f\x85\u2028\u2029]")
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


def decoded(text: str) -> list[Decoded]:
    """The text with its encoded words decoded, in the ways that readers do that; nothing where there are none."""
    if "=?" not in text:
        return []
    strict, greedy = _words(text, greedy=False), _words(text, greedy=True)
    readings = _replaced(text, strict) if strict else []
    if greedy and greedy != strict:
        readings += _replaced(text, greedy)
    for once in readings[:1]:  # and some decode what they have decoded
        again = _words(once.text, greedy=False)
        readings += _replaced(once.text, again) if again else []
    everywhere = _quoted_printable(text.encode("utf-8", "surrogateescape")).decode("utf-8", "surrogateescape")
    readings.append(Decoded(everywhere, marks(everywhere) > marks(text), True))
    return readings


def marks(text: str) -> int:
    """How many characters it has that part addresses or lines."""
    return len(_MARKS.findall(text))


def with_words(text: str, wanted: re.Pattern[str]) -> str:
    """The text decoded, where a word of it brings what is wanted, a control or a line end; else "", and quickly."""
    octets: dict[str, list[bytes]] = {}
    for charset, encoding, payload in _WORD.findall(text, 0, text.rfind("?=") + 2):
        octets.setdefault(charset, []).append(_octets(encoding, payload))
    for charset, each in octets.items():
        texts = [b"".join(each)] if (_codec(charset) or "").startswith(_BY_OCTET) else each
        said = "".join([_by_charset(charset, every) for every in texts])
        if _ENDS.search(said) or wanted.search(said):
            words = _words(text, greedy=False)
            return _put(text, words, [_by_charset(word.charset, word.octets) for word in words], glued=False)
    return ""


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


def _replaced(text: str, words: list[_Word]) -> list[Decoded]:
    unknown = any(_codec(word.charset) is None for word in words)
    ways = [([_by_charset(word.charset, word.octets) for word in words], False), (_joined(text, words), False)]
    ways.append(([_unbelieved(word) for word in words], True))
    for codec in _GUESSED if unknown else ():
        ways.append(([word.octets.decode(codec, "replace") for word in words], True))
    different = [way for number, way in enumerate(ways) if not any(way[0] == other[0] for other in ways[:number])]
    return [Decoded(_put(text, words, texts), any(map(_MARKS.search, texts)), guessed) for texts, guessed in different]


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
        said += [_by_charset(run[0].charset, b"".join([word.octets for word in run])), *[""] * (len(run) - 1)]
    return said


def _put(text: str, words: list[_Word], texts: list[str], glued: bool = True) -> str:
    """The texts instead of the words. `glued`: without the white space between two of them, RFC 2047 §6.2."""
    parts = []
    at = 0
    for word, said in zip(words, texts, strict=True):
        between = text[at : word.start]
        parts += ["" if glued and at and not between.strip() else between, said]
        at = word.end
    return "".join([*parts, text[at:]])


def _codec(charset: str) -> str | None:
    return _known(charset) if len(charset) <= _LONGEST_NAME else None


@lru_cache(maxsize=256)
def _known(charset: str) -> str | None:
    name = "".join([char for char in charset.partition("*")[0].lower() if char.isascii() and char.isalnum()])
    return _CODECS.get(name) or _CODECS.get(name.removeprefix("x"))


def _by_charset(charset: str, octets: bytes) -> str:
    codec = _codec(charset)
    return octets.decode(codec or "latin-1", "replace")


def _unbelieved(word: _Word) -> str:
    """For who does not know the charset: octets. Of a shift to Japanese or Korean all know, or see no text at all."""
    codec = _codec(word.charset)
    if codec is not None and codec.startswith(_ESCAPING):
        try:
            return word.octets.decode(codec)
        except ValueError:
            pass
    return word.octets.replace(b"\0", b"").decode("latin-1")


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
