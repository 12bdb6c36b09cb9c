"""A bug on the threads that hear DNS answers costs one question: others are heard, and the same is asked again."""

import os
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from lab import world
from lab.daemon import Daemon, scratch
from lab.dnsserver import DnsServer, Manner
from lab.injection import at_call
from lab.milterclient import MilterClient
from lab.settings import name_servers
from lab.wait import until
from mailvet.dns import dnspython, exchange, tcp
from mailvet.dns.cache import AnswerCache
from mailvet.dns.lookups import Pending
from mailvet.dns.resolver import Resolver
from mailvet.dns.udp import Transport
from mailvet.ports import Answer, Record, RecordType, Trouble, Unavailable
from mailvet.settings import DnsSettings

ZONE: Mapping[str, Mapping[str, Any]] = {
    "a.example": {"TXT": ["a"]},
    "b.example": {"TXT": ["b"]},
    "large.example": {"TXT": ["large"], "manner": Manner.TRUNCATE},
    "silent.example": {"TXT": ["silent"], "manner": Manner.DROP_ONCE},
}
TIMEOUT = 2.0


class Once:
    """Raises the first time only."""

    def __init__(self, raised: type[BaseException]) -> None:
        self._raised, self._over, self.met = raised, threading.Lock(), False

    def __call__(self) -> None:
        if self._over.acquire(blocking=False):
            self.met = True
            raise self._raised("injected")


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@contextmanager
def resolving() -> Iterator[tuple[Resolver, Clock, list[tuple[str, BaseException]]]]:
    bugs: list[tuple[str, BaseException]] = []
    clock = Clock()
    with DnsServer(ZONE) as server:
        settings = DnsSettings(
            nameservers=name_servers(
                server.address,
            ),
            timeout=TIMEOUT,
        )
        resolver = Resolver(settings, clock, report_bug=lambda where, error: bugs.append((where, error)))
        resolver.start()
        try:
            yield resolver, clock, bugs
        finally:
            resolver.close()


def ask(resolver: Resolver, name: str) -> tuple[Record, ...] | Trouble:
    try:
        return resolver.new_lookups().ask(name, RecordType.TXT).records
    except Unavailable as e:
        return e.trouble


UDP: dict[str, Any] = {
    "is_answer": exchange.is_answer,
    "is_conclusive": exchange.is_conclusive,
    "_received": Transport._received,
    "_drop": Transport._drop,
    "_finish": Transport._finish,
    "_report": Transport._report,
    "_next": Transport._next,
    "is_truncated": dnspython.is_truncated,
    "Resolver._received": Resolver._received,
    "_evaluate": Resolver._evaluate,
    "_read": Resolver._read,
    "_settle": Resolver._settle,
    "keep": AnswerCache.keep,
}
TCP: dict[str, Any] = {"_over_tcp": Resolver._over_tcp, "tcp.ask": tcp.ask, "tcp._exactly": tcp._exactly}


@pytest.mark.parametrize("raised", [ValueError, MemoryError, SystemExit])
@pytest.mark.parametrize("function", UDP.values(), ids=UDP)
def test_a_bug_on_the_receiving_thread_costs_one_answer(function: Any, raised: type[BaseException]) -> None:
    with resolving() as (resolver, clock, bugs):
        fault = Once(raised)
        with at_call(function, fault):
            ask(resolver, "a.example")
            assert fault.met
            assert ask(resolver, "b.example") == (b"b",)
        assert not resolver.deaf
        until(lambda: bugs)
        assert [type(error) for _, error in bugs] == [raised]
        assert resolver.counters()["bugs"] == 1
        if function is Transport._report:  # nobody knows what came of it: in time it is asked anew
            forget(resolver)
        clock.now += 10
        assert ask(resolver, "a.example") == (b"a",)


def forget(resolver: Resolver) -> None:
    for pending in resolver._pending.values():
        pending.started -= 3 * TIMEOUT


@pytest.mark.parametrize("function", TCP.values(), ids=TCP)
def test_a_bug_in_asking_over_tcp_costs_one_answer(function: Any) -> None:
    with resolving() as (resolver, clock, bugs):
        with at_call(function, Once(KeyError)):
            assert ask(resolver, "large.example") is Trouble.BROKEN
        clock.now += 10
        assert ask(resolver, "large.example") == (b"large",)
        assert [type(error) for _, error in bugs] == [KeyError]


def test_a_bug_in_looking_for_late_answers_delays_them() -> None:
    with resolving() as (resolver, _, bugs), at_call(Transport._expire, Once(MemoryError)):
        assert ask(resolver, "silent.example") == (b"silent",)  # asked a second time half-way
        assert len(bugs) == 1


def test_whatever_a_listener_raises_is_heard_by_nobody_else() -> None:
    def listener(_: Answer) -> None:
        raise SystemExit

    with resolving() as (resolver, _, bugs):
        resolver.new_lookups().ahead("a.example", RecordType.TXT, listener)
        until(lambda: bugs)
        assert ask(resolver, "b.example") == (b"b",)
        assert [where for where, _ in bugs] == ["asking ahead"]


def test_a_question_that_was_lost_is_asked_again() -> None:
    with resolving() as (resolver, _, _), at_call(Resolver._guarded, Once(ValueError)):
        lost = resolver.fetch(("a.example", RecordType.TXT))
        assert isinstance(lost, Pending)
        until(lambda: resolver.counters()["bugs"])
        assert resolver.fetch(("a.example", RecordType.TXT)) is lost
        forget(resolver)
        assert ask(resolver, "a.example") == (b"a",)


def test_a_receiver_that_cannot_go_on_is_noticed() -> None:
    with resolving() as (resolver, _, bugs):
        assert resolver._transport._epoll is not None
        resolver._transport._epoll.close()
        os.eventfd_write(resolver._transport._wake, 1)
        until(lambda: resolver.deaf)
        assert len(bugs) == 100
        assert {where for where, _ in bugs} == {"dns receiver"}


PROGRAM = """
import os, sys
from mailvet.commands import cli
from mailvet.daemon.health_check import HealthCheck
from mailvet.dns.udp import Transport
from mailvet.daemon.worker import Worker

marker = sys.argv.pop(1)

def once(do, otherwise):
    def either(self, *arguments):
        try:
            os.close(os.open(marker, os.O_CREAT | os.O_EXCL))
        except FileExistsError:
            return otherwise(self, *arguments)
        return do()
    return either

def fail(*_):
    raise SystemExit("injected")

def bug(*_):
    raise RuntimeError("injected")

{fault}
sys.exit(cli.main())
"""
LETTER = world.signed(world.letter("<a@signed.example>"), b"signed.example")


@contextmanager
def daemon(fault: str) -> Iterator[Daemon]:
    with scratch() as directory, DnsServer(world.zone()) as server:
        program = ("-c", PROGRAM.format(fault=fault), str(Path(directory) / "met"))
        more = "[trust]\nnetworks = []\n"
        with Daemon(Path(directory), "faulty", server.address, more, program=program) as running:
            yield running


def judges(running: Daemon) -> bool:
    with MilterClient(running.socket) as client:
        client.connect(world.STRANGER)
        return "dmarc=pass" in client.message(b"a@signed.example", LETTER).inserted[0][2]


@pytest.mark.parametrize(
    "fault",
    [
        pytest.param("Transport._receive = once(lambda: None, Transport._receive)", id="hears no DNS answers"),
        pytest.param("HealthCheck.look = once(fail, HealthCheck.look)", id="has nobody who could end it"),
    ],
)
def test_a_worker_that_is_of_no_use_any_more_is_replaced(fault: str) -> None:
    with daemon(fault) as running:
        until(lambda: "event=died process=worker-0" in running.log)
        until(lambda: running.workers)
        assert judges(running)


def test_a_worker_that_cannot_count_is_replaced_all_the_same() -> None:
    """After a reload, the old policy would stay at work beside the new one."""
    with daemon("Worker._count = bug") as running:
        (old,) = running.workers
        until(lambda: "event=bug where=counters" in running.log)
        running.reload("mx.example.org", "mx2.example.org")
        until(lambda: old not in running.workers)
        assert judges(running)
