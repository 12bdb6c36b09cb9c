"""edits – what is changed in the header, planned as values in the order that is safe to apply.

`plan_removals` needs the header alone and nothing that was found out: what a check does not survive changes nothing
about what is removed.
Postfix counts a field's index from 1 among the fields of its name, in any case, that it has shown us, and
counts anew after every deletion; so deletions run from the highest index down, and insertions come last.
Position 0 is above Postfix's own Received, which we are never shown.

Raises     nothing
Not here   carrying it out (daemon.callbacks); what our field says (header.auth_results)
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from mailvet.header import disguise
from mailvet.header.auth_results_parser import claims, mentions
from mailvet.message import Headers
from mailvet.outcome import Delete, Edit, Insert
from mailvet.settings import LimitSettings

_RESULTS: Final = b"authentication-results"
_READ: Final = 32_768
_REPLACED: Final = "\ufffd"


@dataclass(frozen=True, slots=True)
class Removals:
    """The forged fields of one message."""

    deletes: tuple[Delete, ...]
    flooded: bool  # they cannot all be removed, or are so many that the message is not worth it


def plan_removals(
    headers: Headers, beyond: Headers, forbidden: frozenset[str], breach_header: str, limits: LimitSettings
) -> Removals:
    """What is removed from the header. `beyond`: what of it was over the limits and may hide a line (transaction)."""
    deletes = scrub(headers, forbidden, frozenset(), breach_header, limits.results_bytes)
    return Removals(
        deletes,
        len(deletes) > limits.removals
        # among fields that were not all kept, nobody can say which number one has that hides a line of ours
        or beyond.size > limits.header_bytes
        or bool(beyond.fields and scrub(beyond, forbidden, frozenset(), breach_header, limits.results_bytes))
        # nor can a name be spelled for the MTA that is not UTF-8
        or any(_REPLACED in delete.name for delete in deletes),
    )


def scrub(
    headers: Headers, own: frozenset[str], trusted: frozenset[str], breach_header: str | None, limit: int = _READ
) -> tuple[Delete, ...]:
    """Every field that claims to be ours or cannot be read. `trusted`: those of our ids that may stay.

    `limit`: octets of such fields that are read; what is beyond that goes unread. No other limit holds for them.
    """
    forbidden = own - trusted
    names = (_RESULTS,) if breach_header is None else (_RESULTS, breach_header.lower().encode("ascii", "replace"))
    gone: set[int] = set()
    octets = 0
    positions = headers.by_name.get(_RESULTS, [])
    for number, position in enumerate(positions):
        name, value = headers.fields[position]
        octets += len(name) + len(value)
        if octets > limit:
            gone.update(positions[number:])
            break
        if claims(value, forbidden):
            gone.add(position)
    for key in (*names[1:], *disguise.names_like(headers, *names)):
        gone.update(headers.by_name.get(key, ()))
    for line in disguise.hidden(headers, *names):
        if line.certain or not line.whole or mentions(line.rest, forbidden):
            gone.add(line.position)
    return _deletions(headers, gone) if gone else ()


def _deletions(headers: Headers, gone: set[int]) -> tuple[Delete, ...]:
    deletes = []
    for positions in headers.by_name.values():
        if gone.isdisjoint(positions):
            continue
        for index in range(len(positions), 0, -1):
            if positions[index - 1] in gone:
                deletes.append(Delete(_spelled(headers.fields[positions[index - 1]].name), index))
    return tuple(deletes)


@lru_cache(maxsize=64)
def _spelled(name: bytes) -> str:
    return name.rstrip(b" \t").decode("utf-8", "replace")


def plan(deletes: tuple[Delete, ...], inserts: tuple[Insert, ...]) -> tuple[Edit, ...]:
    """Deletions from the highest index down, then the insertions as they are given."""
    return (*sorted(deletes, key=lambda delete: -delete.index), *inserts)
