"""connections – Postfix's connections to this process: the session of each, and what it is doing.

Raises     nothing
Not here   libmilter's callbacks (callbacks), what a session does (session)
"""

import threading

from mailvet.ports import ReportBug
from mailvet.session.session import Session

sessions: set[Session] = set()  # one for each connection
# Debian's libmilter runs a connection's callbacks on any thread of a pool, but pymilter gives each connection
# a Python thread state of its own, and `threading.local` belongs to that
current = threading.local()


class Conversation:
    """What libmilter keeps for us with a connection: its session, and the reply to steps that need none."""

    __slots__ = ("go_on", "session")

    def __init__(self, session: Session, go_on: int) -> None:
        self.session = session
        self.go_on = go_on


def queue_id() -> str:
    """Return the queue id of the message whose end this thread deals with, "" if there is none."""
    session: Session | None = getattr(current, "session", None)
    return session.queue_id if session is not None else ""


def report_bug(where: str, error: BaseException, otherwise: ReportBug) -> None:
    """Report a bug to the session that this thread deals with; if there is none, to `otherwise`.

    For code that is part of a message's checks and knows no session.
    """
    session: Session | None = getattr(current, "session", None)
    (session.report_bug if session is not None else otherwise)(where, error)


def busy() -> bool:
    """Return whether any connection is in the middle of a message."""
    return any(session.transaction is not None for session in list(sessions))


def count() -> tuple[int, int]:
    """Return how many connections have no message in progress, and how many have one."""
    busy = [session.transaction is not None for session in list(sessions)]
    return busy.count(False), busy.count(True)


def messages_ending() -> set[int]:
    """Return the messages, by id(), that have come to their end and are not answered yet."""
    ending = [session.transaction for session in list(sessions) if session.queue_id]  # noted at the end of a message
    return {id(transaction) for transaction in ending if transaction is not None}


def connected() -> bool:
    """Return whether any connection is open, busy or not."""
    return bool(sessions)
