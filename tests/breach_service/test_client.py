"""The workers' end: it never waits longer than it is told, whatever becomes of the breach process or its database."""

import itertools
import resource
import signal
import socket
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from lab import postgres
from lab.breachprocess import ANN, BEN, ask, hibp_process, own_list_process, prefix
from lab.hibp_server import HibpServer
from lab.wait import until
from mailvet.breach_service.client import BreachClient
from mailvet.checks.breach import pace
from mailvet.verdict import BreachResult

LISTED, NOT_LISTED, UNKNOWN = BreachResult.LISTED, BreachResult.NOT_LISTED, BreachResult.UNKNOWN


def test_a_process_that_dies_costs_nobody_more_than_a_moment(tmp_path: Path, hibp: HibpServer) -> None:
    breach_process = hibp_process(tmp_path, hibp, timeout="10s")
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


def test_no_message_waits_longer_than_it_says(tmp_path: Path, hibp: HibpServer) -> None:
    with hibp_process(tmp_path, hibp, timeout="5s") as breach_process:
        until(lambda: breach_process.counters.get("lists read"))
        hibp.pause = 3.0
        client = breach_process.client()
        for wait in (0.0, 0.05, 0.3):
            assert client.ask(ANN, wait).problem == "no answer yet"  # though one is on its way
        assert until(lambda: client.ask(ANN, 0.0).result is LISTED)  # it came too late for that one, not for the next
    assert hibp.ranges == [prefix(ANN)]


def test_what_a_worker_remembers_is_bounded(tmp_path: Path, hibp: HibpServer) -> None:
    with hibp_process(tmp_path, hibp) as breach_process:
        client = BreachClient(breach_process.socket, remembered=3)
        for number in range(6):
            ask(client, f"{number}@signed.example")
        assert len(client._known) == 3


def test_an_address_that_is_not_asked_about_is_skipped(tmp_path: Path) -> None:
    client = BreachClient(tmp_path / "nobody.sock")
    client.peek("jörg@signed.example")
    assert client.ask("jörg@signed.example", 5.0).result is BreachResult.SKIPPED


def test_a_worker_that_was_out_of_descriptors_asks_again_later(tmp_path: Path) -> None:
    few, many = resource.getrlimit(resource.RLIMIT_NOFILE)
    breach_process = own_list_process(tmp_path, ANN)
    resource.setrlimit(resource.RLIMIT_NOFILE, (3, many))
    try:
        client = BreachClient(breach_process.socket)
        time.sleep(0.3)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (few, many))
    with breach_process:
        assert ask(client, ANN).result is LISTED


def test_an_answer_that_makes_no_sense_does_not_end_the_thread_that_takes_them(tmp_path: Path) -> None:
    bugs = []
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listening:
        listening.settimeout(30)
        listening.bind(str(tmp_path / "breach.sock"))
        listening.listen()
        BreachClient(tmp_path / "breach.sock", report_bug=lambda where, error: bugs.append((where, error)))
        first, _ = listening.accept()
        first.send(b"nonsense")
        second, _ = listening.accept()  # it has begun again
        first.close()
        second.close()
    assert [where for where, _ in bugs] == ["breach client"]


def test_questions_may_be_counted_while_the_counters_are_read(tmp_path: Path) -> None:
    client = BreachClient(tmp_path / "nobody.sock")

    class Counted(str):
        def __format__(self, _: str) -> str:
            client._counts["another"] += 1
            return str(self)

    client._counts[Counted("one")] = 1
    client._counts["two"] = 2
    assert client.counters() == {"worker: one": 1, "worker: two": 2}


def test_for_a_database_that_hangs_only_a_few_messages_wait(
    tmp_path: Path, hibp: HibpServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    if reason := postgres.missing():
        pytest.skip(reason)
    monkeypatch.setattr(pace, "_PROBE_INTERVAL", 2.0)
    said: list[str] = []
    with postgres.Postgres() as running, hibp_process(tmp_path, hibp, store=running.url) as breach_process:
        client = BreachClient(breach_process.socket, say=said.append)
        assert ask(client, ANN).result is LISTED
        running.send(signal.SIGSTOP)
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
            running.send(signal.SIGCONT)
        fresh = (f"after{number}@signed.example" for number in itertools.count())
        until(lambda: client.ask(next(fresh), 5.0).result is NOT_LISTED, 90)
        assert sum("too late" in line for line in said) == sum("in time again" in line for line in said)
        assert "in time again" in said[-1]
