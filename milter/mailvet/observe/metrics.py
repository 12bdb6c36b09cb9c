"""metrics – counts what a process does, and answers Prometheus and load balancers with the sum of all processes.

Raises     OSError from `Meter.open`, if the disk is full, and from `Meter.serve`, if the address is taken
Not here   the files of the counters (counters), HTTP (scrape), whether a worker is alive (`ready` tells)
"""

import contextlib
import os
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Self

from mailvet.case import Case
from mailvet.observe import scrape
from mailvet.observe.counters import CONTENT_TYPE, Counters, Family


class Meter:
    """The counting of one process; a forked process goes on with the meter of its parent.

    What each message adds is gathered first and written by `flush`, since a counter that other processes can read
    costs twenty times as much as a dict's. While the disk is full the gathered counts wait, and times are dropped.
    """

    def __init__(self, counters: Counters) -> None:
        self._counters = counters
        self._reserved_by = 0  # the process whose files have their disk space
        self._lock = threading.Lock()
        self._gathered: dict[tuple[Family, tuple[str, ...]], int] = {}
        self._seconds: list[float] = []
        self._totals: dict[tuple[str, str], int] = {}  # as last handed in, by family and label
        self._lost_lines = 0

    @classmethod
    def open(cls, directory: Path) -> Self:
        """Make the counters of a daemon in `directory`, before it forks. Raises OSError if the disk is full."""
        return cls(Counters(directory))

    def message(self, case: Case) -> None:
        """Count a message, its verdicts, and how long it waited for us at its end."""
        with self._lock:
            self._add(self._counters.messages, case.disposition.action.value)
            for name, verdicts in case.report.methods():
                for verdict in verdicts:
                    self._add(self._counters.results, name, verdict.result.value)
            if case.removed:
                self._add(self._counters.removed, number=case.removed)
            self._seconds.append(case.milliseconds / 1000)

    def _add(self, counter: Family, *labels: str, number: int = 1) -> None:
        key = (counter, labels)
        self._gathered[key] = self._gathered.get(key, 0) + number

    def flush(self) -> None:
        """Write what was gathered to the counters."""
        room = self._has_room()
        with self._lock:
            times, self._seconds = self._seconds, []
            if not room:
                return
            gathered, self._gathered = self._gathered, {}
        for (counter, labels), number in gathered.items():
            (counter.labels(*labels) if labels else counter).inc(number)
        for seconds in times:
            self._counters.seconds.observe(seconds)

    def bug(self) -> None:
        """Count one unexpected exception."""
        if self._has_room():
            self._counters.bugs.inc()

    def lost_lines(self, total: int) -> None:
        """Count the log lines that were lost since the last call, of which `total` is the running total."""
        if total > self._lost_lines and self._has_room():
            self._counters.lost_lines.inc(total - self._lost_lines)
            self._lost_lines = total

    def restarted(self, process: str) -> None:
        """Count a process that died and is started again: "worker", "breach", "metrics"."""
        if self._has_room():
            self._counters.restarts.labels(process).inc()

    def levels(self, sessions: Mapping[str, int], descriptors: Mapping[str, int]) -> None:
        """Set the gauges: connections by state, descriptors open and allowed."""
        if self._has_room():
            for state, number in sessions.items():
                self._counters.sessions.labels(state).set(number)
            for what, number in descriptors.items():
                self._counters.descriptors.labels(what).set(number)

    def add_totals(self, family: str, totals: Mapping[str, int]) -> None:
        """Count what was added to the running totals of a family ("dns", "breach") since they were last handed in."""
        if not self._has_room():
            return
        counter = {"dns": self._counters.dns, "breach": self._counters.breach}[family]
        for what, total in totals.items():
            new = total - self._totals.get((family, what), 0)
            if new > 0:
                counter.labels(what).inc(new)
                self._totals[family, what] = total

    def process_ended(self, pid: int, *, served: bool) -> None:
        """Forget the gauges of a process that has ended; unless the sum is `served`, also what it counted."""
        if served:
            self._counters.forget(pid)
        else:
            self._counters.discard(pid)

    def serve(self, address: tuple[str, int], ready: Callable[[], bool]) -> None:
        """Answer /metrics, /healthz and /readyz until the process ends. Raises OSError if it cannot listen."""
        lock = threading.Lock()  # an answer and `fold` see the same files

        def page(path: str) -> scrape.Page:
            if path == "/metrics":
                with lock:
                    return scrape.Page(200, CONTENT_TYPE, self._counters.exposition())
            if path == "/healthz":
                return scrape.Page(200, "text/plain", b"ok\n")
            if path == "/readyz":
                good = ready()
                return scrape.Page(200 if good else 503, "text/plain", b"ready\n" if good else b"no worker\n")
            return scrape.Page(404, "text/plain", b"/metrics /healthz /readyz\n")

        def tidy() -> None:
            with lock, contextlib.suppress(OSError):  # a full disk: later
                self._counters.fold()

        tidy()
        scrape.serve(address, page, tidy)

    def _has_room(self) -> bool:
        pid = os.getpid()
        if self._reserved_by != pid:
            with contextlib.suppress(OSError):
                self._counters.reserve()
                self._reserved_by = pid
        return self._reserved_by == pid
