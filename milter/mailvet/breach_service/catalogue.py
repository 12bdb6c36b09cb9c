"""catalogue – what is known of the source: our plan, the pace it allows, its list of breaches, and whether it works.

Without these a range means nothing. The list is fetched again when the source has a newer breach, and when a range
names a breach that is not in it. The circuit breaker is here, since every request to the source counts for it.

Raises     nothing; `run_forever` runs until it is cancelled
Not here   ranges (breach_service.lookup); HTTP (breach_service.hibp)
"""

import asyncio
from collections import Counter
from collections.abc import Iterable
from datetime import date
from typing import Final

from mailvet.breach_service.runtime import Runtime
from mailvet.checks.breach import counting
from mailvet.checks.breach.pace import Breaker, pace
from mailvet.checks.breach.source import BreachSource, Failed
from mailvet.settings import BreachSettings
from mailvet.values import Problem
from mailvet.verdict import BreachVerdict

_DEFAULT_RPM: Final = 10  # where neither the settings nor the source name a limit
_HIGHEST_RPM: Final = 100_000  # what breach.rpm may be; a number of 400 digits does not fit into a float
_POLL_INTERVAL: Final = 6 * 3600.0  # seconds between two checks for a new breach
_RETRY_INTERVAL: Final = 60.0
_REREAD_INTERVAL: Final = 3600.0  # seconds between two fetches because of a name that is not in the list


class Catalogue:
    """The state of one source. For one event loop."""

    def __init__(self, source: BreachSource, name: str, settings: BreachSettings, runtime: Runtime) -> None:
        """`name` is what the header field calls the source."""
        self.source, self._name, self._runtime = source, name, runtime
        self._wanted = counting.filter_of(settings)
        self._rpm = settings.rpm
        self._breaches: counting.BreachList = {}
        self._latest = ""
        self._has_ranges: bool | None = None  # None: the source has not said yet whether our plan has them
        self._reread_at = -_REREAD_INTERVAL
        self._reading = asyncio.Lock()
        self._breaker = Breaker()
        self.newest = date.min  # when the newest breach that counts was added
        self.pace = pace(settings.rpm or _DEFAULT_RPM)
        self.counts: Counter[str] = Counter()

    @property
    def may_ask_ranges(self) -> bool:
        """Return whether a range may be asked for and its answer can be judged."""
        return self._is_ready and self._breaker_allows

    async def run_forever(self) -> None:
        """Keep plan and list up to date."""
        while True:
            await self.prepare()
            await asyncio.sleep(_POLL_INTERVAL if self._is_ready else _RETRY_INTERVAL)

    async def prepare(self) -> None:
        """Fetch what is missing, and the list if it has changed."""
        if not self._has_ranges and self._breaker_allows:
            await self._read_plan()
        if self._has_ranges and self._breaker_allows:
            await self._read_new_list()

    def judge(self, names: Iterable[str]) -> BreachVerdict:
        """Return the verdict on an address that was in these breaches."""
        return counting.judge(names, self._breaches, self._wanted, self._runtime.today(), self._name)

    async def ensure_known(self, names: Iterable[str]) -> bool:
        """Fetch the list again if it lacks one of these breaches. False: that is needed, but not possible now.

        A name that is still missing from a list that was fetched within the last hour is ignored.
        """
        wanted = tuple(names)
        async with self._reading:  # of several ranges with a new breach one fetches the list, and the others wait
            now = self._runtime.monotonic()
            if not counting.has_unknown_names(wanted, self._breaches) or now - self._reread_at < _REREAD_INTERVAL:
                return True
            if not self._breaker.allows(now) or not await self._read_list():
                return False
            self._reread_at = now
            return True

    def record_success(self) -> None:
        """Take note that a request to the source has worked."""
        self._breaker.worked()

    def record_failure(self, failure: Failed) -> float:
        """Take note of a failed request. Return for how many seconds all hosts have to wait, or 0.0."""
        self.counts[failure.what] += 1
        now = self._runtime.monotonic()
        wait = 0.0
        if failure.retry_after:
            wait = self._breaker.obey_retry_after(now, failure.retry_after) - now
        else:
            self._breaker.failed(now, final=failure.final)
        if not self._breaker.allows(now):
            self.counts["pauses"] += 1
            self._runtime.say(f"the source is left alone for a while: {failure.what}")
        return wait

    @property
    def _is_ready(self) -> bool:
        return bool(self._has_ranges and self._breaches)

    @property
    def _breaker_allows(self) -> bool:
        return self._breaker.allows(self._runtime.monotonic())

    async def _read_plan(self) -> None:
        found = await self.source.subscription()
        if isinstance(found, Failed):
            if found.what != "status 404":
                self.record_failure(found)
                return
            self._has_ranges = True  # an enterprise host need not have this; the range itself will tell
            return
        self.record_success()
        self._has_ranges = found.ranges
        if not found.ranges:
            self.record_failure(Failed("no ranges in this plan", final=True))
        elif not self._rpm:
            self.pace = pace(min(max(1, found.rpm // 2), _HIGHEST_RPM) if found.rpm else _DEFAULT_RPM)

    async def _read_new_list(self) -> None:
        latest = await self.source.latest()
        if isinstance(latest, Failed):
            self.record_failure(latest)
        elif latest != self._latest and await self._read_list():
            self._latest = latest

    async def _read_list(self) -> bool:
        body = await self.source.breaches()
        if isinstance(body, Failed):
            self.record_failure(body)
            return False
        breaches = counting.parse_breach_list(body, self._wanted)
        if isinstance(breaches, Problem):
            self.record_failure(Failed("garbage"))
            return False
        self._breaches = breaches
        self.newest = counting.newest(breaches)
        self.counts["lists read"] += 1
        self.record_success()
        return True
