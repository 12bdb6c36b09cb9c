"""list_id: RFC 2919, one identifier, one reason, or nothing."""

import pytest
from hypothesis import given, strategies as st

from mailvet.syntax.list_id import find
from mailvet.values import Problem


@pytest.mark.parametrize(
    ("value", "identifier"),
    [
        pytest.param(b" <dev.lists.example.org>", "dev.lists.example.org", id="alone"),
        pytest.param(b" Developers <dev.lists.example.org>", "dev.lists.example.org", id="behind a phrase"),
        pytest.param(b' "a <b.c>" <Dev.Lists.Example.ORG>', "dev.lists.example.org", id="the last one, in lower case"),
        pytest.param(b"\n\t<dev.lists.example.org>\n", "dev.lists.example.org", id="folded"),
        pytest.param(b" <0a1b.04.dev.localhost>", "0a1b.04.dev.localhost", id="unmanaged, RFC 2919 §3"),
    ],
)
def test_an_identifier(value: bytes, identifier: str) -> None:
    assert find([value]) == identifier


@pytest.mark.parametrize(
    "values",
    [
        pytest.param([b" dev.lists.example.org"], id="no angle brackets"),
        pytest.param([b" <dev>"], id="one label"),
        pytest.param([b" <dev.example.org> trailing"], id="text behind it"),
        pytest.param([b" <dev example.org>"], id="a blank inside"),
        pytest.param([b" <dev.ex\xc3\xa4mple.org>"], id="not ASCII"),
        pytest.param([b" <" + b"a." * 128 + b"example>"], id="over 255 octets, RFC 2919 §2"),
        pytest.param([b" <a.example>", b" <a.example>"], id="two fields"),
        pytest.param([b""], id="an empty field"),
    ],
)
def test_what_is_not_one(values: list[bytes]) -> None:
    assert isinstance(find(values), Problem)


def test_absence_is_not_a_problem() -> None:
    assert find([]) is None


@given(st.binary(max_size=400))
def test_any_octets(value: bytes) -> None:
    found = find([value])
    assert isinstance(found, Problem) or (found is not None and found.isascii() and found == found.lower())
