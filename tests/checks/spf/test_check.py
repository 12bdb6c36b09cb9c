"""checks.spf.pyspf: verdicts, what they rest on, and how little they ask."""

import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, strategies as st

from lab.zone import Zone
from mailvet.checks.spf.check import Checker
from mailvet.checks.spf.pyspf import evaluate
from mailvet.ports import Answer, RecordType, Trouble
from mailvet.syntax import reverse_path
from mailvet.verdict import SpfIdentity, SpfResult, SpfVerdict

IP = "192.0.2.1"
NAMES: dict[str, Any] = {
    "example.org": {"TXT": [b"v=spf1 mx -all"], "MX": [(10, "mx.example.org")]},
    "mx.example.org": {"A": [IP], "AAAA": ["2001:db8::1"], "TXT": [b"v=spf1 a -all"]},
    "macro.example.org": {"TXT": [b"v=spf1 exists:%{l}.ok.example.org -all"]},
    "ann.ok.example.org": {"A": ["127.0.0.2"]},
}


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def mail_from(sender: str, names: Any = NAMES, ip: str = IP, helo: str = "mx.example.org") -> SpfVerdict:
    return Checker(evaluate, time.monotonic).check_mail_from(
        ip, helo, reverse_path.parse(sender), names if isinstance(names, Zone) else Zone(names)
    )


def record(text: str, **names: Any) -> dict[str, Any]:
    """A zone where x.example has this record; the other names are given with "_" for "."."""
    others = {name.replace("_", "."): types for name, types in names.items()}
    return {"x.example": {"TXT": [text.encode()]}, **others}


def test_a_verdict_says_what_matched() -> None:
    assert mail_from("ann@example.org") == SpfVerdict(
        result=SpfResult.PASS, identity=SpfIdentity.MAILFROM, domain="example.org", mechanism="mx"
    )


@pytest.mark.parametrize(
    ("sender", "ip", "result"),
    [
        pytest.param("ann@example.org", "192.0.2.9", SpfResult.FAIL, id="another client"),
        pytest.param("ann@example.org", "::ffff:192.0.2.1", SpfResult.PASS, id="IPv4-mapped is IPv4, RFC 7208 §5"),
        pytest.param("ann@example.org", "2001:DB8:0::1", SpfResult.PASS, id="IPv6 in another spelling"),
        pytest.param("ann@EXAMPLE.org.", IP, SpfResult.PASS, id="case and final dot"),
        pytest.param("@a.example,@b.example:ann@example.org", IP, SpfResult.PASS, id="a source route is ignored"),
        pytest.param('"a@b.example"@example.org', IP, SpfResult.PASS, id="@ in a quoted local part"),
        pytest.param("ann@nowhere.example", IP, SpfResult.NONE, id="RFC 7208 §4.3, no such domain"),
        pytest.param("ann@example.org", "unknown", SpfResult.TEMPERROR, id="the client is not known"),
        pytest.param("ann@example.org", "", SpfResult.TEMPERROR, id="there is no client"),
    ],
)
def test_results(sender: str, ip: str, result: SpfResult) -> None:
    assert mail_from(sender, ip=ip).result is result


ODD = [
    "", "a", "[192.0.2.1]", "192.0.2.1", "exa mple.org", "a.example.org\0.evil.example", "(any@example.org",
    "example.org(x", "example.org;dkim=pass", "example.org\r\nX: y", "..", ".example.org", "a..example.org",
    "x" * 64 + ".example.org", "a." * 127 + "example.org", "\ufffd.example.org", "\udce4.example.org", "a" * 60_000,
    "a'b.example.org", "-.example.org",
]  # fmt: skip


@pytest.mark.parametrize("name", ODD, ids=lambda name: ascii(name[:30]))
def test_an_odd_domain_is_none_and_goes_nowhere(name: str) -> None:
    zone = Zone(NAMES)
    checker = Checker(evaluate, time.monotonic)
    for verdict in (
        checker.check_helo(IP, name, zone),
        checker.check_mail_from(IP, name, reverse_path.parse(""), zone),
        checker.check_mail_from(IP, "mx.example.org", reverse_path.parse("ann@" + name), zone),
    ):
        assert verdict.result is SpfResult.NONE  # RFC 7208 §4.3
        assert verdict.domain == ""
        assert verdict.problem
    assert zone.asked == 0
    assert checker.known(IP, name, SpfIdentity.HELO)


@pytest.mark.parametrize(
    "sender",
    ["ann", "ann@", "a@b@example.org", "<<a@example.org>>", "a b\n@example.org", '"a"b@example.org', '"a@example.org',
     "@evil:ann@example.org", "@a.example,xb.example:ann@example.org", "a,b@example.org", "a" * 2000 + "@example.org"],
    ids=lambda sender: ascii(sender[:40]),
)  # fmt: skip
def test_a_malformed_sender_is_none(sender: str) -> None:
    zone = Zone(NAMES)
    verdict = mail_from(sender, zone)
    assert (verdict.result, verdict.domain, zone.asked) == (SpfResult.NONE, "", 0)


def test_a_null_sender_is_postmaster_at_helo() -> None:
    """RFC 7208 §2.4"""
    names = {"mx.example.org": {"TXT": [b"v=spf1 exists:%{l}.%{o} -all"]}, "postmaster.mx.example.org": {"A": [IP]}}
    verdict = mail_from("", names)
    assert (verdict.result, verdict.domain) == (SpfResult.PASS, "mx.example.org")
    assert verdict.identity is SpfIdentity.MAILFROM


def test_a_null_sender_without_a_helo_name_says_what_is_wrong_with_helo() -> None:
    verdict = mail_from("", helo="[192.0.2.1]")
    assert (verdict.result, verdict.domain) == (SpfResult.NONE, "")
    assert verdict.problem == "HELO is not a fully qualified domain name"


@pytest.mark.parametrize(
    ("sender", "domain"),
    [("ann@bücher.example", "xn--bcher-kva.example"), ("ann@BÜCHER.example", "xn--bcher-kva.example")],
)
def test_u_labels_become_a_labels(sender: str, domain: str) -> None:
    """RFC 8616 §4"""
    verdict = mail_from(sender, {"xn--bcher-kva.example": {"TXT": [b"v=spf1 +ip4:192.0.2.1 -all"]}})
    assert (verdict.result, verdict.domain) == (SpfResult.PASS, domain)


@pytest.mark.parametrize("local", ["jörg", "\u212a", "\udce4"], ids=ascii)
def test_a_local_part_beyond_ascii_matches_no_macro(local: str) -> None:
    """RFC 8616 §4. U+212A is a "k" once it is lower-cased."""
    names = {**NAMES, "k.ok.example.org": {"A": [IP]}, "j?rg.ok.example.org": {"A": [IP]}}
    assert mail_from("k@macro.example.org", names).result is SpfResult.PASS
    assert mail_from(f"{local}@macro.example.org", names).result is SpfResult.FAIL


TROUBLED = [
    ("the record", {"x.example": Trouble.SERVFAIL}),
    ("include", record("v=spf1 include:y.example ~all", y_example=Trouble.SERVFAIL)),
    ("a", record("v=spf1 a:y.example ~all", y_example=Trouble.SERVFAIL)),
    ("mx", record("v=spf1 mx:y.example ~all", y_example=Trouble.SERVFAIL)),
    ("exchange", record("v=spf1 mx:z.example ~all", z_example={"MX": [(1, "y.example")]}, y_example=Trouble.SERVFAIL)),
    ("exists", record("v=spf1 exists:y.example ~all", y_example=Trouble.SERVFAIL)),
    ("redirect", record("v=spf1 redirect=y.example", y_example=Trouble.SERVFAIL)),
    ("ptr", record("v=spf1 ptr:y.example -all", **{"1_2_0_192_in-addr_arpa": Trouble.SERVFAIL})),
    (
        "ptr name",
        record("v=spf1 ptr -all", y_example=Trouble.SERVFAIL, **{"1_2_0_192_in-addr_arpa": {"PTR": ["y.example"]}}),
    ),
]


@pytest.mark.parametrize("trouble", Trouble)
@pytest.mark.parametrize("names", [names for _, names in TROUBLED], ids=[where for where, _ in TROUBLED])
def test_dns_trouble_is_temperror_and_not_kept(names: dict[str, Any], trouble: Trouble) -> None:
    broken = {name: trouble if isinstance(types, Trouble) else types for name, types in names.items()}
    checker = Checker(evaluate, time.monotonic)
    verdict = checker.check_mail_from(IP, "h.example", reverse_path.parse("ann@x.example"), Zone(broken))
    assert verdict.result is SpfResult.TEMPERROR
    assert str(trouble) in verdict.problem
    assert any(name in verdict.problem for name in broken)  # which question it was
    assert not checker.known(IP, "x.example", SpfIdentity.MAILFROM)


def test_ptr_trouble_is_no_match_where_another_term_passes() -> None:
    """RFC 7208 §5.5"""
    names = record("v=spf1 ptr ip4:192.0.2.1 -all", **{"1_2_0_192_in-addr_arpa": Trouble.TIMEOUT})
    checker = Checker(evaluate, time.monotonic)
    assert both(checker, Zone(names), sender="ann@x.example")[1] is SpfResult.PASS
    assert not checker.known(IP, "x.example", SpfIdentity.MAILFROM)  # later it may rest on ptr


def chain(length: int) -> dict[str, Any]:
    names = {f"i{i}.example": {"TXT": [f"v=spf1 include:i{i + 1}.example ?all".encode()]} for i in range(length)}
    return {**names, f"i{length}.example": {"TXT": [b"v=spf1 ip4:192.0.2.1 -all"]}}


def mx_hosts(count: int) -> dict[str, Any]:
    hosts = {f"m{i}.example": {"A": ["192.0.2.77"]} for i in range(count)}
    hosts[f"m{count - 1}.example"] = {"A": [IP]}
    return {**hosts, "i0.example": {"TXT": [b"v=spf1 mx -all"], "MX": [(i, f"m{i}.example") for i in range(count)]}}


@pytest.mark.parametrize(
    ("names", "result"),
    [
        pytest.param(chain(10), SpfResult.PASS, id="ten includes"),
        pytest.param(chain(11), SpfResult.PERMERROR, id="eleven includes"),
        pytest.param(
            {
                "i0.example": {"TXT": [b"v=spf1 include:i1.example"]},
                "i1.example": {"TXT": [b"v=spf1 include:i0.example"]},
            },
            SpfResult.PERMERROR,
            id="a loop of includes",
        ),
        pytest.param(
            {"i0.example": {"TXT": [b"v=spf1 redirect=i0.example"]}}, SpfResult.PERMERROR, id="a loop of redirects"
        ),
        pytest.param(
            {"i0.example": {"TXT": [b"v=spf1 a:n1.i0.example a:n2.i0.example ~all"]}},
            SpfResult.SOFTFAIL,
            id="two voids",
        ),
        pytest.param(
            {"i0.example": {"TXT": [b"v=spf1 a:n1.i0.example a:n2.i0.example a:n3.i0.example ~all"]}},
            SpfResult.PERMERROR,
            id="three voids",
        ),
        pytest.param(mx_hosts(10), SpfResult.PASS, id="ten exchanges"),
        pytest.param(mx_hosts(11), SpfResult.PERMERROR, id="eleven exchanges"),
        pytest.param(
            {"i0.example": {"TXT": [b"v=spf1 mx ?all"], "MX": [(i, f"v4only{i}.example") for i in range(5)]}},
            SpfResult.NEUTRAL,
            id="one term with five void exchanges is one void",
        ),
    ],
)
def test_limits(names: dict[str, Any], result: SpfResult) -> None:
    """RFC 7208 §4.6.4"""
    assert mail_from("ann@i0.example", names).result is result


def test_a_record_cannot_use_up_the_questions_of_the_message() -> None:
    names: dict[str, Any] = {
        "x.example": {"TXT": [" ".join(["v=spf1", *(f"mx:m{i}.example" for i in range(10))]).encode()]}
    }
    for i in range(10):
        names[f"m{i}.example"] = {"MX": [(1, f"h{j}.m{i}.example") for j in range(10)]}
        names |= {f"h{j}.m{i}.example": {"A": ["198.51.100.1"]} for j in range(10)}
    zone = Zone(names)
    assert mail_from("ann@x.example", zone).result is SpfResult.PERMERROR
    assert zone.asked == 30


def test_an_mx_that_matches_ends_the_questions() -> None:
    names = record("v=spf1 mx -all", m1_example={"A": [IP]}, m2_example={"A": [IP]})
    names["x.example"]["MX"] = [(20, "m2.example"), (10, "m1.example")]
    zone = Zone(names)
    assert mail_from("ann@x.example", zone).result is SpfResult.PASS
    assert ("m2.example", RecordType.A) not in zone.questions


def test_explanations_are_not_asked_for() -> None:
    zone = Zone(record("v=spf1 -all exp=why.example", why_example={"TXT": [b"because"]}))
    assert mail_from("ann@x.example", zone).result is SpfResult.FAIL
    assert zone.asked == 1


def test_modifiers_know_no_case() -> None:
    """RFC 7208 §4.6.1 with RFC 5234 §2.3"""
    names = record("V=SPF1 REDIRECT=y.example", y_example={"TXT": [b"v=spf1 -all"]})
    assert mail_from("ann@x.example", names).result is SpfResult.FAIL


@pytest.mark.parametrize("term", ["a:%{d0}.example", "exists:%{I00R}.%{d}", "x=%{l0-}", "+all exp=%{d0}"])
def test_a_macro_of_no_parts_is_a_syntax_error(term: str) -> None:
    """RFC 7208 §7.3: a number of parts MUST be nonzero."""
    assert mail_from("ann@x.example", record(f"v=spf1 {term}")).result is SpfResult.PERMERROR


@pytest.mark.parametrize("term", ["x=%%{d0}", "x=%{d10}", "x=%{d01}", "x={d0}"])
def test_a_macro_of_parts_is_none(term: str) -> None:
    assert mail_from("ann@x.example", record(f"v=spf1 +all {term}")).result is SpfResult.PASS


def test_a_long_expansion_loses_labels_from_the_left() -> None:
    """RFC 7208 §7.3"""
    label = "a" * 60
    names = record("v=spf1 exists:%{l}.y.example -all", **{"y.example": {}})
    names[".".join([label] * 4) + ".y.example"] = {"A": [IP]}  # 253 characters
    assert mail_from(".".join([label] * 7) + "@x.example", names).result is SpfResult.PASS


HOSTILE = [
    pytest.param("a:x." + "a" * 500 + "!%{d}", id="a long label"),
    pytest.param("x=" + "." * 400 + "%{d}", id="dots and a macro"),
    pytest.param("x=" + "%{S}" * 100, id="macros"),
    pytest.param("x=%{l" + "9" * 480 + "}", id="a macro with a long number"),
    pytest.param("ip4:1.1.1.1/" + "9" * 400, id="a long prefix"),
    pytest.param("ip4:9.9.9.9", id="ranges"),
    pytest.param("", id="spaces"),
    pytest.param("\0", id="NUL"),
    pytest.param("a" * 5000, id="one long term"),
]


@pytest.mark.parametrize("size", [8000, 65_000])
@pytest.mark.parametrize("term", HOSTILE)
def test_a_hostile_record_gets_a_verdict(term: str, size: int) -> None:
    text = "v=spf1 " + (term + " ") * (size // (len(term) + 1))
    verdict = mail_from("a." * 300 + "b@x.example", record(text))
    assert verdict.result in (SpfResult.PERMERROR, SpfResult.NEUTRAL)
    assert "internal error" not in verdict.problem
    assert verdict.problem.isprintable()
    assert len(verdict.problem) <= 200


@pytest.mark.parametrize("term", ["x=" + "a" * 600, "a:" + "%{d}." * 101 + "example"], ids=["long", "many macros"])
def test_what_is_beyond_our_limits_says_so(term: str) -> None:
    verdict = mail_from("ann@x.example", record(f"v=spf1 {term} -all"))
    assert verdict.result is SpfResult.PERMERROR
    assert verdict.problem.startswith(("The record or a term of it is too long", "Too many macros"))


@pytest.mark.parametrize("local", ['"a\\\\b"', '"a\\046b"', "j\u00f6rg"], ids=ascii)
def test_a_name_a_resolver_could_misread_is_not_asked(local: str) -> None:
    zone = Zone(NAMES)
    assert mail_from(f"{local}@macro.example.org", zone).result is SpfResult.FAIL
    assert list(zone.questions) == [("macro.example.org", RecordType.TXT)]


@given(st.binary(max_size=200), st.text(max_size=40), st.text(max_size=40))
def test_any_bytes_get_a_verdict(tail: bytes, helo: str, sender: str) -> None:
    zone = Zone({"x.example": {"TXT": [b"v=spf1 " + tail]}})
    checker = Checker(evaluate, time.monotonic)
    for verdict in (
        checker.check_helo(IP, helo, zone),
        checker.check_mail_from(IP, helo, reverse_path.parse(sender), zone),
        checker.check_mail_from(IP, helo, reverse_path.parse("ann@x.example"), zone),
    ):
        assert "internal error" not in verdict.problem
        assert (verdict.problem + verdict.mechanism).isprintable()


TERMS = ["a", "mx", "ptr", "-ip4:192.0.2.1", "ip6:::/0", "include:x.example", "exists:%{ir}.%{p2}.%{d}", "%",
         "redirect=x.example", "~all", "exp=%{l}.example", "a:%{s}%{h}.example/8//3", "?exists:%{L}%_%-%%.example",
         "mx//0", "q=%{z}"]  # fmt: skip


@given(st.lists(st.sampled_from(TERMS), max_size=8), st.sampled_from([IP, "2001:db8::1"]))
def test_any_terms_get_a_verdict(terms: list[str], ip: str) -> None:
    verdict = mail_from("ann@x.example", record(" ".join(["v=spf1", *terms])), ip)
    assert "internal error" not in verdict.problem


class Failing(Zone):
    def ask(self, name: str, kind: RecordType) -> Answer:
        raise ZeroDivisionError


def test_a_bug_is_temperror_and_says_which() -> None:
    verdict = mail_from("ann@example.org", Failing({}))
    assert (verdict.result, verdict.problem) == (SpfResult.TEMPERROR, "internal error: ZeroDivisionError")


class Signed(Zone):
    """Only the names given are known to be signed, or not."""

    def __init__(self, names: Any, secure: dict[str, bool | None]) -> None:
        super().__init__(names)
        self.by_name = secure

    def ask(self, name: str, kind: RecordType) -> Answer:
        answer = super().ask(name, kind)
        return Answer(answer.status, answer.records, self.by_name.get(name), answer.ttl)


@pytest.mark.parametrize(
    ("domain", "host", "together"),
    [(True, True, True), (True, False, False), (True, None, None), (None, False, False), (None, None, None)],
)
def test_secure_only_if_every_answer_was(domain: bool | None, host: bool | None, together: bool | None) -> None:
    zone = Signed(NAMES, {"example.org": domain, "mx.example.org": host})
    assert mail_from("ann@example.org", zone).secure is together


@pytest.mark.parametrize(
    ("names", "notes"),
    [
        pytest.param(record("v=spf1 +all"), ("+all: every client of the Internet passes",), id="+all"),
        pytest.param(record("v=spf1 all"), ("+all: every client of the Internet passes",), id="all without qualifier"),
        pytest.param(record("v=spf1 ip4:128.0.0.0/1 -all"), ("an enormous range: ip4:128.0.0.0/1",), id="half of IPv4"),
        pytest.param(record("v=spf1 ip4:192.0.0.0/8 -all"), (), id="a /8"),
        pytest.param(
            record("v=spf1 include:y.example -all", y_example={"TXT": [b"v=spf1 ip4:0.0.0.0/0"]}),
            ("an enormous range: ip4:0.0.0.0/0",),
            id="behind an include",
        ),
        pytest.param(
            record("v=spf1 -include:y.example ip4:192.0.2.1", y_example={"TXT": [b"v=spf1 ?all"]}),
            (),
            id="an include that did not match",
        ),
        pytest.param(
            record("v=spf1 a:y.example/2 -all", y_example={"A": ["192.0.2.9"]}),
            ("an enormous range: a:y.example/2",),
            id="a/2",
        ),
    ],
)
def test_a_weak_pass_is_noted(names: dict[str, Any], notes: tuple[str, ...]) -> None:
    verdict = mail_from("ann@x.example", names)
    assert verdict.result is SpfResult.PASS
    assert verdict.notes == notes


def test_a_record_that_passed_in_vain_is_not_noted() -> None:
    names = record(
        "v=spf1 include:y.example ip4:192.0.2.1 -all",
        y_example={"TXT": [b"v=spf1 -include:z.example"]},
        z_example={"TXT": [b"v=spf1 +all"]},
    )
    verdict = mail_from("ann@x.example", names)
    assert (verdict.result, verdict.notes) == (SpfResult.PASS, ())


def test_notes_only_where_it_passes() -> None:
    assert (
        mail_from("ann@x.example", record("v=spf1 -include:y.example", y_example={"TXT": [b"v=spf1 +all"]})).notes == ()
    )


def both(checker: Checker, zone: Zone, ip: str = IP, sender: str = "ann@example.org") -> list[SpfResult]:
    return [
        checker.check_helo(ip, "mx.example.org", zone).result,
        checker.check_mail_from(ip, "mx.example.org", reverse_path.parse(sender), zone).result,
    ]


def test_a_repeat_asks_nothing_until_the_shortest_ttl_is_over() -> None:
    clock = Clock()
    checker = Checker(evaluate, clock)
    assert both(checker, Zone(NAMES, ttl=60)) == [SpfResult.PASS, SpfResult.PASS]
    assert checker.known(IP, "Example.ORG", SpfIdentity.MAILFROM)
    empty = Zone({})
    clock.now += 59
    assert both(checker, empty) == [SpfResult.PASS, SpfResult.PASS]
    assert empty.asked == 0
    clock.now += 1
    assert not checker.known(IP, "example.org", SpfIdentity.MAILFROM)
    assert both(checker, empty) == [SpfResult.NONE, SpfResult.NONE]


def test_nothing_is_remembered_for_longer_than_five_minutes() -> None:
    clock = Clock()
    checker = Checker(evaluate, clock)
    both(checker, Zone(NAMES, ttl=86_400))
    clock.now += 299
    assert checker.known(IP, "example.org", SpfIdentity.MAILFROM)
    clock.now += 1
    assert not checker.known(IP, "example.org", SpfIdentity.MAILFROM)


def test_the_memory_is_of_one_client_and_one_domain() -> None:
    checker = Checker(evaluate, time.monotonic)
    zone = Zone(NAMES)
    both(checker, zone)
    assert both(checker, zone, ip="192.0.2.9") == [SpfResult.FAIL, SpfResult.FAIL]
    assert both(checker, zone, sender="ann@other.example") == [SpfResult.PASS, SpfResult.NONE]


def test_what_holds_for_helo_holds_for_mail_from() -> None:
    checker = Checker(evaluate, time.monotonic)
    checker.check_helo(IP, "mx.example.org", Zone(NAMES))
    verdict = checker.check_mail_from(IP, "mx.example.org", reverse_path.parse(""), Zone({}))
    assert (verdict.result, verdict.identity) == (SpfResult.PASS, SpfIdentity.MAILFROM)


def test_a_verdict_about_the_local_part_is_not_kept() -> None:
    checker = Checker(evaluate, time.monotonic)
    zone = Zone(NAMES)
    assert both(checker, zone, sender="ann@macro.example.org")[1] is SpfResult.PASS
    assert both(checker, zone, sender="bob@macro.example.org")[1] is SpfResult.FAIL
    assert not checker.known(IP, "macro.example.org", SpfIdentity.MAILFROM)


@pytest.mark.parametrize("macro", ["%{l}", "%{S}", "%{h}", "%{L1r-}"])
def test_no_macro_of_the_sender_is_kept(macro: str) -> None:
    checker = Checker(evaluate, time.monotonic)
    both(checker, Zone(record(f"v=spf1 exists:{macro}.ok.example ?all")), sender="ann@x.example")
    assert not checker.known(IP, "x.example", SpfIdentity.MAILFROM)


@pytest.mark.parametrize(
    "text",
    [
        "exists:%{l}.trouble.example",
        "include:%{l}.trouble.example",
        "redirect=%{L1r-}.trouble.example",
        "a:%{l}.trouble.example",
        "redirect=%{l}.nowhere.example",
        "include:%{l}.odd.example",
    ],
)
def test_a_problem_does_not_tell_the_local_part(text: str) -> None:
    names = record(f"v=spf1 {text}")
    names["ann.trouble.example"] = Trouble.SERVFAIL
    names["ann.odd.example"] = {"TXT": ["v=spf1 exists:\N{BULLET}".encode()]}
    verdict = mail_from("ann@x.example", names)
    assert verdict.problem
    assert "ann" not in verdict.problem


def test_macros_of_address_and_domain_are_kept() -> None:
    checker = Checker(evaluate, time.monotonic)
    names = record("v=spf1 exists:%{ir}.%{d2}.ok -all", **{"1_2_0_192_x_example_ok": {"A": [IP]}})
    assert both(checker, Zone(names), sender="ann@x.example")[1] is SpfResult.PASS
    assert checker.known(IP, "x.example", SpfIdentity.MAILFROM)


def test_the_memory_is_bounded_and_forgets_the_oldest() -> None:
    checker = Checker(evaluate, time.monotonic, size=3)
    for name in ("a.example", "b.example", "c.example", "d.example"):
        checker.check_helo(IP, name, Zone({}))
    kept = [checker.known(IP, name, SpfIdentity.HELO) for name in ("a.example", "b.example", "c.example", "d.example")]
    assert kept == [False, True, True, True]


def test_what_was_looked_up_anew_is_the_youngest() -> None:
    clock = Clock()
    checker = Checker(evaluate, clock, size=2)
    for name, ttl in (("a.example", 10), ("b.example", 900), ("a.example", 900), ("c.example", 900)):
        checker.check_helo(IP, name, Zone({}, ttl=ttl))
        clock.now += 20
    assert [checker.known(IP, f"{name}.example", SpfIdentity.HELO) for name in "abc"] == [True, False, True]


def in_threads(work: Callable[[int], None], count: int) -> None:
    threads = [threading.Thread(target=work, args=(i,)) for i in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def test_sixteen_threads_do_not_mix_their_answers() -> None:
    checker = Checker(evaluate, time.monotonic, size=20)  # so that they also evict each other's
    wrong: list[str] = []

    def work(number: int) -> None:
        for turn in range(60):
            domain = f"d{turn}.t{number}.example"
            zone = Zone({domain: {"TXT": [f"v=spf1 include:i.{domain} -all".encode()]},
                         f"i.{domain}": {"TXT": [f"v=spf1 ip4:192.0.2.{number} ?all".encode()]}})  # fmt: skip
            other = (number + 1) % 16
            for client, result in ((number, SpfResult.PASS), (other, SpfResult.FAIL)):
                verdict = checker.check_mail_from(
                    f"192.0.2.{client}", "h.example", reverse_path.parse(f"ann@{domain}"), zone
                )
                if (verdict.result, verdict.domain) != (result, domain):
                    wrong.append(f"{client} {verdict}")

    in_threads(work, 16)
    assert wrong == []


class Counting(Zone):
    asks = 0

    def ask(self, name: str, kind: RecordType) -> Answer:
        self.asks += 1
        return super().ask(name, kind)


@pytest.mark.parametrize(
    ("text", "result"),
    [
        pytest.param("v=spf1 a:" + "%{p}" * 97 + ".a.example -all", SpfResult.FAIL, id="a hundred macros"),
        pytest.param("v=spf1 a:%{p}.a.example -all", SpfResult.FAIL, id="one macro"),
        pytest.param(
            "v=spf1 " + "a:" + "%{d}%{p}" * 50 + ".a.example ptr:z.example -all", SpfResult.FAIL, id="and ptr"
        ),
        pytest.param("v=spf1 exists:%{p}.e.example -all", SpfResult.PASS, id="the name that leads back"),
    ],
)
def test_the_names_of_the_client_are_found_out_once_a_term(text: str, result: SpfResult) -> None:
    """Each takes eleven questions and up to 1,120 comparisons."""
    hosts = [f"p{at}.example" for at in range(10)]
    zone = Counting(
        {
            "x.example": {"TXT": [text.encode()]},
            "1.2.0.192.in-addr.arpa": {"PTR": hosts},
            **{host: {"A": ["198.51.100.1"]} for host in hosts[:-1]},
            hosts[-1]: {"A": ["198.51.100.1", IP]},
            "p9.example.e.example": {"A": ["127.0.0.2"]},
        }
    )
    assert mail_from("ann@x.example", zone).result is result
    assert zone.asks <= 25
