"""One question after another: answered from the cache, asked, shared, deferred, renewed."""

import asyncio
import hashlib
import random
import sqlite3
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from lab.breach_fakes import Clock, FakeSource, MemoryStore
from lab.breachprocess import ANN, BEN, CLEAN, ask, hibp_process, prefix
from lab.hibp_server import TODAY, HibpServer, breach
from lab.wait import until
from mailvet.breach_service.catalogue import Catalogue
from mailvet.breach_service.lookup import BreachLookup
from mailvet.breach_service.runtime import Runtime
from mailvet.breach_service.verdict_cache import VerdictCache
from mailvet.checks.breach.source import Failed, Kept
from mailvet.checks.breach.wire import Question, Reply, Urgency
from mailvet.settings import BreachSettings
from mailvet.verdict import BreachResult, BreachVerdict

LISTED, NOT_LISTED, UNKNOWN = BreachResult.LISTED, BreachResult.NOT_LISTED, BreachResult.UNKNOWN


def test_listed_not_listed_and_cached(tmp_path: Path, hibp: HibpServer) -> None:
    with hibp_process(tmp_path, hibp) as breach_process:
        client = breach_process.client()
        verdict = ask(client, ANN)
        assert verdict == BreachVerdict(
            result=LISTED,
            source="haveibeenpwned.com",
            newest=verdict.newest,
            classes=("passwords",),
            checked=TODAY.isoformat(),
        )
        assert ask(client, BEN).result is NOT_LISTED
        assert ask(client, CLEAN).result is NOT_LISTED
        for _ in range(3):
            assert client.ask(ANN.upper(), 1.0).result is LISTED
        assert breach_process.client().ask(ANN, 1.0) == verdict  # another worker
    assert hibp.ranges == [prefix(ANN), prefix(BEN), prefix(CLEAN)]
    with hibp_process(tmp_path, hibp) as breach_process:  # and after a restart
        assert breach_process.client().ask(ANN, 1.0) == verdict
    assert len(hibp.ranges) == 3


def test_without_waiting_the_next_message_is_told(tmp_path: Path, hibp: HibpServer) -> None:
    with hibp_process(tmp_path, hibp) as breach_process:
        client, other = breach_process.client(), breach_process.client()
        assert client.ask(ANN, 0.0).result is UNKNOWN
        until(lambda: client.ask(ANN, 0.0).result is LISTED)
        assert other.ask(ANN, 0.0).result is LISTED  # all workers are told
    assert hibp.ranges == [prefix(ANN)]


def test_peeking_tells_what_is_known_and_asks_nobody(tmp_path: Path, hibp: HibpServer) -> None:
    with hibp_process(tmp_path, hibp) as breach_process:
        ask(breach_process.client(), ANN)
    with hibp_process(tmp_path, hibp) as breach_process:
        client = breach_process.client()
        client.peek(CLEAN)
        client.peek(ANN)
        until(lambda: client._known)
        assert client.ask(ANN, 0.0).result is LISTED
        time.sleep(0.4)
    assert hibp.ranges == [prefix(ANN)]


def test_who_is_only_peeked_at_is_not_renewed_either(tmp_path: Path, hibp: HibpServer) -> None:
    with hibp_process(tmp_path, hibp, refresh="0s") as breach_process:
        ask(breach_process.client(), ANN)
    with sqlite3.connect(breach_process.database) as db:
        db.execute("UPDATE breach_verdicts SET checked = '2020-01-01'")
    with hibp_process(tmp_path, hibp, refresh="0s") as breach_process:
        until(lambda: breach_process.counters.get("lists read"))
        client = breach_process.client()
        client.peek(ANN)
        until(lambda: client._known)
        time.sleep(0.4)
        assert len(hibp.ranges) == 1
        client = breach_process.client()
        assert client.ask(ANN, 1.0).checked == "2020-01-01"  # what is kept is the answer meanwhile
        until(lambda: len(hibp.ranges) == 2)
        until(lambda: client.ask(ANN, 1.0).checked == TODAY.isoformat())


def test_a_new_breach_makes_no_burst(tmp_path: Path, hibp: HibpServer) -> None:
    people = [f"p{number}@signed.example" for number in range(40)]
    with hibp_process(tmp_path, hibp) as breach_process:
        client = breach_process.client()
        for person in people:
            ask(client, person)
    with sqlite3.connect(breach_process.database) as db:
        db.execute("UPDATE breach_verdicts SET checked = '2020-01-01'")
    hibp.breaches.append(breach("Newest", days=3))
    before = len(hibp.ranges)
    with hibp_process(tmp_path, hibp, refresh="30d") as breach_process:
        until(lambda: breach_process.counters.get("lists read"))
        client = breach_process.client()
        for person in people:
            assert client.ask(person, 1.0).result is NOT_LISTED
        time.sleep(1.5)
    renewed = len(hibp.ranges) - before
    assert renewed < 15  # about a tenth: three of thirty days are over


def test_one_question_for_a_prefix_whoever_wants_it(tmp_path: Path, hibp: HibpServer) -> None:
    with hibp_process(tmp_path, hibp, timeout="5s") as breach_process:
        until(lambda: breach_process.counters.get("lists read"))
        hibp.pause = 0.5
        clients = [breach_process.client() for _ in range(2)]
        with ThreadPoolExecutor(10) as threads:
            verdicts = list(threads.map(lambda number: clients[number % 2].ask(ANN, 5.0), range(10)))
    assert {verdict.result for verdict in verdicts} == {LISTED}
    assert hibp.ranges == [prefix(ANN)]


def test_two_addresses_of_one_prefix_share_a_question(tmp_path: Path, hibp: HibpServer) -> None:
    twin = _twin()
    hibp.listed[hashlib.sha1(twin[1].encode()).hexdigest().upper()] = ["Logs"]
    with hibp_process(tmp_path, hibp, timeout="5s") as breach_process:
        until(lambda: breach_process.counters.get("lists read"))
        hibp.pause = 0.5
        client = breach_process.client()
        with ThreadPoolExecutor(2) as threads:
            first, second = threads.map(lambda address: client.ask(address, 5.0), twin)
    assert (first.result, second.result) == (NOT_LISTED, LISTED)
    assert len(hibp.ranges) == 1


def _twin() -> tuple[str, str]:
    """Two addresses with the same first six digits."""
    seen: dict[bytes, str] = {}
    number = 0
    while True:
        address = f"t{number}@signed.example"
        key = hashlib.sha1(address.encode()).digest()[:3]
        if key in seen:
            return seen[key], address
        seen[key] = address
        number += 1


@pytest.mark.parametrize(
    "manner",
    ["status 400", "status 401", "status 403", "status 404", "status 429", "status 503", "hang", "truncated",
     "oversized", "not json", "empty range", "redirect"],
)  # fmt: skip
def test_a_source_that_misbehaves_is_unknown_never_clean(tmp_path: Path, hibp: HibpServer, manner: str) -> None:
    with hibp_process(tmp_path, hibp, timeout="300ms") as breach_process:
        # on a busy machine the first attempt may take longer than that; the next is a minute later
        until(lambda: breach_process.counters.get("lists read"), 90)
        hibp.manner = manner
        client = breach_process.client()
        started = time.monotonic()
        verdicts = [client.ask(f"{number}@signed.example", 1.0).result for number in range(20)]
        assert set(verdicts) == {UNKNOWN}
        assert time.monotonic() - started < 10.0  # each waiting its second: 20
        assert len(hibp.ranges) <= 3  # then the breaker is open
        until(lambda: breach_process.counters.get("pauses"))
        assert "left alone" in breach_process.log
        with sqlite3.connect(breach_process.database) as db:
            assert db.execute("SELECT count(*) FROM breach_verdicts").fetchone() == (0,)
        for part in ("signed.example", *hibp.ranges):
            assert part not in breach_process.log


def test_hosts_share_verdicts_and_pace(tmp_path: Path, hibp: HibpServer) -> None:
    store = f"sqlite:///{tmp_path}/shared.db"
    with (
        hibp_process(tmp_path, hibp, store=store, rpm=10) as one,
        hibp_process(tmp_path, hibp, store=store, rpm=10, name="other") as two,
    ):
        first, second = one.client(), two.client()
        assert ask(first, ANN).result is LISTED
        assert second.ask(ANN, 1.0).result is LISTED
        started = time.monotonic()
        for number in range(30):
            assert (first, second)[number % 2].ask(f"{number}@signed.example", 5.0).problem in ("not asked yet", "")
        late = (time.monotonic() - started) // 6.6
    assert 2 <= len(hibp.ranges) <= 2 + late  # the burst of 10 a minute, and one more every 6.7 s


def test_who_was_looked_up_on_the_day_of_the_newest_breach_is_renewed(tmp_path: Path, hibp: HibpServer) -> None:
    with hibp_process(tmp_path, hibp) as breach_process:
        ask(breach_process.client(), ANN)
    hibp.breaches = [*hibp.breaches, breach("Newest", days=1)]
    with sqlite3.connect(breach_process.database) as db:
        db.execute("UPDATE breach_verdicts SET checked = ?", (hibp.breaches[-1]["AddedDate"][:10],))
    with hibp_process(tmp_path, hibp, refresh="0s") as breach_process:
        until(lambda: breach_process.counters.get("lists read"))
        client = breach_process.client()
        until(lambda: client.ask(ANN, 1.0).checked == TODAY.isoformat())
    assert len(hibp.ranges) == 2


def test_without_its_store_nobody_is_asked(tmp_path: Path, hibp: HibpServer) -> None:
    with hibp_process(tmp_path, hibp, store="sqlite:////nonexistent/store.db") as breach_process:
        client = breach_process.client()
        until(lambda: breach_process.counters.get("lists read"))
        started = time.monotonic()
        assert {client.ask(f"{number}@signed.example", 1.0).result for number in range(50)} == {UNKNOWN}
        assert time.monotonic() - started < 10.0  # each waiting its second: 50
        assert "the store: " in breach_process.log
    assert hibp.ranges == []


def test_a_crowd_of_strangers_and_a_slow_source(tmp_path: Path, hibp: HibpServer) -> None:
    """The full measure, 10,000 at 200 a second, is bench/breach.py."""
    hibp.rpm = 10
    with hibp_process(tmp_path, hibp, rpm=10, delay="10m", queue=100) as breach_process:
        until(lambda: breach_process.counters.get("lists read"))
        clients = [breach_process.client() for _ in range(2)]
        times = []

        def message(number: int) -> BreachResult:
            started = time.monotonic()
            verdict = clients[number % 2].ask(f"stranger{number}@signed.example", 1.0)
            times.append(time.monotonic() - started)
            return verdict.result

        with ThreadPoolExecutor(8) as threads:
            results = list(threads.map(message, range(1000)))
        assert len(results) == 1000
        assert set(results) <= {UNKNOWN, NOT_LISTED}
        assert max(times) < 1.0 + 2.0  # it waits for a second at most; the rest is for a busy machine
        until(lambda: breach_process.counters.get("queue full", 0) >= 890)
        assert breach_process.counters["put off"] <= 100
    assert 1 <= len(hibp.ranges) <= 2
    assert "status 429" not in breach_process.counters


DAY = 86_400.0


class Scene:
    """A lookup on a source and a store in memory, with a clock that stands."""

    def __init__(self, **settings: Any) -> None:
        self.clock, self.store, self.source = Clock(), MemoryStore(), FakeSource({sha1(ANN): ["Fresh"]})
        self.clock.at = time.time()
        self.said: list[str] = []
        self.announced: list[Reply] = []
        runtime = Runtime(say=self.said.append, monotonic=self.clock, wall_clock=self.clock, rng=random.Random(1))
        made = BreachSettings(**({"rpm": 6000, "delay": 0.0} | settings))
        self.catalogue = Catalogue(self.source, "s", made, runtime)
        self.cache = VerdictCache(self.store, b"", (30 * DAY, 30 * DAY), runtime)
        self.lookup = BreachLookup(self.catalogue, self.cache, made, self.announced.append, runtime)

    def ask(self, *addresses: str, urgency: Urgency = Urgency.NOW) -> list[str]:
        """Ask one after another; the result of each, or its problem."""

        async def each() -> list[str]:
            await self.catalogue.prepare()
            replies = [await self.lookup.answer(Question(urgency, sha1(address))) for address in addresses]
            return [reply.verdict.problem or reply.verdict.result.value if reply else "" for reply in replies]

        return asyncio.run(each())


@pytest.fixture
def scene() -> Iterator[Scene]:
    made = Scene(refresh=10 * DAY)
    yield made
    made.cache.close()


def sha1(address: str) -> bytes:
    return hashlib.sha1(address.encode()).digest()


def test_who_was_found_is_announced_and_kept(scene: Scene) -> None:
    assert scene.ask(ANN, CLEAN, ANN) == ["listed", "not-listed", "listed"]
    assert scene.source.asked == [prefix(ANN), prefix(CLEAN)]
    assert [reply.digest for reply in scene.announced] == [sha1(ANN), sha1(CLEAN)]


def test_after_a_new_breach_a_verdict_is_renewed_at_a_time_of_its_own(scene: Scene) -> None:
    scene.ask(BEN)
    (key,) = scene.store.rows
    old = replace(scene.store.rows[key].verdict, checked="2020-01-01")
    scene.store.rows[key] = Kept(old, scene.clock.at + 30 * DAY)
    added = datetime.combine(scene.catalogue.newest, datetime.min.time(), UTC).timestamp()
    due = 10 * DAY * asyncio.run(scene.cache.fraction(sha1(BEN)))
    assert due > 2 * DAY
    for since, deferred in ((DAY, 0), (due - 60, 0), (due + 60, 1), (10 * DAY, 2)):
        scene.clock.at = added + since
        assert scene.ask(BEN) == ["not-listed"]
        assert scene.catalogue.counts["put off"] == deferred
    assert len(scene.source.asked) == 1


def test_a_failure_of_the_store_is_said_once(scene: Scene) -> None:
    scene.store.trouble = True
    assert scene.ask(ANN, BEN) == ["the store is away"] * 2
    assert scene.ask(ANN, urgency=Urgency.PEEK) == [""]
    assert scene.said == ["the store: the disk is full"]
    assert scene.catalogue.counts["store away"] == 3
    assert scene.source.asked == []


def test_a_source_that_fails_is_asked_three_times(scene: Scene) -> None:
    scene.source.fails = Failed("status 503")
    assert scene.ask("a@x.example", "b@x.example", "c@x.example") == ["the source could not say"] * 3
    assert scene.ask("d@x.example") == ["not asked yet"]
    assert scene.said == ["the source is left alone for a while: status 503"]
    scene.source.fails, scene.clock.at = None, scene.clock.at + 30
    assert scene.ask("d@x.example") == ["not-listed"]


def test_a_name_that_is_not_in_the_list_makes_us_read_it_once_an_hour(scene: Scene) -> None:
    scene.source.listed = {sha1(address): ["Nowhere"] for address in (ANN, BEN, CLEAN)}
    assert scene.ask(ANN, BEN) == ["not-listed"] * 2
    assert scene.source.lists == 2
    scene.clock.at += 3600
    assert scene.ask(CLEAN) == ["not-listed"]
    assert scene.source.lists == 3
