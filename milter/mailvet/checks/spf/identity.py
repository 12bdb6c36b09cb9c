"""identity – whom an SPF check is about: the client's address, and the domain it claims to send for.

The parsers read what came in SMTP commands. What cannot be read with certainty is a `Problem`: RFC 7208 §4.3 wants
"none" for it, and a domain guessed from it would be one that the sender chose for us. So nothing is asked of the
DNS then, and nothing of the text gets into a verdict.

Raises     nothing
Not here   evaluation (checks.spf.pyspf), the records (checks.spf.terms)
"""

import socket
from functools import lru_cache
from typing import Final, NamedTuple

from mailvet.message import ReversePath
from mailvet.ports import RecordType
from mailvet.syntax import ip
from mailvet.syntax.domain import host_name
from mailvet.values import Domain, Problem

_POSTMASTER: Final = "postmaster"
_BAD_HELO: Final = Problem("HELO is not a fully qualified domain name")
_BAD_MAIL_FROM: Final = Problem("MAIL FROM is not an address with a fully qualified domain name")


class Client(NamedTuple):
    """The host that sends, by its address."""

    text: str  # as SPF's macros want it: no zone index, IPv4 where it is mapped
    kind: RecordType  # of the records its addresses stand in: A or AAAA
    number: int
    bits: int


class Sender(NamedTuple):
    """The <sender> of RFC 7208 §4.1: on whose behalf the client sends."""

    local: str
    domain: Domain


@lru_cache(maxsize=4096)
def parse_client(address: str) -> Client | None:
    """Return the client with this address; None: it is not an IP address."""
    parsed = ip.parse(address)
    if parsed is None:
        return None
    kind = RecordType.A if parsed.version == 4 else RecordType.AAAA
    return Client(str(parsed), kind, int(parsed), parsed.max_prefixlen)


def covers(network: str, prefix: int, client: Client) -> bool:
    """Return whether the first `prefix` bits agree; False if `network` is not an address of the client's family."""
    number = _number(network, socket.AF_INET if client.kind is RecordType.A else socket.AF_INET6)
    return number is not None and (number ^ client.number) >> max(client.bits - prefix, 0) == 0


@lru_cache(maxsize=8192)  # a record may have a check compare the same thousand addresses again and again
def _number(address: str, family: int) -> int | None:
    try:
        return int.from_bytes(socket.inet_pton(family, address), "big")
    except (OSError, ValueError):  # ValueError: a NUL
        return None


def parse_helo(helo: str) -> Sender | Problem:
    """Return postmaster at the HELO name: the sender for HELO and for a null reverse-path (RFC 7208 §2.3, §2.4)."""
    domain = host_name(helo)
    return _BAD_HELO if domain is None else Sender(_POSTMASTER, domain)


def sender_of(mail_from: ReversePath) -> Sender | Problem:
    """Return the sender in a reverse-path that is not null."""
    if mail_from.domain is None:
        return _BAD_MAIL_FROM
    return Sender(mail_from.local or _POSTMASTER, mail_from.domain)  # RFC 7208 §4.3
