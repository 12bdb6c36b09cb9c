"""The budget of a message, what is reserved for a policy, and what is told afterwards."""

import time

import pytest

from lab.resolving import resolving, trouble, until
from mailvet.ports import Answer, RecordType, Trouble, Unavailable


def test_questions_beyond_the_limit_are_not_asked_and_cached_answers_are_free() -> None:
    with resolving(questions=3) as (resolver, server, _):
        resolver.new_lookups().ask("example.org", RecordType.TXT)
        lookups = resolver.new_lookups()
        for n in range(3):
            lookups.ahead(f"n{n}.example.org", RecordType.TXT)
        with pytest.raises(Unavailable) as e:
            lookups.ask("example.org", RecordType.A)
        assert e.value.trouble is Trouble.BUDGET
        assert lookups.ask("example.org", RecordType.TXT).records == (b"v=spf1 -all",)
        assert lookups.asked == 3
        lookups.ask("n2.example.org", RecordType.TXT)
        assert len(server.asked) == 4


def test_a_sender_who_asks_for_a_lot_cannot_buy_the_absence_of_a_policy() -> None:
    with resolving(questions=3) as (resolver, _, _):
        lookups = resolver.new_lookups()
        for n in range(10):
            lookups.ahead(f"n{n}.example.org", RecordType.TXT)
        assert lookups.reserved.ask("_dmarc.example.org", RecordType.TXT).records == (b"v=DMARC1; p=none",)
        for n in range(40):
            lookups.reserved.ahead(f"_dmarc.n{n}.example.org", RecordType.TXT)
        assert lookups.asked == 3 + 16


def test_nor_can_one_whose_name_servers_are_slow() -> None:
    policy = ("_dmarc.a.b.example", "_dmarc.b.example", "a.b.example", "_dmarc.example")  # the third: does it exist?
    zone = {name: {"TXT": ["x"], "delay": 0.2} for name in ("n0.example", *policy)}
    zone |= {name: {"TXT": ["x"], "delay": 3} for name in ("n1.example", "n2.example")}
    with resolving(zone, budget=0.5, timeout=2, questions=4) as (resolver, _, _):
        lookups = resolver.new_lookups()
        assert lookups.ask("n0.example", RecordType.TXT)
        for name in ("n1.example", "_dmarc.b.example", "a.b.example", "n3.example"):
            assert trouble(lookups, name) is Trouble.BUDGET
        for name in policy:
            assert lookups.reserved.ask(name, RecordType.TXT)
        assert trouble(lookups.reserved, "n2.example") is Trouble.BUDGET  # what is kept is not endless


def test_only_waiting_uses_up_the_time() -> None:
    zone = {f"n{n}.example": {"TXT": ["x"], "delay": 0.1} for n in range(3)} | {"drop.example": {"manner": "drop"}}
    with resolving(zone, budget=0.8, timeout=5) as (resolver, _, _):
        lookups = resolver.new_lookups()
        time.sleep(0.9)  # a slow client
        assert lookups.ask("n0.example", RecordType.TXT)
        assert lookups.ask("n1.example", RecordType.TXT)
        with pytest.raises(Unavailable) as e:
            lookups.ask("drop.example", RecordType.TXT)
        assert e.value.trouble is Trouble.BUDGET
        lookups.ahead("n2.example", RecordType.TXT)
        until(lambda: resolver.cached(("n2.example", RecordType.TXT)))
        assert lookups.ask("n2.example", RecordType.TXT)  # came while nobody waited


def test_trail_says_what_was_asked_in_order_also_when_the_message_is_over() -> None:
    with resolving() as (resolver, _, _):
        resolver.new_lookups().ask("example.org", RecordType.A)
        lookups = resolver.new_lookups()
        lookups.ahead("_dmarc.example.org", RecordType.TXT)
        lookups.ask("Example.org", RecordType.A)
        with pytest.raises(Unavailable):
            lookups.ask("servfail.test", RecordType.TXT)
        lookups.ask("slow.example.org", RecordType.TXT)
        lookups.end()
        trail = lookups.trail()
        found = [(q.name, q.kind, q.cached, q.wanted) for q in trail]
        assert found == [
            ("_dmarc.example.org", RecordType.TXT, False, False),
            ("example.org", RecordType.A, True, True),
            ("servfail.test", RecordType.TXT, False, True),
            ("slow.example.org", RecordType.TXT, False, True),
        ]
        assert trail[2].answer is Trouble.SERVFAIL
        assert trail[1].milliseconds == 0
        assert trail[3].milliseconds > 140
        lookups.end()
        assert resolver.counters()["unused"] == 1


def test_what_the_main_budget_did_not_suffice_for_is_asked_once_more_from_the_reserve() -> None:
    with resolving(questions=1) as (resolver, _, _):
        lookups = resolver.new_lookups()
        lookups.ask("n0.example.org", RecordType.TXT)
        assert trouble(lookups, "example.org") is Trouble.BUDGET
        assert trouble(lookups, "alias.example.org") is Trouble.BUDGET
        assert lookups.reserved.ask("example.org", RecordType.TXT).records == (b"v=spf1 -all",)
        assert lookups.ask("example.org", RecordType.TXT).records == (b"v=spf1 -all",)  # both ports know it now
        assert lookups.reserved.reserved is lookups.reserved
        found = [(q.name, q.late, isinstance(q.answer, Answer)) for q in lookups.trail()]
        assert found == [
            ("n0.example.org", False, True),
            ("example.org", True, True),
            ("alias.example.org", False, False),
        ]


def test_asking_ahead_leaves_half_of_the_reserve() -> None:
    with resolving(questions=1) as (resolver, _, _):
        reserved = resolver.new_lookups().reserved
        for n in range(40):
            reserved.ahead(f"n{n}.example.org", RecordType.TXT)
        assert reserved.asked == 1 + 16
        for n in range(40, 56):
            reserved.ask(f"n{n}.example.org", RecordType.TXT)
        assert trouble(reserved, "n56.example.org") is Trouble.BUDGET
        assert reserved.asked == 1 + 32
