"""memo – SPF verdicts, kept for as long as the DNS answers they rest on.

A sender's messages come in crowds, and check_host() of the same client and domain says the same each time, unless
a macro asks for the local part or HELO. The memory is bounded; threads may share one.

Raises     nothing
Not here   which verdicts may be kept (checks.spf.check)
"""

import threading
from collections.abc import Callable
from dataclasses import replace
from typing import Final, NamedTuple

from mailvet.values import Domain
from mailvet.verdict import SpfIdentity, SpfVerdict

Clock = Callable[[], float]
_LONGEST_STAY: Final = 300.0  # seconds: an answer may have aged in caches before us, and a change has to get through


class _Kept(NamedTuple):
    until: float
    verdict: SpfVerdict


class Memo:
    """Verdicts by client address and domain."""

    def __init__(self, clock: Clock, size: int) -> None:
        self.now = clock
        self._size = size
        self._kept: dict[tuple[str, Domain], _Kept] = {}
        self._writing = threading.Lock()

    def recall(self, address: str, domain: Domain, identity: SpfIdentity) -> SpfVerdict | None:
        """Return the verdict kept for this client and domain, as one on `identity`; None: absent or too old."""
        kept = self._kept.get((address, domain))
        if kept is None or kept.until <= self.now():
            return None
        # No kept verdict rests on the sender's own name, so what holds for one identity holds for the other.
        return kept.verdict if kept.verdict.identity is identity else replace(kept.verdict, identity=identity)

    def keep(self, address: str, domain: Domain, verdict: SpfVerdict, since: float, ttl: float) -> None:
        """Keep a verdict. `since`: when evaluation began, by the clock; `ttl`: seconds, the least of its answers."""
        until = since + min(ttl, _LONGEST_STAY)
        with self._writing:
            self._kept.pop((address, domain), None)
            while len(self._kept) >= self._size:
                del self._kept[next(iter(self._kept))]  # the oldest
            self._kept[address, domain] = _Kept(until, verdict)
