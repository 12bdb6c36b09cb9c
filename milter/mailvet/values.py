"""values – the small types that everything else is made of.

Raises     nothing
Not here   how a text becomes one of them (syntax)
"""

from typing import NamedTuple, NewType

Domain = NewType("Domain", str)
"""A domain name in lower-case A-labels, without trailing dot. Made by `syntax.domain.to_alabel` alone."""


class Endpoint(NamedTuple):
    """The IP address and port of a server."""

    address: str
    port: int


class Problem(NamedTuple):
    """Why something cannot be read: what a parser returns in place of a value. For people; nothing branches on it."""

    text: str
