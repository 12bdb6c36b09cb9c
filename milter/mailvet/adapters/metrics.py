"""metrics – what Prometheus reads: counters of all processes of one daemon.

prometheus_client's multi-process mode: every process writes its own memory-mapped file in the directory that
$PROMETHEUS_MULTIPROC_DIR named when this module was first imported; one process serves the sum. Nothing on the
mail path waits for a reader.

Raises     OSError from `serve`, if the address is taken, and upon import, if the disk is full
Not here   making that directory (daemon), whether a worker is alive (`ready` tells)
"""

import contextlib
import http.server
import os
import socket
import sys
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead

from mailvet.outcome import Delete, Outcome

_ROOM: Final = 65_536  # octets of a file of counters; ours need a third of it


def _reserve() -> None:
    """Room on the disk for this process's counters. Writing to a mapped file where there is none is SIGBUS, the end.

    Raises OSError.
    """
    for kind in ("counter", "histogram"):  # as prometheus_client names them
        file = Path(os.environ["PROMETHEUS_MULTIPROC_DIR"], f"{kind}_{os.getpid()}.db")
        if file.exists():
            continue
        fresh = file.with_suffix(".new")  # a reader takes every .db for a whole one
        try:
            with fresh.open("wb") as opened:
                os.posix_fallocate(opened.fileno(), 0, _ROOM)
            fresh.rename(file)
        except OSError:
            fresh.unlink(missing_ok=True)
            raise


_reserve()  # the first values are written by what follows
_MESSAGES = Counter("mailvet_messages", "Messages judged, by what was done with them", ["action"])
_RESULTS = Counter("mailvet_results", "Verdicts, by method and result", ["method", "result"])
_REMOVED = Counter("mailvet_removed_fields", "Forged or unreadable fields removed")
_BUCKETS = (0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1, 3, 10)
_SECONDS = Histogram("mailvet_message_seconds", "Time a message waited for us at its end", buckets=_BUCKETS)
_DNS = Counter("mailvet_dns", "The resolver's counters", ["what"])
_BREACH = Counter("mailvet_breach", "The breach look-up's counters", ["what"])
_RESTARTS = Counter("mailvet_restarts", "Processes of ours that died and were started again", ["process"])
_BUGS = Counter("mailvet_bugs", "Unexpected exceptions; each has a log line")


class Meter:
    """Counts for one process. What each message adds is gathered first and handed on by `flush`: a counter
    that other processes can read costs twenty times as much as a dict's. Where the disk is full
    that waits until it is not, and no times are kept."""

    def __init__(self) -> None:
        self._reserved = False
        self._lock = threading.Lock()
        self._gathered: dict[tuple[Counter, tuple[str, ...]], int] = {}
        self._seconds: list[float] = []
        self._seen: dict[tuple[str, str], int] = {}

    def message(self, outcome: Outcome, seconds: float) -> None:
        report = outcome.report
        with self._lock:
            self._add(_MESSAGES, outcome.disposition.action.value)
            for verdict in (report.iprev, report.spf, report.arc, report.dmarc, report.auth, *report.dkim):
                if verdict is not None:
                    self._add(_RESULTS, verdict.method, verdict.result.value)
            removed = sum(isinstance(edit, Delete) for edit in outcome.edits)
            if removed:
                self._add(_REMOVED, number=removed)
            self._seconds.append(seconds)

    def _add(self, counter: Counter, *labels: str, number: int = 1) -> None:
        key = (counter, labels)
        self._gathered[key] = self._gathered.get(key, 0) + number

    def flush(self) -> None:
        """Hand on what was gathered."""
        room = self._has_room()
        with self._lock:
            times, self._seconds = self._seconds, []
            if not room:
                return
            gathered, self._gathered = self._gathered, {}
        for (counter, labels), number in gathered.items():
            (counter.labels(*labels) if labels else counter).inc(number)
        for seconds in times:
            _SECONDS.observe(seconds)

    def bug(self) -> None:
        if self._has_room():
            _BUGS.inc()

    def restarted(self, process: str) -> None:
        if self._has_room():
            _RESTARTS.labels(process).inc()

    def _has_room(self) -> bool:
        if not self._reserved:
            with contextlib.suppress(OSError):
                _reserve()
                self._reserved = True
        return self._reserved

    def absorb(self, family: str, totals: Mapping[str, int]) -> None:
        """Running totals kept elsewhere ("dns", "breach"): what was added since the last time counts."""
        if not self._has_room():
            return
        counter = {"dns": _DNS, "breach": _BREACH}[family]
        for what, total in totals.items():
            new = total - self._seen.get((family, what), 0)
            if new > 0:
                counter.labels(what).inc(new)
                self._seen[family, what] = total


def forget(pid: int) -> None:
    """A process of ours has ended."""
    mark_process_dead(pid)  # type: ignore[no-untyped-call]


def serve(address: tuple[str, int], ready: Callable[[], bool]) -> None:
    """Answer /metrics, /healthz and /readyz until the process is ended."""
    registry = CollectorRegistry()
    MultiProcessCollector(registry)  # type: ignore[no-untyped-call]

    class Handler(http.server.BaseHTTPRequestHandler):
        timeout = 10

        def do_GET(self) -> None:  # the name is http.server's
            path = self.path.partition("?")[0]
            if path == "/metrics":
                self._reply(200, CONTENT_TYPE_LATEST, generate_latest(registry))
            elif path == "/healthz":
                self._reply(200, "text/plain", b"ok\n")
            elif path == "/readyz":
                good = ready()
                self._reply(200 if good else 503, "text/plain", b"ready\n" if good else b"no worker\n")
            else:
                self._reply(404, "text/plain", b"/metrics /healthz /readyz\n")

        def _reply(self, status: int, kind: str, body: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """No log line for a scrape."""

    class Server(http.server.ThreadingHTTPServer):
        address_family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        daemon_threads = True

        def handle_error(self, request: Any, client_address: Any) -> None:
            """Nor for a reader that went away."""
            if not isinstance(sys.exception(), ConnectionError):
                super().handle_error(request, client_address)

    with Server(address, Handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        thread.join()
