"""process – what a process of the daemon arranges with the kernel for itself: signals, CPU, file descriptors.

Raises     nothing
Not here   starting and ending processes (supervisor), running out of descriptors (stuck)
"""

import contextlib
import os
import resource
import signal
from collections.abc import Set
from typing import Final

from mailvet.values import Problem

_FEWEST_DESCRIPTORS: Final = 32  # those of a worker with one message in progress, and some


def pin_to_one_cpu(number: int) -> None:
    """Keep this process, worker `number`, on one CPU and let it be woken seldom; before it has threads.

    It runs Python on one CPU at a time anyway: where its threads may use several, they wake each other across CPUs
    each time one gets the interpreter. And SCHED_BATCH lets what wakes it, mostly Postfix writing one small packet
    after the other, go on writing: the worker finds several packets instead of one.
    """
    cpus = sorted(os.sched_getaffinity(0))
    first = os.getppid()  # several daemons on one host, each with few workers, should not share a CPU
    with contextlib.suppress(OSError):  # a sandbox that does not let us: only slower
        os.sched_setaffinity(0, {cpus[(first + number) % len(cpus)]})
        os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))


def wait_for_signal(signals: Set[signal.Signals], seconds: float) -> int:
    """Wait for one of these signals, which are blocked. Return its number, or 0 when the time is over.

    A process that was stopped and continued when the time is over gets a result that nothing was written to
    (CPython's sigtimedwait after EINTR): debuggers and SIGSTOP must not look like an order.
    """
    got = signal.sigtimedwait(signals, seconds)
    return got.si_signo if got is not None and got.si_signo in signals else 0


def raise_descriptor_limit() -> Problem | None:
    """Raise the soft limit to the hard one: each connection and each DNS question takes a descriptor.

    Return a problem if even the hard limit is too low to serve one connection.
    """
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if limit == resource.RLIM_INFINITY or limit >= _FEWEST_DESCRIPTORS:
        return None
    return Problem(
        f"no more than {limit} open files are allowed: at least {_FEWEST_DESCRIPTORS} are needed"
        " (LimitNOFILE=, ulimit -n)"
    )
