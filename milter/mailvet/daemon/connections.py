"""connections – Postfix's connections to this process, each with its session, and what they are doing.

Raises     nothing
Not here   libmilter (pymilter), what a session does (session)
"""

import threading

from mailvet.ports import ReportBug
from mailvet.session.session import Session

sessions: set[Session] = set()  # one for each connection
# Debian's libmilter runs a connection's callbacks on any thread of a pool, but pymilter gives each connection
# a Python thread state of its own, and that is what `local` hangs on to
current = threading.local()


class Conversation:
    """What libmilter keeps for us per connection: the session and how it is to be answered."""

    __slots__ = ("go_on", "session")

    def __init__(self, session: Session, go_on: int) -> None:
        self.session = session
        self.go_on = go_on


def queue_id() -> str:
    """Of the message whose end this thread deals with, "" where there is none."""
    session: Session | None = getattr(current, "session", None)
    return session.queue_id if session is not None else ""


def surprised(where: str, error: BaseException, otherwise: ReportBug) -> None:
    """A bug was met by what knows no session: it belongs to the message that this thread deals with, if any."""
    session: Session | None = getattr(current, "session", None)
    (session.surprised if session is not None else otherwise)(where, error)


def busy() -> bool:
    """Is any connection in the middle of a message?"""
    return any(session.transaction is not None for session in list(sessions))


def tally() -> tuple[int, int]:
    """Connections without a message, and with one."""
    busy = [session.transaction is not None for session in list(sessions)]
    return busy.count(False), busy.count(True)


def at_their_end() -> set[int]:
    """Messages, by id, that have come to their end, where the session notes the queue id, and are not answered yet."""
    ending = [session.transaction for session in list(sessions) if session.queue_id]
    return {id(transaction) for transaction in ending if transaction is not None}


def connected() -> bool:
    """Is any connection open, busy or not?"""
    return bool(sessions)
