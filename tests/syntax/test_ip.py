"""Addresses and networks: one text for each, one client in each."""

import ipaddress

import pytest
from hypothesis import given, strategies as st

from mailvet.session.engine import within
from mailvet.syntax import ip
from mailvet.values import Problem


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("2001:DB8:0:0::1", "2001:db8::1"),
        ("::192.0.2.66", "::c000:242"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("::FFFF:c000:201", "192.0.2.1"),
        ("fe80::1%eth0", "fe80::1"),
        ("192.0.2.1", "192.0.2.1"),
        ("", ""),
        ("unknown", "unknown"),
    ],
)
def test_an_address_has_one_text(text: str, canonical: str) -> None:
    """RFC 5952 §4"""
    assert ip.canonical(text) == canonical
    assert ip.canonical(canonical) == canonical


@pytest.mark.parametrize(
    ("network", "inside", "outside"),
    [
        ("::ffff:192.0.2.0/120", "192.0.2.66", "192.0.3.1"),
        ("::ffff:192.0.2.0/120", "::ffff:192.0.2.66", "::c000:242"),
        ("::ffff:c000:242", "192.0.2.66", "192.0.2.67"),
        ("::ffff:0:0/96", "203.0.113.1", "2001:db8::1"),
        ("192.0.2.0/24", "::ffff:192.0.2.1", "2001:db8::1"),
        ("::/0", "2001:db8::1", "192.0.2.1"),
        ("fe80::/64", "fe80::1%eth0", "fe80:1::1"),
        ("10.0.0.0/255.0.0.0", "10.9.9.9", "11.0.0.1"),
    ],
)
def test_who_is_in_a_network(network: str, inside: str, outside: str) -> None:
    """RFC 7208 §5: an IPv4-mapped address is the IPv4 address, in a network too."""
    found = ip.network(network)
    assert not isinstance(found, Problem)
    assert within(ip.parse(inside), [found])
    assert not within(ip.parse(outside), [found])


@given(st.ip_addresses(v=4), st.integers(0, 32))
def test_any_ipv4_network_is_the_same_however_it_is_written(address: ipaddress.IPv4Address, bits: int) -> None:
    plain = ipaddress.ip_network(f"{address}/{bits}", strict=False)
    assert ip.network(f"::ffff:{plain.network_address}/{bits + 96}") == ip.network(str(plain)) == plain


@given(st.text("0123456789abcdef:./%", max_size=20) | st.text(max_size=10))
def test_any_text_is_a_network_or_a_mistake(text: str) -> None:
    found = ip.network(text)
    if isinstance(found, Problem):
        assert found.text
    else:
        assert ip.network(str(found)) == found
