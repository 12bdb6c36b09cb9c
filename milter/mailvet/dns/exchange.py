"""exchange – one DNS question on its way, how many there may be, and which octets are an answer to it.

Raises     nothing
Not here   sending and hearing (udp)
"""

import resource
import socket
import time
from collections.abc import Callable
from typing import Final

from mailvet.ports import Trouble

Server = tuple[str, int]
Landed = Callable[[bytes | Trouble, Server], None]
_MOST_FLIGHTS: Final = 4000  # on their way at once
_TELLING: Final = (0, 3)  # NOERROR, NXDOMAIN; with any other code the server says that it cannot tell


class Flight:
    """One question on its way."""

    __slots__ = ("deadline", "fallback", "landed", "over", "query", "resend", "start", "tries", "turn")

    def __init__(self, query: bytes, landed: Landed, timeout: float, turn: int) -> None:
        now = time.monotonic()
        self.query = query  # everything after the id
        self.landed = landed  # called once
        self.over = False
        self.resend = now + timeout / 2
        self.deadline = now + timeout
        self.start = self.turn = turn  # of the next server; rises with every try
        self.tries: dict[int, tuple[socket.socket, bytes, Server]] = {}  # by descriptor, with the id of each
        self.fallback: tuple[bytes | Trouble, Server] | None = None  # should no server do better


def is_answer(query: bytes, data: bytes) -> bool:
    """Is this a response to that question? Case is the server's to keep or not; nothing else is."""
    end = query.index(b"\0", 10) + 5  # the name's root label, type and class
    question = query[10:end]
    if data[2:3] < b"\x80":
        return False
    if len(data) == 12:  # a server that did not understand us need not repeat the question
        return not tells(data)
    return data[12 : 12 + len(question)].lower() == question.lower()


def tells(data: bytes) -> bool:
    """Is it an answer, or a server's excuse?"""
    return data[3] & 0x0F in _TELLING


def socket_address(server: Server) -> tuple[str, int] | tuple[str, int, int, int]:
    """With the interface of a link-local address, which `connect` takes as a number alone (RFC 4007 §11)."""
    address, zoned, zone = server[0].partition("%")
    if not zoned:
        return server
    return address, server[1], 0, int(zone) if zone.isdigit() else socket.if_nametoindex(zone)


def most_flights() -> int:
    """A quarter of the descriptors we may have: connections and second tries need some as well."""
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    return _MOST_FLIGHTS if limit == resource.RLIM_INFINITY else max(16, min(_MOST_FLIGHTS, limit // 4))
