"""stuck – what a worker has to notice by itself, since nobody would tell it: silence, and descriptors used up.

libmilter starts a thread for a connection that has something to say. Where the system gives it none, it leaves
that connection for ever, and says so to nobody. A connection is stuck when octets wait in it and nobody reads
them, look after look: a slow client has none waiting, and a worker that computes or asks the DNS is done in a
time that is known. Where descriptors run out libmilter asks for the next connection without a pause, and there
are none left for DNS: before that, this process leaves new connections to others, or waiting.

Raises     nothing
Not here   how often to look, and what to do about it (worker); the socket itself (listener)
"""

import contextlib
import fcntl
import os
import resource
import socket
import sys
import termios
from dataclasses import dataclass

from mailvet.daemon.listener import address

_LEAST = 32  # descriptors: those of a worker with one message in progress, and some
_FULL, _ROOM = 0.9, 0.8  # of the descriptors: nothing new is accepted above the one, until below the other


@dataclass(frozen=True, slots=True)
class Descriptors:
    open: int
    limit: int

    @property
    def full(self) -> bool:
        return self.open >= self.limit * _FULL

    @property
    def roomy(self) -> bool:
        return self.open < self.limit * _ROOM


def descriptors() -> Descriptors:
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    names = _listed()
    return Descriptors(limit if names is None else len(names) - 1, limit)  # but for the one that lists them


def too_few_descriptors() -> str:
    """Take as many as we may: each connection and each DNS question takes one, and the soft limit is often 1024.
    Returns what is to be said where nobody could be served."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    few = limit != resource.RLIM_INFINITY and limit < _LEAST
    return (
        f"no more than {limit} open files are allowed: at least {_LEAST} are needed (LimitNOFILE=, ulimit -n)"
        if few
        else ""
    )


class Unread:
    """Connections in which the same octets wait since a number of looks."""

    def __init__(self) -> None:
        self._seen: dict[int, tuple[int, int]] = {}  # by inode: octets, looks

    def look(self, local: set[object]) -> dict[int, int]:
        """Descriptor → for how many looks before this one nobody has read what waits there. `local`: the addresses
        that clients connect to."""
        seen, looks = {}, {}
        for name in _listed() or ():
            descriptor = int(name)
            try:
                octets = int.from_bytes(fcntl.ioctl(descriptor, termios.FIONREAD, bytes(4)), sys.byteorder)
                if not octets or not _accepted(descriptor, local):  # the first is all that most cost
                    continue
                inode = os.fstat(descriptor).st_ino
            except OSError:  # closed meanwhile, or nothing that one reads
                continue
            before = self._seen.get(inode)
            seen[inode] = (octets, before[1] + 1 if before is not None and before[0] == octets else 0)
            looks[descriptor] = seen[inode][1]
        self._seen = seen
        return looks


def _listed() -> list[str] | None:
    """Our descriptors; None: there is none left to list them with."""
    try:
        return os.listdir("/proc/self/fd")
    except OSError:
        return None


def _accepted(descriptor: int, local: set[object]) -> bool:
    """Is it a connection that was accepted at one of these addresses?"""
    sock = socket.socket(fileno=descriptor)
    try:
        return address(sock) in local and not sock.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)
    finally:
        sock.detach()  # it is libmilter's


def cut(descriptor: int) -> None:
    """End a connection that nobody serves: its client tries again elsewhere, instead of waiting for minutes."""
    try:
        sock = socket.socket(fileno=descriptor)
    except OSError:
        return
    with contextlib.suppress(OSError):
        sock.shutdown(socket.SHUT_RDWR)
    sock.detach()
