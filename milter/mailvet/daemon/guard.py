"""guard – keeps every exception inside its callback; a message that lost a step to one is deferred.

Raises     nothing
Not here   the callbacks (callbacks), what a session makes of a failed step (session)
"""

import contextlib
import os
import sys
from collections.abc import Callable
from types import TracebackType
from typing import Any, Final

from mailvet.daemon.connections import Conversation, current, sessions
from mailvet.ports import ReportBug
from mailvet.session.session import Session

Callback = Callable[..., int]
_LAST_STEPS: Final = ("end of message", "abort", "close")  # after these no message is in progress


class Guard:
    """The maker of callbacks that do not raise, from steps that may. Their first argument is libmilter's context."""

    def __init__(self, report_bug: ReportBug, tempfail: int, reject: int) -> None:
        """`report_bug` gets a bug that was met without a session; the other two are libmilter's answers."""
        self._report_bug = report_bug
        self._tempfail, self._reject = tempfail, reject

    def negotiation(self, step: Callback) -> Callback:
        """Guard the negotiation. If it raises, the connection is refused: milter_default_action says what follows."""

        def callback(ctx: Any, *arguments: Any) -> int:
            try:
                return step(ctx, *arguments)
            except BaseException as e:
                self._report("negotiate", e)
                return self._reject

        return callback

    def quiet(self, name: str, step: Callback) -> Callback:
        """Guard a step that may not refuse. If it raises, its message is deferred at its end."""

        def callback(ctx: Any, *arguments: Any) -> int:
            try:
                return step(ctx, *arguments)
            except BaseException as e:
                return self._failed(ctx, name, e)

        return callback

    def header(self, step: Callback) -> Callback:
        """Guard a header field like `quiet`, only faster: two arguments cost less to hand on than any number."""

        def callback(ctx: Any, name: str, value: bytes) -> int:
            try:
                return step(ctx, name, value)
            except BaseException as e:
                return self._failed(ctx, "header", e)

        return callback

    def final(self, step: Callback) -> Callback:
        """Guard the end of a message. If it raises, the message is deferred."""

        def callback(ctx: Any) -> int:
            try:
                return step(ctx)
            except BaseException as e:
                with contextlib.suppress(BaseException):
                    self._failed(ctx, "end of message", e)
                return self.defer(ctx)

        return callback

    def defer(self, ctx: Any) -> int:
        """Answer 451. This is the last resort, so it uses nothing that can have failed."""
        with contextlib.suppress(BaseException):
            ctx.setreply("451", "4.3.0", "Email deferred because of an internal error")
        return self._tempfail

    def _failed(self, ctx: Any, name: str, error: BaseException) -> int:
        talk: Conversation | None = ctx.getpriv()
        if talk is None:
            self._report(name, error)
            return self._tempfail
        if name == "close":
            sessions.discard(talk.session)
        if name in _LAST_STEPS:
            talk.session.transaction = None
        talk.session.failed(name, error)
        return talk.go_on

    def _report(self, where: str, error: BaseException) -> None:
        with contextlib.suppress(BaseException):
            self._report_bug(where, error)


def excepthook(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """Handle an exception that pymilter's C code met before our code ran; it answers CONTINUE to libmilter.

    Bytes that are not UTF-8 are handed to the session. Nothing else should get here: as it is not known which step it
    was, the process ends, and Postfix defers every message that was in progress.
    """
    session: Session | None = getattr(current, "session", None)
    if session is None:  # not libmilter's: the main thread's own
        sys.__excepthook__(kind, error, trace)
        return
    harmless = False
    try:
        if isinstance(error, UnicodeDecodeError) and trace is None:
            _undecodable(session, error.object)
            harmless = True
        else:
            session.failed("callback", error)
    finally:
        if not harmless:
            os._exit(1)


def _undecodable(session: Session, raw: bytes) -> None:
    try:
        session.undecodable(raw)
    except BaseException as e:
        session.failed("helo" if session.transaction is None else "header", e)
