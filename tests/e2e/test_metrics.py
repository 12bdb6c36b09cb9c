"""What Prometheus and a load balancer are told: /metrics, /healthz, /readyz, with workers that come and go."""

import http.client
import json
import os
import re
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab import world
from lab.daemon import Daemon, environment, scratch
from lab.milterclient import MilterClient
from lab.postfix import free_port
from lab.wait import until

LETTER = world.letter("<a@signed.example>")


class Watched(Daemon):
    def __init__(self, directory: Path, more: str = "") -> None:
        self.port = free_port()
        nobody = f"127.0.0.1:{free_port()}"
        listen = f"127.0.0.1:{self.port}"
        super().__init__(directory, "watched", nobody, f"[trust]\nnetworks = []\n{more}", workers=2, metrics=listen)

    def get(self, path: str) -> tuple[int, str]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            connection.request("GET", path)
            response = connection.getresponse()
            return response.status, response.read().decode()
        except ConnectionError:  # refused, or closed for others: a reader tries again
            return 0, ""
        finally:
            connection.close()

    def count(self, sample: str) -> float:
        """The sum over all that begin with this."""
        return sum(float(line.split()[-1]) for line in self.get("/metrics")[1].splitlines() if line.startswith(sample))

    def messages(self, number: int) -> None:
        with MilterClient(self.socket) as client:
            client.connect(world.STRANGER)
            for _ in range(number):
                assert client.message(b"a@signed.example", LETTER).accepted


@pytest.fixture
def watched() -> Iterator[Watched]:
    with scratch() as directory, Watched(Path(directory)) as daemon:
        until(lambda: daemon.get("/healthz")[0] == 200)
        yield daemon


def test_what_is_told(watched: Watched) -> None:
    watched.messages(3)
    until(lambda: watched.count('mailvet_messages_total{action="accept"}') == 3)
    until(lambda: watched.count('mailvet_descriptors{what="open"}') > 0)
    status, text = watched.get("/metrics?name=any")
    assert status == 200
    types = dict(re.findall(r"^# TYPE (\S+) (\S+)$", text, re.M))
    assert types == {
        "mailvet_messages_total": "counter", "mailvet_results_total": "counter", "mailvet_dns_total": "counter",
        "mailvet_removed_fields_total": "counter", "mailvet_bugs_total": "counter",
        "mailvet_log_dropped_total": "counter",
        "mailvet_message_seconds": "histogram", "mailvet_sessions": "gauge", "mailvet_descriptors": "gauge",
    }  # fmt: skip
    assert set(re.findall(r"(\w+)=\"", text)) == {"action", "method", "result", "state", "what", "le"}  # no domain
    assert watched.get("/readyz") == (200, "ready\n")
    assert watched.get("/elsewhere")[0] == 404


def test_nothing_that_was_counted_is_lost_with_its_worker(watched: Watched) -> None:
    watched.messages(5)
    until(lambda: watched.count("mailvet_messages_total") == 5)
    children = set(watched.workers)
    watched.reload("networks = []", 'networks = ["192.0.2.99"]')
    until(lambda: len(set(watched.workers) - children) == 2 and len(watched.workers) == 3)  # and metrics
    for pid in set(watched.workers) - children:
        os.kill(pid, signal.SIGKILL)
    until(lambda: watched.count('mailvet_restarts_total{process="worker"}') == 2)
    until(lambda: watched.get("/readyz")[0] == 200)
    watched.messages(2)
    until(lambda: watched.count("mailvet_messages_total") == 7)


def test_one_that_drains_is_not_ready(watched: Watched) -> None:
    with MilterClient(watched.socket) as client:
        client.connect(world.STRANGER)
        client.step(b"M", b"<a@signed.example>\0")
        assert watched.get("/readyz")[0] == 200
        watched.tell_to_stop()
        until(lambda: watched.get("/readyz")[0] == 503)
        assert watched.get("/healthz")[0] == 200
        assert client.message(b"a@signed.example", LETTER).accepted


def test_a_reader_that_goes_away_is_no_line_in_the_log(watched: Watched) -> None:
    for _ in range(5):
        with socket.create_connection(("127.0.0.1", watched.port)) as reader:
            reader.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # closed with a reset
            reader.sendall(b"GET /metrics HTTP/1.0\r\n\r\n")
    assert watched.get("/metrics")[0] == 200
    assert "Traceback" not in watched.log


def test_readers_that_reset_the_connection_do_not_end_the_process(watched: Watched) -> None:
    before = watched.workers
    for _ in range(30):
        with socket.create_connection(("127.0.0.1", watched.port)) as reader:
            reader.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            reader.sendall(b"GET /metrics HTTP/1.0\r\n\r\n")
            reader.shutdown(socket.SHUT_WR)
    assert watched.get("/metrics")[0] == 200
    assert watched.workers == before
    assert "event=died" not in watched.log


def threads(watched: Watched) -> int:
    """Of the process that has the metrics port: the last that is started."""
    return max(len(list(Path(f"/proc/{pid}/task").iterdir())) for pid in watched.workers[-1:])


def test_slow_readers_take_few_threads_and_keep_nobody_out(watched: Watched) -> None:
    """133 of them used up the tasks that the unit may have, and 17 of 40 messages were never answered."""
    slow = [socket.create_connection(("127.0.0.1", watched.port)) for _ in range(133)]
    try:
        for reader in slow:
            reader.sendall(b"GET /metrics HTTP/1.0\r\nX: ")
        for _ in range(3):
            until(lambda: watched.get("/metrics")[0] == 200)
            assert threads(watched) <= 8 + 5
        watched.messages(3)
        for reader in slow[:100]:  # those that made room for others
            reader.settimeout(30)
            assert reader.recv(1) == b""
    finally:
        for reader in slow:
            reader.close()


def test_one_that_always_has_another_octet_to_say_is_not_listened_to_for_ever(watched: Watched) -> None:
    with socket.create_connection(("127.0.0.1", watched.port)) as reader:
        reader.sendall(b"GET /metrics HTTP/1.0\r\n")
        reader.settimeout(0.2)

        def closed() -> bool:
            try:
                reader.sendall(b"X")
                return reader.recv(1) == b""
            except TimeoutError:
                return False
            except ConnectionError:
                return True

        until(closed, 40)


def test_one_that_does_not_read_its_answer_is_not_waited_for(tmp_path: Path) -> None:
    """More than the sockets between us hold: the thread that writes would wait as long as the reader likes."""
    here = environment() | {"PYTHONUNBUFFERED": "1"}
    with subprocess.Popen([sys.executable, "-c", LARGE], env=here, stdout=subprocess.PIPE) as server:
        assert server.stdout is not None
        port = int(server.stdout.readline())
        with socket.socket() as reader:
            reader.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            reader.connect(("127.0.0.1", port))
            reader.sendall(b"GET / HTTP/1.0\r\n\r\n")
            until(lambda: len(list(Path(f"/proc/{server.pid}/task").iterdir())) == 3)
            until(lambda: len(list(Path(f"/proc/{server.pid}/task").iterdir())) == 2, 40)
        server.kill()


LARGE = """
import socket
from mailvet.observe import scrape

with socket.create_server(("127.0.0.1", 0)) as free:
    address = free.getsockname()
class Said(scrape._Server):
    def service_actions(self):
        if not getattr(self, "said", False):
            print(address[1])
            self.said = True
        super().service_actions()
scrape._Server = Said
scrape.serve(address, lambda path: scrape.Page(200, "text/plain", b"x" * 50_000_000), lambda: None)
"""


def test_an_address_that_is_not_there_yet_is_tried_again_and_said_once() -> None:
    with scratch() as directory:
        daemon = Watched(Path(directory))
        with socket.create_server(("127.0.0.1", daemon.port)) as other, daemon:
            until(lambda: f"cannot listen on 127.0.0.1:{daemon.port}" in daemon.log)
            time.sleep(5)  # it has tried more than once
            daemon.messages(1)
            other.close()
            until(lambda: daemon.get("/healthz")[0] == 200)
            assert daemon.log.count("cannot listen on") == 1


GENERATIONS = """
import os, sys
from pathlib import Path
from mailvet.observe.metrics import Meter

meter = Meter.open(Path(sys.argv[2]))
server = os.fork()
if server == 0:
    meter.serve(("127.0.0.1", int(sys.argv[1])), lambda: True)
for _ in range(40):
    if os.fork() == 0:  # a worker
        meter.add_totals("dns", {"questions": 3})
        meter._counters.seconds.observe(0.002)
        os._exit(0)
    meter.process_ended(os.wait()[0], served=True)
    print(flush=True)
sys.stdin.readline()
os.kill(server, 9)
"""


def test_what_ended_workers_counted_is_one_file_and_no_reader_sees_it_twice_or_not(tmp_path: Path) -> None:
    port = free_port()
    run = [sys.executable, "-c", GENERATIONS, str(port), str(tmp_path)]
    with subprocess.Popen(run, env=environment(), stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        until(lambda: read(port)[0])
        seen = []
        over = threading.Event()

        def look() -> None:
            while not over.is_set():
                seen.append(read(port)[1:])

        reader = threading.Thread(target=look)
        reader.start()
        for _ in range(40):
            assert process.stdout.readline()
        until(lambda: seen[-1] == (120.0, 40.0))
        until(lambda: len(list(tmp_path.glob("*.db"))) <= 8)  # of the parent, of all that ended
        more = len(seen)
        until(lambda: len(seen) > more + 3)
        over.set()
        reader.join()
        assert seen == sorted(seen)
        assert seen[-1] == (120.0, 40.0)
        process.communicate(b"\n")


def read(port: int) -> tuple[bool, float, float]:
    """Does it answer? Questions, and the messages whose time was taken."""
    with socket.socket() as connection:
        if connection.connect_ex(("127.0.0.1", port)):
            return False, 0.0, 0.0
        connection.sendall(b"GET /metrics HTTP/1.0\r\n\r\n")
        with connection.makefile("rb") as file:
            text = file.read().decode()
    values = dict(re.findall(r"^(mailvet_\S+) (\S+)$", text, re.M))
    questions = float(values.get('mailvet_dns_total{what="questions"}', 0))
    return "200 OK" in text, questions, float(values.get("mailvet_message_seconds_count", 0))


KILLED = """
import json, os, sys
from pathlib import Path
from mailvet.observe import counters
from mailvet.observe.metrics import Meter

shared = counters.Counters(Path(sys.argv[2]))

def total():
    text = shared.exposition().decode()
    return [line.split()[-1] for line in text.splitlines() if line.startswith('mailvet_dns_total{')]

def generation():
    if os.fork() == 0:
        Meter(shared).add_totals("dns", {"questions": 3})
        os._exit(0)
    os.wait()

def dying(what, steps):
    def step(*arguments, **more):
        if next(steps) == int(sys.argv[1]):
            os._exit(9)
        return what(*arguments, **more)
    return step

generation(), shared.fold(), generation()
if os.fork() == 0:
    steps = iter(range(1000))
    Path.rename, Path.unlink = dying(Path.rename, steps), dying(Path.unlink, steps)
    Path.write_text, counters._write = dying(Path.write_text, steps), dying(counters._write, steps)
    shared.fold()
    os._exit(0)
killed = os.waitstatus_to_exitcode(os.wait()[1]) == 9
shared.fold()
print(json.dumps([killed, total(), len(list(Path(sys.argv[2]).glob("counter_*.db")))]))
"""


def test_one_that_is_killed_while_it_puts_counters_together_neither_loses_nor_doubles_any(tmp_path: Path) -> None:
    """At each step that changes a file."""
    steps = 0
    while True:
        directory = tmp_path / str(steps)
        directory.mkdir()
        run = [sys.executable, "-c", KILLED, str(steps), str(directory)]
        done = subprocess.run(run, env=environment(), capture_output=True, check=True)
        killed, total, files = json.loads(done.stdout)
        assert (total, files) == (["6.0"], 2), steps
        if not killed:
            break
        steps += 1
    assert steps >= 12


FULL = """
import errno, os, sys
from pathlib import Path
from mailvet.observe import counters
from mailvet.observe.metrics import Meter

shared = counters.Counters(Path(sys.argv[1]))
room = os.posix_fallocate
def full(*_):
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

if os.fork() == 0:  # a worker
    os.posix_fallocate = full
    meter = Meter(shared)
    meter.bug()
    meter.add_totals("dns", {"questions": 3})
    meter.flush()
    print(sorted(os.listdir(sys.argv[1])) == sorted(f"{kind}_{os.getppid()}.db" for kind in counters.FILE_SIZES))
    os.posix_fallocate = room
    meter.add_totals("dns", {"questions": 4})
    os._exit(0)
os.wait()
print(b'mailvet_dns_total{what="questions"} 4.0' in shared.exposition())
"""


def test_a_full_disk_costs_no_worker(tmp_path: Path) -> None:
    """A mapped file for which there is no room is SIGBUS, at the first counter in a page of it."""
    here = environment() | {"PYTHONUNBUFFERED": "1"}
    done = subprocess.run([sys.executable, "-c", FULL, str(tmp_path)], env=here, capture_output=True, timeout=60)
    assert (done.stdout.split(), done.stderr) == ([b"True", b"True"], b"")
    for file in tmp_path.glob("*.db"):
        assert file.stat().st_blocks * 512 >= file.stat().st_size  # no holes
