"""`mailvet breach ADDRESS`: what it says leaves the host is what leaves it."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab.breachprocess import toml
from lab.hibp_server import KEY, HibpServer
from lab.paths import REPO

ANN = "ann@signed.example"
PREFIX = "15BD62"


@pytest.fixture
def hibp(tmp_path: Path) -> Iterator[HibpServer]:
    with HibpServer(
        tmp_path, {ANN: ["Fresh", "SpamList", "Ancient", "Gone"], "old@signed.example": ["Ancient"]}
    ) as running:
        yield running


def breach(directory: Path, address: str, settings: dict[str, str], *options: str) -> tuple[int, str]:
    file = directory / "mailvet.toml"
    file.write_text(f'authserv_id = "mx.example.org"\n[breach]\n{toml(settings)}')
    environment = {**os.environ, "PYTHONPATH": str(REPO / "milter")}
    command = [sys.executable, "-m", "mailvet", "breach", "--config", str(file), *options, address]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=60)
    assert "Traceback" not in done.stderr
    return done.returncode, done.stdout


def test_a_listed_address(tmp_path: Path, hibp: HibpServer) -> None:
    status, said = breach(tmp_path, f" {ANN.upper()}", hibp.settings())
    assert status == 0
    (range_request, list_request) = hibp.requests
    assert range_request.path == f"/api/v3/breachedaccount/range/{PREFIX}"
    assert f"GET {hibp.url}/breachedaccount/range/{PREFIX}" in said
    assert f"user-agent: {range_request.headers['user-agent']}" in said
    assert list_request.path.endswith("/breaches")
    for line in ("Fresh: added ", "counts", "SpamList: does not count", "too long ago", "Gone: is not in the list"):
        assert line in said
    assert "Field       Sender-Breach-Info: mx.example.org; result=listed" in said
    assert "CC BY 4.0" in said
    assert KEY not in said


def test_for_programs(tmp_path: Path, hibp: HibpServer) -> None:
    status, said = breach(tmp_path, ANN, hibp.settings(), "--json")
    found = json.loads(said)
    assert (status, found["result"], found["sha1"]["prefix"]) == (0, "listed", PREFIX)
    assert found["leaves"][0] == f"GET {hibp.url}/breachedaccount/range/{PREFIX}"
    assert {"name": "Gone", "counts": "is not in the list"} in found["breaches"]
    assert found["header"].startswith("Sender-Breach-Info: mx.example.org; result=listed; ")
    hibp.manner = "status 503"
    status, said = breach(tmp_path, ANN, hibp.settings(), "--json")
    assert (status, json.loads(said)["result"], json.loads(said)["comes_back"]) == (1, "unknown", "status 503")


def test_an_address_that_is_not_listed(tmp_path: Path, hibp: HibpServer) -> None:
    status, said = breach(tmp_path, "old@signed.example", hibp.settings())
    assert status == 0
    assert "Result      not-listed" in said
    assert "Sender-Breach-Info" not in said


@pytest.mark.parametrize(
    ("manner", "word"), [("status 404", "status 404"), ("truncated", "network"), ("html", "garbage")]
)
def test_a_source_that_cannot_say(tmp_path: Path, hibp: HibpServer, manner: str, word: str) -> None:
    hibp.manner = manner
    status, said = breach(tmp_path, ANN, hibp.settings())
    assert status == 1
    assert f"Comes back  {word}" in said
    assert "unknown" in said


def test_without_a_key_nothing_is_sent(tmp_path: Path, hibp: HibpServer) -> None:
    status, said = breach(tmp_path, ANN, hibp.settings() | {"api_key_file": str(tmp_path / "none")})
    assert status == 2
    assert "nothing is sent" in said
    assert hibp.requests == []


@pytest.mark.parametrize("more", [{"url": "https://xn--/{prefix}"}, {"proxy": "http://proxy:31:28"}])
def test_what_httpx_cannot_ask(tmp_path: Path, hibp: HibpServer, more: dict[str, str]) -> None:
    status, said = breach(tmp_path, ANN, hibp.settings() | more)
    assert status == 2
    assert "nothing is sent: breach.url, breach.api or breach.proxy" in said


@pytest.mark.parametrize("address", ["jörg@signed.example", f"<{ANN}>", f"Ann <{ANN}>", f"{ANN},", "@signed.example"])
def test_what_is_not_an_address(tmp_path: Path, hibp: HibpServer, address: str) -> None:
    status, said = breach(tmp_path, address, hibp.settings())
    assert status == 2
    assert "plain ASCII" in said
    assert hibp.requests == []


def test_a_list_of_ones_own(tmp_path: Path) -> None:
    settings = {"source": "file", "file": str(tmp_path / "list")}
    status, said = breach(tmp_path, ANN, settings)
    assert (status, "No such file" in said) == (1, True)
    (tmp_path / "list").write_text(f"{ANN} 2026-05 passwords\n")
    status, said = breach(tmp_path, ANN, settings)
    assert status == 0
    assert "Leaves      nothing" in said
    assert "source=local; newest=2026-05; classes=passwords" in said
