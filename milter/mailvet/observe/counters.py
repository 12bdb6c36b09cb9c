"""counters – the metric families of one daemon, kept in files that its processes share.

This is prometheus_client's multi-process mode: each process writes memory-mapped files of its own, one for each kind
of metric, in one directory, and one process adds all of them up for Prometheus. Nothing on the mail path waits for a
reader.

Raises     OSError, if the disk is full
Not here   when something is counted, and the pages that show it (metrics); making the directory (daemon.run_directory)
"""

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest, values
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from prometheus_client.mmap_dict import MmapedDict
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead

Family = Counter  # of one label or several, or the counter itself
CONTENT_TYPE: Final = CONTENT_TYPE_LATEST
# Octets of each of a process's files, by the kind that prometheus_client names them after; a third of it is used
FILE_SIZES: Final = {"counter": 65_536, "histogram": 65_536, "gauge_livesum": 4096, "gauge_livemax": 4096}
_SECONDS_BUCKETS: Final = (0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1, 3, 10)


class Counters:
    """The metric families. They are made once, before the daemon forks, and each of its processes goes on with them."""

    def __init__(self, directory: Path) -> None:
        """Make the families, with files in `directory`. Raises OSError if the disk is full."""
        self._directory = directory
        self.reserve()  # the first values are written by what follows
        _use_multi_process_mode(directory)
        self.messages = _counter("mailvet_messages", "Messages judged, by what was done with them", "action")
        self.results = _counter("mailvet_results", "Verdicts, by method and result", "method", "result")
        self.removed = _counter("mailvet_removed_fields", "Forged or unreadable fields removed")
        meaning = "Time a message waited for us at its end"
        self.seconds = Histogram("mailvet_message_seconds", meaning, buckets=_SECONDS_BUCKETS, registry=None)
        self.dns = _counter("mailvet_dns", "The resolver's counters", "what")
        self.breach = _counter("mailvet_breach", "The breach look-up's counters", "what")
        self.restarts = _counter("mailvet_restarts", "Processes of ours that died and were started again", "process")
        self.bugs = _counter("mailvet_bugs", "Unexpected exceptions; each has a log line")
        self.lost_lines = _counter("mailvet_log_dropped", "Log lines that were lost, since nobody read the log")
        meaning = "Connections of Postfix, by what they are doing"
        self.sessions = Gauge("mailvet_sessions", meaning, ["state"], registry=None, multiprocess_mode="livesum")
        meaning = "Descriptors of the worker that has most"
        self.descriptors = Gauge("mailvet_descriptors", meaning, ["what"], registry=None, multiprocess_mode="livemax")

    def reserve(self) -> None:
        """Reserve disk space for this process's files. Writing to a mapped file without it is SIGBUS, which kills.

        Raises OSError.
        """
        for kind, size in FILE_SIZES.items():
            file = self._file(kind, os.getpid())
            if file.exists():
                continue
            fresh = file.with_suffix(".new")  # a reader takes every .db for a whole one
            try:
                with fresh.open("wb") as opened:
                    os.posix_fallocate(opened.fileno(), 0, size)
                fresh.rename(file)
            except OSError:
                fresh.unlink(missing_ok=True)
                raise

    def exposition(self) -> bytes:
        """Return the sums over all processes, in the text format that Prometheus reads."""
        registry = CollectorRegistry()
        MultiProcessCollector(registry, str(self._directory))  # type: ignore[no-untyped-call]
        return generate_latest(registry)

    def forget(self, pid: int) -> None:
        """Remove the gauges of a process that has ended. What it counted stays."""
        mark_process_dead(pid, str(self._directory))  # type: ignore[no-untyped-call]

    def discard(self, pid: int) -> None:
        """Remove all files of a process that has ended, for a daemon that serves no metrics."""
        self.forget(pid)
        for kind in FILE_SIZES:
            self._file(kind, pid).unlink(missing_ok=True)

    def fold(self) -> None:
        """Move what ended processes have counted to one file for each kind, or their files would pile up.

        Only the process that serves the sums may do it, between two of its answers: then no answer counts a file twice,
        or misses it. Whatever moment the process is killed at, `_settle` completes the move or takes it back. Raises
        OSError if the disk is full.
        """
        for kind in ("counter", "histogram"):
            whole = self._directory / f"{kind}_ended.db"
            plan, fresh = whole.with_suffix(".list"), whole.with_suffix(".new")
            _settle(plan, fresh)
            ended = [file for file in self._directory.glob(f"{kind}_*.db") if file != whole and not _runs(file)]
            if not ended:
                continue
            _write(fresh, _sums([*ended, *([whole] if whole.exists() else [])]))
            draft = plan.with_suffix(".draft")
            draft.write_text("\n".join(file.name for file in ended))
            draft.rename(plan)
            fresh.rename(whole)  # from here on the files of the plan are counted in it
            _settle(plan, fresh)

    def _file(self, kind: str, pid: int) -> Path:
        return self._directory / f"{kind}_{pid}.db"


def _use_multi_process_mode(directory: Path) -> None:
    """Make prometheus_client keep its counters in files of this directory.

    It chooses its mode when it is imported, and reads the variable each time it opens a file, also after a fork. So
    the mode is set here, and the variable stays.
    """
    os.environ["PROMETHEUS_MULTIPROC_DIR"] = str(directory)
    values.ValueClass = values.MultiProcessValue()  # type: ignore[no-untyped-call]


def _counter(name: str, meaning: str, *labels: str) -> Counter:
    return Counter(name, meaning, labels, registry=None)


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
        os.posix_fallocate(opened.fileno(), 0, max(FILE_SIZES["counter"], needed))
    packed = MmapedDict(str(file))  # type: ignore[no-untyped-call]
    for key, value in sums.items():
        packed.write_value(key, value, 0.0)  # type: ignore[no-untyped-call]
    packed.close()  # type: ignore[no-untyped-call]
