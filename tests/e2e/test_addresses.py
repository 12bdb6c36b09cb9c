"""Clients whose address can be written in several ways: one text in our field, one trust."""

from collections.abc import Iterator

import pytest

from lab import world
from lab.daemon import Daemon
from lab.mail_system import Lab
from lab.milterclient import MilterClient
from lab.wait import until

CONFIG = '[trust]\nnetworks = ["::ffff:198.51.100.0/120"]\n'


@pytest.fixture(scope="module")
def daemon(lab: Lab) -> Iterator[Daemon]:
    with lab.daemon("spare", CONFIG) as daemon:
        yield daemon


def field(daemon: Daemon, address: str) -> str:
    with MilterClient(daemon.socket) as client:
        client.connect(address)
        ((_, _, value),) = client.message(b"a@quiet.example", world.letter("<a@quiet.example>")).inserted
    return value


@pytest.mark.parametrize(
    ("address", "written"),
    [
        ("::192.0.2.66", "::c000:242"),
        ("2001:DB8:0:0:0:0:0:1", "2001:db8::1"),
        ("::ffff:192.0.2.66", "192.0.2.66"),
        ("192.0.2.66", "192.0.2.66"),
    ],
)
def test_an_address_is_written_in_one_way(daemon: Daemon, address: str, written: str) -> None:
    """RFC 5952 §4"""
    said = field(daemon, address).replace('"', "")
    assert f" policy.iprev={written};" in said
    assert f" smtp.remote-ip={written};" in said
    until(lambda: f" client={written} " in daemon.log.splitlines()[-1])


@pytest.mark.parametrize("address", ["198.51.100.7", "::ffff:198.51.100.7"])
def test_a_mapped_network_is_the_ipv4_network(daemon: Daemon, address: str) -> None:
    assert field(daemon, address) == " mx.example.org; none"
