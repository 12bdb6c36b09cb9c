"""`dns.require_validation`: what is said where the name servers do not validate, or do not answer at all."""

import itertools
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab.daemon import Daemon, command, environment, scratch
from lab.dnsserver import DnsServer
from lab.postfix import free_port
from lab.wait import until
from mailvet.dns.nameservers import NO_VALIDATION

_CONFIG = """
[milter]
listen = "unix:{directory}/x.sock"
[dns]
nameservers = ["{server}"]
timeout = "500ms"
require_validation = "refuse"
[metrics]
listen = ""
"""


def refusal(server: str) -> str:
    """What `serve` says that does not start."""
    with scratch() as directory:
        file = Path(directory) / "mailvet.toml"
        file.write_text(_CONFIG.format(directory=directory, server=server))
        arguments = command("serve", "--config", str(file))
        done = subprocess.run(
            arguments, env=environment(), capture_output=True, timeout=60, check=False, cwd=directory, text=True
        )
    assert done.returncode == 1
    return done.stderr


def test_a_dead_resolver_is_not_called_one_that_does_not_validate() -> None:
    dead = f"127.0.0.1:{free_port()}"
    assert refusal(dead) == f"mailvet: dns.require_validation: no answer from {dead}\n"


def test_a_resolver_that_does_not_validate() -> None:
    with DnsServer({}) as server:
        assert refusal(server.address) == f"mailvet: dns.require_validation: {NO_VALIDATION}\n"


@pytest.fixture
def server() -> Iterator[DnsServer]:
    with DnsServer({}, secure=True) as server:
        yield server


@pytest.mark.parametrize("required", ["warn", "refuse"])
def test_validation_that_ends_while_it_runs_is_said_once_for_each_change(server: DnsServer, required: str) -> None:
    asks = f'timeout = "150ms"\nrequire_validation = "{required}"'
    with scratch() as directory:
        daemon = Daemon(Path(directory), "alone", server.address, "[trust]\nnetworks = []\n")
        with daemon:
            daemon.reload('timeout = "1s"', asks)
            looks = len(server.asked)
            until(lambda: len(server.asked) >= looks + 2)
            assert NO_VALIDATION not in daemon.log
            server.secure = False
            until(lambda: NO_VALIDATION in daemon.log)
            looks = len(server.asked)
            until(lambda: len(server.asked) >= looks + 4)  # two for a look
            server.secure = True
            until(lambda: _said(daemon)[-1:] == ["none any more"])
            assert NO_VALIDATION in _said(daemon)
            assert all(one != next_ for one, next_ in itertools.pairwise(_said(daemon)))


def _said(daemon: Daemon) -> list[str]:
    return re.findall(r'event=resolver problem="([^"\n]*)"', daemon.log)
