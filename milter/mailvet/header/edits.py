"""edits – plan which header fields are removed and inserted, in an order that is safe to apply.

`plan_removals` needs only the header. It runs before the checks, so the same fields are removed if a check fails.

Postfix counts the index of a field from 1, among the fields that it has shown us and that have the same name in upper
or lower case. It counts again after each deletion. So deletions run from the highest index down, and insertions come
last. Index 0 is above Postfix's own Received field, which milters are not shown.

Raises     nothing
Not here   sending the edits to Postfix (daemon.callbacks); what our field says (header.auth_results)
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
_NOT_UTF8: Final = "\ufffd"  # stands for such octets in a decoded name


@dataclass(frozen=True, slots=True)
class Removals:
    """The deletions of one message's forged fields, and whether there are too many."""

    deletes: tuple[Delete, ...]
    flooded: bool  # not all can be removed, or there are more than limits.removals


def plan_removals(
    headers: Headers, beyond: Headers, forbidden: frozenset[str], breach_header: str, limits: LimitSettings
) -> Removals:
    """Return the deletions for a header. They do not depend on any check.

    `beyond`: fields over the header's limits that may hide a field (session.transaction).
    """
    deletes = scrub(headers, forbidden, breach_header, limits.results_bytes)
    return Removals(
        deletes,
        len(deletes) > limits.removals
        # once fields were dropped, the index of one that hides a field of ours is not known
        or beyond.size > limits.header_bytes
        or bool(beyond.fields and scrub(beyond, forbidden, breach_header, limits.results_bytes))
        # a name that is not UTF-8 cannot be given to the MTA
        or any(_NOT_UTF8 in delete.name for delete in deletes),
    )


def scrub(headers: Headers, forbidden: frozenset[str], breach_header: str, most_octets: int) -> tuple[Delete, ...]:
    """Return the deletion of every field that claims to be ours, or that cannot be read.

    `forbidden`: our authserv-ids; `breach_header`: a field name that is ours alone; `most_octets` of
    Authentication-Results fields are read, and all such fields after that are removed unread.
    """
    breach_key = breach_header.lower().encode("ascii", "replace")
    gone: set[int] = set()
    octets = 0
    positions = headers.by_name.get(_RESULTS, [])
    for number, position in enumerate(positions):
        name, value = headers.fields[position]
        octets += len(name) + len(value)
        if octets > most_octets:
            gone.update(positions[number:])
            break
        if claims(value, forbidden):
            gone.add(position)
    for key in (breach_key, *disguise.names_like(headers, _RESULTS, breach_key)):
        gone.update(headers.by_name.get(key, ()))
    for line in disguise.hidden(headers, _RESULTS, breach_key):
        if line.certain or not line.whole or mentions(line.rest, forbidden):
            gone.add(line.position)
    return _deletions(headers, gone) if gone else ()


def _deletions(headers: Headers, gone: set[int]) -> tuple[Delete, ...]:
    """Return the deletions of the fields at these positions, for each name from the highest index down."""
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
    """Return the deletions from the highest index down, then the insertions in the given order."""
    return (*sorted(deletes, key=lambda delete: -delete.index), *inserts)
