"""endpoint – the address and port of a server, as an operator writes them.

Raises     nothing
Not here   what is reached there
"""

import ipaddress
import re

from mailvet.values import Endpoint

_PORT = re.compile(r"53|[1-9][0-9]{3}")  # what a name server may be expected at, and the end of an address may be


def parse(text: str, default_port: int | None = 53) -> Endpoint | None:
    """Read "127.0.0.1", "127.0.0.1:5353", "::1" or "[::1]:53". None: it is not an address, or has no port and there is
    no default."""
    match = re.fullmatch(r"\[([^\]]+)\](?::(\d{1,5}))?|([^:]+)(?::(\d{1,5}))?", text)
    if match is None:
        return Endpoint(text, default_port) if default_port is not None and is_address(text) else None
    address, port = match[1] or match[3], match[2] or match[4]
    if not is_address(address) or (port is None and default_port is None):
        return None
    number = int(port) if port else default_port or 0
    return Endpoint(address, number) if number < 65536 else None


def is_ambiguous(server: str) -> bool:
    """Is it an IPv6 address as a whole, and one as well without what may be a port: "::1:53"?"""
    address, _, port = server.rpartition(":")
    return bool(_PORT.fullmatch(port)) and ":" in address and is_address(address) and is_address(server)


def is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True
