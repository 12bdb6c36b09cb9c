"""log_output – where log lines are written, without ever waiting for whoever reads them.

A reader that hangs must not hang mail. O_NONBLOCK would be shared with everybody who has the same pipe or terminal
open, the shell that started us among them: so a pipe is opened once more, a socket is told with each packet. A line
for which there is no room is lost, and counted.

Raises     nothing: a log that cannot be written must not stop mail
Not here   what a line says and looks like (logs)
"""

import contextlib
import os
import select
import socket
import stat
import weakref
from collections.abc import Callable
from typing import Final

_ATOMIC: Final = select.PIPE_BUF
Write = Callable[[bytes], int]  # how many octets were taken; raises OSError


class Sink:
    """One descriptor's. For all threads of a process, and those that it forks."""

    def __init__(self, descriptor: int) -> None:
        self._write = _writer(self, descriptor)
        self._torn = False  # a line was not written to its end
        self.dropped = 0  # lines; several threads may count at once: it is for people

    def put(self, line: bytes) -> bool:
        """Write it, or drop it."""
        data = b"\n" + line if self._torn else line
        try:
            written = self._write(data)
        except BlockingIOError:
            written = 0
        except OSError:  # nobody will ever read it
            return False
        if written == len(data):
            self._torn = False
            return True
        self._torn = self._torn or written > 0
        self.dropped += 1
        return False


def _writer(sink: Sink, descriptor: int) -> Write:
    try:
        mode = os.fstat(descriptor).st_mode
    except OSError:  # it is closed
        return lambda data: os.write(descriptor, data)
    if stat.S_ISSOCK(mode):
        sock = socket.socket(fileno=os.dup(descriptor))
        return lambda data: sock.send(data, socket.MSG_DONTWAIT)
    if stat.S_ISREG(mode):
        return lambda data: os.write(descriptor, data)
    with contextlib.suppress(OSError):  # another user's, or nothing that can be opened
        own = os.open(f"/proc/self/fd/{descriptor}", os.O_WRONLY | os.O_NONBLOCK | os.O_NOCTTY)
        weakref.finalize(sink, os.close, own)
        return lambda data: os.write(own, data)
    return lambda data: _if_there_is_room(descriptor, data)


def _if_there_is_room(descriptor: int, data: bytes) -> int:
    """pipe(7): where poll(2) says so, as much as is written in one piece does not wait, unless another process takes
    the room in between. So this is the last resort."""
    written = 0
    while written < len(data):
        poll = select.poll()
        poll.register(descriptor, select.POLLOUT)
        if not poll.poll(0):
            break
        written += os.write(descriptor, data[written : written + _ATOMIC])
    return written
