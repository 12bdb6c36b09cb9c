"""replays – count how often a signature was seen lately: a note for the log and `mailvet check`, never a decision.

A message that a signer once sent can be sent again by anyone, to anyone, and every copy verifies. `Replays` is
bounded in memory, takes constant time, and is safe for threads; each worker counts for itself.

Raises     nothing
Not here   whether the signature is good (checks.dkim.check)
"""

import dataclasses
from collections import OrderedDict
from collections.abc import Callable, Sequence
from threading import Lock

from mailvet.verdict import DkimResult, DkimVerdict


class Replays:
    """Counts each signature for `window` seconds from its first sight; remembers the `capacity` seen last."""

    __slots__ = ("_capacity", "_clock", "_lock", "_seen", "_window", "threshold")

    def __init__(
        self,
        clock: Callable[[], float],
        *,
        threshold: int = 50,  # one message to many recipients arrives as often as it has recipients
        window: float = 3600.0,
        capacity: int = 10_000,
    ) -> None:
        self.threshold = threshold
        self._clock, self._window, self._capacity = clock, window, capacity
        self._lock = Lock()
        self._seen: OrderedDict[int, tuple[float, int]] = OrderedDict()  # hash: first seen, times

    def count(self, *signature: str) -> int:
        """Count this signature once more, and return how often it was seen since its window began."""
        key, now = hash(signature), self._clock()
        with self._lock:
            since, times = self._seen.pop(key, (now, 0))
            if now - since >= self._window:
                since, times = now, 0
            self._seen[key] = (since, times + 1)
            if len(self._seen) > self._capacity:
                self._seen.popitem(last=False)
        return times + 1

    def __len__(self) -> int:
        return len(self._seen)


def replayed(verdicts: Sequence[DkimVerdict], replays: Replays) -> tuple[DkimVerdict, ...]:
    """Return the verdicts, with a note on each good signature that has been seen too often."""
    return tuple(_counted(verdict, replays) if verdict.result is DkimResult.PASS else verdict for verdict in verdicts)


def _counted(verdict: DkimVerdict, replays: Replays) -> DkimVerdict:
    # the key's name and 48 bits of b=: only the holder of the key could make two signatures with equal ones
    times = replays.count(verdict.domain, verdict.selector, verdict.signature_prefix)
    if times < replays.threshold:
        return verdict
    return dataclasses.replace(verdict, notes=(*verdict.notes, f"same signature seen {times} times within an hour"))
