"""tag_list – the tag=value lists of DKIM and ARC fields (RFC 6376 §3.2), parsed in one pass.

Every signature of every message is parsed here; key records, which are cached, are parsed by dkimpy.

Raises     nothing
Not here   what the tags mean (checks.dkim.signature, checks.arc.fields, checks.dkim.key_record)
"""

import re
from collections.abc import Callable
from functools import lru_cache
from typing import Final

from mailvet.values import Problem

Tags = dict[bytes, bytes]  # tag name -> value, without the white space around it, with the folds inside it
ParseTags = Callable[[bytes], Tags | Problem]

_WHITE_SPACE: Final = b" \t\r\n"
# tag-value is VALCHAR and FWS; octets above 126 only in EAI mail (RFC 8616)
_ALLOWED: Final = bytes(range(0x20, 0x7F)) + b"\t\r\n" + bytes(range(0x80, 0x100))
_LONGEST_NAME: Final = 64
_NAME: Final = re.compile(rb"[A-Za-z][A-Za-z0-9_]*")


def parse(value: bytes, most_tags: int | None = None) -> Tags | Problem:
    """Return the tags of a field value, or what is wrong with the list.

    A list with more than `most_tags` semicolons is refused before it is taken apart.
    """
    if most_tags is not None and value.count(b";") > most_tags:
        return Problem(f"over {most_tags} tags (limits.tags)")
    if value.translate(None, _ALLOWED):
        return Problem("a control character")
    tags: Tags = {}
    specs = value.split(b";")
    if not specs[-1].strip(_WHITE_SPACE):  # a semicolon may end the list
        specs.pop()
    for spec in specs:
        name, equals, content = spec.partition(b"=")
        name = name.strip(_WHITE_SPACE)
        if not equals or len(name) > _LONGEST_NAME or not _is_name(name):
            return Problem("not a tag list")
        if name in tags:  # RFC 6376 §3.2: "the entire tag-list is invalid"
            return Problem(f"tag {name.decode()} occurs twice")
        tags[name] = content.strip(_WHITE_SPACE)
    return tags


@lru_cache(maxsize=256)
def _is_name(name: bytes) -> bool:
    return _NAME.fullmatch(name) is not None
