"""key_record – a DKIM key record (RFC 6376 §3.6.1), or why it is none.

Raises     nothing
Not here   the key's arithmetic (checks.dkim.openssl), what it may sign (dkim)
"""

from base64 import b64decode
from dataclasses import dataclass
from functools import lru_cache

from mailvet.checks.dkim.tag_values import ParseTags, compact, words


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyRecord:
    key_type: str  # k=
    data: bytes  # p=, decoded; empty: revoked
    hashes: frozenset[bytes] | None  # h=; None: any
    services: frozenset[bytes]  # s=
    flags: frozenset[bytes]  # t=

    @property
    def testing(self) -> bool:
        return b"y" in self.flags

    @property
    def exact_identity(self) -> bool:
        """t=s: i= has to be d= itself."""
        return b"s" in self.flags


@lru_cache(maxsize=1024)  # of up to limits.key_record octets
def parse(record: bytes, parse_tags: ParseTags) -> KeyRecord | str:
    """The record, or what is wrong with it."""
    tags = parse_tags(record)
    if isinstance(tags, str):
        return tags
    if b"v" in tags and (tags[b"v"] != b"DKIM1" or next(iter(tags)) != b"v"):
        return "v= is not DKIM1, or not first"
    if b"p" not in tags:
        return "p= is missing"
    try:
        data = b64decode(compact(tags[b"p"]), validate=True)
    except ValueError:
        return "p= is not base64"
    return KeyRecord(
        key_type=tags.get(b"k", b"rsa").decode("ascii", "replace"),
        data=data,
        hashes=frozenset(words(tags[b"h"])) if b"h" in tags else None,
        services=frozenset(words(tags.get(b"s", b"*"))),
        flags=frozenset(words(tags.get(b"t", b""))),
    )
