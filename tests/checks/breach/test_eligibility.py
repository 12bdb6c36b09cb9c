"""When the question means something, what is made of the answer, and how it is worded."""

import json
from datetime import date, timedelta

import pytest
from hypothesis import given, strategies as st

from lab.hibp_server import BREACHES, TODAY, breach
from mailvet.checks.author import find
from mailvet.checks.breach import counting as breach_match, eligibility as rule, hash_range as breach_range
from mailvet.config import load as config
from mailvet.message import Headers
from mailvet.settings import BreachSettings
from mailvet.verdict import BreachResult, BreachVerdict, DmarcResult, DmarcVerdict

VECTORS = {  # SHA-1 of the lower-cased address
    "account-exists@hibp-integration-tests.com": "ABB3D0 431522C61929E9F5D3B13D2E4750BFA948",
    "multiple-breaches@hibp-integration-tests.com": "6B5917 C6C0AADE0C085843D66E4944E108C4A4CD",
    "spam-list-only@hibp-integration-tests.com": "C24515 F28DF265176E55E304C9CE47C8CBFFB399",
    "sensitive-breach@hibp-integration-tests.com": "C1FB58 D32C5EA1F252BAEDFDFF7C1651655E09E1",
    "unverified-breach@hibp-integration-tests.com": "856DDB F80F43160639C3FF8CB511F2EDD6B79D11",
    "stealer-log@hibp-integration-tests.com": "613636 C81CD0CE657FF02114988A04AF06F12243",
    "opt-out@hibp-integration-tests.com": "5E4B97 332710F6C793BF7F89BD55AB0FE5BCB287",
    "test@example.com": "567159 D622FFBB50B11B0EFD307BE358624A26EE",
    "  Test@EXAMPLE.com ": "567159 D622FFBB50B11B0EFD307BE358624A26EE",
}


@pytest.mark.parametrize(("address", "parts"), VECTORS.items())
def test_vectors(address, parts):
    digest = rule.digest(address)
    assert digest is not None
    assert " ".join(breach_range.split(digest)) == parts


@pytest.mark.parametrize(
    "address",
    ["jörg@example.org", "\u212aim@example.org", "joerg@exämple.org", "a@xn--exmple-cua.org",
     "a@mail.XN--exmple-cua.org", "nobody", "", "a\0b@example.org", "a\n@example.org", "a" * 250 + "@example.org",
     "<ann@example.org>", "ann@example.org,", "ann@example.org.", "@example.org", "a b@example.org", "a@b@example.org"],
)  # fmt: skip
def test_what_is_not_plain_ascii_or_no_address_is_not_asked_about(address):
    assert rule.digest(address) is None


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
    **settings: tuple[str, ...],
) -> str | None:
    who = find((author,))
    return rule.why_not(who, DmarcVerdict(result=result), mail_from, headers(*fields), BreachSettings(**settings))


def test_an_authenticated_person_is_asked_about():
    assert why() is None


@pytest.mark.parametrize("result", [r for r in DmarcResult if r is not DmarcResult.PASS])
def test_nobody_is_asked_about_whom_dmarc_has_not_authenticated(result):
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
def test_who_is_not_asked_about(given, reason):
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
def test_who_is_asked_about_all_the_same(given):
    assert why(**given) is None


def test_the_field():
    verdict = BreachVerdict(
        result=BreachResult.LISTED,
        source="haveibeenpwned.com",
        newest="2026-05",
        classes=("passwords", "malware"),
        checked="2026-11-23",
    )
    assert rule.format_value(verdict, "mx.example.org") == (
        " mx.example.org; result=listed; source=haveibeenpwned.com; newest=2026-05; classes=passwords,malware;"
        " checked=2026-11-23"
    )


WANTED = breach_match.filter_of(BreachSettings())
KNOWN = breach_match.catalogue(json.dumps(BREACHES).encode(), WANTED)
FRESH = (TODAY - timedelta(days=30)).isoformat()[:7]


def judged(*names: str, **settings: object) -> tuple[str, str, tuple[str, ...]]:
    wanted = breach_match.filter_of(BreachSettings(**settings))
    known = breach_match.catalogue(json.dumps(BREACHES).encode(), wanted)
    verdict = breach_match.judge(names, known, wanted, TODAY, "s")
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
def test_breaches_that_count(names, classes):
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
def test_breaches_that_do_not_count(names):
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
def test_the_filter_is_the_operators(name, settings, result):
    assert judged(name, **settings)[0] == result


def test_the_newest_month_is_that_of_a_breach_that_counts():
    assert judged("Older", "SpamList")[1] == (TODAY - timedelta(days=90)).isoformat()[:7]
    assert breach_match.newest(KNOWN) == TODAY - timedelta(days=30)
    assert breach_match.newest({"x": None}) == date.min


def test_a_name_that_is_not_in_the_list_is_noticed():
    assert breach_match.unknown_names(["Fresh", "Renamed"], KNOWN)
    assert not breach_match.unknown_names(["Fresh", "Clinic"], KNOWN)


def test_what_is_leaked_besides_has_a_word_too():
    assert judged("NoPasswords", data_classes=()) == ("listed", FRESH, ("other",))


@pytest.mark.parametrize("field", ["IsVerified", "IsSpamList", "IsRetired", "IsFabricated", "IsSensitive", "AddedDate"])
def test_an_entry_that_lacks_what_decides_does_not_count(field):
    entry = breach("Odd")
    del entry[field]
    assert breach_match.catalogue(json.dumps([entry]).encode(), WANTED) == {"Odd": None}


@pytest.mark.parametrize(
    "body",
    [b"", b"[]", b"{}", b"[1]", b'[{"Title": "x"}]', b"[" * 100_000, b"\xff", b"null"],
    ids=lambda body: str(body[:12]),
)
def test_what_is_no_list_of_breaches(body):
    with pytest.raises(ValueError, match=r"."):
        breach_match.catalogue(body, WANTED)


def test_filters_have_fingerprints_of_their_own():
    settings = [
        {},
        {"also": ("retired",)},
        {"malware": False},
        {"stealer_logs": False},
        {"data_classes": ()},
        {"max_age": 86400.0},
    ]
    prints = {breach_match.filter_of(BreachSettings(**one)).fingerprint for one in settings}
    assert len(prints) == len(settings)


A, B = "0" * 34, "AB" * 17


def body(*entries: object) -> bytes:
    return json.dumps(entries).encode()


def test_a_range_keeps_what_is_asked_for_alone():
    entries = [{"hashSuffix": A, "websites": ["One"]}, {"hashSuffix": B.lower(), "websites": ["Two", "Three"]}]
    assert breach_range.matches(body(*entries), [B]) == {B: ("Two", "Three")}
    assert breach_range.matches(body(*entries), [A, B]) == {A: ("One",), B: ("Two", "Three")}
    assert breach_range.matches(body(*entries), ["1" * 34]) == {}


@pytest.mark.parametrize(
    "broken",
    [
        b"", b"[]", b"null", b"{}", b"[null]", b"[[]]", b"\xff\xfe", b"[" * 100_000, b'"x"',
        body({"hashSuffix": A, "websites": ["x"]})[:-1],
        body({"hashSuffix": A}),
        body({"websites": ["x"]}),
        body({"hashSuffix": A[1:], "websites": ["x"]}),
        body({"hashSuffix": "g" * 34, "websites": ["x"]}),
        body({"hashSuffix": "٠" * 34, "websites": ["x"]}),
        body({"hashSuffix": A, "websites": "x"}),
        body({"hashSuffix": A, "websites": [1]}),
        body({"hashSuffix": A, "websites": [{"Name": "x"}]}),
        body({"hashSuffix": A, "websites": ["x"]}, 7),
        json.dumps({"hashSuffix": A, "websites": ["x"]}).encode(),
    ],
    ids=lambda broken: str(broken[:40]),
)  # fmt: skip
def test_a_body_that_is_not_what_was_promised_is_an_error(broken):
    with pytest.raises(ValueError, match=r"."):
        breach_range.matches(broken, [A])


ENTRIES = st.fixed_dictionaries(
    {
        "hashSuffix": st.sampled_from([A, B, B.lower(), A[1:], 7]) | st.text(max_size=3),
        "websites": st.lists(st.text(max_size=5), max_size=3) | st.none(),
    }
)


@given(
    st.lists(ENTRIES, max_size=4) | st.recursive(st.none() | ENTRIES, st.lists, max_leaves=9) | st.binary(max_size=50)
)
def test_whatever_comes_is_what_was_asked_for_or_an_error(junk):
    raw = junk if isinstance(junk, bytes) else json.dumps(junk).encode()
    try:
        found = breach_range.matches(raw, [B])
    except ValueError:
        return
    assert junk
    assert set(found) == {entry["hashSuffix"].upper() for entry in junk} & {B}


@pytest.mark.parametrize(
    "url",
    [
        "https://haveibeenpwned.com/api/v3/breachedaccount/range/{prefix}",
        "https://enterprise.example:8443/range/search/{prefix}",
        "https://hibp.example/range?hash={prefix}",
    ],
)
def test_templates_that_are_fine(url):
    assert breach_range.template_problem(url) is None
    assert config.parse(f'[breach]\nurl = "{url}"', "x").breach.url == url


@pytest.mark.parametrize(
    "url",
    [
        "https://hibp.example/range/{suffix}",
        "https://hibp.example/range/{prefix}{suffix}",
        "https://hibp.example/range/{prefix}/{address}",
        "https://hibp.example/range/{prefix}/{prefix}",
        "https://hibp.example/range/{prefix",
        "https://hibp.example/range/{prefix:40}",
        "https://hibp.example/range/{prefix!r}",
        "https://hibp.example/range",
        "https://{prefix}.hibp.example/range",
        "https://ann:secret@hibp.example/{prefix}",
        "http://hibp.example/range/{prefix}",
        "ftp://hibp.example/{prefix}",
        "https:///{prefix}",
        "https://hibp.example:x/{prefix}",
        "https://hibp.example/{prefix}#top",
        "https://hibp.example/{prefix} x",
        "https://[hibp/{prefix}",
        "",
    ],
)
def test_templates_that_are_refused_at_start(url):
    assert breach_range.template_problem(url)
    with pytest.raises(config.ConfigError, match=r"breach\.url"):
        config.parse(f'[breach]\nurl = "{url}"', "x")


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
def test_settings_that_cannot_work(text, key):
    """Nor those that would never match, and so let somebody be asked about who is not to be."""
    with pytest.raises(config.ConfigError, match=key):
        config.parse(f"[breach]\n{text}", "x")
