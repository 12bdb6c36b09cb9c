"""listener – what libmilter, which opens the socket that Postfix connects to, does not let us do with it.

Raises     FileExistsError from `refuse_live`, BlockingIOError from `alone`
Not here   opening it (pymilter)
"""

import contextlib
import errno
import fcntl
import os
import signal
import socket
import stat
import threading
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

_MISTAKES: Final = {errno.EACCES, errno.EPERM, errno.ENOTDIR, errno.ENAMETOOLONG, errno.EINVAL}


@contextlib.contextmanager
def alone(path: str) -> Iterator[None]:
    """Of several that are about to take or remove this unix socket, one at a time. Its directory is locked, since a
    file of our own would stay. Raises BlockingIOError where another is at it."""
    try:
        directory = os.open(Path(path).parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError:  # nothing to lock, or not ours to read: whoever opens the socket says what is wrong
        yield
        return
    try:
        try:
            fcntl.flock(directory, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as e:
            raise BlockingIOError(e.errno, f"cannot listen on unix:{path}: another process is about to") from e
        yield
    finally:
        os.close(directory)


def refuse_live(path: str) -> None:
    """Fail where a process answers on this unix socket: libmilter would silently take its place."""
    if not Path(path).exists():
        return
    with contextlib.closing(socket.socket(socket.AF_UNIX)) as probe:
        if probe.connect_ex(path) == 0:
            raise FileExistsError(errno.EADDRINUSE, f"cannot listen on unix:{path}: another process does")


def problem(listen: str) -> OSError:
    """Why nobody can listen there: libmilter only says that it cannot, so the system is asked once more."""
    kind, _, where = listen.partition(":")
    try:
        if kind == "unix":
            with socket.socket(socket.AF_UNIX) as probe:
                probe.bind(where)
            Path(where).unlink()
        else:
            port, _, host = where.partition("@")
            family = socket.AF_INET6 if kind == "inet6" else socket.AF_INET
            socket.create_server((host, int(port)), family=family).close()
    except OSError as e:
        return e
    return OSError(errno.EADDRINUSE, "in use, or not permitted")


def heals(listen: str, error: OSError) -> bool:
    """May what is in the way go by itself? Names and addresses come up late, another program ends; a mistake stays."""
    kind, _, where = listen.partition(":")
    if kind == "unix" and Path(where).exists() and not Path(where).is_socket():
        return False
    return error.errno not in _MISTAKES


def listening() -> set[int]:
    """Descriptors of listening sockets: libmilter does not tell which one it opened."""
    found = set()
    for name in os.listdir("/proc/self/fd"):
        with contextlib.suppress(OSError):  # the descriptor of this very listing
            if not stat.S_ISSOCK(os.fstat(int(name)).st_mode):
                continue
            with socket.socket(fileno=os.dup(int(name))) as sock:
                if sock.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
                    found.add(int(name))
    return found


class Door:
    """The sockets at which this process accepts, which it can stop doing: for a while, or for good.

    libmilter cannot be told so: the descriptors become those of a socket nobody connects to.
    """

    def __init__(self) -> None:
        self.addresses: set[object] = set()  # as `watch.address` has them
        self._descriptors: list[int] = []
        self._kept: dict[int, int] = {}  # the same sockets once more, to have them back
        self._deaf: socket.socket | None = None
        self._file: tuple[Path, int, int] | None = None  # of a unix socket: where, device, inode

    def made(self, path: str) -> None:
        """The unix socket there is ours."""
        status = os.stat(path)
        self._file = (Path(path), status.st_dev, status.st_ino)

    def remove(self) -> None:
        """Before we leave it, so that its inode cannot be another's; not where a successor has put its own there."""
        if self._file is None:
            return
        (path, *ours), self._file = self._file, None
        with contextlib.suppress(OSError), alone(str(path)):
            status = path.stat()
            if [status.st_dev, status.st_ino] == ours:
                path.unlink()

    def add(self, descriptors: Iterable[int]) -> None:
        for descriptor in descriptors:
            self._descriptors.append(descriptor)
            sock = socket.socket(fileno=descriptor)
            self.addresses.add(address(sock))
            sock.detach()

    def prepare(self) -> None:
        """To be able to shut it when there is no descriptor left."""
        self._deaf = _deaf()
        self._kept = {descriptor: os.dup(descriptor) for descriptor in self._descriptors}

    def shut(self) -> None:
        """Who connects waits, or gets another process."""
        deaf = self._deaf or _deaf()
        for descriptor in self._descriptors:
            os.dup2(deaf.fileno(), descriptor, inheritable=False)
        _wake()

    def open(self) -> None:
        """As before."""
        for descriptor, kept in self._kept.items():
            os.dup2(kept, descriptor, inheritable=False)
        _wake()

    def leave(self) -> None:
        """For good. Once no process has the socket any more, connections are refused."""
        self.shut()
        kept, self._kept = self._kept, {}
        for descriptor in kept.values():
            os.close(descriptor)


def _deaf() -> socket.socket:
    deaf = socket.socket(socket.AF_UNIX)
    deaf.setblocking(False)  # libmilter may be about to accept
    deaf.bind("")  # an abstract name of the kernel's choice (unix(7))
    deaf.listen()
    return deaf


def _wake() -> None:
    """libmilter polls on the main thread, and keeps the socket it had for the 5 seconds that takes."""
    signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGURG)


def address(sock: socket.socket) -> object:
    """What a listening socket and the connections it accepts have in common: the path, or the port."""
    if sock.family in (socket.AF_INET, socket.AF_INET6) and sock.type == socket.SOCK_STREAM:
        return sock.getsockname()[1]
    return sock.getsockname() if sock.family == socket.AF_UNIX else None
