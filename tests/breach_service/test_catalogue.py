"""What our plan allows, a list of breaches that changes, and a source that tells us to wait."""

import hashlib
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from lab.breachprocess import ANN, BEN, CLEAN, ask, hibp_process
from lab.hibp_server import TODAY, HibpServer, breach
from lab.wait import until
from mailvet.verdict import BreachResult

LISTED, NOT_LISTED, UNKNOWN = BreachResult.LISTED, BreachResult.NOT_LISTED, BreachResult.UNKNOWN


@pytest.mark.parametrize(
    ("plan", "log"),
    [({"IncludesKAnon": False, "Rpm": 500}, "no ranges in this plan"), ({"Rpm": 500}, "no ranges in this plan")],
)
def test_a_plan_without_ranges_asks_for_none(tmp_path: Path, hibp: HibpServer, plan: dict[str, Any], log: str) -> None:
    hibp.plan = plan
    with hibp_process(tmp_path, hibp) as breach_process:
        until(lambda: log in breach_process.log)
        assert breach_process.client().ask(ANN, 1.0).result is UNKNOWN
        time.sleep(0.5)
    assert hibp.ranges == []


def test_a_plan_beyond_all_numbers(tmp_path: Path, hibp: HibpServer) -> None:
    hibp.plan = {"IncludesKAnon": True, "Rpm": 10**400}
    with hibp_process(tmp_path, hibp, rpm=0) as breach_process:
        assert ask(breach_process.client(), ANN).result is LISTED


def test_half_of_what_the_plan_allows_is_used(tmp_path: Path, hibp: HibpServer) -> None:
    hibp.plan = {"IncludesKAnon": True, "Rpm": 40}
    with hibp_process(tmp_path, hibp, rpm=0) as breach_process:
        until(lambda: breach_process.counters.get("lists read"))
        client = breach_process.client()
        started = time.monotonic()
        for number in range(60):
            client.ask(f"{number}@signed.example", 0.5)
        late = (time.monotonic() - started) // 3.5
    assert 4 <= len(hibp.ranges) <= 4 + late + 1  # a fifth of 20 a minute at once, one more every 3.5 s


def test_a_range_that_names_a_new_breach_makes_us_read_the_list_once(tmp_path: Path, hibp: HibpServer) -> None:
    with hibp_process(tmp_path, hibp) as breach_process:
        until(lambda: breach_process.counters.get("lists read"))
        client = breach_process.client()
        hibp.listed[hashlib.sha1(CLEAN.encode()).hexdigest().upper()] = ["JustIn"]
        hibp.listed[hashlib.sha1(b"more@signed.example").hexdigest().upper()] = ["Never"]
        hibp.breaches.append(breach("JustIn", days=0))
        verdict = ask(client, CLEAN)
        assert (verdict.result, verdict.newest) == (LISTED, TODAY.isoformat()[:7])
        assert ask(client, "more@signed.example").result is NOT_LISTED
        assert sum(request.path.endswith("/breaches") for request in hibp.requests) == 2


def test_who_was_in_a_new_breach_is_not_clean_while_the_list_cannot_be_read(tmp_path: Path, hibp: HibpServer) -> None:
    hibp.listed[hashlib.sha1(CLEAN.encode()).hexdigest().upper()] = ["JustIn"]
    with hibp_process(tmp_path, hibp) as breach_process:
        until(lambda: breach_process.counters.get("lists read"))
        client, known = breach_process.client(), hibp.breaches
        hibp.breaches = []  # no list of breaches: garbage
        assert client.ask(CLEAN, 1.0).result is UNKNOWN
        hibp.breaches = [*known, breach("JustIn", days=0)]
        assert ask(client, CLEAN).result is LISTED


def test_several_who_were_in_a_new_breach_wait_for_the_list(tmp_path: Path, hibp: HibpServer) -> None:
    people = [f"p{number}@signed.example" for number in range(6)]
    for person in people:
        hibp.listed[hashlib.sha1(person.encode()).hexdigest().upper()] = ["JustIn"]
    with hibp_process(tmp_path, hibp, timeout="5s") as breach_process:
        until(lambda: breach_process.counters.get("lists read"))
        hibp.breaches = [*hibp.breaches, breach("JustIn", days=0)]
        hibp.pause = 0.5
        client = breach_process.client()
        with ThreadPoolExecutor(6) as threads:
            verdicts = list(threads.map(lambda person: client.ask(person, 5.0).result, people))
    assert verdicts == [LISTED] * 6
    assert sum(request.path.endswith("/breaches") for request in hibp.requests) == 2


def test_told_to_wait_it_waits_and_goes_on(tmp_path: Path, hibp: HibpServer) -> None:
    with hibp_process(tmp_path, hibp) as breach_process:
        until(lambda: breach_process.counters.get("lists read"))
        hibp.manner = "status 429"
        client = breach_process.client()
        client.ask(ANN, 1.0)
        asked = hibp.requests[-1].at
        hibp.manner = ""
        assert ask(client, ANN).result is LISTED
        assert hibp.requests[-1].at - asked >= 2.0
        assert len(hibp.ranges) == 2


def test_one_host_that_is_told_to_wait_speaks_for_all(tmp_path: Path, hibp: HibpServer) -> None:
    store = f"sqlite:///{tmp_path}/shared.db"
    with (
        hibp_process(tmp_path, hibp, store=store) as one,
        hibp_process(tmp_path, hibp, store=store, name="other") as two,
    ):
        until(lambda: all(each.counters.get("lists read") for each in (one, two)))
        hibp.manner = "status 429"
        one.client().ask(ANN, 1.0)
        hibp.manner = ""
        assert two.client().ask(BEN, 1.0).result is UNKNOWN
        assert len(hibp.ranges) == 1
