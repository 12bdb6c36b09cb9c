"""received: the client, and never what the client said in its stead."""

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailvet.received import Hop, client

RELAYS = (ipaddress.ip_network("198.51.100.0/24"), ipaddress.ip_network("2001:db8:1::/48"))


@pytest.mark.parametrize(
    ("value", "address", "helo"),
    [
        (
            b" from helo.example (name.example [192.0.2.1])\n\tby mx.example.org (Postfix) with ESMTP id 1",
            "192.0.2.1",
            "helo.example",
        ),
        (b" from helo.example (unknown [IPv6:2001:DB8::1])\n\tby mx.example.org", "2001:db8::1", "helo.example"),
        (b" from [203.0.113.9] (name.example [192.0.2.1])\n\tby mx.example.org", "192.0.2.1", "[203.0.113.9]"),
        (b" from a (b [192.0.2.1])\n\t(using TLSv1.3 with cipher X (256/256 bits))\n\tby mx", "192.0.2.1", "a"),
        (b" from a ([192.0.2.1]) by mx", "192.0.2.1", "a"),
        (b" from a (b [192.0.2.1] (may be forged)) by mx", "192.0.2.1", "a"),
        (b" from a (IDENT:[203.0.113.9]@b [192.0.2.1]) by mx", "192.0.2.1", "a"),
        (b"from b ([192.0.2.1] helo=a)\n\tby mx with esmtp (Exim 4.96)", "192.0.2.1", "a"),
        (b"from b ([192.0.2.1]:2525 helo=[203.0.113.9])\n\tby mx", "192.0.2.1", "[203.0.113.9]"),
        (b"from [192.0.2.1] (helo=a)\n\tby mx", "192.0.2.1", "a"),
        (b"from [192.0.2.1] by mx", "192.0.2.1", ""),
        (b"from a.example (192.0.2.1) by mx (10.0.0.1) with Microsoft SMTP Server", "192.0.2.1", "a.example"),
        (b"from a.example (2001:db8::1) by mx", "2001:db8::1", "a.example"),
        (b"from unknown (HELO a.example) (192.0.2.1)\n  by mx with SMTP", "192.0.2.1", "a.example"),
        (b"from unknown (HELO [203.0.113.9]) (192.0.2.1) by mx", "192.0.2.1", "[203.0.113.9]"),
        (b"FROM a (b [::ffff:192.0.2.1]) by mx", "192.0.2.1", "a"),
    ],
)
def test_read(value: bytes, address: str, helo: str) -> None:
    assert client([value], ()) == Hop(address=address, helo=helo)


@pytest.mark.parametrize(
    "value",
    [
        b"",
        b"by mx with LMTP id 1",
        b"from a by mx",
        b"from a (b) by mx",
        b"from a (unknown) (Authenticated sender: [203.0.113.9]) by mx",
        b"from a (b [999.0.0.1]) by mx",
        b"from a (HELO [203.0.113.9]) by mx",
        b"from a(b[203.0.113.9]) (c [192.0.2.1]) by mx",  # RFC 5321 §4.4: FWS before the TCP-info; HELO wrote this one
        b"from a (2001:db8::1%eth0) by mx",
        b"from a (2001:db8::1%\x00\x1b[2K) by mx",
        b"from unknown (HELO a.example) (fe80::1%x\n y) by mx",
        b"from",
        b"from (",
        b"from a (((((",
        b"fromage [192.0.2.1]",
        b"from [203.0.113.9] (unknown) by mx",
        b"(from a (b [192.0.2.1])) by mx",
        b"\xff\xfe",
    ],
)
def test_does_not_tell(value: bytes) -> None:
    assert client([value], ()) is None


def test_behind_our_relays() -> None:
    ours = b"from relay (relay [198.51.100.1]) by relay2"
    inner = b"from relay (relay [IPv6:2001:db8:1::1]) by relay1"
    outside = b"from spam.example (x [192.0.2.1]) by relay"
    forged = b"from bank.example (bank.example [203.0.113.1]) by spam.example"
    assert client([outside, forged], RELAYS) == Hop(address="192.0.2.1", helo="spam.example")
    assert client([ours, inner, outside, forged], RELAYS) == Hop(address="192.0.2.1", helo="spam.example")
    assert client([b"by relay (Postfix, from userid 0)", forged], RELAYS) is None
    assert client([ours, inner], RELAYS) is None
    assert client([], RELAYS) is None


@given(
    st.lists(st.one_of(st.binary(max_size=120), st.binary(max_size=80).map(lambda tail: b" from " + tail)), max_size=3)
)
def test_total(values: list[bytes]) -> None:
    hop = client(values, RELAYS)
    if hop is not None:
        assert str(ipaddress.ip_address(hop.address)) == hop.address


@pytest.mark.parametrize("unit", [b"(", b"()", b" ", b"[", b"[1", b"helo=", b"a"])
def test_long_fields_are_cheap(unit: bytes) -> None:
    assert client([b" from a (" + unit * 1_000_000], ()) is None
