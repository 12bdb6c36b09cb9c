"""metrics – what Prometheus reads: counters of all processes of one daemon.

prometheus_client's multi-process mode: every process writes its own memory-mapped files in the directory that
$PROMETHEUS_MULTIPROC_DIR named when this module was first imported; one process serves the sum. Nothing on the
mail path waits for a reader.

Raises     OSError from `serve`, if the address is taken, and upon import, if the disk is full
Not here   making that directory (daemon), whether a worker is alive (`ready` tells), HTTP (scrape)
"""

import contextlib
import os
import threading
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from prometheus_client.mmap_dict import MmapedDict
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead

from mailvet.case import Case
from mailvet.observe import scrape

# Octets of each of a process's files, as prometheus_client names them; ours need a third of it
_ROOM: Final = {"counter": 65_536, "histogram": 65_536, "gauge_livesum": 4096, "gauge_livemax": 4096}


def _reserve() -> None:
    """Room on the disk for this process's counters. Writing to a mapped file where there is none is SIGBUS, the end.

    Raises OSError.
    """
    for kind, room in _ROOM.items():
        file = Path(os.environ["PROMETHEUS_MULTIPROC_DIR"], f"{kind}_{os.getpid()}.db")
        if file.exists():
            continue
        fresh = file.with_suffix(".new")  # a reader takes every .db for a whole one
        try:
            with fresh.open("wb") as opened:
                os.posix_fallocate(opened.fileno(), 0, room)
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
_LOST_LINES = Counter("mailvet_log_dropped", "Log lines that were lost, since nobody read the log")
_SESSIONS = Gauge(
    "mailvet_sessions", "Connections of Postfix, by what they are doing", ["state"], multiprocess_mode="livesum"
)
_DESCRIPTORS = Gauge(
    "mailvet_descriptors", "Descriptors of the worker that has most", ["what"], multiprocess_mode="livemax"
)


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
        self._lost_lines = 0

    def message(self, case: Case) -> None:
        with self._lock:
            self._add(_MESSAGES, case.disposition.action.value)
            for name, verdicts in case.report.methods():
                for verdict in verdicts:
                    self._add(_RESULTS, name, verdict.result.value)
            if case.removed:
                self._add(_REMOVED, number=case.removed)
            self._seconds.append(case.milliseconds / 1000)

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

    def lost_lines(self, total: int) -> None:
        """A running total, too."""
        if total > self._lost_lines and self._has_room():
            _LOST_LINES.inc(total - self._lost_lines)
            self._lost_lines = total

    def restarted(self, process: str) -> None:
        if self._has_room():
            _RESTARTS.labels(process).inc()

    def levels(self, sessions: dict[str, int], descriptors: dict[str, int]) -> None:
        """How things stand at the moment."""
        if self._has_room():
            for state, number in sessions.items():
                _SESSIONS.labels(state).set(number)
            for what, number in descriptors.items():
                _DESCRIPTORS.labels(what).set(number)

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
    """A process of ours has ended: what it was doing at the moment goes, what it counted stays."""
    mark_process_dead(pid)  # type: ignore[no-untyped-call]


def discard(pid: int) -> None:
    """The same, where nobody serves the sum: what it counted is of no use any more."""
    forget(pid)
    for kind in _ROOM:
        Path(os.environ["PROMETHEUS_MULTIPROC_DIR"], f"{kind}_{pid}.db").unlink(missing_ok=True)


def fold() -> None:
    """What ended processes have counted moves to one file for each kind, for a file for each would never go.

    Only for the process that serves: between its scrapes nobody can see a file twice, or not at all. Whatever
    moment it is killed at, `_settle` finishes it or takes it back. Raises OSError, if the disk is full.
    """
    directory = Path(os.environ["PROMETHEUS_MULTIPROC_DIR"])
    for kind in ("counter", "histogram"):
        whole = directory / f"{kind}_ended.db"
        plan, fresh = whole.with_suffix(".list"), whole.with_suffix(".new")
        _settle(plan, fresh)
        ended = [file for file in directory.glob(f"{kind}_*.db") if file != whole and not _runs(file)]
        if not ended:
            continue
        _write(fresh, _sums([*ended, *([whole] if whole.exists() else [])]))
        draft = plan.with_suffix(".draft")
        draft.write_text("\n".join(file.name for file in ended))
        draft.rename(plan)
        fresh.rename(whole)  # from here on the files of the plan are counted in it
        _settle(plan, fresh)


def _settle(plan: Path, fresh: Path) -> None:
    if plan.exists() and not fresh.exists():
        for name in plan.read_text().splitlines():
            plan.with_name(name).unlink(missing_ok=True)
    plan.unlink(missing_ok=True)  # first: without it the other means nothing
    fresh.unlink(missing_ok=True)


def _runs(file: Path) -> bool:
    try:
        os.kill(int(file.stem.rpartition("_")[2]), 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _sums(files: Iterable[Path]) -> dict[str, float]:
    sums: dict[str, float] = {}
    for file in files:
        for key, value, _, _ in MmapedDict.read_all_values_from_file(str(file)):  # type: ignore[no-untyped-call]
            sums[key] = sums.get(key, 0.0) + value
    return sums


def _write(file: Path, sums: Mapping[str, float]) -> None:
    needed = 8 + sum(len(key.encode()) + 32 for key in sums)  # as MmapedDict packs them, at most
    with file.open("wb") as opened:
        os.posix_fallocate(opened.fileno(), 0, max(_ROOM["counter"], needed))
    values = MmapedDict(str(file))  # type: ignore[no-untyped-call]
    for key, value in sums.items():
        values.write_value(key, value, 0.0)  # type: ignore[no-untyped-call]
    values.close()  # type: ignore[no-untyped-call]


def serve(address: tuple[str, int], ready: Callable[[], bool]) -> None:
    """Answer /metrics, /healthz and /readyz until the process is ended."""
    registry = CollectorRegistry()
    MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    lock = threading.Lock()  # a scrape and `fold` see the same files

    def page(path: str) -> scrape.Page:
        if path == "/metrics":
            with lock:
                return scrape.Page(200, CONTENT_TYPE_LATEST, generate_latest(registry))
        if path == "/healthz":
            return scrape.Page(200, "text/plain", b"ok\n")
        if path == "/readyz":
            good = ready()
            return scrape.Page(200 if good else 503, "text/plain", b"ready\n" if good else b"no worker\n")
        return scrape.Page(404, "text/plain", b"/metrics /healthz /readyz\n")

    def tidy() -> None:
        with lock, contextlib.suppress(OSError):  # a full disk: later
            fold()

    tidy()
    scrape.serve(address, page, tidy)
