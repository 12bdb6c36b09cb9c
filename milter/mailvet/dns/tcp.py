"""tcp – a DNS question over TCP, for an answer that does not fit a packet (RFC 7766 §5).

Only the octets are fetched: dnspython's own function reads and writes every record, which takes 50 µs each, and 64 kB
hold 4,000.

Raises     nothing
Not here   what is in the answer (dnspython), and who waits for it (resolver)
"""

import os
import socket
import struct
import time
from typing import Final

from mailvet.dns.exchange import is_answer
from mailvet.ports import Trouble
from mailvet.values import Endpoint

_LENGTH: Final = struct.Struct("!H")  # RFC 1035 §4.2.2


def ask(query: bytes, server: Endpoint, timeout: float) -> bytes | Trouble:
    """Return the answer to a question, which is given without its id. Waits, so it is for threads that may."""
    deadline = time.monotonic() + timeout
    message = os.urandom(2) + query
    try:
        with socket.create_connection(server, timeout) as connection:
            connection.sendall(_LENGTH.pack(len(message)) + message)
            (length,) = _LENGTH.unpack(_exactly(connection, _LENGTH.size, deadline))
            data = _exactly(connection, length, deadline)
    except TimeoutError:
        return Trouble.TIMEOUT
    except EOFError:
        return Trouble.BROKEN
    except OSError:
        return Trouble.UNREACHABLE
    return data if len(data) >= 12 and data[:2] == message[:2] and is_answer(query, data) else Trouble.BROKEN


def _exactly(connection: socket.socket, length: int, deadline: float) -> bytes:
    """Receive so many octets. Raises TimeoutError, EOFError or another OSError."""
    data = bytearray()
    while len(data) < length:
        left = deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError
        connection.settimeout(left)
        part = connection.recv(length - len(data))
        if not part:
            raise EOFError
        data += part
    return bytes(data)
