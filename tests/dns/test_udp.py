"""Questions over UDP: few descriptors, silent servers, several servers."""

import resource
import time
from pathlib import Path

import pytest

from lab.dnsserver import DnsServer
from lab.resolving import ZONE, closed_port, resolving, trouble, until
from lab.settings import name_servers
from mailvet.dns import udp
from mailvet.dns.resolver import Resolver
from mailvet.ports import RecordType, Trouble
from mailvet.settings import DnsSettings


def _sockets_to(address: str) -> int:
    """UDP sockets connected to it (proc(5), net/udp); the process's descriptors are also those of other threads."""
    port = int(address.rpartition(":")[2])
    lines = Path("/proc/net/udp").read_text().splitlines()[1:]
    return sum(line.split()[2].endswith(f":{port:04X}") for line in lines)


def test_a_thousand_questions_at_once_wait_their_turn_with_few_descriptors(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda _: (256, 256))
    zone = {f"n{n}.example": {"TXT": [f"{n}"], "delay": 0.01} for n in range(1000)}
    with resolving(zone, questions=1000, timeout=10) as (resolver, server, _):
        lookups, most = resolver.new_lookups(), 0
        for name in zone:
            lookups.ahead(name, RecordType.TXT)
            most = max(most, _sockets_to(server.address))
        for n, name in enumerate(zone):
            assert lookups.ask(name, RecordType.TXT).records == (str(n).encode(),)
        assert most <= 128  # one that lands while they are counted counts twice, as its successor
        assert len(server.asked) == 1000


def test_a_quarter_of_the_descriptors_is_for_questions(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda _: (256, 256))
    zone = {f"n{n}.example": {"manner": "drop"} for n in range(100)}
    with resolving(zone, timeout=20) as (resolver, server, _):
        lookups = resolver.new_lookups()
        for name in zone:
            lookups.ahead(name, RecordType.TXT)
        assert _sockets_to(server.address) == 64  # nothing lands, so nothing moves while they are counted


def test_those_who_wait_their_turn_time_out_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda _: (64, 64))
    zone = {f"n{n}.example": {"manner": "drop"} for n in range(40)}
    with resolving(zone, timeout=0.4) as (resolver, server, _):
        lookups = resolver.new_lookups()
        for name in zone:
            lookups.ahead(name, RecordType.TXT)
        until(lambda: resolver.counters()["timeout"] == 40)
        assert len(set(server.asked)) < 40  # nobody would have heard the answer


def test_a_silent_server_is_asked_twice() -> None:
    with resolving(timeout=0.4) as (resolver, server, _):
        assert trouble(resolver, "drop.test") is Trouble.TIMEOUT
        assert len(server.asked) == 2


# Several servers


@pytest.mark.parametrize(
    ("stay", "asked"), [(30.0, ["TXT"]), (0.0, ["TXT", "A"])], ids=["the second is then asked at once", "for a while"]
)
def test_the_second_server_is_asked_when_the_first_is_silent(
    monkeypatch: pytest.MonkeyPatch, stay: float, asked: list[str]
) -> None:
    monkeypatch.setattr(udp, "_STAY", stay)
    with DnsServer({"example.org": {"manner": "drop"}}) as first, DnsServer(ZONE) as second:
        resolver = Resolver(DnsSettings(nameservers=name_servers(first.address, second.address), timeout=1))
        resolver.start()
        assert resolver.new_lookups().ask("example.org", RecordType.TXT).records == (b"v=spf1 -all",)
        assert resolver.new_lookups().ask("example.org", RecordType.A).records == ("192.0.2.1",)
        assert [kind for _, kind in first.asked] == asked
        resolver.close()


@pytest.mark.parametrize("manner", ["servfail", "refused", "formerr", "bare-formerr"])
def test_the_second_server_is_asked_at_once_when_the_first_cannot_tell(manner: str) -> None:
    with DnsServer({"example.org": {"manner": manner}}) as first, DnsServer(ZONE) as second:
        resolver = Resolver(DnsSettings(nameservers=name_servers(first.address, second.address), timeout=5))
        resolver.start()
        started = time.monotonic()
        assert resolver.new_lookups().ask("example.org", RecordType.TXT).records == (b"v=spf1 -all",)
        assert time.monotonic() - started < 2
        resolver.new_lookups().ask("example.org", RecordType.A)
        assert len(first.asked) == 2  # it stays the first
        resolver.close()


def test_the_second_server_is_asked_at_once_when_nobody_listens_or_no_route_leads_there() -> None:
    for dead in (closed_port(), "255.255.255.255:53"):
        with DnsServer(ZONE) as server:
            resolver = Resolver(DnsSettings(nameservers=name_servers(dead, server.address), timeout=5))
            resolver.start()
            started = time.monotonic()
            assert resolver.new_lookups().ask("example.org", RecordType.TXT).records == (b"v=spf1 -all",)
            assert time.monotonic() - started < 2
            resolver.close()


def test_when_no_server_can_tell_the_first_excuse_counts() -> None:
    excuse, silence = {"x.example": {"manner": "servfail"}}, {"x.example": {"manner": "drop"}}
    with DnsServer(excuse) as first, DnsServer(silence) as second:
        resolver = Resolver(DnsSettings(nameservers=name_servers(first.address, second.address), timeout=0.3))
        resolver.start()
        assert trouble(resolver, "x.example") is Trouble.SERVFAIL
        resolver.close()
