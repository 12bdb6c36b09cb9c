"""ip – an IP address or network as everything here compares and writes it.

A zone is dropped, since it says nothing beyond this host, and an IPv4-mapped IPv6 address is the IPv4 address that
it stands for (RFC 7208 §5). An IPv6 network that merely contains all of those is for IPv6 clients alone.

Raises     ValueError, from `network` alone: what is wrong with the text
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


def canonical(text: str) -> str:
    """The one text that an address has (RFC 5952 §4); anything else as it is."""
    found = parse(text)
    return str(found) if found is not None else text


def network(text: str) -> Network:
    """The network that clients are compared with. Raises ValueError."""
    _, percent, zone = text.partition("%")
    if percent:
        raise ValueError(f"leave out %{zone}: the MTA does not say on which link a client is")
    bits = ipaddress.ip_network(text, strict=False).prefixlen
    mapped = getattr(ipaddress.ip_interface(text).ip, "ipv4_mapped", None)
    if mapped is None:
        return ipaddress.ip_network(text)
    if bits < 96:
        raise ValueError(f"::ffff:0:0/96 is all of IPv4, /{bits} is more")
    return ipaddress.ip_network(f"{mapped}/{bits - 96}")
