"""signature – what a DKIM-Signature field says, or why it cannot be used.

Raises     nothing
Not here   whether it is true (checks.dkim.check); what single tags mean (checks.dkim.tag_values)
"""

import dataclasses
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, NamedTuple

from mailvet.checks.dkim import tag_list
from mailvet.checks.dkim.body_hash import BodyDigest, Canon
from mailvet.checks.dkim.tag_values import (
    ALGORITHMS,
    canonicalisation,
    compact,
    field_names,
    host_name,
    numbers,
    octets,
    unquoted,
    words,
)
from mailvet.settings import LimitSettings
from mailvet.values import Domain, Problem
from mailvet.verdict import DkimResult

_REQUIRED_TAGS: Final = (b"v", b"a", b"b", b"bh", b"d", b"h", b"s")  # RFC 6376 §3.5
_LONGEST_CACHED_FIELD: Final = 2048  # octets


class Signature(NamedTuple):
    """A signature that can be verified."""

    algorithm: str  # a=
    key_type: str  # "rsa" | "ed25519"
    domain: Domain  # d=
    selector: Domain  # s=
    identity: str  # "@" and the domain of i=, in A-labels
    header_canon: Canon
    digest: BodyDigest
    body_hash: bytes
    signature: bytes
    prefix: str  # RFC 6008 §4: the first 8 characters of b=
    names: tuple[bytes, ...]  # h=, lower case
    signed_at: int | None  # t=, seconds since 1970
    expires: int | None  # x=, seconds since 1970

    @property
    def key_name(self) -> str:
        """Return the name at which the key is published (RFC 6376 §3.6.2.1)."""
        return f"{self.selector}._domainkey.{self.domain}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Unusable:
    """A signature that gets its result without a look at its key, and what could be read of it ("": unreadable)."""

    result: DkimResult
    problem: str
    domain: str = ""
    selector: str = ""
    algorithm: str = ""
    prefix: str = ""


class _StyleTags(NamedTuple):
    """The values of the tags that a signer writes alike in every signature; None: the tag is absent."""

    v: bytes
    a: bytes
    c: bytes | None
    d: bytes
    s: bytes
    h: bytes
    i: bytes | None
    q: bytes | None


class _Style(NamedTuple):
    """What those tags mean."""

    algorithm: str
    key_type: str
    domain: Domain
    selector: Domain
    identity: str
    header_canon: Canon
    body_canon: Canon
    names: tuple[bytes, ...]


def parse(value: bytes, limits: LimitSettings) -> Signature | Unusable:
    """Return the signature in the value of a DKIM-Signature field."""
    tags = tag_list.parse(value, limits.tags)
    if isinstance(tags, Problem):
        return _neutral(tags.text)
    missing = [name.decode() for name in _REQUIRED_TAGS if name not in tags]
    if missing:
        return _neutral(f"tag {', '.join(missing)} missing")
    get = tags.get
    style_tags = _StyleTags(tags[b"v"], tags[b"a"], get(b"c"), tags[b"d"], tags[b"s"], tags[b"h"], get(b"i"), get(b"q"))
    read_style = _style if len(value) < _LONGEST_CACHED_FIELD else _style.__wrapped__
    style = read_style(style_tags, limits.signed_fields)
    packed = compact(tags[b"b"])
    signature, body_hash = octets(packed), octets(tags[b"bh"])
    prefix = packed[:8].decode("ascii") if signature else ""
    if isinstance(style, Unusable):
        return dataclasses.replace(style, prefix=prefix) if style.domain else style
    if not signature or not body_hash:
        return _not_verifiable(style, prefix, "b= or bh= is not base64")
    found = numbers(tags)
    if isinstance(found, Problem):
        return _not_verifiable(style, prefix, found.text)
    return Signature(
        algorithm=style.algorithm,
        key_type=style.key_type,
        domain=style.domain,
        selector=style.selector,
        identity=style.identity,
        header_canon=style.header_canon,
        digest=BodyDigest(style.body_canon, found.length),
        body_hash=body_hash,
        signature=signature,
        prefix=prefix,
        names=style.names,
        signed_at=found.signed_at,
        expires=found.expires,
    )


def _neutral(problem: str, **known: str) -> Unusable:
    """Return the result for a field that breaks the grammar, with what is `known` of the signature."""
    return Unusable(result=DkimResult.NEUTRAL, problem=problem, **known)


def _permanent(problem: str, **known: str) -> Unusable:
    """Return the result for a signature that can be read and must not be accepted."""
    return Unusable(result=DkimResult.PERMERROR, problem=problem, **known)


def _not_verifiable(style: _Style, prefix: str, problem: str) -> Unusable:
    known = {"domain": style.domain, "selector": style.selector, "algorithm": style.algorithm}
    return _neutral(problem, prefix=prefix, **known)


@lru_cache(maxsize=1024)  # up to 10 kB each
def _style(tags: _StyleTags, most_names: int) -> _Style | Unusable:
    """Check the tags that a signer writes alike in every signature, once for all its messages."""
    domain, selector = host_name(tags.d), host_name(tags.s)
    if domain is None or "." not in domain or selector is None:  # RFC 6376 §3.5: a domain-name has two labels at least
        return _neutral("d= or s= is not a name")
    known: dict[str, str] = {"domain": domain, "selector": selector}
    algorithm = tags.a.decode("ascii", "replace")  # RFC 6376 §3.2: values are case-sensitive unless said otherwise
    if algorithm == "rsa-sha1":
        return _permanent("rsa-sha1 is forbidden (RFC 8301 §3.1)", algorithm=algorithm, **known)
    if algorithm not in ALGORITHMS:
        return _neutral("unknown algorithm", **known)
    known["algorithm"] = algorithm
    canons, names = canonicalisation(tags.c), field_names(tags.h, most_names)
    if tags.v != b"1":
        return _neutral("v= is not 1", **known)
    if isinstance(canons, Problem):
        return _neutral(canons.text, **known)
    if isinstance(names, Problem):
        return _neutral(names.text, **known)
    if tags.q is not None and b"dns/txt" not in words(tags.q):
        return _neutral("q= names no known method", **known)
    if b"from" not in names:
        return _permanent("From is not signed (RFC 6376 §5.4)", **known)
    identity = _identity(tags.i, domain)
    if identity is None:
        return _permanent("i= is not within d= (RFC 6376 §3.5)", **known)
    return _Style(algorithm, ALGORITHMS[algorithm], domain, selector, identity, *canons, names)


def _identity(value: bytes | None, domain: Domain) -> str | None:
    """Return "@" and the domain of i=, which has to be d= or a subdomain of it; None: it is not."""
    if value is None:
        return "@" + domain
    plain = unquoted(value)
    found = host_name(plain.rpartition(b"@")[2]) if b"@" in plain else None
    return "@" + found if found is not None and (found == domain or found.endswith("." + domain)) else None
