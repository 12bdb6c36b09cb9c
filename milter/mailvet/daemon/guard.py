"""guard – no exception leaves a callback: what a step lost is remembered, and its message deferred.

Raises     nothing
Not here   libmilter (pymilter), what a session makes of a failed step (session)
"""

import contextlib
import os
import sys
from collections.abc import Callable
from types import TracebackType
from typing import Any, Final

from mailvet.daemon.connections import Conversation, current, sessions
from mailvet.session.session import Session

Callback = Callable[..., int]
ReportBug = Callable[[str, BaseException], None]
_OVER: Final = ("end of message", "abort", "close")  # steps after which there is no message any more


class Guard:
    """Makes steps into callbacks that do not raise. Each takes libmilter's context first."""

    def __init__(self, surprised: ReportBug, tempfail: int, reject: int) -> None:
        """`surprised` is told of a bug that was met where there is no session."""
        self._surprised = surprised
        self._tempfail, self._reject = tempfail, reject

    def negotiation(self, step: Callback) -> Callback:
        """Not this connection: Postfix does what milter_default_action says."""

        def callback(ctx: Any, *arguments: Any) -> int:
            try:
                return step(ctx, *arguments)
            except BaseException as e:
                self._tell("negotiate", e)
                return self._reject

        return callback

    def quiet(self, name: str, step: Callback) -> Callback:
        """A step that may not refuse: its message will be deferred."""

        def callback(ctx: Any, *arguments: Any) -> int:
            try:
                return step(ctx, *arguments)
            except BaseException as e:
                return self._failed(ctx, name, e)

        return callback

    def header(self, step: Callback) -> Callback:
        """The same for the step that is called most: two arguments are handed on faster than any number."""

        def callback(ctx: Any, name: str, value: bytes) -> int:
            try:
                return step(ctx, name, value)
            except BaseException as e:
                return self._failed(ctx, "header", e)

        return callback

    def final(self, step: Callback) -> Callback:
        """The end of a message."""

        def callback(ctx: Any) -> int:
            try:
                return step(ctx)
            except BaseException as e:
                with contextlib.suppress(BaseException):
                    self._failed(ctx, "end of message", e)
                return self.defer(ctx)

        return callback

    def defer(self, ctx: Any) -> int:
        """The last resort: nothing that can have failed is used."""
        with contextlib.suppress(BaseException):
            ctx.setreply("451", "4.3.0", "Email deferred because of an internal error")
        return self._tempfail

    def _failed(self, ctx: Any, name: str, error: BaseException) -> int:
        talk: Conversation | None = ctx.getpriv()
        if talk is None:
            self._tell(name, error)
            return self._tempfail
        if name == "close":
            sessions.discard(talk.session)
        if name in _OVER:
            talk.session.transaction = None
        talk.session.failed(name, error)
        return talk.go_on

    def _tell(self, where: str, error: BaseException) -> None:
        with contextlib.suppress(BaseException):
            self._surprised(where, error)


def excepthook(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """An exception the C module met before our code ran; libmilter is told CONTINUE.

    Bytes that are not UTF-8 are the session's business. Nothing else ought to get here: as nobody can say which step
    it was, the process ends, and every message that was in progress is deferred by Postfix.
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
