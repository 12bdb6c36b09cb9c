"""checks.spf.grammar: what an SPF record may say by RFC 7208 §12; everything else is permerror, wherever it stands."""

import re
import socket
import string
import time
from typing import Any

import pytest
from hypothesis import given, settings, strategies as st

from lab.zone import Zone
from mailvet.checks.spf import grammar
from mailvet.checks.spf.check import Checker
from mailvet.checks.spf.grammar import Macro, Mechanism, Record
from mailvet.checks.spf.pyspf import evaluate
from mailvet.syntax import reverse_path
from mailvet.values import Problem
from mailvet.verdict import SpfResult

IP = "192.0.2.1"

VALID = [
    ("§4.6.1", ["a", "-a", "~a", "?a", "+a", "A", "aLL", "-ALL", "Ip4:192.0.2.9", "EXISTS:h.example"]),
    ("§5.1", ["all", "+all", "-all", "?all", "~all"]),
    ("§5.2", ["include:h.example", "include:h.example.", "-include:%{d2}.h.example", "include:_spf.h.example"]),
    ("§5.3", ["a:h.example", "a/0", "a/32", "a//0", "a//128", "a/24//64", "a:h.example/24", "a:h.example//64",
              "a:h.example/24//64", "a:%{d}/24", "a:%%/24", "a:h/24.example", "a:h/24.example/24", "a:a-b.h-h"]),
    ("§5.4", ["mx", "mx/9", "mx//9", "mx:h.example", "mx:h.example/10//100", "mx:%{o}//99"]),
    ("§5.5", ["ptr", "ptr:h.example", "-ptr:%{d}"]),
    ("§5.6", ["ip4:0.0.0.0", "ip4:255.249.199.99/0", "ip4:192.0.2.9/9", "ip4:192.0.2.9/32", "ip6:::", "ip6:::/0",
              "ip6:2001:db8::1/128", "ip6:2001:DB8:0:0:0:0:0:1/64", "ip6:::192.0.2.9", "ip6:::ffff:192.0.2.9/96",
              "ip6:1:2:3:4:5:6:192.0.2.9"]),
    ("§5.7", ["exists:h.example", "exists:%{ir}.%{v}._spf.%{d}", "exists:%{l1r-}.h.example",
              "exists:%{i}.h.example."]),
    ("§6", ["x=1 x=2", "x=1 x=1 X=1", "x=", "a=b", "all=no", "include=", "ip4=1.2.3", "x-y_z.9=%{l}", "default=pass",
            "op=auth", "moo=a:b/c=d", "redirects=x", "exp1="]),
    ("§6.1", ["redirect=h.example", "REDIRECT=%{d}", "redirect=_spf.h.example."]),
    ("§6.2", ["exp=h.example", "Exp=%{ir}.h.example", "exp=h.example redirect=h.example"]),
    ("§7.1", ["x=100%%", "x=%_%-%%", "x=%%{d}", "x=%%%%", "x=%%%{d}", "exists:%{d}%%", "exists:h.%-", "exists:%_",
              "exists:%{s}", "exists:%{S}", "exists:%{d2}", "exists:%{d127}", "exists:%{d2r}",
              "exists:%{d2r.-+,/_=}", "exists:%{dr}", "exists:%{dR}", "exists:%{d-}", "exists:%{l--}",
              "exists:{d}.h.example", "exists:}.example", "exists:h.%{d}.example",
              "exists:!#$&'()*+,-./:;<=>?@[]^_`{|}~.example", "exists:h.1a", "exists:h.1-1", "exists:h.a--a",
              "x=%{c}%{r}%{t}"]),
]  # fmt: skip

INVALID = [
    ("§4.6.1", ["=", ":", "!", "-", "+", "--all", "+-a", "-", "moo", "moo:h.example", "a.", "alll", "all.",
                "-redirect=h.example", "+x=1", "~exp=h.example", "ipv4:192.0.2.9", "ip:192.0.2.9", "prt", "mxx",
                "192.0.2.9", "a,", "a;", '"a"', "1=x", "-x=", "_x=1", "=x"]),
    ("§4.5", ["-all\t", "\ta", "a\tmx", "a\nmx", "a\r", "a\x0bmx", "\x00", "a\x7f"]),
    ("§5.1", ["all:", "all:h.example", "all/0", "-all/24", "all//0", "all.example"]),
    ("§5.2", ["include", "include:", "include/24", "include:h.example/24", "include:h", "include: h.example"]),
    ("§5.3", ["a:", "a/", "a//", "a/33", "a//129", "a/024", "a//064", "a/00", "a//00", "a/-1", "a/24/64", "a/24//",
              "a//64/24", "a:/24", "a:h.example/", "a:h.example/33", "a:h.example//129", "a:h.example/024", "a/2x",
              "a/24.0", "a/999", "a//1000", "a:192.0.2.9", "a:h", "a:h.example:25", "a:h..", "a24"]),
    ("§5.4", ["mx:", "mx/", "mx/33", "mx//129", "mx/08", "mx:h", "mx:h.example/24/24", "mx.h.example"]),
    ("§5.5", ["ptr:", "ptr/24", "ptr//64", "ptr:h.example/24", "ptr:h"]),
    ("§5.6", ["ip4", "ip4:", "ip4/24", "ip4:192.0.2", "ip4:192.0.2.", "ip4:192.0.2.9.9", "ip4:192.0.2.256",
              "ip4:192.0.02.9", "ip4:192.0.2.9/", "ip4:192.0.2.9/33", "ip4:192.0.2.9/024", "ip4:192.0.2.9//24",
              "ip4:192.0.2.9/24//64", "ip4:h.example", "ip4:%{i}", "ip4:2001:db8::1", "ip4: 192.0.2.9", "ip6",
              "ip6:", "ip6:192.0.2.9", "ip6:2001:db8:::1", "ip6:1::2::3", "ip6:1:2:3:4:5:6:7",
              "ip6:1:2:3:4:5:6:7:8:9", "ip6:12345::", "ip6:g::", "ip6:2001:db8::1/129", "ip6:2001:db8::1/064",
              "ip6:2001:db8::1//64", "ip6:fe80::1%eth0", "ip6:[::1]", "ip6:::1.2.3", "ip6:::1.2.3.04",
              "ip6:2001:db8::1/"]),
    ("§5.7", ["exists", "exists:", "exists/24", "exists:h.example/24", "exists:h"]),
    ("§6", ["redirect=h.example redirect=h.example", "redirect=h.example REDIRECT=y.example",
            "exp=h.example exp=h.example"]),
    ("§6.1", ["redirect=", "redirect", "redirect:h.example", "redirect=h", "redirect=h.example/24",
              "redirect=192.0.2.9"]),
    ("§6.2", ["exp=", "exp=h", "exp=%{c}.h.example", "exp=%{r}", "exp=%{t}"]),
    ("§7.1", ["exists:%{ir.%{v}._spf.m.test", "redirect=%{s", "redirect=%{sx}.h.example", "x=%{", "x=%", "x=100%",
              "x=%%%", "x=%%%{", "x=%a", "x=%(d)", "x=%{}", "x=%{d", "x=%{2d}", "x=%{d r}", "x=%{dr2}", "x=%{d2rr}",
              "x=%{d-2}", "x=%{d-r}", "x=%{d2r-r}", "x=%{d!}", "x=%{d:}", "x=%{d%%}", "x=%{%{d}}", "x=%{dd}",
              "x=%{D-d}", "x=%{\xe9}", "exists:%{d}.", "exists:%{d}h", "exists:h.%%{d}", "exists:h.-a",
              "exists:h.a-", "exists:h.1", "exists:h._a", "exists:h.a_", "exists:h..", "exists:.",
              "exists:h.example,", "exists:%{d}%"]),
    ("§7.2", ["exists:%{c}.h.example", "redirect=%{R}", "a:%{t}", "exists:%{x}", "exists:%{a}", "x=%{k}", "x=%{m}"]),
    ("§7.3", ["exists:%{d0}", "exists:%{d00}", "exists:%{i0r}.h.example", "x=%{l000-}"]),
]  # fmt: skip
# What `%{...}` may not look like, in each place where a macro-string can stand
BROKEN_MACROS = ["%{s", "%{sx}", "%{s-r}", "%{s1r1}", "%{dr2}", "%{s:}", "%{ss}", "%%%{", "%{ir.%{v}", "%{d}%", "%{}"]
PLACES = ["exists:{}.h.example", "a:{}.h.example/24", "mx:{}.h.example", "include:{}.h.example", "ptr:{}.h.example",
          "redirect={}.h.example", "exp={}.h.example", "x={}.h.example"]  # fmt: skip


def rows(table: list[tuple[str, list[str]]]) -> list[Any]:
    return [pytest.param(term, id=f"{section} {term!a}") for section, terms in table for term in terms]


def check(record: str | bytes) -> SpfResult:
    """The verdict on a client that the first term lets pass."""
    text = record if isinstance(record, bytes) else record.encode("latin-1")
    zone = Zone({"x.example": {"TXT": [text]}})
    return (
        Checker(evaluate, time.monotonic)
        .check_mail_from(IP, "c.example", reverse_path.parse("ann@x.example"), zone)
        .result
    )


def read(record: str) -> Record | Problem:
    return grammar.read(record.encode("latin-1"))


@pytest.mark.parametrize("term", rows(VALID))
def test_it_may_say(term: str) -> None:
    assert isinstance(read(f"v=spf1 {term}"), Record)
    assert check(f"v=spf1 ip4:{IP} {term} -all") is SpfResult.PASS


@pytest.mark.parametrize("term", rows(INVALID))
def test_it_may_not_say(term: str) -> None:
    """RFC 7208 §4.6: errors "anywhere in the record", also behind the term that matches."""
    found = read(f"v=spf1 {term}")
    assert isinstance(found, Problem)
    assert found.text
    for record in (f"v=spf1 ip4:{IP} {term} -all", f"v=spf1 {term} ip4:{IP} -all", f"v=spf1 ip4:{IP} {term}"):
        assert check(record) is SpfResult.PERMERROR


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("macro", BROKEN_MACROS)
def test_a_macro_that_is_none_is_a_mistake_wherever_it_stands(place: str, macro: str) -> None:
    """RFC 7208 §7.1"""
    assert check(f"v=spf1 {place.format(macro)} ip4:{IP} -all") is SpfResult.PERMERROR


@pytest.mark.parametrize("place", PLACES)
def test_a_macro_that_is_one_may_stand_there(place: str) -> None:
    assert check(f"v=spf1 ip4:{IP} {place.format('%{dr-}%%%_%-%{L1r-}')} -all") is SpfResult.PASS


@pytest.mark.parametrize(
    ("record", "result"),
    [
        pytest.param(b"v=spf1", SpfResult.NEUTRAL, id="§4.5 the version alone"),
        pytest.param(b"v=spf1 ", SpfResult.NEUTRAL, id="§12 and a space"),
        pytest.param(b"v=spf1   ip4:192.0.2.1   -all   ", SpfResult.PASS, id="§12 more spaces"),
        pytest.param(b"V=SpF1 ip4:192.0.2.1", SpfResult.PASS, id="§4.5 in capitals"),
        pytest.param(b"v=spf1\n", SpfResult.NONE, id="§4.5 a line feed is not a space"),
        pytest.param(b"v=spf1\tip4:192.0.2.1", SpfResult.NONE, id="§4.5 a tab is not a space"),
        pytest.param(b"v=spf10 ip4:192.0.2.1", SpfResult.NONE, id="§4.5 another version"),
        pytest.param(b" v=spf1 ip4:192.0.2.1", SpfResult.NONE, id="§4.5 a space before it"),
        pytest.param(b"v=spf1 ip4:192.0.2.1 -all v=spf1", SpfResult.PASS, id="§6 v= is an unknown modifier"),
        pytest.param("v=spf1 ip4:192.0.2.1 x=\u00e9".encode(), SpfResult.PERMERROR, id="§3.1 not ASCII"),
        pytest.param(
            b"v=spf1 ip4:192.0.2.1 exists:h.example\xe9", SpfResult.PERMERROR, id="§3.1 not ASCII, at the end"
        ),
        pytest.param("v=spf1 ip4:192.0.2.1\u00a0-all".encode(), SpfResult.PERMERROR, id="§12 a space that is none"),
    ],
)
def test_a_record(record: bytes, result: SpfResult) -> None:
    assert check(record) is result


def test_what_is_read() -> None:
    found = read("v=spf1 -A:h.%{D2r-}%%/24//64 ?ip6:2001:DB8::/32 x=%{h} redirect=h.example exp=e.example")
    assert isinstance(found, Record)
    address, network = found.directives
    assert (address.text, address.result, address.mechanism) == ("-A:h.%{D2r-}%%/24//64", SpfResult.FAIL, Mechanism.A)
    assert address.target == ("h.", Macro("d", True, "2r-"), "%")
    assert (address.length4, address.length6) == (24, 64)
    assert (network.result, network.network, network.length6) == (SpfResult.NEUTRAL, "2001:DB8::", 32)
    assert found.redirect == ("h.example",)


# A generator of the ABNF, written from the RFC and not from the reader.
ALPHANUM = string.ascii_letters + string.digits
LITERALS = "".join(map(chr, [*range(0x21, 0x25), *range(0x26, 0x7F)]))
CIDR4 = st.one_of(st.just(""), st.integers(0, 32).map("/{}".format))
CIDR6 = st.one_of(st.just(""), st.integers(0, 128).map("/{}".format))
DUAL = st.tuples(CIDR4, CIDR6).map(lambda both: both[0] + (f"/{both[1]}" if both[1] else ""))
DELIMITERS = st.text(".-+,/_=", max_size=3)


def macro(letters: str) -> st.SearchStrategy[str]:
    digits = st.one_of(st.just(""), st.integers(1, 128).map(str))
    one = st.tuples(st.sampled_from(letters), digits, st.sampled_from(["", "r", "R"]), DELIMITERS)
    return st.one_of(one.map(lambda parts: "%{" + "".join(parts) + "}"), st.sampled_from(["%%", "%_", "%-"]))


IN_TERMS = macro("slodiphvSLODIPHV")
ANYWHERE = macro("slodiphcrtvSLODIPHCRTV")
TOP_LABEL = st.one_of(
    st.from_regex(r"[A-Za-z0-9]{0,3}[A-Za-z][A-Za-z0-9]{0,3}", fullmatch=True),
    st.from_regex(r"[A-Za-z0-9]{1,3}-[A-Za-z0-9-]{0,3}[A-Za-z0-9]", fullmatch=True),
)
DOMAIN_END = st.one_of(st.tuples(TOP_LABEL, st.sampled_from(["", "."])).map(lambda end: "." + "".join(end)), IN_TERMS)
LITERAL = st.text(LITERALS, min_size=1, max_size=5)
DOMAIN = st.tuples(st.lists(st.one_of(LITERAL, IN_TERMS), max_size=4).map("".join), DOMAIN_END).map("".join)
QNUM = st.integers(0, 255).map(str)
IP4 = st.tuples(QNUM, QNUM, QNUM, QNUM).map(".".join)
IP6 = st.ip_addresses(v=6).flatmap(lambda ip: st.sampled_from([str(ip), ip.exploded, str(ip).upper()]))
NAME = st.from_regex(r"[A-Za-z][A-Za-z0-9_.-]{0,8}", fullmatch=True).filter(
    lambda n: n.lower() not in ("redirect", "exp")
)


def in_any_case(word: str) -> st.SearchStrategy[str]:
    return st.sampled_from([word, word.upper(), word.capitalize()])


def mechanism(name: str, argument: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.tuples(st.sampled_from(["", "+", "-", "?", "~"]), in_any_case(name), argument).map("".join)


NOTHING = st.just("")
COLON_DOMAIN = DOMAIN.map(":{}".format)
MECHANISM = st.one_of(
    mechanism("all", NOTHING),
    mechanism("include", COLON_DOMAIN),
    mechanism("exists", COLON_DOMAIN),
    mechanism("ptr", st.one_of(NOTHING, COLON_DOMAIN)),
    mechanism("a", st.tuples(st.one_of(NOTHING, COLON_DOMAIN), DUAL).map("".join)),
    mechanism("mx", st.tuples(st.one_of(NOTHING, COLON_DOMAIN), DUAL).map("".join)),
    mechanism("ip4", st.tuples(IP4, CIDR4).map("".join).map(":{}".format)),
    mechanism("ip6", st.tuples(IP6, CIDR6).map("".join).map(":{}".format)),
)
UNKNOWN = st.tuples(NAME, st.lists(st.one_of(LITERAL, ANYWHERE), max_size=3).map("".join)).map("=".join)
REDIRECT = st.tuples(in_any_case("redirect"), DOMAIN).map("=".join)
EXPLANATION = st.tuples(in_any_case("exp"), DOMAIN).map("=".join)
SPACES = st.sampled_from([" ", "  "])


@st.composite
def records(draw: st.DrawFn) -> str:
    terms = draw(st.lists(st.one_of(MECHANISM, UNKNOWN), max_size=8))
    for modifier in (REDIRECT, EXPLANATION):
        if draw(st.booleans()):
            terms.insert(draw(st.integers(0, len(terms))), draw(modifier))
    return "".join(
        [draw(in_any_case("v=spf1")), *(draw(SPACES) + term for term in terms), draw(st.sampled_from(["", " "]))]
    )


@given(records())
def test_whatever_the_abnf_makes_is_read(record: str) -> None:
    found = read(record)
    assert isinstance(found, Record)
    directives = [word for word in record.split(" ")[1:] if word and "=" not in word.partition(":")[0]]
    assert [directive.text for directive in found.directives] == [word for word in directives if word]


# The ABNF once more, as one expression for a term, letter for letter from RFC 7208 §12 and slow; what it says in
# comments (value ranges, "known modifier") or elsewhere (§7.2, §7.3) is in it too.
_ALPHANUM = "[A-Za-z0-9]"
_MACRO = r"(?:%\{{[{}](?:[0-9]*[1-9][0-9]*)?r?[.+,/_=-]*\}}|%%|%_|%-)"
_TOP = f"(?:{_ALPHANUM}*[A-Za-z]{_ALPHANUM}*|{_ALPHANUM}+-(?:{_ALPHANUM}|-)*{_ALPHANUM})"
_EXPAND, _EXPAND_ANY = _MACRO.format("slodiphv"), _MACRO.format("slodiphvcrt")
_DOMAIN = rf"(?:[!-$&-~]|{_EXPAND})*(?:\.{_TOP}\.?|{_EXPAND})"
_CIDR4 = "/(?:0|[1-9]|[12][0-9]|3[0-2])"
_CIDR6 = "/(?:0|[1-9]|[1-9][0-9]|1[01][0-9]|12[0-8])"
_DUAL = f"(?:{_CIDR4})?(?:/{_CIDR6})?"
_QNUM = "(?:[0-9]|[1-9][0-9]|1[0-9]{2}|2[0-4][0-9]|25[0-5])"
TERM = re.compile(
    rf"[+?~-]?(?:all|include:{_DOMAIN}|(?:a|mx)(?::{_DOMAIN})?{_DUAL}|ptr(?::{_DOMAIN})?|exists:{_DOMAIN}"
    rf"|ip4:{_QNUM}\.{_QNUM}\.{_QNUM}\.{_QNUM}(?:{_CIDR4})?|ip6:(?P<six>[0-9a-f:.]+)(?:{_CIDR6})?)"
    rf"|(?P<known>redirect|exp)={_DOMAIN}|(?!(?:redirect|exp)=)[a-z][a-z0-9_.-]*=(?:[!-$&-~]|{_EXPAND_ANY})*",
    re.ASCII | re.IGNORECASE,
)


def fits(record: str) -> bool:
    """Does the ABNF make this record?"""
    found = [TERM.fullmatch(word) for word in record.split(" ")[1:] if word]
    known = [match["known"].lower() for match in found if match and match["known"]]
    six = [match["six"] for match in found if match and match["six"]]
    return all(found) and len(known) == len(set(known)) and all(map(is_ip6, six))


def is_ip6(text: str) -> bool:
    try:
        return bool(socket.inet_pton(socket.AF_INET6, text))
    except OSError:
        return False


@st.composite
def corrupted(draw: st.DrawFn) -> str:
    """A record with one character too many, one too few, or another than was there."""
    record = draw(records()) + " "
    at = draw(st.integers(7, len(record)))
    cut = draw(st.integers(0, 1))
    other: str = draw(st.sampled_from(["", *"%{}./:=+-_0139dr a~", "\t", "\xe9"]))
    return record[:at] + other + record[at + cut :]


@settings(max_examples=400)
@given(st.one_of(records(), corrupted()))
def test_one_character_decides_as_the_abnf_does(record: str) -> None:
    assert isinstance(read(record), Record) is fits(record)


@pytest.mark.parametrize("term", rows(VALID + INVALID))
def test_the_abnf_says_the_same_of_the_rows(term: str) -> None:
    assert fits(f"v=spf1 {term}") is isinstance(read(f"v=spf1 {term}"), Record)


@given(records(), st.integers(0), st.sampled_from("\t\n\x00\x1f\x7f\x80\xe9\xff"))
def test_no_octet_from_outside_the_abnf_is_taken(record: str, where: int, octet: str) -> None:
    at = len("v=spf1 ") + where % max(len(record) - len("v=spf1 "), 1)
    assert isinstance(read(record[:at].ljust(7) + octet + record[at:]), Problem)


@given(st.binary(max_size=300))
def test_any_octets_are_a_record_or_a_mistake(tail: bytes) -> None:
    assert isinstance(grammar.read(b"v=spf1 " + tail), Record | Problem)


@pytest.mark.parametrize(
    "piece",
    ["%{", "%{d", "%%", "x=%{l" + "0" * 400 + "} ", "a:" + "/1" * 200 + " ", "a" * 400 + " ", "ip6:" + "1:" * 200 + " ",
     "x=" + "." * 400 + "- ", "a:h." + "a-" * 200 + " "],
    ids=ascii,
)  # fmt: skip
def test_reading_is_linear(piece: str) -> None:
    def seconds(size: int) -> float:
        records = [b"v=spf1 " + (piece.encode() * size)[:size] + b" x%d=y" % i for i in range(20)]  # all are new to it
        spent = []
        for _ in range(5):
            started = time.process_time()
            for record in records:
                grammar.read(record)
            spent.append(time.process_time() - started)
        return min(spent)

    assert seconds(8000) < 8 * seconds(2000) + 0.02  # CPU time; four times the octets
