"""udp – DNS questions over UDP without waiting: a socket for each try, one thread that receives the answers.

An exchange is begun by whatever thread asks and finished on the receiver's thread. Each try has a socket of its own,
which the kernel binds to a random port and connects to the server, and a random id: an answer has to match all of it
to be believed (RFC 5452 §9). A silent server is asked again, or the next one, after half of the time; from one that
says it cannot answer, the exchange goes on to the next at once. Exchanges beyond what descriptors allow are queued.

Raises     nothing: an exchange finishes with an answer or with a `Trouble`
Not here   which octets answer a question (exchange), what is in them (dnspython), caching (resolver)
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

from mailvet.dns.exchange import Exchange, Finished, is_answer, is_conclusive, most_exchanges, socket_address
from mailvet.ports import ReportBug, Trouble
from mailvet.values import Endpoint

_MOST_OCTETS: Final = 65535
_MOST_QUEUED: Final = 10_000  # exchanges that wait until others have finished
_MOST_FAILURES: Final = 100  # rounds of the receiver in a row that raised
_STAY: Final = 30.0  # seconds for which the server that answered in place of a silent one is asked first


class Transport:
    """The sockets that send questions to the first server, then to the next; `start` makes the receiving thread."""

    def __init__(self, servers: Sequence[Endpoint], timeout: float, report_bug: ReportBug = lambda *_: None) -> None:
        self._report_bug = report_bug
        self._servers = servers
        self._timeout = timeout
        self._precision = min(0.05, timeout / 10)  # how exact times are kept
        self._most = most_exchanges()
        self._lock = threading.Lock()
        self._active = 0  # exchanges that are not queued
        self._exchanges: dict[int, Exchange] = {}  # by the descriptor of each try
        self._queued: deque[Exchange] = deque()
        self._preferred = (0, 0.0)  # a server to begin with, and until when
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
        """Return whether the receiving thread has ended though `close` was not called."""
        return self._epoll is not None and self._thread is not None and not self._thread.is_alive()

    def close(self) -> None:
        """End the thread; exchanges that are not over finish with a timeout."""
        epoll, self._epoll = self._epoll, None
        if epoll is not None and self._thread is not None:
            os.eventfd_write(self._wake, 1)
            self._thread.join(5)
            epoll.close()
            os.close(self._wake)

    def send(self, query: bytes, finished: Finished, after: Endpoint | None = None) -> None:
        """Ask the first server, or the one after `after`; never waits. Without a route it finishes on this thread."""
        first, until = self._preferred
        server = self._servers.index(after) + 1 if after is not None else first if until > time.monotonic() else 0
        exchange = Exchange(query, finished, self._timeout, server)
        with self._lock:
            full = self._active >= self._most
            if not full:
                self._active += 1
            elif len(self._queued) < _MOST_QUEUED:
                self._queued.append(exchange)
                return
        if full:
            self._report(exchange, Trouble.UNREACHABLE, self._servers[0])
        elif not self._try(exchange):
            self._finish(exchange, Trouble.UNREACHABLE, self._servers[0])

    def _try(self, exchange: Exchange) -> bool:
        """Send the question to the next server that a packet can be sent to; False if there is none."""
        for _ in self._servers:
            server = self._servers[exchange.next_server % len(self._servers)]
            exchange.next_server += 1
            if self._send_to(server, exchange):
                if self._idle:
                    with contextlib.suppress(OSError):  # closing
                        os.eventfd_write(self._wake, 1)
                return True
        return False

    def _send_to(self, server: Endpoint, exchange: Exchange) -> bool:
        epoll, descriptor, sock = self._epoll, -1, None
        if epoll is None:
            return False
        try:
            sock = socket.socket(socket.AF_INET6 if ":" in server.address else socket.AF_INET, socket.SOCK_DGRAM)
            sock.setblocking(False)
            sock.connect(socket_address(server))
            identifier = os.urandom(2)
            descriptor = sock.fileno()
            with self._lock:
                exchange.tries[descriptor] = (sock, identifier, server)
                self._exchanges[descriptor] = exchange
            epoll.register(descriptor, select.EPOLLIN)
            sock.send(identifier + exchange.query)
        except (OSError, ValueError):  # no route, no descriptor left; closed meanwhile
            self._drop(exchange, descriptor)
            if sock is not None:
                sock.close()
            return False
        return True

    def _drop(self, exchange: Exchange, descriptor: int) -> None:
        """Forget a try. Closing the socket takes it out of epoll too."""
        with self._lock:
            self._exchanges.pop(descriptor, None)
            entry = exchange.tries.pop(descriptor, None)
        if entry is not None:
            entry[0].close()

    def _receive(self) -> None:
        next_look, failed = 0.0, 0
        while (epoll := self._epoll) is not None and failed < _MOST_FAILURES:
            try:
                # In this order: an exchange of a thread that does not see us idle has been seen by us
                self._idle = not (self._exchanges or self._queued)
                wait = None if self._idle and not self._exchanges else self._precision
                for descriptor, _ in epoll.poll(wait):
                    if descriptor == self._wake:
                        with contextlib.suppress(BlockingIOError):
                            os.eventfd_read(self._wake)
                    else:
                        self._guarded(self._exchanges.get(descriptor), self._received, descriptor)
                if time.monotonic() >= next_look:
                    next_look = time.monotonic() + self._precision
                    self._expire()
                failed = 0
            except BaseException as e:  # a bug: the answers to all other questions still have to be received
                failed += 1
                self._report_bug("dns receiver", e)
        self._expire(closing=True)

    def _guarded(self, exchange: Exchange | None, step: Callable[..., object], *arguments: object) -> None:
        """Take a step; a bug in it ends its exchange, and no other."""
        try:
            step(*arguments)
        except BaseException as e:
            self._report_bug("dns receiver", e)
            if exchange is not None:
                self._give_up(exchange)

    def _give_up(self, exchange: Exchange) -> None:
        """End an exchange after a bug, which may have been anywhere: so this calls nothing that it can have been in."""
        with self._lock:
            over, exchange.over = exchange.over, True
            tries, exchange.tries = exchange.tries, {}
            for descriptor in tries:
                self._exchanges.pop(descriptor, None)
            self._active -= not over
        for sock, _, _ in tries.values():
            sock.close()
        self._report(exchange, Trouble.BROKEN, self._servers[0])  # a second report changes nothing

    def _received(self, descriptor: int) -> None:
        """Take what a socket has: an answer finishes its exchange, an excuse sends the question to the next server."""
        exchange = self._exchanges.get(descriptor)
        entry = exchange.tries.get(descriptor) if exchange is not None else None
        if exchange is None or entry is None:
            return
        sock, identifier, server = entry
        result: bytes | Trouble = Trouble.UNREACHABLE
        try:
            data = sock.recv(_MOST_OCTETS)
        except BlockingIOError:  # the descriptor's number was that of another socket a moment ago
            return
        except OSError:  # nothing listens there (ICMP)
            pass
        else:
            # an answer to another question, or a guess: keep listening (RFC 5452 §9.1)
            if data[:2] != identifier or not is_answer(exchange.query, data):
                return
            result = data
            if is_conclusive(data):
                self._finish(exchange, data, server)
                return
        self._drop(exchange, descriptor)
        if exchange.fallback is None or isinstance(exchange.fallback[0], Trouble):
            exchange.fallback = (result, server)
        others = exchange.next_server - exchange.first_server < len(self._servers)
        if not (others and self._try(exchange)) and not exchange.tries:
            self._finish(exchange, *exchange.fallback)

    def _expire(self, *, closing: bool = False) -> None:
        """Finish exchanges whose time is over, and send the question again where half of it is."""
        now = math.inf if closing else time.monotonic()
        late = []
        with self._lock:
            while self._queued and self._queued[0].deadline <= now:
                late.append(self._queued.popleft())
            exchanges = set(self._exchanges.values())
        for exchange in late:
            self._report(exchange, Trouble.TIMEOUT, self._servers[0])
        for exchange in exchanges:
            if exchange.deadline <= now:
                result, server = exchange.fallback or (Trouble.TIMEOUT, self._servers[0])
                self._guarded(exchange, self._finish, exchange, result, server)
            elif exchange.resend_at <= now:
                exchange.resend_at = exchange.deadline
                self._guarded(exchange, self._try, exchange)

    def _finish(self, exchange: Exchange, result: bytes | Trouble, server: Endpoint) -> None:
        with self._lock:
            if exchange.over:
                return
            exchange.over = True
        late = isinstance(result, bytes) and server != self._servers[0]
        if late and exchange.first_server == 0 and exchange.fallback is None:  # the first one was silent
            self._preferred = (self._servers.index(server), time.monotonic() + _STAY)
        try:
            for descriptor in list(exchange.tries):
                self._drop(exchange, descriptor)
            self._report(exchange, result, server)
        finally:
            while (waiting := self._next()) is not None and not self._try(waiting):
                self._report(waiting, Trouble.UNREACHABLE, self._servers[0])

    def _next(self) -> Exchange | None:
        """Return the queued exchange that takes the place of one that has finished, if any."""
        with self._lock:
            if self._queued:
                return self._queued.popleft()
            self._active -= 1
        return None

    def _report(self, exchange: Exchange, result: bytes | Trouble, server: Endpoint) -> None:
        try:
            exchange.finished(result, server)
        except BaseException as e:  # a bug of the caller: the receiver goes on
            self._report_bug("dns", e)
