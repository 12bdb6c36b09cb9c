"""daemon – the composition root: builds the processes of `mailvet serve` and hands them to the supervisor.

Before the fork: configuration, the listening socket, everything imported. After it, in each worker: its
own resolver, its own session factory, and libmilter. Told to stop, a worker takes no new connections,
finishes the messages in progress, and ends. SIGHUP reads the configuration again and replaces the workers.

Raises     nothing; `serve` returns an exit status and says why on standard error
Not here   what a message goes through (session)
"""

import contextlib
import dataclasses
import functools
import gc
import mmap
import os
import resource
import shutil
import signal
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from mailvet import __version__, taglist
from mailvet.adapters import pymilter
from mailvet.adapters.dkimpy import parse_tags
from mailvet.adapters.logs import Log, complain
from mailvet.adapters.openssl import load
from mailvet.adapters.pyspf import SpfChecker
from mailvet.adapters.resolver import Resolver
from mailvet.adapters.sdnotify import notify
from mailvet.config import ConfigError
from mailvet.config_rules import split_server
from mailvet.dkim import Tools
from mailvet.engine import BreachFeed, Engine, parse_networks
from mailvet.outcome import Outcome
from mailvet.session import Session
from mailvet.settings import DnsSettings, Settings
from mailvet.supervisor import Child, Supervisor, told, work_in_turns

if TYPE_CHECKING:
    from mailvet.adapters.metrics import Meter
    from mailvet.breach_client import BreachClient

_DRAIN = signal.SIGUSR1
_RETIRE = signal.SIGUSR2  # drain, but without haste: a successor is there
_FINISH = 30.0  # seconds a worker gets for messages in progress
_LINGER = 300.0  # seconds one that retires gives connections without a message
_RESTART = ("milter", "breach", "store", "metrics")  # what only a restart can change
_QUIET = 15  # looks in a row, 20 ms apart, that find none: Postfix does not wait at MAIL FROM, one may be on its way
_NO_VALIDATION = "the name servers do not validate DNSSEC (no AD bit on the root's SOA)"
_HOUSEKEEPING = 2.0  # seconds between two looks at the counters kept elsewhere


def make_engine(
    settings: Settings, resolver: Resolver, surprise: Callable[[str, BaseException], None], breach: BreachFeed | None
) -> Engine:
    """The engine of a worker, and of `mailvet check`."""
    ids = frozenset((settings.authserv_id, *settings.trust.authserv_ids))
    return Engine(
        settings=settings,
        begin=resolver.begin,
        spf=SpfChecker(),
        tools=Tools(taglist.parse, load, settings.limits, settings.dkim, parse_tags),
        now=time.time,
        surprise=surprise,
        breach=breach,
        trusted=parse_networks(settings.trust.networks),
        relays=parse_networks(settings.trust.relays),
        own=ids,
        kept=frozenset(settings.trust.authserv_ids),
    )


def serve(settings: Settings, load: Callable[[], Settings]) -> int:
    """Run until SIGTERM. Exit status 0, or 1 if it could not start, though trying again may help.

    `load()` reads the configuration again.
    """
    log = Log(settings.log)
    if not _may_start(settings.dns):
        complain(f"dns.require_validation: {_NO_VALIDATION}")
        return 1
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGHUP, signal.SIGTERM, signal.SIGINT})  # for the supervisor
    try:
        pymilter.open_socket(settings.milter.listen)
    except OSError as e:
        complain(str(e))
        return 1
    _allow_many_descriptors()
    scratch = Path(tempfile.mkdtemp(prefix="mailvet-"))
    try:
        _Daemon(settings, load, log, scratch).run()
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
        if settings.milter.listen.startswith("unix:"):
            Path(settings.milter.listen.removeprefix("unix:")).unlink(missing_ok=True)
    return 0


def _allow_many_descriptors() -> None:
    """Each connection and each DNS question takes one; the soft limit is often 1024."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def _may_start(settings: DnsSettings) -> bool:
    """With `dns.require_validation = "refuse"`: do the name servers validate? Asked in a process of its own,
    since the resolver has a thread and the process that forks may have none."""
    if settings.require_validation != "refuse":
        return True
    pid = os.fork()
    if pid == 0:
        resolver = Resolver(settings)
        os._exit(0 if resolver.validates() else 1)
    return os.waitpid(pid, 0)[1] == 0


class _Daemon:
    """The processes of one `mailvet serve` and what they share."""

    def __init__(self, settings: Settings, load: Callable[[], Settings], log: Log, scratch: Path) -> None:
        os.environ["PROMETHEUS_MULTIPROC_DIR"] = str(scratch)  # read when prometheus_client is imported
        from mailvet.adapters import metrics

        self._metrics = metrics
        self._meter = metrics.Meter()
        self._settings = settings
        self._load = load
        self._log = log
        self._alive = mmap.mmap(-1, 1)  # shared: is any worker alive?
        self._breach_socket = scratch / "breach.sock"
        self._workers: frozenset[int] = frozenset()

    def run(self) -> None:
        count = self._settings.milter.workers or len(os.sched_getaffinity(0))
        children = [
            Child(
                name=f"worker-{n}",
                run=functools.partial(self._work, n),
                grace=_FINISH,
                stop_signal=_DRAIN,
                retire_signal=_RETIRE,
            )
            for n in range(count)
        ]
        if self._settings.breach.enabled:
            children.append(Child(name="breach", run=self._serve_breach, grace=5.0))
        if self._settings.metrics.listen:
            children.append(Child(name="metrics", run=self._serve_metrics, grace=2.0))
        supervisor = Supervisor(
            children,
            died=self._died,
            changed=self._changed,
            stopping=self._stopping,
            reload=self._reload,
            retired=self._metrics.forget,
        )
        supervisor.run(self._ready)
        self._log.say("info", "stopped")

    def _ready(self) -> None:
        listen = self._settings.milter.listen
        self._log.say("info", "started", version=__version__, listen=listen, authserv_id=self._settings.authserv_id)
        notify("READY=1")

    def _stopping(self) -> None:
        notify("STOPPING=1")
        self._log.say("info", "stopping")
        pymilter.leave_socket()  # the last worker to leave it closes it

    def _reload(self) -> bool:
        notify("RELOADING=1")
        try:
            new = self._load()
            if not _may_start(new.dns):
                self._log.say("error", "reload", problem=f"dns.require_validation: {_NO_VALIDATION}")
                return False
            self._take_over(new)
            return True
        except ConfigError as e:
            for mistake in e.mistakes:
                self._log.say("error", "reload", problem=str(mistake))
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
        self._metrics.forget(pid)
        how = f"signal {os.WTERMSIG(status)}" if os.WIFSIGNALED(status) else f"status {os.WEXITSTATUS(status)}"
        self._log.say("error", "died", process=name, pid=pid, how=how)

    def _serve_metrics(self) -> None:
        pymilter.leave_socket()
        address = split_server(self._settings.metrics.listen, None)
        assert address is not None  # config_rules has seen to it
        try:
            self._metrics.serve(address, lambda: bool(self._alive[0]))
        except OSError as e:
            self._log.say("error", "metrics", problem=f"cannot listen on {self._settings.metrics.listen}: {e.strerror}")
            threading.Event().wait()  # mail goes on without metrics; SIGTERM ends this

    def _serve_breach(self) -> None:
        from mailvet import breach_service  # HTTP and SQL are loaded here, not in the workers

        pymilter.leave_socket()
        breach_service.run(self._settings, self._breach_socket, self._log, self._metrics.Meter().absorb)

    def _work(self, number: int) -> None:
        work_in_turns(number)
        _Worker(self._settings, self._log, self._metrics.Meter(), self._breach_socket).run(first=number == 0)


def _breach_client(path: Path) -> "BreachClient":
    from mailvet.breach_client import BreachClient  # only where the look-up is on

    return BreachClient(path)


class _Worker:
    """One process that answers Postfix."""

    def __init__(self, settings: Settings, log: Log, meter: "Meter", breach_socket: Path) -> None:
        self._settings = settings
        self._log = log
        self._meter = meter
        self._resolver = Resolver(settings.dns)
        self._breach = _breach_client(breach_socket) if settings.breach.enabled else None
        self._engine = make_engine(settings, self._resolver, self._surprise, self._breach)

    def run(self, *, first: bool) -> None:
        gc.set_threshold(50_000, 20, 50)  # a message leaves no cycles; what does is rare
        signal.pthread_sigmask(signal.SIG_BLOCK, {_DRAIN, _RETIRE})  # in all threads: `_keep_house` waits for it
        self._resolver.start()
        if first:
            threading.Thread(target=self._look_at_resolver, daemon=True).start()
        threading.Thread(target=self._keep_house, daemon=True).start()
        pymilter.run(lambda: Session(self._engine), self._finished)

    def _look_at_resolver(self) -> None:
        """Say once, for all workers, what is wrong with the name servers; mail goes on."""
        problem = self._resolver.probe()
        if problem is None and self._settings.dns.require_validation == "warn" and not self._resolver.validates():
            problem = _NO_VALIDATION
        if problem:
            self._log.say("warning", "resolver", problem=problem)

    def _finished(self, session: Session, outcome: Outcome) -> None:
        self._meter.message(outcome, session.milliseconds / 1000)
        self._log.message(session.line(outcome))

    def _surprise(self, where: str, error: BaseException) -> None:
        self._meter.bug()
        self._log.surprise(where, error)

    def _keep_house(self) -> None:
        """Count now and then; when told to drain, finish what is in progress and end the process.

        libmilter's own way to stop (SIGTERM) drops sessions in the middle of a message.
        """
        while not (order := told({_DRAIN, _RETIRE}, _HOUSEKEEPING)):
            self._count()
        pymilter.leave_socket()
        if order == _RETIRE:
            self._linger()
        quiet = 0
        while quiet < _QUIET:  # the supervisor bounds this
            time.sleep(0.02)
            quiet = 0 if pymilter.busy() else quiet + 1
        self._count()
        os._exit(0)

    def _linger(self) -> None:
        """Until nobody is connected, for Postfix may begin another message; until told to drain; not for ever."""
        until, quiet = time.monotonic() + _LINGER, 0
        while quiet < 3 and time.monotonic() < until and not told({_DRAIN}, 0.1):
            quiet = 0 if pymilter.connected() else quiet + 1
            self._count()

    def _count(self) -> None:
        self._meter.flush()
        self._meter.absorb("dns", self._resolver.counters())
        if self._breach is not None:
            self._meter.absorb("breach", self._breach.counters())
