"""listener – what libmilter, which opens the socket that Postfix connects to, does not let us do with it.

Raises     FileExistsError from `refuse_live`
Not here   opening it (pymilter)
"""

import contextlib
import os
import socket
import stat
from collections.abc import Iterable
from pathlib import Path


def refuse_live(path: str) -> None:
    """Fail where a process answers on this unix socket: libmilter would silently take its place."""
    if not Path(path).exists():
        return
    with contextlib.closing(socket.socket(socket.AF_UNIX)) as probe:
        if probe.connect_ex(path) == 0:
            raise FileExistsError(f"cannot listen on unix:{path}: another process does")


def problem(listen: str) -> str:
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
        return e.strerror or str(e)
    return "in use, or not permitted"


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


def leave(descriptors: Iterable[int]) -> None:
    """Accept nothing on them any more.

    libmilter cannot be told so: the descriptors become those of a socket nobody connects to. Once no process
    has the old one any more, connections are refused.
    """
    with socket.socket(socket.AF_UNIX) as deaf:
        deaf.setblocking(False)  # libmilter may be about to accept
        deaf.bind("")  # an abstract name of the kernel's choice (unix(7))
        deaf.listen()
        for descriptor in descriptors:
            os.dup2(deaf.fileno(), descriptor, inheritable=False)
