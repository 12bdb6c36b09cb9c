"""checks.dmarc.tree_walk: the names asked, and what RFC 9989 §4.10 to §4.10.2 derive from the records found."""

from typing import Any

import pytest
from hypothesis import given, strategies as st

from lab.zone import Zone
from mailvet.checks.dmarc.tree_walk import discover, walk_names
from mailvet.ports import Trouble, Unavailable
from mailvet.values import Domain

A = Domain("a.example.com")
P = b"v=DMARC1; p=reject"
PSD_Y = b"v=DMARC1; p=reject; psd=y"
PSD_N = b"v=DMARC1; p=reject; psd=n"


def zone(*, secure: bool | None = None, **records: bytes | list[bytes] | Trouble) -> Zone:
    """A zone by domain, "__" for dots: each value is what `_dmarc.<domain>` has."""
    named = {"_dmarc." + name.replace("__", "."): value for name, value in records.items()}
    return Zone({n: {"TXT": [v] if isinstance(v, bytes) else v} for n, v in named.items()}, secure=secure)


@pytest.mark.parametrize(
    ("domain", "expected"),
    [
        pytest.param(
            "a.b.c.d.e.f.g.h.i.j.mail.example.com",
            [
                "a.b.c.d.e.f.g.h.i.j.mail.example.com",
                "g.h.i.j.mail.example.com",
                "h.i.j.mail.example.com",
                "i.j.mail.example.com",
                "j.mail.example.com",
                "mail.example.com",
                "example.com",
                "com",
            ],
            id="§4.10 the example of thirteen labels",
        ),
        pytest.param(
            "mail.a.b.c.d.e.f.g.example.com",
            [
                "mail.a.b.c.d.e.f.g.example.com",
                "c.d.e.f.g.example.com",
                "d.e.f.g.example.com",
                "e.f.g.example.com",
                "f.g.example.com",
                "g.example.com",
                "example.com",
                "com",
            ],
            id="§5.1.8 the example of a name that is never asked for",
        ),
        pytest.param(
            "a.b.c.d.e.f.g.com",
            [
                "a.b.c.d.e.f.g.com",
                "b.c.d.e.f.g.com",
                "c.d.e.f.g.com",
                "d.e.f.g.com",
                "e.f.g.com",
                "f.g.com",
                "g.com",
                "com",
            ],
            id="§4.10 step 4: eight labels lose one",
        ),
        pytest.param("a.mail.example.com", ["a.mail.example.com", "mail.example.com", "example.com", "com"], id="four"),
        pytest.param("example.com", ["example.com", "com"], id="two"),
        pytest.param("localhost", ["localhost"], id="one"),
    ],
)
def test_the_names_of_a_walk(domain: str, expected: list[str]) -> None:
    assert walk_names(Domain(domain)) == tuple("_dmarc." + name for name in expected)


def in_words(domain: str) -> tuple[str, ...]:
    """RFC 9989 §4.10, steps 1 to 7, word by word."""
    asked = [domain]
    labels = domain.split(".")
    labels = labels[1:] if len(labels) < 8 else labels[-7:]
    while labels:
        asked.append(".".join(labels))
        labels = labels[1:]
    return tuple("_dmarc." + name for name in asked)


@given(st.lists(st.text("abc-", min_size=1, max_size=3), min_size=1, max_size=127).map(".".join))
def test_no_walk_asks_more_than_eight_names(domain: str) -> None:
    assert walk_names(Domain(domain)) == in_words(domain)
    assert len(walk_names(Domain(domain))) <= 8
    zone = Zone({})
    discover(Domain(domain), zone.ask)
    assert tuple(question.name for question in zone.trail()) == walk_names(Domain(domain))


@pytest.mark.parametrize(
    ("start", "records", "organization", "policy_domain", "questions"),
    [
        pytest.param("a.mail.example.com", {}, "a.mail.example.com", None, 4, id="§4.10.2 nothing found: the start"),
        pytest.param(
            "a.mail.example.com",
            {"mail__example__com": P, "example__com": P},
            "example.com",
            "example.com",
            4,
            id="§4.10.2 the first example: the fewest labels",
        ),
        pytest.param(
            "a.mail.example.com",
            {"mail__example__com": PSD_N, "example__com": P},
            "mail.example.com",
            "mail.example.com",
            2,
            id="§4.10.2 the second example: psd=n ends the walk",
        ),
        pytest.param(
            "a.mail.example.com",
            {"com": PSD_Y},
            "example.com",
            "com",
            4,
            id="§4.10.2 the last example: one label below psd=y",
        ),
        pytest.param(
            "a.example.com", {"a__example__com": P, "com": P}, "com", "a.example.com", 3, id="rule 3 up to the top"
        ),
        pytest.param("bank.example", {"bank__example": PSD_Y}, "bank.example", "bank.example", 1, id="the PSD itself"),
        pytest.param(
            "giant.bank.example",
            {"bank__example": PSD_Y},
            "giant.bank.example",
            "bank.example",
            2,
            id="just below a PSD",
        ),
        pytest.param(
            "giant.bank.example",
            {"giant__bank__example": P, "bank__example": PSD_Y},
            "giant.bank.example",
            "giant.bank.example",
            2,
            id="§4.10.1 the PSD's policy is not used where the organization has one",
        ),
        pytest.param(
            "a.b.giant.bank.example",
            {"b__giant__bank__example": P, "bank__example": PSD_Y},
            "giant.bank.example",
            "bank.example",
            4,
            id="a record between author and organization is not the policy",
        ),
        pytest.param(
            "a.b.c.d.e.f.g.h.i.bank.example",
            {"bank__example": PSD_Y},
            "i.bank.example",
            "bank.example",
            7,
            id="one label below a PSD, of a long name",
        ),
        pytest.param(
            "a.example.com",
            {"a__example__com": [P, b"v=DMARC1; p=none"], "example__com": P},
            "example.com",
            "example.com",
            3,
            id="§4.10 step 2: several records are none, and the walk goes on",
        ),
        pytest.param(
            "a.example.com",
            {"a__example__com": [PSD_N, PSD_N]},
            "a.example.com",
            None,
            3,
            id="§4.10 step 2: not even twice the same",
        ),
        pytest.param(
            "a.example.com",
            {"a__example__com": [b"hello", P, b"v=spf1 -all", b"v=dmarc1; p=none"]},
            "a.example.com",
            "a.example.com",
            3,
            id="§4.10 step 2: other TXT records do not count",
        ),
        pytest.param(
            "a.example.com",
            {"a__example__com": b"v=DMARC1; psd=n", "example__com": P},
            "a.example.com",
            "a.example.com",
            1,
            id="a record without a policy is a record",
        ),
    ],
)
def test_organization_and_policy_of_one_walk(
    start: str, records: dict[str, Any], organization: str, policy_domain: str | None, questions: int
) -> None:
    asked = zone(**records)
    found = discover(Domain(start), asked.ask)
    assert (found.organizational_domain, found.policy_domain) == (organization, policy_domain)
    assert (found.record is None) == (policy_domain is None)
    assert [question.name for question in asked.trail()] == list(walk_names(Domain(start))[:questions])


@given(
    st.lists(st.sampled_from("ab"), min_size=1, max_size=12).map(".".join),
    st.dictionaries(
        st.lists(st.sampled_from("ab"), min_size=1, max_size=9).map("__".join),
        st.sampled_from([P, PSD_Y, PSD_N]),
        max_size=9,
    ),
)
def test_the_organizational_domain_stands_at_or_above_its_name(start: str, records: dict[str, Any]) -> None:
    found = discover(Domain(start), zone(**records).ask)
    assert ("." + start).endswith("." + found.organizational_domain)
    assert found.policy_domain is None or ("." + start).endswith("." + found.policy_domain)


@pytest.mark.parametrize("trouble", list(Trouble))
@pytest.mark.parametrize("name", ["a__example__com", "example__com", "com"])
def test_dns_trouble_anywhere_on_the_walk_is_told(trouble: Trouble, name: str) -> None:
    with pytest.raises(Unavailable):
        discover(A, zone(secure=None, **{name: trouble}).ask)


def test_a_walk_that_has_ended_does_not_meet_trouble_above() -> None:
    found = discover(A, zone(example__com=PSD_N, com=Trouble.TIMEOUT).ask)
    assert found.organizational_domain == "example.com"


@pytest.mark.parametrize("secure", [True, False, None])
def test_dnssec_of_the_answers_is_kept(secure: bool | None) -> None:
    assert discover(Domain("example.com"), zone(example__com=P, secure=secure).ask).secure is secure
