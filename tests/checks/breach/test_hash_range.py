"""What is kept of a range, and the URL templates by which ranges may be requested."""

import json
from typing import Any

import pytest
from hypothesis import given, strategies as st

from mailvet.checks.breach import hash_range
from mailvet.checks.breach.eligibility import digest_of
from mailvet.config import load
from mailvet.values import Problem

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
def test_vectors(address: str, parts: str) -> None:
    digest = digest_of(address)
    assert digest is not None
    assert " ".join(hash_range.split(digest)) == parts


A, B = "0" * 34, "AB" * 17


def body(*entries: object) -> bytes:
    return json.dumps(entries).encode()


def test_a_range_keeps_what_is_asked_for_alone() -> None:
    entries = [{"hashSuffix": A, "websites": ["One"]}, {"hashSuffix": B.lower(), "websites": ["Two", "Three"]}]
    assert hash_range.parse_range(body(*entries), [B]) == {B: ("Two", "Three")}
    assert hash_range.parse_range(body(*entries), [A, B]) == {A: ("One",), B: ("Two", "Three")}
    assert hash_range.parse_range(body(*entries), ["1" * 34]) == {}


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
def test_a_body_that_is_not_what_was_promised_is_an_error(broken: bytes) -> None:
    found = hash_range.parse_range(broken, [A])
    assert isinstance(found, Problem)
    assert found.text


ENTRIES = st.fixed_dictionaries(
    {
        "hashSuffix": st.sampled_from([A, B, B.lower(), A[1:], 7]) | st.text(max_size=3),
        "websites": st.lists(st.text(max_size=5), max_size=3) | st.none(),
    }
)


@given(
    st.lists(ENTRIES, max_size=4) | st.recursive(st.none() | ENTRIES, st.lists, max_leaves=9) | st.binary(max_size=50)
)
def test_whatever_comes_is_what_was_asked_for_or_an_error(junk: Any) -> None:
    raw = junk if isinstance(junk, bytes) else json.dumps(junk).encode()
    found = hash_range.parse_range(raw, [B])
    if isinstance(found, Problem):
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
def test_templates_that_are_fine(url: str) -> None:
    assert hash_range.template_problem(url) is None
    assert load.parse(f'[breach]\nurl = "{url}"', "x").breach.url == url


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
def test_templates_that_are_refused_at_start(url: str) -> None:
    assert hash_range.template_problem(url)
    with pytest.raises(load.ConfigError, match=r"breach\.url"):
        load.parse(f'[breach]\nurl = "{url}"', "x")
