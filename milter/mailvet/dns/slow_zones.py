"""slow_zones – how long an answer is waited for: zones that failed slowly get little.

A sender whose name servers are slow must not hold up one message after the other.

Raises     nothing
Not here   the budget of a message (lookups)
"""

from collections.abc import Callable
from typing import Final

_SLOW: Final = 0.5  # seconds before a failure: a resolver that gave up on a silent zone says SERVFAIL
_SLOW_KEPT: Final = 60.0  # seconds for which such a zone is not waited for at length
_SLOW_WAIT: Final = 0.1  # seconds that its answers get all the same
_MOST_SLOW: Final = 10_000
_POLICY: Final = "_dmarc."  # nobody may shorten the wait for another's policy


class Patience:
    """Shared by threads; what is lost in a race is noted again with the next answer."""

    def __init__(self, usual: float, clock: Callable[[], float]) -> None:
        self._usual = usual
        self._clock = clock
        self._slow: dict[str, float] = {}  # zones, and until when they count as slow

    def note(self, name: str, *, failed: bool, seconds: float) -> None:
        """How a question about this name ended, and after how long."""
        if failed and seconds >= min(_SLOW, self._usual / 2):
            if len(self._slow) >= _MOST_SLOW:
                self._slow.clear()
            self._slow[_zone(name)] = self._clock() + _SLOW_KEPT
        elif not failed and self._slow:
            self._slow.pop(_zone(name), None)

    def seconds(self, name: str) -> float:
        """To wait for this name at most."""
        if not self._slow or name.startswith(_POLICY):
            return self._usual
        slow = self._slow.get(_zone(name), 0.0) > self._clock()
        return _SLOW_WAIT if slow else self._usual


def _zone(name: str) -> str:
    """What probably shares name servers, and with nobody else under a suffix such as co.uk: the last three
    labels, or a reverse name's /16 (IPv6: /32)."""
    count = 10 if name.endswith(".ip6.arpa") else 4 if name.endswith(".in-addr.arpa") else 3
    return ".".join(name.split(".")[-count:])
