"""dkimpy – its tag-list parser for key records, with the strictness it lacks; the only file that imports dkim.

Used: `dkim.util.parse_tag_value`, which finds the tags and refuses duplicates. Signatures, which cannot be cached,
have a parser four times as fast (checks.dkim.tag_list). Not used: dkimpy's verification (it returns one boolean
where we need four results, and does not check that From is signed), its header selection (a signature whose h= names
DKIM-Signature signs itself) and its body canonicalisation (quadratic in white space).

Raises     nothing
Not here   what the tags of a key record mean (checks.dkim.key_record)
"""

import re
from typing import Final

from dkim.util import InvalidTagValueList, parse_tag_value

from mailvet.checks.dkim.tag_list import Tags
from mailvet.values import Problem

_NAME: Final = re.compile(rb"[A-Za-z][A-Za-z0-9_]*")  # RFC 6376 §3.2 tag-name
_NOT_ALLOWED: Final = re.compile(rb"[^\x20-\x7e\t\r\n\x80-\xff]")  # in tag-value; octets above 126: EAI (RFC 8616)


def parse_tags(value: bytes) -> Tags | Problem:
    """Return the tags of a tag list (RFC 6376 §3.2), as `tag_list.parse` does, or what is wrong with it."""
    if _NOT_ALLOWED.search(value):
        return Problem("a control character")
    try:
        tags: Tags = parse_tag_value(value)
    except InvalidTagValueList as e:
        return Problem(f"not a tag list ({type(e).__name__})")
    if not all(map(_NAME.fullmatch, tags)):
        return Problem("not a tag name")
    return tags
