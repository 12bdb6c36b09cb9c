"""mailbox – an LMTP server that keeps each message exactly as it arrived, by recipient.

Raises     TimeoutError from `take`
"""

import contextlib
import socketserver
import threading
import time
from typing import Self

_CAPABILITIES = b"250-mailbox\r\n250-8BITMIME\r\n250-SMTPUTF8\r\n250-PIPELINING\r\n250 ENHANCEDSTATUSCODES\r\n"


class Mailbox:
    def __init__(self) -> None:
        self._messages: dict[str, list[bytes]] = {}
        self._changed = threading.Condition()
        self._server = _Server(("127.0.0.1", 0), _Talk)
        self._server.mailbox = self
        self.port: int = self._server.server_address[1]

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, args=(0.1,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def keep(self, recipient: str, message: bytes) -> None:
        with self._changed:
            self._messages.setdefault(recipient.lower(), []).append(message)
            self._changed.notify_all()

    def take(self, recipient: str, patience: float = 30.0) -> bytes:
        """The next message for this recipient; waits for it."""
        deadline = time.monotonic() + patience
        with self._changed:
            while not self._messages.get(recipient.lower()):
                if not self._changed.wait(deadline - time.monotonic()):
                    raise TimeoutError(f"nothing was delivered to {recipient} within {patience:g} s")
            return self._messages[recipient.lower()].pop(0)

    def waiting(self, recipient: str) -> int:
        """How many messages there are, without waiting."""
        with self._changed:
            return len(self._messages.get(recipient.lower(), ()))


class _Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    allow_reuse_address = True
    mailbox: Mailbox


class _Talk(socketserver.StreamRequestHandler):
    server: _Server
    wbufsize = -1

    def handle(self) -> None:
        with contextlib.suppress(ConnectionError):
            self._converse()

    def _converse(self) -> None:
        self._say(b"220 mailbox LMTP\r\n")
        recipients: list[str] = []
        while line := self.rfile.readline():
            verb = line[:4].upper()
            if verb == b"LHLO":
                self._say(_CAPABILITIES)
            elif verb == b"RCPT":
                recipients.append(line.partition(b"<")[2].partition(b">")[0].decode("utf-8"))
                self._say(b"250 2.1.5 ok\r\n")
            elif verb == b"DATA":
                self._say(b"354 go on\r\n")
                message = self._message()
                for recipient in recipients:
                    self.server.mailbox.keep(recipient, message)
                    self._say(b"250 2.0.0 kept\r\n")
                recipients = []
            elif verb == b"QUIT":
                self._say(b"221 2.0.0 bye\r\n")
                return
            else:  # MAIL, RSET, NOOP
                recipients = []
                self._say(b"250 2.0.0 ok\r\n")

    def _message(self) -> bytes:
        lines: list[bytes] = []
        while (line := self.rfile.readline()) not in (b".\r\n", b""):
            lines.append(line[1:] if line.startswith(b".") else line)
        return b"".join(lines)

    def _say(self, reply: bytes) -> None:
        self.wfile.write(reply)
        self.wfile.flush()
