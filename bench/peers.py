"""peers – starts the milters that are measured, configured as verifiers.

Each gets a unix socket in a directory of its own and uses the resolver of the caller's mount namespace.

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
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from bench import resolvers

OPENDKIM = """
    Syslog no
    UserID root
    Mode v
    Socket local:{socket}
    PidFile {directory}/opendkim.pid
    AlwaysAddARHeader yes
    InternalHosts {directory}/nobody
    Nameservers {resolver}
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
DKIMPY = """
    Mode v
    Socket local:{socket}
    UserID root
    PidFile {directory}/d.pid
    Syslog no
    AuthservID mx.rcpt.example
"""
RSPAMD = {
    "worker-proxy.inc": """
        bind_socket = "{socket} mode=0777";
        milter = yes;
        count = {workers};
        timeout = 60s;
        upstream "local" {{ default = yes; self_scan = yes; }}
    """,
    "worker-normal.inc": "enabled = false;",
    "worker-controller.inc": "enabled = false;",
    "worker-fuzzy.inc": "enabled = false;",
    "options.inc": """
        filters = "spf,dkim";
        local_addrs = ["192.0.2.255"];
        dns {{ nameserver = ["{resolver}"]; }}
    """,
    "logging.inc": 'type = "file"; filename = "{directory}/rspamd.log"; level = "error";',
    "milter_headers.conf": 'use = ["authentication-results"]; skip_local = false;',
    "actions.conf": "reject = null; add_header = null; greylist = null;",
}
RSPAMD_USED = ("spf", "dkim", "dmarc", "arc", "milter_headers")
MAILVET = """
    authserv_id = "mx.rcpt.example"
    [milter]
    listen = "unix:{socket}"
    workers = {workers}
    [trust]
    networks = []
    [metrics]
    listen = "{metrics}"
    [log]
    format = "json"
"""
METRICS = "127.0.0.1:19899"
_SOURCES = Path(__file__).parents[1] / "milter"


class Milter:
    """A running milter."""

    def __init__(self, name: str, socket: Path, process: subprocess.Popen[bytes]) -> None:
        self.name, self.socket, self.process = name, socket, process

    @property
    def pid(self) -> int:
        return self.process.pid


def _opendkim(directory: Path, socket: Path) -> list[str]:
    (directory / "nobody").write_text("192.0.2.255\n")
    config = directory / "opendkim.conf"
    config.write_text(textwrap.dedent(OPENDKIM).format(socket=socket, directory=directory, resolver=resolvers.ADDRESS))
    return ["opendkim", "-f", "-x", str(config)]


def _opendmarc(directory: Path, socket: Path) -> list[str]:
    (directory / "nobody").write_text("192.0.2.255\n")
    config = directory / "opendmarc.conf"
    config.write_text(textwrap.dedent(OPENDMARC).format(socket=socket, directory=directory))
    return ["opendmarc", "-f", "-c", str(config)]


def _mailvet(directory: Path, socket: Path) -> list[str]:
    config = directory / "mailvet.toml"
    config.write_text(
        textwrap.dedent(MAILVET).format(socket=socket, workers=os.environ.get("BENCH_WORKERS", "0"), metrics=METRICS)
    )
    script = Path(sys.executable).with_name("mailvet")
    program = [str(script)] if script.exists() else [sys.executable, "-m", "mailvet"]
    return [*program, "serve", "--config", str(config)]


def _dkimpy_milter(directory: Path, socket: Path) -> list[str]:
    config = directory / "dkimpy-milter.conf"
    config.write_text(textwrap.dedent(DKIMPY).format(socket=socket, directory=directory))
    return ["dkimpy-milter", str(config)]


def _rspamd(directory: Path, socket: Path) -> list[str]:
    """Of Debian's configuration only the modules that do what mailvet does."""
    local = directory / "local.d"
    local.mkdir(exist_ok=True)
    for module in Path("/etc/rspamd/modules.d").glob("*.conf"):
        if module.stem not in RSPAMD_USED:
            (local / module.name).write_text("enabled = false;\n")
    values = {"socket": socket, "directory": directory, "resolver": resolvers.ADDRESS, "workers": os.cpu_count()}
    for name, text in RSPAMD.items():
        (local / name).write_text(textwrap.dedent(text).format(**values) + "\n")
    places = (f"--var={name}={directory}" for name in ("LOCAL_CONFDIR", "DBDIR", "RUNDIR", "LOGDIR"))
    return ["rspamd", "-f", "-i", "-u", "root", "-g", "root", "-c", "/etc/rspamd/rspamd.conf", *places]


_COMMANDS = {
    "OpenDKIM": _opendkim,
    "OpenDMARC": _opendmarc,
    "mailvet": _mailvet,
    "dkimpy-milter": _dkimpy_milter,
    "rspamd": _rspamd,
}


def dns_counter(what: str) -> float:
    """Return one of the counters of mailvet's resolver, which workers pass on every two seconds."""
    time.sleep(2.5)
    with urllib.request.urlopen(f"http://{METRICS}/metrics", timeout=10) as answer:
        lines = answer.read().decode().splitlines()
    return next(
        (float(line.split()[1]) for line in lines if line.startswith(f'mailvet_dns_total{{what="{what}"}}')), 0.0
    )


def available(name: str) -> bool:
    """Is it installed?"""
    return name == "mailvet" or shutil.which(name.lower()) is not None


@contextmanager
def running(name: str, directory: Path) -> Iterator[Milter]:
    """Start one, wait for its socket, and end it afterwards."""
    directory = directory / name.lower()
    shutil.rmtree(directory, ignore_errors=True)  # a killed one leaves its pid file
    directory.mkdir(parents=True)
    socket = directory / "milter.sock"
    path = os.pathsep.join(filter(None, (str(_SOURCES), os.environ.get("PYTHONPATH"))))
    with (directory / "log").open("wb") as log:
        process = subprocess.Popen(
            _COMMANDS[name](directory, socket),
            stdout=log,
            stderr=log,
            stdin=subprocess.DEVNULL,
            env={**os.environ, "PYTHONPATH": path},
            start_new_session=True,
        )
    try:
        _await_socket(name, process, socket, directory / "log")
        yield Milter(name, socket, process)
    finally:
        _end(name, process)


def _await_socket(name: str, process: "subprocess.Popen[bytes]", socket: Path, log: Path) -> None:
    deadline = time.monotonic() + 20
    while not socket.exists():
        if process.poll() is not None or time.monotonic() > deadline:
            raise TimeoutError(f"{name} did not come up:\n{log.read_text('utf-8', 'replace')[-2000:]}")
        time.sleep(0.05)
    time.sleep(0.5)
    socket.chmod(0o777)


def _end(name: str, process: "subprocess.Popen[bytes]") -> None:
    """Ask mailvet, which has workers to end; the others have nothing to lose and take five seconds."""
    if name == "mailvet":
        process.send_signal(signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            process.wait(40)
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait(5)
