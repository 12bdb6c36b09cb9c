"""disguise – header fields that are not called what a lenient reader will call them.

Some readers drop odd octets from a field name, or fold them into ASCII; some end a line at more than CRLF, as
Python's splitlines() does; some ignore the white space that makes a line a continuation; some decode encoded words
first. And Postfix breaks long lines. What such a reader would take for a field of a certain name is found here.

Raises     nothing
Not here   what follows from it (author, edits); the readings themselves (readings)
"""

import re
from collections.abc import Iterator
from functools import lru_cache
from itertools import chain
from typing import Final, NamedTuple

from mailvet.message import Headers
from mailvet.syntax import readings
from mailvet.syntax.compatibility import crowded, forms

_FTEXT: Final = bytes(octet for octet in range(0x21, 0x7F) if octet != ord(":"))  # RFC 5322 §3.6.8
_NOT_FTEXT: Final = bytes(set(range(256)).difference(_FTEXT))
_NOT_PRINTED: Final = bytes(set(range(256)).difference(range(0x21, 0x7F)))
_PLAIN: Final = bytes(range(0x20, 0x7F)) + b"\t\n"
_SQUEEZED: Final = _NOT_PRINTED.replace(b"\n", b"")
_PASSED_OVER: Final = rb"[^!-~]*+"
_LINE_END: Final = re.compile(rb"[\n\x85]|\xe2\x80[\xa8\xa9]")  # NEL, also in UTF-8; LS, PS
_CONTROL: Final = re.compile(rb"[\x00-\x08\x0b-\x1f\x7f]")  # bare CR, VT, FF, FS, GS, RS: each ends a line for somebody
_PART_OF_NAME: Final = re.compile("from|authentic|results|breach", re.IGNORECASE)  # that an encoded word may bring
_TAG_LISTS: Final = (b"dkim-signature", b"arc-", b"domainkey-signature", b"x-google-dkim-signature")
_TAG_END: Final = re.compile(rb"[;|]")  # "|" parts the fields that z= copies, RFC 6376 §3.5
_QUOTING: Final = re.compile(rb'[("\\<]')  # behind these, a ";" may belong to the text
_ODD_NAMES: Final = 1024  # octets of one message's field names that are decoded or folded
_LONGEST_NAME: Final = 512  # of one of them
_MOST_LINES: Final = 100  # of one message that are read
_MOST_WORK: Final = 96_000  # octets of one message's odd fields that are read, and
_WORD: Final = 32  # so many more for each encoded word
_MOST_ODD: Final = 16_384  # octets of those lines that have to be decoded or folded
_UNREAD: Final = b"unread"  # this very object, instead of a text
_SHORTEST: Final = 6  # a line end and "from:"
_READ: Final = 2048  # octets of what follows a name


class Hidden(NamedTuple):
    position: int  # in Headers.fields
    rest: bytes  # what follows the colon and may belong to it; in a list of tags, as far as the tag goes
    whole: bool  # or cut
    certain: bool  # after a control character, which never belongs in a header, or one of too many lines


def names_like(headers: Headers, *wanted: bytes) -> list[bytes]:
    """Keys of `headers.by_name` that some readers take for one of `wanted` (lower case)."""
    joined = b"".join(headers.by_name)
    if not joined.translate(None, _FTEXT) and b"=?" not in joined:
        return []
    fields = headers.fields
    found = []
    left = _ODD_NAMES
    for key, positions in headers.by_name.items():
        for name in {fields[at].name for at in positions} if key not in wanted else ():
            effort = _effort(name)
            left -= effort
            if (effort and left < 0) or not _spellings(name).isdisjoint(wanted):
                found.append(key)
                break
    return found


def _effort(name: bytes) -> int:
    """Octets that have to be decoded or folded."""
    if not _has_more(name):
        return 0
    return len(name) if len(name) <= _LONGEST_NAME or b"=?" not in name else _ODD_NAMES + 1


def _spellings(name: bytes) -> frozenset[bytes]:
    """What the name may be read as, in lower case."""
    if not _has_more(name):
        return frozenset((name.lower().translate(None, _NOT_FTEXT),))
    text = name.decode("utf-8", "surrogateescape")
    texts = [text, *(reading.text for reading in readings.decoded(text))]
    texts += [form for each in texts for form in readings.folded(each)]
    return frozenset(each.lower().encode("utf-8", "replace").translate(None, _NOT_FTEXT) for each in texts)


def hidden(headers: Headers, *wanted: bytes) -> Iterator[Hidden]:
    """Lines inside other fields' values that begin with one of these lower-case names and a colon, in order.

    What is certain ends the search in that field. Behind a control character, whoever is lenient enough to see a line
    there may be so about what follows; any other line may well be text, and is taken as it is.
    """
    odd, squeezed = _scanned(headers)
    folded = any(b"\n" + name + b":" in squeezed for name in wanted)
    if not odd and not folded:
        return  # so for nearly every message, and quickly
    texts = list(odd)
    if folded:
        texts += [(position, value) for position, (_, value) in enumerate(headers.fields) if b"\n" in value]
    seen = 0
    for position, text in sorted(texts):
        if text is _UNREAD:
            yield Hidden(position, b"", True, True)
        for line in _lines(headers.fields[position].name, text, wanted):
            seen += 1 + (len(line.rest) * _MOST_LINES // _MOST_ODD if _has_more(line.rest) else 0)
            certain = line.certain or seen > _MOST_LINES
            yield line._replace(position=position, certain=certain)
            if certain:
                break


def _has_more(octets: bytes) -> bool:
    """Does it say more than its ASCII does?"""
    return b"=?" in octets or not octets.isascii()


def may_hide(name: bytes, value: bytes, beyond: Headers, wanted: tuple[bytes, ...]) -> bool:
    """Is there anything in this field that `names_like` or `hidden` would find? `beyond`: where it counts."""
    if len(value) < _SHORTEST and name.isalnum() and len(name) < readings.LINE // 2:
        return False  # quickly: there may be a million of them
    if (b"=?" in name or name.translate(None, _FTEXT)) and name.lower().rstrip(b" \t") not in wanted:
        beyond.worked += _effort(name) * (_MOST_WORK // _ODD_NAMES)
        if beyond.worked > _MOST_WORK or not _spellings(name).isdisjoint(wanted):
            return True
    odd = _is_odd(name, value)
    if not odd and b"\n" not in value:
        return False
    texts = chain([value] if b"\n" in value else [], _odd_texts(name, value, beyond) if odd else [])
    return any(text is _UNREAD or any(True for _ in _lines(name, text, wanted)) for text in texts)


def _scanned(headers: Headers) -> tuple[list[tuple[int, bytes]], bytes]:
    """The texts of odd fields; and all values in lower case without blanks. Made once, when the header is complete."""
    if headers.scanned is None:
        fields = headers.fields
        joined = b",".join([value for _, value in fields])
        odd: list[tuple[int, bytes]] = []
        longest = max(map(len, map(b"".join, fields)), default=0)
        any_odd = longest >= readings.LINE or bool(joined.translate(None, _PLAIN))
        if any_odd or b"=?" in joined:
            for position, (name, value) in enumerate(fields):
                if b"=?" in value or (any_odd and _is_odd(name, value)):
                    odd += [(position, text) for text in _odd_texts(name, value, headers)]
        headers.scanned = odd, joined.lower().translate(None, _SQUEEZED)
    return headers.scanned


def _is_odd(name: bytes, value: bytes) -> bool:
    """May it have lines that a strict reader who is shown it as we are does not see? Quick."""
    if len(name) + len(value) >= readings.LINE:
        return True
    return len(value) >= _SHORTEST and (b"=?" in value or bool(value.translate(None, _PLAIN)))


def _odd_texts(name: bytes, value: bytes, headers: Headers) -> Iterator[bytes]:
    """The field's value, if lenient readers see lines in it, and what they make of it; the same as it is delivered."""
    line = b"%b:%b" % (name, value)
    broken = readings.overlong(line)
    words = _count(value)
    if _has_more(value):
        headers.worked += len(value) * (1 + broken) + words * _WORD * (1 + 3 * broken)  # RFC 2047 §2: 76 at most
        if headers.worked > _MOST_WORK or crowded(value.decode("utf-8", "replace")):
            yield _UNREAD
            return
    if value.translate(None, _PLAIN):
        yield value
    yield from _made_of(value, headers)
    if broken:
        delivered = readings.broken(line)
        yield delivered
        yield from _made_of(delivered, headers)


def _count(octets: bytes) -> int:
    """Encoded words; base64 may end in "=", which is no other one."""
    return octets.count(b"=?") - octets.count(b"=?=")


def _made_of(octets: bytes, headers: Headers) -> Iterator[bytes]:
    """The text under Unicode's compatibility, and with its encoded words decoded."""
    text = octets.decode("utf-8", "surrogateescape")
    texts = [*forms(text)]
    if "=?" in text:
        decoded = readings.with_words(text, _PART_OF_NAME)
        if decoded is None:
            yield _UNREAD
            return
        headers.worked += _WORD * _count(octets) * len(decoded)
        texts += [each for said in decoded for each in (said, *forms(said))]
    for each in dict.fromkeys(texts):
        yield each.encode("utf-8", "surrogateescape")


def _lines(name: bytes, text: bytes, wanted: tuple[bytes, ...]) -> Iterator[Hidden]:
    lower = text.lower()
    squeezed = lower.translate(None, _NOT_PRINTED)
    if not any(each + b":" in squeezed for each in wanted):
        return
    in_tags = name.lower().startswith(_TAG_LISTS)
    at = 0
    for match in _strewn(wanted).finditer(lower):
        before, at = text[at : match.start()], match.end(1)
        run = before[len(before.rstrip(_NOT_PRINTED)) :]
        control = _CONTROL.search(run) is not None
        if control or _LINE_END.search(run):
            rest = text[match.end() : match.end() + _READ]
            whole = len(rest) < _READ
            if in_tags:
                tag = _TAG_END.split(rest, maxsplit=1)[0]
                if not _QUOTING.search(tag):
                    rest, whole = tag, len(tag) < _READ
            yield Hidden(0, rest, whole, control)


@lru_cache(maxsize=8)
def _strewn(names: tuple[bytes, ...]) -> re.Pattern[bytes]:
    """These names, with anything between their letters that is passed over by who drops odd octets."""
    strewn = b"|".join(_PASSED_OVER.join(re.escape(bytes((octet,))) for octet in name) for name in names)
    return re.compile(rb"((?:" + strewn + rb")" + _PASSED_OVER + rb":)[\x00-\x20]*+")
