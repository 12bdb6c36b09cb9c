"""dnspython – DNS messages: questions as octets, answers as `Answer` or `Trouble`; the only file that imports dns.

Questions are encoded by hand, since they are all alike and dnspython takes 100 µs for one. Answers are read by
dnspython, which copes with every malformed message there is.

Absence is believed where the answer proves it: by the SOA of a zone that the name can be in. From a recursive server
it is also believed without one: a plain NXDOMAIN, or an empty answer that no answer over UDP contradicted. Records are
believed where the answer has no others: none of another owner, type or class in the answer section, and none of the
type asked for in another section or behind the last counted record. Everything else is `Trouble.BROKEN`, or a
`LostTarget`.

Raises     nothing: an answer that cannot be read is `Trouble.BROKEN`
Not here   sockets (udp, tcp), caching (cache), budgets (lookups), answers of very many records (large_answers)
"""

import ipaddress
import struct
from typing import Any, Final, NamedTuple

import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdataclass

from mailvet.dns.large_answers import FILLER, goes_on, is_whole, thinned
from mailvet.ports import Answer, Record, RecordType, Status, Trouble

_TYPES: Final = {RecordType.A: 1, RecordType.PTR: 12, RecordType.MX: 15, RecordType.TXT: 16, RecordType.AAAA: 28}
_ADDRESSES: Final = (_TYPES[RecordType.A], _TYPES[RecordType.AAAA])
_CNAME: Final = 5
_SOA: Final = 6
_DNAME: Final = 39
_RRSIG: Final = 46
# RD and AD set (RFC 6840 §5.7: so that AD comes back), one question, one additional record
_QUERY_HEADER: Final = struct.pack("!HHHHH", 0x0120, 1, 0, 0, 1)
_OPT_RECORD: Final = b"\0" + struct.pack("!HHIH", 41, 1232, 0, 0)  # 1232: a payload that is never fragmented
_LONGEST_TTL: Final = 86_400
_TRUNCATED_BIT: Final = 0x02  # in the third octet
_OPCODE_BITS: Final = 0x78
_FAILURE_CODES: Final = {dns.rcode.SERVFAIL: Trouble.SERVFAIL, dns.rcode.REFUSED: Trouble.REFUSED}


class LostTarget(NamedTuple):
    """An answer with an alias that leads to this name, and nothing about the name itself."""

    name: str
    secure: bool | None
    ttl: float


def query(name: str, kind: RecordType) -> bytes | None:
    """Return the octets of a question without its id; None if the name cannot be in the DNS (RFC 1035 §2.3.4)."""
    labels = name.encode("ascii", "replace").split(b".") if name.isascii() and "\0" not in name else [b""]
    if not all(0 < len(label) < 64 for label in labels) or len(name) > 253:
        return None
    wire = b"".join(bytes((len(label),)) + label for label in labels)
    return b"".join((_QUERY_HEADER, wire, b"\0", struct.pack("!HH", _TYPES[kind], 1), _OPT_RECORD))


def root_query() -> bytes:
    """Return the question for the SOA of the root, which every resolver knows and a validating one has validated."""
    return b"".join((_QUERY_HEADER, b"\0", struct.pack("!HH", _SOA, 1), _OPT_RECORD))


def is_truncated(data: bytes) -> bool:
    """Return whether records are missing for which the packet has no space (TC)."""
    return bool(data[2] & _TRUNCATED_BIT)


def without_edns(query: bytes) -> bytes:
    """Return the same question for a server that knows only RFC 1035 (RFC 6891 §7)."""
    return query[:8] + b"\0\0" + query[10 : -len(_OPT_RECORD)] if query.endswith(_OPT_RECORD) else query


def is_lost_on_edns(data: bytes) -> bool:
    """Return whether the server fails because of EDNS.

    It says that it cannot read or do what was asked, or its answer has an OPT record that RFC 6891 §6.1.1 does not
    allow.
    """
    if data[3] & 0x0F in (dns.rcode.FORMERR, dns.rcode.NOTIMP):
        return True
    try:
        return bool(dns.message.from_wire(data, ignore_trailing=True).rcode() == dns.rcode.BADVERS)
    except dns.message.BadEDNS:
        return True
    except Exception:  # hostile
        return False


def is_denial(data: bytes) -> bool:
    """Return whether the answer says NXDOMAIN."""
    return data[3] & 0x0F == dns.rcode.NXDOMAIN


def is_validated(data: bytes) -> bool:
    """Return whether the answer has the AD bit, and no error."""
    return bool(data[3] & 0x20) and not data[3] & 0x0F


def read(
    data: bytes, kind: RecordType, *, trusted: bool, retried: bool = False, denied: bool = False
) -> Answer | Trouble | LostTarget:
    """Return what a message answers.

    `trusted`: the AD bit of this server counts; `retried`: the answer came over TCP, since over UDP records were
    missing; `denied`: the answer over UDP said NXDOMAIN.
    """
    try:
        message = _message(thinned(data, kind))
        code = message.rcode()
        if code not in (dns.rcode.NOERROR, dns.rcode.NXDOMAIN):
            return _FAILURE_CODES.get(code, Trouble.BROKEN)
        if data[2] & _OPCODE_BITS or data[4:6] != b"\0\1":  # RFC 9619 §4: one question
            return Trouble.BROKEN
        secure = bool(message.flags & dns.flags.AD) if trusted else None
        found = _answer(message, kind, secure)
        # The answer over UDP said something else
        contradicted = retried and isinstance(found, Answer) and not (found.proven or (denied and is_denial(data)))
        return Trouble.BROKEN if contradicted else found
    except Exception:  # a hostile answer may raise anything, and must not be read as absence
        return Trouble.BROKEN


def _message(data: bytes) -> Any:
    """Parse a message. Octets behind the last record are padding, unless they are a record that was not counted."""
    try:
        return dns.message.from_wire(data, one_rr_per_rrset=True)
    except dns.message.TrailingJunk:
        if goes_on(data):
            raise
        return dns.message.from_wire(data, ignore_trailing=True, one_rr_per_rrset=True)


def _answer(message: Any, kind: RecordType, secure: bool | None) -> Answer | Trouble | LostTarget:
    """Return the records at the end of the aliases, or the absence of records if it is proven."""
    name, wanted, ttl, passed = message.question[0].name, _TYPES[kind], _LONGEST_TTL, set()
    left = _by_owner(message.answer)
    while (found := left.pop((name, wanted), None)) is None and (aliases := left.pop((name, _CNAME), None)):
        passed.add(name)
        name, ttl = aliases[0][0].target, min(ttl, *(alias.ttl for alias in aliases))
        if name in passed or any(alias[0].target != name for alias in aliases):
            return Trouble.BROKEN  # a circle, or two targets
    nothing = message.rcode() == dns.rcode.NXDOMAIN
    signed = _CNAME
    if found is not None:
        signed = wanted
        left.pop((dns.name.root, FILLER), None)
    if left and any(_is_strange(name, owner_and_type, records, signed) for owner_and_type, records in left.items()):
        return Trouble.BROKEN
    others = message.authority + message.additional
    if others and _is_misplaced(others, wanted, {name, *passed}, found or []):
        return Trouble.BROKEN
    if found is not None:
        if nothing:
            return Trouble.BROKEN
        records = dict.fromkeys(_record(kind, rdata[0]) for rdata in found)
        # Of many names the first ten count (RFC 7208 §4.6.4, RFC 8601 §3), and servers shuffle them
        chosen = sorted(records) if kind is RecordType.PTR else records
        return Answer(Status.FOUND, tuple(chosen), secure, float(min(ttl, *(each.ttl for each in found))))
    absence_ttl = _absence_ttl(message, name)
    if absence_ttl is not None:  # RFC 6604 §3: with aliases, the code speaks of the last name
        return Answer(Status.NXDOMAIN if nothing else Status.NODATA, (), secure, float(min(ttl, absence_ttl)))
    if not message.flags & dns.flags.RA:
        return Trouble.BROKEN  # it has no proof, and does not ask others for us
    if passed:
        return LostTarget(_name(name), secure, float(ttl))
    if not _is_bare(message, wanted):
        return Trouble.BROKEN
    return Answer(Status.NXDOMAIN if nothing else Status.NODATA, (), secure, proven=False)


def _by_owner(section: Any) -> dict[tuple[Any, int] | None, list[Any]]:
    """Return records of class IN by owner and type, and all others under None."""
    found: dict[tuple[Any, int] | None, list[Any]] = {}
    for record in section:
        owner_and_type = (record.name, int(record.rdtype)) if record.rdclass == dns.rdataclass.IN else None
        found.setdefault(owner_and_type, []).append(record)
    return found


def _is_strange(name: Any, owner_and_type: tuple[Any, int] | None, records: list[Any], signed: int) -> bool:
    """Return whether these records belong to another answer.

    To ours belong the DNAME records that made the aliases, if none of them redirects the last name, and signatures of
    aliases and of the type `signed`.
    """
    if owner_and_type is None:
        return True
    owner, rdtype = owner_and_type
    if rdtype == _RRSIG:
        return any(record[0].type_covered not in (_CNAME, _DNAME, signed) for record in records)
    return rdtype != _DNAME or bool(name.is_subdomain(owner) and name != owner)  # RFC 6672 §3.1: with its CNAME


def _is_misplaced(others: list[Any], wanted: int, names: set[Any], found: list[Any]) -> bool:
    """Return whether further records of the type asked for stand outside the answer section.

    Addresses of other names are glue, and glue may repeat the answer.
    """
    glueless = wanted not in _ADDRESSES
    return any(
        (record.rdtype == _CNAME and record.name in names)
        or (record.rdtype == wanted and (glueless or record.name in names) and not _is_in(record, found))
        for record in others
    )


def _is_in(record: Any, found: list[Any]) -> bool:
    return any(record.name == each.name and record[0] == each[0] for each in found)


def _absence_ttl(message: Any, name: Any) -> int | None:
    """Return the seconds for which the absence of this name, or of a type there, may be believed (RFC 2308 §5); None
    without the SOA of a zone that the name can be in."""
    for record in message.authority:
        if record.rdtype == _SOA and record.rdclass == dns.rdataclass.IN and name.is_subdomain(record.name):
            return int(min(record.ttl, record[0].minimum))
    return None


def _is_bare(message: Any, wanted: int) -> bool:
    """Return whether the answer and authority sections are empty (RFC 2308 §2.2, type 3).

    A record there without a fitting SOA is a referral, or about another zone. And no record of the type asked for may
    follow uncounted.
    """
    misplaced = any(record.rdtype in (wanted, _CNAME) for record in message.additional)
    return not (message.answer or message.authority or misplaced) and is_whole(message.wire)


def _record(kind: RecordType, rdata: Any) -> Record:
    if kind is RecordType.TXT:
        return b"".join(rdata.strings)
    if kind is RecordType.MX:
        return int(rdata.preference), _name(rdata.exchange)
    if kind is RecordType.PTR:
        return _name(rdata.target)
    return str(ipaddress.ip_address(rdata.address))


def _name(name: Any) -> str:
    return str(name.to_text(omit_final_dot=True)).lower() if name.labels != (b"",) else ""
