"""The store on a real SQLite and a real PostgreSQL: verdicts, the common pace, the secret, and what is not in it."""

import asyncio
import hashlib
import os
import random
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab import postgres
from lab.paths import REPO
from mailvet.breach_service.verdict_cache import VerdictCache
from mailvet.checks.breach.eligibility import digest
from mailvet.checks.breach.pace import Backlog, Breaker, pace
from mailvet.checks.breach.source import Kept, StoreTrouble
from mailvet.store.breach import Store
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


@pytest.fixture(scope="module")
def cluster() -> Iterator[postgres.Postgres]:
    if reason := postgres.missing():
        pytest.skip(reason)
    with postgres.Postgres() as running:
        yield running


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/store.db"
    running: postgres.Postgres = request.getfixturevalue("cluster")
    running.empty()
    return running.url


@pytest.fixture
def store(url: str) -> Iterator[Store]:
    made = Store(url)
    made.open()
    yield made
    made.close()


def test_a_verdict_comes_back_as_it_was(store):
    store.keep(b"a" * 32, Kept(LISTED, NOW + 100))
    store.keep(b"b" * 32, Kept(CLEAN, NOW + 50))
    assert store.find(b"a" * 32, NOW) == Kept(LISTED, NOW + 100)
    assert store.find(b"b" * 32, NOW) == Kept(CLEAN, NOW + 50)
    assert store.find(b"c" * 32, NOW) is None


def test_a_newer_verdict_replaces_the_older(store):
    store.keep(b"a" * 32, Kept(LISTED, NOW + 100))
    store.keep(b"a" * 32, Kept(CLEAN, NOW + 200))
    assert store.find(b"a" * 32, NOW) == Kept(CLEAN, NOW + 200)


def test_a_verdict_ends(store):
    store.keep(b"a" * 32, Kept(LISTED, NOW + 100))
    store.keep(b"b" * 32, Kept(LISTED, NOW + 300))
    assert store.find(b"a" * 32, NOW + 100) is None
    assert store.purge(NOW + 100) == 1
    assert store.purge(NOW + 100) == 0
    assert store.find(b"b" * 32, NOW + 100) is not None


def test_the_pace_holds_in_every_minute(store):
    for rpm in (1, 10, 25):
        store.take(pace(1), NOW - 10_000)
        taken = [now for now in (NOW + step / 2 for step in range(400)) if store.take(pace(rpm), now) == 0.0]
        busiest = max(sum(start <= one < start + 60 for one in taken) for start in taken)
        assert busiest <= rpm
        assert len(taken) >= rpm * 200 / 60 * 0.7
        store.take(pace(60), NOW + 500)


def test_a_refusal_says_when_to_try_again(store):
    assert store.take(pace(1), NOW) == 0.0
    wait = store.take(pace(1), NOW + 10)
    assert 49 < wait <= 50
    assert store.take(pace(1), NOW + 10 + wait) == 0.0


def test_a_clock_that_was_put_back_does_not_stop_the_pace(store):
    assert store.take(pace(1), NOW + 86_400) == 0.0
    assert store.take(pace(1), NOW) == 0.0


def test_told_to_wait_all_wait(url, store):
    store.block(30, NOW)
    store.block(10, NOW)
    other = Store(url)
    other.open()
    assert other.take(pace(600), NOW) == pytest.approx(30)
    assert other.take(pace(600), NOW + 31) == 0.0
    other.close()


GREEDY = """
import sys, time
from mailvet.store.breach import Store
from mailvet.checks.breach.pace import pace
store = Store(sys.argv[1])
store.open()
end = time.time() + 1.5
print(sum(store.take(pace(10), time.time()) == 0.0 for _ in iter(lambda: time.time() < end, False)))
"""


def test_two_processes_share_one_pace(url, store):
    environment = {**os.environ, "PYTHONPATH": str(REPO / "milter")}
    command = [sys.executable, "-c", GREEDY, url]
    both = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) for _ in range(2)]
    taken = [int(process.communicate(timeout=60)[0]) for process in both]
    assert [process.returncode for process in both] == [0, 0]
    assert sum(taken) == 2  # the burst of 10 a minute; the next is due after six seconds


ASTRAY = """
import asyncio, random, sys, time
real, skew = time.time, float(sys.argv[2])
time.time = lambda: real() + skew  # what this host thinks it is
from mailvet.store.breach import Store
from mailvet.breach_service.verdict_cache import VerdictCache
from mailvet.checks.breach.pace import pace
cache = VerdictCache(Store(sys.argv[1]), b"scope", (60.0, 90.0), random.Random(1))

async def ask():
    taken = 0
    while sys.stdin.readline():  # one turn each
        taken += await cache.take(pace(10))
    return taken

print(asyncio.run(ask()))
cache.close()
"""


@pytest.mark.parametrize("skew", [-86_400.0, -600.0, 0.0, 600.0, 86_400.0])
def test_hosts_with_different_clocks_have_one_pace(request, skew):
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
            host.stdin.write("\n")
            host.stdin.flush()
    taken = [int(host.communicate(timeout=60)[0]) for host in hosts]
    seconds = time.monotonic() - before
    assert sum(taken) <= 2 + seconds / pace(10).interval  # the burst of 10 a minute, and what was due meanwhile


def test_the_secret_stays_the_same(url, tmp_path):
    first, second = Store(url), Store(url)
    secret = first.open()
    assert len(secret) == 32
    assert second.open() == secret
    first.close(), second.close()
    own = Store(url, str(tmp_path / "own.secret"))
    assert own.open() != secret
    assert own.open() == own.open()
    own.close()


def test_nobody_else_may_read_database_and_secret(tmp_path):
    store = Store(f"sqlite:///{tmp_path}/s.db")
    store.open()
    store.keep(b"a" * 32, Kept(LISTED, NOW))
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()}
    assert {"s.db", "s.db.secret", "s.db-wal"} <= set(modes)
    assert set(modes.values()) == {0o600}
    store.close()


@pytest.mark.parametrize(("mode", "octets"), [(0o644, 32), (0o600, 31), (0o600, 0)])
def test_a_secret_that_is_none_is_refused(tmp_path, mode, octets):
    file = tmp_path / "s.db.secret"
    file.write_bytes(b"x" * octets)
    file.chmod(mode)
    with pytest.raises(StoreTrouble, match="secret"):
        Store(f"sqlite:///{tmp_path}/s.db").open()


@pytest.mark.parametrize(
    "url",
    [
        "sqlite:////nowhere/at/all.db",
        "postgresql+psycopg://x@/x?host=/nowhere",
        "mysql://x/y",
        "nonsense",
        "sqlite:////dev/null",
    ],
)
def test_a_store_that_is_not_there_is_trouble(url):
    with pytest.raises(StoreTrouble):
        Store(url).open()


def test_trouble_tells_no_password():
    with pytest.raises(StoreTrouble) as caught:
        Store("postgresql+psycopg://user:hunter2@127.0.0.1:1/x").open()
    assert "hunter2" not in str(caught.value)


ADDRESSES = [f"person{number}@secret-sender.example" for number in range(20)]


def test_no_address_hash_or_prefix_is_in_the_store(url, tmp_path, request):
    cache = VerdictCache(Store(url), b"scope", (7 * 86400.0, 30 * 86400.0), random.Random(1))

    async def fill() -> list[Kept]:
        return [await cache.keep(digest(address), LISTED) for address in ADDRESSES]

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


def test_a_verdict_of_another_scope_or_secret_is_no_answer(url, tmp_path):
    async def keep_and_find(scope: bytes, secret: str) -> Kept | None:
        keeper = VerdictCache(Store(url), b"one", (60.0, 90.0), random.Random(1))
        finder = VerdictCache(Store(url, secret), scope, (60.0, 90.0), random.Random(1))
        await keeper.keep(digest("a@b.example"), LISTED)
        found = await finder.find(digest("a@b.example"))
        keeper.close(), finder.close()
        return found

    assert asyncio.run(keep_and_find(b"one", "")) is not None
    assert asyncio.run(keep_and_find(b"two", "")) is None
    assert asyncio.run(keep_and_find(b"one", str(tmp_path / "other.secret"))) is None


def test_while_the_store_is_away_nobody_waits_for_it_twice(tmp_path):
    cache = VerdictCache(Store(f"sqlite:///{tmp_path}/no/where.db"), b"", (60.0, 90.0), random.Random(1))

    async def look() -> None:
        with pytest.raises(StoreTrouble, match=r"unable|No such"):
            await cache.find(b"x" * 20)
        with pytest.raises(StoreTrouble, match="away"):
            await cache.take(pace(1))

    asyncio.run(look())
    cache.close()


def test_the_breaker_opens_and_tries_again_later_and_later():
    breaker = Breaker()
    now, pauses = 0.0, []
    for _ in range(12):
        while breaker.allows(now):
            breaker.failed(now)
        start = now
        while not breaker.allows(now):
            now += 1
        pauses.append(now - start)
    assert pauses == [30, 60, 120, 240, 480, 960, 1920, 3600, 3600, 3600, 3600, 3600]
    breaker.worked()
    breaker.failed(now)
    breaker.failed(now)
    assert breaker.allows(now)


def test_a_final_failure_opens_the_breaker_at_once():
    breaker = Breaker()
    breaker.failed(0.0, final=True)
    assert not breaker.allows(3599.0)
    assert breaker.allows(3600.0)


def test_failures_of_requests_that_were_under_way_do_not_add_up():
    breaker = Breaker()
    for _ in range(20):
        breaker.failed(0.0)
    assert breaker.allows(31.0)


@pytest.mark.parametrize(("told", "obeyed"), [(2.0, 2.0), (0.1, 1.0), (1e9, 86_400.0), (float("inf"), 86_400.0)])
def test_told_to_wait(told, obeyed):
    breaker = Breaker()
    assert breaker.told_to_wait(100.0, told) == 100.0 + obeyed
    assert not breaker.allows(99.0 + obeyed)
    assert breaker.allows(100.0 + obeyed)


def test_the_backlog_is_bounded_shuffled_and_asks_once_for_each():
    backlog = Backlog(100, 600.0, random.Random(7))
    ones = [bytes([number]) * 20 for number in range(150)]
    assert [backlog.add(one, 0.0) for one in ones] == [True] * 100 + [False] * 50
    assert all(backlog.add(one, 5.0) for one in ones[:100])
    assert len(backlog) == 100
    assert backlog.peek(0.0) is None
    order = []
    while (one := backlog.peek(600.0)) is not None:
        assert backlog.peek(600.0) == one
        backlog.drop(one)
        order.append(one)
    assert sorted(order) == ones[:100]
    assert order != ones[:100]
    assert len(backlog) == 0


def test_dropped_entries_do_not_pile_up_in_the_backlog():
    backlog = Backlog(10, 600.0, random.Random(7))
    for number in range(10_000):
        backlog.add(number.to_bytes(20), 0.0)
        backlog.drop(number.to_bytes(20))
    assert len(backlog._heap) <= 21
