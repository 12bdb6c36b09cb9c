"""pymilter – libmilter's callbacks on one side, `Session` on the other; the only file that imports milter.

The C module is used directly, without pymilter's classes: every header and body chunk of every message
comes through here, and most steps need no reply. Four traps of pymilter are closed here:

- A byte that is not UTF-8 in a header field name, a HELO or a host name makes the C code raise before
  Python is asked. The exception policy is CONTINUE, and `excepthook`, which sees the bytes, tells the session.
- CONTINUE would let a message pass at whose end a callback of ours raised. TEMPFAIL is no better: it would answer
  451 to those bytes for ever, and where no reply is expected libmilter forgets the message that the MTA goes on
  with. So no callback lets an exception out, of whatever class: a quiet step tells the session, which defers the
  message at its end; the end of a message answers TEMPFAIL. Should one get out, the process ends, and Postfix does
  what milter_default_action says.
- An exception after edits were sent would leave half of them applied: the session plans, `_apply` sends, and
  where that fails the answer is TEMPFAIL, upon which Postfix gives the message up, edits and all.
- `negotiate` asks for every action the MTA offers unless it is told otherwise.

Raises     OSError from `open_socket`
Not here   what any of it means (session)
"""

import signal
import socket
import sys
import syslog
from collections.abc import Callable
from typing import Any

import milter
from mailvet.case import Case, Listener
from mailvet.daemon import listener
from mailvet.daemon.connections import Conversation, current, sessions
from mailvet.daemon.guard import Callback, Guard, ReportBug, excepthook
from mailvet.outcome import Action, Delete
from mailvet.session.session import Session

NAME = "mailvet"
_ACTIONS = milter.ADDHDRS | milter.CHGHDRS | milter.QUARANTINE
_QUIET = (  # steps that need no reply: Postfix goes on at once
    milter.P_NR_CONN | milter.P_NR_HELO | milter.P_NR_MAIL | milter.P_NR_HDR | milter.P_NR_EOH | milter.P_NR_BODY
)
_UNUSED = milter.P_NORCPT | milter.P_NODATA | milter.P_NOUNKNOWN
_NEEDED = _QUIET | milter.P_HDR_LEADSPC  # leading blanks kept: `simple` canonicalisation needs them

door = listener.Door()  # the socket that Postfix connects to


def open_socket(listen: str, backlog: int = 1024) -> None:
    """Bind and listen, before any fork: the workers all accept on this one socket.

    Raises OSError, also when another process answers on a unix socket of that name (libmilter would
    silently take its place).
    """
    if not listen.startswith("unix:"):
        _open(listen, backlog)
        return
    path = listen.removeprefix("unix:")
    with listener.alone(path):
        listener.refuse_live(path)
        _open(listen, backlog)
        door.made(path)


def _open(listen: str, backlog: int) -> None:
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


def run(new_session: Callable[[], Session], finished: Listener, surprised: ReportBug, timeout: int = 7210) -> None:
    """Serve connections for as long as the process lives. `finished` gets the Case of each message, once applied;
    `surprised` a bug that was met where there is no session.

    SIGTERM makes libmilter drop the sessions it has; a process that is to end cleanly calls `leave_socket`,
    waits until it is no longer `busy`, and exits.

    `timeout` is libmilter's, in seconds; longer than Postfix's own, so that Postfix decides.
    """
    syslog.openlog(NAME, syslog.LOG_PID, syslog.LOG_MAIL)  # libmilter has words of its own
    signal.signal(signal.SIGURG, lambda *_: None)  # the door wakes libmilter with it
    door.prepare()
    milter.set_exception_policy(milter.CONTINUE)
    sys.excepthook = excepthook
    steps = callbacks(new_session, finished, surprised)
    milter.set_connect_callback(steps["connect"])
    milter.set_helo_callback(steps["helo"])
    milter.set_envfrom_callback(steps["mail"])
    milter.set_header_callback(steps["header"])
    milter.set_eoh_callback(steps["end of headers"])
    milter.set_body_callback(steps["body"])
    milter.set_eom_callback(steps["end of message"])
    milter.set_abort_callback(steps["abort"])
    milter.set_close_callback(steps["close"])
    milter.settimeout(timeout)
    milter.register(NAME, negotiate=steps["negotiate"])
    milter.main()


def callbacks(new_session: Callable[[], Session], finished: Listener, surprised: ReportBug) -> dict[str, Callback]:
    """What libmilter is to call, by step. None of them raises."""
    guard = Guard(surprised, int(milter.TEMPFAIL), int(milter.REJECT))
    quiet: dict[str, Callback] = {
        "connect": _connect,
        "helo": _helo,
        "mail": _mail,
        "end of headers": _end_of_headers,
        "body": _body,
        "abort": _abort,
        "close": _close,
    }
    return {
        "negotiate": guard.negotiation(lambda ctx, offer: _negotiate(ctx, offer, new_session)),
        **{name: guard.quiet(name, step) for name, step in quiet.items()},
        "header": guard.header(_header),
        "end of message": guard.final(lambda ctx: _end_of_message(ctx, finished, guard)),
    }


def _negotiate(ctx: Any, offer: list[int], new_session: Callable[[], Session]) -> int:
    actions, steps = offer[0], offer[1]
    if actions & (milter.ADDHDRS | milter.CHGHDRS) != milter.ADDHDRS | milter.CHGHDRS:
        return int(milter.REJECT)  # an MTA that lets no header be changed cannot be protected
    quiet = steps & _NEEDED == _NEEDED
    offer[0] = actions & _ACTIONS
    offer[1] = steps & (_UNUSED | milter.P_HDR_LEADSPC | (_QUIET if quiet else 0))
    offer[2] = offer[3] = 0
    session = new_session()
    current.session = session
    ctx.setpriv(Conversation(session, milter.NOREPLY if quiet else milter.CONTINUE))
    sessions.add(session)
    return int(milter.CONTINUE)


def _connect(ctx: Any, host: str, family: int, peer: Any) -> int:
    talk: Conversation = ctx.getpriv()
    address: str | None = ""  # what is neither IP nor local is an MTA that does not know the client
    if family in (socket.AF_INET, socket.AF_INET6) and peer is not None:
        address = peer[0]
    elif family == socket.AF_UNIX:
        address = None
    talk.session.connect(host, address)
    return talk.go_on


def _helo(ctx: Any, name: str) -> int:
    talk: Conversation = ctx.getpriv()
    talk.session.helo(name)
    return talk.go_on


def _mail(ctx: Any, sender: bytes, *_parameters: bytes) -> int:
    talk: Conversation = ctx.getpriv()
    talk.session.mail(sender, _macro(ctx, "{auth_authen}"))
    return talk.go_on


def _macro(ctx: Any, name: str) -> str:
    try:
        return ctx.getsymval(name) or ""
    except UnicodeDecodeError as e:  # a login need not be UTF-8, and is one all the same
        return e.object.decode("ascii", "replace")


def _header(ctx: Any, name: str, value: bytes) -> int:
    talk: Conversation = ctx.getpriv()
    talk.session.header(name.encode(), value)
    return talk.go_on


def _end_of_headers(ctx: Any) -> int:
    talk: Conversation = ctx.getpriv()
    talk.session.end_of_headers()
    return talk.go_on


def _body(ctx: Any, chunk: bytes) -> int:
    talk: Conversation = ctx.getpriv()
    talk.session.body(chunk)
    return talk.go_on


def _end_of_message(ctx: Any, finished: Listener, guard: Guard) -> int:
    session: Session = ctx.getpriv().session
    try:
        case = session.end_of_message(_macro(ctx, "i"))
        reply = _apply(ctx, case)
    except BaseException as e:
        session.failed("end of message", e)
        case, reply = session.deferred(), guard.defer(ctx)
    try:
        finished(case)
    except BaseException as e:  # the reply stands
        session.failed("log", e)
    try:
        session.abort()  # libmilter says so only where the message was given up
    except BaseException as e:
        session.failed("abort", e)
        session.transaction = None
    return reply


def _apply(ctx: Any, case: Case) -> int:
    """Carry out a plan that is whole: nothing here decides, so nothing can stop half-way but the MTA."""
    disposition = case.disposition
    if disposition.code:
        # MTAs differ on "%" in a reply (a format for some), and none of our texts needs one
        ctx.setreply(disposition.code, disposition.enhanced, disposition.text.replace("%", " "))
        return int(milter.TEMPFAIL if disposition.action is Action.TEMPFAIL else milter.REJECT)
    for edit in case.edits:
        if isinstance(edit, Delete):
            ctx.chgheader(edit.name, edit.index, None)
        else:
            ctx.addheader(edit.name, edit.value, edit.index)
    if disposition.action is Action.QUARANTINE:
        ctx.quarantine(disposition.reason or NAME)
    return int(milter.CONTINUE)


def _abort(ctx: Any) -> int:
    talk: Conversation | None = ctx.getpriv()
    if talk is None:  # before negotiation: there is nothing to give up
        return int(milter.TEMPFAIL)
    talk.session.abort()
    return int(milter.CONTINUE)


def _close(ctx: Any) -> int:
    talk: Conversation | None = ctx.getpriv()
    if talk is not None:
        sessions.discard(talk.session)
        ctx.setpriv(None)
        talk.session.close()
    return int(milter.CONTINUE)
