"""startup – what is checked and taken before the daemon forks: descriptors, name servers, the socket for Postfix.

Raises     nothing; `prepare` returns what is wrong
Not here   the running daemon (serve), the socket itself (libmilter, listener)
"""

import os
import signal
import time
from typing import Final, NamedTuple

from mailvet.daemon import libmilter, listener
from mailvet.daemon.process import raise_descriptor_limit
from mailvet.dns.nameservers import NO_VALIDATION
from mailvet.dns.resolver import Resolver
from mailvet.settings import DnsSettings, Settings
from mailvet.values import Listen, Problem, Written

MAY_PASS, NEEDS_A_PERSON = 1, 2  # exit statuses: mailvet.service tries again after the first alone
_RETRY_FOR: Final = 3.0  # seconds for a socket in use to become free: a killed process may leave it late


class Refusal(NamedTuple):
    """The reason why the daemon does not start, and the exit status that says whether to try again."""

    reason: str
    status: int


def prepare(settings: Settings) -> Refusal | None:
    """Get this process ready to fork the daemon's. Return why it is not, or None.

    From here on SIGHUP, SIGTERM and SIGINT wait for the supervisor.
    """
    signal.signal(signal.SIGPIPE, signal.SIG_IGN)  # a reader of the log or of metrics may go away at any time
    if (problem := raise_descriptor_limit()) is not None:
        return Refusal(problem.text, NEEDS_A_PERSON)
    if (problem := validation_problem(settings.dns)) is not None:
        return Refusal(problem.text, MAY_PASS)
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGHUP, signal.SIGTERM, signal.SIGINT})
    listen = settings.milter.listen
    if (error := _listen(listen)) is not None:
        status = MAY_PASS if listener.may_pass(listen.value, error) else NEEDS_A_PERSON
        return Refusal(error.strerror or str(error), status)
    return None


def _listen(listen: Written[Listen]) -> OSError | None:
    """Take the socket. Return the error if that does not succeed for a while."""
    deadline = time.monotonic() + _RETRY_FOR
    while True:
        try:
            libmilter.open_socket(listen)
            return None
        except OSError as e:
            if time.monotonic() > deadline:
                return e
        time.sleep(0.2)


def validation_problem(settings: DnsSettings) -> Problem | None:
    """Return why `dns.require_validation = "refuse"` forbids these name servers, None if it does not.

    They are asked in a process of its own, since the resolver has a thread and the process that forks may have none.
    """
    if settings.require_validation != "refuse":
        return None
    reader, writer = os.pipe()
    try:
        pid = os.fork()
    except OSError as e:
        os.close(reader)
        os.close(writer)
        return Problem(f"dns.require_validation: the name servers could not be asked: {e.strerror}")
    if pid == 0:
        try:
            os.write(writer, (Resolver(settings).unvalidated() or "").encode())
            os._exit(0)
        finally:
            os._exit(1)
    os.close(writer)
    with open(reader, encoding="utf-8") as pipe:
        reason = pipe.read()
    asked = os.waitpid(pid, 0)[1] == 0
    if asked and not reason:
        return None
    return Problem(f"dns.require_validation: {reason or NO_VALIDATION}")
