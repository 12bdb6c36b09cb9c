"""pace – when to ask: the circuit breaker, the queue of what nobody waits for, and the pace allowed.

All of it is arithmetic on a clock that is passed in. The pace never passes the limit within any 60 seconds,
whatever the source's minutes are: what a burst takes is taken from the steady rate.

Raises     nothing
Not here   the row in which hosts share the pace (store.breach); asking (breach_service.desk)
"""

import heapq
import random
from typing import Final, NamedTuple

_PATIENCE: Final = 3  # failures in a row before we stop
_PAUSE: Final = 30.0  # seconds at first, doubled each time
_LONGEST: Final = 3600.0
_MOST_OBEYED: Final = 86_400.0  # a longer retry-after is no instruction but a mistake


class Pace(NamedTuple):
    interval: float  # seconds between two questions in the long run
    slack: float  # seconds by which questions may be early: a burst


def pace(rpm: int) -> Pace:
    """At most `rpm` questions in any 60 seconds, a fifth of them at once."""
    burst = max(1, rpm // 5)
    interval = 60.0 / (rpm - burst + 1)
    return Pace(interval, (burst - 1) * interval)


class Breaker:
    """Stops asking a source that does not work, and tries again later and later."""

    def __init__(self) -> None:
        self._failures = 0
        self._pauses = 0
        self._until = 0.0

    def allows(self, now: float) -> bool:
        return now >= self._until

    def worked(self) -> None:
        self._failures = self._pauses = 0

    def failed(self, now: float, *, final: bool = False) -> None:
        """`final`: it will not get better by itself (no key, no such plan)."""
        if not self.allows(now):
            return  # asked before we stopped
        self._failures += 1
        if final:
            self._until = now + _LONGEST
        elif self._failures >= _PATIENCE:  # after a pause one failure is enough: they are still in a row
            self._until = now + min(_PAUSE * 2**self._pauses, _LONGEST)
            self._pauses = min(self._pauses + 1, 10)

    def told_to_wait(self, now: float, seconds: float) -> float:
        """429; returns until when."""
        self._until = now + min(max(seconds, 1.0), _MOST_OBEYED)
        return self._until


class Backlog:
    """Questions that nobody waits for, each at a random time; when full, new ones are refused."""

    def __init__(self, size: int, delay: float, chance: random.Random) -> None:
        self._size, self._delay, self._chance = size, delay, chance
        self._due: dict[bytes, float] = {}
        self._heap: list[tuple[float, bytes]] = []

    def __len__(self) -> int:
        return len(self._due)

    def add(self, digest: bytes, now: float) -> bool:
        """False if there is no room; one that is there already keeps its time."""
        if digest in self._due:
            return True
        if len(self._due) >= self._size:
            return False
        due = now + self._chance.uniform(0.0, self._delay)
        self._due[digest] = due
        heapq.heappush(self._heap, (due, digest))
        return True

    def drop(self, digest: bytes) -> None:
        """It was answered meanwhile."""
        if self._due.pop(digest, None) is not None and len(self._heap) > 2 * self._size:
            self._heap = [(due, one) for one, due in self._due.items()]
            heapq.heapify(self._heap)

    def peek(self, now: float) -> bytes | None:
        """The one that is due longest; it stays until it is dropped."""
        while self._heap:
            due, digest = self._heap[0]
            if self._due.get(digest) != due:
                heapq.heappop(self._heap)
                continue
            return digest if due <= now else None
        return None
