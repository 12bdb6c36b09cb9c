"""tag_list – the tag=value lists of DKIM and ARC fields (RFC 6376 §3.2), read in one pass.

Every signature of every message comes through here; key records, which are kept, are read by dkimpy.

Raises     nothing
Not here   what the tags mean (signature, checks.arc.sets)
"""

import re
from functools import lru_cache
from typing import Final

_BLANKS: Final = b" \t\r\n"
# tag-value is VALCHAR and FWS; octets above 126 only in EAI mail (RFC 8616)
_ALLOWED: Final = bytes(range(0x20, 0x7F)) + b"\t\r\n" + bytes(range(0x80, 0x100))
_LONGEST_NAME: Final = 64
_NAME: Final = re.compile(rb"[A-Za-z][A-Za-z0-9_]*")


def parse(value: bytes) -> dict[bytes, bytes] | str:
    """The tags, values trimmed with folds still in them; or what is wrong with the list."""
    if value.translate(None, _ALLOWED):
        return "a control character"
    tags: dict[bytes, bytes] = {}
    specs = value.split(b";")
    if not specs[-1].strip(_BLANKS):  # a semicolon may end the list
        specs.pop()
    for spec in specs:
        name, equals, content = spec.partition(b"=")
        name = name.strip(_BLANKS)
        if not equals or len(name) > _LONGEST_NAME or not _is_name(name):
            return "not a tag list"
        if name in tags:  # RFC 6376 §3.2: "the entire tag-list is invalid"
            return f"tag {name.decode()} occurs twice"
        tags[name] = content.strip(_BLANKS)
    return tags


@lru_cache(maxsize=256)
def _is_name(name: bytes) -> bool:
    return _NAME.fullmatch(name) is not None
