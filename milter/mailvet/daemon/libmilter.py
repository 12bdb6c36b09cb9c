"""libmilter – opens the socket that Postfix connects to and serves it; the only file that imports milter.

pymilter's C module is used directly, without pymilter's classes: every header field and body chunk of every message
comes through it, and most steps need no reply.

Raises     OSError from `open_socket`
Not here   what the callbacks do (callbacks), what no exception may do (guard), how long to try (startup)
"""

import signal
import sys
import syslog
from collections.abc import Callable, Mapping
from typing import Any, Final

import milter
from mailvet.daemon import listener
from mailvet.daemon.guard import Callback, excepthook
from mailvet.values import Listen, Written

NAME: Final = "mailvet"
# The answers to a step
CONTINUE: Final = int(milter.CONTINUE)
NO_REPLY: Final = int(milter.NOREPLY)
REJECT: Final = int(milter.REJECT)
TEMPFAIL: Final = int(milter.TEMPFAIL)
# What is negotiated: actions, and steps
HEADER_CHANGES: Final = int(milter.ADDHDRS | milter.CHGHDRS)
ACTIONS: Final = HEADER_CHANGES | int(milter.QUARANTINE)
LEADING_SPACE: Final = int(milter.P_HDR_LEADSPC)  # blanks before a value are kept: `simple` canonicalization needs them
UNUSED_STEPS: Final = int(milter.P_NORCPT | milter.P_NODATA | milter.P_NOUNKNOWN)
UNANSWERED_STEPS: Final = int(  # steps that need no reply: Postfix goes on at once
    milter.P_NR_CONN | milter.P_NR_HELO | milter.P_NR_MAIL | milter.P_NR_HDR | milter.P_NR_EOH | milter.P_NR_BODY
)

sockets = listener.ListeningSockets()  # those that Postfix connects to


def open_socket(listen: Written[Listen], backlog: int = 1024) -> None:
    """Bind and listen, before any fork: the workers all accept on this one socket.

    Raises OSError, also when another process answers on a unix socket of that name (libmilter would silently take its
    place).
    """
    if listen.value.family != "unix":
        _open(listen, backlog)
        return
    path = listen.value.path
    with listener.exclusively(path):
        listener.refuse_live(path)
        _open(listen, backlog)
        sockets.own_file(path)


def _open(listen: Written[Listen], backlog: int) -> None:
    milter.setconn(listen.text)
    milter.setbacklog(backlog)
    milter.set_flags(ACTIONS)
    milter.register(NAME, negotiate=_refuse)  # libmilter wants to be registered before it listens
    before = listener.listening_descriptors()
    try:
        milter.opensocket(True)
    except milter.error as e:
        why = listener.reason(listen.value)
        raise OSError(why.errno, f"cannot listen on {listen.text}: {why.strerror or why}") from e
    sockets.add(listener.listening_descriptors() - before)


def leave_socket() -> None:
    """Take no new connections from now on in this process; the others that have the socket do."""
    sockets.leave()


def _refuse(_ctx: Any, _offer: list[int]) -> int:
    return REJECT


def run(callbacks: Mapping[str, Callback], timeout: int = 7210) -> None:
    """Serve connections for as long as the process lives, with a callback for each step.

    SIGTERM makes libmilter drop the sessions it has; a process that is to end cleanly calls `leave_socket`, waits until
    no connection is busy, and exits. `timeout` is libmilter's, in seconds; longer than Postfix's own, so that Postfix
    decides.
    """
    syslog.openlog(NAME, syslog.LOG_PID, syslog.LOG_MAIL)  # libmilter has messages of its own
    signal.signal(signal.SIGURG, lambda *_: None)  # which interrupts libmilter's poll (listener)
    sockets.prepare_pause()
    milter.set_exception_policy(milter.CONTINUE)
    sys.excepthook = excepthook
    register: dict[str, Callable[[Callback], None]] = {
        "connect": milter.set_connect_callback,
        "helo": milter.set_helo_callback,
        "mail": milter.set_envfrom_callback,
        "header": milter.set_header_callback,
        "end of headers": milter.set_eoh_callback,
        "body": milter.set_body_callback,
        "end of message": milter.set_eom_callback,
        "abort": milter.set_abort_callback,
        "close": milter.set_close_callback,
    }
    for step, set_callback in register.items():
        set_callback(callbacks[step])
    milter.settimeout(timeout)
    milter.register(NAME, negotiate=callbacks["negotiate"])
    milter.main()
