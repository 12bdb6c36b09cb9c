"""The circuit breaker, the backlog and late answers, on a clock that is a number.

The pace itself is tried on the store.
"""

import random

import pytest

from mailvet.checks.breach.pace import Backlog, Breaker, LateAnswers


def test_the_breaker_opens_and_tries_again_later_and_later() -> None:
    breaker = Breaker()
    now, pauses = 0.0, []
    for _ in range(12):
        while breaker.allows(now):
            breaker.failed(now)
        start = now
        while not breaker.allows(now):
            now += 1
        pauses.append(now - start)
    assert pauses == [30, 60, 120, 240, 480, 960, 1920, 3600, 3600, 3600, 3600, 3600]
    breaker.worked()
    breaker.failed(now)
    breaker.failed(now)
    assert breaker.allows(now)


def test_a_final_failure_opens_the_breaker_at_once() -> None:
    breaker = Breaker()
    breaker.failed(0.0, final=True)
    assert not breaker.allows(3599.0)
    assert breaker.allows(3600.0)


def test_failures_of_requests_that_were_under_way_do_not_add_up() -> None:
    breaker = Breaker()
    for _ in range(20):
        breaker.failed(0.0)
    assert breaker.allows(31.0)


@pytest.mark.parametrize(("told", "obeyed"), [(2.0, 2.0), (0.1, 1.0), (1e9, 86_400.0), (float("inf"), 86_400.0)])
def test_told_to_wait(told: float, obeyed: float) -> None:
    breaker = Breaker()
    assert breaker.obey_retry_after(100.0, told) == 100.0 + obeyed
    assert not breaker.allows(99.0 + obeyed)
    assert breaker.allows(100.0 + obeyed)


def test_the_backlog_is_bounded_shuffled_and_asks_once_for_each() -> None:
    backlog = Backlog(100, 600.0, random.Random(7))
    ones = [bytes([number]) * 20 for number in range(150)]
    assert [backlog.add(one, 0.0) for one in ones] == [True] * 100 + [False] * 50
    assert all(backlog.add(one, 5.0) for one in ones[:100])
    assert len(backlog) == 100
    assert backlog.peek(0.0) is None
    order = []
    while (one := backlog.peek(600.0)) is not None:
        assert backlog.peek(600.0) == one
        backlog.drop(one)
        order.append(one)
    assert sorted(order) == ones[:100]
    assert order != ones[:100]
    assert len(backlog) == 0


def test_dropped_entries_do_not_pile_up_in_the_backlog() -> None:
    backlog = Backlog(10, 600.0, random.Random(7))
    for number in range(10_000):
        backlog.add(number.to_bytes(20), 0.0)
        backlog.drop(number.to_bytes(20))
    assert len(backlog._heap) <= 21


def test_after_three_late_answers_one_message_in_thirty_seconds_waits() -> None:
    late = LateAnswers()
    lines = [late.record(0.0, in_time=False) for _ in range(4) if late.may_wait(0.0)]
    assert [bool(line) for line in lines] == [False, False, True]  # there was no fourth
    assert [now for now in range(100) if late.may_wait(now)] == [30, 60, 90]
    assert late.record(100.0, in_time=False) == ""
    assert "in time again" in late.record(120.0, in_time=True)
    assert late.may_wait(120.0)
    assert late.record(120.0, in_time=True) == ""
