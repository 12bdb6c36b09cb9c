"""dns_losses – turns a correct DNS answer into one whose records a forwarder has lost, in some fifty ways.

Each result looks more or less like the answer "there are no such records", and none proves it. Where the loss is an
alias, its target is "held." followed by the name; a zone may have records there.

Raises     nothing
Not here   the server that sends them (dnsserver)
"""

import struct
from collections.abc import Callable
from typing import Final

import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdata
import dns.rrset
from dns.rdataclass import RdataClass
from dns.rdatatype import RdataType

Message = dns.message.Message
HELD: Final = "held."
_SOA: Final = "ns.example. hostmaster.example. 1 2 3 4 300"


def _without(right: Message) -> Message:
    """Return the same answer as a resolver would send it without any records."""
    empty = dns.message.from_wire(right.to_wire(max_size=65535))
    empty.answer, empty.authority, empty.additional = [], [], []
    empty.set_rcode(dns.rcode.NOERROR)
    empty.flags |= dns.flags.RA
    return empty


def _name(right: Message) -> str:
    return right.question[0].name.to_text()


def _with(right: Message, *lines: tuple[str, str, str], section: str = "answer", flags: int = 0) -> bytes:
    """Return an answer with only these records (owner, type, data), in that section, and without `flags`."""
    message = _without(right)
    for owner, rdtype, data in lines:
        getattr(message, section).append(dns.rrset.from_text(owner, 300, "IN", rdtype, data))
    message.flags &= ~flags
    return message.to_wire()


def _refused(right: Message, wire: bytes, code: int) -> bytes:
    return wire[:3] + bytes((wire[3] & 0xF0 | code,)) + wire[4:]


def _bare(flags: int = 0, code: int = 0) -> Callable[[Message], bytes]:
    return lambda right: _refused(right, _with(right, flags=flags), code)


def _alias(*, flags: int = 0, code: int = 0, soa: str = "") -> Callable[[Message], bytes]:
    def lose(right: Message) -> bytes:
        message = _without(right)
        message.answer.append(dns.rrset.from_text(_name(right), 300, "IN", "CNAME", HELD + _name(right)))
        if soa:
            message.authority.append(dns.rrset.from_text(soa, 300, "IN", "SOA", _SOA))
        message.flags &= ~flags
        return _refused(right, message.to_wire(), code)

    return lose


def _two_links(right: Message) -> bytes:
    middle = "middle." + _name(right)
    return _with(right, (_name(right), "CNAME", middle), (middle, "CNAME", HELD + _name(right)))


def _circle(right: Message) -> bytes:
    return _with(right, (_name(right), "CNAME", HELD + _name(right)), (HELD + _name(right), "CNAME", _name(right)))


def _two_ways(right: Message) -> bytes:
    message = _without(right)
    for target in ("one.example.", "two.example."):
        message.answer.append(dns.rrset.from_text(_name(right), 300, "IN", "CNAME", target))
    return message.to_wire()


def _elsewhere(right: Message) -> bytes:
    """Give the right records another owner."""
    message = _without(right)
    for rrset in right.answer:
        message.answer.append(dns.rrset.from_rdata_list(dns.name.from_text("other.example."), 300, list(rrset)))
    return message.to_wire()


def _dname_and_soa(right: Message) -> bytes:
    message = _without(right)
    above = right.question[0].name.parent().to_text()
    message.answer.append(dns.rrset.from_text(above, 300, "IN", "DNAME", "example.net."))
    message.authority.append(dns.rrset.from_text(above, 300, "IN", "SOA", _SOA))
    return message.to_wire()


def _other_type(right: Message) -> bytes:
    return _with(right, (_name(right), "HINFO", '"of" "another type"'))


def _other_class(right: Message) -> bytes:
    message = _without(right)
    message.answer.append(dns.rrset.from_text(_name(right), 300, "CH", "TXT", '"of another class"'))
    return message.to_wire()


def _signature(right: Message) -> bytes:
    data = f"{RdataType.to_text(right.question[0].rdtype)} 8 2 300 20300101000000 20200101000000 1 example. AAAA"
    return _with(right, (_name(right), "RRSIG", data))


def _behind(section: str) -> Callable[[Message], bytes]:
    """Return a loss that moves the right records to another section."""

    def lose(right: Message) -> bytes:
        message = _without(right)
        setattr(message, section, right.answer)
        return message.to_wire(max_size=65535)

    return lose


def _miscounted(right: Message) -> bytes:
    wire = right.to_wire(max_size=65535)
    return wire[:6] + b"\0\0" + wire[8:]


def _soa_of(zone: str, *, code: int = 0, rdclass: str = "IN") -> Callable[[Message], bytes]:
    def lose(right: Message) -> bytes:
        message = _without(right)
        message.authority.append(dns.rrset.from_text(zone, 300, rdclass, "SOA", _SOA))
        return _refused(right, message.to_wire(), code)

    return lose


def _contradicted(right: Message) -> bytes:
    return _refused(right, right.to_wire(max_size=65535), dns.rcode.NXDOMAIN)


def _questions(count: int) -> Callable[[Message], bytes]:
    def lose(right: Message) -> bytes:
        wire = _with(right)
        end = wire.index(b"\0", 12) + 5
        question = wire[12:end] * max(count, 1)
        return wire[:4] + struct.pack("!H", count) + wire[6:12] + question + wire[end:]

    return lose


_JUNK: Final = {"TXT": '"junk"', "A": "198.51.100.99", "AAAA": "2001:db8:ffff::99", "MX": "99 junk.example.",
                "PTR": "junk.example."}  # fmt: skip


def _half(right: Message) -> Message:
    """Return one record of the right owner and type that is not one of those asked for, without EDNS behind it."""
    message = _without(right)
    kind = RdataType.to_text(right.question[0].rdtype)
    message.answer.append(dns.rrset.from_text(_name(right), 300, "IN", kind, _JUNK[kind]))
    message.use_edns(False)
    return message


def _half_counted(count: bytes, *, edns: bool = False) -> Callable[[Message], bytes]:
    """Return a loss that sends every record, with counts in the DNS header that hide some of them."""

    def lose(right: Message) -> bytes:
        message = _half(right)
        message.use_edns(0 if edns else False)
        message.answer += right.answer
        wire = message.to_wire(max_size=65535)
        return wire[:6] + count + wire[10:]

    return lose


def _half_and(
    *, owner: str = "", rdtype: RdataType = RdataType.NONE, rdclass: RdataClass = RdataClass.IN
) -> Callable[[Message], bytes]:
    """Return a loss that sends the right records beside another one, with a changed owner, type or class."""

    def lose(right: Message) -> bytes:
        message = _half(right)
        name = dns.name.from_text(owner) if owner else right.question[0].name
        for rdata in right.answer[-1]:
            other = dns.rdata.GenericRdata(rdclass, rdtype or rdata.rdtype, rdata.to_wire())
            message.answer.append(dns.rrset.from_rdata(name, 300, other))
        return message.to_wire(max_size=65535)

    return lose


def _half_beside(section: str) -> Callable[[Message], bytes]:
    def lose(right: Message) -> bytes:
        message = _half(right)
        setattr(message, section, right.answer)
        return message.to_wire(max_size=65535)

    return lose


def _soa_and_behind(section: str) -> Callable[[Message], bytes]:
    """Return a loss that sends a SOA, which proves absence, together with the right records."""

    def lose(right: Message) -> bytes:
        message = _without(right)
        message.authority.append(dns.rrset.from_text(right.question[0].name.parent(), 300, "IN", "SOA", _SOA))
        getattr(message, section).extend(right.answer)
        return message.to_wire(max_size=65535)

    return lose


def _operation(right: Message) -> bytes:
    wire = _with(right)
    return wire[:2] + bytes((wire[2] | 0x28,)) + wire[3:]


_RA = dns.flags.RA
LOSSES: dict[str, Callable[[Message], bytes]] = {
    "empty, RA=0": _bare(_RA),
    "an alias alone": _alias(),
    "an alias alone, RA=0": _alias(flags=_RA),
    "an alias alone, NXDOMAIN": _alias(code=3),
    "an alias alone, with a SOA beside its target": _alias(soa="elsewhere.example."),
    "an alias alone, NXDOMAIN with a SOA beside its target": _alias(code=3, soa="elsewhere.example."),
    "two aliases alone": _two_links,
    "aliases in a circle": _circle,
    "two aliases of one name": _two_ways,
    "another owner": _elsewhere,
    "another type": _other_type,
    "another class": _other_class,
    "a signature alone": _signature,
    "a DNAME without its CNAME, RA=0": lambda right: _with(right, ("example.", "DNAME", "example.net."), flags=_RA),
    "a DNAME without its CNAME": lambda right: _with(right, ("example.", "DNAME", "example.net.")),
    "a DNAME without its CNAME, and a SOA": _dname_and_soa,
    "in the authority section": _behind("authority"),
    "in the additional section": _behind("additional"),
    "miscounted": _miscounted,
    "a SOA in the answer section": lambda right: _with(right, ("example.", "SOA", _SOA)),
    "the SOA of another zone": _soa_of("elsewhere.example."),
    "the SOA of a zone below": lambda right: _soa_of("below." + _name(right))(right),
    "a SOA of another class": _soa_of(".", rdclass="CH"),
    "a referral": lambda right: _with(right, ("example.", "NS", "ns.example."), section="authority"),
    "a referral, RA=0": lambda right: _with(right, ("example.", "NS", "ns.example."), section="authority", flags=_RA),
    "NXDOMAIN, RA=0": _bare(_RA, 3),
    "NXDOMAIN and yet records": _contradicted,
    "NXDOMAIN with the SOA of another zone": _soa_of("elsewhere.example.", code=3),
    "half, the rest behind the count": _half_counted(b"\0\1\0\0"),
    "half, the rest behind the count, with EDNS": _half_counted(b"\0\1\0\0", edns=True),
    "half, the rest counted as authority": _half_counted(b"\0\1\0\1"),
    "half, the rest in the authority section": _half_beside("authority"),
    "half, the rest in the additional section": _half_beside("additional"),
    "half, the rest of another owner": _half_and(owner="other.example."),
    "half, the rest of another type": _half_and(rdtype=RdataType.SPF),
    "half, the rest of another class": _half_and(rdclass=RdataClass.CH),
    "in the authority section, and a SOA": _soa_and_behind("authority"),
    "in the additional section, and a SOA": _soa_and_behind("additional"),
    "no question": _questions(0),
    "two questions": _questions(2),
    "another operation": _operation,
    "NOTIMP": _bare(code=4),
    "YXDOMAIN": _bare(code=6),
}  # fmt: skip
# Over TCP, after a UDP answer that said there is more
LOSSES_OVER_TCP: dict[str, Callable[[Message], bytes]] = {
    "truncated, then empty": _bare(),
    "truncated, then an alias alone": _alias(),
    "truncated, then NXDOMAIN, RA=0": _bare(_RA, 3),
    "truncated, then NXDOMAIN": _bare(code=3),
    "truncated, then another owner": _elsewhere,
}
EVERY = (*LOSSES, *LOSSES_OVER_TCP)
