"""ip – an IP address as everything here compares and writes it.

A zone is dropped, since it says nothing beyond this host, and an IPv4-mapped IPv6 address is the IPv4 address that
it stands for (RFC 7208 §5).

Raises     nothing
Not here   which addresses are trusted (engine), what DNS says of one (iprev)
"""

import ipaddress
from functools import lru_cache

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network


@lru_cache(maxsize=4096)
def parse(text: str) -> Address | None:
    """The address, or None where the text is none."""
    try:
        found = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None
    return getattr(found, "ipv4_mapped", None) or found
