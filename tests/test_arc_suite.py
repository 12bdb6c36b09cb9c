"""The ARC validation suite (ValiMail/arc_test_suite, MIT), every case through our own entry."""

from pathlib import Path

import pytest
import yaml

from mailvet import arc, mailfile, taglist
from mailvet.adapters.openssl import load
from mailvet.bodyhash import BodyHasher
from mailvet.canonical import HeaderForms
from mailvet.keys import Tools
from mailvet.message import Headers
from mailvet.settings import DkimSettings, LimitSettings
from zone import Zone

SUITE = Path(__file__).parent / "suites" / "arc" / "arc-draft-validation-tests.yml"
LIMITS = LimitSettings(arc_sets=50)
TOOLS = Tools(taglist.parse, load, LIMITS, DkimSettings())


def cases():
    for scenario in yaml.safe_load_all(SUITE.read_text("utf-8")):
        zone = {name: {"TXT": [text.encode()]} for name, text in scenario["txt-records"].items()}
        for name, case in scenario["tests"].items():
            yield pytest.param(zone, case["message"] or "", "None" if case["cv"] is None else case["cv"], id=name)


def verdict(zone, message):
    parsed = mailfile.parse(message.encode())
    headers = Headers()
    for name, value in parsed.fields:
        headers.add(name, value)
    chain = arc.prepare(headers, taglist.parse, LIMITS)
    hasher = BodyHasher(chain.digests)
    hasher.feed(parsed.body)
    return arc.judge(chain, HeaderForms(headers), hasher.finish(), Zone(zone).ask, TOOLS, now=0.0)


@pytest.mark.parametrize(("zone", "message", "expected"), list(cases()))
def test_suite(zone, message, expected):
    found = verdict(zone, message)
    # an empty cv: a chain that says itself that it has failed (RFC 8617 §5.2)
    assert found.result == (expected.lower() or "fail"), found.problem


def test_the_suite_is_whole():
    assert len(list(cases())) == 171
