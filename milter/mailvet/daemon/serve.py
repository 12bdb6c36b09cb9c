"""serve – builds the processes of `mailvet serve`, hands them to the supervisor, and logs what happens to them.

Before the fork: configuration, the listening socket, everything imported. SIGHUP reads the configuration again and
replaces the workers.

Raises     nothing; `serve` returns an exit status and says why on standard error
Not here   what may keep the daemon from starting (startup), what a worker does (worker)
"""

import dataclasses
import functools
import mmap
import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from mailvet import __version__
from mailvet.config.load import ConfigError
from mailvet.daemon import libmilter, run_directory, startup
from mailvet.daemon.process import pin_to_one_cpu
from mailvet.daemon.sdnotify import notify
from mailvet.daemon.supervisor import Child, Supervisor
from mailvet.daemon.worker import DRAIN, RETIRE, FindDoubtful, Worker
from mailvet.observe.logs import Log, complain
from mailvet.observe.metrics import Meter
from mailvet.settings import Settings

_WORKER_GRACE: Final = 30.0  # seconds a worker gets for messages in progress
_LISTEN_PAUSE: Final = 2.0  # seconds until the next attempt to listen for readers of metrics
_RESTART_SECTIONS: Final = ("milter", "breach", "store", "metrics")  # of the configuration: changed by a restart alone


def serve(settings: Settings, load: Callable[[], Settings], find_doubtful: FindDoubtful = lambda _: ()) -> int:
    """Run until SIGTERM and return the exit status.

    0; 1 if it cannot listen, the name servers do not validate or answer, or there is no room in $TMPDIR, all of which
    may change; 2 if it cannot listen and only a person can help.

    `load()` reads the configuration again; `find_doubtful(settings)` returns what in it is valid and hardly meant.
    """
    log = Log(settings.log)
    refusal = startup.prepare(settings)
    if refusal is not None:
        complain(refusal.reason)
        return refusal.status
    directory: Path | None = None
    try:
        try:
            directory = run_directory.create()
            daemon = _Daemon(settings, load, find_doubtful, log, directory)
        except OSError as e:
            complain(f"{directory or '$TMPDIR'}: {e.strerror}")
            return startup.MAY_PASS
        daemon.run()
    finally:
        if directory is not None:
            shutil.rmtree(directory, ignore_errors=True)
        libmilter.sockets.remove_file()
    return 0


class _Daemon:
    """The processes of one `mailvet serve` and what they share; the supervisor's watcher."""

    def __init__(
        self,
        settings: Settings,
        load: Callable[[], Settings],
        find_doubtful: FindDoubtful,
        log: Log,
        directory: Path,
    ) -> None:
        """`directory` is for the counters and sockets that the processes share. Raises OSError if the disk is full."""
        self._meter = Meter.open(directory)
        self._settings = settings
        self._load = load
        self._find_doubtful = find_doubtful
        self._log = log
        self._accepting = mmap.mmap(-1, 1)  # shared: is any worker alive, and to stay so?
        self._breach_socket = directory / "breach.sock"

    def run(self) -> None:
        """Run the processes until the supervisor is told to stop."""
        Supervisor(self._children(), self).run()
        self._log.say("info", "stopped")

    def _children(self) -> list[Child]:
        """Return the processes to run, in the order in which they are ended."""
        count = self._settings.milter.workers or len(os.sched_getaffinity(0))
        children = [
            Child(
                name=f"worker-{number}",
                run=functools.partial(self._run_worker, number),
                grace=_WORKER_GRACE,
                stop_signal=DRAIN,
                retire_signal=RETIRE,
            )
            for number in range(count)
        ]
        if self._settings.breach.enabled:
            children.append(Child(name="breach", run=self._serve_breach, grace=5.0))
        if self._settings.metrics.listen.value:
            children.append(Child(name="metrics", run=self._serve_metrics, grace=2.0))
        return children

    def ready(self) -> None:
        listen = self._settings.milter.listen.text
        self._log.say("info", "started", version=__version__, listen=listen, authserv_id=self._settings.authserv_id)
        notify("READY=1")

    def changed(self, children: list[Child]) -> None:
        self._accepting[0] = any(child.pid for child in children if child.name.startswith("worker-"))

    def died(self, name: str, pid: int, status: int) -> None:
        self._meter.restarted(name.partition("-")[0])
        self.retired(pid)
        how = f"signal {os.WTERMSIG(status)}" if os.WIFSIGNALED(status) else f"status {os.WEXITSTATUS(status)}"
        self._log.say("error", "died", process=name, pid=pid, how=how)

    def crashed(self, name: str, error: BaseException) -> None:
        try:
            self._meter.bug()
        finally:
            self._log.report_bug(name, error)

    def start_failed(self, name: str, reason: str) -> None:
        self._log.say("error", "start", process=name, problem=reason)

    def retired(self, pid: int) -> None:
        self._meter.process_ended(pid, served=bool(self._settings.metrics.listen.value))

    def cut_short(self, name: str, pid: int, how: str) -> None:
        self._log.say("warning", "retire", process=name, pid=pid, how=how)

    def stopping(self) -> None:
        notify("STOPPING=1")
        self._log.say("info", "stopping")
        self._accepting[0] = False
        libmilter.sockets.remove_file()
        libmilter.leave_socket()  # the last worker to leave it closes it

    def reload(self) -> bool:
        """Read the configuration again. Return False if it cannot be used: mail goes on with the old one."""
        notify("RELOADING=1")
        try:
            new = self._load()
            if (problem := startup.validation_problem(new.dns)) is not None:
                self._log.say("error", "reload", problem=problem.text)
                return False
            self._use(new)
            return True
        except ConfigError as e:
            for mistake in e.mistakes:
                self._log.say("error", "reload", problem=str(mistake))
            return False
        except Exception as e:
            self._log.report_bug("reload", e)
            return False
        finally:
            notify("READY=1")

    def _use(self, new: Settings) -> None:
        kept = {section: getattr(self._settings, section) for section in _RESTART_SECTIONS}
        if needing := [section for section, value in kept.items() if getattr(new, section) != value]:
            self._log.say("warning", "reload", problem=f"only a restart changes [{'], ['.join(needing)}]")
        self._settings = dataclasses.replace(new, **kept)
        self._log = Log(new.log)
        self._log.say("info", "reloaded", authserv_id=new.authserv_id)

    def _run_worker(self, number: int) -> None:
        pin_to_one_cpu(number)
        worker = Worker(self._settings, self._log, self._meter, self._breach_socket)
        worker.run(self._find_doubtful if number == 0 else None)

    def _serve_breach(self) -> None:
        from mailvet.breach_service import process as breach_service  # HTTP and SQL are loaded here, not in the workers

        libmilter.leave_socket()
        breach_service.run(self._settings, self._breach_socket, self._log, self._meter.add_totals)

    def _serve_metrics(self) -> None:
        """Serve the counters, and try again for ever where that fails: mail goes on without. SIGTERM ends this."""
        libmilter.leave_socket()
        where, address = self._settings.metrics.listen
        reported = False
        while address is not None:
            try:
                self._meter.serve(address, lambda: bool(self._accepting[0]))
            except OSError as e:
                if not reported:
                    self._log.say("error", "metrics", problem=f"cannot listen on {where}, trying again: {e.strerror}")
                reported = True
            time.sleep(_LISTEN_PAUSE)
