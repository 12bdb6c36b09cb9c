"""The resolver against a real name server on loopback, well-behaved and not."""

import functools
import os
import resource
import socket
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import dns.flags
import dns.message
import dns.rcode
import dns.rdatatype
import dns.rrset
import pytest
from hypothesis import given, strategies as st

from lab import dnslosses
from lab.dnsserver import DnsServer, Manner
from lab.paths import REPO
from lab.settings import addresses, name_servers
from mailvet.dns import dnspython, nameservers, udp
from mailvet.dns.exchange import is_answer
from mailvet.dns.resolver import Resolver
from mailvet.dns.slow_zones import SlowZones
from mailvet.ports import Answer, Lookups, RecordType, Status, Trouble, Unavailable
from mailvet.settings import DnsSettings
from mailvet.values import Endpoint

ZONE: dict[str, dict[str, Any]] = {
    "example.org": {
        "TXT": ["v=spf1 -all"],
        "MX": [[10, "MX.Example.org"], [0, "."]],
        "A": ["192.0.2.1"],
        "AAAA": ["2001:db8::1", "::102:304"],
    },
    "long.example.org": {"TXT": ["x" * 600]},
    "octets.example.org": {"TXT": [bytes(range(256))]},
    "1.2.0.192.in-addr.arpa": {"PTR": ["Host.Example.org"]},
    "_dmarc.example.org": {"TXT": ["v=DMARC1; p=none"]},
    "alias.example.org": {"CNAME": "example.org"},
    "alias2.example.org": {"CNAME": "alias.example.org"},
    "dangling.example.org": {"CNAME": "nobody.example.net"},
    "circle.example.org": {"CNAME": "circle2.example.org"},
    "circle2.example.org": {"CNAME": "circle.example.org"},
    "huge.example.org": {"TXT": ["y" * 20_000]},
    "huge2.example.org": {"TXT": ["z" * 20_000]},
    "crowd.example.org": {"A": [f"192.{n >> 16}.{n >> 8 & 255}.{n & 255}" for n in range(4000)]},
    "some.example.org": {"A": [f"192.0.2.{n}" for n in range(100)]},
    "many.example.org": {"A": [f"192.0.{n // 250}.{n % 250}" for n in range(300)]},
    "bare.example.org": {"manner": "bare-nodata"},
    "zero.example.org": {"TXT": ["now"], "ttl": 0},
    "slow.example.org": {"TXT": ["late"], "delay": 0.15},
}
ZONE |= {f"{manner.value}.test": {"TXT": ["right"], "manner": manner} for manner in Manner}
ZONE["unfinished.test"] = {"CNAME": "else.example.net", "manner": Manner.UNFINISHED}


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@contextmanager
def resolving(zone: dict[str, Any] = ZONE, **settings: Any) -> Iterator[tuple[Resolver, DnsServer, Clock]]:
    clock = Clock()
    secure = settings.pop("secure", False)
    with DnsServer(zone, secure=secure) as server:
        resolver = Resolver(
            DnsSettings(**{"nameservers": name_servers(server.address), "timeout": 5, **settings}), clock
        )
        resolver.start()
        try:
            yield resolver, server, clock
        finally:
            resolver.close()


@pytest.fixture(scope="module")
def shared() -> Iterator[Resolver]:
    with resolving() as (resolver, _, _):
        yield resolver


def trouble(asked: Resolver | Lookups, name: str, kind: RecordType = RecordType.TXT) -> Trouble:
    lookups = asked.new_lookups() if isinstance(asked, Resolver) else asked
    with pytest.raises(Unavailable) as e:
        lookups.ask(name, kind)
    return e.value.trouble


@contextmanager
def silent_server() -> Iterator[str]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        yield f"127.0.0.1:{sock.getsockname()[1]}"


def _fail(_: Answer) -> None:
    raise ZeroDivisionError


def closed_port() -> str:
    with silent_server() as address:
        return address


@pytest.mark.parametrize(
    ("name", "kind", "records"),
    [
        pytest.param("example.org", RecordType.TXT, {b"v=spf1 -all"}, id="TXT"),
        pytest.param("EXAMPLE.org", RecordType.TXT, {b"v=spf1 -all"}, id="any case"),
        pytest.param("long.example.org", RecordType.TXT, {b"x" * 600}, id="the strings of a TXT record are joined"),
        pytest.param("octets.example.org", RecordType.TXT, {bytes(range(256))}, id="TXT holds any octets"),
        pytest.param("example.org", RecordType.A, {"192.0.2.1"}, id="A"),
        pytest.param("example.org", RecordType.AAAA, {"2001:db8::1", "::102:304"}, id="AAAA as ipaddress writes it"),
        pytest.param(
            "example.org", RecordType.MX, {(10, "mx.example.org"), (0, "")}, id="MX, and the null MX of RFC 7505"
        ),
        pytest.param("1.2.0.192.in-addr.arpa", RecordType.PTR, {"host.example.org"}, id="PTR in lower case, no dot"),
        pytest.param("_dmarc.example.org", RecordType.TXT, {b"v=DMARC1; p=none"}, id="underscores are fine"),
        pytest.param("alias2.example.org", RecordType.A, {"192.0.2.1"}, id="aliases are followed"),
        pytest.param("huge.example.org", RecordType.TXT, {b"y" * 20_000}, id="TCP where UDP is too small"),
        pytest.param("truncate.test", RecordType.TXT, {b"right"}, id="TCP when the server says so"),
        pytest.param("wrong-id.test", RecordType.TXT, {b"right"}, id="RFC 5452 §9.1: a wrong id is not listened to"),
        pytest.param(
            "wrong-question.test", RecordType.TXT, {b"right"}, id="RFC 5452 §9.1: nor another question's answer"
        ),
        pytest.param("query-back.test", RecordType.TXT, {b"right"}, id="a query is not an answer"),
        pytest.param("case.test", RecordType.TXT, {b"right"}, id="the server may change case"),
        pytest.param("drop-once.test", RecordType.TXT, {b"right"}, id="a lost packet is sent again"),
    ],
)
def test_found(shared: Resolver, name: str, kind: RecordType, records: set[Any]) -> None:
    answer = shared.new_lookups().ask(name, kind)
    assert answer.status is Status.FOUND
    assert set(answer.records) == records


@pytest.mark.parametrize(
    ("name", "kind", "status"),
    [
        pytest.param("nobody.example.org", RecordType.TXT, Status.NXDOMAIN, id="no such name"),
        pytest.param("alias.example.org", RecordType.PTR, Status.NODATA, id="an alias to a name without the type"),
        pytest.param("dangling.example.org", RecordType.A, Status.NXDOMAIN, id="an alias to a name that is not"),
        pytest.param("org", RecordType.A, Status.NODATA, id="RFC 8020: there are names below"),
        pytest.param("bare.example.org", RecordType.A, Status.NODATA, id="RFC 2308 §2.2: type 3, no SOA"),
    ],
)
def test_absent(shared: Resolver, name: str, kind: RecordType, status: Status) -> None:
    assert shared.new_lookups().ask(name, kind).status is status


@pytest.mark.parametrize(
    "name",
    [
        pytest.param("", id="empty"),
        pytest.param(".", id="root"),
        pytest.param("example.org.", id="trailing dot"),
        pytest.param("a..b", id="empty label"),
        pytest.param(".a", id="leading dot"),
        pytest.param("a" * 64 + ".org", id="label > 63"),
        pytest.param(".".join(["a" * 49] * 6), id="> 253"),
        pytest.param("ä.org", id="non-ASCII"),
        pytest.param("a\0.org", id="NUL"),
        pytest.param("\ud800.org", id="surrogate"),
    ],
)
def test_impossible_names_do_not_exist_and_are_not_asked(name: str) -> None:
    with resolving() as (resolver, server, _):
        lookups = resolver.new_lookups()
        assert lookups.ask(name, RecordType.TXT).status is Status.NXDOMAIN
        assert (server.asked, lookups.asked) == ([], 0)


@pytest.mark.parametrize("name", ["a" * 63 + ".org", ".".join(["a" * 49] * 5 + ["abc"]), "a\\b.org", "a b.org"])
def test_odd_but_possible_names_are_asked(shared: Resolver, name: str) -> None:
    lookups = shared.new_lookups()
    lookups.ask(name, RecordType.TXT)
    assert lookups.asked == 1


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("servfail.test", Trouble.SERVFAIL),
        ("refused.test", Trouble.REFUSED),
        ("formerr.test", Trouble.BROKEN),
        ("bare-formerr.test", Trouble.BROKEN),
        ("garbage.test", Trouble.BROKEN),
        ("lame.test", Trouble.BROKEN),
        ("unfinished.test", Trouble.BROKEN),
        ("circle.example.org", Trouble.BROKEN),
        ("truncate-cut.test", Trouble.BROKEN),
        ("truncate-twice.test", Trouble.BROKEN),
    ],
)
def test_failures_are_kept_apart_and_are_never_absence(shared: Resolver, name: str, expected: Trouble) -> None:
    assert trouble(shared, name) is expected


@pytest.mark.parametrize("name", ["drop.test", "truncate-drop.test"])
def test_silence_is_kept_apart_from_the_other_failures(name: str) -> None:
    with resolving(timeout=0.4) as (resolver, _, _):
        assert trouble(resolver, name) is Trouble.TIMEOUT


def test_nobody_listens() -> None:
    resolver = Resolver(DnsSettings(nameservers=name_servers(closed_port()), timeout=5))
    resolver.start()
    started = time.monotonic()
    assert trouble(resolver, "example.org") is Trouble.UNREACHABLE
    assert time.monotonic() - started < 2
    resolver.close()


def test_not_started_or_closed_is_unreachable_at_once() -> None:
    with resolving() as (resolver, _, _):
        resolver.close()
        assert trouble(resolver, "example.org") is Trouble.UNREACHABLE


def test_close_ends_those_who_wait() -> None:
    with resolving(timeout=30) as (resolver, _, _):
        threading.Timer(0.1, resolver.close).start()
        started = time.monotonic()
        assert trouble(resolver, "drop.test") is Trouble.TIMEOUT
        assert time.monotonic() - started < 5


def test_query_asks_for_ad_and_1232_octets_and_not_for_signatures() -> None:
    with resolving() as (resolver, server, _):
        resolver.new_lookups().ask("example.org", RecordType.TXT)
        query = dns.message.from_wire(server.queries[0])
    assert dns.flags.to_text(query.flags) == "RD AD"  # RFC 6840 §5.7
    assert (query.edns, query.payload, query.ednsflags) == (0, 1232, 0)


def test_ids_and_ports_cannot_be_foretold() -> None:
    with resolving() as (resolver, server, _):
        lookups = resolver.new_lookups()
        for n in range(60):
            lookups.ask(f"n{n}.example.org", RecordType.TXT)
        assert len({query[:2] for query in server.queries}) > 50
        assert len(set(server.ports)) > 30


@pytest.mark.parametrize(
    ("secure", "trusted", "expected"),
    [(True, ("127.0.0.1",), True), (False, ("127.0.0.1",), False), (True, (), True)],
    ids=["AD set", "AD not set", "loopback is trusted unasked"],
)
def test_ad_bit(secure: bool, trusted: tuple[str, ...], expected: bool) -> None:
    with resolving(secure=secure, trusted=addresses(*trusted)) as (resolver, _, _):
        assert resolver.new_lookups().ask("example.org", RecordType.TXT).secure is expected
        assert resolver.new_lookups().ask("huge.example.org", RecordType.TXT).secure is expected  # TCP
        assert (resolver.unvalidated() is None) is expected


@pytest.mark.parametrize(
    ("server", "trusted", "expected"),
    [
        ("127.0.0.53", (), True),
        ("::1", (), True),
        ("192.0.2.53", (), False),
        ("192.0.2.53", ("192.0.2.53",), True),
        ("2001:db8::53", ("2001:DB8:0::53",), True),
        ("fe80::53%eth0", (), False),
        ("fe80::53%eth0", ("FE80::53%eth0",), True),
        ("fe80::53%eth1", ("fe80::53%eth0", "fe80::53"), False),  # another link's may be anybody
    ],
)
def test_whose_ad_bit_counts(server: str, trusted: tuple[str, ...], expected: bool) -> None:
    assert nameservers.is_trusted(Endpoint(server, 53), DnsSettings(trusted=addresses(*trusted))) is expected


def test_ad_of_a_server_that_is_not_trusted_is_not_known() -> None:
    _, data = _exchange("example.org")
    for trusted, secure in ((False, None), (True, True)):
        answer = dnspython.read(data, RecordType.TXT, trusted=trusted)
        assert isinstance(answer, Answer)
        assert answer.secure is secure


# Absence is proven


RIGHT: dict[RecordType, Any] = {
    RecordType.TXT: "v=spf1 -all",
    RecordType.A: "192.0.2.1",
    RecordType.AAAA: "2001:db8::1",
    RecordType.MX: [10, "mx.example.org"],
    RecordType.PTR: "mx.example.org",
}


def _right(kind: RecordType, name: str = "There.example.org") -> dns.message.Message:
    query = dns.message.make_query(name, kind.value, flags=dns.flags.RD | dns.flags.AD, use_edns=0)
    return DnsServer({name: {kind.value: [RIGHT[kind]]}}).answer(query)


def _absent(result: object) -> bool:
    return isinstance(result, Answer) and result.status is not Status.FOUND


@pytest.mark.parametrize("kind", RecordType)
@pytest.mark.parametrize("loss", dnslosses.EVERY)
def test_what_proves_no_absence_is_never_read_as_absence(loss: str, kind: RecordType) -> None:
    over_tcp = loss in dnslosses.LOSSES_OVER_TCP
    wire = {**dnslosses.LOSSES, **dnslosses.LOSSES_OVER_TCP}[loss](_right(kind))
    result = dnspython.read(wire, kind, trusted=True, retried=over_tcp)
    assert result is Trouble.BROKEN or isinstance(result, dnspython.LostTarget)


def _nothing(rcode: int = 0, soa: str = "", *aliases: tuple[str, str]) -> bytes:
    answer = dns.message.make_response(dns.message.make_query("A.example.org", "TXT"), recursion_available=True)
    answer.set_rcode(dns.rcode.Rcode(rcode))
    for owner, target in aliases:
        answer.answer.append(dns.rrset.from_text(owner, 300, "IN", "CNAME", target))
    if soa:
        answer.authority.append(dns.rrset.from_text(soa, 300, "IN", "SOA", "ns.example. h.example. 1 2 3 4 60"))
    return answer.to_wire()


ALIAS = ("a.Example.org.", "b.example.net.")


@pytest.mark.parametrize(
    ("wire", "retried", "status", "ttl"),
    [
        pytest.param(_nothing(0, "Example.ORG."), False, Status.NODATA, 60, id="SOA of its zone, in any case"),
        pytest.param(_nothing(0, "a.example.org."), False, Status.NODATA, 60, id="SOA at the name"),
        pytest.param(_nothing(3, "org."), False, Status.NXDOMAIN, 60, id="NXDOMAIN, SOA of a zone above"),
        pytest.param(_nothing(0, "."), True, Status.NODATA, 60, id="over TCP, with a SOA"),
        pytest.param(_nothing(0), False, Status.NODATA, 0, id="RFC 2308 §2.2: type 3, no SOA"),
        pytest.param(_nothing(3), False, Status.NXDOMAIN, 0, id="a plain NXDOMAIN"),
        pytest.param(_nothing(3, "org."), True, Status.NXDOMAIN, 60, id="NXDOMAIN over TCP, with a SOA"),
        pytest.param(_nothing(0, "example.net.", ALIAS), False, Status.NODATA, 60, id="SOA of the alias's target"),
        pytest.param(_nothing(3, "example.net.", ALIAS), False, Status.NXDOMAIN, 60, id="RFC 6604 §3: the last name"),
    ],
)
def test_what_proves_absence(wire: bytes, retried: bool, status: Status, ttl: float) -> None:
    answer = Answer(status, (), None, ttl, proven=ttl > 0)
    assert dnspython.read(wire, RecordType.TXT, trusted=False, retried=retried) == answer


_RECORDS = st.lists(
    st.tuples(
        st.sampled_from(["a.example.org.", "example.org.", "b.example.net.", "example.net.", "elsewhere.example."]),
        st.sampled_from(["IN", "IN", "IN", "CH"]),
        st.sampled_from(["HINFO x y", "TXT x", "CNAME b.example.net.", "CNAME a.example.org.", "DNAME example.net.",
                         "NS ns.example.", "SOA ns.example. h.example. 1 2 3 4 60"]),
    ),
    max_size=3,
)  # fmt: skip
_MAKES_AN_ANSWER = {("IN", "TXT"), ("IN", "CNAME"), ("IN", "DNAME")}


@given(_RECORDS, _RECORDS, _RECORDS, st.sampled_from([0, 0, 3, 3, 2, 5]), st.booleans(), st.booleans())
def test_no_answer_without_proof_reads_as_absence(
    answers: Any, authority: Any, additional: Any, code: int, recursive: bool, retried: bool
) -> None:
    message = dns.message.make_response(dns.message.make_query("a.example.org", "TXT"), recursion_available=recursive)
    message.set_rcode(dns.rcode.Rcode(code))
    for section, records in zip(message.sections[1:], (answers, authority, additional), strict=True):
        for owner, rdclass, text in records:
            section.append(dns.rrset.from_text(owner, 300, rdclass, *text.split(" ", 1)))
    result = dnspython.read(message.to_wire(), RecordType.TXT, trusted=True, retried=retried)
    soas = {owner for owner, rdclass, text in authority if rdclass == "IN" and text.startswith("SOA")}
    if isinstance(result, Answer) and result.status is Status.FOUND:
        assert code == 0
        assert {(rdclass, text.split(" ")[0]) for _, rdclass, text in answers} <= _MAKES_AN_ANSWER
        elsewhere = [(owner, rdclass) for owner, rdclass, text in (*authority, *additional) if text == "TXT x"]
        assert set(elsewhere) <= {(owner, rdclass) for owner, rdclass, text in answers if text == "TXT x"}
    plain = recursive and not answers and not authority and not retried
    if _absent(result):
        assert code in (0, 3)
        assert plain or soas & {"a.example.org.", "example.org.", "b.example.net.", "example.net."}
        assert isinstance(result, Answer)
        assert result.ttl == 0 or not plain
        assert result.proven is bool(authority)
        assert not any(text.startswith("TXT") for _, _, text in (*authority, *additional))
    elif (
        code in (0, 3)
        and not answers
        and not additional
        and all(text[:3] in ("SOA", "NS ") for _, _, text in authority)
    ):
        assert not plain
        assert not soas & {"a.example.org.", "example.org."}


def test_what_a_dname_synthesized_is_an_alias() -> None:  # RFC 6672 §3.1
    answer = dns.message.make_response(dns.message.make_query("a.example.org", "TXT"), recursion_available=True)
    for owner, rdtype, data in (
        ("example.org.", "DNAME", "Example.net."),
        ("a.example.org.", "CNAME", "a.Example.net."),
    ):
        answer.answer.append(dns.rrset.from_text(owner, 300, "IN", rdtype, data))
    assert dnspython.read(answer.to_wire(), RecordType.TXT, trusted=False) == dnspython.LostTarget(
        "a.example.net", None, 300
    )
    answer.authority.append(dns.rrset.from_text("example.NET.", 300, "IN", "SOA", "ns.example. h.example. 1 2 3 4 60"))
    assert dnspython.read(answer.to_wire(), RecordType.TXT, trusted=False) == Answer(Status.NODATA, (), None, 60)
    answer.answer.append(dns.rrset.from_text("A.example.NET.", 9, "IN", "TXT", "x"))
    assert dnspython.read(answer.to_wire(), RecordType.TXT, trusted=False) == Answer(Status.FOUND, (b"x",), None, 9)


def test_the_signature_of_an_alias_is_no_other_answer() -> None:
    """Nobody asked for it, but some servers send it."""
    answer = dns.message.from_wire(_nothing(0, "example.net.", ALIAS))
    signature = "CNAME 8 2 300 20300101000000 20200101000000 1 example. AAAA"
    answer.answer.append(dns.rrset.from_text(ALIAS[0], 300, "IN", "RRSIG", signature))
    assert dnspython.read(answer.to_wire(), RecordType.TXT, trusted=False) == Answer(Status.NODATA, (), None, 60)


def test_an_answer_over_tcp_without_a_word_proves_nothing() -> None:
    """Over UDP something was there, and did not fit."""
    for code in (0, 3):
        assert dnspython.read(_nothing(code), RecordType.TXT, trusted=False, retried=True) is Trouble.BROKEN
    assert dnspython.read(_nothing(0), RecordType.TXT, trusted=False, retried=True, denied=True) is Trouble.BROKEN
    answer = dnspython.read(_nothing(3), RecordType.TXT, trusted=False, retried=True, denied=True)
    assert answer == Answer(Status.NXDOMAIN, (), None, 0, proven=False)


def test_a_truncated_nxdomain_may_be_said_again_over_tcp() -> None:
    with resolving({"x.example.org": {"manner": "truncate"}}) as (resolver, server, _):

        def denied(query: dns.message.Message) -> dns.message.Message:
            answer = dns.message.make_response(query, recursion_available=True)
            answer.set_rcode(dns.rcode.NXDOMAIN)
            return answer

        server.answer = denied  # type: ignore[method-assign]
        assert resolver.new_lookups().ask("x.example.org", RecordType.TXT).status is Status.NXDOMAIN
        assert server.asked_tcp == [("x.example.org", "TXT")]


@pytest.mark.parametrize("loss", [loss for loss in dnslosses.EVERY if "alias" not in loss])
def test_lost_records_are_trouble_and_only_for_a_second(loss: str) -> None:
    with resolving({"x.example.org": {"TXT": ["v=spf1 -all"], "loss": loss}}) as (resolver, server, clock):
        assert trouble(resolver, "x.example.org") is Trouble.BROKEN
        clock.now += 1
        server.zone["x.example.org"] = {"TXT": ["v=spf1 -all"]}
        assert resolver.new_lookups().ask("x.example.org", RecordType.TXT).records == (b"v=spf1 -all",)


LOST_TARGETS = [
    "an alias alone",
    "an alias alone, NXDOMAIN",
    "an alias alone, with a SOA beside its target",
    "an alias alone, NXDOMAIN with a SOA beside its target",
    "two aliases alone",
    "truncated, then an alias alone",
]


@pytest.mark.parametrize("loss", LOST_TARGETS)
def test_the_lost_target_of_an_alias_is_asked_for_by_itself(loss: str) -> None:
    zone: dict[str, Any] = {"x.example.org": {"loss": loss}, "held.x.example.org": {"TXT": ["key"], "ttl": 70}}
    with resolving(zone, secure=True) as (resolver, server, _):
        lookups = resolver.new_lookups()
        assert lookups.ask("x.example.org", RecordType.TXT) == Answer(Status.FOUND, (b"key",), True, 70)
        assert lookups.asked == 2  # the message pays for both
        assert resolver.new_lookups().ask("x.example.org", RecordType.TXT).records == (b"key",)
        assert server.asked == [("x.example.org", "TXT"), ("held.x.example.org", "TXT")]
        server.secure = False
        assert resolver.new_lookups().ask("held.x.example.org", RecordType.TXT).secure is False


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        pytest.param({"manner": "servfail"}, Trouble.SERVFAIL, id="SERVFAIL"),
        pytest.param({"loss": "empty, RA=0"}, Trouble.BROKEN, id="nothing, again"),
        pytest.param({"loss": "aliases in a circle"}, Trouble.BROKEN, id="a circle"),
    ],
)
def test_a_target_that_is_lost_for_good_is_trouble(target: dict[str, Any], expected: Trouble) -> None:
    zone = {"x.example.org": {"loss": "an alias alone"}, "held.x.example.org": target}
    with resolving(zone) as (resolver, _, _):
        assert trouble(resolver, "x.example.org") is expected


def test_lost_targets_are_not_asked_for_without_end() -> None:
    zone = {"held." * n + "x.example.org": {"loss": "an alias alone"} for n in range(20)}
    with resolving(zone) as (resolver, server, _):
        assert trouble(resolver, "x.example.org") is Trouble.BROKEN
        assert len(server.asked) == 5


def test_the_word_of_all_answers_counts_for_an_alias() -> None:
    zone: dict[str, Any] = {"x.example.org": {"loss": "an alias alone"}, "held.x.example.org": {"TXT": ["key"]}}
    with DnsServer(zone, secure=True) as server:
        resolver = Resolver(
            DnsSettings(
                nameservers=name_servers(
                    server.address,
                ),
                timeout=5,
            )
        )
        resolver.start()
        answer, key = server.answer, ("x.example.org", "TXT")

        def first_alone(query: dns.message.Message) -> dns.message.Message:
            server.secure = server.asked[-1] == key
            return answer(query)

        server.answer = first_alone  # type: ignore[method-assign]
        assert resolver.new_lookups().ask("x.example.org", RecordType.TXT).secure is False
        resolver.close()


@pytest.mark.parametrize("manner", ["no-edns", "bad-version", "two-opts"])
def test_a_server_that_does_not_know_edns_is_asked_without(manner: str) -> None:  # RFC 6891 §6.1.1, §6.1.3, §7
    with resolving({"x.example.org": {"TXT": ["right"], "manner": manner}}) as (resolver, server, _):
        assert resolver.new_lookups().ask("x.example.org", RecordType.TXT).records == (b"right",)
        assert [dns.message.from_wire(query).edns for query in server.queries] == [0, -1]


@pytest.mark.parametrize("loss", dnslosses.EVERY)
def test_the_second_server_is_asked_when_the_first_proves_nothing(loss: str) -> None:
    zone = {"held.x.example.org": {"manner": "servfail"}}
    with (
        DnsServer({"x.example.org": {"TXT": ["right"], "loss": loss}, **zone}) as first,
        DnsServer({"x.example.org": {"TXT": ["right"]}, **zone}) as second,
    ):
        resolver = Resolver(DnsSettings(nameservers=name_servers(first.address, second.address), timeout=5))
        resolver.start()
        if loss in LOST_TARGETS:  # it is asked for its target, and both say that they cannot tell
            assert trouble(resolver, "x.example.org") is Trouble.SERVFAIL
        else:
            assert resolver.new_lookups().ask("x.example.org", RecordType.TXT).records == (b"right",)
        resolver.close()


@pytest.mark.parametrize("manner", ["truncate-twice", "truncate-cut", "garbage"])
def test_the_second_server_is_asked_when_the_first_has_not_said_it_all(manner: str) -> None:
    zone = {"x.example.org": {"TXT": ["right"]}}
    with DnsServer({"x.example.org": {"manner": manner}}) as first, DnsServer(zone) as second:
        resolver = Resolver(DnsSettings(nameservers=name_servers(first.address, second.address), timeout=5))
        resolver.start()
        assert resolver.new_lookups().ask("x.example.org", RecordType.TXT).records == (b"right",)
        resolver.close()


def _found(**sections: list[tuple[str, str, str]]) -> bytes:
    """An answer about the MX of a.example.org, with more in it."""
    message = dns.message.make_response(dns.message.make_query("a.example.org", "MX"), recursion_available=True)
    for section, records in sections.items():
        for owner, rdtype, data in records:
            getattr(message, section).append(dns.rrset.from_text(owner, 300, "IN", rdtype, data))
    return message.to_wire()


_SIGNED = "8 3 300 20300101000000 20200101000000 1 example.org. AAAA"
_MX = ("a.example.org.", "MX", "10 a.example.org.")
_GLUE = [
    ("a.example.org.", "A", "192.0.2.1"),
    ("a.example.org.", "AAAA", "2001:db8::1"),
    ("ns.example.", "A", "192.0.2.2"),
]
_NS = [("example.org.", "NS", "ns.example."), ("example.org.", "RRSIG", f"NS {_SIGNED}")]


@pytest.mark.parametrize(
    "wire",
    [
        pytest.param(_found(answer=[_MX], authority=_NS, additional=_GLUE), id="NS, and the addresses of an exchange"),
        pytest.param(_found(answer=[_MX, ("a.example.org.", "RRSIG", f"MX {_SIGNED}")]), id="its signature"),
        pytest.param(_found(answer=[_MX], additional=[_MX]), id="the same again"),
        pytest.param(
            _found(
                answer=[
                    ("A.example.org.", "CNAME", "a.example.net."),
                    ("a.example.org.", "RRSIG", f"CNAME {_SIGNED}"),
                    ("a.Example.net.", "MX", "10 a.example.org."),
                ]
            ),
            id="an alias, with its signature",
        ),
        pytest.param(
            _found(
                answer=[
                    ("example.org.", "DNAME", "example.net."),
                    ("a.example.org.", "CNAME", "a.example.net."),
                    ("a.example.net.", "MX", "10 a.example.org."),
                ]
            ),
            id="RFC 6672 §3.1: a DNAME, with what it made",
        ),
        pytest.param(_found(answer=[_MX]) + bytes(7), id="padding of a few octets"),
        pytest.param(_found(answer=[_MX]) + bytes(40), id="padding that could be records of no type"),
        pytest.param(_found(answer=[_MX]) + b"\xff" * 40, id="padding of ones"),
    ],
)
def test_what_honest_servers_add_to_their_records(wire: bytes) -> None:
    answer = dnspython.read(wire, RecordType.MX, trusted=False)
    assert answer == Answer(Status.FOUND, ((10, "a.example.org"),), None, 300)


def test_glue_does_not_contradict_the_answer_that_there_is_no_address() -> None:
    answer = dns.message.from_wire(_nothing(0, "example.org."))
    answer.question[0].rdtype = dns.rdatatype.A
    answer.additional.append(dns.rrset.from_text("ns.example.org.", 300, "IN", "A", "192.0.2.2"))
    assert dnspython.read(answer.to_wire(), RecordType.A, trusted=False) == Answer(Status.NODATA, (), None, 60)
    answer.additional.append(dns.rrset.from_text("a.example.org.", 300, "IN", "A", "192.0.2.2"))
    assert dnspython.read(answer.to_wire(), RecordType.A, trusted=False) is Trouble.BROKEN


# Caching


def test_kept_for_its_ttl_which_runs_down() -> None:
    with resolving() as (resolver, server, clock):
        assert resolver.new_lookups().ask("example.org", RecordType.TXT).ttl == 300
        clock.now += 299
        assert resolver.new_lookups().ask("example.org", RecordType.TXT).ttl == 1
        assert len(server.asked) == 1
        clock.now += 1
        assert resolver.new_lookups().ask("example.org", RecordType.TXT).ttl == 300
        assert len(server.asked) == 2


@pytest.mark.parametrize(("name", "ttl"), [("nobody.example.org", 300), ("org", 300)], ids=["NXDOMAIN", "NODATA"])
def test_absence_is_kept_as_the_soa_says(name: str, ttl: float) -> None:  # RFC 2308 §5
    with resolving() as (resolver, server, clock):
        for later in (0, ttl - 1, 2):
            clock.now += later
            resolver.new_lookups().ask(name, RecordType.TXT)
        assert len(server.asked) == 2


@pytest.mark.parametrize("name", ["zero.example.org", "bare.example.org"], ids=["TTL 0", "NODATA without SOA"])
def test_what_may_not_be_kept_serves_its_message_alone(name: str) -> None:
    with resolving() as (resolver, server, _):
        first = resolver.new_lookups()
        assert first.ask(name, RecordType.TXT) is first.ask(name, RecordType.TXT)
        assert len(server.asked) == 1
        resolver.new_lookups().ask(name, RecordType.TXT)
        assert len(server.asked) == 2


def test_a_ttl_is_a_day_at_most() -> None:
    with resolving({"example.org": {"TXT": ["x"], "ttl": 10_000_000}}) as (resolver, _, _):
        assert resolver.new_lookups().ask("example.org", RecordType.TXT).ttl == 86_400


def test_an_alias_lowers_the_ttl() -> None:
    zone = {"a.example": {"CNAME": "b.example", "ttl": 7}, "b.example": {"A": ["192.0.2.1"]}}
    with resolving(zone) as (resolver, _, _):
        assert resolver.new_lookups().ask("a.example", RecordType.A).ttl == 7


def test_a_failure_is_kept_for_a_second_and_for_its_message() -> None:
    with resolving() as (resolver, server, clock):
        lookups = resolver.new_lookups()
        for _ in range(2):
            with pytest.raises(Unavailable):
                lookups.ask("servfail.test", RecordType.TXT)
        assert trouble(resolver, "servfail.test") is Trouble.SERVFAIL
        assert len(server.asked) == 1
        clock.now += 1
        with pytest.raises(Unavailable):
            lookups.ask("servfail.test", RecordType.TXT)
        assert len(server.asked) == 1
        assert trouble(resolver, "servfail.test") is Trouble.SERVFAIL
        assert len(server.asked) == 2


def test_the_cache_is_bounded_and_forgets_the_oldest() -> None:
    with resolving(cache=10, questions=1000) as (resolver, server, _):
        for n in range(40):
            resolver.new_lookups().ask(f"n{n}.example.org", RecordType.TXT)
        assert len(resolver._cache) <= 10
        resolver.new_lookups().ask("n39.example.org", RecordType.TXT)
        assert len(server.asked) == 40
        resolver.new_lookups().ask("n0.example.org", RecordType.TXT)
        assert len(server.asked) == 41


def test_large_answers_count_for_several_in_the_cache() -> None:
    with resolving(cache=30) as (resolver, server, _):
        for name in ("huge.example.org", "huge2.example.org"):  # 20 kB each
            resolver.new_lookups().ask(name, RecordType.TXT)
        resolver.new_lookups().ask("huge2.example.org", RecordType.TXT)
        assert len(server.asked_tcp) == 2
        resolver.new_lookups().ask("huge.example.org", RecordType.TXT)
        assert len(server.asked_tcp) == 3


def test_an_answer_larger_than_the_cache_is_not_kept() -> None:
    with resolving(cache=10) as (resolver, server, _):
        for _ in range(2):
            assert len(resolver.new_lookups().ask("huge.example.org", RecordType.TXT).records[0]) == 20_000
        assert len(server.asked_tcp) == 2


def test_no_cache_when_told_so() -> None:
    with resolving(cache=0) as (resolver, server, _):
        for _ in range(2):
            resolver.new_lookups().ask("example.org", RecordType.TXT)
        assert len(server.asked) == 2


def test_of_very_many_records_none_is_chosen_by_chance() -> None:
    """Which of them a server puts first changes, and so would the verdict: no set is better than a part of one."""
    with resolving() as (resolver, server, _):
        assert trouble(resolver, "many.example.org", RecordType.A) is Trouble.BROKEN
        before = server.asked_tcp.copy()
        assert trouble(resolver, "crowd.example.org", RecordType.A) is Trouble.BROKEN
        assert server.asked_tcp == [*before, ("crowd.example.org", "A")]
        assert len(resolver.new_lookups().ask("some.example.org", RecordType.A).records) == 100


def _crowd(kind: int, rdata: list[bytes], *, before: bytes = b"", more: int = 0) -> bytes:
    """An answer about "a." with these records, all by hand: the library takes too long."""
    records = b"".join(b"\xc0\x0c" + struct.pack("!HHIH", kind, 1, 300, len(data)) + data for data in rdata)
    count = len(rdata) + more
    question = b"\1a\0" + struct.pack("!HH", kind, 1)
    return struct.pack("!HHHHHH", 1, 0x8180, 1, count, 0, 0) + question + before + records


def _txt(*strings: bytes) -> bytes:
    return b"".join(bytes((len(string),)) + string for string in strings)


@pytest.mark.parametrize(
    ("kind", "number", "data"),
    [
        pytest.param(RecordType.A, 1, [struct.pack("!I", n) for n in range(4000)], id="A"),
        pytest.param(RecordType.TXT, 16, [_txt(b"%d" % n) for n in range(4000)], id="TXT"),
        pytest.param(RecordType.TXT, 16, [_txt(b"v=%d" % n) for n in range(1000)], id="as many TXT as are looked at"),
    ],
)
def test_thousands_of_records_are_not_all_read(kind: RecordType, number: int, data: list[bytes]) -> None:
    """Each takes the library 25 µs, and an answer over TCP holds 4,000."""
    whole = _crowd(number, data)
    started = time.thread_time()
    answer = dnspython.read(whole, kind, trusted=True)
    assert time.thread_time() - started < 0.02  # all of them: 0.1 s and more; 1,000: 0.03 s
    assert answer is Trouble.BROKEN or len(data) == 1000
    beyond = whole[:6] + struct.pack("!HHH", 0, 60, 60) + whole[12:]
    assert dnspython.read(beyond, kind, trusted=True) is Trouble.BROKEN


@pytest.mark.parametrize("place", [0, 1, 57, 498, 499])
@pytest.mark.parametrize(
    ("policies", "alias"),
    [
        pytest.param([_txt(b"v=spf1 -all")], False, id="SPF"),
        pytest.param([_txt(b"V=SPF1")], False, id="SPF without terms, in capitals"),
        pytest.param([_txt(b"v=s", b"pf1 a", b" -all")], False, id="SPF in strings"),
        pytest.param([_txt(b"", b"v=spf1 -all")], False, id="SPF behind an empty string"),
        pytest.param([_txt(b"v = DMARC1 ; p=reject")], False, id="DMARC"),
        pytest.param([_txt(b"v=DMARC1")], True, id="behind an alias"),
        pytest.param([_txt(b"v=spf1 a"), _txt(b"v=spf1 mx"), _txt(b"v=DMARC1;p=none")], False, id="several"),
    ],
)
def test_a_policy_is_found_among_very_many_records(policies: list[bytes], alias: bool, place: int) -> None:
    others = [_txt(b"vendor-verification=%d" % n) for n in range(500)]
    data = others[:place] + policies + others[place:]
    whole = _crowd(16, data)
    if alias:  # a CNAME b, and all that follows is of b, by a pointer into the alias
        link = b"\xc0\x0c" + struct.pack("!HHIH", 5, 1, 300, 3) + b"\1b\0"
        whole = _crowd(16, data, before=link, more=1).replace(b"\xc0\x0c\0\x10", b"\xc0\x1f\0\x10")
    answer = dnspython.read(whole, RecordType.TXT, trusted=True)
    assert isinstance(answer, Answer)
    found = {record for record in answer.records if isinstance(record, bytes) and not record.startswith(b"vendor")}
    assert found == {_joined(policy) for policy in policies}
    assert len(answer.records) == len(policies) + 2  # to a key, it matters that there are several


def _joined(rdata: bytes) -> bytes:
    return rdata[1 : 1 + rdata[0]] + _joined(rdata[1 + rdata[0] :]) if rdata else b""


def test_mx_that_were_cut_are_no_mx() -> None:
    """Or whether there are more than ten (RFC 7208 §4.6.4) would depend on which repeated ones came first."""
    one, ten = [struct.pack("!H", 0) + b"\0"], [struct.pack("!H", n) + b"\0" for n in range(11)]
    for data in (one * 112 + ten, ten + one * 112, [struct.pack("!H", n) + b"\0" for n in range(300)]):
        assert dnspython.read(_crowd(15, data), RecordType.MX, trusted=True) is Trouble.BROKEN
    answer = dnspython.read(_crowd(15, one * 101 + ten), RecordType.MX, trusted=True)
    assert isinstance(answer, Answer)
    assert len(answer.records) == 11


def test_names_come_in_one_order_whichever_the_server_chose() -> None:
    """The first ten count (RFC 7208 §4.6.4, RFC 8601 §3): the same ten each time."""
    names = [b"\2n%d\0" % n for n in range(10)]
    first, second = (dnspython.read(_crowd(12, data), RecordType.PTR, trusted=True) for data in (names, names[::-1]))
    assert first == second
    assert isinstance(first, Answer)
    assert first.records[0] == "n0"


# Asking once


def test_twenty_who_ask_at_once_cost_one_packet() -> None:
    with resolving({"slow.example.org": {"TXT": ["late"], "delay": 1.0}}, timeout=5) as (resolver, server, _):
        answers: list[Answer] = []
        together = threading.Barrier(20)

        def ask() -> None:
            together.wait()
            answers.append(resolver.new_lookups().ask("slow.example.org", RecordType.TXT))

        threads = [threading.Thread(target=ask) for _ in range(20)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert [answer.records for answer in answers] == [(b"late",)] * 20
        assert len(server.asked) == 1
        assert resolver.counters()["coalesced"] == 19


def test_an_answer_that_landed_meanwhile_is_not_fetched_again() -> None:
    with resolving() as (resolver, server, _):
        answer = resolver.new_lookups().ask("example.org", RecordType.TXT)
        assert resolver.fetch(("example.org", RecordType.TXT)) == answer
        assert len(server.asked) == 1


def test_ask_waits_for_what_was_asked_ahead() -> None:
    with resolving() as (resolver, server, _):
        lookups = resolver.new_lookups()
        lookups.ahead("slow.example.org", RecordType.TXT)
        assert lookups.ask("slow.example.org", RecordType.TXT).records == (b"late",)
        assert (len(server.asked), lookups.asked) == (1, 1)


def test_questions_asked_ahead_travel_side_by_side() -> None:
    zone = {f"n{n}.example": {"TXT": ["x"], "delay": 0.5} for n in range(20)}
    with resolving(zone, timeout=5) as (resolver, _, _):
        lookups = resolver.new_lookups()
        started = time.monotonic()
        for name in zone:
            lookups.ahead(name, RecordType.TXT)
        for name in zone:
            lookups.ask(name, RecordType.TXT)
        assert time.monotonic() - started < 5  # one after the other: 10


def test_then_is_called_with_answers_in_the_order_they_were_waited_for() -> None:
    with resolving() as (resolver, _, _):
        lookups, heard = resolver.new_lookups(), list[str]()
        lookups.ahead("slow.example.org", RecordType.TXT, lambda _: heard.append("first"))
        lookups.ahead("slow.example.org", RecordType.TXT, lambda _: heard.append("second"))
        resolver.new_lookups().ahead("slow.example.org", RecordType.TXT, lambda _: heard.append("other message"))
        lookups.ask("slow.example.org", RecordType.TXT)
        _until(lambda: len(heard) == 3)
        assert heard == ["first", "second", "other message"]
        lookups.ahead("slow.example.org", RecordType.TXT, lambda _: heard.append("memo"))
        resolver.new_lookups().ahead("slow.example.org", RecordType.TXT, lambda _: heard.append("cache"))
        assert heard[3:] == ["memo", "cache"]


def test_then_may_ask_ahead_and_is_not_called_for_a_failure() -> None:
    with resolving() as (resolver, server, _):
        lookups, heard = resolver.new_lookups(), list[Answer]()
        lookups.ahead(
            "slow.example.org", RecordType.TXT, lambda _: lookups.ahead("example.org", RecordType.MX, heard.append)
        )
        lookups.ahead("servfail.test", RecordType.TXT, heard.append)
        _until(lambda: heard)
        with pytest.raises(Unavailable):
            lookups.ask("servfail.test", RecordType.TXT)
        assert [set(answer.records) for answer in heard] == [{(10, "mx.example.org"), (0, "")}]
        assert ("example.org", "MX") in server.asked


def test_a_listener_that_raises_harms_nobody() -> None:
    with resolving() as (resolver, _, _):
        lookups = resolver.new_lookups()
        lookups.ahead("slow.example.org", RecordType.TXT, _fail)
        assert lookups.ask("slow.example.org", RecordType.TXT).records == (b"late",)
        lookups.ahead("slow.example.org", RecordType.TXT, _fail)
        assert lookups.ask("example.org", RecordType.A).records == ("192.0.2.1",)
        _until(lambda: resolver.counters()["bugs"] == 2)


def test_nothing_is_asked_ahead_when_the_message_is_over() -> None:
    with resolving() as (resolver, server, _):
        lookups = resolver.new_lookups()
        lookups.end()
        lookups.ahead("example.org", RecordType.TXT)
        assert resolver.new_lookups().ask("example.org", RecordType.A)
        assert server.asked == [("example.org", "A")]


def _sockets_to(address: str) -> int:
    """UDP sockets connected to it (proc(5), net/udp); the process's descriptors are also those of other threads."""
    port = int(address.rpartition(":")[2])
    lines = Path("/proc/net/udp").read_text().splitlines()[1:]
    return sum(line.split()[2].endswith(f":{port:04X}") for line in lines)


def test_a_thousand_questions_at_once_wait_their_turn_with_few_descriptors(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda _: (256, 256))
    zone = {f"n{n}.example": {"TXT": [f"{n}"], "delay": 0.01} for n in range(1000)}
    with resolving(zone, questions=1000, timeout=10) as (resolver, server, _):
        lookups, most = resolver.new_lookups(), 0
        for name in zone:
            lookups.ahead(name, RecordType.TXT)
            most = max(most, _sockets_to(server.address))
        for n, name in enumerate(zone):
            assert lookups.ask(name, RecordType.TXT).records == (str(n).encode(),)
        assert most <= 128  # one that lands while they are counted counts twice, as its successor
        assert len(server.asked) == 1000


def test_a_quarter_of_the_descriptors_is_for_questions(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda _: (256, 256))
    zone = {f"n{n}.example": {"manner": "drop"} for n in range(100)}
    with resolving(zone, timeout=20) as (resolver, server, _):
        lookups = resolver.new_lookups()
        for name in zone:
            lookups.ahead(name, RecordType.TXT)
        assert _sockets_to(server.address) == 64  # nothing lands, so nothing moves while they are counted


def test_those_who_wait_their_turn_time_out_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda _: (64, 64))
    zone = {f"n{n}.example": {"manner": "drop"} for n in range(40)}
    with resolving(zone, timeout=0.4) as (resolver, server, _):
        lookups = resolver.new_lookups()
        for name in zone:
            lookups.ahead(name, RecordType.TXT)
        _until(lambda: resolver.counters()["timeout"] == 40)
        assert len(set(server.asked)) < 40  # nobody would have heard the answer


def test_a_silent_server_is_asked_twice() -> None:
    with resolving(timeout=0.4) as (resolver, server, _):
        assert trouble(resolver, "drop.test") is Trouble.TIMEOUT
        assert len(server.asked) == 2


# Several servers


@pytest.mark.parametrize(
    ("stay", "asked"), [(30.0, ["TXT"]), (0.0, ["TXT", "A"])], ids=["the second is then asked at once", "for a while"]
)
def test_the_second_server_is_asked_when_the_first_is_silent(
    monkeypatch: pytest.MonkeyPatch, stay: float, asked: list[str]
) -> None:
    monkeypatch.setattr(udp, "_STAY", stay)
    with DnsServer({"example.org": {"manner": "drop"}}) as first, DnsServer(ZONE) as second:
        resolver = Resolver(DnsSettings(nameservers=name_servers(first.address, second.address), timeout=1))
        resolver.start()
        assert resolver.new_lookups().ask("example.org", RecordType.TXT).records == (b"v=spf1 -all",)
        assert resolver.new_lookups().ask("example.org", RecordType.A).records == ("192.0.2.1",)
        assert [kind for _, kind in first.asked] == asked
        resolver.close()


@pytest.mark.parametrize("manner", ["servfail", "refused", "formerr", "bare-formerr"])
def test_the_second_server_is_asked_at_once_when_the_first_cannot_tell(manner: str) -> None:
    with DnsServer({"example.org": {"manner": manner}}) as first, DnsServer(ZONE) as second:
        resolver = Resolver(DnsSettings(nameservers=name_servers(first.address, second.address), timeout=5))
        resolver.start()
        started = time.monotonic()
        assert resolver.new_lookups().ask("example.org", RecordType.TXT).records == (b"v=spf1 -all",)
        assert time.monotonic() - started < 2
        resolver.new_lookups().ask("example.org", RecordType.A)
        assert len(first.asked) == 2  # it stays the first
        resolver.close()


def test_the_second_server_is_asked_at_once_when_nobody_listens_or_no_route_leads_there() -> None:
    for dead in (closed_port(), "255.255.255.255:53"):
        with DnsServer(ZONE) as server:
            resolver = Resolver(DnsSettings(nameservers=name_servers(dead, server.address), timeout=5))
            resolver.start()
            started = time.monotonic()
            assert resolver.new_lookups().ask("example.org", RecordType.TXT).records == (b"v=spf1 -all",)
            assert time.monotonic() - started < 2
            resolver.close()


def test_when_no_server_can_tell_the_first_excuse_counts() -> None:
    excuse, silence = {"x.example": {"manner": "servfail"}}, {"x.example": {"manner": "drop"}}
    with DnsServer(excuse) as first, DnsServer(silence) as second:
        resolver = Resolver(DnsSettings(nameservers=name_servers(first.address, second.address), timeout=0.3))
        resolver.start()
        assert trouble(resolver, "x.example") is Trouble.SERVFAIL
        resolver.close()


def test_probe_and_validation() -> None:
    with resolving() as (resolver, _, _):
        assert resolver.probe() is None
        assert resolver.unvalidated() == nameservers.NO_VALIDATION
    with silent_server() as silent, DnsServer(ZONE) as server:
        resolver = Resolver(DnsSettings(nameservers=name_servers(silent, server.address), timeout=0.5))
        assert resolver.probe() == f"no answer from {silent}"
        assert resolver.unvalidated() == nameservers.NO_VALIDATION
    with silent_server() as silent:  # whether it validates is another question
        resolver = Resolver(
            DnsSettings(
                nameservers=name_servers(
                    silent,
                ),
                timeout=0.5,
            )
        )
        assert resolver.unvalidated() == f"no answer from {silent}"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("nameserver 192.0.2.53\nnameserver ::1\n", [("192.0.2.53", 53), ("::1", 53)]),
        ("search example.org\noptions ndots:5\n# nameserver ::1\nnameserver\t192.0.2.5  # x\n", [("192.0.2.5", 53)]),
        ("nameserver nonsense\nnameserver\n", [("127.0.0.1", 53)]),
        ("", [("127.0.0.1", 53)]),
    ],
    ids=["two", "what else is there", "none that can be used", "empty"],
)
def test_resolv_conf(tmp_path: Path, text: str, expected: list[tuple[str, int]]) -> None:
    path = tmp_path / "resolv.conf"
    path.write_text(text)
    assert nameservers.choose(DnsSettings(), path) == expected


def test_without_resolv_conf(tmp_path: Path) -> None:
    assert nameservers.choose(DnsSettings(), tmp_path / "absent") == [("127.0.0.1", 53)]


# A server on the link, as routers announce it (`nameserver fe80::1%eth0`)

_ON_THE_LINK = """
import fcntl, socket, struct, sys
sock = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
fcntl.ioctl(sock, 0x8914, struct.pack("16sH", b"lo", 1))  # netdevice(7): SIOCSIFFLAGS, IFF_UP
index = socket.if_nametoindex("lo")
address = socket.inet_pton(socket.AF_INET6, "fe80::53")
fcntl.ioctl(sock, 0x8916, address + struct.pack("Ii", 64, index))  # SIOCSIFADDR
from lab.dnsserver import DnsServer
from lab.settings import name_servers
from mailvet.dns import nameservers
from mailvet.dns.resolver import Resolver
from mailvet.ports import RecordType
from mailvet.settings import DnsSettings
zone = {"example.org": {"TXT": ["small"]}, "large.example.org": {"TXT": ["x" * 5000]}}
for host in ("fe80::53%lo", f"fe80::53%{index}"):
    with DnsServer(zone, host=host) as server:
        settings = DnsSettings(nameservers=name_servers(server.address,), timeout=5)
        resolver = Resolver(settings)
        resolver.start()
        for name in zone:
            answer = resolver.new_lookups().ask(name, RecordType.TXT)
            print(len(answer.records[0]), nameservers.silent(resolver.servers, 5))
        resolver.close()
"""
_OWN_NETWORK = ["unshare", "--map-root-user", "--net"]


@pytest.mark.skipif(
    subprocess.run([*_OWN_NETWORK, "true"], check=False, capture_output=True).returncode != 0,
    reason="no network namespace to be had",
)
def test_a_server_on_the_link_is_asked_there_over_udp_and_tcp() -> None:
    paths = os.pathsep.join((str(REPO), str(REPO / "milter")))
    done = subprocess.run(
        [*_OWN_NETWORK, sys.executable, "-c", _ON_THE_LINK],
        env={**os.environ, "PYTHONPATH": paths}, capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert done.stdout.split("\n")[:-1] == ["5 None", "5000 None"] * 2, done.stderr


def test_a_server_on_a_link_that_is_not_there_is_unreachable() -> None:
    resolver = Resolver(
        DnsSettings(
            nameservers=name_servers(
                "[fe80::1%nolink0]:53",
            ),
            timeout=5,
        )
    )
    resolver.start()
    assert trouble(resolver, "example.org") is Trouble.UNREACHABLE
    resolver.close()


# Budget and trail


def test_questions_beyond_the_limit_are_not_asked_and_cached_answers_are_free() -> None:
    with resolving(questions=3) as (resolver, server, _):
        resolver.new_lookups().ask("example.org", RecordType.TXT)
        lookups = resolver.new_lookups()
        for n in range(3):
            lookups.ahead(f"n{n}.example.org", RecordType.TXT)
        with pytest.raises(Unavailable) as e:
            lookups.ask("example.org", RecordType.A)
        assert e.value.trouble is Trouble.BUDGET
        assert lookups.ask("example.org", RecordType.TXT).records == (b"v=spf1 -all",)
        assert lookups.asked == 3
        lookups.ask("n2.example.org", RecordType.TXT)
        assert len(server.asked) == 4


def test_a_sender_who_asks_for_a_lot_cannot_buy_the_absence_of_a_policy() -> None:
    with resolving(questions=3) as (resolver, _, _):
        lookups = resolver.new_lookups()
        for n in range(10):
            lookups.ahead(f"n{n}.example.org", RecordType.TXT)
        assert lookups.reserved.ask("_dmarc.example.org", RecordType.TXT).records == (b"v=DMARC1; p=none",)
        for n in range(40):
            lookups.reserved.ahead(f"_dmarc.n{n}.example.org", RecordType.TXT)
        assert lookups.asked == 3 + 16


def test_nor_can_one_whose_name_servers_are_slow() -> None:
    policy = ("_dmarc.a.b.example", "_dmarc.b.example", "a.b.example", "_dmarc.example")  # the third: does it exist?
    zone = {name: {"TXT": ["x"], "delay": 0.2} for name in ("n0.example", *policy)}
    zone |= {name: {"TXT": ["x"], "delay": 3} for name in ("n1.example", "n2.example")}
    with resolving(zone, budget=0.5, timeout=2, questions=4) as (resolver, _, _):
        lookups = resolver.new_lookups()
        assert lookups.ask("n0.example", RecordType.TXT)
        for name in ("n1.example", "_dmarc.b.example", "a.b.example", "n3.example"):
            assert trouble(lookups, name) is Trouble.BUDGET
        for name in policy:
            assert lookups.reserved.ask(name, RecordType.TXT)
        assert trouble(lookups.reserved, "n2.example") is Trouble.BUDGET  # what is kept is not endless


def test_only_waiting_uses_up_the_time() -> None:
    zone = {f"n{n}.example": {"TXT": ["x"], "delay": 0.1} for n in range(3)} | {"drop.example": {"manner": "drop"}}
    with resolving(zone, budget=0.8, timeout=5) as (resolver, _, _):
        lookups = resolver.new_lookups()
        time.sleep(0.9)  # a slow client
        assert lookups.ask("n0.example", RecordType.TXT)
        assert lookups.ask("n1.example", RecordType.TXT)
        with pytest.raises(Unavailable) as e:
            lookups.ask("drop.example", RecordType.TXT)
        assert e.value.trouble is Trouble.BUDGET
        lookups.ahead("n2.example", RecordType.TXT)
        _until(lambda: resolver.cached(("n2.example", RecordType.TXT)))
        assert lookups.ask("n2.example", RecordType.TXT)  # came while nobody waited


def test_a_zone_that_failed_slowly_is_not_waited_for_again() -> None:
    zone = {"a.x.slow.example": {"manner": "drop"}, "b.x.slow.example": {"TXT": ["x"], "delay": 0.7}}
    with resolving(zone, timeout=1) as (resolver, _, clock):
        assert trouble(resolver, "a.x.slow.example") is Trouble.TIMEOUT
        clock.now += 2
        assert trouble(resolver, "b.x.slow.example") is Trouble.TIMEOUT  # though there will be an answer
        _until(
            lambda: resolver.new_lookups().ask("b.x.slow.example", RecordType.TXT)
        )  # it came, and is good news for the zone


@pytest.mark.parametrize(
    ("name", "other", "shared"),
    [
        ("a.mail.example.org", "b.mail.example.org", True),
        ("a.evil.co.uk", "a.bank.co.uk", False),  # a sender must not make a neighbour's zone look slow
        ("a.mail.example.org", "_dmarc.mail.example.org", False),  # a policy is always waited for
        ("a.example.org", "b.example.net", False),
        ("1.2.0.192.in-addr.arpa", "9.8.0.192.in-addr.arpa", True),
        ("1.2.0.192.in-addr.arpa", "1.2.1.192.in-addr.arpa", False),
        ("1.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa", "2.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa", True),
        ("1.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa", "1.0.0.0.9.b.d.0.1.0.0.2.ip6.arpa", False),
    ],
)
def test_which_names_share_their_slowness(name: str, other: str, shared: bool) -> None:
    slow_zones = SlowZones(4.0, Clock(), exempt=("_dmarc.",))
    slow_zones.note(name, failed=True, seconds=2.0)
    assert slow_zones.longest_wait(other) == (0.1 if shared else 4.0)
    slow_zones.note(name, failed=True, seconds=0.01)  # a quick failure says nothing new
    assert slow_zones.longest_wait(name) == 0.1
    slow_zones.note(name, failed=False, seconds=0.01)
    assert slow_zones.longest_wait(name) == 4.0


def test_slowness_is_forgotten_after_a_minute_and_bounded() -> None:
    clock = Clock()
    slow_zones = SlowZones(4.0, clock)
    slow_zones.note("a.example", failed=True, seconds=2.0)
    clock.now += 60
    assert slow_zones.longest_wait("a.example") == 4.0
    for n in range(25_000):
        slow_zones.note(f"n{n}.example", failed=True, seconds=2.0)
    assert len(slow_zones._slow) <= 10_000


def test_trail_says_what_was_asked_in_order_also_when_the_message_is_over() -> None:
    with resolving() as (resolver, _, _):
        resolver.new_lookups().ask("example.org", RecordType.A)
        lookups = resolver.new_lookups()
        lookups.ahead("_dmarc.example.org", RecordType.TXT)
        lookups.ask("Example.org", RecordType.A)
        with pytest.raises(Unavailable):
            lookups.ask("servfail.test", RecordType.TXT)
        lookups.ask("slow.example.org", RecordType.TXT)
        lookups.end()
        trail = lookups.trail()
        found = [(q.name, q.kind, q.cached, q.wanted) for q in trail]
        assert found == [
            ("_dmarc.example.org", RecordType.TXT, False, False),
            ("example.org", RecordType.A, True, True),
            ("servfail.test", RecordType.TXT, False, True),
            ("slow.example.org", RecordType.TXT, False, True),
        ]
        assert trail[2].answer is Trouble.SERVFAIL
        assert trail[1].milliseconds == 0
        assert trail[3].milliseconds > 140
        lookups.end()
        assert resolver.counters()["unused"] == 1


# Octets


@given(st.binary(max_size=600), st.sampled_from(RecordType))
def test_any_octets_are_an_answer_or_broken(data: bytes, kind: RecordType) -> None:
    assert isinstance(dnspython.read(data, kind, trusted=True), Answer | Trouble | dnspython.LostTarget)


@given(st.data(), st.sampled_from(["example.org", "alias2.example.org", "octets.example.org", "nobody.example.org"]))
def test_a_damaged_answer_is_an_answer_or_trouble(data: st.DataObject, name: str) -> None:
    query, answer = _exchange(name)
    wire = bytearray(answer)
    for _ in range(data.draw(st.integers(1, 4))):
        wire[data.draw(st.integers(0, len(wire) - 1))] = data.draw(st.integers(0, 255))
    result = dnspython.read(bytes(wire), RecordType.TXT, trusted=True)
    assert isinstance(result, Answer | Trouble | dnspython.LostTarget)
    assert isinstance(is_answer(query[2:], bytes(wire)), bool)


@given(st.binary(max_size=40))
def test_any_octets_can_be_weighed(data: bytes) -> None:
    query = dnspython.query("example.org", RecordType.TXT)
    assert query is not None
    assert not is_answer(query, data) or len(data) == 12 or data[12:].startswith(query[10:])


@given(st.text(max_size=300), st.sampled_from(RecordType))
def test_a_query_reads_back_as_the_name_it_asks_for(name: str, kind: RecordType) -> None:
    query = dnspython.query(name, kind)
    if query is not None:
        message = dns.message.from_wire(b"\0\0" + query)
        assert b".".join(message.question[0].name.labels) == name.encode() + b"."
        assert message.question[0].rdtype.name == kind.value


@functools.cache
def _exchange(name: str) -> tuple[bytes, bytes]:
    """A question for TXT and its answer."""
    query = dns.message.make_query(name, "TXT", flags=dns.flags.RD | dns.flags.AD)
    with DnsServer(ZONE, secure=True) as server:
        return query.to_wire(), server.answer(query).to_wire()


def _until(true: Any) -> None:
    deadline = time.monotonic() + 30
    while True:
        try:
            if true():
                return
        except Unavailable:
            pass
        assert time.monotonic() < deadline
        time.sleep(0.01)
