"""signature – what a DKIM-Signature field says, or why it cannot be used. ARC reads its fields with it too.

Raises     nothing
Not here   whether it is true (dkim)
"""

import dataclasses
import re
from base64 import b64decode
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, NamedTuple

from mailvet.address import to_alabel
from mailvet.bodyhash import BodyDigest, Canon
from mailvet.settings import LimitSettings
from mailvet.verdict import DkimResult

Tags = dict[bytes, bytes]
ParseTags = Callable[[bytes], Tags | str]
ALGORITHMS: Final = {"rsa-sha256": "rsa", "ed25519-sha256": "ed25519"}  # a= → k=
_REQUIRED: Final = (b"v", b"a", b"b", b"bh", b"d", b"h", b"s")  # RFC 6376 §3.5
_BLANKS: Final = b" \t\r\n"
_KEPT_LENGTH: Final = 2048
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
    tags = parse_tags(value) if value.count(b";") <= limits.tags else f"over {limits.tags} tags (limit)"
    if isinstance(tags, str):
        return _neutral(tags)
    missing = [name.decode() for name in _REQUIRED if name not in tags]
    if missing:
        return _neutral(f"tag {', '.join(missing)} missing")
    get = tags.get
    kept = len(value) < _KEPT_LENGTH  # what is remembered is bounded
    style = (_style if kept else _style.__wrapped__)(
        *(tags[b"v"], tags[b"a"], get(b"c"), tags[b"d"], tags[b"s"], tags[b"h"], get(b"i"), get(b"q")),
        limits.signed_fields,
    )
    packed = _compact(tags[b"b"])
    signature, body_hash = octets(packed), octets(tags[b"bh"])
    prefix = packed[:8].decode("ascii") if signature else ""
    if isinstance(style, Unusable):
        return dataclasses.replace(style, prefix=prefix) if style.domain else style
    numbers = [number(get(tag)) for tag in (b"l", b"t", b"x")]
    length, signed_at, expires = numbers
    problem = ""
    if not signature or not body_hash:
        problem = "b= or bh= is not base64"
    elif -1 in numbers:
        problem = "l=, t= or x= is not a number"
    elif signed_at is not None and expires is not None and expires <= signed_at:
        problem = "x= is not after t="
    if problem:
        known = {"domain": style.domain, "selector": style.selector, "algorithm": style.algorithm}
        return Unusable(result=DkimResult.NEUTRAL, problem=problem, prefix=prefix, **known)
    return Signature(
        algorithm=style.algorithm,
        key_type=style.key_type,
        domain=style.domain,
        selector=style.selector,
        identity=style.identity,
        header_canon=style.header_canon,
        digest=BodyDigest(style.body_canon, length),
        body_hash=body_hash,
        signature=signature,
        prefix=prefix,
        names=style.names,
        signed_at=signed_at,
        expires=expires,
    )


def _neutral(problem: str, **known: str) -> Unusable:
    return Unusable(result=DkimResult.NEUTRAL, problem=problem, **known)


class _Style(NamedTuple):
    """What a signer writes into every signature alike."""

    algorithm: str
    key_type: str
    domain: str
    selector: str
    identity: str
    header_canon: Canon
    body_canon: Canon
    names: tuple[bytes, ...]


@lru_cache(maxsize=1024)  # up to 10 kB each
def _style(
    v: bytes, a: bytes, c: bytes | None, d: bytes, s: bytes, h: bytes, i: bytes | None, q: bytes | None, most: int
) -> _Style | Unusable:
    """Those tags checked, once for all messages of a signer; or what is wrong with them."""
    domain, selector = host_name(d), host_name(s)
    if "." not in domain or not selector:  # RFC 6376 §3.5: a domain-name has two labels at least
        return _neutral("d= or s= is not a name")
    known = {"domain": domain, "selector": selector}
    algorithm = a.decode("ascii", "replace")  # RFC 6376 §3.2: values are case-sensitive unless said otherwise
    if algorithm == "rsa-sha1":
        problem = "rsa-sha1 is forbidden (RFC 8301 §3.1)"
        return Unusable(result=DkimResult.PERMERROR, problem=problem, algorithm=algorithm, **known)
    if algorithm not in ALGORITHMS:
        return _neutral("unknown algorithm", **known)
    known["algorithm"] = algorithm
    canons, names = canonicalisation(c), field_names(h, most)
    if v != b"1":
        return _neutral("v= is not 1", **known)
    if canons is None:
        return _neutral("unknown canonicalisation", **known)
    if isinstance(names, str):
        return _neutral(names, **known)
    if q is not None and b"dns/txt" not in [method.strip(_BLANKS) for method in q.split(b":")]:
        return _neutral("q= names no known method", **known)
    if b"from" not in names:
        problem = "From is not signed (RFC 6376 §5.4)"
        return Unusable(result=DkimResult.PERMERROR, problem=problem, **known)
    identity = _identity(i, domain)
    if identity is None:
        problem = "i= is not within d= (RFC 6376 §3.5)"
        return Unusable(result=DkimResult.PERMERROR, problem=problem, **known)
    return _Style(algorithm, ALGORITHMS[algorithm], domain, selector, identity, *canons, names)


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
    at = host_name(_compact(value.rpartition(b"@")[2]))  # RFC 6376 §2.11: folds in it are to be ignored
    return "@" + at if b"@" in value and (at == domain or at.endswith("." + domain)) else None


def _compact(value: bytes) -> bytes:
    return value.translate(None, _BLANKS)
