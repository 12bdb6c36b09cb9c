"""udp – DNS questions over UDP without waiting: a socket for each try, one thread that hears the answers.

A `Flight` is sent from whatever thread asks and lands on the receiver's thread. Each try has a socket of
its own, which the kernel binds to a random port and connects to the server, and a random id: an answer has
to know all of it to be believed (RFC 5452 §9). A silent server is asked again, or the next one, half-way.

Raises     nothing: a flight lands with an answer or with a `Trouble`
Not here   what is in an answer (dnspython), caching (resolver)
"""

import contextlib
import os
import select
import socket
import threading
import time
from collections.abc import Callable, Sequence
from typing import Final

from mailvet.ports import Trouble

Server = tuple[str, int]
Landed = Callable[[bytes | Trouble, Server], None]
_MOST_BYTES: Final = 65535
_MOST_FLIGHTS: Final = 4000  # questions on their way at once; file descriptors are bounded too


class Flight:
    """One question on its way."""

    __slots__ = ("deadline", "landed", "query", "resend", "tries")

    def __init__(self, query: bytes, landed: Landed, timeout: float, now: float) -> None:
        self.query = query  # everything behind the id
        self.landed = landed  # called once, on the receiver's thread
        self.resend = now + timeout / 2
        self.deadline = now + timeout
        self.tries: list[tuple[socket.socket, bytes, Server]] = []  # with the id of each


class Transport:
    """Sends questions to the first server, then to the next; `start` makes the receiving thread."""

    def __init__(self, servers: Sequence[Server], timeout: float) -> None:
        self._servers = servers
        self._timeout = timeout
        self._lock = threading.Lock()
        self._flights: dict[int, Flight] = {}  # by the file descriptor of each try
        self._epoll: select.epoll | None = None
        self._wake = -1
        self._idle = False  # the receiver sleeps without a limit
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        self._epoll = select.epoll()
        self._wake = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._epoll.register(self._wake, select.EPOLLIN)
        self._thread = threading.Thread(target=self._receive, name="dns", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """End the thread; what is on its way lands as a timeout."""
        epoll, self._epoll = self._epoll, None
        if epoll is not None and self._thread is not None:
            os.eventfd_write(self._wake, 1)
            self._thread.join(5)
            epoll.close()
            os.close(self._wake)

    def send(self, query: bytes, landed: Landed) -> None:
        """Ask; never waits. Without a place or a route it lands at once, on this thread."""
        flight = Flight(query, landed, self._timeout, time.monotonic())
        if len(self._flights) >= _MOST_FLIGHTS or not self._try(flight):
            landed(Trouble.UNREACHABLE, self._servers[0])

    def _try(self, flight: Flight) -> bool:
        """Send it to the next server that a packet can be sent to."""
        epoll = self._epoll
        for _ in self._servers:
            server = self._servers[len(flight.tries) % len(self._servers)]
            sock = None
            try:
                sock = socket.socket(socket.AF_INET6 if ":" in server[0] else socket.AF_INET, socket.SOCK_DGRAM)
                sock.setblocking(False)
                sock.connect(server)
                identifier = os.urandom(2)
                with self._lock:
                    flight.tries.append((sock, identifier, server))
                    self._flights[sock.fileno()] = flight
                if epoll is None:
                    raise OSError("closed")
                epoll.register(sock.fileno(), select.EPOLLIN)
                sock.send(identifier + flight.query)
            except OSError:
                if sock is not None:
                    self._flights.pop(sock.fileno(), None)
                    sock.close()
                continue
            if self._idle:
                os.eventfd_write(self._wake, 1)
            return True
        return False

    def _receive(self) -> None:
        while (epoll := self._epoll) is not None:
            wait = self._until_next()
            self._idle = wait is None
            if self._idle and self._flights:  # one was sent between the two lines above
                wait = 0.05
            for descriptor, _ in epoll.poll(wait):
                if descriptor == self._wake:
                    with contextlib.suppress(BlockingIOError):
                        os.eventfd_read(self._wake)
                else:
                    self._heard(descriptor)
            self._expire()
        for flight in set(self._flights.values()):
            self._land(flight, Trouble.TIMEOUT, self._servers[0])

    def _until_next(self) -> float | None:
        """Seconds until a flight has to be looked after; None: none is on its way."""
        with self._lock:
            flights = set(self._flights.values())
        if not flights:
            return None
        return max(0.001, min(min(flight.resend, flight.deadline) for flight in flights) - time.monotonic())

    def _heard(self, descriptor: int) -> None:
        flight = self._flights.get(descriptor)
        if flight is None:
            return
        sock, identifier, server = next(entry for entry in flight.tries if entry[0].fileno() == descriptor)
        try:
            data = sock.recv(_MOST_BYTES)
        except BlockingIOError:
            return
        except OSError:  # nobody listens there (ICMP): ask the next one, unless that was the last try
            self._flights.pop(descriptor, None)
            if len(flight.tries) > len(self._servers) or not self._try(flight):
                self._land(flight, Trouble.UNREACHABLE, server)
            return
        # an answer to another question, or a guess: keep listening (RFC 5452 §9.1)
        if data[:2] == identifier and self._same_question(flight.query, data):
            self._land(flight, data, server)

    @staticmethod
    def _same_question(query: bytes, data: bytes) -> bool:
        end = query.index(b"\0", 10) + 5  # the name's root label, type and class
        question = query[10:end]
        return data[2:3] >= b"\x80" and data[12 : 12 + len(question)].lower() == question.lower()

    def _expire(self) -> None:
        now = time.monotonic()
        with self._lock:
            due = {flight for flight in self._flights.values() if min(flight.resend, flight.deadline) <= now}
        for flight in due:
            if flight.deadline <= now:
                self._land(flight, Trouble.TIMEOUT, flight.tries[0][2])
            else:
                flight.resend = flight.deadline
                self._try(flight)

    def _land(self, flight: Flight, result: bytes | Trouble, server: Server) -> None:
        for sock, _, _ in flight.tries:
            with self._lock:
                self._flights.pop(sock.fileno(), None)
            sock.close()  # takes it out of epoll too
        flight.landed(result, server)
