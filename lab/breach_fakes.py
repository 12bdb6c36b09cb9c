"""breach_fakes – a store, a source and a clock for the breach look-up, all in memory and as a test sets them.

Raises     nothing, but where a test wants it
"""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence

from lab.hibp_server import breach
from mailvet.checks.breach.hash_range import split
from mailvet.checks.breach.pace import Pace
from mailvet.checks.breach.source import Failed, Kept, Subscription
from mailvet.store.database import StoreTrouble


class MemoryStore:
    """A `VerdictStore`. `trouble` makes each call fail, `wait` is what `take` returns, `calls` has their names."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.rows: dict[bytes, Kept] = {}
        self.trouble = False
        self.wait = 0.0

    def _note(self, call: str) -> None:
        self.calls.append(call)
        if self.trouble:
            raise StoreTrouble("the disk is full")

    def open(self) -> bytes:
        self._note("open")
        return b"secret"

    def find(self, key: bytes, now: float) -> Kept | None:
        self._note("find")
        kept = self.rows.get(key)
        return kept if kept is not None and kept.expires > now else None

    def keep(self, key: bytes, kept: Kept) -> None:
        self._note("keep")
        self.rows[key] = kept

    def purge(self, now: float) -> int:
        self._note("purge")
        return 0

    def take(self, pace: Pace, now: float | None = None) -> float:
        self._note("take")
        return self.wait

    def block(self, seconds: float, now: float | None = None) -> None:
        self._note("block")

    def close(self) -> None: ...


class Clock:
    """A clock that stands; `at` is its time in seconds."""

    def __init__(self) -> None:
        self.at = 1_000.0

    def __call__(self) -> float:
        return self.at


class FakeSource:
    """A `BreachSource`. `listed` has the breaches of each SHA-1, `fails` is the answer to every range instead."""

    def __init__(self, listed: Mapping[bytes, Sequence[str]], breaches: Sequence[str] = ("Fresh",)) -> None:
        self.listed, self.known = dict(listed), list(breaches)
        self.fails: Failed | None = None
        self.asked: list[str] = []  # prefixes
        self.lists = 0  # how often the list of breaches was read

    async def range(self, prefix: str, suffixes: Callable[[], Iterable[str]]) -> dict[str, tuple[str, ...]] | Failed:
        self.asked.append(prefix)
        wanted = set(suffixes())
        found = {split(digest)[1]: tuple(names) for digest, names in self.listed.items()}
        return self.fails or {suffix: names for suffix, names in found.items() if suffix in wanted}

    async def breaches(self) -> bytes | Failed:
        self.lists += 1
        return json.dumps([breach(name) for name in self.known]).encode()

    async def latest(self) -> str | Failed:
        return self.known[-1]

    async def subscription(self) -> Subscription | Failed:
        return Subscription(ranges=True, rpm=500)
