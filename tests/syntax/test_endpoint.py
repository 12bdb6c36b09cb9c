"""Where to listen, as an operator writes it."""

import pytest
from hypothesis import given, strategies as st

from mailvet.syntax import endpoint
from mailvet.values import Listen, Problem


@pytest.mark.parametrize(
    ("text", "meaning"),
    [
        pytest.param("inet:8899@127.0.0.1", Listen("inet", "127.0.0.1", 8899), id="a port of an address"),
        pytest.param("inet:8899@localhost", Listen("inet", "localhost", 8899), id="of a name"),
        pytest.param("inet:8899", Listen("inet", "", 8899), id="of all addresses"),
        pytest.param("inet6:8899@localhost", Listen("inet6", "localhost", 8899), id="of a name, IPv6"),
        pytest.param("inet6:65535@[::1]", Listen("inet6", "[::1]", 65535), id="IPv6"),
        pytest.param("unix:/run/mailvet.sock", Listen("unix", path="/run/mailvet.sock"), id="a unix socket"),
        pytest.param(f"unix:/{'a' * 106}", Listen("unix", path=f"/{'a' * 106}"), id="the longest path"),
    ],
)
def test_where_to_listen(text: str, meaning: Listen) -> None:
    assert endpoint.listen(text) == meaning


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("8899", "inet:8899"),
        ("inet:0@127.0.0.1", "inet:8899"),
        ("inet:65536@127.0.0.1", "inet:8899"),
        ("unix:run/mailvet.sock", "inet:8899"),
        (f"unix:/{'a' * 107}", "107 octets"),
        pytest.param("inet:8899@::1", 'write "inet6:8899@::1"', id="an IPv6 address for inet"),
        pytest.param("inet:8899@[::1]", 'write "inet6:8899@[::1]"', id="an IPv6 address in brackets for inet"),
        pytest.param("inet6:8899@127.0.0.1", 'write "inet:8899@127.0.0.1"', id="an IPv4 address for inet6"),
        pytest.param("inet:8899@127.0.0.1@x", "inet:8899", id="an @ in the host"),
        pytest.param("inet:８８９９@127.0.0.1", "inet:8899", id="digits that are not ASCII"),
    ],
)
def test_where_nobody_can_listen(text: str, part: str) -> None:
    found = endpoint.listen(text)
    assert isinstance(found, Problem)
    assert part in found.text


@given(st.text(max_size=30) | st.from_regex(r"(inet6?:[0-9]{1,6}(@.{1,5})?|unix:/.*)", fullmatch=True))
def test_any_text_is_a_place_or_a_problem(text: str) -> None:
    assert isinstance(endpoint.listen(text), Listen | Problem)
