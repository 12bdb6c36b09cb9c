"""`mailvet config`: what is checked beyond what a start needs, and what is shown."""

import subprocess
import sys
from pathlib import Path

import pytest

from lab.daemon import environment


def mailvet(*arguments: str) -> "subprocess.CompletedProcess[str]":
    run = [sys.executable, "-m", "mailvet", *arguments]
    return subprocess.run(run, env=environment(), capture_output=True, check=False, text=True, timeout=60)


@pytest.mark.parametrize(
    ("url", "part"),
    [
        pytest.param("postgresql+psycopg://u@h:abc/x", "port", id="a port that is not a number"),
        pytest.param("postgresql+psycopg://[::1/x", "port", id="an IPv6 address without its bracket"),
        pytest.param("sqlite:////x.db?timeout=abc", "'abc'", id="a parameter that is not a number"),
        pytest.param("sqlite:////tmp?check_same_thread=maybe", "'maybe'", id="a parameter that is not a truth value"),
        pytest.param("sqlite:////tmp/a\\u0000b", "NUL", id="a NUL"),
    ],
)
def test_a_url_that_no_database_can_have_is_a_mistake(tmp_path: Path, url: str, part: str) -> None:
    file = tmp_path / "mailvet.toml"
    file.write_text(f'[store]\n\nurl = "{url}"\n')
    done = mailvet("config", "check", "--config", str(file))
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"mailvet: {file}:3: store.url: ")
    assert part in done.stderr


def test_a_worker_that_reads_the_configuration_loads_no_sql() -> None:
    code = "import sys; from mailvet.config import load; load.parse('', 'x'); print('sqlalchemy' in sys.modules)"
    run = [sys.executable, "-c", code]
    assert subprocess.run(run, env=environment(), capture_output=True, check=True, text=True).stdout == "False\n"
