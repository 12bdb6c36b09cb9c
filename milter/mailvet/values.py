"""values – the small types that everything else is made of.

Raises     nothing
Not here   how a text becomes one of them (syntax)
"""

import ipaddress
from typing import Generic, Literal, NamedTuple, NewType, TypeVar

T = TypeVar("T")

Domain = NewType("Domain", str)
"""A domain name in lower-case A-labels, without trailing dot. Made by `syntax.domain.to_alabel` alone."""


Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network


class Endpoint(NamedTuple):
    """The IP address and port of a server."""

    address: str
    port: int


class Listen(NamedTuple):
    """Where connections are taken: a port of this host, or a unix socket."""

    family: Literal["inet", "inet6", "unix"]
    host: str = ""  # name or address; "": all addresses
    port: int = 0
    path: str = ""  # of the unix socket


class Written(NamedTuple, Generic[T]):
    """A value of the configuration, with the text that it is written as there."""

    text: str
    value: T


class Problem(NamedTuple):
    """The reason why something cannot be read: what a parser returns in place of a value. No code branches on it."""

    text: str
