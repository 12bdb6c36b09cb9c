"""Answers of very many records: a part of a set never stands for all of it."""

import struct
import time

import pytest

from lab.resolving import resolving, trouble
from mailvet.dns import dnspython
from mailvet.ports import Answer, RecordType, Trouble


def test_of_very_many_records_none_is_chosen_by_chance() -> None:
    """Which of them a server puts first changes, and so would the verdict: no set is better than a part of one."""
    with resolving() as (resolver, server, _):
        assert trouble(resolver, "many.example.org", RecordType.A) is Trouble.BROKEN
        before = server.asked_tcp.copy()
        assert trouble(resolver, "crowd.example.org", RecordType.A) is Trouble.BROKEN
        assert server.asked_tcp == [*before, ("crowd.example.org", "A")]
        assert len(resolver.new_lookups().ask("some.example.org", RecordType.A).records) == 100


def _crowd(kind: int, rdata: list[bytes], *, before: bytes = b"", more: int = 0) -> bytes:
    """An answer about "a." with these records, all by hand: the library takes too long."""
    records = b"".join(b"\xc0\x0c" + struct.pack("!HHIH", kind, 1, 300, len(data)) + data for data in rdata)
    count = len(rdata) + more
    question = b"\1a\0" + struct.pack("!HH", kind, 1)
    return struct.pack("!HHHHHH", 1, 0x8180, 1, count, 0, 0) + question + before + records


def _txt(*strings: bytes) -> bytes:
    return b"".join(bytes((len(string),)) + string for string in strings)


@pytest.mark.parametrize(
    ("kind", "number", "data"),
    [
        pytest.param(RecordType.A, 1, [struct.pack("!I", n) for n in range(4000)], id="A"),
        pytest.param(RecordType.TXT, 16, [_txt(b"%d" % n) for n in range(4000)], id="TXT"),
        pytest.param(RecordType.TXT, 16, [_txt(b"v=%d" % n) for n in range(1000)], id="as many TXT as are looked at"),
    ],
)
def test_thousands_of_records_are_not_all_read(kind: RecordType, number: int, data: list[bytes]) -> None:
    """Each takes the library 25 µs, and an answer over TCP holds 4,000."""
    whole = _crowd(number, data)
    started = time.thread_time()
    answer = dnspython.read(whole, kind, trusted=True)
    assert time.thread_time() - started < 0.02  # all of them: 0.1 s and more; 1,000: 0.03 s
    assert answer is Trouble.BROKEN or len(data) == 1000
    beyond = whole[:6] + struct.pack("!HHH", 0, 60, 60) + whole[12:]
    assert dnspython.read(beyond, kind, trusted=True) is Trouble.BROKEN


@pytest.mark.parametrize("place", [0, 1, 57, 498, 499])
@pytest.mark.parametrize(
    ("policies", "alias"),
    [
        pytest.param([_txt(b"v=spf1 -all")], False, id="SPF"),
        pytest.param([_txt(b"V=SPF1")], False, id="SPF without terms, in capitals"),
        pytest.param([_txt(b"v=s", b"pf1 a", b" -all")], False, id="SPF in strings"),
        pytest.param([_txt(b"", b"v=spf1 -all")], False, id="SPF behind an empty string"),
        pytest.param([_txt(b"v = DMARC1 ; p=reject")], False, id="DMARC"),
        pytest.param([_txt(b"v=DMARC1")], True, id="behind an alias"),
        pytest.param([_txt(b"v=spf1 a"), _txt(b"v=spf1 mx"), _txt(b"v=DMARC1;p=none")], False, id="several"),
    ],
)
def test_a_policy_is_found_among_very_many_records(policies: list[bytes], alias: bool, place: int) -> None:
    others = [_txt(b"vendor-verification=%d" % n) for n in range(500)]
    data = others[:place] + policies + others[place:]
    whole = _crowd(16, data)
    if alias:  # a CNAME b, and all that follows is of b, by a pointer into the alias
        link = b"\xc0\x0c" + struct.pack("!HHIH", 5, 1, 300, 3) + b"\1b\0"
        whole = _crowd(16, data, before=link, more=1).replace(b"\xc0\x0c\0\x10", b"\xc0\x1f\0\x10")
    answer = dnspython.read(whole, RecordType.TXT, trusted=True)
    assert isinstance(answer, Answer)
    found = {record for record in answer.records if isinstance(record, bytes) and not record.startswith(b"vendor")}
    assert found == {_joined(policy) for policy in policies}
    assert len(answer.records) == len(policies) + 2  # to a key, it matters that there are several


def _joined(rdata: bytes) -> bytes:
    return rdata[1 : 1 + rdata[0]] + _joined(rdata[1 + rdata[0] :]) if rdata else b""


def test_mx_that_were_cut_are_no_mx() -> None:
    """Or whether there are more than ten (RFC 7208 §4.6.4) would depend on which repeated ones came first."""
    one, ten = [struct.pack("!H", 0) + b"\0"], [struct.pack("!H", n) + b"\0" for n in range(11)]
    for data in (one * 112 + ten, ten + one * 112, [struct.pack("!H", n) + b"\0" for n in range(300)]):
        assert dnspython.read(_crowd(15, data), RecordType.MX, trusted=True) is Trouble.BROKEN
    answer = dnspython.read(_crowd(15, one * 101 + ten), RecordType.MX, trusted=True)
    assert isinstance(answer, Answer)
    assert len(answer.records) == 11


def test_names_come_in_one_order_whichever_the_server_chose() -> None:
    """The first ten count (RFC 7208 §4.6.4, RFC 8601 §3): the same ten each time."""
    names = [b"\2n%d\0" % n for n in range(10)]
    first, second = (dnspython.read(_crowd(12, data), RecordType.PTR, trusted=True) for data in (names, names[::-1]))
    assert first == second
    assert isinstance(first, Answer)
    assert first.records[0] == "n0"
