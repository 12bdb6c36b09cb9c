"""dnspython – DNS messages: questions as octets, answers as `Answer` or `Trouble`; the only file that imports dns.

Questions are encoded by hand, since they are all alike and dnspython takes 100 µs for one; answers are read
by dnspython, which has met every malformed message there is.

Raises     nothing: what cannot be read is `Trouble.BROKEN`
Not here   sockets (udp, tcp), caching and budgets (resolver)
"""

import ipaddress
import struct
from typing import Any, Final

import dns.flags
import dns.message
import dns.rcode
import dns.rdataclass
import dns.rdatatype

from mailvet.ports import Answer, Kind, Record, Status, Trouble

_TYPES: Final = {Kind.A: 1, Kind.PTR: 12, Kind.MX: 15, Kind.TXT: 16, Kind.AAAA: 28}
_SOA: Final = 6
# RD and AD set (RFC 6840 §5.7: so that AD comes back), one question, one additional record
_HEADER: Final = struct.pack("!HHHHH", 0x0120, 1, 0, 0, 1)
_EDNS: Final = b"\0" + struct.pack("!HHIH", 41, 1232, 0, 0)  # OPT, the payload size that is never fragmented
_MOST_RECORDS: Final = 100
_MOST_ALIASES: Final = 12
_MOST_READ: Final = _MOST_RECORDS + _MOST_ALIASES  # of a section: each takes 25 µs
_LONGEST_TTL: Final = 86_400
_TRUNCATED: Final = 0x02  # in the third octet
_SERVFAIL: Final = {dns.rcode.SERVFAIL: Trouble.SERVFAIL, dns.rcode.REFUSED: Trouble.REFUSED}


def query(name: str, kind: Kind) -> bytes | None:
    """A question without its id; None for a name that cannot be in the DNS (RFC 1035 §2.3.4)."""
    labels = name.encode("ascii", "replace").split(b".") if name.isascii() and "\0" not in name else [b""]
    if not all(0 < len(label) < 64 for label in labels) or len(name) > 253:
        return None
    wire = b"".join(bytes((len(label),)) + label for label in labels)
    return b"".join((_HEADER, wire, b"\0", struct.pack("!HH", _TYPES[kind], 1), _EDNS))


def root_query() -> bytes:
    """The SOA of the root: what every resolver knows, and a validating one has validated."""
    return b"".join((_HEADER, b"\0", struct.pack("!HH", _SOA, 1), _EDNS))


def is_truncated(data: bytes) -> bool:
    return bool(data[2] & _TRUNCATED)


def is_validated(data: bytes) -> bool:
    """The AD bit of an answer without error."""
    return bool(data[3] & 0x20) and not data[3] & 0x0F


def read(data: bytes, kind: Kind, *, trusted: bool) -> Answer | Trouble:
    """The answer in these octets. `trusted`: the AD bit of this server means something."""
    try:
        message = dns.message.from_wire(_bounded(data), ignore_trailing=True)
        code = message.rcode()
        if code not in (dns.rcode.NOERROR, dns.rcode.NXDOMAIN):
            return _SERVFAIL.get(code, Trouble.BROKEN)
        secure = bool(message.flags & dns.flags.AD) if trusted else None
        return _answer(message, kind, secure, nothing=code == dns.rcode.NXDOMAIN)
    except Exception:  # a hostile answer may raise anything, and must not look like an absent record
        return Trouble.BROKEN


def _bounded(data: bytes) -> bytes:
    """The same message; of very many answers the first ones alone, and nothing after them."""
    answers, authority, additional = struct.unpack_from("!HHH", data, 6)
    if answers > _MOST_READ:
        return b"".join((data[:6], struct.pack("!HHH", _MOST_READ, 0, 0), data[12:]))
    if authority + additional > _MOST_READ:
        raise ValueError("more than anybody has to say")
    return data


def _answer(message: Any, kind: Kind, secure: bool | None, *, nothing: bool) -> Answer | Trouble:
    name, wanted = message.question[0].name, dns.rdatatype.RdataType(_TYPES[kind])
    ttl = _LONGEST_TTL
    for _ in range(_MOST_ALIASES):
        found = message.get_rrset(message.answer, name, dns.rdataclass.IN, wanted)
        if found is not None:
            records = tuple(_record(kind, rdata) for rdata in list(found)[:_MOST_RECORDS])
            return Answer(Status.FOUND, records, secure, float(min(ttl, found.ttl)))
        alias = message.get_rrset(message.answer, name, dns.rdataclass.IN, dns.rdatatype.CNAME)
        if alias is None:
            absence = _negative_ttl(message)
            if absence is None and not nothing and _is_unfinished(message):
                return Trouble.BROKEN
            return Answer(Status.NXDOMAIN if nothing else Status.NODATA, (), secure, float(min(ttl, absence or 0)))
        name, ttl = alias[0].target, min(ttl, alias.ttl)
    return Trouble.BROKEN  # aliases in a circle


def _negative_ttl(message: Any) -> int | None:
    """RFC 2308 §5: how long the absence may be believed; None without a SOA: not beyond this message."""
    for records in message.authority:
        if records.rdtype == dns.rdatatype.SOA:
            return int(min(records.ttl, records[0].minimum))
    return None


def _is_unfinished(message: Any) -> bool:
    """A referral (RFC 2308 §2.2) or half a chain of aliases: this server does not ask others for us."""
    referral = any(records.rdtype == dns.rdatatype.NS for records in message.authority)
    return referral or bool(message.answer and not message.flags & dns.flags.RA)


def _record(kind: Kind, rdata: Any) -> Record:
    if kind is Kind.TXT:
        return b"".join(rdata.strings)
    if kind is Kind.MX:
        return int(rdata.preference), _name(rdata.exchange)
    if kind is Kind.PTR:
        return _name(rdata.target)
    return str(ipaddress.ip_address(rdata.address))


def _name(name: Any) -> str:
    return str(name.to_text(omit_final_dot=True)).lower() if name.labels != (b"",) else ""
