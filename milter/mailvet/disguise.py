"""disguise – header fields that are not called what a lenient reader will call them.

Some readers drop odd bytes from a field name, some end a line at a bare CR, some ignore the white space
that makes a line a continuation. What such a reader would take for a field of a certain name is found here.

Raises     nothing
Not here   what follows from it (author, edits)
"""

import re
from functools import lru_cache
from typing import Final, NamedTuple

from mailvet.message import Headers

_ODD = re.compile(rb"[^!-9;-~]")  # not ftext, RFC 5322 §3.6.8
_TAG_LISTS: Final = (b"dkim-signature", b"arc-", b"domainkey-signature", b"x-google-dkim-signature")


class Hidden(NamedTuple):
    position: int  # in Headers.fields
    rest: bytes  # of the line behind the colon
    after_cr: bool  # behind a bare CR, which never belongs into a header; else on a continuation line


def names_like(headers: Headers, *wanted: bytes) -> list[bytes]:
    """Keys of `headers.by_name` that read as one of `wanted` (lower case) once what is no ftext is left out."""
    if not _ODD.search(b"".join(headers.by_name)):
        return []
    return [key for key in headers.by_name if key not in wanted and _ODD.sub(b"", key) in wanted]


def hidden(headers: Headers, *wanted: bytes) -> list[Hidden]:
    """Lines inside other fields' values that begin with one of these lower-case names and a colon."""
    squeezed = headers.squeezed()
    if not any(b"\n" + name + b":" in squeezed or b"\r" + name + b":" in squeezed for name in wanted):
        return []  # so for nearly every message, and quickly
    found = []
    line = _line(wanted)
    for position, (name, value) in enumerate(headers.fields):
        # the h= of these lists names, and may be folded before any of them
        folds = not name.lower().startswith(_TAG_LISTS)
        for match in line.finditer(value):
            after_cr = match[1] == b"\r"
            if after_cr or folds:
                found.append(Hidden(position, match[2], after_cr))
    return found


@lru_cache(maxsize=8)
def _line(names: tuple[bytes, ...]) -> re.Pattern[bytes]:
    either = b"|".join(map(re.escape, names))
    return re.compile(rb"([\r\n])[ \t]*+(?:" + either + rb")[ \t]*+:([^\r\n]*+)", re.IGNORECASE)
