"""tag_values – what the values of single tags mean, in the fields and records of DKIM and ARC (RFC 6376 §3.5, §3.6.1).

Raises     nothing: a value that cannot be read is a `Problem`, or None where a function says so
Not here   finding the tags (checks.dkim.tag_list); which tags are required (checks.dkim.signature,
           checks.dkim.key_record, checks.arc.fields)
"""

import re
from base64 import b64decode
from typing import Final, NamedTuple

from mailvet.checks.dkim.body_hash import Canon
from mailvet.checks.dkim.tag_list import Tags
from mailvet.syntax.domain import to_alabel
from mailvet.values import Domain, Problem

ALGORITHMS: Final = {"rsa-sha256": "rsa", "ed25519-sha256": "ed25519"}  # a= → k=
_WHITE_SPACE: Final = b" \t\r\n"  # RFC 6376 §2.8, FWS
_CLOCK_DRIFT: Final = 300.0  # seconds that the clocks of signer and verifier may differ
_NUMBER: Final = re.compile(rb"[0-9]{1,76}")  # RFC 6376 §3.5, l=
_QUOTED_OCTET: Final = re.compile(rb"=([0-9A-Fa-f]{2})")
_FIELD_NAME: Final = re.compile(rb"[\x21-\x39\x3c-\x7e]+")  # RFC 5322 §3.6.8, without ";"
_HOST_NAME: Final = re.compile(r"[A-Za-z0-9_.-]+")


class Numbers(NamedTuple):
    """The numbers that a signature may have; None: the tag is absent."""

    length: int | None  # l=, octets of the canonical body
    signed_at: int | None  # t=, seconds since 1970
    expires: int | None  # x=, seconds since 1970


def words(value: bytes) -> list[bytes]:
    """Return the elements of a colon-separated list, without the white space around them."""
    return [word.strip(_WHITE_SPACE) for word in value.split(b":")]


def compact(value: bytes) -> bytes:
    """Return the value without any white space."""
    return value.translate(None, _WHITE_SPACE)


def canonicalisation(value: bytes | None) -> tuple[Canon, Canon] | Problem:
    """Return the canonical forms of header and body that c= names; an absent one means simple (RFC 6376 §3.5)."""
    header, slash, body = (b"simple" if value is None else value).partition(b"/")
    try:
        return Canon(header.decode("ascii", "replace")), Canon(body.decode("ascii", "replace") if slash else "simple")
    except ValueError:
        return Problem("unknown canonicalisation")


def field_names(value: bytes, most_names: int) -> tuple[bytes, ...] | Problem:
    """Return the field names of h= in lower case; a list of over `most_names` is refused unread."""
    if value.count(b":") >= most_names:
        return Problem(f"h= has over {most_names} entries (limits.signed_fields)")
    names = tuple(name.lower() for name in words(value))
    return names if all(map(_FIELD_NAME.fullmatch, names)) else Problem("h= holds something that is not a field name")


def number(value: bytes | None) -> int | Problem | None:
    """Return the decimal number; None if the tag is absent."""
    if value is None:
        return None
    return int(value) if _NUMBER.fullmatch(value) else Problem("not a number")


def numbers(tags: Tags) -> Numbers | Problem:
    """Return l=, t= and x= of a signature, which have to be numbers and make sense together."""
    length, signed_at, expires = number(tags.get(b"l")), number(tags.get(b"t")), number(tags.get(b"x"))
    if isinstance(length, Problem) or isinstance(signed_at, Problem) or isinstance(expires, Problem):
        return Problem("l=, t= or x= is not a number")
    if signed_at is not None and expires is not None and expires <= signed_at:  # RFC 6376 §3.5, x=
        return Problem("x= is not after t=")
    return Numbers(length, signed_at, expires)


def expired(expires: int | None, now: float) -> bool:
    """Return whether x= (seconds since 1970) has passed, by more than clocks may differ.

    RFC 6376 §3.5, x=: "Receivers MAY add a 'fudge factor' to allow for such possible drift".
    """
    return expires is not None and expires + _CLOCK_DRIFT < now


def unquoted(value: bytes) -> bytes:
    """Decode dkim-quoted-printable (RFC 6376 §2.11): white space is dropped, and =40 is "@"."""
    packed = compact(value)
    return _QUOTED_OCTET.sub(lambda octet: bytes.fromhex(octet[1].decode()), packed) if b"=" in packed else packed


def octets(value: bytes) -> bytes | None:
    """Decode base64 with white space in it; None: it is not base64."""
    try:
        return b64decode(compact(value), validate=True)
    except ValueError:
        return None


def host_name(value: bytes) -> Domain | None:
    """Return a domain or selector in A-labels; None: it is not one, or not safe to write in our header field."""
    name = to_alabel(value.decode("utf-8", "replace"))
    return name if name is not None and _HOST_NAME.fullmatch(name) else None
