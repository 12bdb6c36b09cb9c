"""checks.dmarc.record: RFC 9989 §4.7, §4.8 and the policy paragraph of §4.10.1, record by record."""

from typing import Any

import pytest
from hypothesis import given, strategies as st

from mailvet import ports
from mailvet.checks.dmarc.record import parse
from mailvet.policy_record import Policy, PolicyRecord, Psd

RUA = ("mailto:a@example.com",)


def read(text: str) -> PolicyRecord:
    record = parse(text.encode("latin-1"))
    assert record is not None
    return record


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("", id="nothing"),
        pytest.param("v=spf1 -all", id="an SPF record"),
        pytest.param("v=dmarc1; p=reject", id="§4.7 the version is case-sensitive"),
        pytest.param("v=DMARC1x; p=reject", id="a longer version"),
        pytest.param("v=DMARC2; p=reject", id="another version"),
        pytest.param("v=DMARC1 p=reject", id="no semicolon after the version"),
        pytest.param("v=DMARC 1; p=reject", id="white space inside the version"),
        pytest.param("p=reject; v=DMARC1", id="§4.7 v is not the first tag"),
        pytest.param("p=reject", id="no version"),
        pytest.param(" v=DMARC1; p=reject", id="§4.8 nothing may stand before v"),
        pytest.param(";v=DMARC1; p=reject", id="an empty tag before v"),
        pytest.param("v=DMARC1\n; p=reject", id="a line feed is not WSP"),
        pytest.param('"v=DMARC1; p=reject"', id="quotation marks of a zone file"),
    ],
)
def test_what_is_no_dmarc_record(text: str) -> None:
    assert parse(text.encode()) is None


@pytest.mark.parametrize("other", ["v=DMARC1; p=reject", (10, "mx.example.com")], ids=["an address", "an MX"])
def test_what_is_no_txt_record(other: ports.Record) -> None:
    assert parse(other) is None


@pytest.mark.parametrize(
    ("text", "p"),
    [
        pytest.param("v=DMARC1; p=reject", Policy.REJECT, id="plain"),
        pytest.param("v=DMARC1;p=reject;", Policy.REJECT, id="no blanks, a last semicolon"),
        pytest.param("v = DMARC1 ; p = reject", Policy.REJECT, id="§4.8 blanks around = and ;"),
        pytest.param("v\t=\tDMARC1\t;\tp\t=\treject\t", Policy.REJECT, id="§4.8 tabs are WSP"),
        pytest.param("V=DMARC1; P=reject", Policy.REJECT, id="RFC 5234 §2.3 tag names in any case"),
        pytest.param("v=DMARC1; p=Reject", Policy.REJECT, id="§4.8 literals in any case"),
        pytest.param("v=DMARC1; p=QUARANTINE", Policy.QUARANTINE, id="capitals"),
        pytest.param("v=DMARC1; p=none", Policy.NONE, id="none"),
        pytest.param("v=DMARC1; p=reject; pct=0", Policy.REJECT, id="§A.6 pct is history"),
        pytest.param("v=DMARC1; p=reject; pct=bogus; rf=x; ri=1", Policy.REJECT, id="removed tags are unknown tags"),
        pytest.param("v=DMARC1; future=1; p=reject", Policy.REJECT, id="§4.8 unknown tags are ignored"),
        pytest.param("v=DMARC1; x-y=1; =; p; ;; p=reject", Policy.REJECT, id="§4.8 syntax errors are ignored"),
        pytest.param("v=DMARC1; p=reject; note=\xe4\x01", Policy.REJECT, id="octets outside dmarc-value, elsewhere"),
        pytest.param("v=DMARC1; p=reject; v=DMARC2", Policy.REJECT, id="a second version says nothing"),
        pytest.param("v=DMARC1; p=reject; p=reject", Policy.REJECT, id="p twice with one value"),
    ],
)
def test_the_policy_of_a_record(text: str, p: Policy) -> None:
    assert read(text).p is p


@pytest.mark.parametrize(
    "broken",
    [
        pytest.param("", id="p is missing"),
        pytest.param("p=rejected", id="p is another word"),
        pytest.param("p=", id="p is empty"),
        pytest.param("p=re\x01ject", id="p has a control character"),
        pytest.param("p=reject; p=none", id="p is given twice"),
        pytest.param("p=reject; sp=bogus", id="sp is not valid"),
        pytest.param("p=reject; np=bogus", id="np is not valid"),
        pytest.param("p=reject; sp=none; sp=reject", id="sp is given twice"),
        pytest.param("p=reject sp=none", id="a semicolon is missing"),
    ],
)
def test_without_a_valid_policy_it_is_none_if_reports_are_wanted_and_nothing_otherwise(broken: str) -> None:
    """RFC 9989 §4.10.1"""
    with_rua = read(f"v=DMARC1; {broken}; rua=mailto:a@example.com")
    assert (with_rua.p, with_rua.sp, with_rua.np, with_rua.rua) == (Policy.NONE, None, None, RUA)
    assert with_rua.problem
    for rua in ("", "; rua=", "; rua=a@example.com", "; rua=mailto:", "; rua=,"):
        without = read(f"v=DMARC1; {broken}{rua}")
        assert (without.p, without.sp, without.np) == (None, None, None)
        assert without.problem


def test_a_missing_p_is_as_if_p_none_stood_there_and_leaves_sp_and_np() -> None:
    """RFC 9989 §4.7, p="""
    record = read("v=DMARC1; sp=quarantine; np=reject; rua=mailto:a@example.com")
    assert (record.p, record.sp, record.np) == (Policy.NONE, Policy.QUARANTINE, Policy.REJECT)


def test_defaults() -> None:
    """RFC 9989 §4.7"""
    assert read("v=DMARC1; p=none") == PolicyRecord(p=Policy.NONE)


@pytest.mark.parametrize(
    ("tags", "expected"),
    [
        pytest.param("adkim=s", {"strict_dkim": True}, id="adkim=s"),
        pytest.param("adkim=S", {"strict_dkim": True}, id="adkim=S"),
        pytest.param("aspf = s", {"strict_spf": True}, id="aspf = s"),
        pytest.param("adkim=r; aspf=r", {}, id="relaxed is the default"),
        pytest.param("adkim=strict; aspf=x", {}, id="§4.8 not valid: the default"),
        pytest.param("adkim=s; adkim=r", {}, id="given twice: the default"),
        pytest.param("t=y", {"testing": True}, id="t=y"),
        pytest.param("t=Y", {"testing": True}, id="t=Y"),
        pytest.param("t=yes", {}, id="t=yes is not valid"),
        pytest.param("psd=y", {"psd": Psd.YES}, id="psd=y"),
        pytest.param("psd=N", {"psd": Psd.NO}, id="psd=N"),
        pytest.param("psd=maybe", {}, id="psd=maybe is not valid"),
        pytest.param("fo=1", {}, id="fo without ruf is ignored"),
    ],
)
def test_the_other_tags(tags: str, expected: dict[str, Any]) -> None:
    record = read(f"v=DMARC1; p=reject; {tags}")
    fields = ("strict_dkim", "strict_spf", "testing", "psd", "fo")
    plain = PolicyRecord(p=Policy.REJECT, **expected)
    assert [getattr(record, name) for name in fields] == [getattr(plain, name) for name in fields]


@pytest.mark.parametrize(
    ("value", "fo"),
    [("0", "0"), ("1:d:s", "1:d:s"), ("D:1", "d:1"), ("0:1", "0"), ("d:d", "0"), ("x", "0"), ("", "0"), ("1:", "0")],
)
def test_failure_options(value: str, fo: str) -> None:
    assert read(f"v=DMARC1; p=none; ruf=mailto:a@example.com; fo={value}").fo == tuple(fo.split(":"))


@pytest.mark.parametrize(
    ("value", "uris"),
    [
        pytest.param("mailto:a@example.com", RUA, id="one"),
        pytest.param("mailto:a@example.com , https://example.com/r", (*RUA, "https://example.com/r"), id="two"),
        pytest.param("mailto:a@example.com!10m", RUA, id="§4.8 an obsolete size"),
        pytest.param("mailto:a@example.com!10", RUA, id="an obsolete size without unit"),
        pytest.param("mailto:a@example.com!10M", RUA, id="an obsolete size in capitals"),
        pytest.param("mailto:a@example.com!10m!5m", (), id="two sizes"),
        pytest.param("mailto:a!b@example.com", (), id="§4.8 ! has to be encoded"),
        pytest.param("mailto:a%21b@example.com", ("mailto:a%21b@example.com",), id="an encoded !"),
        pytest.param("mailto:a%2@example.com", (), id="a broken percent encoding"),
        pytest.param("a@example.com,mailto:a@example.com,,", RUA, id="RFC 9990 §3.5 a bad one costs only itself"),
        pytest.param("mailto:a b@example.com", (), id="a blank"),
        pytest.param("mailto:", (), id="no address"),
        pytest.param("1mailto:a@example.com", (), id="a scheme begins with a letter"),
    ],
)
def test_report_uris(value: str, uris: tuple[str, ...]) -> None:
    record = read(f"v=DMARC1; p=none; rua={value}; ruf={value}")
    assert (record.rua, record.ruf) == (uris, uris)


# RFC 9989 Appendix B.2: the records of the worked example, as the strings of the zone file joined
B2 = {
    "B.2.1": "v=DMARC1; p=none; rua=mailto:dmarc-feedback@example.com",
    "B.2.2": "v=DMARC1; p=none; rua=mailto:dmarc-feedback@example.com; ruf=mailto:auth-reports@example.com",
    "B.2.3": "v=DMARC1; p=none; rua=mailto:dmarc-feedback@example.com; ruf=mailto:auth-reports@thirdparty.example.net",
    "B.2.3, the third party": "v=DMARC1;",
    "B.2.4, the third party": "v=DMARC1; rua=mailto:aggregate-reports@thirdparty.example.net; "
    "ruf=mailto:failure-reports@thirdparty.example.net",
    "B.2.5, testing": "v=DMARC1; p=quarantine; rua=mailto:dmarc-feedback@example.com,"
    "mailto:tld-test@thirdparty.example.net; t=y",
    "B.2.5, in earnest": "v=DMARC1; p=reject; rua=mailto:dmarc-feedback@example.com,"
    "mailto:tld-test@thirdparty.example.net",
}


@pytest.mark.parametrize(
    ("example", "p", "testing", "rua", "ruf"),
    [
        ("B.2.1", Policy.NONE, False, ["dmarc-feedback@example.com"], []),
        ("B.2.2", Policy.NONE, False, ["dmarc-feedback@example.com"], ["auth-reports@example.com"]),
        ("B.2.3", Policy.NONE, False, ["dmarc-feedback@example.com"], ["auth-reports@thirdparty.example.net"]),
        ("B.2.3, the third party", None, False, [], []),
        (
            "B.2.4, the third party",
            Policy.NONE,
            False,
            ["aggregate-reports@thirdparty.example.net"],
            ["failure-reports@thirdparty.example.net"],
        ),
        (
            "B.2.5, testing",
            Policy.QUARANTINE,
            True,
            ["dmarc-feedback@example.com", "tld-test@thirdparty.example.net"],
            [],
        ),
        (
            "B.2.5, in earnest",
            Policy.REJECT,
            False,
            ["dmarc-feedback@example.com", "tld-test@thirdparty.example.net"],
            [],
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_the_records_of_appendix_b(
    example: str, p: Policy | None, testing: bool, rua: list[str], ruf: list[str]
) -> None:
    record = read(B2[example])
    assert (record.p, record.testing) == (p, testing)
    assert record.rua == tuple(f"mailto:{address}" for address in rua)
    assert record.ruf == tuple(f"mailto:{address}" for address in ruf)


TAGS = st.sampled_from(["p", "sp", "np", "psd", "t", "adkim", "aspf", "rua", "ruf", "fo", "v", "pct", "x", "", "\x00"])
VALUES = st.one_of(
    st.sampled_from(["none", "reject", "y", "s", "mailto:a@b", "mailto:a@b!1m", "0:d", "", " ", "=", "\xff", ","]),
    st.text(st.characters(max_codepoint=255), max_size=20),
)


@given(st.lists(st.tuples(TAGS, VALUES), max_size=12))
def test_any_tags_behind_the_version_make_a_record(tags: list[tuple[str, str]]) -> None:
    text = "v=DMARC1;" + ";".join(f"{name}={value}" for name, value in tags)
    record = read(text)
    assert record == parse(text.encode("latin-1"))
    assert record.p is not None or not (record.rua or record.sp or record.np)
    assert all(uri.isascii() and "!" not in uri and "," not in uri for uri in record.rua + record.ruf)


@given(st.binary(max_size=200))
def test_any_octets_are_a_record_or_none(data: bytes) -> None:
    for text in (data, b"v=DMARC1;" + data, b"v=DMARC1; p=reject; rua=" + data):
        record = parse(text)
        assert record is None or isinstance(record, PolicyRecord)


def test_a_large_record_is_read_like_any_other() -> None:
    filler = ";".join(f"x{'a' * i}=1" for i in range(80))
    assert read(f"v=DMARC1; p=reject; {filler}").p is Policy.REJECT
    assert read("v=DMARC1; p=none; rua=" + ",".join(["mailto:a@example.com"] * 190)).rua == RUA * 190


def test_a_huge_record_is_a_record_that_asks_for_nothing() -> None:
    record = read("v=DMARC1; p=reject; " + "x" * 4096)
    assert (record.p, record.problem) == (None, "the record has over 4096 octets")
