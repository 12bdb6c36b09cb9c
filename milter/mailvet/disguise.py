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


def names_like(headers: Headers, wanted: bytes) -> list[bytes]:
    """Keys of `headers.by_name` that read `wanted` (lower case) once what is no ftext is left out."""
    if not _ODD.search(b"".join(headers.by_name)):
        return []
    return [key for key in headers.by_name if key != wanted and _ODD.sub(b"", key) == wanted]


def hidden(headers: Headers, wanted: bytes) -> list[Hidden]:
    """Lines inside other fields' values that begin with this lower-case name and a colon."""
    line = _line(wanted)
    found = []
    for position, (name, value) in enumerate(headers.fields):
        if (b"\n" in value or b"\r" in value) and wanted in value.lower():
            # the h= of these lists names, and may be folded before any of them
            folds = not name.lower().startswith(_TAG_LISTS)
            for match in line.finditer(value):
                after_cr = match[1] == b"\r"
                if after_cr or folds:
                    found.append(Hidden(position, match[2], after_cr))
    return found


@lru_cache(maxsize=8)
def _line(name: bytes) -> re.Pattern[bytes]:
    return re.compile(rb"([\r\n])[ \t]*+" + re.escape(name) + rb"[ \t]*+:([^\r\n]*+)", re.IGNORECASE)
