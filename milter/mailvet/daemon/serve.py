"""serve – builds the processes of `mailvet serve` and hands them to the supervisor.

Before the fork: configuration, the listening socket, everything imported. SIGHUP reads the configuration
again and replaces the workers.

Raises     nothing; `serve` returns an exit status and says why on standard error
Not here   what a worker does (worker), what a message goes through (session)
"""

import dataclasses
import functools
import mmap
import os
import shutil
import signal
import time
from collections.abc import Callable
from pathlib import Path

from mailvet import __version__
from mailvet.config.load import ConfigError
from mailvet.daemon import listener, pymilter, run_directory as rundir, stuck as watch
from mailvet.daemon.sdnotify import notify
from mailvet.daemon.supervisor import Child, Supervisor, work_in_turns
from mailvet.daemon.worker import DRAIN, RETIRE, Doubtful, Worker
from mailvet.dns.nameservers import NO_VALIDATION
from mailvet.dns.resolver import Resolver
from mailvet.observe.logs import Log, complain
from mailvet.settings import DnsSettings, Settings

_OCCUPIED = 3.0  # seconds for a socket in use to become free
_FINISH = 30.0  # seconds a worker gets for messages in progress
_AGAIN = 2.0  # seconds until the next attempt to listen for readers of metrics
_RESTART = ("milter", "breach", "store", "metrics")  # what only a restart can change


def serve(settings: Settings, load: Callable[[], Settings], doubtful: Doubtful = lambda _: ()) -> int:
    """Run until SIGTERM. Exit status 0; 1 if it cannot listen, the name servers do not validate or answer, or there is
    no room in $TMPDIR, all of which may change; 2 if it cannot listen and only a person can help.

    `load()` reads the configuration again; `doubtful(settings)` is what is in it and hardly meant.
    """
    log = Log(settings.log)
    signal.signal(signal.SIGPIPE, signal.SIG_IGN)  # a reader of the log or of metrics may go away at any time
    if few := watch.too_few_descriptors():
        complain(few)
        return 2
    objection = _objection(settings.dns)
    if objection:
        complain(f"dns.require_validation: {objection}")
        return 1
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGHUP, signal.SIGTERM, signal.SIGINT})  # for the supervisor
    problem = _listen(settings.milter.listen.text)
    if problem is not None:
        complain(problem.strerror or str(problem))
        return 1 if listener.heals(settings.milter.listen.text, problem) else 2
    scratch: Path | None = None
    try:
        try:
            scratch = rundir.fresh()
            daemon = _Daemon(settings, load, log, scratch, doubtful)
        except OSError as e:
            complain(f"{scratch or '$TMPDIR'}: {e.strerror}")
            return 1
        daemon.run()
    finally:
        if scratch is not None:
            shutil.rmtree(scratch, ignore_errors=True)
        pymilter.door.remove()
    return 0


def _listen(where: str) -> OSError | None:
    """Take the socket; what is wrong, if that does not succeed for a while. One who was killed may leave it late."""
    deadline = time.monotonic() + _OCCUPIED
    while True:
        try:
            pymilter.open_socket(where)
            return None
        except OSError as e:
            if time.monotonic() > deadline:
                return e
        time.sleep(0.2)


def _objection(settings: DnsSettings) -> str:
    """With `dns.require_validation = "refuse"`: why the name servers cannot be relied upon; "" if they can. Asked in
    a process of its own, since the resolver has a thread and the process that forks may have none."""
    if settings.require_validation != "refuse":
        return ""
    ours, theirs = os.pipe()
    try:
        pid = os.fork()
    except OSError as e:
        os.close(ours)
        os.close(theirs)
        return f"the name servers could not be asked: {e.strerror}"
    if pid == 0:
        try:
            os.write(theirs, (Resolver(settings).unvalidated() or "").encode())
            os._exit(0)
        finally:
            os._exit(1)
    os.close(theirs)
    with open(ours, encoding="utf-8") as pipe:
        problem = pipe.read()
    asked = os.waitpid(pid, 0)[1] == 0
    return problem or ("" if asked else NO_VALIDATION)


class _Daemon:
    """The processes of one `mailvet serve` and what they share."""

    def __init__(
        self,
        settings: Settings,
        load: Callable[[], Settings],
        log: Log,
        scratch: Path,
        doubtful: Doubtful,
    ) -> None:
        os.environ["PROMETHEUS_MULTIPROC_DIR"] = str(scratch)  # read when prometheus_client is imported
        from mailvet.observe import metrics

        self._metrics = metrics
        self._meter = metrics.Meter()
        self._settings = settings
        self._load = load
        self._doubtful = doubtful
        self._log = log
        self._alive = mmap.mmap(-1, 1)  # shared: is any worker alive, and to stay so?
        self._breach_socket = scratch / "breach.sock"

    def run(self) -> None:
        count = self._settings.milter.workers or len(os.sched_getaffinity(0))
        children = [
            Child(
                name=f"worker-{n}",
                run=functools.partial(self._work, n),
                grace=_FINISH,
                stop_signal=DRAIN,
                retire_signal=RETIRE,
            )
            for n in range(count)
        ]
        if self._settings.breach.enabled:
            children.append(Child(name="breach", run=self._serve_breach, grace=5.0))
        if self._settings.metrics.listen.value:
            children.append(Child(name="metrics", run=self._serve_metrics, grace=2.0))
        supervisor = Supervisor(
            children,
            died=self._died,
            unable=self._unable,
            changed=self._changed,
            stopping=self._stopping,
            reload=self._reload,
            retired=self._forget,
            hurried=self._hurried,
        )
        supervisor.run(self._ready)
        self._log.say("info", "stopped")

    def _ready(self) -> None:
        listen = self._settings.milter.listen.text
        self._log.say("info", "started", version=__version__, listen=listen, authserv_id=self._settings.authserv_id)
        notify("READY=1")

    def _stopping(self) -> None:
        notify("STOPPING=1")
        self._log.say("info", "stopping")
        self._alive[0] = False  # nobody takes new connections
        pymilter.door.remove()
        pymilter.leave_socket()  # the last worker to leave it closes it

    def _reload(self) -> bool:
        notify("RELOADING=1")
        try:
            new = self._load()
            if objection := _objection(new.dns):
                self._log.say("error", "reload", problem=f"dns.require_validation: {objection}")
                return False
            self._take_over(new)
            return True
        except ConfigError as e:
            for mistake in e.mistakes:
                self._log.say("error", "reload", problem=str(mistake))
            return False
        except Exception as e:  # the old configuration stays, and mail goes on
            self._log.surprise("reload", e)
            return False
        finally:
            notify("READY=1")

    def _take_over(self, new: Settings) -> None:
        kept = {section: getattr(self._settings, section) for section in _RESTART}
        if needing := [section for section, value in kept.items() if getattr(new, section) != value]:
            self._log.say("warning", "reload", problem=f"only a restart changes [{'], ['.join(needing)}]")
        self._settings = dataclasses.replace(new, **kept)
        self._log = Log(new.log)
        self._log.say("info", "reloaded", authserv_id=new.authserv_id)

    def _changed(self, children: list[Child]) -> None:
        self._alive[0] = any(child.pid for child in children if child.name.startswith("worker-"))

    def _died(self, name: str, pid: int, status: int) -> None:
        self._meter.restarted(name.partition("-")[0])
        self._forget(pid)
        how = f"signal {os.WTERMSIG(status)}" if os.WIFSIGNALED(status) else f"status {os.WEXITSTATUS(status)}"
        self._log.say("error", "died", process=name, pid=pid, how=how)

    def _forget(self, pid: int) -> None:
        if self._settings.metrics.listen.value:
            self._metrics.forget(pid)
        else:
            self._metrics.discard(pid)

    def _hurried(self, name: str, pid: int, how: str) -> None:
        self._log.say("warning", "retire", process=name, pid=pid, how=how)

    def _unable(self, name: str, why: str) -> None:
        self._log.say("error", "start", process=name, problem=why)

    def _serve_metrics(self) -> None:
        pymilter.leave_socket()
        where, address = self._settings.metrics.listen
        if address is None:
            return
        told = False
        while True:  # mail goes on without metrics; SIGTERM ends this
            try:
                self._metrics.serve(address, lambda: bool(self._alive[0]))
            except OSError as e:
                if not told:
                    self._log.say("error", "metrics", problem=f"cannot listen on {where}, trying again: {e.strerror}")
                told = True
            time.sleep(_AGAIN)

    def _serve_breach(self) -> None:
        from mailvet.breach_service import process as breach_service  # HTTP and SQL are loaded here, not in the workers

        pymilter.leave_socket()
        breach_service.run(self._settings, self._breach_socket, self._log, self._metrics.Meter().absorb)

    def _work(self, number: int) -> None:
        work_in_turns(number)
        worker = Worker(self._settings, self._log, self._metrics.Meter(), self._breach_socket)
        worker.run(self._doubtful if number == 0 else None)
