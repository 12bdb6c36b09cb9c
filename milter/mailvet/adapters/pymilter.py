"""pymilter – libmilter's callbacks on one side, `Session` on the other; the only file that imports milter.

The C module is used directly, without pymilter's classes: every header and body chunk of every message
comes through here, and most steps need no reply. Three traps of pymilter are closed here:

- A byte that is not UTF-8 in a header field name, a HELO or a host name makes the C code raise before
  Python is asked, and by default answer 451 for ever. The exception policy is CONTINUE, and `excepthook`,
  which sees the bytes, tells the session.
- An exception after edits were sent would leave half of them applied: the session plans, `_apply` sends.
- `negotiate` asks for every action the MTA offers unless it is told otherwise.

Raises     OSError from `open_socket`
Not here   what any of it means (session)
"""

import signal
import socket
import sys
import syslog
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Any

import milter
from mailvet.adapters import listener
from mailvet.outcome import Delete, Outcome
from mailvet.session import Session
from mailvet.settings import Action

NAME = "mailvet"
_ACTIONS = milter.ADDHDRS | milter.CHGHDRS | milter.QUARANTINE
_QUIET = (  # steps that need no reply: Postfix goes on at once
    milter.P_NR_CONN | milter.P_NR_HELO | milter.P_NR_MAIL | milter.P_NR_HDR | milter.P_NR_EOH | milter.P_NR_BODY
)
_UNUSED = milter.P_NORCPT | milter.P_NODATA | milter.P_NOUNKNOWN
_NEEDED = _QUIET | milter.P_HDR_LEADSPC  # leading blanks kept: `simple` canonicalisation needs them


class _Conversation:
    """What libmilter keeps for us per connection: the session and how it is to be answered."""

    __slots__ = ("go_on", "session")

    def __init__(self, session: Session, go_on: int) -> None:
        self.session = session
        self.go_on = go_on


Finished = Callable[[Session, Outcome], None]
_sessions: set[Session] = set()  # one for each connection
# Debian's libmilter runs a connection's callbacks on any thread of a pool, but pymilter gives each connection
# a Python thread state of its own, and that is what `local` hangs on to
_current = threading.local()
door = listener.Door()  # the socket that Postfix connects to


def open_socket(listen: str, backlog: int = 1024) -> None:
    """Bind and listen, before any fork: the workers all accept on this one socket.

    Raises OSError, also when another process answers on a unix socket of that name (libmilter would
    silently take its place).
    """
    if listen.startswith("unix:"):
        listener.refuse_live(listen.removeprefix("unix:"))
    milter.setconn(listen)
    milter.setbacklog(backlog)
    milter.set_flags(_ACTIONS)
    milter.register(NAME, negotiate=_unready)  # libmilter wants to be registered before it listens
    before = listener.listening()
    try:
        milter.opensocket(True)
    except milter.error as e:
        why = listener.problem(listen)
        raise OSError(why.errno, f"cannot listen on {listen}: {why.strerror or why}") from e
    door.add(listener.listening() - before)


def leave_socket() -> None:
    """From now on this process takes no new connections; the others that have the socket do."""
    door.leave()


def _unready(_ctx: Any, _offer: list[int]) -> int:
    return int(milter.REJECT)


def run(new_session: Callable[[], Session], finished: Finished, timeout: int = 7210) -> None:
    """Serve connections for as long as the process lives. `finished` gets each message's outcome, once applied.

    SIGTERM makes libmilter drop the sessions it has; a process that is to end cleanly calls `leave_socket`,
    waits until it is no longer `busy`, and exits.

    `timeout` is libmilter's, in seconds; longer than Postfix's own, so that Postfix decides.
    """
    syslog.openlog(NAME, syslog.LOG_PID, syslog.LOG_MAIL)  # libmilter has words of its own
    signal.signal(signal.SIGURG, lambda *_: None)  # the door wakes libmilter with it
    door.prepare()
    milter.set_exception_policy(milter.CONTINUE)
    sys.excepthook = _excepthook
    milter.set_connect_callback(_connect)
    milter.set_helo_callback(_helo)
    milter.set_envfrom_callback(_mail)
    milter.set_header_callback(_header)
    milter.set_eoh_callback(_end_of_headers)
    milter.set_body_callback(_body)
    milter.set_eom_callback(lambda ctx: _end_of_message(ctx, finished))
    milter.set_abort_callback(_abort)
    milter.set_close_callback(_close)
    milter.settimeout(timeout)
    milter.register(NAME, negotiate=lambda ctx, offer: _negotiate(ctx, offer, new_session))
    milter.main()


def busy() -> bool:
    """Is any connection in the middle of a message?"""
    return any(session.transaction is not None for session in list(_sessions))


def tally() -> tuple[int, int]:
    """Connections without a message, and with one."""
    busy = [session.transaction is not None for session in list(_sessions)]
    return busy.count(False), busy.count(True)


def at_their_end() -> set[int]:
    """Messages, by id, that have come to their end, where the session notes the queue id, and are not answered yet."""
    transactions = [session.transaction for session in list(_sessions)]
    return {id(transaction) for transaction in transactions if transaction is not None and transaction.queue_id}


def connected() -> bool:
    """Is any connection open, busy or not?"""
    return bool(_sessions)


def _excepthook(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """An exception the C module met before our code ran (see above), or one of ours."""
    session: Session | None = getattr(_current, "session", None)
    if session is None:
        sys.__excepthook__(kind, error, trace)
    elif isinstance(error, UnicodeDecodeError) and trace is None:
        session.undecodable(error.object)
    else:
        session.surprise(error)


def _negotiate(ctx: Any, offer: list[int], new_session: Callable[[], Session]) -> int:
    actions, steps = offer[0], offer[1]
    if actions & (milter.ADDHDRS | milter.CHGHDRS) != milter.ADDHDRS | milter.CHGHDRS:
        return int(milter.REJECT)  # an MTA that lets no header be changed cannot be protected
    quiet = steps & _NEEDED == _NEEDED
    offer[0] = actions & _ACTIONS
    offer[1] = steps & (_UNUSED | milter.P_HDR_LEADSPC | (_QUIET if quiet else 0))
    offer[2] = offer[3] = 0
    session = new_session()
    _current.session = session
    _sessions.add(session)
    ctx.setpriv(_Conversation(session, milter.NOREPLY if quiet else milter.CONTINUE))
    return int(milter.CONTINUE)


def _connect(ctx: Any, host: str, family: int, peer: Any) -> int:
    talk: _Conversation = ctx.getpriv()
    address: str | None = ""  # what is neither IP nor local is an MTA that does not know the client
    if family in (socket.AF_INET, socket.AF_INET6) and peer is not None:
        address = peer[0]
    elif family == socket.AF_UNIX:
        address = None
    talk.session.connect(host, address)
    return talk.go_on


def _helo(ctx: Any, name: str) -> int:
    talk: _Conversation = ctx.getpriv()
    talk.session.helo(name)
    return talk.go_on


def _mail(ctx: Any, sender: bytes, *_parameters: bytes) -> int:
    talk: _Conversation = ctx.getpriv()
    talk.session.mail(sender, ctx.getsymval("{auth_authen}") or "")
    return talk.go_on


def _header(ctx: Any, name: str, value: bytes) -> int:
    talk: _Conversation = ctx.getpriv()
    talk.session.header(name.encode(), value)
    return talk.go_on


def _end_of_headers(ctx: Any) -> int:
    talk: _Conversation = ctx.getpriv()
    talk.session.end_of_headers()
    return talk.go_on


def _body(ctx: Any, chunk: bytes) -> int:
    talk: _Conversation = ctx.getpriv()
    talk.session.body(chunk)
    return talk.go_on


def _end_of_message(ctx: Any, finished: Finished) -> int:
    session: Session = ctx.getpriv().session
    outcome = session.end_of_message(ctx.getsymval("i") or "")
    reply = _apply(ctx, outcome)
    finished(session, outcome)
    session.abort()  # libmilter says so only where the message was given up
    return reply


def _apply(ctx: Any, outcome: Outcome) -> int:
    """Carry out a plan that is whole: nothing here decides, so nothing can stop half-way but the MTA."""
    disposition = outcome.disposition
    if disposition.code:
        # MTAs differ on "%" in a reply (a format for some), and none of our texts needs one
        ctx.setreply(disposition.code, disposition.enhanced, disposition.text.replace("%", " "))
        return int(milter.TEMPFAIL if disposition.action is Action.TEMPFAIL else milter.REJECT)
    for edit in outcome.edits:
        if isinstance(edit, Delete):
            ctx.chgheader(edit.name, edit.index, None)
        else:
            ctx.addheader(edit.name, edit.value, edit.index)
    if disposition.action is Action.QUARANTINE:
        ctx.quarantine(disposition.reason or NAME)
    return int(milter.CONTINUE)


def _abort(ctx: Any) -> int:
    ctx.getpriv().session.abort()
    return int(milter.CONTINUE)


def _close(ctx: Any) -> int:
    talk: _Conversation | None = ctx.getpriv()
    if talk is not None:
        _sessions.discard(talk.session)
        talk.session.close()
        ctx.setpriv(None)
    return int(milter.CONTINUE)
