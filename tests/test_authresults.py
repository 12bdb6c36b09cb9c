"""authresults: our field says exactly what the report says, in RFC 8601's grammar; others' are read strictly."""

import dataclasses
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mailvet import verdict as v
from mailvet.authresults import format_value
from mailvet.authresults_parse import Parsed, Result, claims, parse

MX = "mx.example.org"
REPORT = v.Report(
    iprev=v.IprevVerdict(result=v.IprevResult.PASS, address="203.0.113.7", name="mail.example.com"),
    spf=v.SpfVerdict(result=v.SpfResult.PASS, identity=v.SpfIdentity.MAILFROM, domain="example.com"),
    spf_helo=v.SpfVerdict(result=v.SpfResult.NONE, identity=v.SpfIdentity.HELO, domain="mail.example.com"),
    dkim=(
        v.DkimVerdict(
            result=v.DkimResult.PASS,
            domain="example.com",
            selector="s1",
            identity="@example.com",
            algorithm="rsa-sha256",
            signature_prefix="AbCdEfGh",
            key_bits=2048,
            secure=True,
        ),
    ),
    arc=v.ArcVerdict(result=v.ArcResult.NONE),
    dmarc=v.DmarcVerdict(result=v.DmarcResult.PASS, author_domain="example.com", published=v.Policy.REJECT),
    remote_ip="203.0.113.7",
)


def test_the_form_of_the_design() -> None:
    assert format_value(REPORT, MX) == (
        " mx.example.org;\n"
        " iprev=pass policy.iprev=203.0.113.7;\n"
        " spf=pass smtp.mailfrom=example.com;\n"
        " spf=none smtp.helo=mail.example.com;\n"
        " dkim=pass (2048-bit key; secure) header.d=example.com header.i=@example.com\n"
        "  header.a=rsa-sha256 header.s=s1 header.b=AbCdEfGh;\n"
        " arc=none smtp.remote-ip=203.0.113.7;\n"
        " dmarc=pass (p=reject) header.from=example.com policy.dmarc=none"
    )


@pytest.mark.parametrize(
    ("auth", "value"),
    [
        (v.AuthVerdict(result=v.AuthResult.NONE), " mx.example.org; none"),
        (v.AuthVerdict(result=v.AuthResult.PASS), " mx.example.org;\n auth=pass"),
        (
            v.AuthVerdict(result=v.AuthResult.PASS, domain="example.org"),
            " mx.example.org;\n auth=pass smtp.auth=example.org",
        ),
    ],
    ids=["trusted network", "login without domain", "login with domain"],
)
def test_exempt_clients(auth: v.AuthVerdict, value: str) -> None:
    assert format_value(v.Report(auth=auth, remote_ip="192.0.2.1"), MX) == value


def line(**changes: object) -> list[str]:
    """The entries of the field for REPORT with these changes, unfolded."""
    value = format_value(dataclasses.replace(REPORT, **changes), MX)  # type: ignore[arg-type]
    return [entry.replace("\n ", "") for entry in value.split(";\n ")]


@pytest.mark.parametrize(
    ("changes", "entry"),
    [
        ({"dkim": ()}, "dkim=none"),
        ({"dkim": (v.DkimVerdict(result=v.DkimResult.NONE),)}, "dkim=none"),
        (
            {
                "dkim": (
                    v.DkimVerdict(
                        result=v.DkimResult.FAIL, domain="a.example", signature_prefix="aB/+c=", problem="body hash"
                    ),
                )
            },
            'dkim=fail (body hash) header.d=a.example header.b="aB/+c="',
        ),
        ({"dkim": (v.DkimVerdict(result=v.DkimResult.NEUTRAL, problem="b= (empty)"),)}, "dkim=neutral (b: [empty])"),
        (
            {
                "dmarc": v.DmarcVerdict(
                    result=v.DmarcResult.FAIL,
                    author_domain="a.example",
                    published=v.Policy.REJECT,
                    requested=v.Policy.QUARANTINE,
                )
            },
            "dmarc=fail (p=reject) header.from=a.example policy.dmarc=quarantine",
        ),
        (
            {"dmarc": v.DmarcVerdict(result=v.DmarcResult.NONE, author_domain="a.example")},
            "dmarc=none header.from=a.example",
        ),
        (
            {"dmarc": v.DmarcVerdict(result=v.DmarcResult.PERMERROR, problem="2 From fields")},
            "dmarc=permerror (2 From fields)",
        ),
        (
            {"arc": v.ArcVerdict(result=v.ArcResult.PASS, instances=2, oldest_pass=0)},
            "arc=pass header.oldest-pass=0 smtp.remote-ip=203.0.113.7",
        ),
        ({"remote_ip": "2001:db8::1"}, 'arc=none smtp.remote-ip="2001:db8::1"'),
        (
            {"iprev": v.IprevVerdict(result=v.IprevResult.TEMPERROR, address="2001:db8::1", problem="timeout")},
            'iprev=temperror (timeout) policy.iprev="2001:db8::1"',
        ),
        (
            {
                "spf": v.SpfVerdict(
                    result=v.SpfResult.NONE, identity=v.SpfIdentity.MAILFROM, domain="", problem="no domain"
                )
            },
            "spf=none (no domain)",
        ),
    ],
)
def test_entries(changes: dict[str, object], entry: str) -> None:
    assert entry in line(**changes)


EVERYTHING = st.text(st.characters(codec=None), max_size=60)
SECURE = st.sampled_from([True, False, None])
REPORTS = st.builds(
    v.Report,
    iprev=st.none()
    | st.builds(
        v.IprevVerdict, result=st.sampled_from(v.IprevResult), address=EVERYTHING, secure=SECURE, problem=EVERYTHING
    ),
    spf=st.none()
    | st.builds(
        v.SpfVerdict,
        result=st.sampled_from(v.SpfResult),
        identity=st.just(v.SpfIdentity.MAILFROM),
        domain=EVERYTHING,
        problem=EVERYTHING,
    ),
    spf_helo=st.none()
    | st.builds(
        v.SpfVerdict,
        result=st.sampled_from(v.SpfResult),
        identity=st.just(v.SpfIdentity.HELO),
        domain=EVERYTHING,
        problem=EVERYTHING,
    ),
    dkim=st.lists(
        st.builds(
            v.DkimVerdict,
            result=st.sampled_from(v.DkimResult),
            domain=EVERYTHING,
            selector=EVERYTHING,
            identity=EVERYTHING,
            algorithm=EVERYTHING,
            signature_prefix=EVERYTHING,
            key_bits=st.integers(0, 8192),
            secure=SECURE,
            problem=EVERYTHING,
        ),
        max_size=14,
    ).map(tuple),
    arc=st.none()
    | st.builds(
        v.ArcVerdict,
        result=st.sampled_from(v.ArcResult),
        oldest_pass=st.none() | st.integers(0, 50),
        problem=EVERYTHING,
    ),
    dmarc=st.none()
    | st.builds(
        v.DmarcVerdict,
        result=st.sampled_from(v.DmarcResult),
        author_domain=EVERYTHING,
        published=st.none() | st.sampled_from(v.Policy),
        requested=st.sampled_from(v.Policy),
        problem=EVERYTHING,
    ),
    auth=st.none() | st.builds(v.AuthVerdict, result=st.sampled_from(v.AuthResult), domain=EVERYTHING),
    remote_ip=EVERYTHING,
)


def seen(text: str) -> str:
    return "".join(c if " " <= c <= "~" else "?" for c in text)


@settings(max_examples=300)
@given(REPORTS)
def test_whatever_was_found_out_the_field_is_well_formed(report: v.Report) -> None:
    value = format_value(report, MX)
    assert all(" " <= c <= "~" or c == "\n" for c in value)
    lines = value.split("\n")
    assert all(each.startswith(" ") and each.strip() and len(each) <= 997 for each in lines)
    parsed = parse(value.encode())
    assert parsed is not None
    assert (parsed.authserv_id, parsed.version) == (MX, 1)
    assert claims(value.encode(), frozenset((MX,)))
    if report.auth is None:
        signed = [result for result in parsed.results if result.method == "dkim"]
        assert [result.result for result in signed] == [d.result.value for d in report.dkim[:12]] or ["none"]
        for result, found in zip(signed, report.dkim, strict=False):
            if found.domain and found.result is not v.DkimResult.NONE:
                assert ("header.d", seen(found.domain)) in result.properties
        verdicts = [result.result for result in parsed.results if result.method == "dmarc"]
        assert verdicts == ([report.dmarc.result.value] if report.dmarc is not None else [])


def test_lines_are_short_where_they_can_be() -> None:
    long = "a" * 60 + "." + "b" * 60 + ".example"
    signature = v.DkimVerdict(
        result=v.DkimResult.FAIL, domain=long, identity="@" + long, selector="s" * 63, problem="x " * 120
    )
    value = format_value(dataclasses.replace(REPORT, dkim=(signature,) * 20), MX)
    assert all(len(each) <= 78 or " " not in each.strip() for each in value.split("\n"))
    assert value.count("dkim=") == 12


@pytest.mark.parametrize(
    ("value", "parsed"),
    [
        (b" a.example; none", Parsed("a.example", 1, (), "")),
        (b" a.example 1; none ", Parsed("a.example", 1, (), "")),
        (b'"a b" ; spf = pass', Parsed("a b", 1, (Result("spf", "pass", "", ()),), "")),
        (
            b' a.example; dkim=fail reason="bad; very (bad)" header.d=b.example header.b="a/b="',
            Parsed(
                "a.example",
                1,
                (Result("dkim", "fail", "bad; very (bad)", (("header.d", "b.example"), ("header.b", "a/b="))),),
                "",
            ),
        ),
        (
            b" (x(y)) a.example (z) ; (p) SPF (q) / (r) 1 = (s) Pass (t)"
            b" smtp (u) . (w) MailFrom (x) = (y) b@c.example (z)",
            Parsed("a.example", 1, (Result("spf", "pass", "", (("smtp.mailfrom", "b@c.example"),)),), "(x(y)) (z)"),
        ),
        (
            b' a.example; auth=pass smtp.auth="john doe"@c.example',
            Parsed("a.example", 1, (Result("auth", "pass", "", (("smtp.auth", "john doe@c.example"),)),), ""),
        ),
        ("bücher.example; none".encode(), Parsed("bücher.example", 1, (), "")),
    ],
)
def test_read(value: bytes, parsed: Parsed) -> None:
    assert parse(value) == parsed


@pytest.mark.parametrize(
    "value",
    [
        b"",
        b" ",
        b";",
        b"a.example",
        b"a.example;",
        b"a.example;;",
        b"a.example; none; none",
        b"a.example; spf=pass; none",
        b"a.example; none; spf=pass",
        b"a.example; spf",
        b"a.example; spf=",
        b"a.example; =pass",
        b"a.example; spf=pass smtp.mailfrom",
        b"a.example; spf=pass smtp.mailfrom=",
        b"a.example; spf=pass smtp.=x",
        b"a.example; spf=pass;; dkim=pass",
        b"a/b; none",
        b"a.example x; none",
        b"a.example 1 1; none",
        b"a.example 1x; none",
        b"a.example 99999; none",
        b'"a; none',
        b"(a; none",
        b"a); none",
        b"a\0; none",
        b"a\rb; none",
        b"a\n; none",
        b"a.example; spf=pass\x7f",
        b"\xff; none",
        b"a.example, none",
        b"(" * 17 + b")" * 17 + b"a.example; none",
        "a.example ²; none".encode(),
    ],
)
def test_refused(value: bytes) -> None:
    assert parse(value) is None
    assert claims(value, frozenset((MX,)))


SOUP = st.lists(
    st.sampled_from(
        [
            b"mx.example.org",
            b"a.example",
            b";",
            b"=",
            b"/",
            b".",
            b" ",
            b"\n ",
            b"\n",
            b"\r",
            b"\0",
            b'"',
            b"\\",
            b"(",
            b")",
            b"none",
            b"spf",
            b"pass",
            b"smtp.mailfrom",
            b"1",
            b"@",
            b"\xff",
            "ü".encode(),
        ]
    ),
    max_size=30,
).map(b"".join)


@given(st.one_of(SOUP, st.binary(max_size=100)))
def test_any_bytes_are_read_or_refused(value: bytes) -> None:
    parsed = parse(value)
    if parsed is not None and parsed.authserv_id.rstrip(".").lower() == MX:
        assert claims(value, frozenset((MX,)))


@pytest.mark.parametrize(
    "unit",
    [b"(", b"()", b'"', b'""', b"\\", b";", b"; none", b"; spf=pass", b" a.b=c", b"=", b" ", b"\n ", b"(\\", b"a"],
)
@pytest.mark.parametrize("start", [b"", b"a.example; spf=pass"])
def test_a_long_run_of_anything_is_linear(start: bytes, unit: bytes) -> None:
    started = time.process_time()
    claims(start + unit * (150_000 // len(unit)), frozenset((MX,)))
    assert time.process_time() - started < 3  # a fraction of a second; quadratic would be minutes
