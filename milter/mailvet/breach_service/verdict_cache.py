"""verdict_cache – verdicts kept under an HMAC, for a random time, by a store that may be away.

The store is used by one thread of its own, so nobody else waits for disk or database. While it is away
everything is `StoreTrouble` at once, and nothing is asked outside, since the common pace is in the store.

Raises     StoreTrouble
Not here   SQL (store.breach); what a verdict is (checks.breach.counting)
"""

import asyncio
import hmac
import random
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final, TypeVar

from mailvet.checks.breach.pace import Pace
from mailvet.checks.breach.source import Kept, StoreTrouble, Verdicts
from mailvet.verdict import BreachVerdict

T = TypeVar("T")
_MOST: Final = 200  # that may wait for the store
_AWAY: Final = 10.0  # seconds before it is tried again


class VerdictCache:
    """`scope` names the source and the filter: verdicts of another do not count."""

    def __init__(self, store: Verdicts, scope: bytes, keep: tuple[float, float], chance: random.Random) -> None:
        self._store, self._scope, self._keep, self._chance = store, scope, keep, chance
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="store")
        self._secret = b""
        self._waiting = 0
        self._away_until = 0.0
        self._not_before = 0.0  # no question is due before this: no use in asking the store

    async def find(self, digest: bytes) -> Kept | None:
        return await self._do(lambda: self._store.find(self._key(digest), time.time()))

    async def keep(self, digest: bytes, verdict: BreachVerdict) -> Kept:
        kept = Kept(verdict, time.time() + self._chance.uniform(*self._keep))
        await self._do(lambda: self._store.keep(self._key(digest), kept))
        return kept

    async def take(self, pace: Pace) -> bool:
        """May a question be asked at this moment?"""
        if time.monotonic() < self._not_before:
            return False
        wait = await self._do(lambda: self._store.take(pace))
        self._not_before = time.monotonic() + min(wait, 60.0)
        return not wait

    async def block(self, seconds: float) -> None:
        await self._do(lambda: self._store.block(seconds))

    async def purge(self) -> int:
        return await self._do(lambda: self._store.purge(time.time()))

    async def fraction(self, digest: bytes) -> float:
        """A number of this address between 0 and 1, the same each time, that tells nothing about it."""
        key = await self._do(lambda: self._key(digest))
        return int.from_bytes(key[:4]) / 2**32

    def close(self) -> None:
        self._thread.shutdown(wait=False, cancel_futures=True)
        self._store.close()

    def _key(self, digest: bytes) -> bytes:
        """On the store's thread, after `open`."""
        return hmac.digest(self._secret, self._scope + digest, "sha256")

    async def _do(self, work: Callable[[], T]) -> T:
        if self._waiting >= _MOST or time.monotonic() < self._away_until:
            raise StoreTrouble("busy or away")
        self._waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, self._opened, work)
        except StoreTrouble:
            self._away_until = time.monotonic() + _AWAY
            raise
        finally:
            self._waiting -= 1

    def _opened(self, work: Callable[[], T]) -> T:
        if time.monotonic() < self._away_until:
            raise StoreTrouble("away")  # those that queued up behind a failure do not each wait for one
        if not self._secret:
            self._secret = self._store.open()
        return work()
