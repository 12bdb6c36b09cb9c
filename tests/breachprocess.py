"""breachprocess – the breach process by itself, as the daemon starts it, with its log and its counters.

Raises     RuntimeError if it does not come up
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self

from mailvet.breach_client import BreachClient
from mailvet.verdict import BreachResult, BreachVerdict

_SOURCES = Path(__file__).resolve().parents[1] / "milter"
_SCRIPT = """
import json, pathlib, sys
from mailvet import breach_service, config
from mailvet.adapters.logs import Log
settings = config.load(pathlib.Path(sys.argv[1]))
counters = pathlib.Path(sys.argv[3])
def absorb(_, totals):
    fresh = counters.with_suffix(".new")
    fresh.write_text(json.dumps(totals))
    fresh.rename(counters)
breach_service.run(settings, pathlib.Path(sys.argv[2]), Log(settings.log), absorb)
"""


def toml(values: dict[str, Any]) -> str:
    return "".join(f"{key} = {json.dumps(value)}\n" for key, value in values.items())


def until(holds: Callable[[], Any], patience: float = 20.0) -> Any:
    """The first true value."""
    deadline = time.monotonic() + patience
    while not (value := holds()):
        assert time.monotonic() < deadline, "it has not come to pass"
        time.sleep(0.02)
    return value


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
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        self._counters.unlink(missing_ok=True)
        with self._log.open("wb") as log:
            arguments = [sys.executable, "-c", _SCRIPT, str(self._config), str(self.socket), str(self._counters)]
            environment = {**os.environ, "PYTHONPATH": str(_SOURCES)}
            self._process = subprocess.Popen(arguments, env=environment, stdout=log, stderr=log)
        try:
            until(lambda: "state=ready" in self.log or self._process.poll() is not None)
        finally:
            if self._process.poll() is not None:
                raise RuntimeError(self.log)

    def stop(self) -> int:
        if self._process is None:
            return 0
        self._process.terminate()
        try:
            return self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            raise

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()

    @property
    def log(self) -> str:
        return self._log.read_text("utf-8", "replace")

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
