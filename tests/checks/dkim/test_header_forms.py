"""Header fields in both forms, and which of them a signature means."""

import re

import pytest
from dkim import select_headers
from dkim.canonicalization import CanonicalizationPolicy
from hypothesis import given, settings, strategies as st

from mailvet.checks.dkim.body_hash import Canon
from mailvet.checks.dkim.header_forms import HeaderForms, relaxed_field, simple_field, without_signature
from mailvet.message import Field, Headers

PIECES = st.sampled_from([b" ", b"\t", b"\n ", b"\n\t", b"x", b":", b";", b"b=", b"\xe4", b"\r", b"  "])
VALUE = st.lists(PIECES, max_size=25).map(b"".join)
NAME = st.sampled_from([b"A", b"a", b"B-c", b"from", b"FROM", b"To"])


def headers_of(*fields: tuple[bytes, bytes]) -> Headers:
    headers = Headers()
    for name, value in fields:
        headers.add(name, value)
    return headers


@settings(max_examples=400)
@given(NAME, VALUE)
def test_the_relaxed_form_is_what_the_rules_of_the_rfc_make_of_it(name: bytes, value: bytes) -> None:
    """RFC 6376 §3.4.2, one rule after the other."""
    unfolded = re.sub(rb"\r?\n", b"", value)  # milters are shown either line end
    single = re.sub(rb"[ \t]+", b" ", unfolded)
    assert relaxed_field(Field(name, value)) == name.lower() + b":" + single.strip(b" ") + b"\r\n"


@settings(max_examples=300)
@given(NAME, st.lists(PIECES.filter(lambda piece: piece != b"\r"), max_size=25).map(b"".join))
def test_dkimpy_makes_the_same_forms(name: bytes, value: bytes) -> None:
    """But for a lone CR at an end of the value: it takes any control character for white space there."""
    wire = value.replace(b"\n", b"\r\n") + b"\r\n"
    for canon, made in ((b"simple", simple_field), (b"relaxed", relaxed_field)):
        policy = CanonicalizationPolicy.from_c_value(canon)
        ((theirs, content),) = policy.canonicalize_headers([(name, wire)])
        assert made(Field(name, value)) == theirs + b":" + content


@settings(max_examples=300)
@given(st.lists(st.tuples(NAME, VALUE), max_size=12), st.lists(st.sampled_from([b"a", b"from", b"to", b"none"])))
def test_dkimpy_selects_the_same_fields(fields: list[tuple[bytes, bytes]], names: list[bytes]) -> None:
    """RFC 6376 §5.4.2; each value told apart by its place."""
    told = [(name, b"%d" % at) for at, (name, _) in enumerate(fields)]
    forms = HeaderForms(headers_of(*told))
    assert [told[at] for at in forms.selected(names, -1)] == select_headers(told, names)


@pytest.mark.parametrize(
    ("names", "but", "selected"),
    [
        ([b"x"], -1, [4]),
        ([b"x", b"x"], -1, [4, 2]),
        ([b"x", b"y", b"x", b"x", b"x"], -1, [4, 3, 2, 0]),
        ([b"x", b"x"], 4, [2, 0]),
        ([b"x", b"x"], 2, [4, 0]),
        ([b"x", b"x", b"x"], 0, [4, 2]),
        ([b"y", b"y"], 3, [1]),
        ([b"y", b"y"], 1, [3]),
        ([b"z"], -1, []),
        ([], -1, []),
    ],
)
def test_from_the_bottom_up_and_never_the_signature(names: list[bytes], but: int, selected: list[int]) -> None:
    headers = headers_of((b"X", b"0"), (b"Y", b"1"), (b"x", b"2"), (b"y", b"3"), (b"X", b"4"))
    assert list(HeaderForms(headers).selected(names, but)) == selected


def test_the_signed_fields_come_in_the_order_of_h() -> None:
    forms = HeaderForms(headers_of((b"From", b" a"), (b"To", b" b"), (b"to", b"  c")))
    assert forms.signed(Canon.RELAXED, (b"to", b"from", b"to"), -1) == b"to:c\r\nfrom:a\r\nto:b\r\n"
    assert forms.signed(Canon.SIMPLE, (b"to", b"from", b"to"), -1) == b"to:  c\r\nFrom: a\r\nTo: b\r\n"


@pytest.mark.parametrize(
    ("value", "emptied"),
    [
        (b" a=1; b=xyz; c=2", b" a=1; b=; c=2"),
        (b" a=1; b=x\n yz ", b" a=1; b="),
        (b" b = x = ;c=2", b" b =;c=2"),
        (b"b=x", b"b="),
        (b" bh=x; b=y", b" bh=x; b="),
        (b" bh=b=x;\n\tb=y=;", b" bh=b=x;\n\tb=;"),
        (b" a=1;\n b\t=\n x", b" a=1;\n b\t="),
    ],
)
def test_the_value_of_b_is_deleted(value: bytes, emptied: bytes) -> None:
    """RFC 6376 §3.7: surrounding white space goes with it; there is no CRLF at the end."""
    field = Field(b"DKIM-Signature", value)
    assert without_signature(Canon.SIMPLE, field) == simple_field(Field(field.name, emptied)).removesuffix(b"\r\n")
    assert without_signature(Canon.RELAXED, field) == relaxed_field(Field(field.name, emptied)).removesuffix(b"\r\n")
