"""breach – what the breach look-up costs: a crowd of strangers on a source of 10 a minute, and a warm cache.

    python -m bench.breach [--messages N] [--rate N]

10,000 distinct senders at 200 messages a second: none may wait longer than `wait`, and none may be lost. Then
the same 200 senders again and again, with the look-up off and on in turn: throughput and CPU time.

Raises     RuntimeError if something does not come up
"""

import argparse
import contextlib
import functools
import os
import statistics
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from tempfile import TemporaryDirectory

from lab import world
from lab.breachprocess import toml
from lab.daemon import Daemon
from lab.dnsserver import DnsServer
from lab.hibp_server import HibpServer
from lab.milterclient import MilterClient
from lab.wait import until

CONNECTIONS, WAIT = 16, 1.0
SENDERS = 200  # of the warm cache


@functools.cache
def signed(number: int) -> bytes:
    return world.signed(world.letter(f"<sender{number}@signed.example>"), b"signed.example")


class Clients:
    """A connection for each thread. What is not signed passes by SPF."""

    def __init__(self, daemon: Daemon, *, signed: bool) -> None:
        self._daemon, self._mine, self._signed = daemon, threading.local(), signed

    def send(self, number: int) -> tuple[bool, bool, float]:
        """Accepted? flagged? and for how many seconds the end of the message was waited for."""
        if not hasattr(self._mine, "client"):
            self._mine.client = MilterClient(self._daemon.socket)
            self._mine.client.connect(world.HOST, helo=world.HOST_NAME.encode())
        sender = f"sender{number}@signed.example"
        letter = signed(number) if self._signed else world.letter(f"<{sender}>")
        started = time.perf_counter()
        answer = self._mine.client.message(sender.encode(), letter)
        flagged = any(name == "Sender-Breach-Info" for _, name, _ in answer.inserted)
        return answer.accepted, flagged, time.perf_counter() - started


@contextlib.contextmanager
def daemon(directory: Path, dns: str, hibp: HibpServer, rpm: int, *, enabled: bool) -> Iterator[Daemon]:
    settings = hibp.settings() | {"enabled": enabled, "wait": f"{WAIT:g}s", "rpm": rpm}
    more = f'[trust]\nnetworks = []\n[breach]\n{toml(settings)}[store]\nurl = "sqlite:///{directory}/store.db"\n'
    with Daemon(directory, f"{enabled}{rpm}", dns, more, workers=2) as running:
        if enabled:
            until(lambda: "state=ready" in running.log)
            until(lambda: any(request.path.endswith("/breaches") for request in hibp.requests))
        yield running


def crowd(running: Daemon, messages: int, rate: int) -> str:
    clients = Clients(running, signed=False)
    begun = time.perf_counter()

    def one(number: int) -> tuple[bool, bool, float]:
        time.sleep(max(0.0, begun + number / rate - time.perf_counter()))
        return clients.send(number)

    with ThreadPoolExecutor(CONNECTIONS) as threads:
        results = list(threads.map(one, range(messages)))
    waits = sorted(seconds for _, _, seconds in results)
    lost = sum(not accepted for accepted, _, _ in results)
    took = time.perf_counter() - begun
    return (
        f"{messages} senders at {messages / took:.0f}/s: {lost} lost;"
        f" waited at most {waits[-1] * 1000:.0f} ms,"
        f" 99 % under {waits[len(waits) * 99 // 100] * 1000:.1f} ms, half under {waits[len(waits) // 2] * 1000:.1f} ms"
    )


def warm(running: Daemon, messages: int) -> tuple[float, float, float]:
    """Messages a second, CPU milliseconds of all its processes for one, and the share that was flagged."""
    clients = Clients(running, signed=True)
    with ThreadPoolExecutor(CONNECTIONS) as threads:
        list(threads.map(clients.send, range(SENDERS)))
        cpu, begun = _cpu(running), time.perf_counter()
        results = list(threads.map(lambda number: clients.send(number % SENDERS), range(messages)))
        took = time.perf_counter() - begun
    used = (_cpu(running) - cpu) * 1000 / messages
    return messages / took, used, sum(flagged for _, flagged, _ in results) / messages


def _cpu(running: Daemon) -> float:
    """Seconds of CPU time that the daemon's processes have used."""
    ticks = 0
    for pid in running.workers:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


def compare(make: Callable[[bool], contextlib.AbstractContextManager[Daemon]], messages: int, rounds: int) -> str:
    found: dict[bool, list[tuple[float, float, float]]] = {False: [], True: []}
    with make(False) as off, make(True) as on:
        warm(on, SENDERS * 5)  # what is asked about is asked now
        for _ in range(rounds):
            for enabled, running in ((False, off), (True, on)):
                found[enabled].append(warm(running, messages))
    rate = {enabled: statistics.median(one[0] for one in runs) for enabled, runs in found.items()}
    change = statistics.median(on[0] / off[0] - 1 for off, on in zip(found[False], found[True], strict=True))
    cpu = {enabled: statistics.median(one[1] for one in runs) for enabled, runs in found.items()}
    flagged = statistics.median(one[2] for one in found[True])
    return (
        f"warm cache, {flagged:.0%} flagged: {rate[False]:.0f}/s off, {rate[True]:.0f}/s on"
        f" ({change:+.1%}); CPU {cpu[False]:.3f} ms off, {cpu[True]:.3f} ms on"
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--messages", type=int, default=10_000)
    parser.add_argument("--rate", type=int, default=200)
    arguments = parser.parse_args()
    listed = {f"sender{number}@signed.example": ["Fresh"] for number in range(0, SENDERS, 2)}
    with TemporaryDirectory() as scratch, DnsServer(world.zone()) as dns:
        slow, fast = Path(scratch, "slow"), Path(scratch, "fast")
        slow.mkdir()
        fast.mkdir()
        with HibpServer(slow, listed, rpm=10) as hibp, daemon(slow, dns.address, hibp, 10, enabled=True) as running:
            print(crowd(running, arguments.messages, arguments.rate))
            print(f"asked of the source, which allows 10 a minute: {len(hibp.ranges)}")
        with HibpServer(fast, listed) as hibp:
            print(compare(lambda enabled: daemon(fast, dns.address, hibp, 60_000, enabled=enabled), 3000, 9))
    return 0


if __name__ == "__main__":
    sys.exit(main())
