"""stuck – finds what libmilter tells nobody: connections that it does not serve, and descriptors that run out.

libmilter starts a thread for a connection in which octets arrive. Where the system gives it no thread, it leaves that
connection alone for ever. A connection is stuck when octets wait in it and nothing reads them, look after look: a slow
client has none waiting, and a worker that computes or asks the DNS is done within a known time. Where descriptors run
out, libmilter asks for the next connection without a pause, and none is left for DNS: before that, this process stops
accepting.

Raises     nothing
Not here   how often to look, and what to do about it (health_check); the listening socket (listener)
"""

import contextlib
import fcntl
import os
import resource
import socket
import sys
import termios
from dataclasses import dataclass
from typing import Final

from mailvet.daemon.listener import local_address

_SCARCE_FROM, _ENOUGH_BELOW = 0.9, 0.8  # shares of the limit: accepting stops at the one, and goes on below the other
_DESCRIPTORS: Final = "/proc/self/fd"


@dataclass(frozen=True, slots=True)
class Descriptors:
    """How many file descriptors this process has open, and how many it may have."""

    open: int
    limit: int

    @property
    def scarce(self) -> bool:
        """Return whether so few are left that new connections would take those that messages in progress need."""
        return self.open >= self.limit * _SCARCE_FROM

    @property
    def enough(self) -> bool:
        """Return whether enough are left to accept connections again."""
        return self.open < self.limit * _ENOUGH_BELOW


def descriptors() -> Descriptors:
    """Count this process's file descriptors."""
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    names = _listed()
    return Descriptors(limit if names is None else len(names) - 1, limit)  # but for the one that lists them


class UnreadConnections:
    """The connections in which octets wait, and for how many looks in a row they have been the same."""

    def __init__(self) -> None:
        self._seen: dict[int, tuple[int, int]] = {}  # by inode: octets, looks

    def look(self, local: set[object]) -> dict[int, int]:
        """Return, by descriptor, for how many looks before this one nothing has read what waits there.

        `local` has the addresses that clients connect to, as `local_address` returns them.
        """
        seen, looks = {}, {}
        for name in _listed() or ():
            descriptor = int(name)
            try:
                octets = int.from_bytes(fcntl.ioctl(descriptor, termios.FIONREAD, bytes(4)), sys.byteorder)
                if not octets or not _accepted(descriptor, local):  # the first is all that most cost
                    continue
                inode = os.fstat(descriptor).st_ino
            except OSError:  # closed meanwhile, or not readable at all
                continue
            before = self._seen.get(inode)
            seen[inode] = (octets, before[1] + 1 if before is not None and before[0] == octets else 0)
            looks[descriptor] = seen[inode][1]
        self._seen = seen
        return looks


def _listed() -> list[str] | None:
    """Return the names of our descriptors; None if there is no descriptor left to list them with."""
    try:
        return os.listdir(_DESCRIPTORS)
    except OSError:
        return None


def _accepted(descriptor: int, local: set[object]) -> bool:
    """Return whether this is a connection that was accepted at one of these addresses."""
    sock = socket.socket(fileno=descriptor)
    try:
        return local_address(sock) in local and not sock.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)
    finally:
        sock.detach()  # it is libmilter's


def cut(descriptor: int) -> None:
    """End a connection that is not served, so that its client tries again instead of waiting for minutes."""
    try:
        sock = socket.socket(fileno=descriptor)
    except OSError:
        return
    with contextlib.suppress(OSError):
        sock.shutdown(socket.SHUT_RDWR)
    sock.detach()
