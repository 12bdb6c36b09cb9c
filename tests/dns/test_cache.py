"""How long answers are kept, and how many."""

import pytest

from lab.resolving import resolving, trouble
from mailvet.ports import RecordType, Trouble, Unavailable


def test_kept_for_its_ttl_which_runs_down() -> None:
    with resolving() as (resolver, server, clock):
        assert resolver.new_lookups().ask("example.org", RecordType.TXT).ttl == 300
        clock.now += 299
        assert resolver.new_lookups().ask("example.org", RecordType.TXT).ttl == 1
        assert len(server.asked) == 1
        clock.now += 1
        assert resolver.new_lookups().ask("example.org", RecordType.TXT).ttl == 300
        assert len(server.asked) == 2


@pytest.mark.parametrize(("name", "ttl"), [("nobody.example.org", 300), ("org", 300)], ids=["NXDOMAIN", "NODATA"])
def test_absence_is_kept_as_the_soa_says(name: str, ttl: float) -> None:  # RFC 2308 §5
    with resolving() as (resolver, server, clock):
        for later in (0, ttl - 1, 2):
            clock.now += later
            resolver.new_lookups().ask(name, RecordType.TXT)
        assert len(server.asked) == 2


@pytest.mark.parametrize("name", ["zero.example.org", "bare.example.org"], ids=["TTL 0", "NODATA without SOA"])
def test_what_may_not_be_kept_serves_its_message_alone(name: str) -> None:
    with resolving() as (resolver, server, _):
        first = resolver.new_lookups()
        assert first.ask(name, RecordType.TXT) is first.ask(name, RecordType.TXT)
        assert len(server.asked) == 1
        resolver.new_lookups().ask(name, RecordType.TXT)
        assert len(server.asked) == 2


def test_a_ttl_is_a_day_at_most() -> None:
    with resolving({"example.org": {"TXT": ["x"], "ttl": 10_000_000}}) as (resolver, _, _):
        assert resolver.new_lookups().ask("example.org", RecordType.TXT).ttl == 86_400


def test_an_alias_lowers_the_ttl() -> None:
    zone = {"a.example": {"CNAME": "b.example", "ttl": 7}, "b.example": {"A": ["192.0.2.1"]}}
    with resolving(zone) as (resolver, _, _):
        assert resolver.new_lookups().ask("a.example", RecordType.A).ttl == 7


def test_a_failure_is_kept_for_a_second_and_for_its_message() -> None:
    with resolving() as (resolver, server, clock):
        lookups = resolver.new_lookups()
        for _ in range(2):
            with pytest.raises(Unavailable):
                lookups.ask("servfail.test", RecordType.TXT)
        assert trouble(resolver, "servfail.test") is Trouble.SERVFAIL
        assert len(server.asked) == 1
        clock.now += 1
        with pytest.raises(Unavailable):
            lookups.ask("servfail.test", RecordType.TXT)
        assert len(server.asked) == 1
        assert trouble(resolver, "servfail.test") is Trouble.SERVFAIL
        assert len(server.asked) == 2


def test_the_cache_is_bounded_and_forgets_the_oldest() -> None:
    with resolving(cache=10, questions=1000) as (resolver, server, _):
        for n in range(40):
            resolver.new_lookups().ask(f"n{n}.example.org", RecordType.TXT)
        assert len(resolver._cache) <= 10
        resolver.new_lookups().ask("n39.example.org", RecordType.TXT)
        assert len(server.asked) == 40
        resolver.new_lookups().ask("n0.example.org", RecordType.TXT)
        assert len(server.asked) == 41


def test_large_answers_count_for_several_in_the_cache() -> None:
    with resolving(cache=30) as (resolver, server, _):
        for name in ("huge.example.org", "huge2.example.org"):  # 20 kB each
            resolver.new_lookups().ask(name, RecordType.TXT)
        resolver.new_lookups().ask("huge2.example.org", RecordType.TXT)
        assert len(server.asked_tcp) == 2
        resolver.new_lookups().ask("huge.example.org", RecordType.TXT)
        assert len(server.asked_tcp) == 3


def test_an_answer_larger_than_the_cache_is_not_kept() -> None:
    with resolving(cache=10) as (resolver, server, _):
        for _ in range(2):
            assert len(resolver.new_lookups().ask("huge.example.org", RecordType.TXT).records[0]) == 20_000
        assert len(server.asked_tcp) == 2


def test_no_cache_when_told_so() -> None:
    with resolving(cache=0) as (resolver, server, _):
        for _ in range(2):
            resolver.new_lookups().ask("example.org", RecordType.TXT)
        assert len(server.asked) == 2
