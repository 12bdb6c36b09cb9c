"""health_check – a worker's look at itself every few seconds: are all connections served, are descriptors left?

It sets the gauges, and logs what an operator has to know, once a minute at most. A connection that is not served is
ended, so that its message is tried again; while descriptors are scarce, this process accepts no connections.

Raises     nothing
Not here   how it is found out (stuck); what makes a worker end (worker)
"""

import math
import time
from typing import Final, Protocol

from mailvet.daemon import connections, libmilter, stuck
from mailvet.observe.logs import Log
from mailvet.settings import Settings

INTERVAL: Final = 2.0  # seconds between two looks
_MARGIN: Final = 10.0  # seconds beyond what a message may wait: a busy host is not a stuck one
_REPEAT_AFTER: Final = 60.0  # seconds until the log says again what has not changed
_MOST_LOST: Final = 50  # connections of one process: libmilter never frees what it keeps for them


class Gauges(Protocol):
    """The part of `metrics.Meter` that is used here."""

    def levels(self, sessions: dict[str, int], descriptors: dict[str, int]) -> None:
        """Set the gauges: connections by state, descriptors open and allowed."""
        ...


class HealthCheck:
    """The regular look at the state of a worker, with what it remembers from look to look. For one thread."""

    def __init__(self, settings: Settings, log: Log, gauges: Gauges) -> None:
        longest = settings.dns.budget + (settings.breach.wait if settings.breach.enabled else 0.0) + _MARGIN
        self._looks = math.ceil(longest / INTERVAL)  # looks, not seconds: a process that was stopped did not look
        self._log, self._gauges = log, gauges
        self._unread = stuck.UnreadConnections()
        self._ending: dict[int, int] = {}  # messages whose end is being dealt with, by id, and for how many looks
        self._paused = False
        self._silent_until: dict[str, float] = {}  # by event
        self.unserved = 0  # connections

    @property
    def worn_out(self) -> bool:
        """Return whether so many connections were lost that this process is better replaced."""
        return self.unserved >= _MOST_LOST

    def look(self) -> None:
        """Check connections and descriptors, end connections that are not served, and set the gauges."""
        self._check_descriptors(descriptors := stuck.descriptors())
        unread = self._unread.look(libmilter.sockets.addresses)
        for descriptor in (descriptor for descriptor, looks in unread.items() if looks == self._looks):
            stuck.cut(descriptor)
        unanswered = self._unanswered()
        self.unserved = sum(looks >= self._looks for looks in unread.values())
        if self.unserved or unanswered:
            self._say("error", "stuck", unserved=self.unserved, unanswered=unanswered)
        idle, busy = connections.count()
        self._gauges.levels(
            {"idle": idle, "message": busy, "stuck": self.unserved + unanswered},
            {"open": descriptors.open, "limit": descriptors.limit},
        )

    def _unanswered(self) -> int:
        """Count the messages that have been at their end for longer than DNS and the breach look-up may take."""
        now = connections.messages_ending()
        self._ending = {message: self._ending.get(message, -1) + 1 for message in now}
        return sum(looks >= self._looks for looks in self._ending.values())

    def _check_descriptors(self, now: stuck.Descriptors) -> None:
        if now.scarce:
            libmilter.sockets.pause()
            self._paused = True
            self._say("error", "descriptors", open=now.open, limit=now.limit, state="taking nobody new")
        elif self._paused and now.enough:
            libmilter.sockets.resume()
            self._paused = False
            self._silent_until.pop("descriptors", None)
            self._log.say("info", "descriptors", open=now.open, limit=now.limit, state="fine again")

    def _say(self, level: str, event: str, **pairs: str | int | float) -> None:
        if time.monotonic() >= self._silent_until.get(event, 0.0):
            self._silent_until[event] = time.monotonic() + _REPEAT_AFTER
            self._log.say(level, event, **pairs)
