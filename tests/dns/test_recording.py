"""Recordings of DNS answers."""

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

from lab.zone import Zone
from mailvet.dns import recording
from mailvet.ports import Answer, Question, Record, RecordType, Status, Trouble, Unavailable

NAMES = st.text("abcdefghijklmnopqrstuvwxyz0123456789-_.\\", max_size=30)


@st.composite
def questions(draw: st.DrawFn) -> Question:
    kind = draw(st.sampled_from(RecordType))
    record: st.SearchStrategy[Record] = NAMES
    if kind is RecordType.TXT:
        record = st.binary(max_size=40) | st.text('\0\n"\\ az~\x7f', max_size=20).map(str.encode)
    elif kind is RecordType.MX:
        record = st.tuples(st.integers(0, 65535), NAMES)
    status = draw(st.sampled_from(Status))
    records = tuple(draw(st.lists(record, min_size=1, max_size=4))) if status is Status.FOUND else ()
    ttl = float(draw(st.integers(0, 86_400)))
    secure, proven = draw(st.none() | st.booleans()), draw(st.booleans())
    answer = draw(st.sampled_from(Trouble) | st.just(Answer(status, records, secure, ttl, proven)))
    flags = draw(st.booleans()), draw(st.booleans())
    return Question(draw(NAMES), kind, answer, draw(st.integers(0, 9999)) / 4, *flags)


WHEN = 1_800_000_000.0


def through_json(trail: list[Question] | tuple[Question, ...]) -> recording.ReplayLookups:
    return recording.from_json(json.loads(json.dumps(recording.to_json(trail, WHEN))))


@given(st.lists(questions(), unique_by=lambda q: (q.name, q.kind)))
def test_what_was_recorded_is_answered(trail: list[Question]) -> None:
    lookups = through_json(trail)
    for question in trail:
        heard: list[Answer] = []
        lookups.ahead(question.name.upper(), question.kind, heard.append)
        if isinstance(question.answer, Answer):
            assert lookups.ask(question.name.upper(), question.kind) == question.answer
            assert heard == [question.answer]
        else:
            with pytest.raises(Unavailable) as e:
                lookups.ask(question.name, question.kind)
            assert e.value.trouble is question.answer
            assert heard == []
    assert [(q.name, q.kind, q.answer) for q in lookups.trail()] == [(q.name, q.kind, q.answer) for q in trail]


def test_what_was_not_recorded_could_not_be_found_out() -> None:
    lookups = through_json(())
    lookups.ahead("example.org", RecordType.TXT, lambda _: pytest.fail("there is no answer"))
    with pytest.raises(Unavailable) as e:
        lookups.ask("example.net", RecordType.TXT)
    assert e.value.trouble is Trouble.UNRECORDED
    assert [(q.name, q.answer, q.wanted) for q in lookups.trail()] == [
        ("example.org", Trouble.UNRECORDED, False),
        ("example.net", Trouble.UNRECORDED, True),
    ]
    assert lookups.asked == 0


def test_when_it_was_made_is_told() -> None:
    assert through_json(()).when == WHEN


def test_a_recording_of_before_is_read() -> None:
    lookups = recording.from_json({"format": "mailvet-dns-1", "questions": [ENTRY]})
    assert lookups.when is None
    assert lookups.ask("example.org", RecordType.TXT).records == (b"x",)


def test_what_the_budget_did_not_do_for_comes_when_it_came() -> None:
    """What SPF was refused, the policy may have been told: each hears again what it heard."""
    answer = Answer(Status.FOUND, (b"x",), None, 1.0)
    lookups = through_json([Question("key.example", RecordType.TXT, answer, 0.0, False, True, late=True)])
    lookups.ahead("key.example", RecordType.TXT, lambda _: pytest.fail("it is too early"))
    with pytest.raises(Unavailable) as e:
        lookups.ask("key.example", RecordType.TXT)
    assert e.value.trouble is Trouble.BUDGET
    assert lookups.reserved.ask("key.example", RecordType.TXT) == answer
    assert [q.late for q in lookups.trail()] == [True]


def test_a_person_can_read_it() -> None:
    zone = Zone({"example.org": {"TXT": [b"v=spf1 -all", b"\xff\n"], "MX": [(10, "mx.example.org")]}}, secure=True)
    zone.ask("example.org", RecordType.TXT)
    zone.ahead("example.org", RecordType.MX)
    text = {"milliseconds": 0.0, "cached": False}
    assert recording.to_json(zone.trail(), WHEN + 0.75) == {
        "format": "mailvet-dns-2",
        "time": "2027-01-15T08:00:00Z",
        "questions": [
            {"name": "example.org", "type": "TXT", "status": "found", "secure": True, "ttl": 300, "wanted": True}
            | {"records": ["v=spf1 -all", {"base64": "/wo="}], **text},
            {"name": "example.org", "type": "MX", "status": "found", "secure": True, "ttl": 300, "wanted": False}
            | {"records": [(10, "mx.example.org")], **text},
        ],
    }


EMPTY: dict[str, Any] = {"time": "2027-01-15T08:00:00Z", "questions": []}
ENTRY = {"name": "example.org", "type": "TXT", "status": "found", "records": ["x"], "secure": None, "ttl": 1}


@pytest.mark.parametrize(
    "value",
    [
        pytest.param(None, id="nothing"),
        pytest.param([], id="a list"),
        pytest.param({}, id="no format"),
        pytest.param({"format": "mailvet-dns-3", **EMPTY}, id="another format"),
        pytest.param({"format": recording.FORMAT, "questions": []}, id="no time"),
        pytest.param(
            {"format": recording.FORMAT, "questions": [], "time": 1_800_000_000}, id="a time that is a number"
        ),
        pytest.param({"format": recording.FORMAT, "questions": [], "time": "yesterday"}, id="a time that is a word"),
        pytest.param({"format": recording.FORMAT, "time": EMPTY["time"]}, id="no questions"),
        *(
            pytest.param({"format": recording.FORMAT, **EMPTY, "questions": [entry]}, id=name)
            for name, entry in {
                "a number": 1,
                "no name": {key: value for key, value in ENTRY.items() if key != "name"},
                "no such type": ENTRY | {"type": "SRV"},
                "no such status": ENTRY | {"status": "lost"},
                "no such trouble": ENTRY | {"trouble": "lost"},
                "records are a number": ENTRY | {"records": 1},
                "TXT is not ASCII": ENTRY | {"records": ["ä"]},
                "not base64": ENTRY | {"records": [{"base64": "?"}]},
                "another object": ENTRY | {"records": [{"hex": "00"}]},
                "half an MX": ENTRY | {"type": "MX", "records": [[10]]},
                "secure is a word": ENTRY | {"secure": "yes"},
                "ttl is a word": ENTRY | {"ttl": "long"},
                "ttl has 400 digits": ENTRY | {"ttl": 10**400},
                "an address in base64": ENTRY | {"type": "A", "records": [{"base64": ""}]},
            }.items()
        ),
    ],
)
def test_anything_else_is_refused(value: Any) -> None:
    with pytest.raises(ValueError, match="not a recording"):
        recording.from_json(value)


@pytest.mark.parametrize("text", ["", "{", "[" * 100_000])
def test_what_is_not_even_json(text: str) -> None:
    with pytest.raises(ValueError, match="not a recording"):
        recording.from_text(text)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from([*ENTRY, "base64"]), inner, max_size=4),
    max_leaves=6,
)


@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None)  # where others keep the machine busy
@given(st.dictionaries(st.sampled_from([*ENTRY, "trouble", "late"]), json_values))
def test_any_entry_is_read_or_refused(changes: dict[str, Any]) -> None:
    try:
        lookups = recording.from_json({"format": recording.FORMAT, **EMPTY, "questions": [{**ENTRY, **changes}]})
    except ValueError:
        return
    assert isinstance(lookups, recording.ReplayLookups)
