"""nameservers – which name servers to ask, whether they answer, and whether they validate DNSSEC.

Raises     nothing
Not here   questions of messages (resolver)
"""

import ipaddress
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from mailvet.dns import dnspython
from mailvet.dns.udp import Transport
from mailvet.ports import Trouble
from mailvet.settings import DnsSettings
from mailvet.syntax import endpoint
from mailvet.values import Endpoint

_RESOLV_CONF: Final = Path("/etc/resolv.conf")
NO_VALIDATION: Final = "the name servers do not validate DNSSEC (no AD bit on the root's SOA)"
_LOCAL: Final = Endpoint("127.0.0.1", 53)  # resolv.conf(5): without an entry, the one on this machine


def choose(settings: DnsSettings, resolv_conf: Path = _RESOLV_CONF) -> list[Endpoint]:
    """Return the configured servers, or those of resolv.conf. Its search list is not used: our names are absolute."""
    servers = [server for _, server in settings.nameservers] or _system(resolv_conf)
    return servers or [_LOCAL]


def _system(resolv_conf: Path) -> list[Endpoint]:
    """Return the servers of a resolv.conf that have an IP address."""
    try:
        lines = [line.split() for line in resolv_conf.read_text("ascii", "replace").splitlines()]
    except OSError:
        return []
    servers = [endpoint.parse(words[1]) for words in lines if len(words) > 1 and words[0] == "nameserver"]
    return [server for server in servers if server is not None]


def is_trusted(server: Endpoint, settings: DnsSettings) -> bool:
    """Return whether this server's AD bit counts: it is on loopback, or the operator trusts it (RFC 6840 §5.8)."""
    address = ipaddress.ip_address(server.address)
    return address.is_loopback or any(address == trusted for _, trusted in settings.trusted)


def silent(servers: Sequence[Endpoint], timeout: float) -> str | None:
    """Say in one line which servers do not answer; None if all do. Waits."""
    names = [_text(server) for server in servers if _root(server, timeout) is None]
    return f"no answer from {', '.join(names)}" if names else None


def unvalidated(servers: Sequence[Endpoint], settings: DnsSettings) -> str | None:
    """Say in one line why DNSSEC does not count: no server answers, or one that does has not validated or is not
    trusted to; None if it counts. Waits."""
    asked = [(server, _root(server, settings.timeout)) for server in servers]
    answers = [(server, data) for server, data in asked if data is not None]
    if not answers:
        return f"no answer from {', '.join(map(_text, servers))}"
    valid = all(dnspython.is_validated(data) and is_trusted(server, settings) for server, data in answers)
    return None if valid else NO_VALIDATION


def _root(server: Endpoint, timeout: float) -> bytes | None:
    """Return the server's answer about the root, which every resolver knows; None without an answer."""
    transport, done = Transport([server], timeout), threading.Event()
    answers: list[bytes | Trouble] = []

    def finished(result: bytes | Trouble, _server: Endpoint) -> None:
        answers.append(result)
        done.set()

    transport.start()
    transport.send(dnspython.root_query(), finished)
    done.wait(timeout + 1)
    transport.close()
    return answers[0] if answers and isinstance(answers[0], bytes) else None


def _text(server: Endpoint) -> str:
    host, port = server
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
