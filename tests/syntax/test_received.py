"""received: the client, and never what the client said in its stead."""

import ipaddress

import pytest
from hypothesis import example, given, settings, strategies as st

from mailvet.syntax.readings import LONGEST_LINE, broken
from mailvet.syntax.received import Hop, client

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
        (b"from [192.0.2.1] (port=2525 helo=a ident=b)\n\tby mx with esmtp (Exim 4.96)", "192.0.2.1", "a"),
        (b"from a ([192.0.2.1] ident=[203.0.113.9])\n\tby mx (Exim)", "192.0.2.1", "a"),
        (b"from by (unknown [192.0.2.1])\n\tby mx (Postfix)", "192.0.2.1", "by"),
        (
            b'from a (b [192.0.2.1])\n\t(Client CN "(\\) by [203.0.113.9])", Issuer "x" (not verified))\n\tby mx (x)',
            "192.0.2.1",
            "a",
        ),
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
        b"from a (b [192.0.2.1])",  # no by
        b"from a ([203.0.113.9] helo=a b [192.0.2.1]) by mx",  # a HELO of several words, or an ident
        b"from a ([203.0.113.9] @b [192.0.2.1]) by mx",
        b"from a (b [203.0.113.9]) (unknown [192.0.2.1]) by mx",
        b"from a (b [203.0.113.9]) c (unknown [192.0.2.1]) by mx",
        b"from a (b [203.0.113.9]) by c (unknown [192.0.2.1]) by mx",
        b"from a (b [203.0.113.9]) by c ( (unknown [192.0.2.1]) by mx (Postfix)",
        b"from [203.0.113.9] (helo=a) (unknown [192.0.2.1]) by mx",
        b"from a (HELO b) (203.0.113.9) (unknown [192.0.2.1]) by mx",
        b"from [203.0.113.9] by c (d) e (unknown [192.0.2.1]) by mx",
        b"from [203.0.113.9] by ( (unknown [192.0.2.1]) by mx (Postfix)",
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


REAL = "203.0.113.66"
NBSP, NEL, IDEOGRAPHIC = b"\xc2\xa0", b"\xc2\x85", b"\xe3\x80\x80"


def postfix(helo: bytes, name: str = "unknown", address: str = REAL, width: int = LONGEST_LINE) -> bytes:
    """The field as Postfix writes it and then breaks it on its way to us."""
    written = b"Received: from %b (%b [%b])\n\tby relay.example.org (Postfix) with ESMTP id 4ABC" % (
        helo,
        name.encode(),
        address.encode(),
    )
    if width == LONGEST_LINE:
        return broken(written).removeprefix(b"Received:")
    first, _, rest = written.partition(b"\n")
    pieces = [first[at : at + width] for at in range(0, len(first), width)]
    return b"\n".join([b"\n ".join(pieces), rest]).removeprefix(b"Received:")


@pytest.mark.parametrize(
    "helo",
    [
        *(b"[192.0.2.1]" + blank + b"x" for blank in (NBSP, NEL, IDEOGRAPHIC, b"\x0b", b"\x1c", b"\x1f")),
        *(b"192.0.2.1" + blank + b"x" for blank in (NBSP, NEL, IDEOGRAPHIC)),
        b"[198.51.100.25]" + NBSP + b"x",  # the relay's own
        NBSP + b"[192.0.2.1]",
        *(b"a" * length + b"[192.0.2.1]bb" for length in range(940, 990)),
        *(b"a" * length + b"[192.0.2.1]by" for length in range(966, 976)),
        *(b"a" * length for length in range(940, 2040, 7)),
        b"a" * 2038,
        b"by",
        b"from",
        b"helo=a",
        b"[192.0.2.1]",
    ],
)
def test_whatever_helo_says_the_client_that_postfix_saw_is_found(helo: bytes) -> None:
    forged = b" from bank.example (bank.example [192.0.2.1])\n\tby relay.example.org (Postfix) with ESMTP id 1"
    found = client([postfix(helo), forged], RELAYS)
    assert found is not None
    assert found.address == REAL


def test_a_helo_that_was_broken_is_whole_again() -> None:
    helo = b"a" * 960 + b".example.org"
    assert client([postfix(helo)], ()) == Hop(address=REAL, helo=helo.decode())


HELO = st.one_of(
    st.binary(max_size=60),
    st.lists(
        st.sampled_from(
            [b"[192.0.2.1]", b"192.0.2.1", b"(", b")", b" ", b"\\", b"by", b"from", b"x", b"(y [192.0.2.1])", b"helo=",
             b"HELO", b"ident=", b"(192.0.2.1)", NBSP, NEL, IDEOGRAPHIC, b"\t", b";", b"[198.51.100.25]"]
        ),
        max_size=12,
    ).map(b"".join),
).map(lambda octets: octets.translate(None, b"\0\r\n"))  # fmt: skip
NAME = st.sampled_from(["unknown", "by", "helo", "192.0.2.1"]) | st.from_regex(r"[A-Za-z0-9._-]{1,250}", fullmatch=True)


@settings(max_examples=500)
@given(HELO, st.integers(0, 1000), NAME, st.sampled_from([REAL, "IPv6:2001:db8::66"]), st.integers(900, LONGEST_LINE))
@example(b"x (y [192.0.2.1]) by z (", 0, "unknown", REAL, LONGEST_LINE)
@example(b"x (y [192.0.2.1]) by z (\\", 0, "unknown", REAL, LONGEST_LINE)
@example(b"[192.0.2.1] by x (y) z", 0, "unknown", REAL, LONGEST_LINE)
@example(b"x (192.0.2.1)", 946, "unknown", REAL, 990)  # a line broken within the real address
@example(b"x by y with local z", 0, "unknown", REAL, LONGEST_LINE)
def test_the_address_is_the_real_clients_or_none(helo: bytes, more: int, name: str, address: str, width: int) -> None:
    """Also for a relay that lets parentheses and blanks pass, which Postfix does not, and breaks lines elsewhere."""
    forged = b" from bank.example (bank.example [192.0.2.1])\n\tby relay.example.org (Postfix) with ESMTP id 1"
    found = client([postfix(b"a" * more + helo, name, address, width), forged], RELAYS)
    assert found is None or found.address == address.removeprefix("IPv6:")


RELAY = Hop(address="198.51.100.25", helo="mx2.example.org")
CRON = b" by mx2.example.org (Postfix, from userid 0)\n\tid 4ABC; Mon, 23 Nov 2026 06:00:00 +0000"
FILTER = b" from mx2.example.org (localhost [127.0.0.1])\n\tby mx2.example.org (Postfix) with ESMTP id 4ABD"
AMAVIS = b" from mx2 ([127.0.0.1])\n by localhost (mx2 [127.0.0.1]) (amavisd-new, port 10024)\n with ESMTP id x"
FILTER_6 = b" from mx2.example.org (localhost [IPv6:::1])\n\tby mx2.example.org (Postfix) with ESMTP id 4ABD"
OUTSIDE = b" from spam.example (x [192.0.2.1])\n\tby mx2.example.org (Postfix) with ESMTP id 4ABC"
INNER = b" from mx3.example.org (x [198.51.100.26])\n\tby mx2.example.org (Postfix) with ESMTP id 4ABC"
SPAM = Hop(address="192.0.2.1", helo="spam.example")


@pytest.mark.parametrize(
    ("values", "hop"),
    [
        pytest.param([CRON], RELAY, id="it began at the relay"),
        pytest.param([CRON, OUTSIDE], RELAY, id="what a program of the relay says about earlier hops is not believed"),
        pytest.param([b" by mx2.example.org (Postfix)\n\tid 4ABC; x"], RELAY, id="a bounce of the relay"),
        pytest.param([INNER, CRON], Hop(address="198.51.100.26", helo="mx3.example.org"), id="at another relay"),
        pytest.param([FILTER, OUTSIDE], SPAM, id="a content filter"),
        pytest.param([FILTER, AMAVIS, OUTSIDE], SPAM, id="amavis"),
        pytest.param([FILTER_6, OUTSIDE], SPAM, id="a content filter on ::1"),
        pytest.param([FILTER, INNER, FILTER, OUTSIDE], SPAM, id="two relays, each with a content filter"),
        pytest.param([FILTER, CRON], RELAY, id="it began at the relay, with a content filter"),
        pytest.param([FILTER], RELAY, id="by SMTP from a program of the relay"),
        pytest.param([INNER], None, id="the other relay's field is not there"),
        pytest.param([b" from a (unknown)\n\tby x", OUTSIDE], None, id="one that does not tell"),
        pytest.param([b" by", CRON], None, id="no name after by"),
        pytest.param([b" from root by mx2 with local (Exim 4.96)\n\tid 1"], RELAY, id="at a relay with Exim"),
        pytest.param([b" by mx2 with local (Exim 4.96)\n\tid 1"], RELAY, id="the same without a login"),
        pytest.param([b" by 10.0.0.1 with SMTP id 1; x", OUTSIDE], None, id="by SMTP, and no from clause"),
        pytest.param([b" from a by b with local c (x [192.0.2.1])\n\tby mx2 with E"], None, id="a HELO of blanks"),
        pytest.param([b" from a by b with local (c\n\tby mx2 with E"], None, id="a HELO of blanks, and a parenthesis"),
        pytest.param([], None, id="no field at all"),
    ],
)
def test_where_a_message_behind_the_relay_began(values: list[bytes], hop: Hop | None) -> None:
    assert client(values, RELAYS, RELAY) == hop


@given(
    st.lists(st.one_of(st.binary(max_size=120), st.binary(max_size=80).map(lambda tail: b" from " + tail)), max_size=3)
)
def test_total(values: list[bytes]) -> None:
    hop = client(values, RELAYS)
    if hop is not None:
        assert str(ipaddress.ip_address(hop.address)) == hop.address


@pytest.mark.parametrize("unit", [b"(", b"()", b" ", b"[", b"[1", b"helo=", b"a", b"\\", b" \n"])
def test_long_fields_are_cheap(unit: bytes) -> None:
    assert client([b" from a (" + unit * 1_000_000], ()) is None
