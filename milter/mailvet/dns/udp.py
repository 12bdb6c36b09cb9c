"""udp – DNS questions over UDP without waiting: a socket for each try, one thread that hears the answers.

A flight is sent from whatever thread asks and lands on the receiver's thread. Each try has a socket of
its own, which the kernel binds to a random port and connects to the server, and a random id: an answer has
to know all of it to be believed (RFC 5452 §9). A silent server is asked again, or the next one, half-way;
one that cannot answer makes way for the next at once. Flights beyond what descriptors allow wait their turn.

Raises     nothing: a flight lands with an answer or with a `Trouble`
Not here   which octets answer a question (flight), what is in them (dnspython), caching (resolver)
"""

import contextlib
import math
import os
import select
import socket
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Final

from mailvet.dns.exchange import Flight, Landed, Server, is_answer, most_flights, socket_address, tells
from mailvet.ports import ReportBug, Trouble

_MOST_BYTES: Final = 65535
_MOST_WAITING: Final = 10_000  # flights that wait for others to land
_HOPELESS: Final = 100  # turns in a row that raised
_STAY: Final = 30.0  # seconds with the server that answered in place of a silent one


class Transport:
    """Sends questions to the first server, then to the next; `start` makes the receiving thread."""

    def __init__(self, servers: Sequence[Server], timeout: float, report_bug: ReportBug = lambda *_: None) -> None:
        self._report_bug = report_bug
        self._servers = servers
        self._timeout = timeout
        self._tick = min(0.05, timeout / 10)  # how exact times are kept
        self._most = most_flights()
        self._lock = threading.Lock()
        self._up = 0  # flights on their way
        self._flights: dict[int, Flight] = {}  # by the descriptor of each try
        self._waiting: deque[Flight] = deque()
        self._first = (0, 0.0)  # a server to begin with, and until when
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

    @property
    def deaf(self) -> bool:
        """Has the receiving thread ended though nobody closed this?"""
        return self._epoll is not None and self._thread is not None and not self._thread.is_alive()

    def close(self) -> None:
        """End the thread; what is on its way lands as a timeout."""
        epoll, self._epoll = self._epoll, None
        if epoll is not None and self._thread is not None:
            os.eventfd_write(self._wake, 1)
            self._thread.join(5)
            epoll.close()
            os.close(self._wake)

    def send(self, query: bytes, landed: Landed, behind: Server | None = None) -> None:
        """Ask, beginning with the server behind that one; never waits. Without a route it lands at once, on this
        thread."""
        first, until = self._first
        turn = first if until > time.monotonic() else 0
        flight = Flight(query, landed, self._timeout, turn if behind is None else self._servers.index(behind) + 1)
        with self._lock:
            full = self._up >= self._most
            if not full:
                self._up += 1
            elif len(self._waiting) < _MOST_WAITING:
                self._waiting.append(flight)
                return
        if full:
            self._tell(flight, Trouble.UNREACHABLE, self._servers[0])
        elif not self._try(flight):
            self._land(flight, Trouble.UNREACHABLE, self._servers[0])

    def _try(self, flight: Flight) -> bool:
        """Send it to the next server that a packet can be sent to."""
        for _ in self._servers:
            server = self._servers[flight.turn % len(self._servers)]
            flight.turn += 1
            if self._send_to(server, flight):
                if self._idle:
                    with contextlib.suppress(OSError):  # closing
                        os.eventfd_write(self._wake, 1)
                return True
        return False

    def _send_to(self, server: Server, flight: Flight) -> bool:
        epoll, descriptor, sock = self._epoll, -1, None
        if epoll is None:
            return False
        try:
            sock = socket.socket(socket.AF_INET6 if ":" in server[0] else socket.AF_INET, socket.SOCK_DGRAM)
            sock.setblocking(False)
            sock.connect(socket_address(server))
            identifier = os.urandom(2)
            descriptor = sock.fileno()
            with self._lock:
                flight.tries[descriptor] = (sock, identifier, server)
                self._flights[descriptor] = flight
            epoll.register(descriptor, select.EPOLLIN)
            sock.send(identifier + flight.query)
        except (OSError, ValueError):  # no route, no descriptor left; closed meanwhile
            self._drop(flight, descriptor)
            if sock is not None:
                sock.close()
            return False
        return True

    def _drop(self, flight: Flight, descriptor: int) -> None:
        """Forget a try. Closing the socket takes it out of epoll too."""
        with self._lock:
            self._flights.pop(descriptor, None)
            entry = flight.tries.pop(descriptor, None)
        if entry is not None:
            entry[0].close()

    def _receive(self) -> None:
        look, failed = 0.0, 0
        while (epoll := self._epoll) is not None and failed < _HOPELESS:
            try:
                # In this order: a sender who does not see us idle has been seen by us
                self._idle = not (self._flights or self._waiting)
                wait = None if self._idle and not self._flights else self._tick
                for descriptor, _ in epoll.poll(wait):
                    if descriptor == self._wake:
                        with contextlib.suppress(BlockingIOError):
                            os.eventfd_read(self._wake)
                    else:
                        self._guarded(self._flights.get(descriptor), self._heard, descriptor)
                if time.monotonic() >= look:
                    look = time.monotonic() + self._tick
                    self._expire()
                failed = 0
            except BaseException as e:  # a bug: all other questions still have to be heard
                failed += 1
                self._report_bug("dns receiver", e)
        self._expire(closing=True)

    def _guarded(self, flight: Flight | None, step: Callable[..., object], *arguments: object) -> None:
        """A bug costs the flight that met it, and no other."""
        try:
            step(*arguments)
        except BaseException as e:
            self._report_bug("dns receiver", e)
            if flight is not None:
                self._give_up(flight)

    def _give_up(self, flight: Flight) -> None:
        """After a bug, which may have been anywhere: so nothing is called here that it can have been in."""
        with self._lock:
            over, flight.over = flight.over, True
            tries, flight.tries = flight.tries, {}
            for descriptor in tries:
                self._flights.pop(descriptor, None)
            self._up -= not over
        for sock, _, _ in tries.values():
            sock.close()
        self._tell(flight, Trouble.BROKEN, self._servers[0])  # who has been told already does not mind

    def _heard(self, descriptor: int) -> None:
        flight = self._flights.get(descriptor)
        entry = flight.tries.get(descriptor) if flight is not None else None
        if flight is None or entry is None:
            return
        sock, identifier, server = entry
        result: bytes | Trouble = Trouble.UNREACHABLE
        try:
            data = sock.recv(_MOST_BYTES)
        except BlockingIOError:  # the descriptor's number was another's a moment ago
            return
        except OSError:  # nobody listens there (ICMP)
            pass
        else:
            # an answer to another question, or a guess: keep listening (RFC 5452 §9.1)
            if data[:2] != identifier or not is_answer(flight.query, data):
                return
            result = data
            if tells(data):
                self._land(flight, data, server)
                return
        self._drop(flight, descriptor)
        if flight.fallback is None or isinstance(flight.fallback[0], Trouble):
            flight.fallback = (result, server)
        others = flight.turn - flight.start < len(self._servers)
        if not (others and self._try(flight)) and not flight.tries:
            self._land(flight, *flight.fallback)

    def _expire(self, *, closing: bool = False) -> None:
        now = math.inf if closing else time.monotonic()
        late = []
        with self._lock:
            while self._waiting and self._waiting[0].deadline <= now:
                late.append(self._waiting.popleft())
            flights = set(self._flights.values())
        for flight in late:
            self._tell(flight, Trouble.TIMEOUT, self._servers[0])
        for flight in flights:
            if flight.deadline <= now:
                self._guarded(flight, self._land, flight, *(flight.fallback or (Trouble.TIMEOUT, self._servers[0])))
            elif flight.resend <= now:
                flight.resend = flight.deadline
                self._guarded(flight, self._try, flight)

    def _land(self, flight: Flight, result: bytes | Trouble, server: Server) -> None:
        with self._lock:
            if flight.over:
                return
            flight.over = True
        late = isinstance(result, bytes) and server != self._servers[0]
        if late and flight.start == 0 and flight.fallback is None:  # the first one was silent
            self._first = (self._servers.index(server), time.monotonic() + _STAY)
        try:
            for descriptor in list(flight.tries):
                self._drop(flight, descriptor)
            self._tell(flight, result, server)
        finally:
            while (waiting := self._next()) is not None and not self._try(waiting):
                self._tell(waiting, Trouble.UNREACHABLE, self._servers[0])

    def _next(self) -> Flight | None:
        """One has landed: who takes its place?"""
        with self._lock:
            if self._waiting:
                return self._waiting.popleft()
            self._up -= 1
        return None

    def _tell(self, flight: Flight, result: bytes | Trouble, server: Server) -> None:
        try:
            flight.landed(result, server)
        except BaseException as e:  # the receiver has other flights to look after
            self._report_bug("dns", e)
