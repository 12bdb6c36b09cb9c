"""address: RFC 5322's address lists, read strictly, in linear time."""

import time

import pytest
from hypothesis import given, strategies as st

from mailvet.syntax.address import Mailbox, parse, without_quoted
from mailvet.syntax.domain import to_alabel
from mailvet.values import Domain, Problem

ATEXT = st.text(st.sampled_from("abcxyz0129!#$%&'*+-/=?^_`{|}~üé漢"), min_size=1, max_size=8)
DOT_ATOM = st.lists(ATEXT, min_size=1, max_size=3).map(".".join)
DOMAIN = st.lists(st.from_regex(r"[a-z0-9]([a-z0-9-]{0,6}[a-z0-9])?", fullmatch=True), min_size=1, max_size=4).map(
    ".".join
)
SOUP = st.lists(
    st.sampled_from(
        [
            b'"',
            b"\\",
            b"<",
            b">",
            b"(",
            b")",
            b"[",
            b"]",
            b"@",
            b",",
            b":",
            b";",
            b".",
            b" ",
            b"\t",
            b"\n ",
            b"\r\n ",
            b"\r",
            b"\n",
            b"\0",
            b"a",
            b"bank.example",
            b"=?utf-8?q?a?=",
            b"\xff",
            "ü".encode(),
        ]
    ),
    max_size=40,
).map(b"".join)


@pytest.mark.parametrize(
    ("value", "mailboxes"),
    [
        (b"bob@example.org", [("", "bob", "example.org")]),
        (b" <bob@example.org>", [("", "bob", "example.org")]),
        (b" Bob <bob@EXAMPLE.org>", [("Bob", "bob", "example.org")]),
        (b' "Smith, Bob" <bob@example.org>', [("Smith, Bob", "bob", "example.org")]),
        (b' "a \\"b\\" c" <bob@example.org>', [('a "b" c', "bob", "example.org")]),
        (b" Bob (hi (there)) <bob@example.org> (x)", [("Bob", "bob", "example.org")]),
        (b" bob@example.org (Bob)", [("", "bob", "example.org")]),
        (b" John Q. Public <j@example.org>", [("John Q . Public", "j", "example.org")]),
        (b" Bob\r\n <bob@example.org>", [("Bob", "bob", "example.org")]),
        (b" Bob\n\t<bob@example.org>", [("Bob", "bob", "example.org")]),
        (b"\n bob@example.org", [("", "bob", "example.org")]),
        (b"a@example.org, B <b@example.net>", [("", "a", "example.org"), ("B", "b", "example.net")]),
        (b'"a b"@example.org', [("", '"a b"', "example.org")]),
        ("Jürgen <jürgen@bücher.example>".encode(), [("Jürgen", "jürgen", "xn--bcher-kva.example")]),
        (b"J\xfcrgen <j@example.org>", [("J\udcfcrgen", "j", "example.org")]),
        (b"=?utf-8?q?J=C3=BCrgen?= <j@example.org>", [("=?utf-8?q?J=C3=BCrgen?=", "j", "example.org")]),
        (b"[List] <l@example.org>", [("[List]", "l", "example.org")]),
        (b"root@localhost", [("", "root", "localhost")]),
    ],
)
def test_read(value: bytes, mailboxes: list[tuple[str, str, str]]) -> None:
    assert parse(value) == tuple(Mailbox(name, local, Domain(domain)) for name, local, domain in mailboxes)


@pytest.mark.parametrize(
    "value",
    [
        b"",
        b"  ",
        b"(only a comment)",
        b"bob",
        b"Bob Smith",
        b"@example.org",
        b"bob@",
        b"<>",
        b"<@>",
        b"bob@@example.org",
        b"bob@example.org>",
        b"<bob@example.org",
        b"<<bob@example.org>>",
        b"<a@example.org> <b@example.org>",
        b"<a@example.org>b@example.net",
        b"a@example.org b@example.net",
        b"<a@b>:<c@d>",
        b"Group: a@example.org;",
        b"Group:;",
        b"<@a.example,@b.example:c@example.org>",
        b"a@[192.0.2.1]",
        b"a@[IPv6:2001:db8::1]",
        b",a@example.org",
        b"a@example.org,",
        b"a@example.org,,b@example.org",
        b'"open <a@example.org>',
        b"(open a@example.org",
        b"a@example.org)",
        b"[open <a@example.org>",
        b'"\\',
        b"a\0@example.org",
        b"a@exa\0mple.org",
        b"a@example.org\0",
        b"a\r@example.org",
        b"a@example.org\nBcc: x@example.net",
        b"a@example.org\x7f",
        b"a @example.org",
        b"a@ example.org",
        b"a@example .org",
        b"a@example.org .evil.example",
        b"a@bank(.evil).example",
        b"a(x)@example.org",
        b".a@example.org",
        b"a.@example.org",
        b"a..b@example.org",
        b"a@.example.org",
        b"a@example.org.",
        b"a@example..org",
        b"a@-example.org",
        b"a@example-.org",
        b"a@exam\xffple.org",
        b"\xff@example.org",
        b'"a@bank.example"@example.org',
        b'"a<b"@example.org',
        b'"a\\b"@example.org',
        b'a"b"@example.org',
        b'""@example.org',
        b"=?utf-8?q?a?=@example.org",
        b"a@=?utf-8?q?example.org?=",
        b"=?utf-8?b?PGFAYi5leGFtcGxlPg==?=",
        b"a@" + b"x" * 64 + b".example",
        b"a@" + b"x." * 127 + b"example",
        "a@exam\u200bple.org".encode(),
        "a@bank。example".encode(),
        "a\u00a0@example.org".encode(),
        b"(" * 17 + b")" * 17 + b"a@example.org",
    ],
)
def test_refused(value: bytes) -> None:
    assert isinstance(parse(value), Problem)


@given(st.one_of(st.binary(max_size=200), SOUP))
def test_any_bytes_are_read_or_refused(value: bytes) -> None:
    found = parse(value)
    without_quoted(value)
    if not isinstance(found, Problem):
        assert found
        for mailbox in found:
            assert to_alabel(mailbox.domain) == mailbox.domain
            assert not set("\0\r\n<>@,;: ") & set(mailbox.domain)


@given(st.text(st.characters(codec="utf-8", exclude_categories=["Cc"]), max_size=20), DOT_ATOM, DOMAIN)
def test_what_is_written_by_the_grammar_is_read(name: str, local: str, domain: str) -> None:
    quoted = '"' + name.replace("\\", "\\\\").replace('"', '\\"') + '"'
    found = parse(f" {quoted}\r\n <{local}@{domain}> (comment)".encode())
    if "=?" in local and "?=" in local:
        assert isinstance(found, Problem)
    else:
        assert found == (Mailbox(name, local, Domain(domain)),)


@pytest.mark.parametrize(
    ("domain", "a_labels"),
    [
        ("Example.ORG", "example.org"),
        ("_dmarc.example.org", "_dmarc.example.org"),
        ("localhost", "localhost"),
        ("xn--bcher-kva.example", "xn--bcher-kva.example"),
        ("bücher.example", "xn--bcher-kva.example"),
        ("BÜCHER.example", "xn--bcher-kva.example"),
        ("bu\u0308cher.example", "xn--bcher-kva.example"),
        ("faß.example", "xn--fa-hia.example"),  # IDNA2008, RFC 5894 §7.2
        ("例え.テスト", "xn--r8jz45g.xn--zckzah"),
        ("ｂank.example", None),
        ("bank。example", None),
        ("ba\u200bnk.example", None),
        ("\u0301a.example", None),
        ("bank\ufe0f.example", None),
        ("ba\u034fnk.example", None),
        ("\u115fbank.example", None),
        ("bank.example\U000e0100", None),
        ("☃.example", None),
        ("a\udcffb.example", None),
        ("", None),
        (".", None),
        ("a..b", None),
        ("a.", None),
        (".a", None),
        ("-a.example", None),
        ("a b.example", None),
        ("a\0.example", None),
        ("a;b.example", None),
        ("x" * 63 + ".example", "x" * 63 + ".example"),
        ("x" * 64 + ".example", None),
        ("ü" * 60 + ".example", None),
        ("a." * 126 + "a", "a." * 126 + "a"),
        ("a." * 127 + "a", None),
        ("a" * 2_000_000, None),
    ],
)
def test_to_alabel(domain: str, a_labels: str | None) -> None:
    assert to_alabel(domain) == a_labels


@given(st.text(st.characters(codec=None), max_size=40))
def test_an_a_label_is_stable(domain: str) -> None:
    found = to_alabel(domain)
    if found is not None:
        assert found.isascii()
        assert to_alabel(found) == found


@pytest.mark.parametrize(
    "unit",
    [
        b"(",
        b")",
        b'"',
        b"<",
        b">",
        b",",
        b"a,",
        b"\\",
        b"\\(",
        b'"\\',
        b"@",
        b"a@b,",
        b"a@b <",
        b"[",
        b"()",
        b'""',
        b". ",
        b"\n ",
        b"a.",
        b"\xff",
    ],
)
def test_a_long_run_of_anything_is_linear(unit: bytes) -> None:
    value = unit * (150_000 // len(unit))
    started = time.process_time()
    parse(value)
    without_quoted(value)
    assert time.process_time() - started < 3  # a fraction of a second; quadratic would be minutes
