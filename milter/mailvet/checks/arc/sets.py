"""sets – the ARC fields of a message sorted into sets, and whether they could be a chain at all.

All that RFC 8617 §5.2 demands before the first signature is verified: every instance from 1 to N there,
one field of each kind in it, and what the fields must and must not say. A field that cannot be read is
not passed over: with it there is no chain.

Raises     nothing: what is wrong is said in `Sets.problem`
Not here   what one field says (checks.arc.fields); keys and signatures (arc)
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, ParamSpec, TypeVar

from mailvet.checks.arc import fields as arc_fields
from mailvet.checks.arc.fields import MESSAGE, RESULTS, SEAL, MessageSignature, SignedBy
from mailvet.checks.dkim.tag_values import ParseTags, Tags
from mailvet.message import Headers
from mailvet.settings import LimitSettings
from mailvet.syntax.lexical import Unreadable, refuse

P = ParamSpec("P")
T = TypeVar("T")
_SPELLED: Final = {RESULTS: "ARC-Authentication-Results", MESSAGE: "ARC-Message-Signature", SEAL: "ARC-Seal"}


@dataclass(frozen=True, slots=True, kw_only=True)
class ArcSet:
    """One hop: where its three fields stand, and what they say."""

    results_at: int
    message_at: int
    seal_at: int
    payload_from: int  # where the ARC-Authentication-Results goes on after its instance
    message: MessageSignature
    seal: SignedBy


@dataclass(frozen=True, slots=True)
class Sets:
    """The sets, instance 1 first; or none and the problem."""

    found: tuple[ArcSet, ...] = ()
    problem: str = ""
    count: int = 0  # how many there are, or would be if the most frequent of the three fields were right


def collect(headers: Headers, parse_tags: ParseTags, limits: LimitSettings) -> Sets:
    """Total. No ARC field at all: no sets and no problem."""
    by_name = headers.by_name
    count = max([len(by_name.get(kind, ())) for kind in _SPELLED])
    if not count:
        return Sets()
    if count > limits.arc_sets:  # before any of them is looked at
        return Sets((), f"over {limits.arc_sets} sets (limit)", count)
    try:
        return Sets(_sets(headers, count, parse_tags, limits), "", count)
    except Unreadable as e:
        return Sets((), str(e), count)


def _sets(headers: Headers, count: int, parse_tags: ParseTags, limits: LimitSettings) -> tuple[ArcSet, ...]:
    """Steps 2 and 3 of RFC 8617 §5.2."""

    def tagged(value: bytes) -> tuple[int, Tags]:
        tags = parse_tags(value) if value.count(b";") <= limits.tags else f"over {limits.tags} tags (limit)"
        if isinstance(tags, str):
            refuse(tags)
        return arc_fields.instance(tags), tags

    seals = _by_instance(headers, SEAL, tagged)
    newest = max(seals, default=0)
    if newest and seals[newest][1].get(b"cv", b"").lower() == b"fail":
        refuse(f"instance {newest}: its sealer found the chain broken (cv=fail)")
    messages = _by_instance(headers, MESSAGE, tagged)
    results = _by_instance(headers, RESULTS, arc_fields.results)
    found = []
    for instance in range(1, count + 1):
        if instance not in results or instance not in messages or instance not in seals:
            refuse(f"instance {instance} is not complete")
        results_at, payload_from = results[instance]
        message_at, message = messages[instance]
        seal_at, seal = seals[instance]
        found.append(
            ArcSet(
                results_at=results_at,
                message_at=message_at,
                seal_at=seal_at,
                payload_from=payload_from,
                message=_reading(MESSAGE, instance, arc_fields.message_signature, message, limits),
                seal=_reading(SEAL, instance, arc_fields.seal, seal, instance),
            )
        )
    return tuple(found)


def _by_instance(headers: Headers, kind: bytes, read: Callable[[bytes], tuple[int, T]]) -> dict[int, tuple[int, T]]:
    """The fields of one kind: where each stands, and what `read` found in it."""
    found: dict[int, tuple[int, T]] = {}
    for at in headers.by_name.get(kind, ()):
        instance, said = _reading(kind, 0, read, headers.fields[at].value)
        if instance in found:
            refuse(f"instance {instance} has two {_SPELLED[kind]} fields")
        found[instance] = (at, said)
    return found


def _reading(kind: bytes, instance: int, read: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """What `read` makes of a field; if nothing, the reason says which field it was."""
    try:
        return read(*args, **kwargs)
    except Unreadable as e:
        refuse(f"{f'instance {instance}: ' if instance else ''}{_SPELLED[kind]}: {e}")
