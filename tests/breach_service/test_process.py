"""The breach process and the workers' end of it, over its socket, against the look-alike."""

import asyncio
import hashlib
import itertools
import os
import resource
import signal
import socket
import sqlite3
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from lab import postgres
from lab.breachprocess import BreachProcess, ask
from lab.daemon import scratch
from lab.hibp_server import TODAY, HibpServer, breach
from lab.wait import until
from mailvet.breach_service import client as breach_client
from mailvet.breach_service.client import BreachClient
from mailvet.breach_service.own_list import FileDesk, parse
from mailvet.checks.breach import wire as breach_wire
from mailvet.checks.breach.eligibility import digest
from mailvet.checks.breach.wire import Wish
from mailvet.verdict import BreachResult, BreachVerdict

ANN, BEN, CLEAN = "ann@signed.example", "ben@signed.example", "clean@signed.example"
LISTED, NOT_LISTED, UNKNOWN = BreachResult.LISTED, BreachResult.NOT_LISTED, BreachResult.UNKNOWN


@pytest.fixture
def hibp(tmp_path: Path) -> Iterator[HibpServer]:
    with HibpServer(tmp_path, {ANN: ["Fresh"], BEN: ["SpamList", "Ancient"]}) as running:
        yield running


def process(directory: Path, hibp: HibpServer, *, store: str = "", name: str = "breach", **more: Any) -> BreachProcess:
    values = hibp.settings() | {"wait": "1s", "delay": "0s", "timeout": "5s", "rpm": 6000} | more
    return BreachProcess(directory, values, store=store, name=name)


def prefix(address: str) -> str:
    return hashlib.sha1(address.encode()).hexdigest().upper()[:6]


def sha1(address: str) -> bytes:
    found = digest(address)
    assert found is not None
    return found


def test_listed_not_listed_and_cached(tmp_path, hibp):
    with process(tmp_path, hibp) as breach_process:
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
    with process(tmp_path, hibp) as breach_process:  # and after a restart
        assert breach_process.client().ask(ANN, 1.0) == verdict
    assert len(hibp.ranges) == 3


def test_without_waiting_the_next_message_is_told(tmp_path, hibp):
    with process(tmp_path, hibp) as breach_process:
        client, other = breach_process.client(), breach_process.client()
        assert client.ask(ANN, 0.0).result is UNKNOWN
        until(lambda: client.ask(ANN, 0.0).result is LISTED)
        assert other.ask(ANN, 0.0).result is LISTED  # all workers are told
    assert hibp.ranges == [prefix(ANN)]


def test_peeking_tells_what_is_known_and_asks_nobody(tmp_path, hibp):
    with process(tmp_path, hibp) as breach_process:
        ask(breach_process.client(), ANN)
    with process(tmp_path, hibp) as breach_process:
        client = breach_process.client()
        client.peek(CLEAN)
        client.peek(ANN)
        until(lambda: client._known)
        assert client.ask(ANN, 0.0).result is LISTED
        time.sleep(0.4)
    assert hibp.ranges == [prefix(ANN)]


def test_who_is_only_peeked_at_is_not_renewed_either(tmp_path, hibp):
    with process(tmp_path, hibp, refresh="0s") as breach_process:
        ask(breach_process.client(), ANN)
    with sqlite3.connect(breach_process.database) as db:
        db.execute("UPDATE breach_verdicts SET checked = '2020-01-01'")
    with process(tmp_path, hibp, refresh="0s") as breach_process:
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


def test_a_new_breach_makes_no_burst(tmp_path, hibp):
    people = [f"p{number}@signed.example" for number in range(40)]
    with process(tmp_path, hibp) as breach_process:
        client = breach_process.client()
        for person in people:
            ask(client, person)
    with sqlite3.connect(breach_process.database) as db:
        db.execute("UPDATE breach_verdicts SET checked = '2020-01-01'")
    hibp.breaches.append(breach("Newest", days=3))
    before = len(hibp.ranges)
    with process(tmp_path, hibp, refresh="30d") as breach_process:
        until(lambda: breach_process.counters.get("lists read"))
        client = breach_process.client()
        for person in people:
            assert client.ask(person, 1.0).result is NOT_LISTED
        time.sleep(1.5)
    renewed = len(hibp.ranges) - before
    assert renewed < 15  # about a tenth: three of thirty days are over


def test_one_question_for_a_prefix_whoever_wants_it(tmp_path, hibp):
    with process(tmp_path, hibp, timeout="5s") as breach_process:
        until(lambda: breach_process.counters.get("lists read"))
        hibp.pause = 0.5
        clients = [breach_process.client() for _ in range(2)]
        with ThreadPoolExecutor(10) as threads:
            verdicts = list(threads.map(lambda number: clients[number % 2].ask(ANN, 5.0), range(10)))
    assert {verdict.result for verdict in verdicts} == {LISTED}
    assert hibp.ranges == [prefix(ANN)]


def test_two_addresses_of_one_prefix_share_a_question(tmp_path, hibp):
    twin = _twin()
    hibp.listed[hashlib.sha1(twin[1].encode()).hexdigest().upper()] = ["Logs"]
    with process(tmp_path, hibp, timeout="5s") as breach_process:
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
def test_a_source_that_misbehaves_is_unknown_never_clean(tmp_path, hibp, manner):
    with process(tmp_path, hibp, timeout="300ms") as breach_process:
        until(lambda: breach_process.counters.get("lists read"))
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


def test_told_to_wait_it_waits_and_goes_on(tmp_path, hibp):
    with process(tmp_path, hibp) as breach_process:
        until(lambda: breach_process.counters.get("lists read"))
        hibp.manner = "status 429"
        client = breach_process.client()
        client.ask(ANN, 1.0)
        asked = hibp.requests[-1].at
        hibp.manner = ""
        assert ask(client, ANN).result is LISTED
        assert hibp.requests[-1].at - asked >= 2.0
        assert len(hibp.ranges) == 2


def test_one_host_that_is_told_to_wait_speaks_for_all(tmp_path, hibp):
    store = f"sqlite:///{tmp_path}/shared.db"
    with process(tmp_path, hibp, store=store) as one, process(tmp_path, hibp, store=store, name="other") as two:
        for each in (one, two):
            until(lambda each=each: each.counters.get("lists read"))
        hibp.manner = "status 429"
        one.client().ask(ANN, 1.0)
        hibp.manner = ""
        assert two.client().ask(BEN, 1.0).result is UNKNOWN
        assert len(hibp.ranges) == 1


def test_hosts_share_verdicts_and_pace(tmp_path, hibp):
    store = f"sqlite:///{tmp_path}/shared.db"
    with (
        process(tmp_path, hibp, store=store, rpm=10) as one,
        process(tmp_path, hibp, store=store, rpm=10, name="other") as two,
    ):
        first, second = one.client(), two.client()
        assert ask(first, ANN).result is LISTED
        assert second.ask(ANN, 1.0).result is LISTED
        started = time.monotonic()
        for number in range(30):
            assert (first, second)[number % 2].ask(f"{number}@signed.example", 5.0).problem in ("not asked yet", "")
        late = (time.monotonic() - started) // 6.6
    assert 2 <= len(hibp.ranges) <= 2 + late  # the burst of 10 a minute, and one more every 6.7 s


@pytest.mark.parametrize(
    ("plan", "log"),
    [({"IncludesKAnon": False, "Rpm": 500}, "no ranges in this plan"), ({"Rpm": 500}, "no ranges in this plan")],
)
def test_a_plan_without_ranges_asks_for_none(tmp_path, hibp, plan, log):
    hibp.plan = plan
    with process(tmp_path, hibp) as breach_process:
        until(lambda: log in breach_process.log)
        assert breach_process.client().ask(ANN, 1.0).result is UNKNOWN
        time.sleep(0.5)
    assert hibp.ranges == []


def test_a_plan_beyond_all_numbers(tmp_path, hibp):
    hibp.plan = {"IncludesKAnon": True, "Rpm": 10**400}
    with process(tmp_path, hibp, rpm=0) as breach_process:
        assert ask(breach_process.client(), ANN).result is LISTED


def test_half_of_what_the_plan_allows_is_used(tmp_path, hibp):
    hibp.plan = {"IncludesKAnon": True, "Rpm": 40}
    with process(tmp_path, hibp, rpm=0) as breach_process:
        until(lambda: breach_process.counters.get("lists read"))
        client = breach_process.client()
        started = time.monotonic()
        for number in range(60):
            client.ask(f"{number}@signed.example", 0.5)
        late = (time.monotonic() - started) // 3.5
    assert 4 <= len(hibp.ranges) <= 4 + late + 1  # a fifth of 20 a minute at once, one more every 3.5 s


def test_a_range_that_names_a_new_breach_makes_us_read_the_list_once(tmp_path, hibp):
    with process(tmp_path, hibp) as breach_process:
        until(lambda: breach_process.counters.get("lists read"))
        client = breach_process.client()
        hibp.listed[hashlib.sha1(CLEAN.encode()).hexdigest().upper()] = ["JustIn"]
        hibp.listed[hashlib.sha1(b"more@signed.example").hexdigest().upper()] = ["Never"]
        hibp.breaches.append(breach("JustIn", days=0))
        verdict = ask(client, CLEAN)
        assert (verdict.result, verdict.newest) == (LISTED, TODAY.isoformat()[:7])
        assert ask(client, "more@signed.example").result is NOT_LISTED
        assert sum(request.path.endswith("/breaches") for request in hibp.requests) == 2


def test_who_was_in_a_new_breach_is_not_clean_while_the_list_cannot_be_read(tmp_path, hibp):
    hibp.listed[hashlib.sha1(CLEAN.encode()).hexdigest().upper()] = ["JustIn"]
    with process(tmp_path, hibp) as breach_process:
        until(lambda: breach_process.counters.get("lists read"))
        client, known = breach_process.client(), hibp.breaches
        hibp.breaches = []  # no list of breaches: garbage
        assert client.ask(CLEAN, 1.0).result is UNKNOWN
        hibp.breaches = [*known, breach("JustIn", days=0)]
        assert ask(client, CLEAN).result is LISTED


def test_several_who_were_in_a_new_breach_wait_for_the_list(tmp_path, hibp):
    people = [f"p{number}@signed.example" for number in range(6)]
    for person in people:
        hibp.listed[hashlib.sha1(person.encode()).hexdigest().upper()] = ["JustIn"]
    with process(tmp_path, hibp, timeout="5s") as breach_process:
        until(lambda: breach_process.counters.get("lists read"))
        hibp.breaches = [*hibp.breaches, breach("JustIn", days=0)]
        hibp.pause = 0.5
        client = breach_process.client()
        with ThreadPoolExecutor(6) as threads:
            verdicts = list(threads.map(lambda person: client.ask(person, 5.0).result, people))
    assert verdicts == [LISTED] * 6
    assert sum(request.path.endswith("/breaches") for request in hibp.requests) == 2


def test_who_was_looked_up_on_the_day_of_the_newest_breach_is_renewed(tmp_path, hibp):
    with process(tmp_path, hibp) as breach_process:
        ask(breach_process.client(), ANN)
    hibp.breaches = [*hibp.breaches, breach("Newest", days=1)]
    with sqlite3.connect(breach_process.database) as db:
        db.execute("UPDATE breach_verdicts SET checked = ?", (hibp.breaches[-1]["AddedDate"][:10],))
    with process(tmp_path, hibp, refresh="0s") as breach_process:
        until(lambda: breach_process.counters.get("lists read"))
        client = breach_process.client()
        until(lambda: client.ask(ANN, 1.0).checked == TODAY.isoformat())
    assert len(hibp.ranges) == 2


@pytest.mark.parametrize(
    ("more", "log"),
    [
        ({"proxy": "http://proxy:31:28"}, "nobody is asked: breach.url, breach.api or breach.proxy"),
        ({"api_key_file": "/nonexistent/key"}, "nobody is asked: /nonexistent/key"),
        ({"ca_file": "/nonexistent/ca"}, "nobody is asked"),
    ],
)
def test_what_is_not_set_up_is_said_and_unknown(tmp_path, hibp, more, log):
    with process(tmp_path, hibp, **more) as breach_process:
        assert log in breach_process.log
        assert breach_process.client().ask(ANN, 1.0).problem == "the source is not set up"
    assert hibp.requests == []


def test_without_its_store_nobody_is_asked(tmp_path, hibp):
    with process(tmp_path, hibp, store="sqlite:////nonexistent/store.db") as breach_process:
        client = breach_process.client()
        until(lambda: breach_process.counters.get("lists read"))
        started = time.monotonic()
        assert {client.ask(f"{number}@signed.example", 1.0).result for number in range(50)} == {UNKNOWN}
        assert time.monotonic() - started < 10.0  # each waiting its second: 50
        assert "the store: " in breach_process.log
    assert hibp.ranges == []


def test_a_process_that_dies_costs_nobody_more_than_a_moment(tmp_path, hibp):
    breach_process = process(tmp_path, hibp, timeout="10s")
    breach_process.start()
    until(lambda: breach_process.counters.get("lists read"))
    hibp.pause = 3.0
    client = breach_process.client()
    with ThreadPoolExecutor(1) as threads:
        waiting = threads.submit(client.ask, ANN, 30.0)
        until(lambda: hibp.ranges)
        breach_process.kill()
        assert waiting.result(10).problem == "the breach process is away"
    started = time.monotonic()
    assert client.ask(ANN, 30.0).result is UNKNOWN
    client.peek(BEN)
    assert time.monotonic() - started < 10.0
    hibp.pause = 0.0
    breach_process.start()
    assert ask(client, ANN).result is LISTED
    assert client.counters()["worker: away"] >= 2
    assert breach_process.stop() == 0


def test_no_message_waits_longer_than_it_says(tmp_path, hibp):
    with process(tmp_path, hibp, timeout="5s") as breach_process:
        until(lambda: breach_process.counters.get("lists read"))
        hibp.pause = 3.0
        client = breach_process.client()
        for wait in (0.0, 0.05, 0.3):
            assert client.ask(ANN, wait).problem == "no answer yet"  # though one is on its way
        assert until(lambda: client.ask(ANN, 0.0).result is LISTED)  # it came too late for that one, not for the next
    assert hibp.ranges == [prefix(ANN)]


def test_a_crowd_of_strangers_and_a_slow_source(tmp_path, hibp):
    """The full measure, 10,000 at 200 a second, is bench/breach.py."""
    hibp.rpm = 10
    with process(tmp_path, hibp, rpm=10, delay="10m", queue=100) as breach_process:
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


def test_nothing_but_prefixes_and_verdicts_under_a_key(tmp_path, hibp):
    people = [f"person{number}@signed.example" for number in range(20)]
    with process(tmp_path, hibp) as breach_process:
        client = breach_process.client()
        for person in people:
            ask(client, person)
    assert [len(asked) for asked in hibp.ranges] == [6] * 20
    assert sorted(hibp.ranges) == sorted(map(prefix, people))
    kept = b"".join(path.read_bytes() for path in tmp_path.glob("breach.[djlt]*"))
    requests = "".join(f"{request.path}{request.headers}" for request in hibp.requests).upper()
    for person in people:
        hashed = hashlib.sha1(person.encode()).hexdigest().upper()
        assert person.encode() not in kept
        assert bytes.fromhex(hashed) not in kept
        assert hashed[:6].encode() not in kept
        assert hashed[6:12] not in requests


def test_what_is_no_question_is_ignored_and_others_are_answered(tmp_path, hibp):
    with process(tmp_path, hibp) as breach_process:
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as rude:
            rude.connect(str(breach_process.socket))
            for junk in (b"x", b"n" + b"1" * 19, b"n" + b"1" * 21, b"z" + b"1" * 20, b"n" * 2000):
                rude.send(junk)
            assert ask(breach_process.client(), ANN).result is LISTED
        assert breach_process.socket.stat().st_mode & 0o777 == 0o600


def test_a_worker_that_does_not_read_holds_up_nobody(tmp_path, hibp):
    with process(tmp_path, hibp) as breach_process:
        ask(breach_process.client(), ANN)
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as deaf:
            deaf.connect(str(breach_process.socket))
            for _ in range(3000):
                deaf.send(breach_wire.ask(Wish.NOW, sha1(ANN)))
            assert ask(breach_process.client(), ANN).result is LISTED
            until(lambda: breach_process.counters.get("answers dropped", 0) > 100)


def test_what_a_worker_remembers_is_bounded(tmp_path, hibp):
    with process(tmp_path, hibp) as breach_process:
        client = BreachClient(breach_process.socket, remembered=3)
        for number in range(6):
            ask(client, f"{number}@signed.example")
        assert len(client._known) == 3


def test_an_address_that_is_not_asked_about_is_skipped(tmp_path):
    client = BreachClient(tmp_path / "nobody.sock")
    client.peek("jörg@signed.example")
    assert client.ask("jörg@signed.example", 5.0).result is BreachResult.SKIPPED


def test_a_worker_that_was_out_of_descriptors_asks_again_later(tmp_path):
    few, many = resource.getrlimit(resource.RLIMIT_NOFILE)
    breach_process = file_process(tmp_path, LIST)
    resource.setrlimit(resource.RLIMIT_NOFILE, (3, many))
    try:
        client = BreachClient(breach_process.socket)
        time.sleep(0.3)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (few, many))
    with breach_process:
        assert ask(client, ANN).result is LISTED


def test_an_answer_that_makes_no_sense_does_not_end_the_thread_that_takes_them(tmp_path):
    bugs = []
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listening:
        listening.settimeout(30)
        listening.bind(str(tmp_path / "breach.sock"))
        listening.listen()
        BreachClient(tmp_path / "breach.sock", surprised=lambda where, error: bugs.append((where, error)))
        first, _ = listening.accept()
        first.send(b"nonsense")
        second, _ = listening.accept()  # it has begun again
        first.close()
        second.close()
    assert [where for where, _ in bugs] == ["breach client"]


def test_questions_may_be_counted_while_the_counters_are_read(tmp_path):
    client = BreachClient(tmp_path / "nobody.sock")

    class Counted(str):
        def __format__(self, _):
            client._counts["another"] += 1
            return str(self)

    client._counts[Counted("one")] = 1
    client._counts["two"] = 2
    assert client.counters() == {"worker: one": 1, "worker: two": 2}


def stop_or_continue(running: postgres.Postgres, wish: signal.Signals) -> None:
    """All processes of the database: it is there, takes what it is sent, and says nothing."""
    first = int((running._root / "data" / "postmaster.pid").read_text().split()[0])
    for pid in [first, *map(int, Path(f"/proc/{first}/task/{first}/children").read_text().split())]:
        os.kill(pid, wish)


def test_for_a_database_that_hangs_only_a_few_messages_wait(tmp_path, hibp, monkeypatch):
    if reason := postgres.missing():
        pytest.skip(reason)
    monkeypatch.setattr(breach_client, "_PAUSE", 2.0)
    said: list[str] = []
    with postgres.Postgres() as running, process(tmp_path, hibp, store=running.url) as breach_process:
        client = BreachClient(breach_process.socket, say=said.append)
        assert ask(client, ANN).result is LISTED
        stop_or_continue(running, signal.SIGSTOP)
        try:
            before = client.counters().get("worker: late", 0)
            began = time.monotonic()
            for number in range(100):
                assert client.ask(f"hung{number}@signed.example", 0.2).result is UNKNOWN
            counted = client.counters()
            assert counted["worker: late"] - before <= 3 + (time.monotonic() - began) / 2.0
            assert counted["worker: not waited"] > 50
            assert [line for line in said if "too late" in line] == said[-1:]
        finally:
            stop_or_continue(running, signal.SIGCONT)
        fresh = (f"after{number}@signed.example" for number in itertools.count())
        until(lambda: client.ask(next(fresh), 5.0).result is NOT_LISTED, 90)
        assert sum("too late" in line for line in said) == sum("in time again" in line for line in said)
        assert "in time again" in said[-1]


def test_packets_come_out_as_they_went_in():
    verdict = BreachVerdict(result=LISTED, source="s", newest="2026-05", classes=("a", "b"), checked="c", problem="p")
    reply = breach_wire.Reply(b"d" * 20, 600, verdict)
    assert breach_wire.replied(breach_wire.reply(reply)) == reply
    for wish in Wish:
        assert breach_wire.asked(breach_wire.ask(wish, b"d" * 20)) == (wish, b"d" * 20)


def file_process(directory: Path, text: str) -> BreachProcess:
    (directory / "list").write_text(text)
    return BreachProcess(directory, {"source": "file", "file": str(directory / "list")})


LIST = f"""# our incident of May
{ANN.upper()}
{hashlib.sha1(BEN.encode()).hexdigest()}:17   2026-05   passwords,stealer-log
third@signed.example 2026-04
"""


def test_a_list_of_ones_own(tmp_path):
    with file_process(tmp_path, LIST) as breach_process:
        client = breach_process.client()
        first = ask(client, ANN)
        assert (first.result, first.source, first.classes) == (LISTED, "local", ("incident",))
        assert first.newest == TODAY.isoformat()[:7]
        second = ask(client, BEN)
        assert (second.newest, second.classes) == ("2026-05", ("passwords", "stealer-log"))
        assert ask(client, "third@signed.example").newest == "2026-04"
        assert ask(client, CLEAN).result is NOT_LISTED


def test_a_list_that_changes_is_read_again(tmp_path):
    with file_process(tmp_path, LIST) as breach_process:
        client = breach_process.client()
        assert ask(client, CLEAN).result is NOT_LISTED
        (tmp_path / "list").write_text(LIST + CLEAN + "\n")
        until(lambda: client.ask(CLEAN, 1.0).result is LISTED)
        (tmp_path / "list").write_text("not an address\n")
        until(lambda: "line 1 is not an address" in breach_process.log)
        assert client.ask(CLEAN, 1.0).result is LISTED  # the one before stays
        (tmp_path / "list").write_text("")
        until(lambda: client.ask(CLEAN, 1.0).result is NOT_LISTED)


def test_a_list_that_is_missing_is_unknown(tmp_path):
    (tmp_path / "x").mkdir()
    breach_process = BreachProcess(tmp_path, {"source": "file", "file": str(tmp_path / "list")})
    with breach_process:
        client = breach_process.client()
        assert client.ask(ANN, 1.0).problem == "there is no list"
        (tmp_path / "list").write_text(ANN)
        assert ask(client, ANN).result is LISTED
        assert breach_process.log.count("No such file") == 1


@pytest.mark.skipif(os.geteuid() != 0, reason="root alone can be another user")
def test_a_list_that_may_not_be_read_is_read_when_it_may(tmp_path):
    """Neither its time nor its size changes."""
    said: list[str] = []
    with scratch() as directory:
        file = Path(directory, "list")
        file.write_text(ANN)
        desk = FileDesk(file, lambda: None, said.append)
        for mode in (0o600, 0o644):
            file.chmod(mode)
            os.seteuid(65534)
            try:
                asyncio.run(desk.look())
                asyncio.run(desk.look())
            finally:
                os.seteuid(0)
    assert said == [f"{file}: Permission denied"]
    assert desk.counts == {"lists refused": 1, "lists read": 1}


def test_a_list_that_cannot_be_looked_at_is_said_once(tmp_path):
    said: list[str] = []
    (tmp_path / "file").write_text("")
    desk = FileDesk(tmp_path / "file" / "list", lambda: None, said.append)
    for _ in range(3):
        asyncio.run(desk.look())
    assert said == [f"{tmp_path}/file/list: Not a directory"]


@pytest.mark.parametrize("entry", [f"<{ANN}>", f"{ANN},2026-05", f"{ANN};", "@signed.example", f"Ann <{ANN}>"])
def test_an_entry_that_is_no_address_is_refused(entry):
    with pytest.raises(ValueError, match="line 2 is not an address"):
        parse([ANN, entry], "2026-05")


def test_the_process_starts_no_threads_that_keep_it_from_ending(tmp_path, hibp):
    hibp.pause = 5.0
    breach_process = process(tmp_path, hibp, timeout="20s")
    breach_process.start()
    threading.Thread(target=breach_process.client().ask, args=(ANN, 1.0), daemon=True).start()
    time.sleep(0.2)
    started = time.monotonic()
    assert breach_process.stop() == 0
    assert time.monotonic() - started < 4.0  # sooner than the answer
