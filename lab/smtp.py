"""smtp – an SMTP client that sends exactly the octets it is given, and sets its address and name by XCLIENT.

Raises     OSError
"""

import re
import socket
from types import TracebackType
from typing import NamedTuple, Self

_OCTET = re.compile(rb"[^\x21-\x7e]|[+=]")  # RFC 3461 §4, xtext


class Reply(NamedTuple):
    code: int
    text: str

    @property
    def queue_id(self) -> str:
        return self.text.rpartition("queued as ")[2]


class Client:
    def __init__(
        self, port: int, *, address: str, name: str = "", helo: str | bytes = "client.example", login: str = ""
    ) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), 60)
        self._file = self._socket.makefile("rb")
        self._expect(220, self._reply())
        self._expect(250, self.say(b"EHLO loopback.example"))
        ours = helo.encode() if isinstance(helo, str) else helo
        attributes = [b"ADDR=" + (f"IPV6:{address}" if ":" in address else address).encode()]
        attributes.append(b"NAME=" + (name.encode() or b"[UNAVAILABLE]"))
        if login:
            attributes.append(b"LOGIN=" + _OCTET.sub(lambda octet: b"+%02X" % octet[0][0], login.encode()))
        self._expect(220, self.say(b"XCLIENT " + b" ".join(attributes)))
        self.say(b"EHLO " + ours)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self._file.close()
        self._socket.close()

    def say(self, line: bytes) -> Reply:
        self._socket.sendall(line + b"\r\n")
        return self._reply()

    def send(self, mail_from: str, recipient: str, message: bytes, parameters: str = "") -> Reply:
        """One message; the reply to its end, or the first refusal before that."""
        reply = self.begin(mail_from, recipient, parameters)
        return reply if reply.code != 354 else self.finish(message)

    def begin(self, mail_from: str, recipient: str, parameters: str = "") -> Reply:
        options = f" {parameters}" if parameters else ""
        for line in (f"MAIL FROM:<{mail_from}>{options}", f"RCPT TO:<{recipient}>"):
            reply = self.say(line.encode())
            if reply.code != 250:
                return reply
        return self.say(b"DATA")

    def finish(self, message: bytes) -> Reply:
        self.push(stuffed(message))
        return self.say(b".")

    def push(self, octets: bytes) -> None:
        self._socket.sendall(octets)

    def pipeline(self, lines: list[bytes]) -> list[Reply]:
        """All at once (RFC 2920), then all the replies."""
        self._socket.sendall(b"".join(line + b"\r\n" for line in lines))
        return [self._reply() for _ in lines]

    def _reply(self) -> Reply:
        text: list[str] = []
        while True:
            line = self._file.readline()
            if len(line) < 4:
                raise ConnectionError("the server closed the connection")
            text.append(line[4:].decode("utf-8", "replace").strip())
            if line[3:4] != b"-":
                return Reply(int(line[:3]), "\n".join(text))

    @staticmethod
    def _expect(code: int, reply: Reply) -> None:
        if reply.code != code:
            raise ConnectionError(f"{reply.code} {reply.text}")


def stuffed(message: bytes) -> bytes:
    """Lines that begin with a dot get another (RFC 5321 §4.5.2)."""
    dotted = message.replace(b"\r\n.", b"\r\n..")
    return b"." + dotted if dotted.startswith(b".") else dotted
