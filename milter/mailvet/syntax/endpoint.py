"""endpoint – addresses with ports, and where to listen, as an operator writes them.

Raises     nothing
Not here   connecting and listening (dns, daemon)
"""

import ipaddress
import re

from mailvet.values import Endpoint, Listen, Problem

_LIKELY_PORT = re.compile(r"53|[1-9][0-9]{3}")  # of a name server, and possibly the end of an IPv6 address
_LISTEN = re.compile(r"(?:(?P<family>inet6?):(?P<port>[0-9]{1,5})(?:@(?P<host>[^\s@]+))?)|unix:(?P<path>/\S+)")
_LONGEST_PATH = 107  # octets of sun_path, without the NUL (unix(7))


def parse(text: str, default_port: int | None = 53) -> Endpoint | None:
    """Read "127.0.0.1", "127.0.0.1:5353", "::1" or "[::1]:53". None: it is not an address, or has no port and there is
    no default, or has one that is not between 1 and 65535."""
    match = re.fullmatch(r"\[([^\]]+)\](?::([0-9]{1,5}))?|([^:]+)(?::([0-9]{1,5}))?", text)
    if match is None:
        return Endpoint(text, default_port) if default_port is not None and is_address(text) else None
    address, port = match[1] or match[3], match[2] or match[4]
    if not is_address(address) or (port is None and default_port is None):
        return None
    number = int(port) if port else default_port or 0
    return Endpoint(address, number) if 0 < number < 65536 else None


def is_ambiguous(server: str) -> bool:
    """Return whether it can be read both as an IPv6 address and as a shorter one with a port: "::1:53"."""
    address, _, port = server.rpartition(":")
    return bool(_LIKELY_PORT.fullmatch(port)) and ":" in address and is_address(address) and is_address(server)


def is_address(text: str) -> bool:
    """Return whether it is an IP address, with or without a zone."""
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def listen(text: str) -> Listen | Problem:
    """Read "inet:8899@127.0.0.1", "inet6:8899@::1" or "unix:/run/mailvet/mailvet.sock"."""
    match = _LISTEN.fullmatch(text)
    if match is None or not 0 < int(match["port"] or 1) < 65536:
        return Problem('write "inet:8899@127.0.0.1" or "unix:/run/mailvet/mailvet.sock"')
    if match["path"] is None:
        host, port = match["host"] or "", int(match["port"])
        family = _family(host.removeprefix("[").removesuffix("]"))
        if family not in (None, match["family"]):
            return Problem(f'{host} is an address for {family}: write "{family}:{port}@{host}"')
        return Listen("inet6" if match["family"] == "inet6" else "inet", host, port)
    if len(match["path"].encode()) > _LONGEST_PATH:
        return Problem(f"the path of a socket has at most {_LONGEST_PATH} octets")
    return Listen("unix", path=match["path"])


def _family(host: str) -> str | None:
    """Return the word for the family of an IP address, None for a name."""
    if not is_address(host):
        return None
    return "inet" if ipaddress.ip_address(host).version == 4 else "inet6"
