"""lookup – one question after another: answered from the cache, by a request to the source, or deferred.

A worker that waits is answered as soon as it is clear that there will be no verdict in time. For one prefix there
is one request at a time, however many wait for it. No request is sent while the breaker is open, the pace is used
up, or the store or the list of breaches is missing. Each new verdict is announced to all workers, also for a
message that could not wait for it.

Raises     nothing; `run_forever` runs until it is cancelled
Not here   HTTP (breach_service.hibp), SQL (store.breach), sockets (breach_service.process)
"""

import asyncio
from collections import Counter
from collections.abc import Callable
from datetime import UTC, date, datetime
from typing import Final

from mailvet.breach_service.catalogue import Catalogue
from mailvet.breach_service.runtime import Runtime
from mailvet.breach_service.verdict_cache import StoreSkipped, VerdictCache
from mailvet.checks.breach.hash_range import split
from mailvet.checks.breach.pace import Backlog
from mailvet.checks.breach.source import Failed, Kept
from mailvet.checks.breach.wire import Question, Reply, Urgency
from mailvet.settings import BreachSettings
from mailvet.store.database import StoreTrouble
from mailvet.verdict import BreachResult, BreachVerdict

_KEEP_SECONDS: Final = 600  # a worker may keep a verdict for so long
_BACKLOG_INTERVAL: Final = 0.25  # seconds between two checks of the backlog
_MOST_REQUESTS: Final = 8  # under way at the same time
_PURGE_INTERVAL: Final = 3600.0


class RangeRequest:
    """A request for one range, and the suffixes it is for: more may join until the answer is read."""

    def __init__(self, suffix: str, digest: bytes) -> None:
        self.wanted = {suffix: digest}
        self.task: asyncio.Task[dict[bytes, BreachVerdict]] | None = None

    async def verdict(self, digest: bytes) -> BreachVerdict | None:
        """Wait for the answer, and return the verdict for this digest; None: the source could not tell."""
        assert self.task is not None
        return (await self.task).get(digest)


class BreachLookup:
    """The answers to workers' questions, from the cache or by asking the source. For one event loop."""

    def __init__(
        self,
        catalogue: Catalogue,
        cache: VerdictCache,
        settings: BreachSettings,
        announce: Callable[[Reply], None],
        runtime: Runtime,
    ) -> None:
        """`announce` sends a new verdict to all workers."""
        self._catalogue, self._cache, self._announce, self._runtime = catalogue, cache, announce, runtime
        self._source, self._refresh = catalogue.source, settings.refresh
        self._backlog = Backlog(settings.queue, settings.delay, runtime.rng)
        self._requests: dict[str, RangeRequest] = {}  # by prefix
        self._next_purge = 0.0
        self.counts: Counter[str] = catalogue.counts

    async def answer(self, question: Question) -> Reply | None:
        """Return the reply to a worker. None: no reply is due, since the worker has only peeked."""
        urgency, digest = question
        try:
            kept = await self._cache.find(digest)
            if kept is not None:
                self.counts["cached"] += 1
                if urgency is not Urgency.PEEK:  # an author who is only peeked at may turn out unauthenticated
                    await self._renew(digest, kept)
                return self._reply(digest, kept)
            if urgency is Urgency.PEEK:
                return None
            request = await self._request(digest) if urgency is Urgency.NOW else None
        except StoreTrouble as e:
            self._report(e)
            return None if urgency is Urgency.PEEK else _unknown(digest, "the store is away")
        if request is None:
            self._defer(digest)
            return _unknown(digest, "not asked yet")
        verdict = await request.verdict(digest)
        if verdict is None:
            return _unknown(digest, "the source could not say")
        return Reply(digest, _KEEP_SECONDS, verdict)

    async def run_forever(self) -> None:
        """Ask what was deferred, and delete verdicts that have expired."""
        while True:
            await asyncio.sleep(_BACKLOG_INTERVAL)
            try:
                await self._work_off()
                if self._runtime.monotonic() > self._next_purge:
                    self._next_purge = self._runtime.monotonic() + _PURGE_INTERVAL
                    self.counts["expired"] += await self._cache.purge()
            except StoreTrouble as e:
                self._report(e)

    async def _work_off(self) -> None:
        while len(self._requests) < _MOST_REQUESTS:
            digest = self._backlog.peek(self._runtime.monotonic())
            if digest is None or await self._request(digest) is None:
                return
            self._backlog.drop(digest)

    def _defer(self, digest: bytes) -> None:
        self.counts["put off" if self._backlog.add(digest, self._runtime.monotonic()) else "queue full"] += 1

    async def _renew(self, digest: bytes, kept: Kept) -> None:
        """Defer a new look-up if a breach was added since the last one.

        It is due within `breach.refresh`, at a time that is this address's own, so that not all are due at once.
        A look-up on the day of the breach may have come before it, so it is renewed once that day is over.
        """
        newest, now = self._catalogue.newest, self._runtime.now()
        if date.fromisoformat(kept.verdict.checked) <= newest < now.date():
            since = now - datetime(newest.year, newest.month, newest.day, tzinfo=UTC)
            if since.total_seconds() >= self._refresh * await self._cache.fraction(digest):
                self._defer(digest)

    async def _request(self, digest: bytes) -> RangeRequest | None:
        """Return the request whose answer covers the digest, sending it if need be. None: none may be sent now."""
        prefix, suffix = split(digest)
        request = self._requests.get(prefix)
        if request is None:
            if not self._catalogue.may_ask_ranges or len(self._requests) >= _MOST_REQUESTS:
                return None
            if not await self._cache.take(self._catalogue.pace):
                return None
            request = self._requests.get(prefix)  # sent meanwhile for another question: that wastes a turn, no request
        if request is None:
            request = self._requests[prefix] = RangeRequest(suffix, digest)
            request.task = asyncio.create_task(self._send(prefix, request))
        request.wanted[suffix] = digest
        return request

    async def _send(self, prefix: str, request: RangeRequest) -> dict[bytes, BreachVerdict]:
        def close() -> tuple[str, ...]:
            """Let the next question for this prefix make a new request, since the answer is about to be read."""
            self._requests.pop(prefix, None)
            return tuple(request.wanted)

        self.counts["asked"] += 1
        try:
            found = await self._source.range(prefix, close)
        finally:
            if self._requests.get(prefix) is request:
                del self._requests[prefix]
        if isinstance(found, Failed):
            wait = self._catalogue.record_failure(found)
            if wait:
                await self._block(wait)
            return {}
        if not await self._catalogue.ensure_known(name for names in found.values() for name in names):
            return {}  # the unknown breach may be one that counts
        self._catalogue.record_success()
        verdicts = {}
        for suffix, digest in request.wanted.items():
            verdicts[digest] = self._catalogue.judge(found.get(suffix, ()))
            await self._keep(digest, verdicts[digest])
        return verdicts

    async def _keep(self, digest: bytes, verdict: BreachVerdict) -> None:
        self.counts[verdict.result.value] += 1
        self._backlog.drop(digest)
        try:
            self._announce(self._reply(digest, await self._cache.keep(digest, verdict)))
        except StoreTrouble as e:
            self._report(e)

    async def _block(self, seconds: float) -> None:
        try:
            await self._cache.block(seconds)
        except StoreTrouble as e:
            self._report(e)

    def _reply(self, digest: bytes, kept: Kept) -> Reply:
        left = int(kept.expires - self._runtime.wall_clock())
        return Reply(digest, max(0, min(_KEEP_SECONDS, left)), kept.verdict)

    def _report(self, trouble: StoreTrouble) -> None:
        self.counts["store away"] += 1
        if not isinstance(trouble, StoreSkipped):
            self._runtime.say(f"the store: {trouble}")


def _unknown(digest: bytes, problem: str) -> Reply:
    return Reply(digest, 0, BreachVerdict(result=BreachResult.UNKNOWN, problem=problem))
