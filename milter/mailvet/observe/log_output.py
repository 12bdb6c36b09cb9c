"""log_output – writes log lines to a file descriptor without ever waiting for the process that reads them.

A reader that hangs must not hang mail. Setting O_NONBLOCK would affect every process that has the same pipe or
terminal open, the shell that started us among them. So a pipe is opened once more, and a socket is asked not to wait
with each packet. A line for which there is no room is lost, and counted.

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

_ATOMIC_WRITE: Final = select.PIPE_BUF  # octets (pipe(7))
Write = Callable[[bytes], int]  # returns how many octets were taken; raises OSError


class LogOutput:
    """The output of lines to one descriptor, for all threads of a process and of those forked from it."""

    def __init__(self, descriptor: int) -> None:
        self._write = _writer(self, descriptor)
        self._torn = False  # the last line was not written to its end
        self.dropped = 0  # lines; roughly, since several threads may count at once

    def write(self, line: bytes) -> bool:
        """Write a line, or drop it and return False."""
        data = b"\n" + line if self._torn else line
        try:
            written = self._write(data)
        except BlockingIOError:
            written = 0
        except OSError:  # nothing will ever read it
            return False
        if written == len(data):
            self._torn = False
            return True
        self._torn = self._torn or written > 0
        self.dropped += 1
        return False


def _writer(output: LogOutput, descriptor: int) -> Write:
    """Return a function that writes to this descriptor and does not wait; `output` closes what is opened for it."""
    try:
        mode = os.fstat(descriptor).st_mode
    except OSError:  # it is closed
        return lambda data: os.write(descriptor, data)
    if stat.S_ISSOCK(mode):
        sock = socket.socket(fileno=os.dup(descriptor))
        return lambda data: sock.send(data, socket.MSG_DONTWAIT)
    if stat.S_ISREG(mode):
        return lambda data: os.write(descriptor, data)
    with contextlib.suppress(OSError):  # another user's, or it cannot be opened
        own = os.open(f"/proc/self/fd/{descriptor}", os.O_WRONLY | os.O_NONBLOCK | os.O_NOCTTY)
        weakref.finalize(output, os.close, own)
        return lambda data: os.write(own, data)
    return lambda data: _write_if_room(descriptor, data)


def _write_if_room(descriptor: int, data: bytes) -> int:
    """Write as much as poll(2) says there is room for, and return how many octets that was.

    The last resort: a write of this size does not wait (pipe(7)), unless another process takes the room in between.
    """
    written = 0
    while written < len(data):
        poll = select.poll()
        poll.register(descriptor, select.POLLOUT)
        if not poll.poll(0):
            break
        written += os.write(descriptor, data[written : written + _ATOMIC_WRITE])
    return written
