"""Which breaches count, and the verdict on an address that was in some."""

import json
from datetime import date, timedelta
from typing import Any

import pytest

from lab.hibp_server import BREACHES, TODAY, breach
from mailvet.checks.breach import counting
from mailvet.settings import BreachSettings
from mailvet.values import Problem


def parsed(entries: object, wanted: counting.Filter) -> counting.BreachList:
    known = counting.parse_breach_list(json.dumps(entries).encode(), wanted)
    assert not isinstance(known, Problem)
    return known


WANTED = counting.filter_of(BreachSettings())
KNOWN = parsed(BREACHES, WANTED)
FRESH = (TODAY - timedelta(days=30)).isoformat()[:7]


def judged(*names: str, **settings: Any) -> tuple[str, str, tuple[str, ...]]:
    wanted = counting.filter_of(BreachSettings(**settings))
    known = parsed(BREACHES, wanted)
    verdict = counting.judge(names, known, wanted, TODAY, "s")
    assert verdict.checked == TODAY.isoformat()
    return verdict.result.value, verdict.newest, verdict.classes


@pytest.mark.parametrize(
    ("names", "classes"),
    [
        (["Fresh"], ("passwords",)),
        (["Ancient", "Fresh", "Older"], ("passwords",)),
        (["Logs"], ("stealer-log",)),
        (["Trojan"], ("malware",)),
        (["Trojan", "Fresh", "Logs", "NoSuchBreach"], ("passwords", "stealer-log", "malware")),
    ],
)
def test_breaches_that_count(names: list[str], classes: tuple[str, ...]) -> None:
    assert judged(*names) == ("listed", FRESH, classes)


@pytest.mark.parametrize(
    "names",
    [
        [],
        ["Ancient"],
        ["NoPasswords"],
        ["Unverified"],
        ["Fabricated"],
        ["Retired"],
        ["SpamList"],
        ["Clinic"],
        ["NoSuchBreach"],
    ],
    ids=str,
)
def test_breaches_that_do_not_count(names: list[str]) -> None:
    assert judged(*names) == ("not-listed", "", ())


@pytest.mark.parametrize(
    ("name", "settings", "result"),
    [
        ("Ancient", {"max_age": 4001 * 86400.0}, "listed"),
        ("Fresh", {"max_age": 29 * 86400.0}, "not-listed"),
        ("NoPasswords", {"data_classes": ("Names",)}, "listed"),
        ("NoPasswords", {"data_classes": ()}, "listed"),
        ("Fresh", {"data_classes": ("Names",)}, "not-listed"),
        ("Logs", {"stealer_logs": False}, "not-listed"),
        ("Trojan", {"malware": False}, "not-listed"),
        ("Unverified", {"also": ("unverified",)}, "listed"),
        ("Fabricated", {"also": ("fabricated",)}, "listed"),
        ("Retired", {"also": ("retired",)}, "listed"),
        ("SpamList", {"also": ("spam-list",)}, "listed"),
        ("Clinic", {"also": ("sensitive",)}, "listed"),
        ("Clinic", {"also": ("spam-list",)}, "not-listed"),
    ],
)
def test_the_filter_is_the_operators(name: str, settings: dict[str, Any], result: str) -> None:
    assert judged(name, **settings)[0] == result


def test_the_newest_month_is_that_of_a_breach_that_counts() -> None:
    assert judged("Older", "SpamList")[1] == (TODAY - timedelta(days=90)).isoformat()[:7]
    assert counting.newest(KNOWN) == TODAY - timedelta(days=30)
    assert counting.newest({"x": None}) == date.min


def test_a_name_that_is_not_in_the_list_is_noticed() -> None:
    assert counting.has_unknown_names(["Fresh", "Renamed"], KNOWN)
    assert not counting.has_unknown_names(["Fresh", "Clinic"], KNOWN)


def test_what_is_leaked_besides_has_a_word_too() -> None:
    assert judged("NoPasswords", data_classes=()) == ("listed", FRESH, ("other",))


@pytest.mark.parametrize("field", ["IsVerified", "IsSpamList", "IsRetired", "IsFabricated", "IsSensitive", "AddedDate"])
def test_an_entry_that_lacks_what_decides_does_not_count(field: str) -> None:
    entry = breach("Odd")
    del entry[field]
    assert parsed([entry], WANTED) == {"Odd": None}


@pytest.mark.parametrize(
    "body",
    [b"", b"[]", b"{}", b"[1]", b'[{"Title": "x"}]', b"[" * 100_000, b"\xff", b"null"],
    ids=lambda body: str(body[:12]),
)
def test_what_is_not_a_list_of_breaches(body: bytes) -> None:
    found = counting.parse_breach_list(body, WANTED)
    assert isinstance(found, Problem)
    assert found.text


def test_filters_have_fingerprints_of_their_own() -> None:
    settings: list[dict[str, Any]] = [
        {},
        {"also": ("retired",)},
        {"malware": False},
        {"stealer_logs": False},
        {"data_classes": ()},
        {"max_age": 86400.0},
    ]
    prints = {counting.filter_of(BreachSettings(**one)).fingerprint for one in settings}
    assert len(prints) == len(settings)
