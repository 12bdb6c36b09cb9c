"""arc_sets – the ARC fields of a message sorted into sets, and whether they could be a chain at all.

All that RFC 8617 §5.2 demands before the first signature is verified: every instance from 1 to N there,
one field of each kind in it, and what the fields must and must not say.

Raises     nothing: what is wrong is said in `Sets.problem`
Not here   keys and signatures (arc)
"""

import re
from dataclasses import dataclass
from typing import Final

from mailvet.message import Headers
from mailvet.settings import LimitSettings
from mailvet.signature import ALGORITHMS, ParseTags, Signature, Unusable, host_name, octets, read

RESULTS: Final = b"arc-authentication-results"
MESSAGE: Final = b"arc-message-signature"
SEAL: Final = b"arc-seal"
_MOST_INSTANCE: Final = 50  # RFC 8617 §4.2.1
_SEAL_TAGS: Final = (b"a", b"b", b"cv", b"d", b"i", b"s")  # RFC 8617 §4.1.3
# RFC 8617 §4.1.1: "i=" and the number come before anything else; then the rest as in Authentication-Results
_INSTANCE: Final = re.compile(rb"[ \t\r\n]*i[ \t\r\n]*=[ \t\r\n]*([0-9]{1,3})[ \t\r\n]*;")


@dataclass(frozen=True, slots=True, kw_only=True)
class Seal:
    """What an ARC-Seal says."""

    algorithm: str
    key_type: str
    domain: str
    selector: str
    status: bytes  # cv=
    signature: bytes

    @property
    def key_name(self) -> str:
        return f"{self.selector}._domainkey.{self.domain}"


@dataclass(frozen=True, slots=True, kw_only=True)
class ArcSet:
    """One hop: where its three fields stand, and what two of them say."""

    results_at: int
    message_at: int
    seal_at: int
    message: Signature
    seal: Seal


@dataclass(frozen=True, slots=True)
class Sets:
    """The sets, instance 1 first; or none and the problem. `count` is the highest instance seen."""

    found: tuple[ArcSet, ...] = ()
    problem: str = ""
    count: int = 0


def collect(headers: Headers, parse_tags: ParseTags, limits: LimitSettings) -> Sets:
    """Total. No ARC field at all: no sets and no problem."""
    by_name = headers.by_name
    places = [by_name.get(name, []) for name in (RESULTS, MESSAGE, SEAL)]
    most = max(map(len, places))
    if most == 0:
        return Sets()
    if most > limits.arc_sets:
        return Sets((), f"over {limits.arc_sets} sets (limit)", min(most, _MOST_INSTANCE))
    if len({len(place) for place in places}) != 1:
        return Sets((), "not one field of each kind in every set", most)
    ordered = [_by_instance(headers, place, name, parse_tags) for place, name in zip(places, _KINDS, strict=True)]
    found = []
    for instance in range(1, most + 1):
        if not all(instance in order for order in ordered):
            return Sets((), f"instance {instance} is missing or there twice", most)
        results_at, message_at, seal_at = (order[instance] for order in ordered)
        message = _message(headers.fields[message_at].value, parse_tags, limits)
        seal = _seal(headers.fields[seal_at].value, instance, parse_tags)
        if isinstance(message, str) or isinstance(seal, str):
            return Sets((), f"instance {instance}: {message if isinstance(message, str) else seal}", most)
        found.append(
            ArcSet(results_at=results_at, message_at=message_at, seal_at=seal_at, message=message, seal=seal)
        )
    return Sets(tuple(found), "", most)


_KINDS: Final = (RESULTS, MESSAGE, SEAL)


def _by_instance(headers: Headers, places: list[int], name: bytes, parse_tags: ParseTags) -> dict[int, int]:
    """Instance → position. A field whose instance cannot be read is left out, and so missed."""
    order = {}
    for position in places:
        value = headers.fields[position].value
        match = _INSTANCE.match(value) if name == RESULTS else None
        if name == RESULTS:
            text = match[1] if match else b""
        else:
            tags = parse_tags(value)
            text = tags.get(b"i", b"") if not isinstance(tags, str) else b""
        if text.isdigit() and len(text) <= 3 and 1 <= int(text) <= _MOST_INSTANCE:
            order[int(text)] = position
    return order


def _message(value: bytes, parse_tags: ParseTags, limits: LimitSettings) -> Signature | str:
    says = read(value, parse_tags, limits, arc=True)
    if isinstance(says, Unusable):
        return f"ARC-Message-Signature: {says.problem}"
    if SEAL in says.names:  # RFC 8617 §4.1.2
        return "ARC-Message-Signature covers ARC-Seal"
    return says


def _seal(value: bytes, instance: int, parse_tags: ParseTags) -> Seal | str:
    tags = parse_tags(value)
    if isinstance(tags, str):
        return f"ARC-Seal: {tags}"
    missing = [name.decode() for name in _SEAL_TAGS if name not in tags]
    if missing:
        return f"ARC-Seal: tag {', '.join(missing)} missing"
    if b"h" in tags or b"bh" in tags:  # RFC 8617 §4.1.3
        return "ARC-Seal has h= or bh="
    wanted = b"none" if instance == 1 else b"pass"
    if tags[b"cv"].lower() != wanted:  # RFC 8617 §5.2: a chain that has failed stays failed
        return f"cv={tags[b'cv'][:8].decode('ascii', 'replace')} where it has to be {wanted.decode()}"
    algorithm = tags[b"a"].decode("ascii", "replace").lower()
    domain, selector, signature = host_name(tags[b"d"]), host_name(tags[b"s"]), octets(tags[b"b"])
    if algorithm not in ALGORITHMS:
        return "ARC-Seal: unknown algorithm"
    if not domain or not selector or not signature:
        return "ARC-Seal: d=, s= or b= cannot be read"
    return Seal(
        algorithm=algorithm,
        key_type=ALGORITHMS[algorithm],
        domain=domain,
        selector=selector,
        status=wanted,
        signature=signature,
    )
