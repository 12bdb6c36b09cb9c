"""What Prometheus and a load balancer are told: /metrics, /healthz, /readyz, with workers that come and go."""

import http.client
import os
import re
import signal
import socket
import struct
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab import world
from lab.daemon import Daemon, environment, scratch
from lab.postfix import free_port
from milterclient import MilterClient
from patience import until

LETTER = world.letter("<a@signed.example>")


class Watched(Daemon):
    def __init__(self, directory: Path, more: str = "") -> None:
        self.port = free_port()
        nobody = f"127.0.0.1:{free_port()}"
        listen = f"127.0.0.1:{self.port}"
        super().__init__(directory, "watched", nobody, f"[trust]\nnetworks = []\n{more}", workers=2, metrics=listen)

    def get(self, path: str) -> tuple[int, str]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        try:
            connection.request("GET", path)
            response = connection.getresponse()
            return response.status, response.read().decode()
        except ConnectionRefusedError:
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
    status, text = watched.get("/metrics?name=any")
    assert status == 200
    types = dict(re.findall(r"^# TYPE (\S+) (\S+)$", text, re.M))
    assert types == {
        "mailvet_messages_total": "counter", "mailvet_results_total": "counter", "mailvet_dns_total": "counter",
        "mailvet_removed_fields_total": "counter", "mailvet_bugs_total": "counter",
        "mailvet_message_seconds": "histogram",
    }  # fmt: skip
    assert set(re.findall(r"(\w+)=\"", text)) == {"action", "method", "result", "what", "le"}  # no domain
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


FULL = """
import errno, os, sys
import prometheus_client
from mailvet.adapters import metrics

room = os.posix_fallocate
def full(*_):
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

if os.fork() == 0:  # a worker
    os.posix_fallocate = full
    meter = metrics.Meter()
    meter.bug()
    meter.absorb("dns", {"questions": 3})
    meter.flush()
    print(sorted(os.listdir(sys.argv[1])) == sorted(f"{kind}_{os.getppid()}.db" for kind in ("counter", "histogram")))
    os.posix_fallocate = room
    meter.absorb("dns", {"questions": 4})
    os._exit(0)
os.wait()
registry = prometheus_client.CollectorRegistry()
metrics.MultiProcessCollector(registry)
print(b'mailvet_dns_total{what="questions"} 4.0' in prometheus_client.generate_latest(registry))
"""


def test_a_full_disk_costs_no_worker(tmp_path: Path) -> None:
    """A mapped file for which there is no room is SIGBUS, at the first counter in a page of it."""
    here = environment() | {"PROMETHEUS_MULTIPROC_DIR": str(tmp_path), "PYTHONUNBUFFERED": "1"}
    done = subprocess.run([sys.executable, "-c", FULL, str(tmp_path)], env=here, capture_output=True, timeout=60)
    assert (done.stdout.split(), done.stderr) == ([b"True", b"True"], b"")
    for file in tmp_path.glob("*.db"):
        assert file.stat().st_blocks * 512 >= file.stat().st_size  # no holes
