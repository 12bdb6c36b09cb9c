"""received – the client that a message came from, by the Received fields of our own relays.

The topmost field was written by the server that handed us the message. A field below is believed only if the one above
names one of our own relays, or loopback (a content filter of the server that wrote it). The HELO name, which the
client chooses, is never taken for its address; it may hold white space that is not ASCII, and Postfix breaks a long
one. A field that can be read in two ways is not used.

Rules      RFC 5321 §4.4 (TCP-info), and how Postfix, Sendmail, Exim, Exchange and qmail write it
Raises     nothing
Not here   which relays are ours (settings); when the client is looked for (session)
"""

import ipaddress
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from mailvet.syntax import ip
from mailvet.syntax.readings import LONGEST_LINE

_LONGEST_FIELD: Final = 4096  # octets that are read; a command to Postfix has at most 2048
_BLANKS: Final = " \t\r\n"  # RFC 5322 §3.2.2. Not \s: Postfix lets U+00A0 and the like pass in a HELO name
_B: Final = rf"[{_BLANKS}]"
_W: Final = rf"[^{_BLANKS}()]"
_IP: Final = r"\[(?:IPv6:)?([0-9A-Fa-f.:]++)\]"
_FROM = re.compile(rf"{_B}*+from{_B}++({_W}++)([^()]*+)", re.IGNORECASE)
# A message that began at the server. Postfix: by mx (Postfix, from userid 0) id 4ABC. Exim: from root by mx with local
# (Exim 4.96). A field for SMTP has a from clause (RFC 5321 §4.4), though not every server writes it
_BEGAN_THERE = re.compile(
    rf"{_B}*+(?:by{_B}++{_W}++(?:{_B}++\([^()]*+\))?{_B}++id{_B}|(?:from{_B}++{_W}++{_B}++)?by{_B}++{_W}++{_B}++with"
    rf"{_B}++local{_B})",
    re.IGNORECASE,
)
_BY = re.compile(rf"(?<![^{_BLANKS}])by(?={_B})", re.IGNORECASE)
_LITERAL = re.compile(rf"{_IP}(?::\d++)?", re.IGNORECASE)
_NAMED = re.compile(rf"{_B}*+(?:{_W}++{_B}++)?{_IP}{_B}*+", re.IGNORECASE)
_IDENT: Final = rf"(?:{_B}++ident={_W}*+)?"
_EXIM = re.compile(rf"{_IP}(?::\d++)?(?:{_B}++helo=({_W}++))?{_IDENT}", re.IGNORECASE)
_EXIM_NAMELESS = re.compile(rf"(?:port=\d++{_B}++)?helo=({_W}++){_IDENT}")
_QMAIL_HELO = re.compile(rf"(?:HELO|EHLO){_B}++({_W}++)")
_MARK = re.compile(r"\\.|[()]", re.DOTALL)


@dataclass(frozen=True, slots=True, kw_only=True)
class Hop:
    """A client as a server's Received field describes it."""

    address: str  # canonical text
    helo: str  # "" if the field does not tell


def client(values: Sequence[bytes], relays: Iterable[ip.Network], relay: Hop | None = None) -> Hop | None:
    """Return the first client, topmost field first, that is not one of `relays`; None: the fields do not tell.

    `relay` is the one that handed us the message. A message that began at a server of ours has that server as client.
    """
    ours, at, within = tuple(relays), relay, False
    for value in values:
        text = _unbroken(value[:_LONGEST_FIELD]).decode("utf-8", "replace")
        if _BEGAN_THERE.match(text) and len(_BY.findall(text)) == 1:
            return at
        hop = _parse(text)
        if hop is None:
            return None
        address = ipaddress.ip_address(hop.address)
        within = address.is_loopback
        if within:
            at = at or hop
        elif any(address in network for network in ours):
            at = hop
        else:
            return hop
    return at if within else None


def _unbroken(value: bytes) -> bytes:
    """Return the field as the relay wrote it, undoing how Postfix's client broke long lines (`readings.broken`)."""
    first, *others = value.split(b"\n")
    whole, length = [first], len("Received:") + len(first)
    for line in others:
        if length == LONGEST_LINE and line.startswith(b" "):
            whole[-1] += line[1:]
        else:
            whole.append(line)
        length = len(line)
    return b"\n".join(whole)


def _parse(text: str) -> Hop | None:
    """Return the client of one field; None: it cannot be told, or could be read in two ways."""
    match = _FROM.match(text)
    if match is None:
        return None
    name, more = match[1], match[2]
    following = _comments(text[match.end() :])
    if following is None or len(_BY.findall(f"{more} {following[1]} ")) != 1:
        return None
    comments, rest = following
    by = _BY.search(more)
    if by is not None:  # from [192.0.2.1] by: so Exim writes of a client without a name and HELO
        more, first = more[: by.start()], ""
    elif more.endswith(tuple(_BLANKS)) and comments and _BY.match(rest):
        first = comments.pop(0).strip(_BLANKS)
    else:
        return None
    one_word = not more.strip(_BLANKS)
    hop = _hop(name if one_word else "", first, comments)
    whole = (comment.replace("\n ", "") for comment in comments)  # a client may have broken it at another length
    others = {_address(found[1]) for found in map(_NAMED.fullmatch, whole) if found}
    return hop if hop is not None and others <= {hop.address} else None


def _hop(name: str, first: str, more: list[str]) -> Hop | None:
    """Return the client by `name`, where the HELO name is expected, and by the `first` comment after it.

    `more` holds the comments that follow; the one that is used is removed from it.
    """
    address: str | None
    qmail = _QMAIL_HELO.fullmatch(first)
    if qmail is not None:  # from name (HELO what-it-said) (address)
        address, helo = _info(more.pop(0).strip(_BLANKS)) if more else None, qmail[1]
    elif (nameless := _EXIM_NAMELESS.fullmatch(first)) or not first:  # from [192.0.2.1] (helo=what-it-said)
        literal = _LITERAL.fullmatch(name)
        address, helo = _address(literal[1]) if literal else None, nameless[1] if nameless else ""
    elif exim := _EXIM.fullmatch(first):  # from name ([address] helo=what-it-said)
        address, helo = _address(exim[1]), exim[2] or name
    else:
        address, helo = _info(first), name
    return Hop(address=address, helo=helo) if address is not None else None


def _comments(text: str) -> tuple[list[str], str] | None:
    """Return the comments that `text` begins with, without parentheses, and what follows them outside of comments.

    None: a comment has no end.
    """
    leading: list[str] = []
    outside: list[str] = []
    depth = start = 0
    for mark in _MARK.finditer(text):
        if mark[0] == "(":
            if depth == 0:
                if between := text[start : mark.start()].strip(_BLANKS):
                    outside.append(between)
                start = mark.end()
            depth += 1
        elif mark[0] == ")" and depth:
            depth -= 1
            if depth == 0:
                if not outside:
                    leading.append(text[start : mark.start()])
                start = mark.end()
    if depth:
        return None
    return leading, " ".join([*outside, text[start:].strip(_BLANKS), ""])


def _info(info: str) -> str | None:
    """Return the address at the end of a TCP-info, where no client can write; or the whole of it, if an address."""
    if info.endswith(")"):  # Sendmail: (may be forged)
        info = info[: info.rfind("(")].rstrip(_BLANKS)
    at = info.rfind("[")
    if at < 0:
        return _address(info)
    first, last = _LITERAL.match(info), _LITERAL.fullmatch(info, at)
    if last is None or (at and info[at - 1] not in _BLANKS):
        return None
    # one at its beginning, too: there Exim has the address, but Sendmail the answer of the client's ident server
    in_two_ways = first is not None and info[first.end() : first.end() + 1] in ("", *_BLANKS)
    return _address(last[1]) if not in_two_ways or first is None or first[1] == last[1] else None


def _address(text: str) -> str | None:
    """Return the canonical text of an address; None: it is not an address."""
    parsed = ip.parse(text) if "%" not in text else None  # behind "%", anything could stand
    return str(parsed) if parsed is not None else None
