"""sets – the ARC fields of a message sorted into sets, and whether they could be a chain at all.

All that RFC 8617 §5.2 demands before the first signature is verified: every instance from 1 to N is there, with one
field of each kind, and each field says what it has to. A field that cannot be read is not ignored: with it there is
no chain.

Raises     nothing: what is wrong is in `Sets.problem`
Not here   what one field says (checks.arc.fields); keys and signatures (checks.arc.check)
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, TypeVar

from mailvet.checks.arc import fields
from mailvet.checks.arc.fields import MESSAGE, RESULTS, SEAL, MessageSignature, SignedBy
from mailvet.checks.dkim import tag_list
from mailvet.checks.dkim.tag_list import Tags
from mailvet.message import Headers
from mailvet.settings import LimitSettings
from mailvet.values import Problem

T = TypeVar("T")
_SPELLED: Final = {RESULTS: "ARC-Authentication-Results", MESSAGE: "ARC-Message-Signature", SEAL: "ARC-Seal"}


@dataclass(frozen=True, slots=True, kw_only=True)
class ArcSet:
    """One hop: the positions of its three fields in `Headers.fields`, and what they say."""

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


class _Broken(Exception):
    """The exception of fields that are not a chain; the argument says why."""


def collect(headers: Headers, limits: LimitSettings) -> Sets:
    """Return the ARC sets of a header. Without any ARC field there are no sets and no problem."""
    by_name = headers.by_name
    count = max([len(by_name.get(kind, ())) for kind in _SPELLED])
    if not count:
        return Sets()
    if count > limits.arc_sets:  # before any of them is looked at
        return Sets((), f"over {limits.arc_sets} sets (limits.arc_sets)", count)
    try:
        return Sets(_sets(headers, count, limits), "", count)
    except _Broken as e:
        return Sets((), str(e), count)


def _sets(headers: Headers, count: int, limits: LimitSettings) -> tuple[ArcSet, ...]:
    """Take steps 2 and 3 of RFC 8617 §5.2."""

    def tagged(value: bytes) -> tuple[int, Tags] | Problem:
        tags = tag_list.parse(value, limits.tags)
        if isinstance(tags, Problem):
            return tags
        instance = fields.instance(tags)
        return instance if isinstance(instance, Problem) else (instance, tags)

    seals = _by_instance(headers, SEAL, tagged)
    newest = max(seals, default=0)
    if newest and seals[newest][1].get(b"cv", b"").lower() == b"fail":
        raise _Broken(f"instance {newest}: its sealer found the chain broken (cv=fail)")
    messages = _by_instance(headers, MESSAGE, tagged)
    results = _by_instance(headers, RESULTS, fields.results)
    found = []
    for instance in range(1, count + 1):
        if instance not in results or instance not in messages or instance not in seals:
            raise _Broken(f"instance {instance} is not complete")
        results_at, payload_from = results[instance]
        message_at, message = messages[instance]
        seal_at, seal = seals[instance]
        of_instance = f"instance {instance}: "
        found.append(
            ArcSet(
                results_at=results_at,
                message_at=message_at,
                seal_at=seal_at,
                payload_from=payload_from,
                message=_readable(fields.message_signature(message, limits), MESSAGE, of_instance),
                seal=_readable(fields.seal(seal, instance), SEAL, of_instance),
            )
        )
    return tuple(found)


def _by_instance(
    headers: Headers, kind: bytes, parse: Callable[[bytes], tuple[int, T] | Problem]
) -> dict[int, tuple[int, T]]:
    """Return the fields of one kind by instance: the position of each, and what `parse` found in it."""
    found: dict[int, tuple[int, T]] = {}
    for at in headers.by_name.get(kind, ()):
        instance, content = _readable(parse(headers.fields[at].value), kind)
        if instance in found:
            raise _Broken(f"instance {instance} has two {_SPELLED[kind]} fields")
        found[instance] = (at, content)
    return found


def _readable(parsed: T | Problem, kind: bytes, of_instance: str = "") -> T:
    """Return what was found in a field of this kind; if it cannot be read, the reason says which field it was."""
    if isinstance(parsed, Problem):
        raise _Broken(f"{of_instance}{_SPELLED[kind]}: {parsed.text}")
    return parsed
