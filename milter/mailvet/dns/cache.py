"""cache – the answers of one process: each kept for its TTL, a failure for a second, the oldest dropped for new ones.

Raises     nothing
Not here   asking (resolver), what one message remembers (lookups)
"""

from collections.abc import Callable
from itertools import islice
from typing import Final

from mailvet.dns.lookups import Key
from mailvet.ports import Answer, Trouble

_FAILURE_TTL: Final = 1.0  # seconds
_FAIR_SIZE: Final = 1024  # octets that an answer may have in the cache; a larger one counts for several


class AnswerCache:
    """The answers kept. All threads read them without a lock; `keep` is for one thread at a time."""

    def __init__(self, size: int, clock: Callable[[], float]) -> None:
        """Take the number of answers to keep; 0: none."""
        self._size = size
        self._clock = clock
        self._entries: dict[Key, tuple[float, Answer | Trouble]] = {}  # with the time it ends; oldest first
        self._weight = 0  # of all entries

    def __len__(self) -> int:
        return len(self._entries)

    def get(self, key: Key) -> Answer | Trouble | None:
        """Return the answer with the TTL that is left, or None.

        This is the hot path: it takes no lock, since reading a dict is atomic.
        """
        found = self._entries.get(key)
        if found is None:
            return None
        until, result = found
        left = until - self._clock()
        if left <= 0:
            return None
        if isinstance(result, Trouble):
            return result
        return Answer(result.status, result.records, result.secure, left, result.proven)

    def keep(self, key: Key, result: Answer | Trouble) -> None:
        """Keep a result for as long as it may be kept, unless it is larger than the cache."""
        seconds = _FAILURE_TTL if isinstance(result, Trouble) else result.ttl
        weight = weigh(result)
        if seconds <= 0 or weight > self._size:
            return
        before = self._entries.pop(key, None)
        self._weight += weight - (weigh(before[1]) if before is not None else 0)
        while self._weight > self._size and self._entries:
            for oldest in list(islice(self._entries, self._size // 20 + 1)):  # some at once: the first is slow to find
                self._weight -= weigh(self._entries.pop(oldest)[1])
        self._entries[key] = (self._clock() + seconds, result)


def weigh(result: Answer | Trouble) -> int:
    """Return how many answers this one counts for: a stranger may make us ask for 64 kB at any number of names."""
    if isinstance(result, Trouble):
        return 1
    octets = sum(len(record) if not isinstance(record, tuple) else len(record[1]) for record in result.records)
    return 1 + octets // _FAIR_SIZE
