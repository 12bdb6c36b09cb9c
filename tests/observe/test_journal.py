"""journal: one line for each message, in words that cannot be forged, and without local parts unless asked for."""

import dataclasses
import json

import pytest

from lab.engines import engine
from lab.zone import Zone
from mailvet.case import Case
from mailvet.message import Envelope
from mailvet.observe import journal
from mailvet.outcome import Action, Delete, Disposition, Insert
from mailvet.session import account
from mailvet.session.transaction import Transaction
from mailvet.settings import LimitSettings, LogSettings, Settings
from mailvet.syntax import reverse_path
from mailvet.verdict import (
    DkimResult,
    DkimVerdict,
    DmarcResult,
    DmarcVerdict,
    Policy,
    Report,
    SpfIdentity,
    SpfResult,
    SpfVerdict,
)

ENVELOPE = Envelope(address="192.0.2.1", helo="mail.example.org", mail_from=reverse_path.parse("ann@example.org"))
REPORT = Report(
    spf=SpfVerdict(result=SpfResult.FAIL, identity=SpfIdentity.MAILFROM, domain="example.org", problem="-all"),
    dkim=(DkimVerdict(result=DkimResult.PASS, domain="list.example", notes=("1024-bit key",)),),
    dmarc=DmarcVerdict(
        result=DmarcResult.FAIL, author_domain="example.org", published=Policy.REJECT, problem="nothing is aligned"
    ),
    remote_ip="192.0.2.1",
    anomalies=("bare CR in header",),
)
REFUSED = Disposition(action=Action.REJECT, rule="dmarc_reject", reason="DMARC failed", code="550")
EDITS = (Delete("Authentication-Results", 1), Insert(0, "Authentication-Results", " mx.example.org; none"))


def line(envelope: Envelope = ENVELOPE, *, queue_id: str = "4abc", local_parts: bool = False) -> journal.Line:
    return journal.record(case(envelope, queue_id=queue_id, local_parts=local_parts), local_parts=local_parts)


def case(
    envelope: Envelope = ENVELOPE,
    *,
    queue_id: str = "1",
    local_parts: bool = False,
    report: Report = REPORT,
    disposition: Disposition = REFUSED,
) -> Case:
    """What the session makes of a message with this envelope."""
    transaction = Transaction(envelope, False, LimitSettings(), Zone({}))
    log = LogSettings(local_parts=local_parts)
    told = account.of_message(transaction, engine(Settings(log=log), {}))
    return Case(
        report=report,
        disposition=disposition,
        edits=EDITS,
        queue_id=queue_id,
        client=told.client,
        helo=told.helo,
        mail_from=told.mail_from,
        size=2048,
        asked=5,
        milliseconds=1.234,
    )


def test_what_a_line_says() -> None:
    assert line() == {
        "event": "message",
        "id": "4abc",
        "client": "192.0.2.1",
        "helo": "mail.example.org",
        "from": "example.org",
        "action": "reject",
        "rule": "dmarc_reject",
        "reason": "DMARC failed",
        "spf": "fail",
        "dmarc": "fail",
        "dkim": ["pass:list.example"],
        "author": "example.org",
        "policy": "reject",
        "problems": ["spf: -all", "dmarc: nothing is aligned"],
        "removed": 1,
        "notes": ["bare CR in header", "1024-bit key"],
        "bytes": 2048,
        "questions": 5,
        "ms": 1.23,
    }


@pytest.mark.parametrize(("local_parts", "sender"), [(False, "example.org"), (True, "ann@example.org")])
def test_local_parts_only_if_asked_for(local_parts: bool, sender: str) -> None:
    found = line(local_parts=local_parts)
    assert found["from"] == sender
    assert ("ann" in journal.as_text(found)) == local_parts


@pytest.mark.parametrize("sender", ["ann", '"ann"', '"x@ann"', "", "@", "@relay.example:ann"])
def test_a_sender_without_a_domain_is_a_local_part(sender: str) -> None:
    assert line(Envelope(mail_from=reverse_path.parse(sender)))["from"] == ""


@pytest.mark.parametrize("sender", ["a@ann＠host.example", "ann＠host.example", "ann@ann﹫host.example"])
def test_a_wide_at_sign_hides_no_local_part(sender: str) -> None:
    assert line(Envelope(mail_from=reverse_path.parse(sender)))["from"] == "host.example"
    assert line(Envelope(helo=sender))["helo"] == "host.example"


@pytest.mark.parametrize(
    ("helo", "logged"),
    [
        ("secretlp@host.example", "host.example"),
        ("<secretlp@host.example>", "host.example"),
        ('"secretlp x"@host.example', "host.example"),
        ('"x@secretlp"', ""),
        ("secretlp@", ""),
        ("@relay.example:secretlp@host.example", "host.example"),
        ("@relay.example:secretlp", ""),
        ("mail.host.example", "mail.host.example"),
        ("[192.0.2.1]", "[192.0.2.1]"),
        ("[IPv6:2001:db8::1]", "[IPv6:2001:db8::1]"),
        ("192.0.2.1", "192.0.2.1"),
        ("mail.host.example.", "mail.host.example."),
        ("bücher.example", "bücher.example"),
        ("host_1.example", "host_1.example"),
        ("", ""),
        ("secretlp%40host.example", "?"),
        ("host.example secretlp", "?"),
        ("secretlp host.example", "?"),
        ("a@host.example secretlp", "?"),
        ("host.example/secretlp", "?"),
        ("[secretlp]", "?"),
        ("[fe80::1%secretlp]", "?"),
        ("[IPv6:secretlp]", "?"),
        ("MAIL", "MAIL"),
    ],
)
def test_a_helo_with_an_at_sign_is_logged_as_its_domain(helo: str, logged: str) -> None:
    found = line(Envelope(helo=helo))
    assert found["helo"] == logged
    assert "secretlp" not in journal.as_json(found)
    assert line(Envelope(helo=helo), local_parts=True)["helo"] == helo


def test_no_local_part_in_what_is_said_about_a_message() -> None:
    said = "SERVFAIL of secretlp@host.example"
    spf = SpfVerdict(
        result=SpfResult.TEMPERROR, identity=SpfIdentity.MAILFROM, domain="a.example", problem=said, notes=(said,)
    )
    report = dataclasses.replace(REPORT, spf=spf, anomalies=(said,))
    refused = dataclasses.replace(REFUSED, reason=said)
    for local_parts in (False, True):
        found = journal.record(case(report=report, disposition=refused), local_parts=local_parts)
        text = journal.as_json(found)
        assert text.count("SERVFAIL of host.example") == (0 if local_parts else 4)
        assert text.count("secretlp") == (4 if local_parts else 0)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        pytest.param("plain", "id=plain", id="a word"),
        pytest.param("", 'id=""', id="nothing"),
        pytest.param("two words", 'id="two words"', id="a blank"),
        pytest.param('a"b\\', 'id="a\\"b\\\\"', id="a quote and a backslash"),
        pytest.param("a=b", 'id="a=b"', id="what looks like a pair"),
        pytest.param("a\nevent=message", 'id="a\\\\nevent=message"', id="a line of its own"),
    ],
)
def test_a_value_cannot_begin_a_pair_or_a_line(value: str, text: str) -> None:
    found = line(queue_id=value)
    assert journal.as_text(found).startswith(f"event=message {text} client=")
    assert "\n" not in journal.as_json(found)
    assert list(json.loads(journal.as_json(found))) == list(found)
