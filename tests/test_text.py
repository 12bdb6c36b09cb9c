"""text: what comes out is one line of printable ASCII that means what went in, or less."""

import sys

import pytest
from hypothesis import given, strategies as st

from lab.reports import seen
from mailvet.header import auth_results_parser
from mailvet.text import comment, domains_only, loggable, pvalue
from mailvet.values import Problem

EVERYTHING = st.text(st.characters(codec=None), max_size=400)  # surrogates too


@pytest.mark.parametrize(
    ("value", "written"),
    [
        ("example.org", "example.org"),
        ("rsa-sha256", "rsa-sha256"),
        ("@news.example.org", "@news.example.org"),
        ("a.b+c@example.org", "a.b+c@example.org"),
        ("", '""'),
        ("2001:db8::1", '"2001:db8::1"'),
        ("aB/c+dE=", '"aB/c+dE="'),
        ("[192.0.2.1]", '"[192.0.2.1]"'),
        ('a"b\\c', '"a?b?c"'),  # readers there are that know no escapes
        ("legitimate.example'a.attack.example", '"legitimate.example\'a.attack.example"'),
        ("legitimate.example(.attack.example", '"legitimate.example?.attack.example"'),
        ("a.example; dmarc=pass", '"a.example??dmarc=pass"'),
        ("a\r\nX: y", '"a??X:?y"'),
        ("a\0b", '"a?b"'),
        ("bücher.example", '"b?cher.example"'),
        ("a@b@c", '"a@b@c"'),
        ("a_b.example", "a_b.example"),
        ("@0", '"@0"'),  # nor is one label a domain to all readers
        ("@a_b.example", '"@a_b.example"'),  # RFC 5321 §4.1.2: no domain-name
    ],
)
def test_pvalue(value: str, written: str) -> None:
    assert pvalue(value) == written


@pytest.mark.parametrize(
    ("value", "written"),
    [
        ('i= is not within d= (RFC 6376 §3.5); "x\\y"', "i: is not within d: [RFC 6376 section 3.5], x/y"),
        ("the key's `h=`", "the keys h:"),
        ('HELO ann@host.example, <"ann b"@host.example>', "HELO host.example, <host.example>"),
        (" a\tb\r\nc ", "a?b??c"),
        ("§" * 255, " ".join(["section"] * 32)[:255]),
    ],
)
def test_comment(value: str, written: str) -> None:
    assert comment(value) == written


def test_every_code_point() -> None:
    for start in range(0, sys.maxunicode + 1, 128):
        block = "".join(map(chr, range(start, min(start + 128, sys.maxunicode + 1))))
        for written in (pvalue(block), comment(block)):
            assert all(" " <= c <= "~" for c in written)
        assert loggable(block, 10_000).isprintable()


@given(EVERYTHING)
def test_a_pvalue_reads_back(value: str) -> None:
    parsed = auth_results_parser.parse(f"id.example; dkim=pass header.d={pvalue(value)} header.s=s".encode())
    assert not isinstance(parsed, Problem)
    assert parsed.results[0].properties == (("header.d", seen(value[:255])), ("header.s", "s"))


@given(EVERYTHING)
def test_a_comment_stays_a_comment(value: str) -> None:
    said = comment(value)
    assert not set(said) & set("()\\;=\"'`")
    parsed = auth_results_parser.parse(f"id.example; dkim=fail ({said}) header.s=s".encode())
    assert not isinstance(parsed, Problem)
    assert parsed.results[0].properties == (("header.s", "s"),)


@given(st.one_of(EVERYTHING, st.binary(max_size=400)), st.integers(2, 300))
def test_loggable_is_one_short_line(value: str | bytes, limit: int) -> None:
    said = loggable(value, limit)
    assert said.isprintable()
    assert len(said) <= limit


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("plain", "plain"),
        ("Jürgen", "Jürgen"),
        ("a\r\nb\0", "a\\r\\nb\\x00"),
        (b"\xff\xfe", "\\xff\\xfe"),
        ("\u202eevil", "\\u202eevil"),
        ("\u2066a\u200bb\u00ad\ufeff", "\\u2066a\\u200bb\\xad\\ufeff"),
        ("a\u3164b\u2800c\ufe0f\u034f\uffa0\U000e0101", "a\\u3164b\\u2800c\\ufe0f\\u034f\\uffa0\\U000e0101"),
        ("\udcff", "\\udcff"),
        ("x" * 300, "x" * 199 + "…"),
    ],
)
def test_loggable(value: str | bytes, said: str) -> None:
    assert loggable(value) == said


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("no address", "no address"),
        ("ann@host.example", "host.example"),
        ("SERVFAIL of ann@host.example: no", "SERVFAIL of host.example: no"),
        ('"ann b"@host.example', "host.example"),
        ('ann."b c"@host.example', "host.example"),
        ("<ann＠host.example>", "<host.example>"),
        ("a@b@host.example", "host.example"),
        ("@host.example", "@host.example"),
        ("bounce+ann=b.example@host.example", "host.example"),
        ('x"y@host.example', "host.example"),
        ('"' * 100 + "@" + "a" * 100, "a" * 100),
    ],
)
def test_no_local_part(value: str, said: str) -> None:
    assert domains_only(value) == said


def test_huge_values_are_cut_before_anything_else() -> None:
    assert len(pvalue('"' * 10_000_000)) <= 2 * 255 + 2
    assert len(comment("(" * 10_000_000)) <= 255
    assert len(loggable(b"\0" * 10_000_000)) <= 200
