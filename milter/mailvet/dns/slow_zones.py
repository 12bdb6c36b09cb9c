"""slow_zones – how long an answer is waited for: questions about zones that failed slowly are given up early.

A sender whose name servers are slow must not delay one message after the other.

Raises     nothing
Not here   the budget of a message (lookups)
"""

from collections.abc import Callable
from typing import Final

_SLOW_FAILURE: Final = 0.5  # seconds before it: a resolver that gave up on a silent zone says SERVFAIL
_SLOW_FOR: Final = 60.0  # seconds that a zone counts as slow
_SLOW_WAIT: Final = 0.1  # seconds that answers from a slow zone are waited for
_MOST_SLOW_ZONES: Final = 10_000


class SlowZones:
    """The zones that failed slowly within the last minute.

    Shared by threads: what is lost in a race is noted again with the next answer."""

    def __init__(self, usual_wait: float, clock: Callable[[], float], exempt: tuple[str, ...] = ()) -> None:
        """Take the wait for all other zones, in seconds, and prefixes of names whose wait is never shortened."""
        self._usual_wait = usual_wait
        self._clock = clock
        self._exempt = exempt
        self._slow: dict[str, float] = {}  # zones, and until when they count as slow

    def note(self, name: str, *, failed: bool, seconds: float) -> None:
        """Take note of how a question about this name ended, and after how long."""
        if failed and seconds >= min(_SLOW_FAILURE, self._usual_wait / 2):
            if len(self._slow) >= _MOST_SLOW_ZONES:
                self._slow.clear()
            self._slow[_zone(name)] = self._clock() + _SLOW_FOR
        elif not failed and self._slow:
            self._slow.pop(_zone(name), None)

    def longest_wait(self, name: str) -> float:
        """Return the seconds that an answer about this name is waited for at most."""
        if not self._slow or name.startswith(self._exempt):
            return self._usual_wait
        slow = self._slow.get(_zone(name), 0.0) > self._clock()
        return _SLOW_WAIT if slow else self._usual_wait


def _zone(name: str) -> str:
    """Return what probably has name servers of its own, and is not a suffix such as co.uk: the last three labels, or
    the /16 of a reverse name (IPv6: /32)."""
    count = 10 if name.endswith(".ip6.arpa") else 4 if name.endswith(".in-addr.arpa") else 3
    return ".".join(name.split(".")[-count:])
