"""scrape – an HTTP server for the few pages that monitoring reads, which no reader can keep busy.

It serves a few connections at once, so that none takes the threads that mail needs, and each has one deadline for
request and reply. When all are taken, the oldest whose request has not arrived is closed for a new one: an honest
reader sends its request at once.

Raises     OSError, if the address is taken or does not exist
Not here   what the pages say (metrics)
"""

import contextlib
import http.server
import socket
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

_MOST_CONNECTIONS: Final = 8  # at once, with a thread for each
_DEADLINE: Final = 10.0  # seconds from accepting a connection to closing it; Prometheus gives up after 10 by default
_REQUEST_TIME: Final = 0.2  # seconds that each gets to send its request, however many come
_CLOSING_TIME: Final = 1.0  # seconds for the thread of a closed connection to notice


@dataclass(slots=True)
class _Connection:
    since: float  # monotonic clock
    requested: bool = False  # its request has arrived
    closed: bool = False


class Page(NamedTuple):
    """An HTTP answer."""

    status: int
    content_type: str
    body: bytes


def serve(address: tuple[str, int], page: Callable[[str], Page], chores: Callable[[], None]) -> None:
    """Answer each request with `page(path)` until the process ends; call `chores` about twice a second in between."""
    with _Server(address, page, chores) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        thread.join()


class _Server(http.server.ThreadingHTTPServer):
    """The server, whose overridden methods bound the number and the life of connections."""

    daemon_threads = True
    request_queue_size = 64

    def __init__(self, address: tuple[str, int], page: Callable[[str], Page], chores: Callable[[], None]) -> None:
        self.address_family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        self.page, self._chores = page, chores
        self._places = threading.Semaphore(_MOST_CONNECTIONS)
        self._lock = threading.Lock()
        self._open: dict[socket.socket, _Connection] = {}  # the oldest first
        super().__init__(address, _Handler)

    def process_request(self, request: Any, client_address: Any) -> None:
        if not self._make_room():
            self.shutdown_request(request)
            return
        with self._lock:
            self._open[request] = _Connection(time.monotonic())
        try:
            super().process_request(request, client_address)
        except RuntimeError:  # the system has no thread left
            self._leave(request)
            self.shutdown_request(request)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._leave(request)

    def service_actions(self) -> None:
        with self._lock:
            for request, connection in self._open.items():
                if connection.since + _DEADLINE <= time.monotonic():
                    _close(request, connection)
        self._chores()

    def note_request(self, request: socket.socket) -> bool:
        """Note that the request has arrived. Return False if the connection was closed before."""
        with self._lock:
            connection = self._open[request]
            connection.requested = not connection.closed
            return connection.requested

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Log nothing of a reader that went away or was closed here."""
        if not isinstance(sys.exception(), OSError):
            super().handle_error(request, client_address)

    def _make_room(self) -> bool:
        """Wait for a free place, or free one. Return False if the newcomer has to be turned away."""
        if self._places.acquire(blocking=False):
            return True
        with self._lock:
            oldest = next((one for one in self._open.values() if not one.requested and not one.closed), None)
        if oldest is None:
            return self._places.acquire(timeout=_CLOSING_TIME)
        if self._places.acquire(timeout=max(0.0, oldest.since + _REQUEST_TIME - time.monotonic())):
            return True
        with self._lock:
            for request, connection in self._open.items():
                if connection is oldest and not connection.requested:
                    _close(request, connection)
        return self._places.acquire(timeout=_CLOSING_TIME)

    def _leave(self, request: socket.socket) -> None:
        with self._lock:
            self._open.pop(request, None)
        self._places.release()


def _close(request: socket.socket, connection: _Connection) -> None:
    """End the connection, by which the thread that reads or writes there notices."""
    connection.closed = True
    with contextlib.suppress(OSError):
        request.shutdown(socket.SHUT_RDWR)


class _Handler(http.server.BaseHTTPRequestHandler):
    timeout = _DEADLINE
    server: _Server

    def do_GET(self) -> None:  # the name is http.server's
        if not self.server.note_request(self.request):
            return
        page = self.server.page(self.path.partition("?")[0])
        self.send_response(page.status)
        self.send_header("Content-Type", page.content_type)
        self.send_header("Content-Length", str(len(page.body)))
        self.end_headers()
        self.wfile.write(page.body)

    def log_message(self, format: str, *args: object) -> None:
        """Log nothing of a request."""
