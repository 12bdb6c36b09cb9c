"""Verdicts and the common pace on a real SQLite and a real PostgreSQL, and what is not in them."""

import asyncio
import contextlib
import hashlib
import os
import random
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab.breach_fakes import Clock
from lab.paths import REPO
from mailvet.breach_service.runtime import Runtime
from mailvet.breach_service.verdict_cache import VerdictCache
from mailvet.checks.breach.pace import pace
from mailvet.checks.breach.source import Kept
from mailvet.store.breach import BreachStore
from mailvet.store.database import StoreTrouble
from mailvet.verdict import BreachResult, BreachVerdict

LISTED = BreachVerdict(
    result=BreachResult.LISTED,
    source="haveibeenpwned.com",
    newest="2026-05",
    classes=("passwords", "malware"),
    checked="2026-11-23",
)
CLEAN = BreachVerdict(result=BreachResult.NOT_LISTED, source="haveibeenpwned.com", checked="2026-11-23")
NOW = 1_800_000_000.0
RUNTIME = Runtime(say=lambda _: None, rng=random.Random(1))


@pytest.fixture
def store(url: str) -> Iterator[BreachStore]:
    made = BreachStore(url)
    made.open()
    yield made
    made.close()


def test_a_verdict_comes_back_as_it_was(store: BreachStore) -> None:
    store.keep(b"a" * 32, Kept(LISTED, NOW + 100))
    store.keep(b"b" * 32, Kept(CLEAN, NOW + 50))
    assert store.find(b"a" * 32, NOW) == Kept(LISTED, NOW + 100)
    assert store.find(b"b" * 32, NOW) == Kept(CLEAN, NOW + 50)
    assert store.find(b"c" * 32, NOW) is None


def test_a_newer_verdict_replaces_the_older(store: BreachStore) -> None:
    store.keep(b"a" * 32, Kept(LISTED, NOW + 100))
    store.keep(b"a" * 32, Kept(CLEAN, NOW + 200))
    assert store.find(b"a" * 32, NOW) == Kept(CLEAN, NOW + 200)


def test_a_verdict_ends(store: BreachStore) -> None:
    store.keep(b"a" * 32, Kept(LISTED, NOW + 100))
    store.keep(b"b" * 32, Kept(LISTED, NOW + 300))
    assert store.find(b"a" * 32, NOW + 100) is None
    assert store.purge(NOW + 100) == 1
    assert store.purge(NOW + 100) == 0
    assert store.find(b"b" * 32, NOW + 100) is not None


def test_the_pace_holds_in_every_minute(store: BreachStore) -> None:
    for rpm in (1, 10, 25):
        store.take(pace(1), NOW - 10_000)
        taken = [now for now in (NOW + step / 2 for step in range(400)) if store.take(pace(rpm), now) == 0.0]
        busiest = max(sum(start <= one < start + 60 for one in taken) for start in taken)
        assert busiest <= rpm
        assert len(taken) >= rpm * 200 / 60 * 0.7
        store.take(pace(60), NOW + 500)


def test_a_refusal_says_when_to_try_again(store: BreachStore) -> None:
    assert store.take(pace(1), NOW) == 0.0
    wait = store.take(pace(1), NOW + 10)
    assert 49 < wait <= 50
    assert store.take(pace(1), NOW + 10 + wait) == 0.0


def test_a_clock_that_was_put_back_does_not_stop_the_pace(store: BreachStore) -> None:
    assert store.take(pace(1), NOW + 86_400) == 0.0
    assert store.take(pace(1), NOW) == 0.0


def test_told_to_wait_all_wait(url: str, store: BreachStore) -> None:
    store.block(30, NOW)
    store.block(10, NOW)
    other = BreachStore(url)
    other.open()
    assert other.take(pace(600), NOW) == pytest.approx(30)
    assert other.take(pace(600), NOW + 31) == 0.0
    other.close()


GREEDY = """
import sys, time
from mailvet.store.breach import BreachStore
from mailvet.checks.breach.pace import pace
store = BreachStore(sys.argv[1])
store.open()
end = time.time() + 1.5
print(sum(store.take(pace(10), time.time()) == 0.0 for _ in iter(lambda: time.time() < end, False)))
"""


def test_two_processes_share_one_pace(url: str, store: BreachStore) -> None:
    environment = {**os.environ, "PYTHONPATH": str(REPO / "milter")}
    command = [sys.executable, "-c", GREEDY, url]
    both = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) for _ in range(2)]
    taken = [int(process.communicate(timeout=60)[0]) for process in both]
    assert [process.returncode for process in both] == [0, 0]
    assert sum(taken) == 2  # the burst of 10 a minute; the next is due after six seconds


ASTRAY = """
import asyncio, sys, time
real, skew = time.time, float(sys.argv[2])
time.time = lambda: real() + skew  # what this host thinks it is
from mailvet.store.breach import BreachStore
from mailvet.breach_service.runtime import Runtime
from mailvet.breach_service.verdict_cache import VerdictCache
from mailvet.checks.breach.pace import pace
cache = VerdictCache(BreachStore(sys.argv[1]), b"scope", (60.0, 90.0), Runtime(say=print))

async def ask():
    taken = 0
    while sys.stdin.readline():  # one turn each
        taken += await cache.take(pace(10))
    return taken

print(asyncio.run(ask()))
cache.close()
"""


@pytest.mark.parametrize("skew", [-86_400.0, -600.0, 0.0, 600.0, 86_400.0])
def test_hosts_with_different_clocks_have_one_pace(request: pytest.FixtureRequest, skew: float) -> None:
    """In turns: with a pace of its own each would get its own burst, and the one whose clock is put back more."""
    running = request.getfixturevalue("cluster")
    running.empty()
    environment = {**os.environ, "PYTHONPATH": str(REPO / "milter")}
    hosts = [
        subprocess.Popen(
            [sys.executable, "-c", ASTRAY, running.url, str(clock)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment,
        )
        for clock in (0.0, skew)
    ]  # fmt: skip
    before = time.monotonic()
    for _ in range(20):
        for host in hosts:
            assert host.stdin is not None
            host.stdin.write("\n")
            host.stdin.flush()
    taken = [int(host.communicate(timeout=60)[0]) for host in hosts]
    seconds = time.monotonic() - before
    assert sum(taken) <= 2 + seconds / pace(10).interval  # the burst of 10 a minute, and what was due meanwhile


def sha1(address: str) -> bytes:
    return hashlib.sha1(address.encode()).digest()


ADDRESSES = [f"person{number}@secret-sender.example" for number in range(20)]


def test_no_address_hash_or_prefix_is_in_the_store(url: str, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    cache = VerdictCache(BreachStore(url), b"scope", (7 * 86400.0, 30 * 86400.0), RUNTIME)

    async def fill() -> list[Kept]:
        return [await cache.keep(sha1(address), LISTED) for address in ADDRESSES]

    kept = asyncio.run(fill())
    lives = [one.expires - time.time() for one in kept]
    assert all(7 * 86400 - 60 < life <= 30 * 86400 for life in lives)
    assert len(set(lives)) == len(lives)
    cache.close()
    if url.startswith("sqlite"):
        raw = b"".join(path.read_bytes() for path in tmp_path.iterdir())
        text = raw.decode("latin-1").lower() + raw.hex()
    else:
        text = request.getfixturevalue("cluster").dump().lower()
        assert "2026-05" in text
    for address in ADDRESSES:
        hashed = hashlib.sha1(address.encode()).hexdigest()
        for part in (address, address.partition("@")[0], "secret-sender", hashed, hashed[6:], hashed[:12]):
            assert part not in text


def test_a_verdict_of_another_scope_or_secret_is_no_answer(url: str, tmp_path: Path) -> None:
    async def keep_and_find(scope: bytes, secret: str) -> Kept | None:
        keeper = VerdictCache(BreachStore(url), b"one", (60.0, 90.0), RUNTIME)
        finder = VerdictCache(BreachStore(url, secret), scope, (60.0, 90.0), RUNTIME)
        await keeper.keep(sha1("a@b.example"), LISTED)
        found = await finder.find(sha1("a@b.example"))
        keeper.close()
        finder.close()
        return found

    assert asyncio.run(keep_and_find(b"one", "")) is not None
    assert asyncio.run(keep_and_find(b"two", "")) is None
    assert asyncio.run(keep_and_find(b"one", str(tmp_path / "other.secret"))) is None


def test_a_store_that_was_emptied_is_made_again(url: str, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    clock = Clock()
    cache = VerdictCache(BreachStore(url), b"", (60.0, 90.0), Runtime(say=print, monotonic=clock, wall_clock=clock))

    async def look() -> None:
        await cache.keep(sha1("a@b.example"), LISTED)
        if url.startswith("sqlite"):
            with contextlib.closing(sqlite3.connect(tmp_path / "store.db")) as connection:
                connection.execute("DROP TABLE breach_verdicts")
        else:
            request.getfixturevalue("cluster").empty()
        with pytest.raises(StoreTrouble, match="breach_verdicts"):
            await cache.find(sha1("a@b.example"))
        clock.at += 10
        assert await cache.find(sha1("a@b.example")) is None
        kept = await cache.keep(sha1("a@b.example"), LISTED)
        assert await cache.find(sha1("a@b.example")) == kept

    asyncio.run(look())
    cache.close()


def test_while_the_store_is_away_nobody_waits_for_it_twice(tmp_path: Path) -> None:
    cache = VerdictCache(BreachStore(f"sqlite:///{tmp_path}/no/where.db"), b"", (60.0, 90.0), RUNTIME)

    async def look() -> None:
        with pytest.raises(StoreTrouble, match=r"unable|No such"):
            await cache.find(b"x" * 20)
        with pytest.raises(StoreTrouble, match="away"):
            await cache.take(pace(1))

    asyncio.run(look())
    cache.close()
