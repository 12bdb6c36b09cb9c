"""Who is looked up, and the text of the field."""

from typing import Any

import pytest

from mailvet.checks.author import find
from mailvet.checks.breach import eligibility
from mailvet.config import load
from mailvet.message import Headers
from mailvet.settings import BreachSettings
from mailvet.verdict import BreachResult, BreachVerdict, DmarcResult, DmarcVerdict


@pytest.mark.parametrize(
    "address",
    ["jörg@example.org", "\u212aim@example.org", "joerg@exämple.org", "a@xn--exmple-cua.org",
     "a@mail.XN--exmple-cua.org", "nobody", "", "a\0b@example.org", "a\n@example.org", "a" * 250 + "@example.org",
     "<ann@example.org>", "ann@example.org,", "ann@example.org.", "@example.org", "a b@example.org", "a@b@example.org"],
)  # fmt: skip
def test_what_is_not_plain_ascii_or_no_address_is_not_asked_about(address: str) -> None:
    assert eligibility.digest_of(address) is None


def headers(*fields: tuple[bytes, bytes]) -> Headers:
    made = Headers()
    for name, value in fields:
        made.add(name, value)
    return made


def why(
    author: bytes = b"Ann <ann@signed.example>",
    result: DmarcResult = DmarcResult.PASS,
    mail_from: str = "ann@signed.example",
    fields: tuple[tuple[bytes, bytes], ...] = (),
    **settings: Any,
) -> str | None:
    who = find((author,))
    return eligibility.why_not(
        who, DmarcVerdict(result=result), mail_from, headers(*fields), BreachSettings(**settings)
    )


def test_an_authenticated_person_is_asked_about() -> None:
    assert why() is None


@pytest.mark.parametrize("result", [r for r in DmarcResult if r is not DmarcResult.PASS])
def test_nobody_is_asked_about_whom_dmarc_has_not_authenticated(result: DmarcResult) -> None:
    assert why(result=result) == "the author is not authenticated"


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ({"author": b"a@signed.example, b@bank.example"}, "the author is not authenticated"),
        ({"author": b"a@signed.example, b@signed.example"}, "several authors"),
        ({"mail_from": ""}, "null sender"),
        ({"author": "jörg@signed.example".encode()}, "not an ASCII address"),
        ({"author": "a@exämple.example".encode()}, "not an ASCII address"),
        ({"own_domains": ("Signed.example",)}, "one of our own domains"),
        ({"author": b"a@mail.signed.example", "own_domains": ("signed.example",)}, "one of our own domains"),
        ({"exclude": ("signed.example",)}, "excluded"),
        ({"exclude": ("Ann@signed.example",)}, "excluded"),
        *[
            ({"author": local + b"@signed.example"}, "a role address")
            for local in (b"no-reply", b"NoReply", b"postmaster", b"MAILER-DAEMON", b"bounce+ann=x.example",
                          b"bounces-123", b"owner-list", b"list-request", b"newsletter+7", b"support")
        ],
        *[
            ({"mail_from": f"{local}@signed.example"}, "a role address")
            for local in ("MAILER-DAEMON", "bounces+123-ann=x.example", "owner-list", "l-bounces", "noreply")
        ],
        *[
            ({"fields": (field,)}, "list or bulk mail")
            for field in ((b"List-Id", b" <l.example>"), (b"list-unsubscribe", b" <mailto:x@y.example>"),
                          (b"List-Help", b" <mailto:x@y.example>"), (b"List-Archive", b" <https://y.example>"),
                          (b"Precedence", b" Bulk"), (b"Precedence", b" list "), (b"precedence", b"junk"),
                          (b"Auto-Submitted", b" auto-replied"), (b"Feedback-ID", b" 1:2:3"))
        ],
    ],
)  # fmt: skip
def test_who_is_not_asked_about(given: dict[str, Any], reason: str) -> None:
    assert why(**given) == reason


@pytest.mark.parametrize(
    "given",
    [
        {"author": b"owner@signed.example"},
        {"author": b"newsman@signed.example"},
        {"fields": ((b"Auto-Submitted", b" no"),)},
        {"fields": ((b"Precedence", b" first-class"),)},
        {"own_domains": ("igned.example",)},
        {"exclude": ("bob@signed.example", "other.example")},
    ],
)
def test_who_is_asked_about_all_the_same(given: dict[str, Any]) -> None:
    assert why(**given) is None


def test_the_field() -> None:
    verdict = BreachVerdict(
        result=BreachResult.LISTED,
        source="haveibeenpwned.com",
        newest="2026-05",
        classes=("passwords", "malware"),
        checked="2026-11-23",
    )
    assert eligibility.format_value(verdict, "mx.example.org") == (
        " mx.example.org; result=listed; source=haveibeenpwned.com; newest=2026-05; classes=passwords,malware;"
        " checked=2026-11-23"
    )


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ('api = "http://hibp.example"', r"breach\.api"),
        ('api = "https://hibp.example/{x}"', r"breach\.api"),
        ('api_key_header = "a b"', r"breach\.api_key_header"),
        ('contact = "a\\r\\nb"', r"breach\.contact"),
        ('proxy = "socks5://x.example"', r"breach\.proxy"),
        ('also = ["sensitiv"]', r"breach\.also"),
        ('keep_min = "20d"\nkeep_max = "10d"', r"breach\.keep_min"),
        ('keep_max = "31d"', r"breach\.keep_max"),
        ('wait = "1h"', r"breach\.wait"),
        ('source = "dns"', r"breach\.source"),
        ("rpm = -1", r"breach\.rpm"),
        ('own_domains = ["@example.org"]', r"breach\.own_domains"),
        ('own_domains = ["*.example.org"]', r"breach\.own_domains"),
        ('exclude = ["example.org."]', r"breach\.exclude"),
        ('exclude = ["<ann@example.org>"]', r"breach\.exclude"),
    ],
)
def test_settings_that_cannot_work(text: str, key: str) -> None:
    """Nor those that would never match, and so let somebody be asked about who is not to be."""
    with pytest.raises(load.ConfigError, match=key):
        load.parse(f"[breach]\n{text}", "x")
