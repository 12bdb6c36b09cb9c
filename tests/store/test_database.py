"""What every store is built on: the secret, the files' modes, and what is said of a database that cannot be used."""

import stat
from pathlib import Path

import pytest

from mailvet.checks.breach.source import Kept
from mailvet.store.breach import BreachStore
from mailvet.store.database import StoreTrouble
from mailvet.verdict import BreachResult, BreachVerdict

VERDICT = BreachVerdict(result=BreachResult.NOT_LISTED, source="haveibeenpwned.com", checked="2026-11-23")


def test_the_secret_stays_the_same(url: str, tmp_path: Path) -> None:
    first, second = BreachStore(url), BreachStore(url)
    secret = first.open()
    assert len(secret) == 32
    assert second.open() == secret
    first.close()
    second.close()
    own = BreachStore(url, str(tmp_path / "own.secret"))
    assert own.open() != secret
    assert own.open() == own.open()
    own.close()


def test_database_and_secret_are_readable_by_mailvet_alone(tmp_path: Path) -> None:
    store = BreachStore(f"sqlite:///{tmp_path}/s.db")
    store.open()
    store.keep(b"a" * 32, Kept(VERDICT, 1_800_000_000.0))
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()}
    assert {"s.db", "s.db.secret", "s.db-wal"} <= set(modes)
    assert set(modes.values()) == {0o600}
    store.close()


@pytest.mark.parametrize(("mode", "octets"), [(0o644, 32), (0o600, 31), (0o600, 0)])
def test_a_file_that_does_not_hold_a_secret_is_refused(tmp_path: Path, mode: int, octets: int) -> None:
    file = tmp_path / "s.db.secret"
    file.write_bytes(b"x" * octets)
    file.chmod(mode)
    with pytest.raises(StoreTrouble, match="secret"):
        BreachStore(f"sqlite:///{tmp_path}/s.db").open()


@pytest.mark.parametrize(
    "url",
    [
        "sqlite:////nowhere/at/all.db",
        "postgresql+psycopg://x@/x?host=/nowhere",
        "mysql://x/y",
        "nonsense",
        "sqlite:////dev/null",
        pytest.param("postgresql+psycopg://u@h:abc/x", id="a port that is not a number"),
        pytest.param("postgresql+psycopg://[::1/x", id="an IPv6 address without its bracket"),
        pytest.param("sqlite:////x.db?timeout=abc", id="a parameter that is not a number"),
        pytest.param("sqlite:////tmp?check_same_thread=maybe", id="a parameter that is not a truth value"),
        pytest.param("sqlite:////tmp/a\0b", id="a NUL"),
    ],
)
def test_a_store_that_is_not_there_is_trouble(url: str) -> None:
    with pytest.raises(StoreTrouble):
        BreachStore(url).open()


@pytest.mark.parametrize(
    "url",
    [
        pytest.param("postgresql+psycopg://user:hunter2@127.0.0.1:1/x", id="of a server that is not there"),
        pytest.param("postgresql+psycopg://user:hunter2/x", id="of a URL without its host"),
    ],
)
def test_trouble_tells_no_password(url: str) -> None:
    with pytest.raises(StoreTrouble) as caught:
        BreachStore(url).open()
    assert "hunter2" not in str(caught.value)
