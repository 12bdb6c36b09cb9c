"""supervisor – the parent process: starts the processes of one daemon, replaces those that die, and ends them all.

It has no threads and no event loop, since it forks; all it does is wait for signals. A child that dies is started
again, after a longer pause each time it dies again soon. SIGHUP replaces the children that can retire: their
successors are started first. SIGTERM and SIGINT end the children in the order given, those with the same grace
together, and kill only those that have not ended within it.

Raises     nothing
Not here   what the children do (worker, serve)
"""

import contextlib
import ctypes
import gc
import math
import os
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Final, Protocol

from mailvet.daemon.process import wait_for_signal

_SIGNALS: Final = {signal.SIGCHLD, signal.SIGHUP, signal.SIGTERM, signal.SIGINT}  # those it waits for
_PR_SET_PDEATHSIG: Final = 1  # prctl(2)
_FIRST_PAUSE: Final = 0.1  # seconds before the first restart; doubled for each death within the last minute
_LONGEST_PAUSE: Final = 30.0
_FORK_PAUSE: Final = 5.0  # seconds until the next attempt to fork
_UNHURRIED_PREDECESSORS: Final = 2  # of a child, retiring ones that may stay until their clients are gone
_MOST_PREDECESSORS: Final = 4  # of a child, retiring ones of any kind, also in the middle of a message


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


class Watcher(Protocol):
    """What a supervisor calls when something happens to its children. Only `reload` returns an answer."""

    def ready(self) -> None:
        """Take note that all children have been started for the first time."""
        ...

    def changed(self, children: list[Child]) -> None:
        """Take note that a child was started or has died. Those with pid 0 are not alive."""
        ...

    def died(self, name: str, pid: int, status: int) -> None:
        """Take note of a child that ended unasked; `status` as of waitpid(2). It will be started again."""
        ...

    def crashed(self, name: str, error: BaseException) -> None:
        """This process is the child of that name, and this exception is about to end it. `died` follows."""
        ...

    def start_failed(self, name: str, reason: str) -> None:
        """Take note of a child that could not be started, for lack of processes or memory. It is tried again."""
        ...

    def reload(self) -> bool:
        """Return, at SIGHUP, whether those children that can retire are to be replaced."""
        ...

    def retired(self, pid: int) -> None:
        """Take note that a child that was replaced has ended."""
        ...

    def cut_short(self, name: str, pid: int, how: str) -> None:
        """Take note of a replaced child that is not given the time it wanted, since there are newer ones."""
        ...

    def stopping(self) -> None:
        """Take note of SIGTERM or SIGINT; the children are about to be ended."""
        ...


class Supervisor:
    """The parent of all processes, which keeps them alive until it is told to stop."""

    def __init__(self, children: list[Child], watcher: Watcher) -> None:
        self._children = children
        self._watcher = watcher
        self._retiring: list[Child] = []

    def run(self) -> None:
        """Start all children, keep them alive, and return when all have ended after SIGTERM or SIGINT."""
        signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
        gc.collect()
        gc.freeze()  # what is loaded now stays shared between the processes
        for child in self._children:
            self._start(child)
        self._watcher.ready()
        while (order := self._wait()) not in (signal.SIGTERM, signal.SIGINT):
            if order == signal.SIGHUP and self._watcher.reload():
                self._replace()
            self._reap()
            self._kill_overdue()
            now = time.monotonic()
            for child in self._children:
                if child.pid and child.outdated and child.due <= now:
                    self._start_successor(child)
                elif not child.pid and child.due <= now:
                    self._start(child)
        self._stop()

    def _wait(self) -> int:
        pending = [child.due for child in self._children if not child.pid or child.outdated]
        pending += [old.due for old in self._retiring if old.due < math.inf and not old.killed]
        timeout = max(0.0, min(pending) - time.monotonic()) if pending else 3600.0
        return wait_for_signal(_SIGNALS, timeout)

    def _start(self, child: Child) -> bool:
        """Fork. Return False if there is no room for another process; then it is tried again later."""
        supervisor = os.getpid()
        try:
            pid = os.fork()
        except OSError as e:
            child.due = time.monotonic() + _FORK_PAUSE
            self._watcher.start_failed(child.name, e.strerror or "")
            return False
        if pid == 0:
            _run_child(child, supervisor, self._watcher)
        child.pid, child.outdated = pid, False
        self._report()
        return True

    def _replace(self) -> None:
        """Start a successor for each child that can retire, before it does: there is always one at work."""
        for child in self._children:
            if child.pid and child.retire_signal is not None:
                self._start_successor(child)

    def _start_successor(self, child: Child) -> None:
        old = replace(child, due=math.inf, outdated=False)
        child.outdated = True  # until there is a successor
        if self._start(child):
            self._limit_predecessors(child)
            os.kill(old.pid, old.retire_signal or old.stop_signal)
            self._retiring.append(old)

    def _limit_predecessors(self, child: Child) -> None:
        """Make older predecessors of this child end, now that another one is about to retire.

        Otherwise each reload would leave a generation behind, for as long as it has clients. So the older ones have
        to stop within their grace; and where even those become many, the oldest is killed at once. The MTA tries the
        messages again that were in progress there.
        """
        before = [old for old in self._retiring if old.name == child.name and not old.killed]
        for old in before[: max(0, len(before) - _UNHURRIED_PREDECESSORS + 1)]:
            if old.due == math.inf:
                old.due = time.monotonic() + old.grace
                os.kill(old.pid, old.stop_signal)
                self._watcher.cut_short(old.name, old.pid, "told to finish: there were other reloads")
        for old in before[: max(0, len(before) - _MOST_PREDECESSORS + 1)]:
            old.due = 0.0

    def _kill_overdue(self) -> None:
        for old in self._retiring:
            if old.due <= time.monotonic() and not old.killed:
                old.killed = True
                os.kill(old.pid, signal.SIGKILL)
                self._watcher.cut_short(old.name, old.pid, "killed: it was still busy")

    def _report(self) -> None:
        self._watcher.changed(self._children)

    def _reap(self) -> None:
        for child in self._children:
            if child.pid:
                pid, status = os.waitpid(child.pid, os.WNOHANG)
                if pid:
                    self._record_death(child, status)
        for child in list(self._retiring):
            if os.waitpid(child.pid, os.WNOHANG)[0]:
                self._retiring.remove(child)
                self._watcher.retired(child.pid)

    def _record_death(self, child: Child, status: int) -> None:
        pid, child.pid = child.pid, 0
        now = time.monotonic()
        child.deaths = [when for when in child.deaths if now - when < 60] + [now]
        child.due = now + min(_FIRST_PAUSE * 2 ** (len(child.deaths) - 1), _LONGEST_PAUSE)
        self._report()
        self._watcher.died(child.name, pid, status)

    def _stop(self) -> None:
        self._watcher.stopping()
        everyone = self._children + self._retiring
        for grace in dict.fromkeys(child.grace for child in everyone):
            group = [child for child in everyone if child.grace == grace and child.pid]
            for child in group:
                os.kill(child.pid, child.stop_signal)
            _await_end(group, grace)


def _run_child(child: Child, supervisor: int, watcher: Watcher) -> None:
    """Run the child in the process just forked. Never returns."""
    status = 1
    try:
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, child.stop_signal)  # do not outlive the supervisor
        if os.getppid() != supervisor:  # it was gone before that
            return
        signal.signal(signal.SIGHUP, signal.SIG_IGN)  # meant for the supervisor
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)
        child.run()
        status = 0
    except SystemExit as e:  # meant to end
        status = e.code & 0xFF if isinstance(e.code, int) else status
    except KeyboardInterrupt:  # Ctrl-C in a terminal
        pass
    except BaseException as e:
        with contextlib.suppress(BaseException):
            watcher.crashed(child.name, e)
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
            wait_for_signal(_SIGNALS, 0.2)
