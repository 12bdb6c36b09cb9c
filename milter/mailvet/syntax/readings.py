"""readings – the texts that lenient readers see in a text, and the lines into which Postfix breaks a long one.

Some readers decode encoded words before they look for addresses, whatever RFC 2047 says about white space, padding or
the charset. Some drop other characters than ASCII, or convert them to ASCII (NFKC, NFKD). Postfix's SMTP and LMTP
clients break lines of over 998 octets (RFC 5322 §2.1.1); a milter sees the line before that. Every list returned is
short, and time is linear.

Raises     nothing
Not here   what is looked for in these texts (checks.author, header.auth_results_parser, header.disguise); finding
           the words (syntax.encoded_words) and their charsets (syntax.charsets)
"""

import re
from typing import Final, NamedTuple

from mailvet.syntax import charsets
from mailvet.syntax.charsets import by_charset, codec_of
from mailvet.syntax.compatibility import forms
from mailvet.syntax.encoded_words import Word, find, innermost, octets, quoted_printable, raw_words
from mailvet.values import Problem

LONGEST_LINE: Final = 998  # octets, RFC 5322 §2.1.1; Postfix's smtp_line_length_limit and lmtp_line_length_limit

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


def broken(line: bytes) -> bytes:
    """Return a field as Postfix's SMTP and LMTP clients deliver it: "name: value", lines joined by "\\n"."""
    return b"\n".join([_broken(part) if len(part) > LONGEST_LINE else part for part in line.split(b"\n")])


def _broken(line: bytes) -> bytes:
    """Return one line broken as Postfix's smtp_text_out() does: further lines begin with a space, which counts."""
    more = LONGEST_LINE - 1
    pieces = [line[:LONGEST_LINE], *(line[at : at + more] for at in range(LONGEST_LINE, len(line), more))]
    return b"\n ".join(pieces)


def overlong(line: bytes) -> bool:
    """Return whether a field ("name: value", lines joined by "\\n") has a line that Postfix breaks."""
    return len(line) > LONGEST_LINE and any(len(part) > LONGEST_LINE for part in line.split(b"\n"))


def folded(text: str) -> tuple[str, ...]:
    """Return the texts that readers see if they drop other characters than ASCII, or convert them; () for ASCII."""
    if text.isascii():
        return ()
    return tuple({form.encode("ascii", "ignore").decode() for form in (text, *forms(text))})


def decoded(text: str, glued: bool = True) -> list[Decoded]:
    """Return the text decoded in each way in which readers decode encoded words; [] if it has none.

    `glued`: the white space between two encoded words is dropped (RFC 2047 §6.2).
    """
    if "=?" not in text:
        return []
    readings: list[Decoded] = []
    ways = [find(text, greedy=False), find(text, greedy=True), innermost(text)]
    for words in _different(ways):
        found = _replaced(text, words, glued)
        again = find(found[0].text, greedy=False)  # some readers decode the result once more
        readings += [*found, *(_replaced(found[0].text, again, glued) if again else ())]
    everywhere = quoted_printable(text.encode("utf-8", "surrogateescape")).decode("utf-8", "surrogateescape")
    readings.append(Decoded(everywhere, marks(everywhere) > marks(text), True))
    return readings


def _different(ways: list[list[Word]]) -> list[list[Word]]:
    """Return the lists that have words and differ from those before them."""
    return [words for number, words in enumerate(ways) if words and words not in ways[:number]]


def uncertain(text: str) -> bool:
    """Return whether an encoded word may be an address in a charset that Python does not know."""
    words = find(text, greedy=False) + innermost(text)
    return any(charsets.may_be_address(word.charset, word.octets) for word in words)


def marks(text: str) -> int:
    """Return how many characters of the text separate addresses or lines."""
    return len(_MARKS.findall(text))


def with_words(text: str, wanted: re.Pattern[str]) -> list[str] | Problem:
    """Return the text decoded in each way if its encoded words may hold a line end or what is `wanted`; else [].

    If there are many words, and one names an unknown charset, return a Problem.
    """
    words = raw_words(text)
    inner = any("=?" in payload for _, _, payload in words)
    if not inner and not _BEFORE_COLON.search(text) and not _may_bring(words, wanted):
        return []
    if len(words) <= _MOST_WORDS:
        return [reading.text for reading in decoded(text, glued=False)]
    if any(codec_of(charset) is None for charset, _, _ in words):
        return Problem("too many encoded words in unknown charsets")
    ways = _different([find(text, greedy=False), innermost(text)])
    return [_put(text, way, [by_charset(word.charset, word.octets) for word in way], glued=False) for way in ways]


def _may_bring(words: list[tuple[str, str, str]], wanted: re.Pattern[str]) -> bool:
    """Return whether these words (charset, encoding, payload), decoded, may hold a line end or what is `wanted`.

    Words of one charset are decoded together, since a line may be composed of several. Quick, for every such field.
    """
    by_name: dict[str, list[bytes]] = {}
    for charset, encoding, payload in words:
        by_name.setdefault(charset, []).append(octets(encoding, payload))
    for charset, each in by_name.items():
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


def _replaced(text: str, words: list[Word], glued: bool) -> list[Decoded]:
    """Return the text with these words decoded, in each way in which readers treat charsets."""
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


def _joined(text: str, words: list[Word]) -> list[str]:
    """Return the texts of the words; neighbours of one charset are decoded together, as the text of the first.

    RFC 2047 §5 forbids splitting a character between two words. Some writers do, and some readers join the words.
    """
    runs: list[list[Word]] = []
    texts: list[str] = []
    for word in words:
        if runs and word.charset == runs[-1][0].charset and not text[runs[-1][-1].end : word.start].strip():
            runs[-1].append(word)
        else:
            runs.append([word])
    for run in runs:
        texts += [by_charset(run[0].charset, b"".join([word.octets for word in run])), *[""] * (len(run) - 1)]
    return texts


def _put(text: str, words: list[Word], texts: list[str], glued: bool) -> str:
    """Return the text with `texts` in place of the words; `glued` as for `decoded`."""
    parts = []
    at = 0
    for word, content in zip(words, texts, strict=True):
        between = text[at : word.start]
        parts += ["" if glued and at and not between.strip() else between, content]
        at = word.end
    return "".join([*parts, text[at:]])
