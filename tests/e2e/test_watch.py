"""What a worker notices by itself: threads that cannot be made, descriptors used up; and workers that would stay."""

import itertools
import os
import re
import resource
import socket
import struct
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lab import daemon as lab_daemon, world
from lab.daemon import Daemon, scratch
from lab.milterclient import MilterClient
from lab.postfix import free_port
from lab.wait import until

LETTER = world.letter("<a@signed.example>")
SPOKEN = struct.pack("!I", 13) + b"O" + struct.pack("!III", 6, 0x1FF, 0x1FFFFF)  # a client's first words


class Small(Daemon):
    """One worker, DNS that says nothing, and a message waits for it no longer than a second."""

    def __init__(self, directory: Path, dns: str, metrics: str = "") -> None:
        super().__init__(directory, "small", dns, "[trust]\nnetworks = []\n", metrics=metrics)
        self._config.write_text(self._config.read_text().replace('budget = "6s"', 'budget = "1s"'))

    def gauge(self, sample: str) -> float:
        """What Prometheus would read."""
        with socket.create_connection(("127.0.0.1", self.port), 60) as reader, reader.makefile("rb") as file:
            reader.sendall(b"GET /metrics HTTP/1.0\r\n\r\n")
            found = re.search(rf"^{re.escape(sample)} (\S+)$", file.read().decode(), re.M)
        return float(found[1]) if found else 0.0

    port = 0


@pytest.fixture
def silent() -> Iterator[str]:
    """A name server that never answers."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as deaf:
        deaf.bind(("127.0.0.1", 0))
        yield f"127.0.0.1:{deaf.getsockname()[1]}"


def as_somebody() -> list[str]:
    """What makes a command run as a user whom RLIMIT_NPROC binds, which root it does not."""
    if os.geteuid():
        return []
    caps = "+dac_override,+dac_read_search"  # the checkout and the scratch directory are root's
    who = ["--reuid=54321", "--regid=54321", "--clear-groups"]
    return ["setpriv", *who, f"--inh-caps={caps}", f"--ambient-caps={caps}"]


def allow_threads(pid: int, most: str) -> None:
    subprocess.run([*as_somebody(), "prlimit", f"--pid={pid}", f"--nproc={most}:"], check=True)


@pytest.fixture
def small(silent: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Small]:
    usual = lab_daemon.command
    monkeypatch.setattr(lab_daemon, "command", lambda *words, **more: [*as_somebody(), *usual(*words, **more)])
    with scratch() as directory:
        port = free_port()
        daemon = Small(Path(directory), silent, f"127.0.0.1:{port}")
        daemon.port = port
        with daemon:
            yield daemon


def descriptors(pid: int) -> list[str]:
    """What they stand for."""
    return [os.readlink(f"/proc/{pid}/fd/{number}") for number in os.listdir(f"/proc/{pid}/fd")]


def processor(pid: int) -> float:
    """Seconds of CPU."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def deliver(clients: list[MilterClient]) -> list[str]:
    """A message through each, all at the same time, with a domain of its own each to ask for; how each ended."""
    ends: list[str] = []

    def one(number: int, client: MilterClient) -> None:
        letter = world.letter(f"<a@sender{number}.example>")
        try:
            ends.append("accepted" if client.message(b"a@sender%d.example" % number, letter).accepted else "refused")
        except OSError:
            ends.append("cut")

    threads = [threading.Thread(target=one, args=(number, client)) for number, client in enumerate(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return ends


def test_a_message_for_which_there_is_no_thread_is_noticed_and_ended(small: Small) -> None:
    """libmilter leaves its connection alone for ever, with Postfix at the other end."""
    (worker, *_) = small.workers
    _, most = resource.getrlimit(resource.RLIMIT_NPROC)
    clients: list[MilterClient] = []
    for _ in range(60):  # libmilter keeps ten threads at most; each of theirs waits for the DNS
        client = MilterClient(small.socket)
        client.connect(world.STRANGER)
        clients.append(client)
    allow_threads(worker, "1")
    ends = deliver(clients)  # none of them waits for the 60 seconds that the client would
    assert "cut" in ends
    assert set(ends) <= {"cut", "accepted"}
    until(lambda: " error event=stuck" in small.log)
    until(lambda: small.gauge('mailvet_sessions{state="stuck"}') > 0)
    allow_threads(worker, "unlimited" if most == resource.RLIM_INFINITY else str(most))
    with MilterClient(small.socket) as client:
        client.connect(world.STRANGER)
        assert client.message(b"a@signed.example", LETTER).accepted
    for client in clients:
        client.__exit__()
    assert worker in small.workers


def test_a_worker_that_has_lost_many_connections_is_replaced(small: Small) -> None:
    """libmilter never frees them: in the end there would be no descriptor left."""
    (worker, *_) = small.workers
    clients = [MilterClient(small.socket) for _ in range(150)]  # of which libmilter keeps ten threads busy
    for client in clients:
        client.connect(world.STRANGER)
    allow_threads(worker, "1")
    assert deliver(clients).count("cut") >= 50
    until(lambda: worker not in small.workers)
    assert "event=died process=worker-0" in small.log
    with MilterClient(small.socket) as client:
        client.connect(world.STRANGER)
        assert client.message(b"a@signed.example", LETTER).accepted
    for client in clients:
        client.__exit__()


def test_a_client_that_is_slow_is_not_stuck(small: Small) -> None:
    with MilterClient(small.socket) as idle, MilterClient(small.socket) as slow:
        idle.connect(world.STRANGER)
        slow.connect(world.STRANGER)
        slow.step(b"M", b"<a@signed.example>\0")
        slow._socket.sendall(struct.pack("!I", 100) + b"L")  # the rest of the packet does not come
        until(lambda: small.gauge('mailvet_sessions{state="message"}') == 1)
        until(lambda: small.gauge('mailvet_sessions{state="idle"}') == 1)
        # longer than it takes to call one stuck: 11 seconds of looks
        looks = [0]

        def looked() -> bool:
            looks[0] += 1
            return looks[0] > 800

        until(looked, 120)
        assert small.gauge('mailvet_sessions{state="stuck"}') == 0
        assert idle.message(b"a@signed.example", LETTER).accepted
    assert "event=stuck" not in small.log


def test_descriptors_used_up_are_said_burn_no_time_and_mail_goes_on_when_some_are_free(silent: str) -> None:
    """accept() fails at once for as long as there is none, and libmilter asks without a pause."""
    with scratch() as directory, Small(Path(directory), silent) as daemon:
        (worker,) = daemon.workers
        until(lambda: any("livemax" in file for file in descriptors(worker)))  # it has looked for the first time
        most = len(descriptors(worker)) + 30
        resource.prlimit(worker, resource.RLIMIT_NOFILE, (most, resource.prlimit(worker, resource.RLIMIT_NOFILE)[1]))
        crowd = [socket.socket(socket.AF_UNIX) for _ in range(60)]
        for other in crowd:
            other.connect(str(daemon.socket))
            other.sendall(SPOKEN)
        until(lambda: f" error event=descriptors open={most} limit={most} " in daemon.log)
        before = processor(worker)
        waited = threading.Event()
        waited.wait(3)
        assert processor(worker) - before < 1.5
        crowd[-1].settimeout(60)
        for other in crowd[:-1]:
            other.close()
        assert crowd[-1].recv(100)[4:5] == b"O"  # it had its turn
        crowd[-1].close()
        until(lambda: " info event=descriptors" in daemon.log)
        with MilterClient(daemon.socket) as client:
            client.connect(world.STRANGER)
            assert client.message(b"a@signed.example", LETTER).accepted
        assert daemon.workers == [worker]
        assert daemon.log.count(" error event=descriptors") <= 2


def test_after_many_reloads_few_workers_are_left_whatever_their_clients_do(silent: str) -> None:
    with scratch() as directory, Small(Path(directory), silent) as daemon:
        clients: list[Any] = []
        first = MilterClient(daemon.socket)
        first.connect(world.STRANGER)
        first.step(b"M", b"<a@signed.example>\0")
        first.step(b"L", b"From\0 <a@signed.example>\0")
        first.step(b"N")
        names = [f"mx{number}.example.org" for number in range(11)]
        daemon.reload("mx.example.org", names[0])
        for before, after in itertools.pairwise(names):
            idle = MilterClient(daemon.socket)
            idle.connect(world.STRANGER)
            clients.append(idle)
            daemon.reload(before, after)
        until(lambda: len(daemon.workers) <= 1 + 4)  # one at work, and some that retire
        try:
            assert first.end().accepted
        except ConnectionError:  # on a slow machine: Postfix says 451, and the message is tried again
            assert "killed: it was still busy" in daemon.log
        first.__exit__()
        until(lambda: len(daemon.workers) <= 1 + 2)
        assert daemon.log.count("told to finish: there were other reloads") >= 8
        assert "event=died" not in daemon.log
        with MilterClient(daemon.socket) as client:
            client.connect(world.STRANGER)
            answer = client.message(b"a@signed.example", LETTER)
            assert answer.inserted[0][2].strip().startswith("mx10.example.org;")
        for idle in clients:
            idle.__exit__()
