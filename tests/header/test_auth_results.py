"""auth_results: our field says exactly what the report says, in RFC 8601's grammar; others' are read strictly."""

import dataclasses
import re
import time
from typing import Any

import pytest
from hypothesis import given, settings, strategies as st

from lab.reports import MX, REPORT, REPORTS, seen
from mailvet import verdict as v
from mailvet.header.auth_results import ENTRIES, format_value
from mailvet.header.auth_results_parser import Parsed, Result, claims, parse
from mailvet.values import Problem


def test_the_form_of_the_design() -> None:
    assert format_value(REPORT, MX) == (
        " mx.example.org;\n"
        " iprev=pass policy.iprev=203.0.113.7;\n"
        " spf=pass smtp.mailfrom=example.com;\n"
        " dkim=pass (2048-bit key, DNSSEC) header.d=example.com header.i=@example.com\n"
        "  header.a=rsa-sha256 header.s=s1 header.b=AbCdEfGh;\n"
        " arc=none smtp.remote-ip=203.0.113.7;\n"
        " dmarc=pass (p:reject) header.from=example.com policy.dmarc=none"
    )


def test_every_method_is_worded_or_left_out_on_purpose() -> None:
    assert ENTRIES.keys() == {*v.METHODS}


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


def failed(published: v.Policy, requested: v.Policy, **more: Any) -> v.DmarcVerdict:
    return v.DmarcVerdict(
        result=v.DmarcResult.FAIL, author_domain="bank.example", published=published, requested=requested, **more
    )


def spf(result: v.SpfResult, mechanism: str, **more: Any) -> v.SpfVerdict:
    return v.SpfVerdict(
        result=result, identity=v.SpfIdentity.MAILFROM, domain="bank.example", mechanism=mechanism, **more
    )


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
            "dmarc=fail (mx.example.org, p:reject) header.from=a.example policy.dmarc=quarantine",
        ),
        (
            {"dmarc": v.DmarcVerdict(result=v.DmarcResult.NONE, author_domain="a.example")},
            "dmarc=none header.from=a.example",
        ),
        (
            {"dmarc": failed(v.Policy.REJECT, v.Policy.REJECT, problem="nothing passed", secure=False)},
            "dmarc=fail (mx.example.org, p:reject, no DNSSEC, nothing passed)"
            " header.from=bank.example policy.dmarc=reject",
        ),
        (
            {"dmarc": failed(v.Policy.NONE, v.Policy.NONE)},
            "dmarc=fail (p:none) header.from=bank.example policy.dmarc=none",
        ),
        (
            {"dmarc": failed(v.Policy.QUARANTINE, v.Policy.NONE, testing=True)},
            "dmarc=fail (p:quarantine, t:y) header.from=bank.example policy.dmarc=none",
        ),
        (
            {"dmarc": v.DmarcVerdict(result=v.DmarcResult.TEMPERROR, author_domain="a.example", problem="timeout")},
            "dmarc=temperror (timeout) header.from=a.example",
        ),
        ({"spf": spf(v.SpfResult.FAIL, "-all")}, "spf=fail (matched -all) smtp.mailfrom=bank.example"),
        (
            {"spf": spf(v.SpfResult.SOFTFAIL, "~include:_spf.a.example", problem="x=1; y", secure=True)},
            "spf=softfail (matched ~include:_spf.a.example, DNSSEC, x:1, y) smtp.mailfrom=bank.example",
        ),
        ({"spf": spf(v.SpfResult.NEUTRAL, "?all")}, "spf=neutral (matched ?all) smtp.mailfrom=bank.example"),
        ({"spf": spf(v.SpfResult.NEUTRAL, "")}, "spf=neutral smtp.mailfrom=bank.example"),
        ({"spf": spf(v.SpfResult.PASS, "mx")}, "spf=pass smtp.mailfrom=bank.example"),
        (
            {"spf": spf(v.SpfResult.FAIL, "-exists:(\";'" + "x" * 500)},
            "spf=fail (matched -exists:[," + "x" * 45 + "...) smtp.mailfrom=bank.example",
        ),
        ({"null_sender": True}, "spf=pass smtp.helo=example.com"),
        (
            {"dmarc": v.DmarcVerdict(result=v.DmarcResult.PERMERROR, problem="2 From fields")},
            "dmarc=permerror (mx.example.org, 2 From fields)",
        ),
        (
            {"arc": v.ArcVerdict(result=v.ArcResult.PASS, instances=2, oldest_pass=0)},
            "arc=pass header.oldest-pass=0 smtp.remote-ip=203.0.113.7",
        ),
        (
            {
                "arc": v.ArcVerdict(
                    result=v.ArcResult.PASS, instances=1, sealed="dmarc=pass", sealed_by="list.example", secure=True
                )
            },
            "arc=pass (sealed by list.example as dmarc pass, DNSSEC) smtp.remote-ip=203.0.113.7",
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


@settings(max_examples=300)
@given(REPORTS)
def test_whatever_was_found_out_the_field_is_well_formed(report: v.Report) -> None:
    value = format_value(report, MX)
    assert all(" " <= c <= "~" or c == "\n" for c in value)
    lines = value.split("\n")
    assert all(each.startswith(" ") and each.strip() and len(each) <= 997 for each in lines)
    parsed = parse(value.encode())
    assert not isinstance(parsed, Problem)
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


@given(REPORTS)
def test_nothing_in_the_field_ends_or_begins_anything_for_a_reader_that_only_splits(report: v.Report) -> None:
    value = format_value(report, MX)
    for said in re.findall(r"\(([^()]*)\)", value):
        assert not set(said) & set(";=\"'`\\")
    assert value.count("(") == value.count(")")
    if report.auth is None:
        entries = [entry.split()[0] for entry in re.sub(r"\([^()]*\)", "", value).split(";")[1:]]
        assert value.count("spf=") == entries.count(f"spf={report.spf.result}" if report.spf else "spf=") <= 1
        shown = [verdicts[:12] for name, verdicts in report.methods() if ENTRIES[name] is not None]
        assert len(entries) == sum(map(len, shown)) + (not report.dkim)


def test_the_pass_of_a_helo_name_stands_in_for_no_mail_from() -> None:
    helo = v.SpfVerdict(result=v.SpfResult.PASS, identity=v.SpfIdentity.HELO, domain="mail.good.example")
    for mail_from in (
        spf(v.SpfResult.FAIL, "-all"),
        v.SpfVerdict(result=v.SpfResult.NONE, identity=v.SpfIdentity.MAILFROM, domain="", problem="malformed"),
        None,
    ):
        value = format_value(dataclasses.replace(REPORT, spf=mail_from, spf_helo=helo), MX)
        assert "spf=pass" not in value
        assert "good.example" not in value


def test_our_name_stands_on_the_line_of_its_dmarc_result() -> None:
    """A mail program that looks for a piece of text finds no fold in it."""
    name = "a-name-of-a-mail-host-that-is-longer-than-a-line-of-a-header-field.department.example.org"
    value = format_value(dataclasses.replace(REPORT, dmarc=failed(v.Policy.REJECT, v.Policy.REJECT)), name)
    assert f"\n dmarc=fail ({name},\n  p:reject) header.from=bank.example" in value


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
    assert isinstance(parse(value), Problem)
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
    if not isinstance(parsed, Problem) and parsed.authserv_id.rstrip(".").lower() == MX:
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
