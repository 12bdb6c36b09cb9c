"""milterclient – plays the MTA: speaks the milter protocol (version 6, as Postfix does) over a unix socket.

Octets are sent as they are given, so a test can send what no MTA would. Raises OSError, ConnectionError.
"""

import socket
import struct
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from lab.milter_protocol import LEADING_SPACE, STEPS, split

_FINAL_REPLIES = b"artyd"  # accept, reject, tempfail, reply code, discard
_SKIP_REPLY = b"s"  # the rest of the body is not wanted


@dataclass
class Answer:
    """What the milter did about a message."""

    reply: bytes = b""  # b"c" or b"a": accepted; b"y": a text of its own, in `text`
    text: str = ""
    inserted: list[tuple[int, str, str]] = field(default_factory=list)  # position, name, value
    deleted: list[tuple[int, str]] = field(default_factory=list)  # index, name
    quarantined: bool = False

    @property
    def accepted(self) -> bool:
        """Whether the message is let through."""
        return self.reply in (b"a", b"c")


class MilterClient:
    """One connection to a milter; the options are negotiated when it is made."""

    def __init__(self, path: Path) -> None:
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.settimeout(60)
        self._socket.connect(str(path))
        self._file = self._socket.makefile("rb")
        self._write(b"O", struct.pack("!III", 6, 0x1FF, 0x1FFFFF))
        command, data = self._read()
        if command != b"O":
            raise ConnectionError(f"no negotiation: {command!r}")
        self._protocol = struct.unpack("!III", data[:12])[2]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()
        self._socket.close()

    def connect(self, address: str, name: bytes = b"", helo: bytes = b"client.example") -> None:
        """Tell the milter of an SMTP client, whose host name is `[address]` where none is given, and of its HELO."""
        host = name or b"[" + address.encode() + b"]"
        family = b"6" if ":" in address else b"4"
        self.step(b"C", host + b"\0" + family + b"\x9c\x40" + address.encode() + b"\0")
        self.step(b"H", helo + b"\0")

    def connect_without_address(self, family: bytes) -> None:
        """Tell the milter of a client that the MTA does not know (b"U"), or that is on a unix socket (b"L")."""
        path = b"" if family == b"U" else b"\0\0/run/local\0"
        self.step(b"C", b"unknown\0" + family + path)
        self.step(b"H", b"client.example\0")

    def message(self, mail_from: bytes, raw: bytes) -> Answer:
        """Send a message from MAIL FROM to its end. Header fields may have any octets but NUL."""
        self.step(b"M", b"<" + mail_from + b">\0")
        self.step(b"R", b"<someone@rcpt.example>\0")
        self.step(b"T")
        fields, body = split(raw)
        for name, value in fields:
            self.step(b"L", name + b"\0" + (value if self._protocol & LEADING_SPACE else value.lstrip(b" ")) + b"\0")
        self.step(b"N")
        for at in range(0, len(body), 65535):
            if self.step(b"B", body[at : at + 65535]) == _SKIP_REPLY:
                break
        return self.end()

    def step(self, command: bytes, data: bytes = b"") -> bytes:
        """Send one step, unless the milter does not want it. Return its reply, b"" if it gets none."""
        unwanted, silent = STEPS[command]
        if self._protocol & unwanted:
            return b""
        self._write(command, data)
        if self._protocol & silent:
            return b""
        reply, text = self._read()
        if reply not in (b"c", _SKIP_REPLY):
            raise ConnectionError(f"{command!r} was answered by {reply + text!r}")
        return reply

    def end(self) -> Answer:
        """End the message, and return what the milter did about it."""
        self._write(b"D", b"Ei\0QUEUEID\0")
        self._write(b"E")
        answer = Answer()
        while True:
            command, data = self._read()
            if command == b"i":
                name, value = data[4:].split(b"\0")[:2]
                place = struct.unpack("!I", data[:4])[0]
                answer.inserted.append((place, name.decode(), value.decode("utf-8", "surrogateescape")))
            elif command == b"m":
                answer.deleted.append((struct.unpack("!I", data[:4])[0], data[4:].split(b"\0")[0].decode()))
            elif command == b"q":
                answer.quarantined = True
            elif command in _FINAL_REPLIES or command == b"c":
                answer.reply, answer.text = command, data.rstrip(b"\0").decode()
                return answer

    def _write(self, command: bytes, data: bytes = b"") -> None:
        self._socket.sendall(struct.pack("!I", len(data) + 1) + command + data)

    def _read(self) -> tuple[bytes, bytes]:
        size = self._file.read(4)
        if len(size) < 4:
            raise ConnectionError("the milter closed the connection")
        data = self._file.read(struct.unpack("!I", size)[0])
        return data[:1], data[1:]
