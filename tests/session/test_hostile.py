"""Messages made to be expensive: each class is linear in its size, and what bounds it says so.

The classes and a session to receive them in are those of bench.hostile, which also compares them with plain mail.
CPU time on a shared machine is a rough measure, so only what is not linear fails here.
"""

import random
import unicodedata
from collections.abc import Callable

import pytest

from bench import hostile
from bench.hostile_mail import GROUPS, Message, client_names
from lab.forged import FORGED, FORGED_BY_NAME
from lab.mta import fields
from lab.zone import Zone
from mailvet.checks.arc import sets as arc_sets
from mailvet.checks.author import Author, NoAuthor, disguised, find
from mailvet.checks.dkim.signature import Unusable, parse
from mailvet.checks.spf.limits import refusal
from mailvet.header.disguise import hidden
from mailvet.header.edits import plan_removals
from mailvet.message import Envelope, Headers
from mailvet.session.transaction import Transaction
from mailvet.settings import LimitSettings
from mailvet.syntax.compatibility import forms
from mailvet.values import Problem

Build = Callable[[int], Message]
LIMITS = LimitSettings()
OWN, BREACH = frozenset(("mx.example.org",)), "Sender-Breach-Info"
SMALL, TIMES = 16_000, 4
CLASSES = [
    pytest.param(build, id=f"{group} {name}")
    for group, names in GROUPS.items()
    for name, build in names.items()
    if name != "8192-bit keys"  # which take seconds to make
]


def milliseconds(message: Message) -> float:
    run = hostile.Run(message)
    return min(run.seconds() for _ in range(3)) * 1000


@pytest.mark.parametrize("build", CLASSES)
def test_a_class_is_linear(build: Build) -> None:
    small, large = build(SMALL), build(SMALL * TIMES)
    once = milliseconds(small)
    # quadratic would be 16 times, and what is linear only seldom looks like more than 4
    assert milliseconds(large) < 10 * once + 5


def test_each_macro_for_the_names_of_the_client_costs_no_check_of_them() -> None:
    """What is left is reading the DNS answers."""
    once = milliseconds(client_names(1)(SMALL))
    assert milliseconds(client_names(97)(SMALL)) < 5 * once + 5


def headers(*fields: tuple[bytes, bytes]) -> Headers:
    made = Headers()
    for name, value in fields:
        made.add(name, value)
    return made


def test_a_from_field_of_many_words_has_no_author() -> None:
    assert isinstance(find((b" " + b"a\n " * 493 + b"<a@example.org>",)), Author)
    found = find((b" " + b"a\n " * 494 + b"<a@example.org>",))
    assert found == NoAuthor(ambiguous=True, problem="From field: over 500 words (limits.from_words)")


@pytest.mark.parametrize(
    ("tags", "problem"), [(100, "tag v, a, b, bh, d, h, s missing"), (101, "over 100 tags (limits.tags)")]
)
def test_tags_of_a_signature(tags: int, problem: str) -> None:
    found = parse(b"; ".join([b"x%d=1" % at for at in range(tags)]) + b";", LIMITS)
    assert isinstance(found, Unusable)
    assert found.problem == problem


def test_a_from_field_of_more_marks_than_any_text_has_has_no_author() -> None:
    value = ' "J{}" <a@example.org>'
    assert isinstance(find((value.format("\u0308" * 30).encode(),)), Author)
    assert isinstance(find((value.format("\u0308" * 31).encode(),)), NoAuthor)


def test_tags_of_a_seal() -> None:
    value = b" i=1; " + b"; ".join([b"x%d=1" % at for at in range(101)])
    found = arc_sets.collect(headers((b"ARC-Seal", value)), LIMITS)
    assert found.problem == "ARC-Seal: over 100 tags (limits.tags)"


def test_comments_before_the_instance() -> None:
    value = b" " + b"()" * 999 + b" i=1; none"
    found = arc_sets.collect(headers((b"ARC-Authentication-Results", value)), LIMITS)
    assert found.problem.startswith("ARC-Authentication-Results: it does not begin with i=")


def test_terms_of_an_spf_record() -> None:
    assert refusal("v=spf1" + " a" * 499) is None
    assert refusal("v=spf1" + "  a" * 499) is None
    assert refusal("v=spf1" + " a" * 500) == Problem("The record has over 500 terms")


def test_lines_that_look_like_a_field_are_read_up_to_a_limit() -> None:
    found = list(hidden(headers((b"X", b"\n from: b" * 150), (b"Y", b"\n from: b" * 150)), b"from"))
    assert [line.certain for line in found] == [False] * 100 + [True, True]
    assert [line.position for line in found[-2:]] == [0, 1]


def test_beyond_the_limits_only_some_fields_are_kept() -> None:
    transaction = Transaction(Envelope(), False, LimitSettings(header_fields=50), Zone({}))
    names = [b"X", b"From", b"X-From", b"Authentication-Results", b"Sender-Breach-Info", b"Subject"]
    for _ in range(200):
        for name in names:
            transaction.add(name, b" x")
    kept = {name: len(transaction.headers.by_name[name.lower()]) for name in names}
    assert transaction.dropped == 1150
    assert kept[b"Authentication-Results"] == kept[b"Sender-Breach-Info"] == 200
    assert kept[b"From"] + kept[b"X-From"] == 100 + 2 * 8 + 1
    assert kept[b"X"] + kept[b"Subject"] == 9 + 8


@pytest.mark.parametrize("raw", FORGED, ids=list(FORGED_BY_NAME))
def test_what_is_forged_beyond_the_limits_goes_or_the_message_does(raw: bytes) -> None:
    transaction = Transaction(Envelope(), False, LimitSettings(header_fields=50), Zone({}))
    for _ in range(60):
        transaction.add(b"X", b" x")
    name, value = fields(raw)
    transaction.add(name.rstrip(b" \t"), value)
    removals = plan_removals(transaction.headers, transaction.beyond, OWN, BREACH, LIMITS)
    assert removals.flooded or removals.deletes


@pytest.mark.parametrize("mark", [b"\n ", b"\r", b"\r\x0b"])
def test_what_hides_beyond_the_limits_is_found(mark: bytes) -> None:
    transaction = Transaction(Envelope(), False, LimitSettings(header_fields=50), Zone({}))
    for number in range(200):
        transaction.add(b"X", b" x" + mark + (b"From: a@b.example" if number == 150 else b"Front: a@b.example"))
    assert [field.value[-9:] for field in transaction.beyond.fields] == [b"b.example"]
    assert disguised(transaction.beyond)


@pytest.mark.parametrize(
    "name",
    [
        b"=?utf-8?q?Authenticat?=ion-Results",
        b"=?utf-8?b?QXV0aGVudGljYXRpb24tUmVzdWx0cw==?=",
        b"=?from?q?Authentication-Results?=",
        b"Auth\xa0entication-Results",
        b"Authenti\x01cation-Results",
        b"=?utf-8?q?Sender-Brea?=ch-Info",
        b"=?utf-8?q?" + b"_" * 600 + b"Sender-Brea?=ch-Info",
    ],
)
def test_a_name_in_disguise_beyond_the_limits_refuses_the_message(name: bytes) -> None:
    transaction = Transaction(Envelope(), False, LimitSettings(header_fields=50), Zone({}))
    for number in range(400):
        transaction.add(b"From" if number % 2 else b"X-=?", b" x")
    assert not plan_removals(transaction.headers, transaction.beyond, OWN, BREACH, LIMITS).flooded
    transaction.add(name, b" mx.example.org; dmarc=pass")
    assert plan_removals(transaction.headers, transaction.beyond, OWN, BREACH, LIMITS).flooded


@pytest.mark.parametrize("name", [b"=?utf-8?b?RnJvbQ==?=", b"=?utf-8?q?F?=rom", b"F\xa0rom", b"F\x01rom"])
def test_a_from_in_disguise_beyond_the_limits_leaves_no_author(name: bytes) -> None:
    transaction = Transaction(Envelope(), False, LimitSettings(header_fields=50), Zone({}))
    for _ in range(200):
        transaction.add(b"X", b" x")
    assert not disguised(transaction.beyond)
    transaction.add(name, b" ceo@bank.example")
    assert disguised(transaction.beyond)


def test_a_text_under_compatibility_is_what_unicodedata_makes_of_it() -> None:
    marks = [chr(code) for code in range(0x300, 0x20000) if unicodedata.combining(chr(code))]
    some = random.Random(1)
    for _ in range(100):
        text = "a" + "".join(some.choices([*marks, *"\u0f73\u0f75\uff9e", "e", "ö", "😀"], k=200))
        assert forms(text) == tuple(unicodedata.normalize(form, text) for form in ("NFKC", "NFKD"))


@pytest.mark.parametrize(
    "value",
    ["a" + "\u0323" * 31, ("ö" * 400 + "\n ") * 125, "=?utf-8?q?x?= <a@b.example>,\n " * 2000],
    ids=["31 marks in a row", "100,000 octets that are not ASCII", "2000 encoded words"],
)
def test_what_is_too_much_to_read_counts_as_disguised(value: str) -> None:
    assert disguised(headers((b"Subject", value.encode())))
    assert not disguised(headers((b"Subject", value[: len(value) // 2].encode())))


def test_what_may_hide_beyond_the_limits_is_bounded() -> None:
    limits = LimitSettings(header_fields=50, header_bytes=16_384)
    transaction = Transaction(Envelope(), False, limits, Zone({}))
    for _ in range(500):
        transaction.add(b"X", b" x\n from:" + b"x" * 500)
    assert limits.header_bytes < transaction.beyond.size < limits.header_bytes + 1000


def test_after_one_field_beyond_the_limits_all_are() -> None:
    """Or else a field's number among those of its name would be wrong where it is removed."""
    transaction = Transaction(Envelope(), False, LimitSettings(header_bytes=16_384), Zone({}))
    transaction.add(b"X", b"x" * 20_000)
    assert transaction.add(b"X", b" x") == b""
    assert transaction.dropped == 2


def test_one_field_beyond_the_octets_is_not_kept() -> None:
    transaction = Transaction(Envelope(), False, LimitSettings(header_bytes=16_384), Zone({}))
    assert transaction.add(b"Subject", b" x") == b"subject"
    assert transaction.add(b"X", b"x" * 20_000) == b""
    assert (transaction.dropped, len(transaction.headers.fields)) == (1, 1)
