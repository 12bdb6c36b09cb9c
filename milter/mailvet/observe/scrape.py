"""scrape – the few pages that monitoring reads, served so that no reader can take the threads that mail needs.

A handful of connections at once, each with one deadline for request and reply. When all are taken, the oldest
that has not said what it wants is closed for the newcomer: a reader that means it does so at once.

Raises     OSError, if the address is taken or not there
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

AT_ONCE: Final = 8  # connections, and a thread for each
_WHOLE: Final = 10.0  # seconds from accepting a connection to closing it; Prometheus gives up after 10 by default
_FAIR: Final = 0.2  # seconds that each gets to say what it wants, however many come
_CLOSING: Final = 1.0  # seconds for the thread of a closed connection to notice


@dataclass(slots=True)
class _Connection:
    since: float
    asked: bool = False
    closed: bool = False


class Page(NamedTuple):
    status: int
    kind: str  # Content-Type
    body: bytes


def serve(address: tuple[str, int], page: Callable[[str], Page], chores: Callable[[], None]) -> None:
    """Answer with `page(path)` until the process is ended; `chores` are done about twice a second in between."""
    with _Server(address, page, chores) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        thread.join()


class _Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def __init__(self, address: tuple[str, int], page: Callable[[str], Page], chores: Callable[[], None]) -> None:
        self.address_family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        self.page, self._chores = page, chores
        self._room = threading.Semaphore(AT_ONCE)
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
        except RuntimeError:  # there is no thread to be had
            self._over(request)
            self.shutdown_request(request)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._over(request)

    def service_actions(self) -> None:
        with self._lock:
            for request, connection in self._open.items():
                if connection.since + _WHOLE <= time.monotonic():
                    _close(request, connection)
        self._chores()

    def asked(self, request: socket.socket) -> bool:
        """What it wants is known. Is it still there to get it?"""
        with self._lock:
            connection = self._open[request]
            connection.asked = not connection.closed
            return connection.asked

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A reader that went away, or was closed here, is no line in the log."""
        if not isinstance(sys.exception(), OSError):
            super().handle_error(request, client_address)

    def _make_room(self) -> bool:
        if self._room.acquire(blocking=False):
            return True
        with self._lock:
            oldest = next((one for one in self._open.values() if not one.asked and not one.closed), None)
        if oldest is None:
            return self._room.acquire(timeout=_CLOSING)
        if self._room.acquire(timeout=max(0.0, oldest.since + _FAIR - time.monotonic())):
            return True
        with self._lock:
            for request, connection in self._open.items():
                if connection is oldest and not connection.asked:
                    _close(request, connection)
        return self._room.acquire(timeout=_CLOSING)

    def _over(self, request: socket.socket) -> None:
        with self._lock:
            self._open.pop(request, None)
        self._room.release()


def _close(request: socket.socket, connection: _Connection) -> None:
    """The thread that reads or writes there is told by the end of the connection."""
    connection.closed = True
    with contextlib.suppress(OSError):
        request.shutdown(socket.SHUT_RDWR)


class _Handler(http.server.BaseHTTPRequestHandler):
    timeout = _WHOLE
    server: _Server

    def do_GET(self) -> None:  # the name is http.server's
        if not self.server.asked(self.request):
            return
        page = self.server.page(self.path.partition("?")[0])
        self.send_response(page.status)
        self.send_header("Content-Type", page.kind)
        self.send_header("Content-Length", str(len(page.body)))
        self.end_headers()
        self.wfile.write(page.body)

    def log_message(self, format: str, *args: object) -> None:
        """No log line for a scrape."""
