"""pace – when the source may be asked and when mail may wait: rate, circuit breaker, backlog, late answers.

All of it is arithmetic on a clock that is passed in. In no interval of 60 seconds are there more requests than
allowed, wherever the source's own minutes begin: a burst is taken out of the steady rate.

Raises     nothing
Not here   the row in which hosts share the pace (store.breach); asking (breach_service.lookup)
"""

import heapq
import random
from typing import Final, NamedTuple

_FAILURES_BEFORE_PAUSE: Final = 3  # in a row
_FIRST_PAUSE: Final = 30.0  # seconds, doubled each time
_LONGEST_PAUSE: Final = 3600.0
_MOST_DOUBLINGS: Final = 10
_LONGEST_RETRY_AFTER: Final = 86_400.0  # seconds; a source that asks for more has made a mistake
_MOST_LATE_ANSWERS: Final = 3  # in a row, before mail stops waiting
_PROBE_INTERVAL: Final = 30.0  # seconds after which one message waits again, to see whether that makes sense


class Pace(NamedTuple):
    """An allowed rate of requests."""

    interval: float  # seconds between two requests in the long run
    slack: float  # seconds by which a request may be early, which allows a burst


def pace(rpm: int) -> Pace:
    """Return the pace of at most `rpm` requests in any 60 seconds, a fifth of them at once."""
    burst = max(1, rpm // 5)
    interval = 60.0 / (rpm - burst + 1)
    return Pace(interval, (burst - 1) * interval)


class Breaker:
    """A circuit breaker: after repeated failures it stops requests, for a longer time after each new failure."""

    def __init__(self) -> None:
        self._failures = 0
        self._pauses = 0
        self._until = 0.0

    def allows(self, now: float) -> bool:
        """Return whether the source may be asked."""
        return now >= self._until

    def worked(self) -> None:
        """Record a success: failures are counted from zero again."""
        self._failures = self._pauses = 0

    def failed(self, now: float, *, final: bool = False) -> None:
        """Record a failure. `final`: a retry cannot help, as with a wrong key, so the longest pause begins at once."""
        if not self.allows(now):
            return  # this request was sent before the pause began
        self._failures += 1
        if final:
            self._until = now + _LONGEST_PAUSE
        elif self._failures >= _FAILURES_BEFORE_PAUSE:  # after a pause one failure is enough: still in a row
            self._until = now + min(_FIRST_PAUSE * 2**self._pauses, _LONGEST_PAUSE)
            self._pauses = min(self._pauses + 1, _MOST_DOUBLINGS)

    def obey_retry_after(self, now: float, seconds: float) -> float:
        """Stop requests for as long as the source says (status 429), and return the time when that ends."""
        self._until = now + min(max(seconds, 1.0), _LONGEST_RETRY_AFTER)
        return self._until


class Backlog:
    """Questions for which no message waits, each due at a random time. When it is full, new ones are refused."""

    def __init__(self, size: int, delay: float, rng: random.Random) -> None:
        """Hold up to `size` questions, each due within `delay` seconds."""
        self._size, self._delay, self._rng = size, delay, rng
        self._due: dict[bytes, float] = {}
        self._heap: list[tuple[float, bytes]] = []

    def __len__(self) -> int:
        return len(self._due)

    def add(self, digest: bytes, now: float) -> bool:
        """Return whether the question is in the backlog; False: it is full. One that was there keeps its time."""
        if digest in self._due:
            return True
        if len(self._due) >= self._size:
            return False
        due = now + self._rng.uniform(0.0, self._delay)
        self._due[digest] = due
        heapq.heappush(self._heap, (due, digest))
        return True

    def drop(self, digest: bytes) -> None:
        """Remove a question, because it was answered; do nothing if it is not there."""
        if self._due.pop(digest, None) is not None and len(self._heap) > 2 * self._size:
            self._heap = [(due, one) for one, due in self._due.items()]
            heapq.heapify(self._heap)

    def peek(self, now: float) -> bytes | None:
        """Return the question that has been due longest, without removing it; None: none is due."""
        while self._heap:
            due, digest = self._heap[0]
            if self._due.get(digest) != due:
                heapq.heappop(self._heap)
                continue
            return digest if due <= now else None
        return None


class LateAnswers:
    """The rule on waiting for answers: after several late ones in a row only one message in a while may wait."""

    def __init__(self) -> None:
        self._late = 0  # answers in a row
        self._next_probe = 0.0  # when the next message may wait, after too many late answers

    def may_wait(self, now: float) -> bool:
        """Return whether this message may wait. True after too many late answers: this message is the probe."""
        if self._late < _MOST_LATE_ANSWERS:
            return True
        if now < self._next_probe:
            return False
        self._next_probe = now + _PROBE_INTERVAL
        return True

    def record(self, now: float, *, in_time: bool) -> str:
        """Record how a wait has ended. Return a line for the operator when the rule changes, else ""."""
        before, self._late = self._late, 0 if in_time else self._late + 1
        if in_time:
            return "answers come in time again: mail waits for them" if before >= _MOST_LATE_ANSWERS else ""
        if self._late == _MOST_LATE_ANSWERS:
            self._next_probe = now + _PROBE_INTERVAL
            return (
                f"{_MOST_LATE_ANSWERS} answers in a row came too late:"
                " mail goes on without waiting, but for a look now and then"
            )
        return ""
