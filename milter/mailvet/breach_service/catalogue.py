"""catalogue – what has to be known before a range means anything: the plan, the pace, the list of breaches.

The list is read again when the newest breach in it is not the newest any more, and once when a range names one
that is not in it. The circuit breaker is here, since every request to the source counts for it.

Raises     nothing; `look_after` runs until it is cancelled
Not here   ranges (breach_service.desk); HTTP (breach_service.hibp)
"""

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Iterable
from datetime import UTC, date, datetime
from typing import Final

from mailvet.checks.breach import counting as breach_match
from mailvet.checks.breach.pace import Breaker, pace
from mailvet.checks.breach.source import Failed, Ranges
from mailvet.settings import BreachSettings
from mailvet.verdict import BreachVerdict

_RPM: Final = 10  # where nobody says what we may
_MOST_RPM: Final = 100_000  # what breach.rpm may be; a number of 400 digits is no float
_POLL: Final = 6 * 3600.0  # seconds between two looks for a new breach
_RETRY: Final = 60.0
_LEARN: Final = 3600.0  # a name that is nowhere makes us read the list at most this often


class Library:
    """What is known of one source, and whether it may be asked. For one event loop."""

    def __init__(self, source: Ranges, name: str, settings: BreachSettings, say: Callable[[str], None]) -> None:
        """`name` of the source, for the field; `say` a line for the operator."""
        self._source, self._name, self._say = source, name, say
        self._wanted = breach_match.filter_of(settings)
        self._rpm = settings.rpm
        self._breaches: breach_match.Catalogue = {}
        self._latest = ""
        self._allowed: bool | None = None  # None: the source has not said yet
        self._learned = -_LEARN
        self._learning = asyncio.Lock()
        self.newest = date.min  # when the newest breach that counts was added
        self.pace = pace(settings.rpm or _RPM)
        self.breaker = Breaker()
        self.counts: Counter[str] = Counter()

    @property
    def ready(self) -> bool:
        """Does a range mean anything yet?"""
        return bool(self._allowed and self._breaches)

    async def look_after(self) -> None:
        """Prepare now and then; for ever."""
        while True:
            await self.prepare()
            await asyncio.sleep(_POLL if self.ready else _RETRY)

    async def prepare(self) -> None:
        """Find out what is missing, and whether there is a new breach."""
        if not self._allowed and self.breaker.allows(time.monotonic()):
            await self._subscription()
        if self._allowed and self.breaker.allows(time.monotonic()):
            await self._look_for_new()

    def judge(self, names: Iterable[str]) -> BreachVerdict:
        """The verdict on an address that was in these breaches."""
        return breach_match.judge(names, self._breaches, self._wanted, datetime.now(UTC).date(), self._name)

    async def learn(self, names: Iterable[str]) -> bool:
        """Read the list again if it lacks one of these. False: that is needed, and cannot be done now."""
        wanted = tuple(names)
        async with self._learning:  # several ranges with the new breach: one reads, the others are not judged before
            now = time.monotonic()
            if not breach_match.unknown_names(wanted, self._breaches) or now - self._learned < _LEARN:
                return True
            if not self.breaker.allows(now) or not await self._read():
                return False
            self._learned = now
            return True

    def worked(self) -> None:
        self.breaker.worked()

    def failed(self, why: Failed) -> float:
        """Count it; for how many seconds all hosts have to wait, or 0."""
        self.counts[why.what] += 1
        now = time.monotonic()
        wait = 0.0
        if why.retry_after:
            wait = self.breaker.told_to_wait(now, why.retry_after) - now
        else:
            self.breaker.failed(now, final=why.final)
        if not self.breaker.allows(now):
            self.counts["pauses"] += 1
            self._say(f"the source is left alone for a while: {why.what}")
        return wait

    async def _subscription(self) -> None:
        found = await self._source.subscription()
        if isinstance(found, Failed):
            if found.what != "status 404":
                self.failed(found)
                return
            self._allowed = True  # an enterprise host need not have this; the range itself will tell
            return
        self.worked()
        self._allowed = found.ranges
        if not found.ranges:
            self.failed(Failed("no ranges in this plan", final=True))
        elif not self._rpm:
            self.pace = pace(min(max(1, found.rpm // 2), _MOST_RPM) if found.rpm else _RPM)

    async def _look_for_new(self) -> None:
        latest = await self._source.latest()
        if isinstance(latest, Failed):
            self.failed(latest)
        elif latest != self._latest and await self._read():
            self._latest = latest

    async def _read(self) -> bool:
        body = await self._source.breaches()
        if isinstance(body, Failed):
            self.failed(body)
            return False
        try:
            self._breaches = breach_match.catalogue(body, self._wanted)
        except ValueError:
            self.failed(Failed("garbage"))
            return False
        self.newest = breach_match.newest(self._breaches)
        self.counts["lists read"] += 1
        self.worked()
        return True
