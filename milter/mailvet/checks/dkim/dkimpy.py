"""dkimpy – its tag-list parser for key records, with the strictness it lacks; the only file that imports dkim.

What is sound there is used: `dkim.util.parse_tag_value` finds the tags and refuses duplicates. Signatures,
which nothing can keep, have a parser four times as fast (taglist). Not used: its verification (one boolean
for four truths, no check that From is signed), its header selection (it signs itself if h= says so) and its
body canonicalisation (quadratic in white space).

Raises     nothing
"""

import re
from typing import Final

from dkim.util import InvalidTagValueList, parse_tag_value

_NAME: Final = re.compile(rb"[A-Za-z][A-Za-z0-9_]*")  # RFC 6376 §3.2 tag-name
_ODD: Final = re.compile(rb"[^\x20-\x7e\t\r\n\x80-\xff]")  # tag-value; octets above 126 only in EAI (RFC 8616)


def parse_tags(value: bytes) -> dict[bytes, bytes] | str:
    """The tags of a tag-list (RFC 6376 §3.2), or what is wrong with it. Values are trimmed, folds still in."""
    if _ODD.search(value):
        return "a control character"
    try:
        tags: dict[bytes, bytes] = parse_tag_value(value)
    except InvalidTagValueList as e:
        return f"not a tag list ({type(e).__name__})"
    if not all(map(_NAME.fullmatch, tags)):
        return "not a tag name"
    return tags
