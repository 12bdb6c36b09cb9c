"""peers – the milters that are measured, started as their users would run them as verifiers.

Each gets a unix socket in a directory of its own and the resolver of the caller's mount namespace.
`chain` names what stands behind `smtpd_milters` in that case, in order.

Raises     OSError, TimeoutError where one does not come up
Not here   measuring (run)
"""

import os
import shutil
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

OPENDKIM = """
    Syslog no
    UserID root
    Mode v
    Socket local:{socket}
    PidFile {directory}/opendkim.pid
    AlwaysAddARHeader yes
    InternalHosts {directory}/nobody
    Nameservers 127.0.0.1
    ResolverConfiguration {directory}/unbound.conf
    AuthservID mx.rcpt.example
    UMask 000
"""
OPENDMARC = """
    Syslog false
    UserID root
    Socket local:{socket}
    PidFile {directory}/opendmarc.pid
    AuthservID mx.rcpt.example
    TrustedAuthservIDs mx.rcpt.example
    SPFSelfValidate true
    SPFIgnoreResults true
    RejectFailures false
    IgnoreHosts {directory}/nobody
    UMask 000
"""
MAILVET = """
    authserv_id = "mx.rcpt.example"
    [milter]
    listen = "unix:{socket}"
    workers = {workers}
    [trust]
    networks = []
    [metrics]
    listen = "127.0.0.1:19899"
    [log]
    format = "json"
"""


class Milter:
    """A running milter."""

    def __init__(self, name: str, socket: Path, process: subprocess.Popen[bytes]) -> None:
        self.name, self.socket, self.process = name, socket, process

    @property
    def pid(self) -> int:
        return self.process.pid


def _opendkim(directory: Path, socket: Path) -> list[str]:
    (directory / "nobody").write_text("192.0.2.255\n")
    # Debian links it with libunbound, which by itself asks no server on loopback.
    (directory / "unbound.conf").write_text("server:\n  do-not-query-localhost: no\n  module-config: \"iterator\"\n")
    config = directory / "opendkim.conf"
    config.write_text(textwrap.dedent(OPENDKIM).format(socket=socket, directory=directory))
    return ["opendkim", "-f", "-x", str(config)]


def _opendmarc(directory: Path, socket: Path) -> list[str]:
    (directory / "nobody").write_text("192.0.2.255\n")
    config = directory / "opendmarc.conf"
    config.write_text(textwrap.dedent(OPENDMARC).format(socket=socket, directory=directory))
    return ["opendmarc", "-f", "-c", str(config)]


def _mailvet(directory: Path, socket: Path) -> list[str]:
    config = directory / "mailvet.toml"
    config.write_text(textwrap.dedent(MAILVET).format(socket=socket, workers=os.environ.get("BENCH_WORKERS", "0")))
    return [str(Path(sys.executable).with_name("mailvet")), "serve", "--config", str(config)]


def _dkimpy_milter(directory: Path, socket: Path) -> list[str]:
    config = directory / "dkimpy-milter.conf"
    config.write_text(
        f"Mode v\nSocket local:{socket}\nUserID root\nPidFile {directory}/d.pid\nSyslog no\nAuthservID mx.rcpt.example\n"
    )
    return ["dkimpy-milter", str(config)]


_COMMANDS = {"OpenDKIM": _opendkim, "OpenDMARC": _opendmarc, "mailvet": _mailvet, "dkimpy-milter": _dkimpy_milter}


def available(name: str) -> bool:
    program = {"mailvet": sys.executable}.get(name, name.lower())
    return shutil.which(program) is not None


@contextmanager
def running(name: str, directory: Path) -> Iterator[Milter]:
    """Start one, wait for its socket, and end it afterwards."""
    directory = directory / name.lower()
    directory.mkdir(parents=True, exist_ok=True)
    socket = directory / "milter.sock"
    socket.unlink(missing_ok=True)
    with (directory / "log").open("wb") as log:
        process = subprocess.Popen(_COMMANDS[name](directory, socket), stdout=log, stderr=log, stdin=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 20
        while not socket.exists():
            if process.poll() is not None or time.monotonic() > deadline:
                raise TimeoutError(f"{name} did not come up:\n{(directory / 'log').read_text('utf-8', 'replace')[-2000:]}")
            time.sleep(0.05)
        time.sleep(0.3)
        socket.chmod(0o777)
        yield Milter(name, socket, process)
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(40)
        except subprocess.TimeoutExpired:
            process.kill()
