"""Packets between a worker and the breach process."""

import pytest

from mailvet.checks.breach import wire
from mailvet.checks.breach.wire import Question, Reply, Urgency
from mailvet.verdict import BreachResult, BreachVerdict

DIGEST = b"d" * 20
VERDICT = BreachVerdict(
    result=BreachResult.LISTED, source="s", newest="2026-05", classes=("a", "b"), checked="c", problem="p"
)


def test_packets_come_out_as_they_went_in() -> None:
    reply = Reply(DIGEST, 600, VERDICT)
    assert wire.decode_reply(wire.encode_reply(reply)) == reply
    for urgency in Urgency:
        question = Question(urgency, DIGEST)
        assert wire.decode_question(wire.encode_question(question)) == question


@pytest.mark.parametrize("packet", [b"", b"n", b"n" + b"d" * 19, b"n" + b"d" * 21, b"z" + DIGEST, wire.FORGET])
def test_what_is_not_a_question(packet: bytes) -> None:
    assert wire.decode_question(packet) is None
