"""worker – one process that answers Postfix.

It has its own resolver, its own session factory, and libmilter. Told to stop, it takes no new connections,
finishes the messages in progress, and ends.

Raises     nothing
Not here   who starts and ends it (daemon, supervisor), what a message goes through (session)
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
from typing import TYPE_CHECKING

from mailvet.assembly import make_engine, make_resolver
from mailvet.case import Case, Listener
from mailvet.daemon import connections, pymilter
from mailvet.daemon.health_check import EVERY, Lookout
from mailvet.daemon.supervisor import told
from mailvet.observe import journal
from mailvet.observe.logs import Log
from mailvet.ports import ReportBug
from mailvet.session.session import Session
from mailvet.settings import Settings

if TYPE_CHECKING:
    from mailvet.breach_service.client import BreachClient
    from mailvet.observe.metrics import Meter

Doubtful = Callable[[Settings], Iterable[object]]  # what in a configuration is valid and hardly meant
DRAIN = signal.SIGUSR1
RETIRE = signal.SIGUSR2  # drain, but without haste: a successor is there
_LINGER = 300.0  # seconds one that retires gives connections without a message
_QUIET = 15  # looks in a row, 20 ms apart, that find none: Postfix does not wait at MAIL FROM, one may be on its way
_LOOKS = 30  # `dns.timeout`s between two looks at the name servers
_SECOND = 1.0  # between two log lines about bugs that no message has met
_HASTE = 10.0  # seconds for messages in progress where others cannot be finished


def _breach_client(path: Path, log: Log, surprised: ReportBug) -> "BreachClient":
    from mailvet.breach_service.client import BreachClient  # only where the look-up is on

    return BreachClient(path, say=lambda problem: log.say("warning", "breach", problem=problem), surprised=surprised)


class Worker:
    """One process that answers Postfix."""

    def __init__(self, settings: Settings, log: Log, meter: "Meter", breach_socket: Path) -> None:
        self._settings = settings
        self._log = log
        self._meter = meter
        self._lookout = Lookout(settings, log, meter)
        self._silent = 0.0  # until when bugs that no message has met are only counted
        self._resolver = make_resolver(settings.dns, self._surprise_anywhere)
        self._breach = _breach_client(breach_socket, log, self._surprise_anywhere) if settings.breach.enabled else None
        engine = make_engine(settings, self._resolver.new_lookups, self._surprise, self._breach, self._surprised_by_spf)
        self._engine = dataclasses.replace(engine, surprised_again=meter.bug)
        self._listeners: tuple[tuple[str, Listener], ...] = (("counters", meter.message), ("log", self._write))

    def run(self, doubtful: Doubtful | None) -> None:
        """Answer Postfix until told to stop. One worker of all is given `doubtful`, and looks at what they share."""
        gc.set_threshold(50_000, 20, 50)  # a message leaves no cycles; what does is rare
        signal.pthread_sigmask(signal.SIG_BLOCK, {DRAIN, RETIRE})  # in all threads: `_keep_house` waits for it
        self._resolver.start()
        if doubtful is not None:
            threading.Thread(target=self._look_around, args=(doubtful,), daemon=True).start()
        threading.Thread(target=self._keep_house, daemon=True).start()
        pymilter.run(lambda: Session(self._engine), self._listen, self._surprise)

    def _surprised_by_spf(self, where: str, error: BaseException) -> None:
        connections.surprised(where, error, self._surprise)

    def _look_around(self, doubtful: Doubtful) -> None:
        """Say, for all workers, what in the configuration is hardly meant, which asks Postfix and may take seconds; and
        what is wrong with the name servers, each time that changes. Mail goes on."""
        for warning in doubtful(self._settings):
            self._log.say("warning", "config", problem=str(warning))
        dns, said = self._settings.dns, ""
        while True:
            problem = self._resolver.probe() or ""
            if not problem and dns.require_validation != "off":
                problem = self._resolver.unvalidated() or ""
            if problem != said:
                self._log.say("warning" if problem else "info", "resolver", problem=problem or "none any more")
            said = problem
            time.sleep(dns.timeout * _LOOKS)

    def _listen(self, case: Case) -> None:
        """Hand a judged message to all listeners. It is carried out by then; one that raises costs no other."""
        for name, listener in self._listeners:
            try:
                listener(case)
            except Exception as e:
                self._surprise(name, e)

    def _write(self, case: Case) -> None:
        self._log.message(journal.record(case, local_parts=self._settings.log.local_parts))

    def _surprise(self, where: str, error: BaseException) -> None:
        try:
            self._meter.bug()
        finally:
            self._log.surprise(where, error, connections.queue_id())

    def _surprise_anywhere(self, where: str, error: BaseException) -> None:
        """Met by no message in particular, maybe again and again: each is counted, one a second is logged."""
        now = time.monotonic()
        if now < self._silent:
            self._meter.bug()
            return
        self._silent = now + _SECOND
        self._surprise(where, error)

    def _keep_house(self) -> None:
        """Count and look around now and then; when told to drain, finish what is in progress and end the process.

        libmilter's own way to stop (SIGTERM) drops sessions in the middle of a message.
        """
        try:
            self._end(self._watch())
        finally:  # without this thread nobody could replace this process
            os._exit(1)

    def _watch(self) -> int:
        """Until told what to do, or 0: this process is better replaced."""
        while not (order := told({DRAIN, RETIRE}, EVERY)) and not self._lookout.worn_out and not self._resolver.deaf:
            self._guarded("counters", self._count)
            self._guarded("lookout", self._lookout.look)
        return order

    def _end(self, order: int) -> None:
        pymilter.leave_socket()
        if order == RETIRE:
            self._linger()
        # the supervisor bounds this, but for one that ends by itself, or has messages nobody will ever finish
        until = math.inf if order and not self._lookout.stuck else time.monotonic() + _HASTE
        quiet = 0
        while quiet < _QUIET and time.monotonic() < until:
            time.sleep(0.02)
            quiet = 0 if connections.busy() else quiet + 1
        self._guarded("counters", self._count)
        os._exit(0 if order else 1)

    def _linger(self) -> None:
        """Until nobody is connected, for Postfix may begin another message; until told to drain; not for ever."""
        until, quiet = time.monotonic() + _LINGER, 0
        while quiet < 3 and time.monotonic() < until and not told({DRAIN}, 0.1):
            quiet = 0 if connections.connected() else quiet + 1
            self._guarded("counters", self._count)

    def _guarded(self, where: str, chore: Callable[[], None]) -> None:
        try:
            chore()
        except Exception as e:  # this thread is needed to end the process
            self._surprise_anywhere(where, e)

    def _count(self) -> None:
        self._meter.flush()
        self._meter.lost_lines(self._log.dropped)
        self._meter.absorb("dns", self._resolver.counters())
        if self._breach is not None:
            self._meter.absorb("breach", self._breach.counters())
