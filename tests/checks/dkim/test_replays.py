"""replays: replayed signatures are counted within bounds, and noted without changing a result."""

import dataclasses
from threading import Thread

import pytest
from hypothesis import given, strategies as st

from mailvet.checks.dkim.replays import Replays, replayed
from mailvet.verdict import DkimResult, DkimVerdict


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def signature(prefix: str = "AbCdEfGh", result: DkimResult = DkimResult.PASS) -> DkimVerdict:
    return DkimVerdict(
        result=result, domain="example.com", selector="s1", signature_prefix=prefix, notes=("1024-bit key",)
    )


def test_a_signature_seen_too_often_is_noted_and_still_passes() -> None:
    replays = Replays(Clock(), threshold=3)
    seen = [replayed((signature(),), replays)[0] for _ in range(4)]
    assert [verdict.notes for verdict in seen] == [
        ("1024-bit key",),
        ("1024-bit key",),
        ("1024-bit key", "same signature seen 3 times within an hour"),
        ("1024-bit key", "same signature seen 4 times within an hour"),
    ]
    assert all(dataclasses.replace(verdict, notes=("1024-bit key",)) == signature() for verdict in seen)


@pytest.mark.parametrize("result", [result for result in DkimResult if result is not DkimResult.PASS])
def test_only_good_signatures_are_counted(result: DkimResult) -> None:
    """A copied prefix in a broken signature must not make the true one look replayed."""
    replays = Replays(Clock(), threshold=1)
    assert replayed((signature(result=result),) * 5, replays) == (signature(result=result),) * 5
    assert len(replays) == 0


def test_signatures_are_told_apart_by_key_and_value() -> None:
    replays = Replays(Clock())
    assert [replays.count("example.com", "s1", "AAAA"), replays.count("example.com", "s1", "BBBB")] == [1, 1]
    assert [replays.count("example.com", "s2", "AAAA"), replays.count("example.org", "s1", "AAAA")] == [1, 1]
    assert replays.count("example.com", "s1", "AAAA") == 2


def test_an_hour_later_counting_begins_anew() -> None:
    clock = Clock()
    replays = Replays(clock, window=3600.0)
    assert [replays.count("x"), replays.count("x")] == [1, 2]
    clock.now = 3599.0
    assert replays.count("x") == 3
    clock.now = 3600.0
    assert replays.count("x") == 1


def test_what_was_not_seen_for_longest_is_forgotten_first() -> None:
    replays = Replays(Clock(), capacity=2)
    for name in ("a", "b", "a", "c"):  # b is forgotten
        replays.count(name)
    assert [replays.count("a"), replays.count("b")] == [3, 1]


@given(st.lists(st.text(max_size=2), max_size=60), st.integers(1, 5))
def test_memory_is_bounded_and_counts_never_exceed_what_was_seen(names: list[str], capacity: int) -> None:
    replays = Replays(Clock(), capacity=capacity)
    for position, name in enumerate(names):
        assert 1 <= replays.count(name) <= names[: position + 1].count(name)
        assert len(replays) <= capacity


def test_threads_lose_no_count() -> None:
    replays = Replays(Clock())
    threads = [Thread(target=lambda: [replays.count("x") for _ in range(500)]) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert replays.count("x") == 8 * 500 + 1
