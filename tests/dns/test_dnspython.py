"""Answers in octets: what proves absence, what is an answer, and everything that is neither."""

import functools
from typing import Any

import dns.flags
import dns.message
import dns.rcode
import dns.rdatatype
import dns.rrset
import pytest
from hypothesis import given, strategies as st

from lab import dns_losses
from lab.dnsserver import DnsServer
from lab.resolving import ZONE
from mailvet.dns import dnspython
from mailvet.dns.exchange import is_answer
from mailvet.ports import Answer, RecordType, Status, Trouble


@functools.cache
def _exchange(name: str) -> tuple[bytes, bytes]:
    """A question for TXT and its answer."""
    query = dns.message.make_query(name, "TXT", flags=dns.flags.RD | dns.flags.AD)
    with DnsServer(ZONE, secure=True) as server:
        return query.to_wire(), server.answer(query).to_wire()


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
@pytest.mark.parametrize("loss", dns_losses.EVERY)
def test_what_proves_no_absence_is_never_read_as_absence(loss: str, kind: RecordType) -> None:
    over_tcp = loss in dns_losses.LOSSES_OVER_TCP
    wire = {**dns_losses.LOSSES, **dns_losses.LOSSES_OVER_TCP}[loss](_right(kind))
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
