"""breachprocess – the breach process by itself, as the daemon starts it, with its log and its counters.

Raises     RuntimeError if it does not come up
"""

import atexit
import functools
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any, Self

from lab.wait import until
from mailvet.breach_service.client import BreachClient
from mailvet.verdict import BreachResult, BreachVerdict

_SOURCES = Path(__file__).resolve().parents[1] / "milter"
# What is slow is loading HTTP and SQL; so that is done once, in a process without threads that forks each of ours.
_SCRIPT = """
import json, os, pathlib, signal, sys
from mailvet.breach_service import process as breach_service; from mailvet.config import load as config
from mailvet.observe.logs import Log

def live(configuration, socket, counters, log):
    output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(output, 1), os.dup2(output, 2)
    def absorb(_, totals):
        fresh = pathlib.Path(counters + ".new")
        fresh.write_text(json.dumps(totals))
        fresh.rename(counters)
    settings = config.load(pathlib.Path(configuration))
    breach_service.run(settings, pathlib.Path(socket), Log(settings.log), absorb)

for line in sys.stdin:
    request = json.loads(line)
    if isinstance(request, int):
        print(os.waitstatus_to_exitcode(os.waitpid(request, 0)[1]), flush=True)
        continue
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            live(*request)
            status = 0
        except BaseException:
            sys.excepthook(*sys.exc_info())
        finally:
            os._exit(status)
    print(pid, flush=True)
"""


@functools.cache
def _zygote() -> "subprocess.Popen[str]":
    environment = {**os.environ, "PYTHONPATH": str(_SOURCES)}
    started = subprocess.Popen(
        [sys.executable, "-c", _SCRIPT], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
    )

    def end() -> None:
        started.stdin.close()
        started.stdout.close()
        started.wait(10)

    atexit.register(end)
    return started


def _tell_zygote(request: Any) -> int:
    zygote = _zygote()
    zygote.stdin.write(json.dumps(request) + "\n")
    zygote.stdin.flush()
    return int(zygote.stdout.readline())


def toml(values: dict[str, Any]) -> str:
    return "".join(f"{key} = {json.dumps(value)}\n" for key, value in values.items())


class BreachProcess:
    """`breach` is the section of that name; without a `store` it is SQLite in the directory."""

    def __init__(self, directory: Path, breach: dict[str, Any], *, store: str = "", name: str = "breach") -> None:
        self.database = directory / f"{name}.db"
        self.socket = directory / f"{name}.sock"
        self._config, self._counters = directory / f"{name}.toml", directory / f"{name}.json"
        self._log = directory / f"{name}.log"
        head = {"authserv_id": "mx.example.org"}
        url = store or f"sqlite:///{self.database}"
        sections = {"store": {"url": url}, "log": {"format": "text"}, "breach": breach}
        text = toml(head) + "".join(f"[{section}]\n{toml(values)}" for section, values in sections.items())
        self._config.write_text(text)
        self._pid = 0

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        for file in (self._counters, self._log):
            file.unlink(missing_ok=True)
        files = (self._config, self.socket, self._counters, self._log)
        self._pid = _tell_zygote([str(file) for file in files])
        try:
            until(lambda: "state=ready" in self.log or "Traceback" in self.log)
        finally:
            if "state=ready" not in self.log:
                self.kill()
                raise RuntimeError(self.log)

    def stop(self, wish: signal.Signals = signal.SIGTERM) -> int:
        """Its exit status."""
        if not self._pid:
            return 0
        pid, self._pid = self._pid, 0
        os.kill(pid, wish)
        return _tell_zygote(pid)

    def kill(self) -> None:
        self.stop(signal.SIGKILL)

    @property
    def log(self) -> str:
        return self._log.read_text("utf-8", "replace") if self._log.exists() else ""

    @property
    def counters(self) -> dict[str, int]:
        return json.loads(self._counters.read_text()) if self._counters.exists() else {}

    def client(self) -> BreachClient:
        """Connected: what it is asked is not lost."""
        client = BreachClient(self.socket)
        until(lambda: client._socket is not None)
        return client


def ask(client: BreachClient, address: str, patience: float = 20.0) -> BreachVerdict:
    """Ask again until there is an answer."""

    def known() -> BreachVerdict | None:
        verdict = client.ask(address, 5.0)
        return verdict if verdict.result is not BreachResult.UNKNOWN else None

    verdict: BreachVerdict = until(known, patience)
    return verdict
