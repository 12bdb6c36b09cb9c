"""resolving – a resolver of ours against a name server on loopback, with a zone of well-behaved names and others."""

import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from lab.dnsserver import DnsServer, Manner
from lab.settings import name_servers
from mailvet.dns.resolver import Resolver
from mailvet.ports import Lookups, RecordType, Trouble, Unavailable
from mailvet.settings import DnsSettings

ZONE: dict[str, dict[str, Any]] = {
    "example.org": {
        "TXT": ["v=spf1 -all"],
        "MX": [[10, "MX.Example.org"], [0, "."]],
        "A": ["192.0.2.1"],
        "AAAA": ["2001:db8::1", "::102:304"],
    },
    "long.example.org": {"TXT": ["x" * 600]},
    "octets.example.org": {"TXT": [bytes(range(256))]},
    "1.2.0.192.in-addr.arpa": {"PTR": ["Host.Example.org"]},
    "_dmarc.example.org": {"TXT": ["v=DMARC1; p=none"]},
    "alias.example.org": {"CNAME": "example.org"},
    "alias2.example.org": {"CNAME": "alias.example.org"},
    "dangling.example.org": {"CNAME": "nobody.example.net"},
    "circle.example.org": {"CNAME": "circle2.example.org"},
    "circle2.example.org": {"CNAME": "circle.example.org"},
    "huge.example.org": {"TXT": ["y" * 20_000]},
    "huge2.example.org": {"TXT": ["z" * 20_000]},
    "crowd.example.org": {"A": [f"192.{n >> 16}.{n >> 8 & 255}.{n & 255}" for n in range(4000)]},
    "some.example.org": {"A": [f"192.0.2.{n}" for n in range(100)]},
    "many.example.org": {"A": [f"192.0.{n // 250}.{n % 250}" for n in range(300)]},
    "bare.example.org": {"manner": "bare-nodata"},
    "zero.example.org": {"TXT": ["now"], "ttl": 0},
    "slow.example.org": {"TXT": ["late"], "delay": 0.15},
}
ZONE |= {f"{manner.value}.test": {"TXT": ["right"], "manner": manner} for manner in Manner}
ZONE["unfinished.test"] = {"CNAME": "else.example.net", "manner": Manner.UNFINISHED}


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@contextmanager
def resolving(zone: dict[str, Any] = ZONE, **settings: Any) -> Iterator[tuple[Resolver, DnsServer, Clock]]:
    clock = Clock()
    secure = settings.pop("secure", False)
    with DnsServer(zone, secure=secure) as server:
        resolver = Resolver(
            DnsSettings(**{"nameservers": name_servers(server.address), "timeout": 5, **settings}), clock
        )
        resolver.start()
        try:
            yield resolver, server, clock
        finally:
            resolver.close()


def trouble(asked: Resolver | Lookups, name: str, kind: RecordType = RecordType.TXT) -> Trouble:
    lookups = asked.new_lookups() if isinstance(asked, Resolver) else asked
    with pytest.raises(Unavailable) as e:
        lookups.ask(name, kind)
    return e.value.trouble


@contextmanager
def silent_server() -> Iterator[str]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        yield f"127.0.0.1:{sock.getsockname()[1]}"


def closed_port() -> str:
    with silent_server() as address:
        return address


def until(true: Any) -> None:
    deadline = time.monotonic() + 30
    while True:
        try:
            if true():
                return
        except Unavailable:
            pass
        assert time.monotonic() < deadline
        time.sleep(0.01)
