"""identity – whom an SPF check is about: the client's address, and the domain it claims.

`client`, `fqdn` and `sender` read what came in SMTP commands. What cannot be read with certainty gives
nothing, and then nothing is asked of the DNS and nothing of it gets into a verdict: RFC 7208 §4.3 wants
"none" for it, and a domain guessed from it would be one the sender chose for us.

Raises     nothing
Not here   evaluation (checks.spf.pyspf), the records (checks.spf.terms)
"""

import re
import socket
from functools import lru_cache
from typing import Final, NamedTuple

from mailvet.ports import RecordType
from mailvet.syntax import ip
from mailvet.syntax.domain import to_alabel

_LONGEST: Final = 1000  # characters of a HELO or MAIL FROM; RFC 5321 §4.5.3.1.3 allows a path 256
# Laxer than an address in a header: the local part decides nothing here, and odd ones send mail every day.
_LOCAL = re.compile(r'[^\x00-\x1f\x7f"(),:;<>@\[\]\\]*+|"(?:[^\x00-\x1f\x7f"\\]|\\[ -~])*+"')


class Client(NamedTuple):
    text: str  # as SPF's macros want it: no zone index, IPv4 where it is mapped
    kind: RecordType  # of the records its addresses stand in: A or AAAA
    number: int
    bits: int


@lru_cache(maxsize=4096)
def client(address: str) -> Client | None:
    """The client, or None where the text is not an address."""
    parsed = ip.parse(address)
    if parsed is None:
        return None
    kind = RecordType.A if parsed.version == 4 else RecordType.AAAA
    return Client(str(parsed), kind, int(parsed), parsed.max_prefixlen)


def covers(network: str, prefix: int, who: Client) -> bool:
    """Do the first `prefix` bits agree? False where `network` is no address of the client's kind."""
    number = _number(network, socket.AF_INET if who.kind is RecordType.A else socket.AF_INET6)
    return number is not None and (number ^ who.number) >> max(who.bits - prefix, 0) == 0


@lru_cache(maxsize=8192)
def _number(address: str, family: int) -> int | None:
    """A record may have a check compare the same thousand addresses again and again."""
    try:
        return int.from_bytes(socket.inet_pton(family, address), "big")
    except (OSError, ValueError):  # ValueError: a NUL
        return None


def fqdn(text: str) -> str:
    """The domain in lower-case A-labels; "" where RFC 7208 §4.3 has nothing to check."""
    name = to_alabel(text.removesuffix(".")) if len(text) <= _LONGEST else None
    if name is None or "." not in name or name.rpartition(".")[2].isdigit():  # an address is no name
        return ""
    return name


def sender(mail_from: str) -> tuple[str, str] | None:
    """Local part and domain of a reverse-path that is not null; None if it is malformed."""
    if len(mail_from) > _LONGEST:
        return None
    path = mail_from
    if path.startswith("@") and ":" in path:  # RFC 5321 §4.1.1.3: a source route is accepted and ignored
        route, _, path = path.partition(":")
        if not all(hop.startswith("@") and fqdn(hop[1:]) for hop in route.split(",")):
            return None
    local, _, written = path.rpartition("@")
    domain = fqdn(written)
    if not domain or _LOCAL.fullmatch(local) is None:
        return None
    return local or "postmaster", domain  # RFC 7208 §4.3
