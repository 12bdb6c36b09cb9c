"""reverse_path: what MAIL FROM says of its domain, and what of it may stand in a log."""

import pytest
from hypothesis import given, strategies as st

from mailvet.message import ReversePath
from mailvet.syntax.reverse_path import parse


@pytest.mark.parametrize(
    ("written", "local", "domain", "shown"),
    [
        pytest.param("<ann@example.org>", "ann", "example.org", "example.org", id="an address in angle brackets"),
        pytest.param(" <ann@example.org> ", "ann", "example.org", "example.org", id="with blanks around it"),
        pytest.param("ann@example.org", "ann", "example.org", "example.org", id="without angle brackets"),
        pytest.param("<>", "", None, "", id="null reverse-path, RFC 5321 §4.5.5"),
        pytest.param("", "", None, "", id="nothing"),
        pytest.param("<@example.org>", "", "example.org", "example.org", id="no local part, RFC 7208 §4.3"),
        pytest.param("<Ann@EXAMPLE.org.>", "Ann", "example.org", "EXAMPLE.org.", id="upper case and a trailing dot"),
        pytest.param("<ann@bücher.example>", "ann", "xn--bcher-kva.example", "bücher.example", id="a U-label"),
        pytest.param("<@a.example,@b.example:ann@example.org>", "ann", "example.org", "example.org",
                     id="a source route is ignored, RFC 5321 §4.1.1.3"),
        pytest.param("<@a.example:ann>", "", None, "", id="a source route and no address"),
        pytest.param("<@[192.0.2.1]:ann@example.org>", "", None, "example.org", id="a route that is not one"),
        pytest.param('<"a@b"@example.org>', '"a@b"', "example.org", "example.org", id="a quoted local part"),
        pytest.param('<"a@b">', "", None, "", id="a quoted local part alone"),
        pytest.param("<ann>", "", None, "", id="a local part alone"),
        pytest.param("<ann@localhost>", "", None, "localhost", id="one label, RFC 7208 §4.3"),
        pytest.param("<ann@[192.0.2.1]>", "", None, "[192.0.2.1]", id="an address literal, RFC 7208 §4.3"),
        pytest.param("<ann@192.0.2.1>", "", None, "192.0.2.1", id="an address"),
        pytest.param("<a,b@example.org>", "", None, "example.org", id="a local part that ends for some readers"),
        pytest.param("<a＠host.example>", "", None, "host.example", id="a wide at sign is one to some readers"),
        pytest.param("<" + "a" * 1000 + "@example.org>", "", None, "example.org", id="longer than any path"),
    ],
)  # fmt: skip
def test_a_path(written: str, local: str, domain: str | None, shown: str) -> None:
    found = parse(written)
    assert (found.local, found.domain, found.shown) == (local, domain, shown)
    assert found.text == written.strip().removeprefix("<").removesuffix(">")


def test_nothing_is_the_null_reverse_path() -> None:
    assert parse("<>") == parse("") == ReversePath()


@given(st.text(st.characters(codec=None)))
def test_any_text_is_a_path(text: str) -> None:
    found = parse(text)
    assert parse(f"<{found.text}>").domain == found.domain or text.strip() != found.text
    assert "@" not in found.shown
