"""Which servers are asked, whose AD bit counts, and what is said of servers that are of no use."""

import functools
import os
import subprocess
import sys
from pathlib import Path

import dns.flags
import dns.message
import dns.rcode
import dns.rdatatype
import dns.rrset
import pytest

from lab.dnsserver import DnsServer
from lab.paths import REPO
from lab.resolving import ZONE, resolving, silent_server, trouble
from lab.settings import addresses, name_servers
from mailvet.dns import dnspython, nameservers
from mailvet.dns.resolver import Resolver
from mailvet.ports import Answer, RecordType, Trouble
from mailvet.settings import DnsSettings
from mailvet.values import Endpoint


@functools.cache
def _exchange(name: str) -> tuple[bytes, bytes]:
    """A question for TXT and its answer."""
    query = dns.message.make_query(name, "TXT", flags=dns.flags.RD | dns.flags.AD)
    with DnsServer(ZONE, secure=True) as server:
        return query.to_wire(), server.answer(query).to_wire()


@pytest.mark.parametrize(
    ("secure", "trusted", "expected"),
    [(True, ("127.0.0.1",), True), (False, ("127.0.0.1",), False), (True, (), True)],
    ids=["AD set", "AD not set", "loopback is trusted unasked"],
)
def test_ad_bit(secure: bool, trusted: tuple[str, ...], expected: bool) -> None:
    with resolving(secure=secure, trusted=addresses(*trusted)) as (resolver, _, _):
        assert resolver.new_lookups().ask("example.org", RecordType.TXT).secure is expected
        assert resolver.new_lookups().ask("huge.example.org", RecordType.TXT).secure is expected  # TCP
        assert (resolver.unvalidated() is None) is expected


@pytest.mark.parametrize(
    ("server", "trusted", "expected"),
    [
        ("127.0.0.53", (), True),
        ("::1", (), True),
        ("192.0.2.53", (), False),
        ("192.0.2.53", ("192.0.2.53",), True),
        ("2001:db8::53", ("2001:DB8:0::53",), True),
        ("fe80::53%eth0", (), False),
        ("fe80::53%eth0", ("FE80::53%eth0",), True),
        ("fe80::53%eth1", ("fe80::53%eth0", "fe80::53"), False),  # another link's may be anybody
    ],
)
def test_whose_ad_bit_counts(server: str, trusted: tuple[str, ...], expected: bool) -> None:
    assert nameservers.is_trusted(Endpoint(server, 53), DnsSettings(trusted=addresses(*trusted))) is expected


def test_ad_of_a_server_that_is_not_trusted_is_not_known() -> None:
    _, data = _exchange("example.org")
    for trusted, secure in ((False, None), (True, True)):
        answer = dnspython.read(data, RecordType.TXT, trusted=trusted)
        assert isinstance(answer, Answer)
        assert answer.secure is secure


def test_probe_and_validation() -> None:
    with resolving() as (resolver, _, _):
        assert resolver.probe() is None
        assert resolver.unvalidated() == nameservers.NO_VALIDATION
    with silent_server() as silent, DnsServer(ZONE) as server:
        resolver = Resolver(DnsSettings(nameservers=name_servers(silent, server.address), timeout=0.5))
        assert resolver.probe() == f"no answer from {silent}"
        assert resolver.unvalidated() == nameservers.NO_VALIDATION
    with silent_server() as silent:  # whether it validates is another question
        resolver = Resolver(
            DnsSettings(
                nameservers=name_servers(
                    silent,
                ),
                timeout=0.5,
            )
        )
        assert resolver.unvalidated() == f"no answer from {silent}"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("nameserver 192.0.2.53\nnameserver ::1\n", [("192.0.2.53", 53), ("::1", 53)]),
        ("search example.org\noptions ndots:5\n# nameserver ::1\nnameserver\t192.0.2.5  # x\n", [("192.0.2.5", 53)]),
        ("nameserver nonsense\nnameserver\n", [("127.0.0.1", 53)]),
        ("", [("127.0.0.1", 53)]),
    ],
    ids=["two", "what else is there", "none that can be used", "empty"],
)
def test_resolv_conf(tmp_path: Path, text: str, expected: list[tuple[str, int]]) -> None:
    path = tmp_path / "resolv.conf"
    path.write_text(text)
    assert nameservers.choose(DnsSettings(), path) == expected


def test_without_resolv_conf(tmp_path: Path) -> None:
    assert nameservers.choose(DnsSettings(), tmp_path / "absent") == [("127.0.0.1", 53)]


# A server on the link, as routers announce it (`nameserver fe80::1%eth0`)

_ON_THE_LINK = """
import fcntl, socket, struct, sys
sock = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
fcntl.ioctl(sock, 0x8914, struct.pack("16sH", b"lo", 1))  # netdevice(7): SIOCSIFFLAGS, IFF_UP
index = socket.if_nametoindex("lo")
address = socket.inet_pton(socket.AF_INET6, "fe80::53")
fcntl.ioctl(sock, 0x8916, address + struct.pack("Ii", 64, index))  # SIOCSIFADDR
from lab.dnsserver import DnsServer
from lab.settings import name_servers
from mailvet.dns import nameservers
from mailvet.dns.resolver import Resolver
from mailvet.ports import RecordType
from mailvet.settings import DnsSettings
zone = {"example.org": {"TXT": ["small"]}, "large.example.org": {"TXT": ["x" * 5000]}}
for host in ("fe80::53%lo", f"fe80::53%{index}"):
    with DnsServer(zone, host=host) as server:
        settings = DnsSettings(nameservers=name_servers(server.address,), timeout=5)
        resolver = Resolver(settings)
        resolver.start()
        for name in zone:
            answer = resolver.new_lookups().ask(name, RecordType.TXT)
            print(len(answer.records[0]), nameservers.silent(resolver.servers, 5))
        resolver.close()
"""
_OWN_NETWORK = ["unshare", "--map-root-user", "--net"]


@pytest.mark.skipif(
    subprocess.run([*_OWN_NETWORK, "true"], check=False, capture_output=True).returncode != 0,
    reason="no network namespace to be had",
)
def test_a_server_on_the_link_is_asked_there_over_udp_and_tcp() -> None:
    paths = os.pathsep.join((str(REPO), str(REPO / "milter")))
    done = subprocess.run(
        [*_OWN_NETWORK, sys.executable, "-c", _ON_THE_LINK],
        env={**os.environ, "PYTHONPATH": paths}, capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert done.stdout.split("\n")[:-1] == ["5 None", "5000 None"] * 2, done.stderr


def test_a_server_on_a_link_that_is_not_there_is_unreachable() -> None:
    resolver = Resolver(
        DnsSettings(
            nameservers=name_servers(
                "[fe80::1%nolink0]:53",
            ),
            timeout=5,
        )
    )
    resolver.start()
    assert trouble(resolver, "example.org") is Trouble.UNREACHABLE
    resolver.close()
