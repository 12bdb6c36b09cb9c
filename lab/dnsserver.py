"""dnsserver – a name server on loopback that serves a zone from a dict over UDP and TCP, and misbehaves on demand.

    with DnsServer({"example.org": {"TXT": ["v=spf1 -all"], "MX": [[10, "mx.example.org"]]}}) as server:
        server.address  # "127.0.0.1:40123"

    python -m lab.dnsserver zone.json [127.0.0.1:5353]

A name's types are A, AAAA, MX, PTR, TXT (str or bytes) and CNAME. Beside them a name may have a `Manner`,
{"manner": "servfail"}, or lose its records, {"loss": "another owner"} (dns_losses), and {"ttl": 0}, {"delay": 0.2}.
It answers as a resolver does: aliases are followed, parents of listed names exist but are empty (RFC 8020), and all
other names are NXDOMAIN with a SOA.

Raises     OSError where the port is taken
"""

import contextlib
import json
import socket
import struct
import sys
import threading
from collections.abc import Iterator, Mapping
from enum import StrEnum
from pathlib import Path
from typing import Any, Self

import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdata
import dns.rdataclass
import dns.rdatatype
import dns.rrset
from dns.rdtypes.ANY.TXT import TXT

from lab.dns_losses import LOSSES, LOSSES_OVER_TCP

Types = Mapping[str, Any]


class Manner(StrEnum):
    """A way to answer differently from what the zone has."""

    SERVFAIL = "servfail"
    REFUSED = "refused"
    FORMERR = "formerr"
    BARE_FORMERR = "bare-formerr"  # the header alone, as from a server that could not read the question
    DROP = "drop"  # say nothing
    DROP_ONCE = "drop-once"  # ... to the first packet
    TRUNCATE = "truncate"  # over UDP: TC and no records
    TRUNCATE_CUT = "truncate-cut"  # ... and the TCP connection is closed without an answer
    TRUNCATE_DROP = "truncate-drop"  # ... and nothing comes over TCP
    TRUNCATE_TWICE = "truncate-twice"  # ... and the answer over TCP is the same
    WRONG_ID = "wrong-id"  # then the right answer, as if someone guessed before
    WRONG_QUESTION = "wrong-question"  # likewise
    QUERY_BACK = "query-back"  # likewise: the question itself comes back first
    GARBAGE = "garbage"  # header and question, then octets that cannot be read as records
    LAME = "lame"  # a referral to the root's servers
    UNFINISHED = "unfinished"  # an alias, and nothing about its target, from a server that does not recurse
    NO_EDNS = "no-edns"  # FORMERR to a question with an OPT record
    BAD_VERSION = "bad-version"  # BADVERS to it
    TWO_OPTS = "two-opts"  # the answer to it has two of them
    CASE = "case"  # the question comes back in capitals
    BARE_NODATA = "bare-nodata"  # no SOA


class DnsServer:
    def __init__(
        self,
        zone: Mapping[str, Types],
        *,
        secure: bool = False,
        ttl: int = 300,
        host: str = "127.0.0.1",  # or "::1", or with its interface, as "fe80::1%eth0"
        port: int = 0,
    ) -> None:
        self.zone = {name.lower(): dict(types) for name, types in zone.items()}
        self.secure, self.ttl = secure, ttl  # AD bit
        self.asked: list[tuple[str, str]] = []  # ("example.org", "TXT"), one for each packet over UDP
        self.asked_tcp: list[tuple[str, str]] = []
        self.queries: list[bytes] = []
        self.ports: list[int] = []  # where they came from
        self._seen: set[tuple[str, str]] = set()
        self._closing = False
        self._udp, self._tcp = _sockets(host, port)
        self._name = self._udp.getsockname()
        self.port: int = self._name[1]
        self.address = f"[{host}]:{self.port}" if ":" in host else f"{host}:{self.port}"

    def start(self) -> Self:
        for target in (self._serve_udp, self._serve_tcp):
            threading.Thread(target=target, daemon=True).start()
        return self

    def close(self) -> None:
        self._closing = True
        with contextlib.suppress(OSError):
            self._tcp.shutdown(socket.SHUT_RDWR)  # wakes accept
        with socket.socket(self._tcp.family, socket.SOCK_DGRAM) as sock, contextlib.suppress(OSError):
            sock.sendto(b"", self._name)  # wakes recvfrom
        self._tcp.close()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.close()

    def _serve_udp(self) -> None:
        with self._udp:
            while not self._closing:
                data, client = self._udp.recvfrom(65535)
                if len(data) > 12:
                    self._hear(data, client)

    def _hear(self, data: bytes, client: Any) -> None:
        query = dns.message.from_wire(data)
        name, kind = _question(query)
        self.asked.append((name, kind))
        self.queries.append(data)
        self.ports.append(client[1])
        packets = list(self._packets(query, name, kind))
        delay = self.zone.get(name, {}).get("delay", 0)
        if delay:
            threading.Timer(delay, self._send, (packets, client)).start()
        else:
            self._send(packets, client)

    def _send(self, packets: list[bytes], client: Any) -> None:
        for packet in packets:
            with contextlib.suppress(OSError):  # closed meanwhile
                self._udp.sendto(packet, client)

    def _packets(self, query: dns.message.Message, name: str, kind: str) -> Iterator[bytes]:
        """Yield the packets that answer over UDP."""
        manner = Manner(self.zone[name]["manner"]) if "manner" in self.zone.get(name, {}) else None
        first = (name, kind) not in self._seen
        self._seen.add((name, kind))
        if manner is Manner.DROP or (manner is Manner.DROP_ONCE and first):
            return
        answer = self.answer(query)
        right = answer.to_wire(max_size=65535)
        loss = self.zone.get(name, {}).get("loss", "")
        if loss in LOSSES:
            yield LOSSES[loss](answer)
            return
        if manner is Manner.NO_EDNS and query.edns >= 0:
            manner = Manner.FORMERR
        if loss or str(manner).startswith(Manner.TRUNCATE) or len(right) > 1232:
            right = self._truncated(answer)
        if manner in (Manner.SERVFAIL, Manner.REFUSED, Manner.FORMERR):
            right = self._refusal(query, manner.upper()).to_wire()
        elif manner is Manner.BARE_FORMERR:
            right = right[:2] + struct.pack("!HHHHH", 0x8101, 0, 0, 0, 0)
        elif manner is Manner.WRONG_ID:
            yield bytes((right[0] ^ 1, right[1])) + right[2:]
        elif manner is Manner.WRONG_QUESTION:
            other = dns.message.make_query("wrong.example", kind, id=query.id)
            yield self._refusal(other, "NXDOMAIN").to_wire()
        elif manner is Manner.QUERY_BACK:
            yield query.to_wire()
        elif manner is Manner.GARBAGE:
            question = dns.message.make_response(query)
            question.use_edns(False)
            wire = question.to_wire()
            right = wire[:6] + b"\0\7" + wire[8:] + b"\xc0\xff\xc0\xff\0\x10garbage"
        elif manner is Manner.BAD_VERSION and query.edns >= 0:
            right = self._refusal(query, "BADVERS").to_wire()
        elif manner is Manner.TWO_OPTS and query.edns >= 0:
            right = right[:10] + struct.pack("!H", len(answer.additional) + 2) + right[12:] + b"\0\0\x29" + bytes(8)
        elif manner is Manner.CASE:
            end = 12 + len(name) + 1
            right = right[:12] + right[12:end].upper() + right[end:]
        yield right

    @staticmethod
    def _truncated(answer: dns.message.Message) -> bytes:
        answer.answer = []
        answer.flags |= dns.flags.TC
        return answer.to_wire()

    @staticmethod
    def _refusal(query: dns.message.Message, code: str) -> dns.message.Message:
        answer = dns.message.make_response(query, recursion_available=True)
        answer.set_rcode(dns.rcode.from_text(code))
        return answer

    def answer(self, query: dns.message.Message) -> dns.message.Message:
        """Return the answer that the zone has, whatever the manner."""
        name, kind = _question(query)
        answer = dns.message.make_response(query, recursion_available=True)
        if self.secure and query.flags & dns.flags.AD:  # RFC 6840 §5.7
            answer.flags |= dns.flags.AD
        manner = self.zone.get(name, {}).get("manner")
        if manner in (Manner.LAME, Manner.UNFINISHED):
            answer.flags &= ~(dns.flags.RA | dns.flags.AD)
        if manner == Manner.LAME:
            answer.authority.append(dns.rrset.from_text(".", 300, "IN", "NS", "a.root-servers.example."))
            return answer
        for _ in range(16):
            types = self.zone.get(name)
            if types is None or kind in types or "CNAME" not in types:
                break
            target = str(types["CNAME"])
            answer.answer.append(_records(name, "CNAME", [target], types.get("ttl", self.ttl)))
            if manner == Manner.UNFINISHED:
                return answer
            name = target.lower()
        if types is not None and kind in types:
            answer.answer.append(_records(name, kind, types[kind], types.get("ttl", self.ttl)))
        elif types is None or "CNAME" not in types:
            if types is None and not any(other.endswith("." + name) for other in self.zone) and name:
                answer.set_rcode(dns.rcode.NXDOMAIN)
            if manner != Manner.BARE_NODATA:
                ttl = (types or {}).get("ttl", self.ttl)
                soa = f"ns.example. hostmaster.example. 1 2 3 4 {ttl}"
                answer.authority.append(dns.rrset.from_text(".", 86400, "IN", "SOA", soa))
        return answer

    def _serve_tcp(self) -> None:
        while not self._closing:
            try:
                connection, _ = self._tcp.accept()
            except OSError:  # closed
                return
            threading.Thread(target=self._talk, args=(connection,), daemon=True).start()

    def _talk(self, connection: socket.socket) -> None:
        with connection, contextlib.suppress(OSError, dns.exception.DNSException):
            connection.settimeout(10)
            (length,) = struct.unpack("!H", connection.recv(2, socket.MSG_WAITALL))
            query = dns.message.from_wire(connection.recv(length, socket.MSG_WAITALL))
            name, kind = _question(query)
            self.asked_tcp.append((name, kind))
            manner = self.zone.get(name, {}).get("manner")
            if manner == Manner.TRUNCATE_CUT:
                return
            if manner == Manner.TRUNCATE_DROP:
                connection.recv(1)  # until the client gives up
                return
            answer = self.answer(query)
            loss = self.zone.get(name, {}).get("loss", "")
            if loss in LOSSES_OVER_TCP:
                wire = LOSSES_OVER_TCP[loss](answer)
                connection.sendall(struct.pack("!H", len(wire)) + wire)
                return
            wire = self._truncated(answer) if manner == Manner.TRUNCATE_TWICE else answer.to_wire(max_size=65535)
            connection.sendall(struct.pack("!H", len(wire)) + wire)


def _sockets(host: str, port: int) -> tuple[socket.socket, socket.socket]:
    """Return a UDP and a TCP socket on the same port."""
    family, _, _, _, name = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    while True:
        tcp = socket.socket(family, socket.SOCK_STREAM)
        tcp.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        tcp.bind(name)
        udp = socket.socket(family, socket.SOCK_DGRAM)
        udp.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_000_000)
        try:
            udp.bind(tcp.getsockname())
        except OSError:  # another's; there are more
            tcp.close()
            udp.close()
            if port:
                raise
            continue
        tcp.listen(64)
        return udp, tcp


def _question(query: dns.message.Message) -> tuple[str, str]:
    question = query.question[0]
    return question.name.to_text(omit_final_dot=True).lower().strip("."), dns.rdatatype.to_text(question.rdtype)


def _records(name: str, kind: str, values: list[Any], ttl: int) -> dns.rrset.RRset:
    return dns.rrset.from_rdata_list(_absolute(name), ttl, [_record(kind, value) for value in values])


def _record(kind: str, value: Any) -> dns.rdata.Rdata:
    if kind == "TXT":
        octets = value if isinstance(value, bytes) else value.encode()
        strings = [octets[at : at + 255] for at in range(0, len(octets), 255)] or [b""]
        return TXT(dns.rdataclass.IN, dns.rdatatype.TXT, strings)
    text = f"{value[0]} {_dotted(value[1])}" if kind == "MX" else value if kind in ("A", "AAAA") else _dotted(value)
    return dns.rdata.from_text("IN", kind, text)


def _dotted(name: str) -> str:
    return name.rstrip(".") + "."


def _absolute(name: str) -> dns.name.Name:
    return dns.name.from_text(_dotted(name))


def main() -> None:
    zone = json.loads(Path(sys.argv[1]).read_text())
    port = int(sys.argv[2].rpartition(":")[2]) if len(sys.argv) > 2 else 0
    server = DnsServer(zone, port=port).start()
    print(server.address, flush=True)
    threading.Event().wait()


if __name__ == "__main__":
    main()
