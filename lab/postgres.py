"""postgres – a PostgreSQL server for one test, in a directory of its own, reached by a unix socket only.

    with Postgres() as running:
        running.url          # as in [store]

Raises     CalledProcessError
"""

import os
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path
from typing import Self


def binaries() -> Path | None:
    """Return the directory of the newest version that is installed."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    return found[-1].parent if found else None


def missing() -> str:
    """Return why PostgreSQL cannot be run here; "" if it can."""
    if binaries() is None:
        return "PostgreSQL is not installed"
    return "" if os.geteuid() == 0 else "PostgreSQL is started as the user postgres, which root alone can do"


class Postgres:
    """The server, which runs as the user postgres."""

    def __init__(self) -> None:
        self._root = Path()

    def __enter__(self) -> Self:
        self._root = Path(tempfile.mkdtemp(prefix="mailvet-pg-"))
        shutil.chown(self._root, "postgres")
        data = str(self._root / "data")
        try:
            self._run("initdb", "-D", data, "-A", "trust", "-U", "mailvet", "--no-sync")
            options = f"-c listen_addresses='' -c unix_socket_directories='{self._root}' -c fsync=off"
            self._run("pg_ctl", "-D", data, "-l", str(self._root / "log"), "-o", options, "-w", "start")
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
        shutil.rmtree(self._root, ignore_errors=True)

    def stop(self) -> None:
        """Stop the server at once, as a crash would."""
        self._run("pg_ctl", "-D", str(self._root / "data"), "-m", "immediate", "stop", check=False)

    @property
    def url(self) -> str:
        return f"postgresql+psycopg://mailvet@/postgres?host={self._root}"

    def send(self, sent: signal.Signals) -> None:
        """Send a signal to all its processes. After SIGSTOP it takes what it is sent, and is silent."""
        first = int((self._root / "data" / "postmaster.pid").read_text().split()[0])
        for pid in [first, *map(int, Path(f"/proc/{first}/task/{first}/children").read_text().split())]:
            os.kill(pid, sent)

    def empty(self) -> None:
        """Delete every table."""
        commands = "DROP SCHEMA public CASCADE; CREATE SCHEMA public"
        self._run("psql", "-h", str(self._root), "-U", "mailvet", "postgres", "-c", commands)

    def dump(self) -> str:
        """Return the whole database as SQL."""
        return self._run("pg_dump", "-h", str(self._root), "-U", "mailvet", "--inserts", "postgres")

    def _run(self, program: str, *arguments: str, check: bool = True) -> str:
        directory = binaries()
        assert directory is not None
        command = [
            "setpriv",
            "--reuid=postgres",
            "--regid=postgres",
            "--clear-groups",
            str(directory / program),
            *arguments,
        ]
        output = self._root / f"{program}.out"  # pg_ctl's child would keep a pipe open
        with output.open("wb") as out:
            subprocess.run(command, check=check, stdout=out, stderr=subprocess.STDOUT, cwd="/", timeout=60)
        return output.read_text("utf-8", "replace")
