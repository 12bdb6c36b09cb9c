"""Runs of white space made one: the arithmetic on whole texts against two plain replacements."""

import re

import pytest
from hypothesis import given, settings, strategies as st

from mailvet.checks.dkim.header_forms import relaxed_field
from mailvet.checks.dkim.white_space import collapse_white_space
from mailvet.message import Field


def reference(text: bytes) -> bytes:
    """RFC 6376 §3.4.4; a run is searched from where one can begin, so that this too is quick."""
    single = re.sub(rb"[ \t]++", b" ", text)
    return single.replace(b" \r\n", b"\r\n")


PIECES = st.sampled_from(
    [b" ", b"\t", b"\r", b"\n", b"\r\n", b"x", b"  ", b" \r\n", b"\xa0", b"\x80", b"\x7f", b"\0", b"\xff"]
)


@settings(max_examples=1000)
@given(st.lists(PIECES | st.binary(max_size=3), max_size=60).map(b"".join))
def test_any_text(text: bytes) -> None:
    assert collapse_white_space(text) == reference(text)


@pytest.mark.parametrize("octet", range(256))
def test_every_octet_is_left_as_it_is_beside_blanks(octet: int) -> None:
    one = bytes((octet,))
    text = one + b"  " + one + one + b" \t" + one + b" \r\n" + one
    assert collapse_white_space(text) == reference(text)


@pytest.mark.parametrize("bits", [0, 1, 8, 12, 16, 17])
@pytest.mark.parametrize("more", range(-3, 68, 7))
def test_lengths_about_those_of_the_numbers(bits: int, more: int) -> None:
    length = max((1 << bits) + more, 0)
    for unit in (b"  x", b"\t\r\n", b" \tx \r\n\xff"):
        text = (unit * length)[:length]
        assert collapse_white_space(text) == reference(text)


@pytest.mark.parametrize("text", [b"", b" ", b"\r\n", b"x y\r\nz", b"=C3=BC"])
def test_what_needs_nothing_is_given_back(text: bytes) -> None:
    assert collapse_white_space(text) is text


@settings(max_examples=200)
@given(st.lists(st.sampled_from([b" ", b"\t", b"\n ", b"\n\t", b"x", b"\r", b"  "]), min_size=1, max_size=30))
def test_long_header_fields_are_collapsed_like_short_ones(pieces: list[bytes]) -> None:
    value = b"".join(pieces) * 400
    unfolded = re.sub(rb"\r?\n", b"", value)
    assert relaxed_field(Field(b"X", value)) == b"x:" + re.sub(rb"[ \t]++", b" ", unfolded).strip(b" ") + b"\r\n"
