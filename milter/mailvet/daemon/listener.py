"""listener – what libmilter, which opens the socket that Postfix connects to, leaves to us.

A unix socket in use is not taken over, an address that is not there yet is told from a mistake, and a process can
stop accepting, for a while or for good.

Raises     FileExistsError from `refuse_live`, BlockingIOError from `exclusively`
Not here   opening the socket (libmilter), how long to try (startup)
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

from mailvet.values import Listen

_MISTAKES: Final = {errno.EACCES, errno.EPERM, errno.ENOTDIR, errno.ENAMETOOLONG, errno.EINVAL}


@contextlib.contextmanager
def exclusively(path: str) -> Iterator[None]:
    """Hold a lock while this unix socket is taken or removed. Raises BlockingIOError if another process holds it.

    What is locked is the socket's directory, since a lock file would have to stay there.
    """
    try:
        directory = os.open(Path(path).parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError:  # nothing to lock, or not ours to read: opening the socket will say what is wrong
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
    """Raise FileExistsError if a process answers on this unix socket, which libmilter would silently take over."""
    if not Path(path).exists():
        return
    with contextlib.closing(socket.socket(socket.AF_UNIX)) as probe:
        if probe.connect_ex(path) == 0:
            raise FileExistsError(errno.EADDRINUSE, f"cannot listen on unix:{path}: another process does")


def reason(listen: Listen) -> OSError:
    """Return why nothing can listen there, by trying it: libmilter says only that it cannot."""
    try:
        if listen.family == "unix":
            with socket.socket(socket.AF_UNIX) as probe:
                probe.bind(listen.path)
            Path(listen.path).unlink()
        else:
            family = socket.AF_INET6 if listen.family == "inet6" else socket.AF_INET
            socket.create_server((listen.host, listen.port), family=family).close()
    except OSError as e:
        return e
    return OSError(errno.EADDRINUSE, "in use, or not permitted")


def may_pass(listen: Listen, error: OSError) -> bool:
    """Return whether time may heal this error.

    Names and addresses come up late, and another program may end; a mistake in the configuration or in permissions
    stays.
    """
    if listen.family == "unix" and Path(listen.path).exists() and not Path(listen.path).is_socket():
        return False
    return error.errno not in _MISTAKES


def listening_descriptors() -> set[int]:
    """Return this process's listening sockets: libmilter does not tell which one it opened."""
    found = set()
    for name in os.listdir("/proc/self/fd"):
        with contextlib.suppress(OSError):  # the descriptor of this very listing
            if not stat.S_ISSOCK(os.fstat(int(name)).st_mode):
                continue
            with socket.socket(fileno=os.dup(int(name))) as sock:
                if sock.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
                    found.add(int(name))
    return found


class ListeningSockets:
    """The sockets at which this process accepts connections, which it can stop doing.

    libmilter cannot be told to stop, so its descriptors are replaced by those of a socket to which nothing connects.
    """

    def __init__(self) -> None:
        self.addresses: set[object] = set()  # as `local_address` returns them
        self._descriptors: list[int] = []
        self._duplicates: dict[int, int] = {}  # of the same sockets, to put them back
        self._replacement: socket.socket | None = None
        self._file: tuple[Path, int, int] | None = None  # of a unix socket: path, device, inode

    def add(self, descriptors: Iterable[int]) -> None:
        """Take note of sockets that libmilter has opened."""
        for descriptor in descriptors:
            self._descriptors.append(descriptor)
            sock = socket.socket(fileno=descriptor)
            self.addresses.add(local_address(sock))
            sock.detach()

    def own_file(self, path: str) -> None:
        """Take note that the unix socket with this path is ours to remove."""
        status = os.stat(path)
        self._file = (Path(path), status.st_dev, status.st_ino)

    def remove_file(self) -> None:
        """Remove our unix socket from its directory, but not one that a successor has put in its place.

        Before the socket is closed: until then no other file can have its inode.
        """
        if self._file is None:
            return
        (path, *ours), self._file = self._file, None
        with contextlib.suppress(OSError), exclusively(str(path)):
            status = path.stat()
            if [status.st_dev, status.st_ino] == ours:
                path.unlink()

    def prepare_pause(self) -> None:
        """Open now what `pause` needs, since it is called when no descriptor is left."""
        self._replacement = _unconnected_socket()
        self._duplicates = {descriptor: os.dup(descriptor) for descriptor in self._descriptors}

    def pause(self) -> None:
        """Accept nothing for now: clients wait, or get another process that has the socket."""
        replacement = self._replacement or _unconnected_socket()
        for descriptor in self._descriptors:
            os.dup2(replacement.fileno(), descriptor, inheritable=False)
        _wake_libmilter()

    def resume(self) -> None:
        """Accept again."""
        for descriptor, duplicate in self._duplicates.items():
            os.dup2(duplicate, descriptor, inheritable=False)
        _wake_libmilter()

    def leave(self) -> None:
        """Accept nothing any more. When no process has the socket, connections are refused."""
        self.pause()
        duplicates, self._duplicates = self._duplicates, {}
        for descriptor in duplicates.values():
            os.close(descriptor)


def _unconnected_socket() -> socket.socket:
    """Return a socket that listens where nothing ever connects."""
    made = socket.socket(socket.AF_UNIX)
    made.setblocking(False)  # libmilter may be about to accept
    made.bind("")  # an abstract name of the kernel's choice (unix(7))
    made.listen()
    return made


def _wake_libmilter() -> None:
    """Interrupt libmilter, which polls on the main thread and would keep the socket it had for up to 5 seconds."""
    signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGURG)


def local_address(sock: socket.socket) -> object:
    """Return what a listening socket and the connections it accepts have in common: the path, or the port."""
    if sock.family in (socket.AF_INET, socket.AF_INET6) and sock.type == socket.SOCK_STREAM:
        return sock.getsockname()[1]
    return sock.getsockname() if sock.family == socket.AF_UNIX else None
