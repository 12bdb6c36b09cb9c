"""received – which client a trusted Received field says the message came from.

Only the topmost field is by the server that handed us the message; below it, a field is believed as long as
the one above names one of our own relays. What the client chose itself, its HELO name, is
never taken for its address.

Rules      RFC 5321 §4.4 (TCP-info), and how Postfix, Sendmail, Exim, Exchange and qmail write it
Raises     nothing
Not here   which relays are ours (config)
"""

import ipaddress
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from mailvet import ip

_LONGEST: Final = 2000  # octets of a field looked at: the client stands at its beginning
_FROM = re.compile(r"\s*+from\s++([^\s()]++)(?:\s++(\(.*))?", re.IGNORECASE | re.DOTALL)
_LITERAL = re.compile(r"\[(?:IPv6:)?([0-9A-Fa-f.:]++)\]", re.IGNORECASE)
_WORD = re.compile(r"[^\s()]++")
_QMAIL_HELO = re.compile(r"\s*+(?:HELO|EHLO)\s++(\S++)\s*+\Z")
_MARK = re.compile(r"[()]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Hop:
    address: str  # canonical text
    helo: str  # "" where the field does not tell


def client(values: Sequence[bytes], relays: Iterable[ip.Network]) -> Hop | None:
    """The first hop, topmost first, that is not one of `relays`; None if a field on the way does not tell."""
    ours = tuple(relays)
    for value in values:
        hop = _parse(value[:_LONGEST].decode("utf-8", "replace"))
        if hop is None:
            return None
        address = ipaddress.ip_address(hop.address)
        if not any(address in network for network in ours):
            return hop
    return None


def _parse(text: str) -> Hop | None:
    match = _FROM.match(text)
    if match is None:
        return None
    said, remarks = match[1], _comments(match[2] or "")
    first = remarks[0] if remarks else ""
    qmail = _QMAIL_HELO.match(first)
    if qmail is not None:  # from name (HELO what-it-said) (address)
        address = _address(remarks[1]) if len(remarks) > 1 else ""
        return Hop(address=address, helo=qmail[1]) if address else None
    info, spoke, helo = first.partition("helo=")  # Exim writes what the client said after this word
    exim = _WORD.match(helo)
    address = _address(info)
    if address:
        return Hop(address=address, helo=exim[0] if exim else said)
    # of a client without a name Exim writes: from [192.0.2.1] (helo=name)
    address = _address(said) if spoke or not first else ""
    return Hop(address=address, helo=exim[0] if exim else "") if address else None


def _comments(text: str) -> list[str]:
    """At most two comments, following each other at the start of `text`, without their parentheses."""
    found: list[str] = []
    depth = start = 0
    for mark in _MARK.finditer(text):
        if mark[0] == "(":
            if depth == 0 and text[start : mark.start()].strip():
                break  # something else stands between
            start = mark.end() if depth == 0 else start
            depth += 1
        elif depth:
            depth -= 1
            if depth == 0:
                found.append(text[start : mark.start()])
                start = mark.end()
        if len(found) == 2:
            break
    return found


def _address(info: str) -> str:
    """The last address literal in it, which no client can write; or the whole of it is an address."""
    literals = _LITERAL.findall(info)
    text = literals[-1] if literals else info.strip()
    parsed = ip.parse(text) if "%" not in text else None  # what follows it could be anything
    return str(parsed) if parsed is not None else ""
