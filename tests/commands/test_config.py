"""`mailvet config`: what is checked beyond what a start needs, and what is shown."""

import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import example, given, strategies as st

from lab.daemon import environment
from mailvet.commands import config
from mailvet.config import load
from mailvet.settings import BreachSettings, Settings


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


@given(wait=st.floats(0, 30), delay=st.floats(0, 86_400), max_age=st.floats(86_400, 3_153_600_000))
@example(wait=0.00005, delay=0.3000000000000001, max_age=86_400.0)
def test_what_is_shown_loads_again_as_the_same_durations(wait: float, delay: float, max_age: float) -> None:
    settings = Settings(authserv_id="x", breach=BreachSettings(wait=wait, delay=delay, max_age=max_age))
    assert load.parse(config.show(settings, as_json=False), "x") == settings


def test_a_duration_is_shown_in_plain_digits(tmp_path: Path) -> None:
    file = tmp_path / "mailvet.toml"
    file.write_text('[breach]\nwait = "0.05ms"\n')
    shown = mailvet("config", "show", "--config", str(file)).stdout
    assert '\nwait = "0.00005s"\n' in shown
    assert '\nkeep_min = "604800s"\n' in shown
