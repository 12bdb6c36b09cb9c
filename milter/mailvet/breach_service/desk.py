"""desk – the story of one question: kept? on its way? may we ask now? else later.

Whoever waits gets an answer as soon as it is clear that there will be none. One request at a time goes out for
a prefix, whoever else wants it; nothing goes out while the breaker is open, the pace used up, the store away or
the list of breaches missing. An answer that came too late for its message is told to all workers.

Raises     nothing; `look_after` runs until it is cancelled
Not here   HTTP, SQL, sockets (adapters, breach_service.process)
"""

import asyncio
import random
import time
from collections import Counter
from collections.abc import Callable
from datetime import UTC, date, datetime
from typing import Final

from mailvet.breach_service.catalogue import Library
from mailvet.breach_service.verdict_cache import VerdictCache
from mailvet.checks.breach.hash_range import split
from mailvet.checks.breach.pace import Backlog
from mailvet.checks.breach.source import Failed, Kept, Ranges, StoreTrouble
from mailvet.checks.breach.wire import Reply, Wish
from mailvet.settings import BreachSettings
from mailvet.verdict import BreachResult, BreachVerdict

_REMEMBERED: Final = 600  # seconds a worker may keep a verdict
_TICK: Final = 0.25  # seconds between two looks at the backlog
_FLIGHTS: Final = 8
_PURGE: Final = 3600.0


class Flight:
    """A request on its way, and the suffixes it is for: more may join until the answer is read."""

    def __init__(self) -> None:
        self.wanted: dict[str, bytes] = {}  # suffix → digest
        self.task: asyncio.Task[dict[bytes, BreachVerdict]] | None = None


class Desk:
    """Answers from what is kept, or by asking the source. For one event loop."""

    def __init__(
        self,
        source: Ranges,
        cache: VerdictCache,
        library: Library,
        settings: BreachSettings,
        tell: Callable[[Reply], None],
        say: Callable[[str], None],
        chance: random.Random,
    ) -> None:
        """`tell` gets verdicts that are news; `say` a line for the operator."""
        self._source, self._cache, self._library = source, cache, library
        self._refresh, self._tell, self._say = settings.refresh, tell, say
        self._breaker = library.breaker
        self._backlog = Backlog(settings.queue, settings.delay, chance)
        self._flights: dict[str, Flight] = {}
        self._purge = 0.0
        self.counts: Counter[str] = library.counts

    async def answer(self, wish: Wish, digest: bytes) -> Reply | None:
        """None: nothing to say to one who only peeked."""
        try:
            kept = await self._cache.find(digest)
            if kept is not None:
                self.counts["cached"] += 1
                if wish is not Wish.PEEK:  # who is only looked at ahead may turn out not to be authenticated
                    await self._renew(digest, kept)
                return _reply(digest, kept)
            if wish is Wish.PEEK:
                return None
            flight = await self._now(digest) if wish is Wish.NOW else None
        except StoreTrouble as e:
            self._store_trouble(e)
            return None if wish is Wish.PEEK else _unknown(digest, "the store is away")
        if flight is None:
            self._later(digest)
            return _unknown(digest, "not asked yet")
        assert flight.task is not None
        found = await flight.task
        return _reply_with(digest, found.get(digest))

    async def look_after(self) -> None:
        """The backlog, and what is too old to keep; for ever."""
        while True:
            await asyncio.sleep(_TICK)
            try:
                await self._work_off()
                if time.monotonic() > self._purge:
                    self._purge = time.monotonic() + _PURGE
                    self.counts["expired"] += await self._cache.purge()
            except StoreTrouble as e:
                self._store_trouble(e)

    async def _work_off(self) -> None:
        while (digest := self._backlog.peek(time.monotonic())) is not None and len(self._flights) < _FLIGHTS:
            if await self._now(digest) is None:
                return
            self._backlog.drop(digest)

    def _later(self, digest: bytes) -> None:
        self.counts["put off" if self._backlog.add(digest, time.monotonic()) else "queue full"] += 1

    async def _renew(self, digest: bytes, kept: Kept) -> None:
        """Has there been a new breach since? Then, within days, at a time that is this address's own.

        Of a look-up on the day of the breach nobody knows which came first; when that day is over, it is renewed.
        """
        newest, now = self._library.newest, datetime.now(UTC)
        if date.fromisoformat(kept.verdict.checked) <= newest < now.date():
            since = now - datetime(newest.year, newest.month, newest.day, tzinfo=UTC)
            if since.total_seconds() >= self._refresh * await self._cache.fraction(digest):
                self._later(digest)

    async def _now(self, digest: bytes) -> Flight | None:
        """The request that will tell; None if nothing may be asked now."""
        prefix, suffix = split(digest)
        flight = self._flights.get(prefix)
        if flight is None:
            if not self._library.ready or not self._breaker.allows(time.monotonic()) or len(self._flights) >= _FLIGHTS:
                return None
            if not await self._cache.take(self._library.pace):
                return None
            flight = self._flights.get(prefix)  # another may have begun meanwhile; then a turn is wasted, no request
        if flight is None:
            flight = self._flights[prefix] = Flight()
            flight.wanted[suffix] = digest
            flight.task = asyncio.create_task(self._fly(prefix, flight))
        flight.wanted[suffix] = digest
        return flight

    async def _fly(self, prefix: str, flight: Flight) -> dict[bytes, BreachVerdict]:
        def close() -> tuple[str, ...]:
            """The answer is about to be read: who comes now is too late for it."""
            self._flights.pop(prefix, None)
            return tuple(flight.wanted)

        self.counts["asked"] += 1
        try:
            found = await self._source.range(prefix, close)
        finally:
            if self._flights.get(prefix) is flight:
                del self._flights[prefix]
        if isinstance(found, Failed):
            wait = self._library.failed(found)
            if wait:
                await self._block(wait)
            return {}
        if not await self._library.learn(name for names in found.values() for name in names):
            return {}  # perhaps the very breach that counts
        self._library.worked()
        verdicts = {}
        for suffix, digest in flight.wanted.items():
            verdicts[digest] = self._library.judge(found.get(suffix, ()))
            await self._keep(digest, verdicts[digest])
        return verdicts

    async def _keep(self, digest: bytes, verdict: BreachVerdict) -> None:
        self.counts[verdict.result.value] += 1
        self._backlog.drop(digest)
        try:
            self._tell(_reply(digest, await self._cache.keep(digest, verdict)))
        except StoreTrouble as e:
            self._store_trouble(e)

    async def _block(self, seconds: float) -> None:
        try:
            await self._cache.block(seconds)
        except StoreTrouble as e:
            self._store_trouble(e)

    def _store_trouble(self, error: StoreTrouble) -> None:
        self.counts["store away"] += 1
        if str(error) not in ("away", "busy or away"):
            self._say(f"the store: {error}")


def _reply(digest: bytes, kept: Kept) -> Reply:
    return Reply(digest, max(0, min(_REMEMBERED, int(kept.expires - time.time()))), kept.verdict)


def _reply_with(digest: bytes, verdict: BreachVerdict | None) -> Reply:
    return _unknown(digest, "the source could not say") if verdict is None else Reply(digest, _REMEMBERED, verdict)


def _unknown(digest: bytes, problem: str) -> Reply:
    return Reply(digest, 0, BreachVerdict(result=BreachResult.UNKNOWN, problem=problem))
