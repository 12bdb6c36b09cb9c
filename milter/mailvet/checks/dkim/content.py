"""content – what the signatures of one message cover: its header in canonical forms, its body as hashes.

Raises     nothing
Not here   how the forms and hashes are made (checks.dkim.header_forms, checks.dkim.body_hash)
"""

from collections.abc import Sequence
from typing import NamedTuple

from mailvet.checks.dkim.body_hash import BodyDigest, BodyHash, Canon
from mailvet.checks.dkim.header_forms import HeaderForms, without_signature


class Content(NamedTuple):
    """One message as its DKIM and ARC signatures see it."""

    forms: HeaderForms
    bodies: dict[BodyDigest, BodyHash]

    def signed_data(self, canon: Canon, names: Sequence[bytes], position: int) -> bytes:
        """Return the octets signed by the field at `position`, whose h= is `names` (RFC 6376 §3.7)."""
        own = self.forms.headers.fields[position]
        return self.forms.signed(canon, names, position) + without_signature(canon, own)

    def has_unsigned_from(self, names: Sequence[bytes]) -> bool:
        """Return whether the message has more From fields than an h= of `names` covers (RFC 6376 §8.15)."""
        return len(self.forms.headers.by_name.get(b"from", ())) > names.count(b"from")
