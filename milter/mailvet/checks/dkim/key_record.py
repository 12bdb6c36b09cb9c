"""key_record – what a DKIM key record (RFC 6376 §3.6.1) says.

Raises     nothing
Not here   the key's arithmetic (checks.dkim.openssl); whether the key may be used (checks.dkim.keys)
"""

from dataclasses import dataclass
from functools import lru_cache

from mailvet.checks.dkim.tag_list import ParseTags
from mailvet.checks.dkim.tag_values import octets, words
from mailvet.values import Problem


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyRecord:
    key_type: str  # k=
    data: bytes  # p=, decoded; empty: revoked
    hashes: frozenset[bytes] | None  # h=; None: any
    services: frozenset[bytes]  # s=
    flags: frozenset[bytes]  # t=

    @property
    def testing(self) -> bool:
        """Return whether the domain is testing DKIM (t=y)."""
        return b"y" in self.flags

    @property
    def exact_identity(self) -> bool:
        """Return whether the domain of i= has to be d= itself (t=s)."""
        return b"s" in self.flags


@lru_cache(maxsize=1024)  # of up to limits.key_record octets
def parse(record: bytes, parse_tags: ParseTags) -> KeyRecord | Problem:
    """Return what the record says, or what is wrong with it. `parse_tags` reads its tag list."""
    tags = parse_tags(record)
    if isinstance(tags, Problem):
        return tags
    if b"v" in tags and (tags[b"v"] != b"DKIM1" or next(iter(tags)) != b"v"):
        return Problem("v= is not DKIM1, or not first")
    if b"p" not in tags:
        return Problem("p= is missing")
    data = octets(tags[b"p"])
    if data is None:
        return Problem("p= is not base64")
    return KeyRecord(
        key_type=tags.get(b"k", b"rsa").decode("ascii", "replace"),
        data=data,
        hashes=frozenset(words(tags[b"h"])) if b"h" in tags else None,
        services=frozenset(words(tags.get(b"s", b"*"))),
        flags=frozenset(words(tags.get(b"t", b""))),
    )
