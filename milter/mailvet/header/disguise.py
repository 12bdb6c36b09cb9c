"""disguise – find header fields that some lenient readers take for a From field or for one of ours.

Some readers drop octets that cannot stand in a field name, or convert them to ASCII. Some end lines at more characters
than CRLF, as Python's splitlines() does. Some ignore the white space that makes a line a continuation. Some decode
encoded words first. And Postfix breaks long lines. `names_like` finds fields whose name is disguised; `hidden` finds
lines in the value of a field that such readers take for fields. The names looked for are given (`wanted`).

Raises     nothing
Not here   what is done about them (checks.author, header.edits); the texts such readers see (syntax.readings)
"""

import re
from collections.abc import Iterator
from functools import lru_cache
from itertools import chain
from typing import Final, NamedTuple

from mailvet.message import Headers
from mailvet.syntax import readings
from mailvet.syntax.compatibility import crowded, forms
from mailvet.values import Problem

_FTEXT: Final = bytes(octet for octet in range(0x21, 0x7F) if octet != ord(":"))  # RFC 5322 §3.6.8
_NOT_FTEXT: Final = bytes(set(range(256)).difference(_FTEXT))
_NOT_PRINTED: Final = bytes(set(range(256)).difference(range(0x21, 0x7F)))
_NOT_PRINTED_NOR_LF: Final = _NOT_PRINTED.replace(b"\n", b"")
_PLAIN: Final = bytes(range(0x20, 0x7F)) + b"\t\n"
_DROPPED: Final = rb"[^!-~]*+"  # octets that some readers drop
_LINE_END: Final = re.compile(rb"[\n\x85]|\xe2\x80[\xa8\xa9]")  # NEL, also in UTF-8; LS, PS
# among them bare CR, VT, FF, FS, GS and RS, each of which ends a line for some readers
_CONTROL: Final = re.compile(rb"[\x00-\x08\x0b-\x1f\x7f]")
_PART_OF_NAME: Final = re.compile("from|authentic|results|breach", re.IGNORECASE)  # what an encoded word may contain
_TAG_LISTS: Final = frozenset((
    b"dkim-signature", b"arc-seal", b"arc-message-signature", b"arc-authentication-results", b"domainkey-signature",
    b"x-google-dkim-signature",
))  # fmt: skip
# A tag ends at a ";" before another tag or the end. A field that z= copies (RFC 6376 §3.5) ends at a "|" before the
# next one, but only if it has an address: else a reader that takes the line for a field finds one further on.
_TAG: Final = re.compile(
    rb"((?:[^|;@]*+@[^|;]*+(?=\|[!-9;-~]++:))|[^;]*+)(?:;\s*+(?:[A-Za-z][A-Za-z0-9_]*+\s*+=|\Z)|\||\Z)"
)
_QUOTING: Final = re.compile(rb'[("\\<]')  # behind these, a ";" may belong to the text
# limits, each for one message unless it says otherwise
_MOST_NAME_OCTETS: Final = 1024  # octets of field names that are decoded or converted
_LONGEST_NAME: Final = 512  # octets of one such name with encoded words
_MOST_LINES: Final = 100  # hidden lines
_MOST_LINE_OCTETS: Final = 16_384  # octets of hidden lines that have to be decoded or converted
_LONGEST_REST: Final = 2048  # octets of one hidden line, after the name
_MOST_WORK: Final = 96_000  # octets of odd fields that are decoded or converted
_WORD_WORK: Final = 32  # octets that an encoded word counts more
_SHORTEST_LINE: Final = 6  # octets: a line end and "from:"
_UNREAD: Final = b"unread"  # stands for a text beyond the limits; compared by identity


class Hidden(NamedTuple):
    """A line inside a field's value that some readers take for a field of its own."""

    position: int  # of the field in Headers.fields
    rest: bytes  # what follows the colon and may belong to it; in a tag list, only up to the end of the tag
    whole: bool  # False: `rest` is cut
    certain: bool  # it is after a control character, which a header never has, or there are too many such lines


def names_like(headers: Headers, *wanted: bytes) -> list[bytes]:
    """Return the keys of `headers.by_name` that some readers take for one of the `wanted` names (lower case)."""
    joined = b"".join(headers.by_name)
    if not joined.translate(None, _FTEXT) and b"=?" not in joined:
        return []
    fields = headers.fields
    found = []
    left = _MOST_NAME_OCTETS
    for key, positions in headers.by_name.items():
        for name in {fields[at].name for at in positions} if key not in wanted else ():
            effort = _effort(name)
            left -= effort
            if (effort and left < 0) or not _spellings(name).isdisjoint(wanted):
                found.append(key)
                break
    return found


def _effort(name: bytes) -> int:
    """Count the octets of a name that have to be decoded or converted."""
    if not _has_more(name):
        return 0
    return len(name) if len(name) <= _LONGEST_NAME or b"=?" not in name else _MOST_NAME_OCTETS + 1


def _spellings(name: bytes) -> frozenset[bytes]:
    """Return the names that readers may see in this one, in lower case."""
    if not _has_more(name):
        return frozenset((name.lower().translate(None, _NOT_FTEXT),))
    text = name.decode("utf-8", "surrogateescape")
    texts = [text, *(reading.text for reading in readings.decoded(text))]
    texts += [form for each in texts for form in readings.folded(each)]
    return frozenset(each.lower().encode("utf-8", "replace").translate(None, _NOT_FTEXT) for each in texts)


def hidden(headers: Headers, *wanted: bytes) -> Iterator[Hidden]:
    """Yield the lines inside fields' values that begin with a `wanted` name (lower case) and a colon, in order.

    After a line that is `certain`, the rest of its field is not searched: a reader that accepts a line after a control
    character may accept anything after it.
    """
    odd, printed = _scanned(headers)
    folded = any(b"\n" + name + b":" in printed for name in wanted)
    if not odd and not folded:
        return  # the quick end for nearly every message
    texts = list(odd)
    if folded:
        texts += [(position, value) for position, (_, value) in enumerate(headers.fields) if b"\n" in value]
    seen = 0
    for position, text in sorted(texts):
        if text is _UNREAD:
            yield Hidden(position, b"", True, True)
        for line in _lines(headers.fields[position].name, text, wanted):
            seen += 1 + (len(line.rest) * _MOST_LINES // _MOST_LINE_OCTETS if _has_more(line.rest) else 0)
            certain = line.certain or seen > _MOST_LINES
            yield line._replace(position=position, certain=certain)
            if certain:
                break


def _has_more(octets: bytes) -> bool:
    """Return whether decoding or converting the text may add ASCII characters to it."""
    return b"=?" in octets or not octets.isascii()


def may_hide(name: bytes, value: bytes, beyond: Headers, wanted: tuple[bytes, ...]) -> bool:
    """Return whether `names_like` or `hidden` would find one of the `wanted` names in this field.

    `beyond`: the fields over the limits; its `worked` counts the octets decoded here.
    """
    if len(value) < _SHORTEST_LINE and name.isalnum() and len(name) < readings.LONGEST_LINE // 2:
        return False  # the quick end: there may be a million such fields
    if (b"=?" in name or name.translate(None, _FTEXT)) and name.lower().rstrip(b" \t") not in wanted:
        beyond.worked += _effort(name) * (_MOST_WORK // _MOST_NAME_OCTETS)
        if beyond.worked > _MOST_WORK or not _spellings(name).isdisjoint(wanted):
            return True
    odd = _is_odd(name, value)
    if not odd and b"\n" not in value:
        return False
    texts = chain([value] if b"\n" in value else [], _odd_texts(name, value, beyond) if odd else [])
    return any(text is _UNREAD or any(True for _ in _lines(name, text, wanted)) for text in texts)


def _scanned(headers: Headers) -> tuple[list[tuple[int, bytes]], bytes]:
    """Return the texts of odd fields with their positions, and the printable ASCII and LF of all values together.

    The latter is in lower case. Both are made once for each message, when its header is complete.
    """
    if headers.scanned is None:
        fields = headers.fields
        joined = b",".join([value for _, value in fields])
        odd: list[tuple[int, bytes]] = []
        longest = max(map(len, map(b"".join, fields)), default=0)
        any_odd = longest >= readings.LONGEST_LINE or bool(joined.translate(None, _PLAIN))
        if any_odd or b"=?" in joined:
            for position, (name, value) in enumerate(fields):
                if b"=?" in value or (any_odd and _is_odd(name, value)):
                    odd += [(position, text) for text in _odd_texts(name, value, headers)]
        headers.scanned = odd, joined.lower().translate(None, _NOT_PRINTED_NOR_LF)
    return headers.scanned


def _is_odd(name: bytes, value: bytes) -> bool:
    """Return whether the field may have lines that a strict reader does not see, or that Postfix breaks. Quick."""
    if len(name) + len(value) >= readings.LONGEST_LINE:
        return True
    return len(value) >= _SHORTEST_LINE and (b"=?" in value or bool(value.translate(None, _PLAIN)))


def _odd_texts(name: bytes, value: bytes, headers: Headers) -> Iterator[bytes]:
    """Yield an odd field's value and the texts that lenient readers see in it; then the same after Postfix breaks it.

    If that would be too much work (counted in `headers.worked`), yield `_UNREAD` instead.
    """
    line = b"%b:%b" % (name, value)
    broken = readings.overlong(line)
    words = _count(value)
    if _has_more(value):
        headers.worked += len(value) * (1 + broken) + words * _WORD_WORK * (1 + 3 * broken)  # RFC 2047 §2: 76 at most
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
    """Count the encoded words; "=?=" is the end of one in base64, not the start of another."""
    return octets.count(b"=?") - octets.count(b"=?=")


def _made_of(octets: bytes, headers: Headers) -> Iterator[bytes]:
    """Yield the text in Unicode's compatibility forms, and with its encoded words decoded."""
    text = octets.decode("utf-8", "surrogateescape")
    texts = [*forms(text)]
    if "=?" in text:
        decoded = readings.with_words(text, _PART_OF_NAME)
        if isinstance(decoded, Problem):
            yield _UNREAD
            return
        headers.worked += _WORD_WORK * _count(octets) * len(decoded)
        texts += [each for reading in decoded for each in (reading, *forms(reading))]
    for each in dict.fromkeys(texts):
        yield each.encode("utf-8", "surrogateescape")


def _lines(name: bytes, text: bytes, wanted: tuple[bytes, ...]) -> Iterator[Hidden]:
    """Yield the lines of one text that begin with a wanted name and a colon, at position 0."""
    lower = text.lower()
    printed = lower.translate(None, _NOT_PRINTED)
    if not any(each + b":" in printed for each in wanted):
        return
    in_tags = name.lower() in _TAG_LISTS
    at = 0
    for match in _names_pattern(wanted).finditer(lower):
        before, at = text[at : match.start()], match.end(1)
        run = before[len(before.rstrip(_NOT_PRINTED)) :]
        control = _CONTROL.search(run) is not None
        if control or _LINE_END.search(run):
            rest = text[match.end() : match.end() + _LONGEST_REST]
            whole = len(rest) < _LONGEST_REST
            if in_tags:
                found = _TAG.match(rest)
                if found is not None and not _QUOTING.search(found[1]):
                    rest, whole = found[1], len(found[1]) < _LONGEST_REST
            yield Hidden(0, rest, whole, control)


@lru_cache(maxsize=8)
def _names_pattern(names: tuple[bytes, ...]) -> re.Pattern[bytes]:
    """Return a pattern for one of the names and a colon; octets that some readers drop may stand in between."""
    either = b"|".join(_DROPPED.join(re.escape(bytes((octet,))) for octet in name) for name in names)
    return re.compile(rb"((?:" + either + rb")" + _DROPPED + rb":)[\x00-\x20]*+")
