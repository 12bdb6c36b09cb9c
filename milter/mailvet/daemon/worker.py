"""worker – one process that answers Postfix.

It has a resolver, an engine for its sessions, and libmilter. Told to stop, it takes no new connections, finishes the
messages in progress, and ends.

Raises     nothing
Not here   starting and ending it (serve, supervisor), what a message goes through (session)
"""

import dataclasses
import gc
import math
import os
import signal
import threading
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Final

from mailvet.assembly import make_engine, make_resolver
from mailvet.case import Case, Listener
from mailvet.daemon import callbacks, connections, libmilter
from mailvet.daemon.health_check import INTERVAL, HealthCheck
from mailvet.daemon.process import wait_for_signal
from mailvet.observe import journal
from mailvet.observe.logs import Log
from mailvet.observe.metrics import Meter
from mailvet.ports import ReportBug
from mailvet.session.session import Session
from mailvet.settings import Settings

if TYPE_CHECKING:
    from mailvet.breach_service.client import BreachClient

FindDoubtful = Callable[[Settings], Iterable[object]]  # returns what in a configuration is valid and hardly meant
DRAIN: Final = signal.SIGUSR1
RETIRE: Final = signal.SIGUSR2  # drain, but without haste: a successor is there
_IDLE_TIME: Final = 300.0  # seconds that a retiring worker gives connections without a message
# Looks in a row, 20 ms apart, that find no message: Postfix does not wait at MAIL FROM, so one may be on its way
_QUIET_LOOKS: Final = 15
_PROBE_INTERVAL: Final = 30  # `dns.timeout`s between two looks at the name servers
_BUG_INTERVAL: Final = 1.0  # seconds between two log lines about bugs outside any message
_STUCK_GRACE: Final = 10.0  # seconds for messages in progress where others will never be finished


def _breach_client(path: Path, log: Log, report_bug: ReportBug) -> "BreachClient":
    from mailvet.breach_service.client import BreachClient  # only where the look-up is on

    return BreachClient(path, say=lambda problem: log.say("warning", "breach", problem=problem), report_bug=report_bug)


class Worker:
    """One process that answers Postfix."""

    def __init__(self, settings: Settings, log: Log, meter: Meter, breach_socket: Path) -> None:
        self._settings = settings
        self._log = log
        self._meter = meter
        self._health = HealthCheck(settings, log, meter)
        self._silent_until = 0.0  # before that, bugs outside any message are only counted
        self._resolver = make_resolver(settings.dns, self._report_stray_bug)
        self._breach = _breach_client(breach_socket, log, self._report_stray_bug) if settings.breach.enabled else None
        engine = make_engine(settings, self._resolver.new_lookups, self._report_bug, self._breach, self._report_spf_bug)
        self._engine = dataclasses.replace(engine, count_bug=meter.bug)
        self._listeners: tuple[tuple[str, Listener], ...] = (("counters", meter.message), ("log", self._write))

    def run(self, find_doubtful: FindDoubtful | None) -> None:
        """Answer Postfix until told to stop. One worker of all gets `find_doubtful`, and checks what they share."""
        gc.set_threshold(50_000, 20, 50)  # a message leaves no cycles; what does is rare
        signal.pthread_sigmask(signal.SIG_BLOCK, {DRAIN, RETIRE})  # in all threads: `_housekeeping` waits for it
        self._resolver.start()
        if find_doubtful is not None:
            threading.Thread(target=self._check_surroundings, args=(find_doubtful,), daemon=True).start()
        threading.Thread(target=self._housekeeping, daemon=True).start()
        libmilter.run(callbacks.make_callbacks(lambda: Session(self._engine), self._listen, self._report_bug))

    def _report_spf_bug(self, where: str, error: BaseException) -> None:
        connections.report_bug(where, error, self._report_bug)

    def _check_surroundings(self, find_doubtful: FindDoubtful) -> None:
        """Log, for all workers, what in the configuration is hardly meant, and each change of what is wrong with the
        name servers. To find that out Postfix is asked, which may take seconds; mail goes on."""
        for warning in find_doubtful(self._settings):
            self._log.say("warning", "config", problem=str(warning))
        dns, logged = self._settings.dns, ""
        while True:
            problem = self._resolver.probe() or ""
            if not problem and dns.require_validation != "off":
                problem = self._resolver.unvalidated() or ""
            if problem != logged:
                self._log.say("warning" if problem else "info", "resolver", problem=problem or "none any more")
            logged = problem
            time.sleep(dns.timeout * _PROBE_INTERVAL)

    def _listen(self, case: Case) -> None:
        """Hand a judged message to all listeners, after its edits were sent. If one raises, the others still get it."""
        for name, listener in self._listeners:
            try:
                listener(case)
            except Exception as e:
                self._report_bug(name, e)

    def _write(self, case: Case) -> None:
        self._log.message(journal.record(case, local_parts=self._settings.log.local_parts))

    def _report_bug(self, where: str, error: BaseException) -> None:
        try:
            self._meter.bug()
        finally:
            self._log.report_bug(where, error, connections.queue_id())

    def _report_stray_bug(self, where: str, error: BaseException) -> None:
        """Count a bug that belongs to no message and may happen again and again; log one a second."""
        now = time.monotonic()
        if now < self._silent_until:
            self._meter.bug()
            return
        self._silent_until = now + _BUG_INTERVAL
        self._report_bug(where, error)

    def _housekeeping(self) -> None:
        """Hand on counters and check health now and then; when told to drain, finish the messages in progress and end
        the process. libmilter's own way to stop (SIGTERM) drops sessions in the middle of a message."""
        try:
            self._end(self._wait_for_order())
        finally:  # without this thread nothing could replace this process
            os._exit(1)

    def _wait_for_order(self) -> int:
        """Return the signal that ends this process, or 0 if it is better replaced."""
        while not (order := wait_for_signal({DRAIN, RETIRE}, INTERVAL)):
            if self._health.worn_out or self._resolver.deaf:
                break
            self._guarded("counters", self._count)
            self._guarded("lookout", self._health.look)
        return order

    def _end(self, order: int) -> None:
        libmilter.leave_socket()
        if order == RETIRE:
            self._linger()
        # the supervisor bounds this, but not for one that ends by itself, or whose messages will never be finished
        until = math.inf if order and not self._health.unserved else time.monotonic() + _STUCK_GRACE
        quiet = 0
        while quiet < _QUIET_LOOKS and time.monotonic() < until:
            time.sleep(0.02)
            quiet = 0 if connections.busy() else quiet + 1
        self._guarded("counters", self._count)
        os._exit(0 if order else 1)

    def _linger(self) -> None:
        """Wait, for some minutes at most, until no connection is open or until told to drain. On an open connection
        Postfix may begin another message."""
        until, quiet = time.monotonic() + _IDLE_TIME, 0
        while quiet < 3 and time.monotonic() < until and not wait_for_signal({DRAIN}, 0.1):
            quiet = 0 if connections.connected() else quiet + 1
            self._guarded("counters", self._count)

    def _guarded(self, where: str, chore: Callable[[], None]) -> None:
        try:
            chore()
        except Exception as e:  # this thread is needed to end the process
            self._report_stray_bug(where, e)

    def _count(self) -> None:
        self._meter.flush()
        self._meter.lost_lines(self._log.dropped)
        self._meter.add_totals("dns", self._resolver.counters())
        if self._breach is not None:
            self._meter.add_totals("breach", self._breach.counters())
