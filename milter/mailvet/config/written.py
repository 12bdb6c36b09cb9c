"""written – what a text of mailvet.toml means that stands for an address, a network, a domain or a socket.

Raises     nothing
Not here   the syntax of each (syntax.ip, syntax.endpoint); which key has which (settings)
"""

import ipaddress
import re
from collections.abc import Callable, Mapping
from typing import Any, Final

from mailvet.syntax import endpoint, ip
from mailvet.values import Address, Domain, Endpoint, Listen, Network, Problem, Written

_DOMAIN: Final = re.compile(r"(?=.{1,253}\Z)[A-Za-z0-9_-]{1,63}(\.[A-Za-z0-9_-]{1,63})*")


def read(kind: Any, text: str) -> Written[Any] | Problem:
    """Return the value of a text, as the type of a key says: `Written[Network]`, `Written[Endpoint]` ..."""
    found = _READERS[kind](text)
    return found if isinstance(found, Problem) else Written(text, found)


def _network(text: str) -> Network | Problem:
    found = ip.network(text)
    return Problem(f"{text!r} is not a network: {found.text}") if isinstance(found, Problem) else found


def _address(text: str) -> Address | Problem:
    return ipaddress.ip_address(text) if endpoint.is_address(text) else Problem(f"{text!r} is not an IP address")


def _domain(text: str) -> Domain | Problem:
    return Domain(text.lower()) if _DOMAIN.fullmatch(text) else Problem(f"{text!r} is not a domain")


def _name_server(text: str) -> Endpoint | Problem:
    if endpoint.is_ambiguous(text):
        address, _, port = text.rpartition(":")
        return Problem(f'{text!r}: write "[{address}]:{port}" or "[{text}]", whichever is meant')
    return endpoint.parse(text) or Problem(f'{text!r}: write "127.0.0.1", "127.0.0.1:5353" or "[::1]:53"')


def _endpoint_or_off(text: str) -> Endpoint | Problem | None:
    if not text:
        return None
    return endpoint.parse(text, None) or Problem('write "127.0.0.1:9899", or "" to turn it off')


_READERS: Final[Mapping[Any, Callable[[str], Any]]] = {
    Written[Network]: _network,
    Written[Address]: _address,
    Written[Domain]: _domain,
    Written[Endpoint]: _name_server,
    Written[Endpoint | None]: _endpoint_or_off,
    Written[Listen]: endpoint.listen,
}
