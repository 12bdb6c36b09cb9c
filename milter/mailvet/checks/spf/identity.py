"""identity – whom an SPF check is about: the client's address, and the domain it claims to send for.

The parsers read what came in SMTP commands. What cannot be read with certainty is a `Problem`: RFC 7208 §4.3 wants
"none" for it, and a domain guessed from it would be one that the sender chose for us. So nothing is asked of the
DNS then, and nothing of the text gets into a verdict.

Raises     nothing
Not here   evaluation (checks.spf.pyspf), the records (checks.spf.terms)
"""

import re
import socket
from functools import lru_cache
from typing import Final, NamedTuple

from mailvet.ports import Kind
from mailvet.syntax import ip
from mailvet.syntax.domain import to_alabel
from mailvet.values import Domain, Problem

_LONGEST_ARGUMENT: Final = 1000  # characters of HELO or MAIL FROM; RFC 5321 §4.5.3.1.3 allows a path 256
# Laxer than an address in a header: the local part decides nothing here, and odd ones send mail every day.
_LOCAL = re.compile(r'[^\x00-\x1f\x7f"(),:;<>@\[\]\\]*+|"(?:[^\x00-\x1f\x7f"\\]|\\[ -~])*+"')
_POSTMASTER: Final = "postmaster"
_BAD_HELO: Final = Problem("HELO is not a fully qualified domain name")
_BAD_MAIL_FROM: Final = Problem("MAIL FROM is not an address with a fully qualified domain name")


class Client(NamedTuple):
    """The host that sends, by its address."""

    text: str  # as SPF's macros want it: no zone index, IPv4 where it is mapped
    kind: Kind  # of the records its addresses stand in: A or AAAA
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
    kind = Kind.A if parsed.version == 4 else Kind.AAAA
    return Client(str(parsed), kind, int(parsed), parsed.max_prefixlen)


def covers(network: str, prefix: int, client: Client) -> bool:
    """Return whether the first `prefix` bits agree; False if `network` is not an address of the client's family."""
    number = _number(network, socket.AF_INET if client.kind is Kind.A else socket.AF_INET6)
    return number is not None and (number ^ client.number) >> max(client.bits - prefix, 0) == 0


@lru_cache(maxsize=8192)  # a record may have a check compare the same thousand addresses again and again
def _number(address: str, family: int) -> int | None:
    try:
        return int.from_bytes(socket.inet_pton(family, address), "big")
    except (OSError, ValueError):  # ValueError: a NUL
        return None


def fqdn(text: str) -> Domain | None:
    """Return the fully qualified domain name in A-labels; None: RFC 7208 §4.3 has nothing to check."""
    name = to_alabel(text.removesuffix(".")) if len(text) <= _LONGEST_ARGUMENT else None
    if name is None or "." not in name or name.rpartition(".")[2].isdigit():  # an address is not a name
        return None
    return name


def parse_helo(helo: str) -> Sender | Problem:
    """Return postmaster at the HELO name: the sender for HELO and for a null reverse-path (RFC 7208 §2.3, §2.4)."""
    domain = fqdn(helo)
    return _BAD_HELO if domain is None else Sender(_POSTMASTER, domain)


def parse_mail_from(mail_from: str) -> Sender | Problem:
    """Return the sender in a reverse-path that is not null, given without its angle brackets."""
    if len(mail_from) > _LONGEST_ARGUMENT:
        return _BAD_MAIL_FROM
    path = mail_from
    if path.startswith("@") and ":" in path:  # RFC 5321 §4.1.1.3: a source route is accepted and ignored
        route, _, path = path.partition(":")
        if not all(hop.startswith("@") and fqdn(hop[1:]) for hop in route.split(",")):
            return _BAD_MAIL_FROM
    local, _, written = path.rpartition("@")
    domain = fqdn(written)
    if domain is None or _LOCAL.fullmatch(local) is None:
        return _BAD_MAIL_FROM
    return Sender(local or _POSTMASTER, domain)  # RFC 7208 §4.3
