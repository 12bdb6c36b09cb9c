"""exchange – one DNS question that was sent and waits for its answer: its state, and which octets answer it.

Raises     OSError, from `socket_address` alone, for a network interface that does not exist
Not here   sending and receiving (udp)
"""

import resource
import socket
import time
from collections.abc import Callable
from typing import Final

from mailvet.ports import Trouble
from mailvet.values import Endpoint

Finished = Callable[[bytes | Trouble, Endpoint], None]  # the answer, and the server that gave it
_MOST_EXCHANGES: Final = 4000  # at once
_CONCLUSIVE_CODES: Final = (0, 3)  # NOERROR, NXDOMAIN; with any other code the server says that it cannot tell


class Exchange:
    """One question, sent to a server or to several one after the other."""

    __slots__ = (
        "deadline", "fallback", "finished", "first_server", "next_server", "over", "query", "resend_at", "tries"
    )  # fmt: skip

    def __init__(self, query: bytes, finished: Finished, timeout: float, first_server: int) -> None:
        now = time.monotonic()
        self.query = query  # everything after the id
        self.finished = finished  # called once
        self.over = False
        self.resend_at = now + timeout / 2
        self.deadline = now + timeout
        self.first_server = self.next_server = first_server  # indices; the second rises with every try
        self.tries: dict[int, tuple[socket.socket, bytes, Endpoint]] = {}  # by descriptor, with the id of each
        self.fallback: tuple[bytes | Trouble, Endpoint] | None = None  # the result if no server does better


def is_answer(query: bytes, data: bytes) -> bool:
    """Return whether the octets are a response to that question. A server may change only the case of the name."""
    end = query.index(b"\0", 10) + 5  # the name's root label, type and class
    question = query[10:end]
    if data[2:3] < b"\x80":
        return False
    if len(data) == 12:  # a server that did not understand us need not repeat the question
        return not is_conclusive(data)
    return data[12 : 12 + len(question)].lower() == question.lower()


def is_conclusive(data: bytes) -> bool:
    """Return whether the server says that there is something or nothing, not that it cannot tell."""
    return data[3] & 0x0F in _CONCLUSIVE_CODES


def socket_address(server: Endpoint) -> tuple[str, int] | tuple[str, int, int, int]:
    """Return what `connect` takes: for a link-local address with the index of its interface (RFC 4007 §11)."""
    address, zoned, zone = server.address.partition("%")
    if not zoned:
        return server
    return address, server.port, 0, int(zone) if zone.isdigit() else socket.if_nametoindex(zone)


def most_exchanges() -> int:
    """Return how many there may be at once: a quarter of the descriptors we may have, since TCP connections and second
    tries need some as well."""
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    return _MOST_EXCHANGES if limit == resource.RLIM_INFINITY else max(16, min(_MOST_EXCHANGES, limit // 4))
