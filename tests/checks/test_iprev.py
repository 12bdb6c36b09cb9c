"""iprev: RFC 8601 §3."""

import dataclasses
from typing import Any

import pytest
from hypothesis import given, strategies as st

from lab.zone import Zone
from mailvet.checks import iprev
from mailvet.ports import Answer, RecordType, Trouble
from mailvet.verdict import IprevResult

NAME = "host.example.org"
V4, V6 = "192.0.2.1", "2001:db8::1"
REVERSE4 = "1.2.0.192.in-addr.arpa"
REVERSE6 = "1." + "0." * 23 + "8.b.d.0.1.0.0.2.ip6.arpa"
HOST = {NAME: {"A": [V4], "AAAA": [V6]}}


def points_to(*names: str) -> dict[str, Any]:
    return {REVERSE4: {"PTR": names}, REVERSE6: {"PTR": names}}


@pytest.mark.parametrize(
    ("address", "zone", "result", "name"),
    [
        pytest.param(V4, points_to(NAME) | HOST, "pass", NAME, id="IPv4"),
        pytest.param(V6, points_to(NAME) | HOST, "pass", NAME, id="IPv6"),
        pytest.param("::ffff:192.0.2.1", points_to(NAME) | HOST, "pass", NAME, id="mapped"),
        pytest.param("2001:DB8:0:0::1", points_to(NAME) | HOST, "pass", NAME, id="as spelled"),
        pytest.param("2001:db8::1%eth0", points_to(NAME) | HOST, "pass", NAME, id="with a zone"),
        pytest.param("2001:db8::1%a\r\nb: \0", points_to(NAME) | HOST, "pass", NAME, id="with anything for a zone"),
        pytest.param(V4, points_to("nobody.example", NAME) | HOST, "pass", NAME, id="the second"),
        pytest.param(
            V4,
            points_to("bad.example", NAME) | HOST | {"bad.example": Trouble.SERVFAIL},
            "pass",
            NAME,
            id="trouble with another name does not matter",
        ),
        pytest.param(V4, points_to("nobody.example"), "fail", "", id="the name does not exist"),
        pytest.param(V4, points_to(NAME) | {NAME: {"A": ["192.0.2.2"]}}, "fail", "", id="another"),
        pytest.param(V4, points_to(NAME) | {NAME: {"AAAA": [V6]}}, "fail", "", id="other family"),
        pytest.param(V4, points_to("") | HOST, "fail", "", id="the name is the root"),
        pytest.param(
            V4,
            points_to("nobody.example", "bad.example") | {"bad.example": Trouble.TIMEOUT},
            "temperror",
            "",
            id="the name in trouble might have been the one",
        ),
        pytest.param(V4, {REVERSE4: Trouble.SERVFAIL}, "temperror", "", id="trouble with the PTR"),
        pytest.param(V4, {}, "permerror", "", id="no PTR: NXDOMAIN"),
        pytest.param(V4, {REVERSE4: {"TXT": [b"x"]}}, "permerror", "", id="no PTR: NODATA"),
        pytest.param("", {}, "permerror", "", id="no address"),
        pytest.param("localhost", {}, "permerror", "", id="no IP address"),
    ],
)
def test_result(address: str, zone: dict[str, Any], result: str, name: str) -> None:
    verdict = iprev.check(address, Zone(zone))
    assert (verdict.result, verdict.name) == (IprevResult(result), name)
    assert bool(verdict.problem) == (result != "pass")


def test_ten_names_are_looked_at() -> None:
    names = [f"n{n}.example" for n in range(10)]
    assert iprev.check(V4, Zone(points_to(*names, NAME) | HOST)).result is IprevResult.FAIL
    assert iprev.check(V4, Zone(points_to(*names[:9], NAME) | HOST)).result is IprevResult.PASS


def test_the_address_is_written_canonically() -> None:
    assert iprev.check("2001:DB8:0:0::1", Zone({})).address == V6
    assert iprev.check("::ffff:192.0.2.1", Zone({})).address == V4
    assert iprev.check("2001:db8::1%eth0", Zone({})).address == V6


@pytest.mark.parametrize("secure", [True, False, None])
@pytest.mark.parametrize("zone", [points_to(NAME) | HOST, points_to("nobody.example"), {}])
def test_secure_is_what_all_answers_were(zone: dict[str, Any], secure: bool | None) -> None:
    assert iprev.check(V4, Zone(zone, secure=secure)).secure is secure


class HalfSigned(Zone):
    """Only the reverse zones are signed."""

    def ask(self, name: str, kind: RecordType) -> Answer:
        return dataclasses.replace(super().ask(name, kind), secure=kind is RecordType.PTR)


@pytest.mark.parametrize("zone", [points_to(NAME) | HOST, points_to("nobody.example")], ids=["pass", "fail"])
def test_one_answer_that_is_not_secure_is_enough(zone: dict[str, Any]) -> None:
    assert iprev.check(V4, HalfSigned(zone)).secure is False


@pytest.mark.parametrize("address", [V4, V6, "::ffff:192.0.2.1"])
@pytest.mark.parametrize("names", [(), (NAME,), tuple(f"n{n}.example" for n in range(15))])
def test_ahead_asks_what_check_asks(address: str, names: tuple[str, ...]) -> None:
    before, after = Zone(points_to(*names)), Zone(points_to(*names))
    iprev.ahead(address, before)
    iprev.check(address, after)
    assert list(before.questions) == list(after.questions)


@given(st.text(max_size=50))
def test_any_text_has_a_verdict(address: str) -> None:
    zone = Zone({})
    iprev.ahead(address, zone)
    assert iprev.check(address, zone).result is IprevResult.PERMERROR


@given(st.ip_addresses())
def test_any_address_without_names_is_asked_once(address: Any) -> None:
    zone = Zone({})
    assert iprev.check(str(address), zone).result is IprevResult.PERMERROR
    assert [kind for _, kind in zone.questions] == [RecordType.PTR]
