"""The cache on a store that lives in memory and fails on demand, with a clock that is set."""

import asyncio
import random
from collections.abc import Callable, Coroutine, Iterator
from typing import Any

import pytest

from lab.breach_fakes import Clock, MemoryStore
from mailvet.breach_service.runtime import Runtime
from mailvet.breach_service.verdict_cache import StoreSkipped, VerdictCache
from mailvet.checks.breach.pace import Pace
from mailvet.store.database import StoreTrouble
from mailvet.verdict import BreachResult, BreachVerdict

DIGEST = b"d" * 20
CLEAN = BreachVerdict(result=BreachResult.NOT_LISTED, checked="2026-11-23")


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def cache(store: MemoryStore, clock: Clock) -> Iterator[VerdictCache]:
    runtime = Runtime(say=lambda _: None, monotonic=clock, wall_clock=clock, rng=random.Random(1))
    made = VerdictCache(store, b"scope", (60.0, 90.0), runtime)
    yield made
    made.close()


def run(*steps: Callable[[], Coroutine[Any, Any, Any]]) -> list[Any]:
    """What each step returns, or the text of its StoreTrouble."""

    async def each() -> list[Any]:
        found = []
        for step in steps:
            try:
                found.append(await step())
            except StoreTrouble as e:
                found.append((type(e), str(e)))
        return found

    return asyncio.run(each())


def test_a_verdict_is_found_until_it_expires(cache: VerdictCache, clock: Clock) -> None:
    (kept,) = run(lambda: cache.keep(DIGEST, CLEAN))
    assert 1_060.0 <= kept.expires <= 1_090.0
    clock.at = kept.expires - 1
    assert run(lambda: cache.find(DIGEST)) == [kept]
    clock.at = kept.expires
    assert run(lambda: cache.find(DIGEST)) == [None]


def test_no_key_contains_the_digest(cache: VerdictCache, store: MemoryStore) -> None:
    run(lambda: cache.keep(DIGEST, CLEAN))
    assert all(DIGEST not in key for key in store.rows)


def test_after_a_failure_the_store_is_left_alone_for_ten_seconds(
    cache: VerdictCache, store: MemoryStore, clock: Clock
) -> None:
    store.trouble = True
    assert run(lambda: cache.find(DIGEST), lambda: cache.find(DIGEST)) == [
        (StoreTrouble, "the disk is full"),
        (StoreSkipped, "busy or away"),
    ]
    assert store.calls == ["open"]
    store.trouble, clock.at = False, clock.at + 10
    assert run(lambda: cache.find(DIGEST)) == [None]
    assert store.calls == ["open", "open", "find"]


def test_when_the_pace_is_used_up_the_store_is_asked_again_when_it_said(
    cache: VerdictCache, store: MemoryStore, clock: Clock
) -> None:
    store.wait = 5.0
    assert run(lambda: cache.take(Pace(1.0, 0.0)), lambda: cache.take(Pace(1.0, 0.0))) == [False, False]
    store.wait, clock.at = 0.0, clock.at + 5
    assert run(lambda: cache.take(Pace(1.0, 0.0))) == [True]
    assert store.calls == ["open", "take", "take"]


def test_an_address_has_a_fraction_of_its_own(cache: VerdictCache) -> None:
    first, again, other = run(
        lambda: cache.fraction(DIGEST), lambda: cache.fraction(DIGEST), lambda: cache.fraction(b"e" * 20)
    )
    assert first == again != other
    assert 0 <= first < 1
