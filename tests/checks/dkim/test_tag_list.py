"""Tag lists: our reader of signatures and dkimpy's of key records give the same, and refuse the same."""

from collections.abc import Callable

import pytest
from hypothesis import given, settings, strategies as st

from mailvet.checks.dkim import tag_list
from mailvet.checks.dkim.dkimpy import parse_tags
from mailvet.values import Problem

Parse = Callable[[bytes], tag_list.Tags | Problem]
both = pytest.mark.parametrize("parse", [tag_list.parse, parse_tags], ids=["ours", "dkimpy's"])


@both
@pytest.mark.parametrize(
    ("value", "tags"),
    [
        pytest.param(b"a=1; b=2", {b"a": b"1", b"b": b"2"}, id="two tags"),
        pytest.param(b" a=1;", {b"a": b"1"}, id="a semicolon may end the list"),
        pytest.param(b"a=1;\n ", {b"a": b"1"}, id="and white space after it"),
        pytest.param(
            b"\n\ta\t= \n 1 2\n 3 ;b\n =", {b"a": b"1 2\n 3", b"b": b""}, id="white space around names and values"
        ),
        pytest.param(b"a=b=c==", {b"a": b"b=c=="}, id="equals signs in a value"),
        pytest.param(b"a=1; A=2", {b"a": b"1", b"A": b"2"}, id="names are case-sensitive"),
        pytest.param(b"a_1=x", {b"a_1": b"x"}, id="underscore and digit in a name"),
        pytest.param(b"d=\xc3\xbc", {b"d": b"\xc3\xbc"}, id="RFC 8616: octets above 126"),
    ],
)
def test_tag_lists(parse: Parse, value: bytes, tags: dict[bytes, bytes]) -> None:
    assert parse(value) == tags


@both
@pytest.mark.parametrize(
    "value",
    [
        pytest.param(b"a=1; a=2", id="RFC 6376 §3.2: a tag twice"),
        pytest.param(b"a=1; a =1", id="a tag twice, spelled differently"),
        pytest.param(b"a", id="no equals sign"),
        pytest.param(b"=1", id="no name"),
        pytest.param(b"a=1;;b=2", id="an empty place"),
        pytest.param(b";a=1", id="an empty place in front"),
        pytest.param(b"a=1;;", id="an empty place at the end"),
        pytest.param(b"1a=1", id="a digit in front of a name"),
        pytest.param(b"a-b=1", id="a hyphen in a name"),
        pytest.param(b"a b=1", id="a blank in a name"),
        pytest.param(b"\xc3\xa4=1", id="8-bit name"),
        pytest.param(b"a=\x00", id="NUL"),
        pytest.param(b"a=\x7f", id="DEL"),
        pytest.param(b"a=1;\x0bb=2", id="vertical tab"),
        pytest.param(b"a=1;\x0c", id="form feed"),
    ],
)
def test_no_tag_lists(parse: Parse, value: bytes) -> None:
    assert isinstance(parse(value), Problem)


@settings(max_examples=600)
@given(
    st.lists(
        st.sampled_from([b"a", b"B", b"=", b";", b" ", b"\n ", b"1", b"_", b"\t", b"-", b"\0", b"\xff", b"\x0b"])
        | st.binary(max_size=2),
        max_size=20,
    ).map(b"".join)
)
def test_both_readers_agree_on_any_bytes(value: bytes) -> None:
    ours, theirs = tag_list.parse(value), parse_tags(value)
    assert (ours == theirs) or (isinstance(ours, Problem) and isinstance(theirs, Problem))


def test_an_endless_name_is_refused_and_not_kept() -> None:
    assert tag_list.parse(b"a" * 65 + b"=1") == Problem("not a tag list")
