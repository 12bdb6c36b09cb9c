"""disguise – header fields that are not called what a lenient reader will call them.

Some readers drop odd bytes from a field name, some end a line at a bare CR, some ignore the white space
that makes a line a continuation. What such a reader would take for a field of a certain name is found here.

Raises     nothing
Not here   what follows from it (author, edits)
"""

import re
from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import Final, NamedTuple

from mailvet.message import Headers, squeezed

_FTEXT: Final = bytes(octet for octet in range(0x21, 0x7F) if octet != ord(":"))  # RFC 5322 §3.6.8
_ODD: Final = bytes(set(range(256)).difference(_FTEXT))
_PASSED_OVER: Final = rb"[^!-~\r\n]*+"  # neither ftext nor the colon, within a line
_TAG_LISTS: Final = (b"dkim-signature", b"arc-", b"domainkey-signature", b"x-google-dkim-signature")
_MOST_LINES: Final = 100  # of one message that are read


class Hidden(NamedTuple):
    position: int  # in Headers.fields
    rest: bytes  # of the line after the colon
    certain: bool  # after a bare CR, which never belongs in a header, or one of too many continuation lines


def names_like(headers: Headers, *wanted: bytes) -> list[bytes]:
    """Keys of `headers.by_name` that read as one of `wanted` (lower case) once all that is not ftext is left out."""
    if not b"".join(headers.by_name).translate(None, _FTEXT):
        return []
    return [key for key in headers.by_name if key not in wanted and key.translate(None, _ODD) in wanted]


def hidden(headers: Headers, *wanted: bytes) -> Iterator[Hidden]:
    """Lines inside other fields' values that begin with one of these lower-case names and a colon, in order.

    What is certain ends the search in that field. Behind a bare CR, whoever is lenient enough to see a line there may
    be so about the name's octets, too; a continuation line may well be text, and is taken as it is.
    """
    if not _may_hide(headers.squeezed(), wanted):
        return  # so for nearly every message, and quickly
    seen = 0
    for position, (name, value) in enumerate(headers.fields):
        # the h= of these lists names, and may be folded before any of them
        for match in _line(wanted, not name.lower().startswith(_TAG_LISTS)).finditer(value):
            seen += 1
            certain = match[1] is not None or seen > _MOST_LINES
            yield Hidden(position, match[2], certain)
            if certain:
                break


def may_hide(value: bytes, *wanted: bytes) -> bool:
    """May `hidden` find anything in this value? Quick, and true too often rather than too rarely."""
    return (b"\n" in value or b"\r" in value) and _may_hide(squeezed(value), wanted)


def _may_hide(text: bytes, wanted: Iterable[bytes]) -> bool:
    return any(b"\n" + name + b":" in text or b"\r" + name + b":" in text for name in wanted)


@lru_cache(maxsize=8)
def _line(names: tuple[bytes, ...], continued: bool) -> re.Pattern[bytes]:
    """The first group is there where a bare CR began the line."""
    strewn = b"|".join(_PASSED_OVER.join(re.escape(bytes((octet,))) for octet in name) for name in names)
    line = rb"(\r)" + _PASSED_OVER + rb"(?:" + strewn + rb")" + _PASSED_OVER
    if continued:
        line += rb"|\n[ \t]*+(?:" + b"|".join(map(re.escape, names)) + rb")[ \t]*+"
    return re.compile(rb"(?:" + line + rb"):([^\r\n]*+)", re.IGNORECASE)
