"""sdnotify – tells systemd how the daemon is doing (sd_notify(3)), if it was started by systemd.

Raises     nothing
Not here   when it is told (serve)
"""

import contextlib
import os
import socket


def notify(state: str) -> None:
    """Send one state, for example "READY=1"; without $NOTIFY_SOCKET, do nothing."""
    path = os.environ.get("NOTIFY_SOCKET", "")
    if not path:
        return
    address = "\0" + path[1:] if path.startswith("@") else path
    with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.sendto(state.encode(), address)
