"""ip – IP addresses and networks in the one form in which they are compared and written.

A zone is dropped, since it says nothing beyond this host, and an IPv4-mapped IPv6 address is the IPv4 address that
it stands for (RFC 7208 §5). An IPv6 network that contains all of those, and more, is for IPv6 clients alone.

Raises     nothing
Not here   which addresses are trusted (session.engine), what DNS says of one (checks.iprev)
"""

import ipaddress
from functools import lru_cache

from mailvet.values import Address as Address, Network as Network, Problem


@lru_cache(maxsize=4096)
def parse(text: str) -> Address | None:
    """Return the address; None if the text is not one."""
    try:
        found = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None
    return getattr(found, "ipv4_mapped", None) or found


def canonical(text: str) -> str:
    """Return an address in its canonical text (RFC 5952 §4), and any other text as it is."""
    found = parse(text)
    return str(found) if found is not None else text


def network(text: str) -> Network | Problem:
    """Return the network that addresses of clients are compared with."""
    _, percent, zone = text.partition("%")
    if percent:
        return Problem(f"leave out %{zone}: the MTA does not say on which link a client is")
    try:
        bits = ipaddress.ip_network(text, strict=False).prefixlen
        mapped = getattr(ipaddress.ip_interface(text).ip, "ipv4_mapped", None)
        if mapped is None:
            return ipaddress.ip_network(text)
        if bits < 96:
            return Problem(f"::ffff:0:0/96 is all of IPv4, /{bits} is more")
        return ipaddress.ip_network(f"{mapped}/{bits - 96}")
    except ValueError as e:
        return Problem(str(e))
