"""tag_values – what the values of single tags mean, in the fields and records of DKIM and ARC (RFC 6376 §3.5, §3.6.1).

Raises     nothing
Not here   finding the tags (checks.dkim.tag_list); which have to be there (signature, key_record, checks.arc.fields)
"""

import re
from base64 import b64decode
from collections.abc import Callable
from typing import Final

from mailvet.checks.dkim.body_hash import Canon
from mailvet.syntax.domain import to_alabel

Tags = dict[bytes, bytes]
ParseTags = Callable[[bytes], Tags | str]
ALGORITHMS: Final = {"rsa-sha256": "rsa", "ed25519-sha256": "ed25519"}  # a= → k=
BLANKS: Final = b" \t\r\n"  # RFC 6376 §2.8, FWS
_DRIFT: Final = 300.0  # seconds that the clocks of signer and verifier may differ
_NUMBER: Final = re.compile(rb"[0-9]{1,76}")  # RFC 6376 §3.5, l=
_QUOTED: Final = re.compile(rb"=([0-9A-Fa-f]{2})")
_FIELD_NAME: Final = re.compile(rb"[\x21-\x39\x3c-\x7e]+")  # RFC 5322 §3.6.8, without ";"
_LDH: Final = re.compile(r"[A-Za-z0-9_.-]+")


def words(value: bytes) -> list[bytes]:
    """A list with colons."""
    return [word.strip(BLANKS) for word in value.split(b":")]


def compact(value: bytes) -> bytes:
    """Without folding white space."""
    return value.translate(None, BLANKS)


def canonicalisation(value: bytes | None) -> tuple[Canon, Canon] | None:
    """c=: header and body; simple where nothing is said (RFC 6376 §3.5)."""
    header, slash, body = (b"simple" if value is None else value).partition(b"/")
    try:
        return Canon(header.decode("ascii", "replace")), Canon(body.decode("ascii", "replace") if slash else "simple")
    except ValueError:
        return None


def field_names(value: bytes, most: int) -> tuple[bytes, ...] | str:
    """h=: lower-case names, counted before they are looked at; or what is wrong."""
    if value.count(b":") >= most:
        return f"h= has over {most} entries (limit)"
    names = tuple(name.lower() for name in words(value))
    return names if all(map(_FIELD_NAME.fullmatch, names)) else "h= holds something that is no field name"


def number(value: bytes | None) -> int | None:
    """A decimal number; None where there is none, -1 where it is no number."""
    if value is None:
        return None
    return int(value) if _NUMBER.fullmatch(value) else -1


def numbers_problem(length: int | None, signed_at: int | None, expires: int | None) -> str:
    """What is wrong with l=, t= and x=, or ""."""
    if -1 in (length, signed_at, expires):
        return "l=, t= or x= is not a number"
    wrong = signed_at is not None and expires is not None and expires <= signed_at  # RFC 6376 §3.5, x=
    return "x= is not after t=" if wrong else ""


def expired(expires: int | None, now: float) -> bool:
    """RFC 6376 §3.5, x=: "Receivers MAY add a 'fudge factor' to allow for such possible drift"."""
    return expires is not None and expires + _DRIFT < now


def unquoted(value: bytes) -> bytes:
    """RFC 6376 §2.11, dkim-quoted-printable: folds go, and =40 is "@"."""
    packed = compact(value)
    return _QUOTED.sub(lambda quoted: bytes.fromhex(quoted[1].decode()), packed) if b"=" in packed else packed


def octets(value: bytes) -> bytes:
    """Base64 with folding white space; b"" if it is none."""
    try:
        return b64decode(compact(value), validate=True)
    except ValueError:
        return b""


def host_name(value: bytes) -> str:
    """A domain or selector as lower-case A-labels, only what may stand in a DNS name and in our header; else ""."""
    name = to_alabel(value.decode("utf-8", "replace")) or ""
    return name if _LDH.fullmatch(name) else ""
