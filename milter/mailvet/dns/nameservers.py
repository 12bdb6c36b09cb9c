"""nameservers – which servers to ask, and whether they are any good.

Raises     nothing
Not here   questions of messages (resolver)
"""

import ipaddress
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from mailvet.dns import dnspython
from mailvet.dns.exchange import Server
from mailvet.dns.udp import Transport
from mailvet.ports import Trouble
from mailvet.settings import DnsSettings
from mailvet.syntax import endpoint

_RESOLV_CONF: Final = Path("/etc/resolv.conf")
NO_VALIDATION: Final = "the name servers do not validate DNSSEC (no AD bit on the root's SOA)"
_LOCAL: Final = ("127.0.0.1", 53)  # resolv.conf(5): without an entry, the one on this machine


def choose(settings: DnsSettings, resolv_conf: Path = _RESOLV_CONF) -> list[Server]:
    """The configured servers, or the system's. Its search list is not for us: names are absolute here."""
    servers = [endpoint.parse(text) for text in settings.nameservers or _system(resolv_conf)]
    return [server for server in servers if server] or [_LOCAL]


def _system(resolv_conf: Path) -> list[str]:
    try:
        lines = [line.split() for line in resolv_conf.read_text("ascii", "replace").splitlines()]
    except OSError:
        return []
    return [words[1] for words in lines if len(words) > 1 and words[0] == "nameserver"]


def is_trusted(server: Server, settings: DnsSettings) -> bool:
    """Whose AD bit counts: nobody can have changed it on the way, or the operator says so (RFC 6840 §5.8)."""
    address = ipaddress.ip_address(server[0])
    return address.is_loopback or address in map(ipaddress.ip_address, settings.trusted)


def silent(servers: Sequence[Server], timeout: float) -> str | None:
    """Which servers do not answer, in one line; None if all do. Waits."""
    names = [_text(server) for server in servers if _root(server, timeout) is None]
    return f"no answer from {', '.join(names)}" if names else None


def unvalidated(servers: Sequence[Server], settings: DnsSettings) -> str | None:
    """Why DNSSEC does not count: no server answers, one that does has not validated, or its word does not count;
    None if it does. Waits."""
    answers = [(server, _root(server, settings.timeout)) for server in servers]
    heard = [(server, data) for server, data in answers if data is not None]
    if not heard:
        return f"no answer from {', '.join(map(_text, servers))}"
    valid = all(dnspython.is_validated(data) and is_trusted(server, settings) for server, data in heard)
    return None if valid else NO_VALIDATION


def _root(server: Server, timeout: float) -> bytes | None:
    """The server's answer about the root, which every resolver knows."""
    transport, done = Transport([server], timeout), threading.Event()
    heard: list[bytes | Trouble] = []

    def landed(result: bytes | Trouble, _server: Server) -> None:
        heard.append(result)
        done.set()

    transport.start()
    transport.send(dnspython.root_query(), landed)
    done.wait(timeout + 1)
    transport.close()
    return heard[0] if heard and isinstance(heard[0], bytes) else None


def _text(server: Server) -> str:
    host, port = server
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
