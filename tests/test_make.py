"""The Makefile: packages are looked for once and first, and who is not root is told first. `make lint`'s audit."""

import contextlib
import http.server
import json
import shutil
import socket
import subprocess
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from lab.paths import REPO
from scripts import audit


def planned(target: str, *, root: bool) -> list[str]:
    """What `make` would run, line by line."""
    if shutil.which("make") is None:
        pytest.skip("make is not installed")
    command = ["make", "--dry-run", "--no-print-directory", target, f"ROOT={'0' if root else ''}"]
    return subprocess.run(command, cwd=REPO, check=True, capture_output=True, text=True).stdout.splitlines()


@pytest.mark.parametrize("root", [True, False])
@pytest.mark.parametrize("target", ["build", "demo", "test", "lint", "bench", "conformance"])
def test_packages_are_looked_for_once_and_first(target: str, root: bool) -> None:
    lines = [line for line in planned(target, root=root) if line != ":" and not line.startswith("echo")]
    assert [at for at, line in enumerate(lines) if "debian-packages.sh" in line] == [0]


@pytest.mark.parametrize("target", ["demo", "test", "bench"])
def test_whoever_is_not_root_is_told_first(target: str) -> None:
    assert planned(target, root=False)[0].startswith('echo "Not root: ')
    assert not any("Not root" in line for line in planned(target, root=True))


def test_the_demo_wants_postfix_of_root_alone() -> None:
    assert " postfix" in planned("demo", root=True)[1]
    assert " postfix" not in planned("demo", root=False)[1]


def test_lint_checks_style_layout_types_and_dependencies() -> None:
    lines = planned("lint", root=True)
    programs = ("ruff check", "ruff format --check", "mypy", "python -m scripts.audit")
    assert [program for program in programs if not any(f"/bin/{program}" in line for line in lines)] == []


def test_ci_runs_lint_before_the_tests() -> None:
    lines = (REPO / ".ci" / "run").read_text("utf-8").splitlines()
    assert lines[-2:] == ["make lint", "exec make test"]


HTTPX = {
    "id": "PYSEC-2026-1",
    "summary": "A made-up vulnerability",
    "affected": [
        {
            "package": {"name": "httpx", "ecosystem": "PyPI"},
            "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "99.1"}]}],
        }
    ],
}


class Database(http.server.ThreadingHTTPServer):
    """Plays the vulnerability database: knows of these, by name of the package, or answers with `status`."""

    def __init__(self, known: dict[str, dict[str, Any]], status: int = 200) -> None:
        super().__init__(("127.0.0.1", 0), _Query)
        self.known, self.status = known, status
        self.asked: set[str] = set()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/v1/query"


class _Query(http.server.BaseHTTPRequestHandler):
    server: Database

    def do_POST(self) -> None:
        name = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["package"]["name"]
        self.server.asked.add(name)
        body = json.dumps({"vulns": [self.server.known[name]]} if name in self.server.known else {}).encode()
        self.send_response(self.server.status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@contextlib.contextmanager
def database(known: dict[str, dict[str, Any]], status: int = 200) -> Iterator[Database]:
    with Database(known, status) as server:
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        yield server
        server.shutdown()


class TestAudit:
    @pytest.fixture(autouse=True)
    def _no_proxy(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")

    def test_a_known_vulnerability_fails(self) -> None:
        with database({"httpx": HTTPX}) as server:
            status, text = audit.run(server.url)
        assert status == 1
        assert "PYSEC-2026-1, fixed in 99.1: A made-up vulnerability" in text

    def test_nothing_known_passes_and_every_lock_is_asked_about(self) -> None:
        with database({}) as server:
            status, text = audit.run(server.url)
        assert status == 0
        assert text == f"Dependency audit: {len(server.asked)} pinned packages, no known vulnerability"
        assert {"cryptography", "ruff", "wheel", "atheris"} <= server.asked

    def test_without_a_network_it_says_so_and_passes(self) -> None:
        with socket.socket() as sock:
            sock.bind(("127.0.0.1", 0))  # nothing listens there
            status, text = audit.run(f"http://127.0.0.1:{sock.getsockname()[1]}/v1/query")
        assert status == 0
        assert text.startswith("Dependency audit: NOT DONE")

    def test_a_database_that_is_out_of_order_is_out_of_reach(self) -> None:
        with database({}, status=503) as server:
            status, text = audit.run(server.url)
        assert status == 0
        assert text.startswith("Dependency audit: NOT DONE")

    def test_a_lock_that_cannot_be_read_fails(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(audit, "LOCKS", ("no-such-file.txt",))
        status, text = audit.run()
        assert status == 2
        assert "no-such-file.txt" in text
