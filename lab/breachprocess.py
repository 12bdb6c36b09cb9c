"""breachprocess – the breach process by itself, as the daemon starts it, with its log and its counters.

    with hibp_process(directory, hibp, rpm=10) as process:      # or own_list_process(directory, "ann@signed.example")
        ask(process.client(), ANN).result

Raises     RuntimeError if it does not come up
"""

import atexit
import functools
import hashlib
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any, Self

from lab.hibp_server import HibpServer
from lab.wait import until
from mailvet.breach_service.client import BreachClient
from mailvet.verdict import BreachResult, BreachVerdict

ANN, BEN, CLEAN = "ann@signed.example", "ben@signed.example", "clean@signed.example"
_SOURCES = Path(__file__).resolve().parents[1] / "milter"
# What is slow is loading HTTP and SQL; so that is done once, in a process without threads that forks each of ours.
_SCRIPT = """
import json, os, pathlib, signal, sys
from mailvet.breach_service import process
from mailvet.config import load
from mailvet.observe.logs import Log

def live(configuration, socket, counters, log):
    output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(output, 1), os.dup2(output, 2)
    def add_totals(_, totals):
        fresh = pathlib.Path(counters + ".new")
        fresh.write_text(json.dumps(totals))
        fresh.rename(counters)
    settings = load.load(pathlib.Path(configuration))
    process.run(settings, pathlib.Path(socket), Log(settings.log), add_totals)

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
def _template() -> "subprocess.Popen[str]":
    """The process that has everything loaded."""
    environment = {**os.environ, "PYTHONPATH": str(_SOURCES)}
    started = subprocess.Popen(
        [sys.executable, "-c", _SCRIPT], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
    )

    def end() -> None:
        for pipe in (started.stdin, started.stdout):
            assert pipe is not None
            pipe.close()
        started.wait(10)

    atexit.register(end)
    return started


def _fork(files: list[str]) -> int:
    """Fork a breach process, and return its process id."""
    return _request(files)


def _exit_status(pid: int) -> int:
    """Wait until a forked process has ended, and return its exit status."""
    return _request(pid)


def _request(request: list[str] | int) -> int:
    template = _template()
    assert template.stdin is not None
    assert template.stdout is not None
    template.stdin.write(json.dumps(request) + "\n")
    template.stdin.flush()
    return int(template.stdout.readline())


def toml(values: dict[str, Any]) -> str:
    """Return a section of the configuration, without its heading."""
    return "".join(f"{key} = {json.dumps(value)}\n" for key, value in values.items())


class BreachProcess:
    """A breach process with this section [breach]. Without `store` it uses SQLite in the directory."""

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
        self._pid = _fork([str(file) for file in files])
        try:
            until(lambda: "state=ready" in self.log or "Traceback" in self.log)
        finally:
            if "state=ready" not in self.log:
                self.kill()
                raise RuntimeError(self.log)

    def stop(self, sent: signal.Signals = signal.SIGTERM) -> int:
        """End the process, and return its exit status; 0 if it does not run."""
        if not self._pid:
            return 0
        pid, self._pid = self._pid, 0
        os.kill(pid, sent)
        return _exit_status(pid)

    def kill(self) -> None:
        self.stop(signal.SIGKILL)

    @property
    def log(self) -> str:
        return self._log.read_text("utf-8", "replace") if self._log.exists() else ""

    @property
    def counters(self) -> dict[str, int]:
        return dict(json.loads(self._counters.read_text())) if self._counters.exists() else {}

    def client(self) -> BreachClient:
        """Return a client that is connected, so that its questions are not lost."""
        client = BreachClient(self.socket)
        until(lambda: client.connected)
        return client


def hibp_process(
    directory: Path, hibp: HibpServer, *, store: str = "", name: str = "breach", **more: Any
) -> BreachProcess:
    """Return a process, not started, that asks the look-alike. `more` goes into the section [breach]."""
    values = hibp.settings() | {"wait": "1s", "delay": "0s", "timeout": "5s", "rpm": 6000} | more
    return BreachProcess(directory, values, store=store, name=name)


def own_list_process(directory: Path, text: str) -> BreachProcess:
    """Return a process, not started, that uses a list with these lines."""
    (directory / "list").write_text(text)
    return BreachProcess(directory, {"source": "file", "file": str(directory / "list")})


def prefix(address: str) -> str:
    """Return what may leave the host of an address."""
    return hashlib.sha1(address.encode()).hexdigest().upper()[:6]


def ask(client: BreachClient, address: str, seconds: float = 20.0) -> BreachVerdict:
    """Ask again until there is a verdict."""

    def known() -> BreachVerdict | None:
        verdict = client.ask(address, 5.0)
        return verdict if verdict.result is not BreachResult.UNKNOWN else None

    verdict: BreachVerdict = until(known, seconds)
    return verdict
