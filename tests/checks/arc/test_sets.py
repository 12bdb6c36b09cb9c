"""Any bytes as ARC fields: always a verdict, and work that is bounded by what the message is."""

from base64 import b64decode

import pytest
from hypothesis import given, settings, strategies as st

from lab.sealer import ARC, Mail, Sealer, letter, seal, zone_of
from mailvet.checks.arc import check as arc
from mailvet.checks.arc.sets import collect
from mailvet.checks.dkim.body_hash import BodyHasher
from mailvet.checks.dkim.content import Content
from mailvet.checks.dkim.dkimpy import parse_tags
from mailvet.checks.dkim.header_forms import HeaderForms
from mailvet.checks.dkim.keys import KeyParser, KeyReader
from mailvet.message import Headers
from mailvet.ports import PublicKey
from mailvet.settings import LimitSettings
from mailvet.verdict import ArcResult
from tests.checks.arc.test_check import NOW, judged

ONE = Sealer("one.example")
LIMITS = LimitSettings(arc_sets=50)
SEALED = seal(seal(letter(), ONE), ONE)
SPELLED = [b"ARC-Authentication-Results", b"ARC-Message-Signature", b"ARC-Seal", b"arc-seal ", b"From"]
PIECES = st.sampled_from(
    [b"i=1;", b"i=2;", b" i = 1 ;", b"i=", b"a=rsa-sha256;", b"b=;", b"b=AAAA;", b"bh=AAAA;", b"c=relaxed/relaxed;",
     b"c=/;", b"cv=none;", b"cv=pass;", b"cv=fail;", b"d=one.example;", b"s=s1;", b"h=from;", b"h=:;", b"l=1;", b"x=1;",
     b"(", b")", b"\\", b"\n ", b"\0", b"\xff", b"=", b";", b" ", b"\xc3\xbc"]
)  # fmt: skip
VALUES = st.lists(PIECES, max_size=14).map(b"".join) | st.binary(max_size=60)
FIELDS = st.lists(st.tuples(st.sampled_from(SPELLED), VALUES), max_size=9)


@settings(max_examples=400, deadline=None)
@given(FIELDS)
def test_any_fields_have_a_verdict(fields: list[tuple[bytes, bytes]]) -> None:
    found = judged(Mail(tuple(fields), b""), zone_of(ONE))
    assert found.result is (
        ArcResult.FAIL if any(n.startswith((b"ARC", b"arc")) for n, _ in fields) else ArcResult.NONE
    )
    assert bool(found.problem) is (found.result is ArcResult.FAIL)
    assert found.problem.isascii()


@settings(max_examples=400, deadline=None)
@given(st.integers(0, 5), st.integers(0, 400), st.binary(max_size=3), st.integers(0, 4))
def test_any_change_of_a_genuine_chain_has_a_verdict(field: int, place: int, bit: bytes, less: int) -> None:
    value = SEALED.fields[field][1]
    changed = SEALED.with_value(field, value[:place] + bit + value[place + less :])
    found = judged(changed, zone_of(ONE), trusted=frozenset([ONE.domain]))
    assert (found.result is ArcResult.PASS) is (not found.problem)


@pytest.mark.parametrize("junk", [b"(", b"()", b" ", b"\n ", b"\\", b"i", b"=", b";", b"i=1;", b"\xff", b"9", b"h=a:"])
@pytest.mark.parametrize("name", ARC, ids=bytes.decode)
def test_a_megabyte_of_anything_is_read_in_no_time(name: bytes, junk: bytes) -> None:
    """The time limit of the test run is the assertion: whatever looks back takes hours."""
    headers = Headers()
    headers.add(name, junk * (1_000_000 // len(junk)))
    assert collect(headers, LIMITS).problem


class Counting:
    """A key that verifies everything and keeps count."""

    bits = 2048

    def __init__(self) -> None:
        self.calls = self.octets = 0

    def verify(self, _signature: bytes, data: bytes) -> bool:
        self.calls += 1
        self.octets += len(data)
        return True


@pytest.mark.parametrize("sets", [1, 10, 50])
def test_work_is_two_signatures_a_set_and_no_field_more_often_than_sets(sets: int) -> None:
    mail = letter()
    for _ in range(sets):
        mail = seal(mail, ONE, names=[b"from"] * 199)
    headers, key = mail.headers, Counting()

    def load(_kind: str, data: bytes) -> PublicKey:
        assert data == b64decode(ONE.record.partition(b"p=")[2])
        return key

    chain = arc.prepare(headers, LIMITS)
    hasher = BodyHasher(chain.digests)
    hasher.feed(mail.body)
    zone = zone_of(ONE)
    keys = KeyReader(zone.ask, KeyParser(parse_tags, load, LIMITS))
    found = arc.judge(chain, Content(HeaderForms(headers), hasher.finish()), keys, NOW)
    assert (found.result, found.oldest_pass) == (ArcResult.PASS, 0)
    assert key.calls == 2 * sets
    assert key.octets <= headers.size * (sets + 1)
    assert zone.asked == 1
