"""callbacks – what libmilter calls at each step of a message: the way from libmilter to `Session` and back.

Four traps of pymilter are closed here:

- A byte that is not UTF-8 in a header field name, a HELO or a host name makes the C code raise before Python is called.
  The exception policy is CONTINUE, and `guard.excepthook`, which sees the bytes, tells the session.
- CONTINUE would let a message pass at whose end a callback of ours raised. TEMPFAIL is no better: it would answer 451
  to those bytes for ever, and where no reply is expected libmilter forgets the message that the MTA goes on with. So
  no callback lets an exception out, of whatever class: a step without reply tells the session, which defers the
  message at its end; the end of a message answers TEMPFAIL. Should one get out, the process ends, and Postfix does
  what milter_default_action says.
- An exception after edits were sent would leave half of them applied: the session plans, `_apply` sends, and where that
  fails the answer is TEMPFAIL, upon which Postfix gives the message up, edits and all.
- `negotiate` asks for every action the MTA offers unless it is told otherwise.

Raises     nothing
Not here   the library itself (libmilter), what any of it means (session)
"""

import socket
from collections.abc import Callable
from typing import Any

from mailvet.case import Case, Listener
from mailvet.daemon import libmilter
from mailvet.daemon.connections import Conversation, current, sessions
from mailvet.daemon.guard import Callback, Guard
from mailvet.outcome import Action, Delete
from mailvet.ports import ReportBug
from mailvet.session.session import Session


def make_callbacks(
    new_session: Callable[[], Session], finished: Listener, report_bug: ReportBug
) -> dict[str, Callback]:
    """Return the callbacks by step. None of them raises.

    `finished` gets the Case of each message, once it is applied; `report_bug` a bug that was met without a session.
    """
    guard = Guard(report_bug, libmilter.TEMPFAIL, libmilter.REJECT)
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
    if actions & libmilter.HEADER_CHANGES != libmilter.HEADER_CHANGES:
        return libmilter.REJECT  # an MTA that lets no header be changed cannot be protected
    needed = libmilter.UNANSWERED_STEPS | libmilter.LEADING_SPACE
    quiet = steps & needed == needed
    offer[0] = actions & libmilter.ACTIONS
    offer[1] = steps & (libmilter.UNUSED_STEPS | libmilter.LEADING_SPACE | (libmilter.UNANSWERED_STEPS if quiet else 0))
    offer[2] = offer[3] = 0
    session = new_session()
    current.session = session
    ctx.setpriv(Conversation(session, libmilter.NO_REPLY if quiet else libmilter.CONTINUE))
    sessions.add(session)
    return libmilter.CONTINUE


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
    """Send libmilter a plan that is complete. Nothing here decides, so only the MTA can stop it half-way."""
    disposition = case.disposition
    if disposition.code:
        # MTAs differ on "%" in a reply (a format for some), and none of our texts needs one
        ctx.setreply(disposition.code, disposition.enhanced, disposition.text.replace("%", " "))
        return libmilter.TEMPFAIL if disposition.action is Action.TEMPFAIL else libmilter.REJECT
    for edit in case.edits:
        if isinstance(edit, Delete):
            ctx.chgheader(edit.name, edit.index, None)
        else:
            ctx.addheader(edit.name, edit.value, edit.index)
    if disposition.action is Action.QUARANTINE:
        ctx.quarantine(disposition.reason or libmilter.NAME)
    return libmilter.CONTINUE


def _abort(ctx: Any) -> int:
    talk: Conversation | None = ctx.getpriv()
    if talk is None:  # before negotiation no message is in progress
        return libmilter.TEMPFAIL
    talk.session.abort()
    return libmilter.CONTINUE


def _close(ctx: Any) -> int:
    talk: Conversation | None = ctx.getpriv()
    if talk is not None:
        sessions.discard(talk.session)
        ctx.setpriv(None)
        talk.session.close()
    return libmilter.CONTINUE
