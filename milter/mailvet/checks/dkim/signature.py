"""signature – what a DKIM-Signature field says, or why it cannot be used.

Raises     nothing
Not here   whether it is true (dkim); what single tags mean (checks.dkim.tag_values)
"""

import dataclasses
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, NamedTuple

from mailvet.checks.dkim.body_hash import BodyDigest, Canon
from mailvet.checks.dkim.tag_values import (
    ALGORITHMS,
    ParseTags,
    canonicalisation,
    compact,
    field_names,
    host_name,
    number,
    numbers_problem,
    octets,
    unquoted,
    words,
)
from mailvet.settings import LimitSettings
from mailvet.verdict import DkimResult

_REQUIRED: Final = (b"v", b"a", b"b", b"bh", b"d", b"h", b"s")  # RFC 6376 §3.5
_KEPT_LENGTH: Final = 2048


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
    packed = compact(tags[b"b"])
    signature, body_hash = octets(packed), octets(tags[b"bh"])
    prefix = packed[:8].decode("ascii") if signature else ""
    if isinstance(style, Unusable):
        return dataclasses.replace(style, prefix=prefix) if style.domain else style
    length, signed_at, expires = [number(get(tag)) for tag in (b"l", b"t", b"x")]
    problem = "" if signature and body_hash else "b= or bh= is not base64"
    problem = problem or numbers_problem(length, signed_at, expires)
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
    if q is not None and b"dns/txt" not in words(q):
        return _neutral("q= names no known method", **known)
    if b"from" not in names:
        problem = "From is not signed (RFC 6376 §5.4)"
        return Unusable(result=DkimResult.PERMERROR, problem=problem, **known)
    identity = _identity(i, domain)
    if identity is None:
        problem = "i= is not within d= (RFC 6376 §3.5)"
        return Unusable(result=DkimResult.PERMERROR, problem=problem, **known)
    return _Style(algorithm, ALGORITHMS[algorithm], domain, selector, identity, *canons, names)


def _identity(value: bytes | None, domain: str) -> str | None:
    """The domain of i=, which has to be d= or below it; None if it is not."""
    if value is None:
        return "@" + domain
    plain = unquoted(value)
    at = host_name(plain.rpartition(b"@")[2])
    return "@" + at if b"@" in plain and (at == domain or at.endswith("." + domain)) else None
