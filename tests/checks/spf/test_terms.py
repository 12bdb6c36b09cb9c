"""checks.spf.terms and identity: what is asked ahead, and how weak a record is."""

import time
from typing import Any

import pytest
from hypothesis import given, strategies as st

from lab.zone import Zone
from mailvet.checks.spf import terms
from mailvet.checks.spf.check import Checker
from mailvet.checks.spf.identity import covers, parse_client
from mailvet.checks.spf.pyspf import evaluate
from mailvet.ports import RecordType, Trouble
from mailvet.syntax import reverse_path

IP, IP6 = "192.0.2.1", "2001:db8::1"
D = "example.org"


@pytest.mark.parametrize(
    ("record", "ip", "questions"),
    [
        pytest.param("v=spf1 a mx -all", IP, [(D, RecordType.A), (D, RecordType.MX)], id="a and mx"),
        pytest.param("v=spf1 a/24 mx//64 -all", IP6, [(D, RecordType.AAAA), (D, RecordType.MX)], id="IPv6 and lengths"),
        pytest.param("V=SPF1 A:H.Example/24 -ALL", IP, [("h.example", RecordType.A)], id="names know no case"),
        pytest.param("v=spf1 ?include:i.example ~all", IP, [("i.example", RecordType.TXT)], id="include"),
        pytest.param(
            "v=spf1 exists:e.example -all", IP6, [("e.example", RecordType.A)], id="exists is A, RFC 7208 §5.7"
        ),
        pytest.param(
            "v=spf1 redirect=r.example a",
            IP,
            [(D, RecordType.A), ("r.example", RecordType.TXT)],
            id="redirect comes last",
        ),
        pytest.param(
            "v=spf1 redirect=r.example a -all", IP, [(D, RecordType.A)], id="no redirect beside all, RFC 7208 §6.1"
        ),
        pytest.param("v=spf1 ~all include:i.example", IP, [], id="nothing after all"),
        pytest.param("v=spf1 ip4:192.0.2.0/24 a redirect=r.example", IP, [], id="nothing after a range that matches"),
        pytest.param("v=spf1 a ip6:2001:db8::/32 mx", IP6, [(D, RecordType.AAAA)], id="the same for IPv6"),
        pytest.param("v=spf1 ip4:192.0.3.0/24 ip6:::/0 a", IP, [(D, RecordType.A)], id="ranges that do not match"),
        pytest.param("v=spf1 ip4:192.0.2.0/24 a", "::ffff:192.0.3.1", [(D, RecordType.A)], id="IPv4-mapped"),
        pytest.param("v=spf1 exists:%{i}.e.example include:%{d2} -all", IP, [], id="macros are skipped"),
        pytest.param("v=spf1 ptr exp=why.example a= include exists: -all", IP, [], id="no first question"),
        pytest.param("v=spf1 a:a a:b..c a:(x.example a:1.2.3.4 -all", IP, [], id="not names"),
        pytest.param("v=spf1 a a a:example.org -all", IP, [(D, RecordType.A)], id="each once"),
        pytest.param("v=spf10 a", IP, [], id="another version"),
        pytest.param("a mx", IP, [], id="no SPF record"),
        pytest.param("v=spf1 a", "unknown", [], id="no client"),
        pytest.param("v=spf1 " + "a " * 5000, IP, [], id="too long"),
    ],
)
def test_targets(record: str, ip: str, questions: list[tuple[str, RecordType]]) -> None:
    assert terms.targets(record.encode(), D, ip) == tuple(questions)


def test_at_most_ten_targets() -> None:
    record = "v=spf1 redirect=r.example " + " ".join(f"include:i{i}.example" for i in range(30))
    assert len(terms.targets(record.encode(), D, IP)) == 10


@given(st.binary(max_size=300), st.text(max_size=20), st.text(max_size=20))
def test_any_record_is_read(tail: bytes, domain: str, ip: str) -> None:
    for record in (tail, b"v=spf1 " + tail):
        terms.targets(record, domain, IP)
        terms.notes(record, IP6)
        terms.ahead(domain, ip, Zone({}))


def test_a_first_include_is_followed_and_a_second_only_asked() -> None:
    zone = Zone({
        D: {"TXT": [b"v=spf1 include:i.example include:j.example include:k.example -all"]},
        "i.example": {"TXT": [b"v=spf1 a:h.i.example -all"]},
        "j.example": {"TXT": [b"v=spf1 a:h.j.example -all"]},
    })  # fmt: skip
    terms.ahead(D, IP, zone)
    assert list(zone.questions) == [
        (D, RecordType.TXT),
        ("i.example", RecordType.TXT),
        ("h.i.example", RecordType.A),
        ("j.example", RecordType.TXT),
    ]


@pytest.mark.parametrize(("ip", "kind"), [(IP, RecordType.A), (IP6, RecordType.AAAA)])
def test_behind_an_mx_are_its_exchanges(ip: str, kind: RecordType) -> None:
    exchanges = [(i, f"m{i:02}.example") for i in range(30)]
    zone = Zone({D: {"TXT": [b"v=spf1 mx -all"], "MX": [(5, ""), *reversed(exchanges)]}})
    terms.ahead(D, ip, zone)
    asked = [name for name, asked_kind in zone.questions if asked_kind is kind]
    assert asked == [name for _, name in exchanges[:9]]  # ten, one of them a null MX


@pytest.mark.parametrize(
    "records",
    [
        pytest.param([], id="none"),
        pytest.param([b"v=spf1 a -all", b"v=spf1 mx -all"], id="two are permerror, RFC 7208 §4.5"),
        pytest.param([b"hello"], id="another text"),
        pytest.param(Trouble.TIMEOUT, id="no answer"),
    ],
)
def test_without_one_record_nothing_more_is_asked(records: Any) -> None:
    zone = Zone({D: {"TXT": records}})
    terms.ahead(D, IP, zone)
    assert zone.asked == 1


@pytest.mark.parametrize("domain", ["", "example", "[192.0.2.1]", "a b.example", "x\0.example", "a" * 70_000])
def test_nothing_is_asked_about_what_is_no_domain(domain: str) -> None:
    zone = Zone({})
    terms.ahead(domain, IP, zone)
    assert zone.asked == 0


def test_a_hostile_tree_is_left_soon() -> None:
    names: dict[str, Any] = {}
    for i in range(200):
        record = f"v=spf1 include:n{i + 1}.example mx -all"
        names[f"n{i}.example"] = {"TXT": [record.encode()], "MX": [(j, f"h{j}.n{i}.example") for j in range(50)]}
    names["loop.example"] = {"TXT": [b"v=spf1 include:loop.example mx:n1.example -all"]}
    for start in ("n0.example", "loop.example"):
        zone = Zone(names)
        terms.ahead(start, IP, zone)
        assert zone.asked <= 21


PROVIDERS: dict[str, Any] = {
    "_spf.p0.example": {"TXT": [b"v=spf1 ip4:198.51.100.0/25 include:_spf2.p0.example ~all"]},
    "_spf2.p0.example": {"TXT": [b"v=spf1 ip4:198.51.100.128/25 ip6:2001:db8::/48 ~all"]},
    "_spf.p1.example": {"TXT": [b"v=spf1 ip4:203.0.113.0/24 ~all"]},
    "own.example": {"TXT": [b"v=spf1 ip4:192.0.2.1 -all"]},
    "mx.example": {"TXT": [b"v=spf1 mx include:_spf.p0.example -all"], "MX": [(10, "h.mx.example")]},
    "h.mx.example": {"A": [IP], "TXT": [b"v=spf1 a -all"]},
    "two.example": {"TXT": [b"v=spf1 a include:_spf.p0.example include:_spf.p1.example ~all"], "A": [IP]},
    "moved.example": {"TXT": [b"v=spf1 redirect=own.example"]},
    "many.example": {"TXT": [b"v=spf1 include:_spf.p1.example include:_spf.p0.example ~all"]},
}
SENDERS = [("own.example", IP), ("mx.example", IP), ("mx.example", "198.51.100.3"), ("two.example", IP),
           ("two.example", "198.51.100.3"), ("two.example", "203.0.113.9"), ("moved.example", IP),
           ("many.example", "203.0.113.9"), ("many.example", "198.51.100.200"), ("nowhere.example", IP)]  # fmt: skip


def test_asking_ahead_costs_few_questions() -> None:
    plain = asked = 0
    for domain, ip in SENDERS:
        without, ahead = Zone(PROVIDERS), Zone(PROVIDERS)
        terms.ahead(domain, ip, ahead)
        for zone in (without, ahead):
            Checker(evaluate, time.monotonic).check_mail_from(
                ip, "h.mx.example", reverse_path.parse(f"ann@{domain}"), zone
            )
            Checker(evaluate, time.monotonic).check_helo(ip, "h.mx.example", zone)
        plain, asked = plain + without.asked, asked + ahead.asked
    assert asked <= plain * 1.15


@pytest.mark.parametrize(
    ("record", "ip", "notes"),
    [
        pytest.param("v=spf1 a -all", IP, 0, id="an ordinary record"),
        pytest.param("v=spf1 a ?all", IP, 0, id="neutral for all"),
        pytest.param("v=spf1 ip4:192.0.0.0/8 -all", IP, 0, id="the largest block anybody has"),
        pytest.param("v=spf1 ip4:192.0.0.0/7 -all", IP, 1, id="two of them"),
        pytest.param("v=spf1 ip4:0.0.0.0/1 -all", IP, 0, id="a range the client is not in"),
        pytest.param("v=spf1 -ip4:192.0.0.0/4 -all", IP, 0, id="a range that fails"),
        pytest.param("v=spf1 ip6:2001:d00::/24 ip6:2001:c00::/23 -all", IP6, 1, id="IPv6"),
        pytest.param("v=spf1 mx/8//20 -all", IP, 0, id="mx, the length for the other family"),
        pytest.param("v=spf1 mx/8//20 -all", IP6, 1, id="mx, the length for this family"),
        pytest.param("v=spf1 +all " + "ip4:128.0.0.0/1 " * 100, IP, 3, id="not more than three"),
        pytest.param("v=spf1 +all", "unknown", 0, id="no client"),
    ],
)
def test_notes(record: str, ip: str, notes: int) -> None:
    assert len(terms.notes(record.encode(), ip)) == notes


@pytest.mark.parametrize(
    ("network", "prefix", "ip", "inside"),
    [
        ("192.0.2.0", 24, IP, True),
        ("192.0.3.0", 24, IP, False),
        ("0.0.0.0", 0, IP, True),
        ("192.0.2.1", 32, IP, True),
        ("192.0.2.1", 999, IP, True),
        ("2001:db8::", 32, IP6, True),
        ("2001:db8::", 32, IP, False),
        ("192.0.2.1", 32, IP6, False),
        ("192.0.2", 8, IP, False),
        ("192.0.2.1\0", 32, IP, False),
        ("", 0, IP, False),
        ("fe80::", 10, "fe80::1%eth0", True),
    ],
)
def test_covers(network: str, prefix: int, ip: str, inside: bool) -> None:
    client = parse_client(ip)
    assert client is not None
    assert covers(network, prefix, client) is inside


@pytest.mark.parametrize(
    ("address", "text", "kind"),
    [
        ("fe80::1%eth0", "fe80::1", RecordType.AAAA),
        ("::FFFF:192.0.2.1", "192.0.2.1", RecordType.A),
        ("2001:DB8::0:1", "2001:db8::1", RecordType.AAAA),
    ],
)
def test_a_client_has_one_spelling(address: str, text: str, kind: RecordType) -> None:
    client = parse_client(address)
    assert client is not None
    assert (client.text, client.kind) == (text, kind)
