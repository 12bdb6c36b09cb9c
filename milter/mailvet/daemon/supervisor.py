"""supervisor – the parent: starts the processes of one daemon, replaces one that dies, ends them all.

It has no threads and no event loop, since it forks; it does nothing but wait for signals. A child that
dies is started again, later each time it dies again soon. SIGHUP replaces those that can retire: their
successors are started first. SIGTERM and SIGINT end the children in the order given, those with the same
grace together, and kill only what has not ended within it.

Raises     nothing
Not here   what the children do (daemon)
"""

import contextlib
import ctypes
import gc
import math
import os
import signal
import time
from collections.abc import Callable, Set
from dataclasses import dataclass, field, replace

_WATCHED = {signal.SIGCHLD, signal.SIGHUP, signal.SIGTERM, signal.SIGINT}
_PR_SET_PDEATHSIG = 1  # prctl(2)
_BACK_OFF = 0.1  # seconds before the first restart; doubled for each death within the last minute
_BACK_OFF_MOST = 30.0
_NO_ROOM = 5.0  # seconds until the next attempt to fork
_AT_LEISURE = 2  # of those that retire, for each that is to stay: they end when their clients are gone
_MOST_OLD = 4  # with those that are in the middle of a message


@dataclass(slots=True, kw_only=True)
class Child:
    """One process to keep alive."""

    name: str  # "worker-0", "metrics"
    run: Callable[[], None]
    grace: float  # seconds it gets to end by itself
    stop_signal: signal.Signals = signal.SIGTERM
    retire_signal: signal.Signals | None = None  # it can retire: ends by itself, when its work is done
    pid: int = 0
    deaths: list[float] = field(default_factory=list)  # when, within the last minute
    due: float = 0.0  # when to start it (again); of one that retires, when it is killed
    killed: bool = False
    outdated: bool = False  # it is to be replaced, for which there was no room


class Supervisor:
    """Keeps children alive until it is told to stop."""

    def __init__(
        self,
        children: list[Child],
        *,
        died: Callable[[str, int, int], None],
        unable: Callable[[str, str], None],
        changed: Callable[[list[Child]], None],
        stopping: Callable[[], None],
        reload: Callable[[], bool],
        retired: Callable[[int], None],
        hurried: Callable[[str, int, str], None],
    ) -> None:
        """`died(name, pid, wait status)`; `changed(children)`, where pid 0 is not alive; `stopping()` at first.

        `unable(name, why)`: it could not be started, and will be tried again.
        `reload()` upon SIGHUP: are there to be new children? `retired(pid)`: one of the old has ended.
        `hurried(name, pid, how)`: one of the old does not get the time it wanted, since there are newer ones.
        """
        self._children = children
        self._died = died
        self._unable = unable
        self._changed = changed
        self._stopping = stopping
        self._reload = reload
        self._retired = retired
        self._hurried = hurried
        self._old: list[Child] = []  # those that retire

    def run(self, ready: Callable[[], None]) -> None:
        """Start all, say `ready`, and return when all have ended after SIGTERM or SIGINT."""
        signal.pthread_sigmask(signal.SIG_BLOCK, _WATCHED)
        gc.collect()
        gc.freeze()  # what is loaded now stays shared between the processes
        for child in self._children:
            self._start(child)
        ready()
        while (order := self._wait()) not in (signal.SIGTERM, signal.SIGINT):
            if order == signal.SIGHUP and self._reload():
                self._replace()
            self._reap()
            self._end_overdue()
            now = time.monotonic()
            for child in self._children:
                if child.pid and child.outdated and child.due <= now:
                    self._succeed(child)
                elif not child.pid and child.due <= now:
                    self._start(child)
        self._stop()

    def _wait(self) -> int:
        pending = [child.due for child in self._children if not child.pid or child.outdated]
        pending += [old.due for old in self._old if old.due < math.inf and not old.killed]
        timeout = max(0.0, min(pending) - time.monotonic()) if pending else 3600.0
        return told(_WATCHED, timeout)

    def _start(self, child: Child) -> bool:
        """False: there is no room for another process; it is tried again later."""
        supervisor = os.getpid()
        try:
            pid = os.fork()
        except OSError as e:
            child.due = time.monotonic() + _NO_ROOM
            self._unable(child.name, e.strerror or "")
            return False
        if pid == 0:
            _become(child, supervisor)
        child.pid, child.outdated = pid, False
        self._tell()
        return True

    def _replace(self) -> None:
        """New ones for those that can retire; none is missed meanwhile."""
        for child in self._children:
            if child.pid and child.retire_signal is not None:
                self._succeed(child)

    def _succeed(self, child: Child) -> None:
        old = replace(child, due=math.inf, outdated=False)
        child.outdated = True  # until there is a successor
        if self._start(child):
            self._hurry(child)
            os.kill(old.pid, old.retire_signal or old.stop_signal)
            self._old.append(old)

    def _hurry(self, child: Child) -> None:
        """Another is about to retire: each reload would leave a generation behind, for as long as it has clients.

        So the older ones have to stop, in their grace; and where even those become many, the oldest goes at once.
        What it was in the middle of, the MTA tries again.
        """
        before = [old for old in self._old if old.name == child.name and not old.killed]
        for old in before[: max(0, len(before) - _AT_LEISURE + 1)]:
            if old.due == math.inf:
                old.due = time.monotonic() + old.grace
                os.kill(old.pid, old.stop_signal)
                self._hurried(old.name, old.pid, "told to finish: there were other reloads")
        for old in before[: max(0, len(before) - _MOST_OLD + 1)]:
            old.due = 0.0

    def _end_overdue(self) -> None:
        for old in self._old:
            if old.due <= time.monotonic() and not old.killed:
                old.killed = True
                os.kill(old.pid, signal.SIGKILL)
                self._hurried(old.name, old.pid, "killed: it was still busy")

    def _tell(self) -> None:
        self._changed(self._children)

    def _reap(self) -> None:
        for child in self._children:
            if child.pid:
                pid, status = os.waitpid(child.pid, os.WNOHANG)
                if pid:
                    self._bury(child, status)
        for child in list(self._old):
            if os.waitpid(child.pid, os.WNOHANG)[0]:
                self._old.remove(child)
                self._retired(child.pid)

    def _bury(self, child: Child, status: int) -> None:
        pid, child.pid = child.pid, 0
        now = time.monotonic()
        child.deaths = [when for when in child.deaths if now - when < 60] + [now]
        child.due = now + min(_BACK_OFF * 2 ** (len(child.deaths) - 1), _BACK_OFF_MOST)
        self._tell()
        self._died(child.name, pid, status)

    def _stop(self) -> None:
        self._stopping()
        everyone = self._children + self._old
        for grace in dict.fromkeys(child.grace for child in everyone):
            group = [child for child in everyone if child.grace == grace and child.pid]
            for child in group:
                os.kill(child.pid, child.stop_signal)
            _await_end(group, grace)


def work_in_turns(number: int) -> None:
    """Schedule this process, one of several alike, for few context switches; before it has threads.

    It runs Python on one CPU at a time anyway: where its threads may use several, they wake each other across
    CPUs for every turn with the interpreter. And what wakes it, mostly Postfix writing one small packet after
    the other, may go on writing (SCHED_BATCH): it finds several packets instead of one.
    """
    cpus = sorted(os.sched_getaffinity(0))
    first = os.getppid()  # several daemons on one host, each with few workers, should not share a CPU
    with contextlib.suppress(OSError):  # a sandbox that does not let us: only slower
        os.sched_setaffinity(0, {cpus[(first + number) % len(cpus)]})
        os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))


def told(signals: Set[signal.Signals], seconds: float) -> int:
    """The signal among these (blocked) that came within the time, or 0.

    A process that was stopped and continued when the time is over gets a result that nothing was written
    to (CPython's sigtimedwait after EINTR): debuggers and SIGSTOP must not look like an order.
    """
    got = signal.sigtimedwait(signals, seconds)
    return got.si_signo if got is not None and got.si_signo in signals else 0


def _become(child: Child, supervisor: int) -> None:
    """The child's whole life; never returns."""
    status = 1
    try:
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, child.stop_signal)  # do not outlive the supervisor
        if os.getppid() != supervisor:  # it was gone before that
            return
        signal.signal(signal.SIGHUP, signal.SIG_IGN)  # meant for the supervisor
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _WATCHED)
        child.run()
        status = 0
    finally:
        os._exit(status)


def _await_end(group: list[Child], grace: float) -> None:
    deadline = time.monotonic() + grace
    while group:
        for child in list(group):
            if os.waitpid(child.pid, os.WNOHANG)[0]:
                child.pid = 0
                group.remove(child)
        if group and time.monotonic() > deadline:
            for child in group:
                os.kill(child.pid, signal.SIGKILL)
        if group:
            told(_WATCHED, 0.2)
