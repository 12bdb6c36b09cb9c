"""checks.spf.pyspf: the order of evaluation, what is not reached, which term is named, and what counts as void."""

import itertools
import time
from typing import Any

import pytest

from lab.zone import Zone
from mailvet.checks.spf.check import Checker
from mailvet.checks.spf.pyspf import evaluate
from mailvet.ports import RecordType, Trouble
from mailvet.syntax import reverse_path
from mailvet.verdict import SpfIdentity, SpfResult, SpfVerdict

IP, IP6 = "192.0.2.1", "2001:db8::1"
PTR = "1.2.0.192.in-addr.arpa"
PASS, FAIL, SOFTFAIL, NEUTRAL = SpfResult.PASS, SpfResult.FAIL, SpfResult.SOFTFAIL, SpfResult.NEUTRAL
PERMERROR, TEMPERROR = SpfResult.PERMERROR, SpfResult.TEMPERROR


def zone(text: str, names: dict[str, Any]) -> Zone:
    """x.example has this record."""
    own = names.get("x.example", {})
    return Zone({**names, "x.example": {**own, "TXT": [text.encode()]}})


def check(where: Zone, ip: str = IP, sender: str = "ann@x.example") -> SpfVerdict:
    return Checker(evaluate, time.monotonic).check_mail_from(ip, "helo.example", reverse_path.parse(sender), where)


def judged(text: str, names: dict[str, Any] | None = None, ip: str = IP) -> SpfResult:
    return check(zone(text, names or {}), ip).result


def hosts(count: int, last: str = "198.51.100.1") -> dict[str, Any]:
    return {f"h{i}.example": {"A": [last if i == count - 1 else "198.51.100.1"]} for i in range(count)}


TEN = " ".join(f"a:h{i}.example" for i in range(10))


@pytest.mark.parametrize(
    ("text", "names", "result"),
    [
        pytest.param(f"v=spf1 ip4:{IP} x=1 x=2 -all", {}, PASS, id="§6 an unknown modifier twice"),
        pytest.param(f"v=spf1 x=100%% ip4:{IP} -all", {}, PASS, id="§7.1 a sign of percent at the end"),
        pytest.param(f"v=spf1 ip4:{IP} include:x.example -all", {}, PASS, id="§4.6.2 itself, not reached"),
        pytest.param("v=spf1 ip4:192.0.2.9 include:x.example -all", {}, PERMERROR, id="§4.6.4 itself, reached"),
        pytest.param("v=spf1 ip4:192.0.2.9 include:%{d} -all", {}, PERMERROR, id="§4.6.4 itself by a macro"),
        pytest.param(
            "v=spf1 include:y.example -all",
            {"y.example": {"TXT": [f"v=spf1 ip4:{IP} include:y.example include:x.example -all".encode()]}},
            PASS,
            id="§4.6.2 a loop behind the match of an included record",
        ),
        pytest.param(
            f"v=spf1 {TEN} redirect=r.example", hosts(10, IP), PASS, id="§6.1 redirect= behind the tenth, which matches"
        ),
        pytest.param(
            f"v=spf1 redirect=r.example {TEN} ~all", hosts(10), SOFTFAIL, id="§6.1 all and redirect= behind ten"
        ),
        pytest.param(f"v=spf1 {TEN} redirect=r.example", hosts(10), PERMERROR, id="§4.6.4 redirect= is the eleventh"),
        pytest.param(
            f"v=spf1 {TEN} a:eleventh.example -all", hosts(10, IP), PASS, id="§4.6.4 the eleventh is not reached"
        ),
        pytest.param(
            f"v=spf1 {TEN} a:eleventh.example -all", hosts(10), PERMERROR, id="§4.6.4 the eleventh is reached"
        ),
        pytest.param(
            f"v=spf1 include:y.example ip4:{IP}",
            {
                "y.example": {"TXT": [b"v=spf1 ip4:192.0.2.9 redirect=z.example"]},
                "z.example": {"TXT": [b"v=spf1 -all"]},
            },
            PASS,
            id="§5.2 a redirect= that fails, in an included record",
        ),
        pytest.param(f"v=spf1 ip4:{IP} include:nothing.example", {}, PASS, id="§5.2 nothing to include, not reached"),
        pytest.param("v=spf1 include:nothing.example ~all", {}, PERMERROR, id="§5.2 nothing to include"),
        pytest.param("v=spf1 ?all redirect=nothing.example", {}, NEUTRAL, id="§6.1 nowhere to go, not reached"),
        pytest.param("v=spf1 redirect=nothing.example", {}, PERMERROR, id="§6.1 nowhere to go"),
        pytest.param(
            "v=spf1 include:y.example ~all",
            {"y.example": {"TXT": [b"v=spf1 ?all moo"]}},
            PERMERROR,
            id="§5.2 a mistake included",
        ),
        pytest.param(
            f"v=spf1 ip4:{IP} include:y.example",
            {"y.example": {"TXT": [b"v=spf1 moo"]}},
            PASS,
            id="§4.6.2 a mistake not reached",
        ),
        pytest.param(
            "v=spf1 redirect=y.example",
            {"y.example": {"TXT": [b"v=spf1", b"v=spf1 a"]}},
            PERMERROR,
            id="§4.5 two records",
        ),
        pytest.param("v=spf1 include:a..b.example ~all", {}, PERMERROR, id="§4.8 an empty label"),
        pytest.param(f"v=spf1 a:a..b.example ip4:{IP} -all", {}, PASS, id="§4.8 an empty label does not match"),
        pytest.param("v=spf1", {}, NEUTRAL, id="§4.7 nothing said"),
    ],
)
def test_order(text: str, names: dict[str, Any], result: SpfResult) -> None:
    assert judged(text, names) is result


BROKEN = {"y.example": Trouble.SERVFAIL, PTR: Trouble.SERVFAIL}


@pytest.mark.parametrize(
    "term",
    ["include:y.example", "a:y.example", "mx:y.example", "exists:y.example", "ptr", "exists:%{p}.z.example",
     "redirect=y.example", "redirect=%{p}.z.example", "exp=y.example", "exp=%{p}.z.example", "k=%{p}"],
)  # fmt: skip
@pytest.mark.parametrize("match", [f"-ip4:{IP}", f"ip4:{IP}", f"?ip4:{IP}", f"~ip4:{IP}"])
def test_what_is_behind_a_match_is_not_asked(term: str, match: str) -> None:
    """RFC 7208 §4.6.2"""
    where = zone(f"v=spf1 {match} {term} +all", BROKEN)
    assert check(where).result in {"-": [FAIL], "i": [PASS], "?": [NEUTRAL], "~": [SOFTFAIL]}[match[0]]
    assert list(where.questions) == [("x.example", RecordType.TXT)]


@pytest.mark.parametrize(
    "names",
    [
        pytest.param({PTR: Trouble.SERVFAIL}, id="the names"),
        pytest.param({PTR: {"PTR": ["n.example"]}, "n.example": Trouble.TIMEOUT}, id="an address of theirs"),
    ],
)
@pytest.mark.parametrize(
    ("text", "result"),
    [
        ("v=spf1 exists:%{p}.z.example -all", TEMPERROR),
        ("v=spf1 exists:%{p}.z.example ?all", TEMPERROR),
        ("v=spf1 exists:%{p}.z.example", TEMPERROR),
        ("v=spf1 ptr -all", TEMPERROR),
        ("v=spf1 include:%{p}.z.example -all", TEMPERROR),
        ("v=spf1 redirect=%{p}.z.example", TEMPERROR),
        ("v=spf1 exists:%{p}.z.example +all", PASS),
        ("v=spf1 ptr +all", PASS),
        (f"v=spf1 -exists:%{{P1}}.z.example ip4:{IP} -all", PASS),
    ],
)
def test_trouble_at_the_client_s_names_is_never_a_fail(text: str, result: SpfResult, names: dict[str, Any]) -> None:
    """RFC 7208 §5.5 and §7.3 would go on as if there were no name."""
    checker = Checker(evaluate, time.monotonic)
    where = zone(text, names)
    assert checker.check_mail_from(IP, "helo.example", reverse_path.parse("ann@x.example"), where).result is result
    assert not checker.known(IP, "x.example", SpfIdentity.MAILFROM)


REDIRECTED = {
    "y.example": {"TXT": [b"v=spf1 ip4:192.0.2.2 -a:%{l}.y.example/24 ~all"]},
    "ann.y.example": {"A": ["192.0.2.77"]},
}


@pytest.mark.parametrize(
    ("text", "result", "term"),
    [
        ("v=spf1 mx -all", FAIL, "-all"),
        ("v=spf1 mx ~ALL", SOFTFAIL, "~ALL"),
        ("v=spf1 ?all", NEUTRAL, "?all"),
        ("v=spf1 +ip4:192.0.2.0/24 -all", PASS, "+ip4:192.0.2.0/24"),
        ("v=spf1  -exists:%{l}.e.example  ?all", FAIL, "-exists:%{l}.e.example"),
        ("v=spf1 include:%{l}.i.example -all", PASS, "include:%{l}.i.example"),
        ("v=spf1 a:h.example//64 a:h.example/24//64", PASS, "a:h.example/24//64"),
        ("v=spf1 mx", NEUTRAL, ""),
        ("v=spf1 redirect=y.example", FAIL, "-a:%{l}.y.example/24"),
        ("v=spf1 redirect=z.example", NEUTRAL, ""),
        ("v=spf1 include:y.example", NEUTRAL, ""),
        ("v=spf1 mx moo", PERMERROR, ""),
        ("v=spf1 a:t.example -all", TEMPERROR, ""),
    ],
)
def test_the_term_is_named_as_it_was_published(text: str, result: SpfResult, term: str) -> None:
    names = {
        **REDIRECTED, "z.example": {"TXT": [b"v=spf1"]}, "ann.e.example": {"A": [IP]},
        "h.example": {"A": ["192.0.2.9"]},
        "ann.i.example": {"TXT": [b"v=spf1 +all"]}, "t.example": Trouble.TIMEOUT,
    }  # fmt: skip
    verdict = check(zone(text, names))
    assert (verdict.result, verdict.mechanism) == (result, term)
    assert "ann" not in verdict.mechanism + verdict.problem


MACROS = [
    ("%{s}", "ann-lee@a-b.x.example"), ("%{l}", "ann-lee"), ("%{o}", "a-b.x.example"), ("%{d}", "a-b.x.example"),
    ("%{d4}", "a-b.x.example"), ("%{d3}", "a-b.x.example"), ("%{d2}", "x.example"), ("%{d1}", "example"),
    ("%{dr}", "example.x.a-b"), ("%{d2r}", "x.a-b"), ("%{d-}", "a.b.x.example"), ("%{d1-}", "b.x.example"),
    ("%{l-}", "ann.lee"), ("%{lr}", "ann-lee"), ("%{lr-}", "lee.ann"), ("%{l1r-}", "ann"), ("%{L-}", "ann.lee"),
    ("%{S}", "ann-lee%40a-b.x.example"), ("%{v}", "in-addr"), ("%{i}", "192.0.2.1"), ("%{ir}", "1.2.0.192"),
    ("%{i2}", "2.1"), ("%{h}", "helo.example"), ("%{h2r}", "example.helo"), ("%{d.-}", "a.b.x.example"),
    ("a%%b%_c%-d", "a%b c%20d"), ("%{d127}", "a-b.x.example"),
]  # fmt: skip


@pytest.mark.parametrize(("macro", "text"), MACROS)
def test_macros(macro: str, text: str) -> None:
    """RFC 7208 §7.4, and §7.3: "the parts are rejoined using '.'", whatever divided them."""
    where = Zone(
        {"a-b.x.example": {"TXT": [f"v=spf1 exists:{macro}.e.example -all".encode()]}, f"{text}.e.example": {"A": [IP]}}
    )
    assert check(where, sender="ann-lee@a-b.x.example").result is PASS


def test_an_ipv6_client_is_spelt_in_nibbles() -> None:
    nibbles = "2.0.0.1.0.d.b.8." + "0." * 23 + "1"
    assert judged("v=spf1 exists:%{i}.%{v}.e.example -all", {f"{nibbles}.ip6.e.example": {"A": [IP]}}, IP6) is PASS


NAMES_OF_CLIENT = ["b.y.example", "z.example", "a.x.example", "c.x.example", "x.example"]


@pytest.mark.parametrize("there", [NAMES_OF_CLIENT, NAMES_OF_CLIENT[:4], NAMES_OF_CLIENT[:2], []])
def test_the_client_s_name_does_not_depend_on_the_order_of_answers(there: list[str]) -> None:
    """RFC 7208 §7.3: the domain itself, a name in it, any other."""
    expected = {5: "x.example", 4: "a.x.example", 2: "b.y.example", 0: "unknown"}[len(there)]
    for order in itertools.permutations(there):
        names: dict[str, Any] = {name: {"A": [IP]} for name in there}
        names |= {PTR: {"PTR": list(order)}, f"{expected}.e.example": {"A": ["127.0.0.2"]}}
        assert judged("v=spf1 exists:%{p}.e.example -all", names) is PASS


def test_the_client_s_name_is_that_for_the_record_it_stands_in() -> None:
    names = {
        PTR: {"PTR": ["x.example", "y.example"]}, "x.example": {"A": [IP]}, "y.example.e.example": {"A": [IP]},
        "y.example": {"A": [IP], "TXT": [b"v=spf1 exists:%{p}.e.example -all"]},
    }  # fmt: skip
    assert judged("v=spf1 -exists:%{p}.nowhere.example include:y.example -all", names) is PASS


def test_of_twenty_names_the_same_ten_are_looked_at() -> None:
    """RFC 7208 §4.6.4: the first ten; those in the domain come first, then the alphabet decides."""
    own = [f"n{i}.example" for i in range(20)] + ["zz.x.example"]
    for order in (own, own[::-1], own[7:] + own[:7]):
        names: dict[str, Any] = {name: {"A": ["198.51.100.7"]} for name in own} | {PTR: {"PTR": order}}
        names["zz.x.example"] = {"A": [IP]}
        where = zone("v=spf1 ptr -all", names)
        assert check(where).result is PASS
        assert ("n18.example", RecordType.A) not in where.questions


def test_exchanges_of_one_preference_are_asked_in_one_order() -> None:
    for order in itertools.permutations([(10, "c.example"), (10, "a.example"), (5, "b.example")]):
        names = {"x.example": {"MX": list(order)}, "a.example": {"A": [IP]}, "b.example": {"A": ["192.0.2.9"]}}
        where = zone("v=spf1 mx -all", {**names, "c.example": Trouble.SERVFAIL})
        assert check(where).result is PASS
        assert list(where.questions)[2:] == [("b.example", RecordType.A), ("a.example", RecordType.A)]


FOUR = {f"f{i}.example": {"A": ["198.51.100.1"], "MX": [(1, f"f{i}.example")]} for i in range(10)}
SIX = {f"s{i}.example": {"AAAA": ["2001:db8:f::1"]} for i in range(10)}
THERE = {
    **FOUR, **SIX, "i.example": {"TXT": [b"v=spf1 ip4:192.0.2.1 ip6:2001:db8::1"]},
    "t.example": {"TXT": [b"hello"]}, "u.example": {"TXT": [b"hello"]},
}  # fmt: skip


@pytest.mark.parametrize(
    ("terms", "ip", "result"),
    [
        pytest.param("a:f1.example a:f2.example a:f3.example include:i.example", IP6, PASS, id="hosts without IPv6"),
        pytest.param("a:s1.example a:s2.example a:s3.example include:i.example", IP, PASS, id="hosts without IPv4"),
        pytest.param(
            "mx:f1.example mx:f2.example mx:f3.example include:i.example", IP6, PASS, id="exchanges without IPv6"
        ),
        pytest.param("a:f1.example a:f2.example a:f3.example -all", IP6, FAIL, id="and none matches"),
        pytest.param(
            "a:n1.example a:n2.example a:n3.example include:i.example",
            IP,
            PERMERROR,
            id="three names that are not there",
        ),
        pytest.param(
            "a:t.example a:u.example a:n.example include:i.example", IP6, PERMERROR, id="hosts without any address"
        ),
        pytest.param("a:n1.example a:f1.example a:n2.example include:i.example", IP6, PASS, id="two are not there"),
        pytest.param(
            "a:n1.example a:n2.example a:f1.example include:i.example",
            IP6,
            PASS,
            id="two are not there, then one that is",
        ),
        pytest.param("a:n1.example a:n2.example a:f1.example a:n3.example ~all", IP6, PERMERROR, id="three after all"),
        pytest.param(
            "exists:s1.example exists:s2.example exists:s3.example ~all", IP, PERMERROR, id="exists is about A alone"
        ),
        pytest.param("mx:n1.example mx:s1.example mx:s2.example ~all", IP, PERMERROR, id="hosts without exchanges"),
    ],
)
def test_what_is_void(terms: str, ip: str, result: SpfResult) -> None:
    """RFC 7208 §4.6.4, but a host that has only addresses of the other family is there."""
    assert judged(f"v=spf1 {terms}", THERE, ip) is result


def test_the_other_family_is_asked_for_only_where_it_decides() -> None:
    two, four = (" ".join(f"a:f{i}.example" for i in range(count)) for count in (2, 4))
    for terms, other in ((two, []), (four, ["f0.example", "f1.example", "f2.example"])):
        where = zone(f"v=spf1 {terms} ~all", THERE)
        assert check(where, IP6).result is SOFTFAIL
        assert [name for name, kind in where.questions if kind is RecordType.A] == other


def test_a_host_of_which_we_cannot_find_out_is_not_held_against_the_sender() -> None:
    names = {f"v{i}.example": {"A": Trouble.SERVFAIL, "TXT": [b"hello"]} for i in range(3)}
    checker = Checker(evaluate, time.monotonic)
    where = zone("v=spf1 a:v0.example a:v1.example a:v2.example include:i.example", {**THERE, **names})
    assert checker.check_mail_from(IP6, "helo.example", reverse_path.parse("ann@x.example"), where).result is PASS
    assert not checker.known(IP6, "x.example", SpfIdentity.MAILFROM)


def test_asking_for_the_other_family_has_the_bounds_of_the_check() -> None:
    names: dict[str, Any] = {f"m{i}.example": {"MX": [(j, f"h{j}.m{i}.example") for j in range(10)]} for i in range(10)}
    names |= {f"h{j}.m{i}.example": {"A": ["198.51.100.1"]} for i in range(10) for j in range(10)}
    where = zone("v=spf1 " + " ".join(f"mx:m{i}.example" for i in range(10)), names)
    assert check(where, IP6).result is PERMERROR
    assert where.asked <= 30


@pytest.mark.parametrize(
    "text", ["v=spf1 exp=%{l}.why.example -all", f"v=spf1 -ip4:{IP} exists:%{{s}}.e.example", "v=spf1 k=%{h} -all"]
)
def test_a_macro_of_the_sender_that_is_not_expanded_does_not_keep_from_remembering(text: str) -> None:
    checker = Checker(evaluate, time.monotonic)
    where = zone(text, {})
    assert checker.check_mail_from(IP, "helo.example", reverse_path.parse("ann@x.example"), where).result is FAIL
    assert checker.known(IP, "x.example", SpfIdentity.MAILFROM)
