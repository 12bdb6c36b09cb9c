"""signature – what a DKIM-Signature field says, or why it cannot be used. ARC reads its fields with it too.

Raises     nothing
Not here   whether it is true (dkim)
"""

import re
from base64 import b64decode
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from mailvet.address import to_alabel
from mailvet.bodyhash import BodyDigest, Canon
from mailvet.settings import LimitSettings
from mailvet.verdict import DkimResult

Tags = dict[bytes, bytes]
ParseTags = Callable[[bytes], Tags | str]
ALGORITHMS: Final = {b"rsa-sha256": "rsa", b"ed25519-sha256": "ed25519"}  # a= → k=
_REQUIRED: Final = (b"v", b"a", b"b", b"bh", b"d", b"h", b"s")  # RFC 6376 §3.5
_BLANKS: Final = b" \t\r\n"
_NUMBER: Final = re.compile(rb"[0-9]{1,76}")  # RFC 6376 §3.5, l=
_FIELD_NAME: Final = re.compile(rb"[\x21-\x39\x3c-\x7e]+")  # RFC 5322 §3.6.8, without ";"
_LDH: Final = re.compile(r"[A-Za-z0-9_.-]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Signature:
    """A signature that can be verified."""

    algorithm: str  # a=
    key_type: str  # "rsa" | "ed25519"
    domain: str  # d=, A-labels, lower case
    selector: str  # s=, likewise
    identity: str  # the domain of i=, with "@"
    header_canon: Canon
    digest: BodyDigest
    body_hash: bytes
    signature: bytes
    prefix: str  # RFC 6008 §4: the first 8 characters of b=
    names: tuple[bytes, ...]  # h=, lower case
    signed_at: int | None  # t=
    expires: int | None  # x=

    @property
    def key_name(self) -> str:
        return f"{self.selector}._domainkey.{self.domain}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Unusable:
    """A signature that never gets as far as its key."""

    result: DkimResult
    problem: str
    domain: str = ""
    selector: str = ""
    algorithm: str = ""
    prefix: str = ""


def read(value: bytes, parse_tags: ParseTags, limits: LimitSettings) -> Signature | Unusable:
    """The signature in this field value."""
    tags = parse_tags(value)
    if isinstance(tags, str):
        return _neutral(tags)
    missing = [name.decode() for name in _REQUIRED if name not in tags]
    if missing:
        return _neutral(f"tag {', '.join(missing)} missing")
    domain, selector = host_name(tags[b"d"]), host_name(tags[b"s"])
    if not domain or not selector:
        return _neutral("d= or s= is not a name")
    algorithm = tags[b"a"].decode("ascii", "replace").lower()
    prefix = _compact(tags[b"b"])[:8].decode("ascii", "replace")
    known = {"domain": domain, "selector": selector, "prefix": prefix}
    if tags[b"a"].lower() == b"rsa-sha1":
        problem = "rsa-sha1 is forbidden (RFC 8301 §3.1)"
        return Unusable(result=DkimResult.PERMERROR, problem=problem, algorithm=algorithm, **known)
    if tags[b"a"].lower() not in ALGORITHMS:
        return _neutral("unknown algorithm", **known)
    found = _details(tags, domain, limits)
    if isinstance(found, tuple):
        result, problem = found
        return Unusable(result=result, problem=problem, algorithm=algorithm, **known)
    key_type = ALGORITHMS[tags[b"a"].lower()]
    return Signature(algorithm=algorithm, key_type=key_type, selector=selector, prefix=prefix, domain=domain, **found)


def _neutral(problem: str, **known: str) -> Unusable:
    return Unusable(result=DkimResult.NEUTRAL, problem=problem, **known)


def _details(tags: Tags, domain: str, limits: LimitSettings) -> dict[str, object] | tuple[DkimResult, str]:
    """The rest of a signature by field name, or what is wrong with it."""
    if tags[b"v"] != b"1":
        return DkimResult.NEUTRAL, "v= is not 1"
    canons = canonicalisation(tags)
    signature, body_hash = octets(tags[b"b"]), octets(tags[b"bh"])
    if canons is None:
        return DkimResult.NEUTRAL, "unknown canonicalisation"
    if not signature or not body_hash:
        return DkimResult.NEUTRAL, "b= or bh= is not base64"
    names = field_names(tags[b"h"], limits)
    if isinstance(names, str):
        return DkimResult.NEUTRAL, names
    if b"from" not in names:
        return DkimResult.PERMERROR, "From is not signed (RFC 6376 §5.4)"
    numbers = [number(tags.get(tag)) for tag in (b"l", b"t", b"x")]
    if -1 in numbers:
        return DkimResult.NEUTRAL, "l=, t= or x= is not a number"
    length, signed_at, expires = numbers
    if signed_at is not None and expires is not None and expires <= signed_at:
        return DkimResult.NEUTRAL, "x= is not after t="
    if b"dns/txt" not in [method.strip(_BLANKS) for method in tags.get(b"q", b"dns/txt").split(b":")]:
        return DkimResult.NEUTRAL, "q= names no known method"
    identity = _identity(tags.get(b"i"), domain)
    if identity is None:
        return DkimResult.PERMERROR, "i= is not within d= (RFC 6376 §3.5)"
    return {
        "identity": identity,
        "header_canon": canons[0],
        "digest": BodyDigest(canons[1], length),
        "body_hash": body_hash,
        "signature": signature,
        "names": names,
        "signed_at": signed_at,
        "expires": expires,
    }


def canonicalisation(tags: Tags) -> tuple[Canon, Canon] | None:
    """c=: header and body; simple where nothing is said (RFC 6376 §3.5)."""
    header, _, body = tags.get(b"c", b"simple/simple").lower().partition(b"/")
    try:
        return Canon(header.decode("ascii", "replace")), Canon(body.decode("ascii", "replace") or "simple")
    except ValueError:
        return None


def field_names(value: bytes, limits: LimitSettings) -> tuple[bytes, ...] | str:
    """h=: lower-case names, bounded before they are looked at; or what is wrong."""
    if value.count(b":") >= limits.signed_fields:
        return f"h= has over {limits.signed_fields} entries (limit)"
    names = tuple(name.strip(_BLANKS).lower() for name in value.split(b":"))
    return names if all(map(_FIELD_NAME.fullmatch, names)) else "h= holds something that is no field name"


def number(value: bytes | None) -> int | None:
    """A decimal number; None where there is none, -1 where it is no number."""
    if value is None:
        return None
    return int(value) if _NUMBER.fullmatch(value) else -1


def octets(value: bytes) -> bytes:
    """Base64 with folding white space; b"" if it is none."""
    try:
        return b64decode(_compact(value), validate=True)
    except ValueError:
        return b""


def host_name(value: bytes) -> str:
    """A domain or selector as lower-case A-labels, only what may stand in a DNS name and in our header; else ""."""
    name = to_alabel(value.decode("utf-8", "replace")) or ""
    return name if _LDH.fullmatch(name) else ""


def _identity(value: bytes | None, domain: str) -> str | None:
    """The domain of i=, which has to be d= or below it; None if it is not."""
    if value is None:
        return "@" + domain
    at = host_name(value.rpartition(b"@")[2])
    return "@" + at if b"@" in value and (at == domain or at.endswith("." + domain)) else None


def _compact(value: bytes) -> bytes:
    return value.translate(None, _BLANKS)
