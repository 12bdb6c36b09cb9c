"""milterhost – plays libmilter and Postfix in process: calls mailvet's callbacks, and carries out what they ask for.

Like Postfix, it gives up a whole message that the milter does not let pass, whatever edits were sent before.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

import milter
from lab.mta import RECEIVED, Field, PostfixHeaders
from mailvet.case import Listener
from mailvet.daemon import callbacks, connections
from mailvet.outcome import Delete, Edit, Insert
from mailvet.session.session import Session

_OFFER = [0x1FF, 0x1FFFFF, 0, 0]  # all that Postfix offers
QUIET = frozenset(("connect", "helo", "mail", "header", "end of headers", "body"))


class ProcessEnds(Exception):
    """A callback let an exception out: `guard.excepthook` would end the process, and Postfix answers 451."""


@dataclass
class Fate:
    """What became of a message."""

    code: str  # "250", or what the client is told
    text: str = ""
    fields: list[Field] = field(default_factory=list)  # as delivered
    body: bytes = b""
    held: bool = False

    @property
    def delivered(self) -> bool:
        """Whether it was let through."""
        return self.code == "250"


class Context:
    """What pymilter hands to callbacks; it remembers what they do with it."""

    def __init__(self) -> None:
        self._private: Any = None
        self.macros: dict[str, str] = {}
        self.reply: tuple[str, str, str] | None = None
        self.edits: list[Edit] = []
        self.held = False

    def getpriv(self) -> Any:
        return self._private

    def setpriv(self, private: Any) -> None:
        self._private = private

    def getsymval(self, name: str) -> str | None:
        return self.macros.get(name)

    def setreply(self, code: str, enhanced: str, text: str) -> None:
        self.reply = (code, enhanced, text)

    def addheader(self, name: str, value: str, index: int) -> None:
        self.edits.append(Insert(index, name, value))

    def chgheader(self, name: str, index: int, _value: None) -> None:
        self.edits.append(Delete(name, index))

    def quarantine(self, _reason: str) -> None:
        self.held = True


class Connection:
    """One connection of Postfix to the milter."""

    def __init__(
        self,
        new_session: Callable[[], Session],
        finished: Listener,
        report_bug: Callable[[str, BaseException], None],
        context: Context | None = None,
    ) -> None:
        self._steps = callbacks.make_callbacks(new_session, finished, report_bug)
        self.context = context or Context()
        self.refused = False

    def connect(self, address: str, helo: str) -> None:
        """Negotiate, and tell mailvet of an SMTP client."""
        self.refused = self._call("negotiate", list(_OFFER)) != milter.CONTINUE
        if not self.refused:
            self._call("connect", "unknown", 2, (address, 4242))
            self._call("helo", helo)

    def message(self, sender: bytes, fields: Iterable[Field], body: bytes, login: str = "") -> Fate:
        """Send a message and return what became of it."""
        context = self.context
        if self.refused:
            return Fate("451", "milter_default_action")
        context.reply, context.edits, context.held = None, [], False
        context.macros = {"i": "4XYZ", **({"{auth_authen}": login} if login else {})}
        self._call("mail", b"<" + sender + b">")
        for name, value in fields:
            self._call("header", name.decode(), value)
        self._call("end of headers")
        for at in range(0, len(body), 65535):
            self._call("body", body[at : at + 65535])
        reply = self._call("end of message")
        if reply in (milter.TEMPFAIL, milter.REJECT):
            code, _, text = context.reply or ("451" if reply == milter.TEMPFAIL else "550", "", "")
            return Fate(code, text)
        assert reply == milter.CONTINUE
        model = PostfixHeaders(fields)
        model.apply(context.edits)
        return Fate("250", "", [each for each in model.all if each != RECEIVED], body, context.held)

    def close(self) -> None:
        """End the connection."""
        self._call("close")

    def _call(self, step: str, *arguments: object) -> int:
        try:
            reply = self._steps[step](self.context, *arguments)
        except BaseException as e:
            raise ProcessEnds from e
        assert step not in QUIET or reply == milter.NOREPLY, f"{step}: libmilter would forget the message"
        return reply


def open_sessions() -> int:
    """Count the connections that mailvet believes to be open."""
    return len(connections.sessions)
