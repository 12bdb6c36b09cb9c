"""author: one domain, or the reason why there is none; never a choice."""

import pytest
from hypothesis import given, strategies as st

from lab.espoofer import ATTACKS, SAME_DOMAIN, Attack
from lab.spoofed import HONEST, SPOOFED
from mailvet.checks.author import Author, NoAuthor, find
from mailvet.message import Headers
from mailvet.syntax import reverse_path
from mailvet.syntax.mailfile import parse as parse_mail
from mailvet.values import Domain


def headers(*fields: tuple[bytes, bytes]) -> Headers:
    found = Headers()
    for field in fields:
        found.add(*field)
    return found


@pytest.mark.parametrize(
    ("value", "domain"),
    [
        (b" bob@example.org", "example.org"),
        (b" Bob <bob@Example.ORG>", "example.org"),
        (b' "bob@bank.example" <x@list.example>', "list.example"),
        (b' "bob@bank.example via List" <x@list.example>', "list.example"),
        (b" info@shop.example <info@shop.example>", "shop.example"),
        (b" Bob @ Work <bob@example.org>", "example.org"),
        (b" bob@example.org (Bob Smith)", "example.org"),
        (b" bob@example.org (bob@example.org)", "example.org"),
        (b" a@example.org, b@example.org", "example.org"),
        ("Jürgen <j@bücher.example>".encode(), "xn--bcher-kva.example"),
        (b" =?utf-8?q?J=C3=BCrgen?= <j@example.org>", "example.org"),
        (b" =?utf-8?b?SsO8cmdlbg?= <j@example.org>", "example.org"),  # padding missing
        (b" J\xfcrgen <j@example.org>", "example.org"),
        (b' "Bob <bob@example.org>" <bob@example.org>', "example.org"),
    ],
)
def test_one_author_domain(value: bytes, domain: str) -> None:
    found = find((value,))
    assert isinstance(found, Author)
    assert found.domain == domain


def test_several_mailboxes_of_one_domain() -> None:  # RFC 9989 §5.3.1
    assert find((b"Ann <a@example.org>, Bob <b@EXAMPLE.org>",)) == Author(
        domain=Domain("example.org"), address="a@example.org", mailboxes=2
    )


@pytest.mark.parametrize(
    "value",
    [
        b" x@evil.example <bob@bank.example>",
        b" bob@bank.example via List <x@evil.example>",
        b" <a@b>:<c@d>",
        b" a@evil.example(<b@bank.example>)",
        b" a@evil.example (b@bank.example)",
        b" <a@evil.example> <b@bank.example>",
        b" <a@evil.example>, <b@bank.example>",
        b" a@evil.example, <b@bank.example>",
        b" a, <b@bank.example>",
        b' "bob@bank.example\0<x@evil.example>',
        b' "bob@bank.example\0" <x@evil.example>',
        b' "<bob@bank.example>" <x@evil.example>',
        b" =?utf-8?b?PGJvYkBiYW5rLmV4YW1wbGU+?= <x@evil.example>",
        b" =?utf-8?q?=3Cbob=40bank=2Eexample=3E?= <x@evil.example>",
        b' (") x@bank.example (") <b@evil.example>',
        b' x@"bank.example" <b@evil.example>',
        b" Friends: bob@bank.example;",
        b" Undisclosed recipients:;",
        b" <@evil.example:bob@bank.example>",
        b" bob@[192.0.2.1]",
        b" Bob",
        b' "Bob <bob@bank.example>',
        b" <bob@bank.example",
        b" bob@bank.example>",
        b" =?utf-8?q?bob=40bank.example?=",
        b" =?utf-8?q?bob?=@bank.example",
        b" bob@bank.example\r <x@evil.example>",
        b' "bob@bank.example"@evil.example',
        b" bob@bank.example\n\n <x@evil.example>",
        b" bob, <>",  # CVE-2021-34555: several values without a domain
        b" bob@bank.example)x@evil.example",  # CVE-2023-27043
        b" bob@bank.example(.evil.example",  # CVE-2020-12272
        b' "bob@bank.example" x@evil.example',
        b' "a" "<bob@bank.example>" <x@evil.example>',
        b" bob@bank.example;",
        b" bob@bank.example, x",
        "bob@bank.example\u2028<x@evil.example>".encode(),
    ],
)
def test_what_readers_may_take_differently_has_no_author(value: bytes) -> None:
    found = find((value,))
    assert isinstance(found, NoAuthor)
    assert found.ambiguous
    assert "bank" not in found.problem  # it goes into our header: nothing of the text


@pytest.mark.parametrize("value", SPOOFED.values(), ids=list(SPOOFED))
def test_what_a_lenient_reader_takes_for_another_author_has_none(value: bytes) -> None:
    message = headers((b"From", value), (b"Subject", b" hello"))
    found = find(message.values(b"from"), message)
    assert isinstance(found, NoAuthor)
    assert found.ambiguous
    assert "bank" not in found.problem


@pytest.mark.parametrize(("text", "domain"), HONEST.values(), ids=list(HONEST))
def test_honest_names_keep_their_author(text: str, domain: str) -> None:
    message = headers((b"From", b" " + text.encode()), (b"Subject", b" hello"))
    found = find(message.values(b"from"), message)
    assert isinstance(found, Author)
    assert found.domain == domain


def test_more_encoded_words_than_are_read() -> None:
    words = b"=?utf-8?q?x?=\n "
    assert isinstance(find((b" " + words * 100 + b"<a@shop.example>",)), Author)
    assert isinstance(find((b" " + words * 101 + b"<a@shop.example>",)), NoAuthor)


@pytest.mark.parametrize("values", [[], [b""], [b"  "], [b"\n "]], ids=["no field", "empty", "blank", "folded blank"])
def test_missing(values: list[bytes]) -> None:
    assert isinstance(find(values), NoAuthor)


def test_two_fields_even_if_they_agree() -> None:  # RFC 5322 §3.6
    found = find((b"a@example.org", b"a@example.org"))
    assert found == NoAuthor(ambiguous=True, problem="2 From fields")


def test_over_the_limit() -> None:
    found = find((b"a@example.org" + b" " * 8192,))
    assert isinstance(found, NoAuthor)
    assert "limit" in found.problem
    assert isinstance(find((b"a@example.org",), limit=12), NoAuthor)


@pytest.mark.parametrize(
    "extra",
    [
        (b"From\xa0", b" x@evil.example"),
        (b"From\0", b" x@evil.example"),
        (b"\xef\xbb\xbfFrom", b" x@evil.example"),
        ("From\u200b".encode(), b" x@evil.example"),
        (b"F rom", b" x@evil.example"),
        (b" From", b" x@evil.example"),
        (b"X-Note", b" hello\rFrom: x@evil.example"),
        (b"X-Note", b" hello\r from : x@evil.example"),
        (b"X-Note", b" hello\r\x0bF\xa0rom\x01: x@evil.example"),
        (b"Subject", b" hello\n From: <x@evil.example>"),
        (b"Received", b" from a by b\n\tFROM\t: x@evil.example"),
        (b"DKIM-Signature", b" v=1\rFrom: x@evil.example"),
        (b"DKIM-Signature", b" v=1; h=To:\n From: x@evil.example"),
        (b"DKIM-Signature", b" v=1; h=To:Subject;\n From: x@evil.example; d=example.org"),
        (b"DKIM-Signature", b" v=1; z=To:bob=20<b@example.org>|\n From:x@evil.example|Subject:x"),
        (b"DKIM-Signature", b" v=1; z=From:x|\n From: CEO|x@evil.example; b=x"),
        (b"DKIM-Signature", b" v=1; h=To:\n From: CEO; <x@evil.example>"),
        (b"ARC-Foo", b" x\n From: x@evil.example"),
        (b"DKIM-Signature-Foo", b" h=To:\n From: x; y=x@evil.example"),
        (b"ARC-Seal", b" i=1;\n From: =?utf-8?q?x=40evil.example?=; d=example.org"),
        (b"X-Google-DKIM-Signature", b" v=1;\n\tfrom : <x@evil.example>"),
        (b"DomainKey-Signature", b" a=rsa-sha1;\n From: x@evil.example"),
        (b"Subject", "hello\u2028From: x@evil.example".encode()),
        (b"Subject", "hello\u2029 From: x@evil.example".encode()),
        (b"Subject", "hello\u0085From: x@evil.example".encode()),
        (b"Subject", b"hello\x85From: x@evil.example"),
        (b"Subject", b"hello\x0bFrom: x@evil.example"),
        (b"Subject", b"hello\x0cFrom: x@evil.example"),
        (b"Subject", b"hello\x1cFrom: x@evil.example"),
        (b"Subject", b"hello\x1d\tFrom: x@evil.example"),
        (b"Subject", b"hello\x1e F\xc2\xadrom: x@evil.example"),
        (b"Subject", b"hello\x1fFrom: x@evil.example"),
        (b"Subject", b"hello\0From: x@evil.example"),
        (b"Subject", b" =?utf-8?q?hello=0AFrom:_x=40evil.example?="),
        (b"Subject", b" =?utf-8?b?aGVsbG8KRnJvbTogeEBldmlsLmV4YW1wbGU=?="),
        (b"Subject", b" =?utf-7?q?hello+AAo-From:_x=40evil.example?="),
        (b"X-Note", b"x" * (998 - 7) + b"From: x@evil.example"),
        (b"X-Note", b" y\n " + b"x" * (998 - 1 + 997) + b"From: x@evil.example"),
        (b"X" * 998 + b"From", b" x@evil.example"),
        (b"X-Note", b" y\n From: ann@example.org, x@evil.example"),
        ("Ｆrom".encode(), b" x@evil.example"),
        (b"=?utf-8?q?From?=", b" x@evil.example"),
        (b"=?utf-8?b?RnJvbQ==?=", b" x@evil.example"),
        *[(b"To", b" =?utf-8?q?x?= <b@example.org>,\n" * 4001)],
        (b"Subject", 'x\u2028From: "The CEO"\n <x@evil.example>'.encode()),
        (b"Subject", b"x\x85From:\n\tThe CEO\n\t<x@evil.example>"),
        (b"Subject", "x\u2028From: {}<x@evil.example>".format("CEO " * 600).encode()),
        (b"Subject", b" y\n From: The\n CEO <x@evil.example>"),
        (b"Subject", b" %bFrom: CEO %b <x@evil.example>" % (b"y" * 989, b"z" * 985)),
        (b"Subject", "x\u2028=?utf-8?q?F?=rom: x@evil.example".encode()),
        (b"Subject", "x\u2028F=?utf-8?q?ro?=m: x@evil.example".encode()),
        (b"Subject", "x\u2028Fro=?utf-8?q?m:?= x@evil.example".encode()),
        (b"Subject", "x\u2028=?utf-8?q?Ｆ?=rom: x@evil.example".encode()),
        (b"Subject", "x\u2028From=?utf-8?q?:_x=40evil.example?=".encode()),
        (b"Subject", "x\u2028Fro=?utf-8?q?m_:_x=40evil.example?=".encode()),
        (b"Subject", "x\u2028Fr=?utf-8?q?oｍ:_x=40evil.example?=".encode()),
        (b"Subject", "x\u2028Fro=?utf-8?q?m：_x=40evil.example?=".encode()),
        (b"Subject", "x\u2028=?utf-8?b?PT91dGYtOD9xP0Zyb20/PQ==?=: x@evil.example".encode()),
        (b"Subject", "x\u2028=?utf-8?b?PT91dGYtOD9xP0ZyPz0=?=om: x@evil.example".encode()),
        (b"Subject", "x\u2028=?ibm297?b?xpmWlA==?=: x@evil.example".encode()),
        (b"Subject", "x\u2028=?x-nobody?q?+AEY-?=rom: x@evil.example".encode()),
        (b"Subject", b"x\x0b=?utf-16?b?AEYAcgBvAG0=?=: x@evil.example"),
        (b"Subject", b"x\x0b=?x-u16?b?AEYAcg==?=om: x@evil.example"),
        (b"Subject", b" x\n =?utf-8?q?F?=rom: x@evil.example"),
        (b"Subject", b" =?utf-8?q?x=?utf-8?b?DQpGcm9tOiB4QGV2aWwuZXhhbXBsZQ==?="),
        (b"=?utf-8?q?%b?=" % (b"=E2=80=8B" * 60) + b"From", b" x@evil.example"),
    ],
)
def test_a_second_from_in_disguise(extra: tuple[bytes, bytes]) -> None:
    ours = (b"From", b" a@example.org")
    for order in ((ours, extra), (extra, ours)):
        message = headers(*order)
        assert isinstance(find(message.values(b"from"), message), NoAuthor)


@pytest.mark.parametrize(
    "value",
    [
        pytest.param("Müller <a@example.org>".encode("latin-1"), id="Latin-1"),
        pytest.param('"Müller, Jürgen" <a@example.org>'.encode("latin-1"), id="Latin-1 in a quoted string"),
        pytest.param('"Jürgen a@example.org" <a@example.org>'.encode("latin-1"), id="with the same address"),
        pytest.param('"Jürgen j@other.example via L" <a@example.org>'.encode("latin-1"), id="with another's, quoted"),
        pytest.param("Иван Петров <a@example.org>".encode("cp1251"), id="windows-1251"),
        pytest.param("Иван Петров <a@example.org>".encode("koi8-r"), id="KOI8-R"),
        pytest.param("山田太郎 <a@example.org>".encode("cp932"), id="Shift_JIS"),
        pytest.param('"山田 表" <a@example.org>'.encode("euc-jp"), id="EUC-JP"),
        pytest.param('"張三" <a@example.org>'.encode("gbk"), id="GBK"),
        pytest.param('"홍길동" <a@example.org>'.encode("cp949"), id="EUC-KR"),
    ],
)
def test_a_raw_name_in_an_old_charset_costs_nothing(value: bytes) -> None:
    found = find((b" " + value,))
    assert isinstance(found, Author)
    assert found.domain == "example.org"


@pytest.mark.parametrize(
    "extra",
    [
        (b"Sender", b" x@evil.example"),
        (b"Resent-From", b" x@evil.example"),
        (b"X-From", b" x@evil.example"),
        (b"Reply-To", b" x@evil.example"),
        (b"From-Note", b" x@evil.example"),
        (b"Received", b" from mail.example.net\n\tby mx.example.org"),
        (b"DKIM-Signature", b" v=1; h=To:\n From:Subject; i=a@example.org"),
        (b"ARC-Message-Signature", b" i=1; h=\n\tFrom : To; d=example.org; i=x@example.org"),
        (b"Subject", b" news\n from: the front"),
        (b"Subject", b" news\n from: a@example.org"),
        (b"DKIM-Signature", b" v=1; z=To:bob=20<b@other.example>|\n From:=20a@example.org|To:=20b@other.example; b=x"),
        (b"DKIM-Signature", b" v=1; h=to:\n from:\n subject; d=example.org; i=x@other.example"),
        (b"DKIM-Signature", b" v=1; h=" + b"to:" * 320 + b"subject:from:date; i=x@other.example"),
        (b"X-Note", b"x" * 5000 + b" mail from: the front, x@evil.example"),
        (b"Subject", b" =?utf-8?q?a=0Ab?= =?utf-8?q?from:_x=40evil.example?="),
        (b"Subject", "Å from me to x@evil.example".encode()),
        (b"Subject", b" =?iso-2022-jp?b?GyRCOzNFRBsoQg==?= from: x@evil.example"),
        (b"X-Note\xa0", b" From: x@evil.example"),
        (b"Subject", b"=?utf-8?q??="),
        (b"Subject", b" =?x-nobody?b?YWFhYWFhYWFhYQ==?=\n" * 45),
        (b"Subject", b" =?utf-16?B?//5GAHcAZAA6ACAARgByAG8AbQA6AA==?=\n =?utf-16?B?//54AEAAYgAuAGMA?="),
        (b"Subject", b" =?windows-31j?b?YWFhYWFhYWFhYQ==?=\n" * 100),
        (b"Subject", b" =?iso-8859-8-i?b?YWFhYWFhYWFhYQ==?=\n" * 100),
        (b"Subject", b" =?utf-8?q?Re=3A_from_me=3A_to_x=40evil.example?="),
        (b"Subject", b" =?utf-8?q?Re:?= =?iso-2022-jp?b?GyRCOzNFRBsoQg==?=\n from: the front"),
        (b"To", b" =?utf-8?q?Fromm=2C_H=C3=A5kan?= <b@other.example>,\n" * 200),
        (b"To", " Jürgen Ägren <b@other.example>,\n".encode() * 1000),
    ],
)
def test_what_is_no_second_from(extra: tuple[bytes, bytes]) -> None:
    message = headers((b"From", b" a@example.org"), extra)
    assert find(message.values(b"from"), message) == Author(domain=Domain("example.org"), address="a@example.org")


@given(
    st.lists(st.binary(max_size=100), max_size=3),
    st.lists(st.tuples(st.binary(max_size=20), st.binary(max_size=60)), max_size=5),
)
def test_total(values: list[bytes], fields: list[tuple[bytes, bytes]]) -> None:
    found = find(values, headers(*fields))
    if isinstance(found, Author):
        assert len(values) == 1
        assert found.address.endswith("@" + found.domain)


@pytest.mark.parametrize("attack", ATTACKS, ids=[attack.name for attack in ATTACKS])
def test_espoofer_never_shows_us_the_wrong_author(attack: Attack) -> None:
    """The author is the spoofed domain, whom SPF and DKIM then do not speak for; or there is none."""
    message = headers(*parse_mail(attack.raw).fields)
    found = find(message.values(b"from"), message)
    expected = {f"server_a{number}" for number in range(1, 8)} | SAME_DOMAIN
    if attack.name in expected:
        assert isinstance(found, Author)
        assert found.domain == attack.spoofed
    else:
        assert isinstance(found, NoAuthor)


@pytest.mark.parametrize("attack", ATTACKS, ids=[attack.name for attack in ATTACKS])
def test_espoofer_mail_from_never_is_the_spoofed_domain(attack: Attack) -> None:
    found = reverse_path.parse(attack.mail_from)
    own_mail = attack.name.startswith("client_")  # sent through the provider it names, which SPF rightly confirms
    assert own_mail or found.domain != attack.spoofed
