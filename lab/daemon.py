"""daemon – starts `mailvet serve` with a configuration, a unix socket and a log of its own.

Raises     RuntimeError if it does not come up; its output is in the message
"""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Self

from lab.paths import REPO

_CONFIG = """
authserv_id = "{authserv_id}"
[milter]
listen = "unix:{socket}"
workers = {workers}
[dns]
nameservers = ["{dns}"]
timeout = "1s"
budget = "6s"
[metrics]
listen = "{metrics}"
[log]
format = "text"
"""


_PROGRAM = ("-m", "mailvet")


def command(*arguments: str, program: Sequence[str] = _PROGRAM) -> list[str]:
    return [sys.executable, *program, *arguments]


def environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": f"{REPO / 'milter'}:{REPO}"}


class Daemon:
    """`mailvet serve` while the context lasts.

    `more` is added to the configuration. It has to set [trust], since loopback is trusted by default, and may not
    begin with a bare key, which would fall into the table above it.
    """

    def __init__(
        self,
        directory: Path,
        name: str,
        dns: str,
        more: str,
        *,
        workers: int = 1,
        authserv_id: str = "mx.example.org",
        metrics: str = "",
        program: Sequence[str] = _PROGRAM,
    ) -> None:
        self.socket = directory / f"{name}.sock"
        self._config, self._log = directory / f"{name}.toml", directory / f"{name}.log"
        base = _CONFIG.format(authserv_id=authserv_id, socket=self.socket, workers=workers, dns=dns, metrics=metrics)
        self._config.write_text(base + more)
        self._process: subprocess.Popen[bytes] | None = None
        self._program = program

    def __enter__(self) -> Self:
        try:
            self._start()
        except BaseException:  # Ctrl-C, too
            self.stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _start(self) -> None:
        with self._log.open("wb") as log:
            arguments = command("serve", "--config", str(self._config), program=self._program)
            here = environment() | {"TMPDIR": str(self.socket.parent)}
            self._process = subprocess.Popen(arguments, env=here, stdout=log, stderr=log)
        deadline = time.monotonic() + 60
        while "started" not in self.log or not self._answers():
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"mailvet did not come up: {self.log}")
            time.sleep(0.02)
        self.socket.chmod(0o777)  # Postfix is another user

    def _answers(self) -> bool:
        with contextlib.closing(socket.socket(socket.AF_UNIX)) as probe, contextlib.suppress(OSError):
            probe.connect(str(self.socket))
            return True
        return False

    def tell_to_stop(self) -> None:
        assert self._process is not None
        self._process.terminate()

    def reload(self, old: str, new: str) -> None:
        """Replace `old` in the configuration, send SIGHUP, and wait until the outcome is in the log."""
        assert self._process is not None
        text, said = self._config.read_text(), self.log.count("event=reload")
        assert old in text
        self._config.write_text(text.replace(old, new))
        self._process.send_signal(signal.SIGHUP)
        deadline = time.monotonic() + 60
        while self.log.count("event=reload") == said and time.monotonic() < deadline:
            time.sleep(0.02)

    def stop(self, patience: float = 40.0) -> int:
        """Send SIGTERM, wait for the end, and return the exit status."""
        if self._process is None:
            return 0
        self._process.terminate()
        try:
            return self._process.wait(patience)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
            raise

    @property
    def log(self) -> str:
        return self._log.read_text("utf-8", "replace")

    @property
    def workers(self) -> list[int]:
        """The process ids of its children."""
        assert self._process is not None
        pid = self._process.pid
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]

    def kill(self) -> None:
        """Kill the supervisor with SIGKILL."""
        assert self._process is not None
        self._process.kill()
        self._process.wait()

    def kill_workers(self) -> None:
        self.signal_workers(signal.SIGKILL)

    def signal_workers(self, number: signal.Signals) -> None:
        for pid in self.workers:
            os.kill(pid, number)


def scratch() -> "tempfile.TemporaryDirectory[str]":
    """Return a temporary directory that Postfix's user may enter."""
    directory = tempfile.TemporaryDirectory(prefix="mailvet-lab-")
    Path(directory.name).chmod(0o755)
    return directory
