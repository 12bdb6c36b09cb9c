"""received – which client a trusted Received field says the message came from.

Only the topmost field is by the server that handed us the message; below it, a field is believed as long as
the one above names one of our own relays, or loopback: a content filter of the server that wrote it. What the
client chose itself, its HELO name, is never taken for its address. It may hold blanks that are not ASCII, and
Postfix breaks a long one. A field that can be read in two ways tells nothing.

Rules      RFC 5321 §4.4 (TCP-info), and how Postfix, Sendmail, Exim, Exchange and qmail write it
Raises     nothing
Not here   which relays are ours (config)
"""

import ipaddress
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from mailvet.syntax import ip
from mailvet.syntax.readings import LINE

_LONGEST: Final = 4096  # octets of a field looked at; a command to Postfix has at most 2048
_BLANKS: Final = " \t\r\n"  # RFC 5322 §3.2.2. Not \s: Postfix lets U+00A0 and the like pass in a HELO name
_B: Final = rf"[{_BLANKS}]"
_W: Final = rf"[^{_BLANKS}()]"
_IP: Final = r"\[(?:IPv6:)?([0-9A-Fa-f.:]++)\]"
_FROM = re.compile(rf"{_B}*+from{_B}++({_W}++)([^()]*+)", re.IGNORECASE)
# Of Postfix: by mx (Postfix, from userid 0) id 4ABC; of Exim: from root by mx with local (Exim 4.96). What came in by
# SMTP has a from clause (RFC 5321 §4.4), whoever leaves it out
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
    address: str  # canonical text
    helo: str  # "" where the field does not tell


def client(values: Sequence[bytes], relays: Iterable[ip.Network], relay: Hop | None = None) -> Hop | None:
    """The first hop, topmost first, that is not one of `relays`; None if a field on the way does not tell.

    `relay` handed us the message. A message that began at a server of ours has that server for its client.
    """
    ours, at, within = tuple(relays), relay, False
    for value in values:
        text = _unbroken(value[:_LONGEST]).decode("utf-8", "replace")
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
    """The field as the relay wrote it, where Postfix's client has broken it since (`readings.broken`)."""
    first, *others = value.split(b"\n")
    whole, length = [first], len("Received:") + len(first)
    for line in others:
        if length == LINE and line.startswith(b" "):
            whole[-1] += line[1:]
        else:
            whole.append(line)
        length = len(line)
    return b"\n".join(whole)


def _parse(text: str) -> Hop | None:
    match = _FROM.match(text)
    if match is None:
        return None
    said, more = match[1], match[2]
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
    hop = _hop(said if one_word else "", first, comments)
    whole = (comment.replace("\n ", "") for comment in comments)  # if a client has broken it elsewhere than at LINE
    others = {_address(found[1]) for found in map(_NAMED.fullmatch, whole) if found}
    return hop if hop is not None and others <= {hop.address} else None


def _hop(said: str, first: str, more: list[str]) -> Hop | None:
    """By what stands where the HELO name is expected, and by the first comment. Takes from `more` what it has used."""
    qmail = _QMAIL_HELO.fullmatch(first)
    if qmail is not None:  # from name (HELO what-it-said) (address)
        address, helo = _info(more.pop(0).strip(_BLANKS)) if more else "", qmail[1]
    elif (nameless := _EXIM_NAMELESS.fullmatch(first)) or not first:  # from [192.0.2.1] (helo=what-it-said)
        literal = _LITERAL.fullmatch(said)
        address, helo = _address(literal[1]) if literal else "", nameless[1] if nameless else ""
    elif exim := _EXIM.fullmatch(first):  # from name ([address] helo=what-it-said)
        address, helo = _address(exim[1]), exim[2] or said
    else:
        address, helo = _info(first), said
    return Hop(address=address, helo=helo) if address else None


def _comments(text: str) -> tuple[list[str], str] | None:
    """The comments that `text` begins with, without their parentheses; and what follows them outside of comments.

    None where a comment has no end.
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


def _info(info: str) -> str:
    """The address that a TCP-info ends with, which no client can write; or the whole of it is an address."""
    if info.endswith(")"):  # Sendmail: (may be forged)
        info = info[: info.rfind("(")].rstrip(_BLANKS)
    at = info.rfind("[")
    if at < 0:
        return _address(info)
    first, last = _LITERAL.match(info), _LITERAL.fullmatch(info, at)
    if last is None or (at and info[at - 1] not in _BLANKS):
        return ""
    # one that it begins with, too: where Exim has the address, and what an ident server said stands in Sendmail's
    in_two_ways = first is not None and info[first.end() : first.end() + 1] in ("", *_BLANKS)
    return _address(last[1]) if not in_two_ways or first is None or first[1] == last[1] else ""


def _address(text: str) -> str:
    parsed = ip.parse(text) if "%" not in text else None  # what follows it could be anything
    return str(parsed) if parsed is not None else ""
