"""verdict_cache – verdicts in a store that may be unavailable, each under an HMAC and kept for a random time.

The store runs on a thread of its own, so the event loop never waits for disk or database. For some seconds after
a failure it is not tried again, and every call fails at once; then it is opened anew. Meanwhile no request is sent to
the source either, since the hosts' common pace is in the store.

Raises     StoreTrouble; StoreSkipped, if the store was not even tried
Not here   SQL (store.breach); what a verdict is (checks.breach.counting)
"""

import asyncio
import hmac
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final, TypeVar

from mailvet.breach_service.runtime import Runtime
from mailvet.checks.breach.pace import Pace
from mailvet.checks.breach.source import Kept, VerdictStore
from mailvet.store.database import StoreTrouble
from mailvet.verdict import BreachVerdict

T = TypeVar("T")
_MOST_CALLS: Final = 200  # that may wait for the store
_PAUSE: Final = 10.0  # seconds after a failure before the store is tried again
_LONGEST_WAIT: Final = 60.0  # seconds after a refusal before the pace is asked for again


class StoreSkipped(StoreTrouble):
    """The exception of a store that was not tried: it failed a moment ago (reported then), or too many calls wait."""


class VerdictCache:
    """A store's verdicts for one source and filter."""

    def __init__(self, store: VerdictStore, scope: bytes, keep: tuple[float, float], runtime: Runtime) -> None:
        """`scope` identifies source and filter: verdicts of another scope are not found. `keep` is for how many
        seconds a verdict is kept, at least and at most."""
        self._store, self._scope, self._keep, self._runtime = store, scope, keep, runtime
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="store")
        self._secret = b""
        self._calls = 0
        self._away_until = 0.0
        self._next_take = 0.0  # before this the pace allows no request, so the store need not be asked

    async def find(self, digest: bytes) -> Kept | None:
        """Return the verdict on this address, unless there is none or it has expired."""
        return await self._do(lambda: self._store.find(self._key(digest), self._runtime.wall_clock()))

    async def keep(self, digest: bytes, verdict: BreachVerdict) -> Kept:
        """Store the verdict on this address, and return it with the time when it expires."""
        kept = Kept(verdict, self._runtime.wall_clock() + self._runtime.rng.uniform(*self._keep))
        await self._do(lambda: self._store.keep(self._key(digest), kept))
        return kept

    async def take(self, pace: Pace) -> bool:
        """Take one request from the hosts' common pace. False: none is allowed now."""
        if self._runtime.monotonic() < self._next_take:
            return False
        wait = await self._do(lambda: self._store.take(pace))
        self._next_take = self._runtime.monotonic() + min(wait, _LONGEST_WAIT)
        return not wait

    async def block(self, seconds: float) -> None:
        """Let no host send a request for so many seconds."""
        await self._do(lambda: self._store.block(seconds))

    async def purge(self) -> int:
        """Delete the verdicts that have expired, and return how many there were."""
        return await self._do(lambda: self._store.purge(self._runtime.wall_clock()))

    async def fraction(self, digest: bytes) -> float:
        """Return a number between 0 and 1 that is always the same for this address and reveals nothing about it."""
        key = await self._do(lambda: self._key(digest))
        return int.from_bytes(key[:4]) / 2**32

    def close(self) -> None:
        """Close the store, without waiting for calls under way."""
        self._thread.shutdown(wait=False, cancel_futures=True)
        self._store.close()

    def _key(self, digest: bytes) -> bytes:
        """Return the key of an address in the store. Called on the store's thread, once the secret is known."""
        return hmac.digest(self._secret, self._scope + digest, "sha256")

    async def _do(self, work: Callable[[], T]) -> T:
        if self._calls >= _MOST_CALLS or self._runtime.monotonic() < self._away_until:
            raise StoreSkipped("busy or away")
        self._calls += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, self._opened, work)
        except StoreTrouble:
            self._away_until = self._runtime.monotonic() + _PAUSE
            raise
        finally:
            self._calls -= 1

    def _opened(self, work: Callable[[], T]) -> T:
        if self._runtime.monotonic() < self._away_until:
            raise StoreSkipped("away")  # calls that queued up behind a failure do not each wait for one
        try:
            if not self._secret:
                self._secret = self._store.open()
            return work()
        except StoreTrouble:
            self._secret = b""  # its tables may be gone: opening it creates them
            raise
