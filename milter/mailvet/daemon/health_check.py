"""health_check – a worker's look at itself every few seconds: is anybody not being served, are descriptors running out?

Counts, and says in the log what an operator has to know, once a minute at most. A connection that nobody serves
is ended, so that its message is tried again; while descriptors are short, new connections are left to others.

Raises     nothing
Not here   how it is found out (watch); what makes a worker end (worker)
"""

import math
import time
from typing import Final, Protocol

from mailvet.daemon import connections, pymilter, stuck as watch
from mailvet.observe.logs import Log
from mailvet.settings import Settings

EVERY: Final = 2.0  # seconds between two looks
_MARGIN: Final = 10.0  # seconds beyond what a message may wait: a busy host is no stuck one
_REPEAT: Final = 60.0  # seconds until the log says again what has not changed
_WORN_OUT: Final = 50  # connections lost: libmilter never frees what it keeps for them


class Gauges(Protocol):
    """`metrics.Meter`, as far as it is used here."""

    def levels(self, sessions: dict[str, int], descriptors: dict[str, int]) -> None: ...


class Lookout:
    """For the one thread that keeps house."""

    def __init__(self, settings: Settings, log: Log, gauges: Gauges) -> None:
        patience = settings.dns.budget + (settings.breach.wait if settings.breach.enabled else 0.0) + _MARGIN
        self._looks = math.ceil(patience / EVERY)  # looks, not seconds: a process that was stopped did not look
        self._log, self._gauges = log, gauges
        self._unread = watch.Unread()
        self._judged: dict[int, int] = {}  # messages whose end is being dealt with, by id, and for how many looks
        self._shut = False
        self._said: dict[str, float] = {}  # when, by event
        self.stuck = 0  # connections

    @property
    def worn_out(self) -> bool:
        """So many were lost that this process is better replaced."""
        return self.stuck >= _WORN_OUT

    def look(self) -> None:
        self._mind_descriptors(descriptors := watch.descriptors())
        unread = self._unread.look(pymilter.door.addresses)
        for descriptor in (descriptor for descriptor, looks in unread.items() if looks == self._looks):
            watch.cut(descriptor)
        slow = self._too_long()
        self.stuck = sum(looks >= self._looks for looks in unread.values())
        if self.stuck or slow:
            self._say("error", "stuck", unserved=self.stuck, unanswered=slow)
        idle, busy = connections.tally()
        self._gauges.levels(
            {"idle": idle, "message": busy, "stuck": self.stuck + slow},
            {"open": descriptors.open, "limit": descriptors.limit},
        )

    def _too_long(self) -> int:
        """Messages that have been at their end for longer than DNS and the breach look-up may take."""
        now = connections.at_their_end()
        self._judged = {message: self._judged.get(message, -1) + 1 for message in now}
        return sum(looks >= self._looks for looks in self._judged.values())

    def _mind_descriptors(self, descriptors: watch.Descriptors) -> None:
        if descriptors.full:
            pymilter.door.shut()
            self._shut = True
            self._say("error", "descriptors", open=descriptors.open, limit=descriptors.limit, state="taking nobody new")
        elif self._shut and descriptors.roomy:
            pymilter.door.open()
            self._shut = False
            self._said.pop("descriptors", None)
            self._log.say("info", "descriptors", open=descriptors.open, limit=descriptors.limit, state="fine again")

    def _say(self, level: str, event: str, **pairs: str | int | float) -> None:
        if time.monotonic() >= self._said.get(event, 0.0):
            self._said[event] = time.monotonic() + _REPEAT
            self._log.say(level, event, **pairs)
