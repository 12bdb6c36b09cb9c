"""The ARC validation suite (ValiMail/arc_test_suite, MIT), every case through our own entry."""

from collections.abc import Iterator
from typing import Any

import pytest
import yaml
from _pytest.mark import ParameterSet

from lab.paths import REPO
from lab.zone import Zone
from mailvet.checks.arc import check as arc
from mailvet.checks.dkim.body_hash import BodyHasher
from mailvet.checks.dkim.content import Content
from mailvet.checks.dkim.dkimpy import parse_tags
from mailvet.checks.dkim.header_forms import HeaderForms
from mailvet.checks.dkim.keys import KeyParser, KeyReader
from mailvet.checks.dkim.openssl import load
from mailvet.message import Headers
from mailvet.settings import LimitSettings
from mailvet.syntax import mailfile
from mailvet.verdict import ArcVerdict

SUITE = REPO / "tests" / "suites" / "arc" / "arc-draft-validation-tests.yml"
LIMITS = LimitSettings(arc_sets=50)
KEYS = KeyParser(parse_tags, load, LIMITS)


def cases() -> Iterator[ParameterSet]:
    for scenario in yaml.safe_load_all(SUITE.read_text("utf-8")):
        zone = {name: {"TXT": [text.encode()]} for name, text in scenario["txt-records"].items()}
        for name, case in scenario["tests"].items():
            yield pytest.param(zone, case["message"] or "", "None" if case["cv"] is None else case["cv"], id=name)


def verdict(zone: dict[str, Any], message: str) -> ArcVerdict:
    parsed = mailfile.parse(message.encode())
    headers = Headers()
    for name, value in parsed.fields:
        headers.add(name, value)
    chain = arc.prepare(headers, LIMITS)
    hasher = BodyHasher(chain.digests)
    hasher.feed(parsed.body)
    return arc.judge(chain, Content(HeaderForms(headers), hasher.finish()), KeyReader(Zone(zone).ask, KEYS), now=0.0)


@pytest.mark.parametrize(("zone", "message", "expected"), list(cases()))
def test_suite(zone: dict[str, Any], message: str, expected: str) -> None:
    found = verdict(zone, message)
    # an empty cv: a chain that says itself that it has failed (RFC 8617 §5.2)
    assert found.result == (expected.lower() or "fail"), found.problem


def test_the_suite_is_whole() -> None:
    assert len(list(cases())) == 171
