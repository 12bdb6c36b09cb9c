"""sdnotify – telling systemd how the daemon is doing (sd_notify(3)), if systemd asked to be told.

Raises     nothing
"""

import contextlib
import os
import socket


def notify(state: str) -> None:
    """Send one state, for example "READY=1". Without $NOTIFY_SOCKET: nothing."""
    path = os.environ.get("NOTIFY_SOCKET", "")
    if not path:
        return
    address = "\0" + path[1:] if path.startswith("@") else path
    with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.sendto(state.encode(), address)
