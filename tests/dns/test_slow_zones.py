"""Zones that failed slowly are not waited for at length."""

import pytest

from lab.resolving import Clock, resolving, trouble, until
from lab.settings import name_servers
from mailvet.assembly import make_resolver
from mailvet.dns.slow_zones import SlowZones
from mailvet.ports import RecordType, Trouble
from mailvet.settings import DnsSettings


def test_a_zone_that_failed_slowly_is_not_waited_for_again() -> None:
    zone = {"a.x.slow.example": {"manner": "drop"}, "b.x.slow.example": {"TXT": ["x"], "delay": 0.7}}
    with resolving(zone, timeout=1) as (resolver, _, clock):
        assert trouble(resolver, "a.x.slow.example") is Trouble.TIMEOUT
        clock.now += 2
        assert trouble(resolver, "b.x.slow.example") is Trouble.TIMEOUT  # though there will be an answer
        # it came, and is good news for the zone
        until(lambda: resolver.new_lookups().ask("b.x.slow.example", RecordType.TXT))


@pytest.mark.parametrize(
    ("name", "other", "shared"),
    [
        ("a.mail.example.org", "b.mail.example.org", True),
        ("a.evil.co.uk", "a.bank.co.uk", False),  # a sender must not make a neighbour's zone look slow
        ("a.mail.example.org", "_dmarc.mail.example.org", False),  # a policy is always waited for
        ("a.example.org", "b.example.net", False),
        ("1.2.0.192.in-addr.arpa", "9.8.0.192.in-addr.arpa", True),
        ("1.2.0.192.in-addr.arpa", "1.2.1.192.in-addr.arpa", False),
        ("1.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa", "2.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa", True),
        ("1.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa", "1.0.0.0.9.b.d.0.1.0.0.2.ip6.arpa", False),
    ],
)
def test_which_names_share_their_slowness(name: str, other: str, shared: bool) -> None:
    slow_zones = SlowZones(4.0, Clock(), exempt=("_dmarc.",))
    slow_zones.note(name, failed=True, seconds=2.0)
    assert slow_zones.longest_wait(other) == (0.1 if shared else 4.0)
    slow_zones.note(name, failed=True, seconds=0.01)  # a quick failure says nothing new
    assert slow_zones.longest_wait(name) == 0.1
    slow_zones.note(name, failed=False, seconds=0.01)
    assert slow_zones.longest_wait(name) == 4.0


def test_slowness_is_forgotten_after_a_minute_and_bounded() -> None:
    clock = Clock()
    slow_zones = SlowZones(4.0, clock)
    slow_zones.note("a.example", failed=True, seconds=2.0)
    clock.now += 60
    assert slow_zones.longest_wait("a.example") == 4.0
    for n in range(25_000):
        slow_zones.note(f"n{n}.example", failed=True, seconds=2.0)
    assert len(slow_zones._slow) <= 10_000


def test_a_resolver_of_ours_always_waits_for_policies() -> None:
    with resolving({"a.mail.example.org": {"manner": "drop"}}, timeout=0.3) as (_, server, _):
        resolver = make_resolver(DnsSettings(nameservers=name_servers(server.address), timeout=0.3))
        resolver.start()
        assert trouble(resolver, "a.mail.example.org") is Trouble.TIMEOUT
        until(lambda: resolver.longest_wait("b.mail.example.org") == 0.1)
        assert resolver.longest_wait("_dmarc.mail.example.org") == 0.6
        resolver.close()
