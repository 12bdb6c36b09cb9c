"""`mailvet check` and `mailvet config` as a person calls them: what they print, what they store, how they end."""

import dataclasses
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from hypothesis import given, strategies as st

from lab import sealer, world
from lab.dnsserver import DnsServer
from lab.paths import REPO
from lab.signer import AUTHOR, sign
from mailvet.settings import Settings
from mailvet.syntax import mailfile
from mailvet.values import Written

SIGNED = world.signed(world.letter("<a@signed.example>"), b"signed.example")
SPOOF = world.letter("<service@bank.example>")
OFFLINE = '[dns]\nnameservers = ["127.0.0.1:9"]\n'
SENT = ["--ip", world.HOST, "--helo", world.HOST_NAME, "--mail-from", "a@signed.example"]


class Said(NamedTuple):
    status: int
    out: str
    problem: str


def mailvet(*arguments: str | Path, stdin: bytes = b"") -> Said:
    environment = {**os.environ, "PYTHONPATH": str(REPO / "milter")}
    command = [sys.executable, "-m", "mailvet", *map(str, arguments)]
    done = subprocess.run(command, input=stdin, capture_output=True, env=environment, timeout=60)
    said = Said(done.returncode, done.stdout.decode(), done.stderr.decode())
    assert "Traceback" not in said.problem
    return said


@pytest.fixture(scope="module")
def online(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A configuration whose name server knows the senders."""
    file = tmp_path_factory.mktemp("check") / "mailvet.toml"
    with DnsServer(world.zone()) as server:
        file.write_text(f'authserv_id = "mx.example.org"\n[dns]\nnameservers = ["{server.address}"]\n')
        yield file


def test_a_person_is_told_what_was_asked_found_compared_written_and_done(online: Path) -> None:
    said = mailvet("check", "--config", online, *SENT, "-", stdin=SIGNED)
    assert said.status == 0
    for part in (
        f"Client     {world.HOST}, HELO {world.HOST_NAME}",
        'TXT  _dmarc.signed.example\n             "v=DMARC1; p=reject"',
        "DKIM 1     pass      d=signed.example, s=s1, rsa-sha256, 2048-bit key",
        "dkim signed.example ~ signed.example (identical): aligned",
        "Added      Authentication-Results: mx.example.org;\n iprev=pass",
        "Policy     mode mark: accept",
    ):
        assert part in said.out


def test_what_the_envelope_does_not_say_is_read_from_the_message_and_that_is_said(online: Path) -> None:
    trace = f"Return-Path: <a@signed.example>\r\nReceived: from {world.HOST_NAME} (x [{world.HOST}]) by mx\r\n"
    said = mailvet("check", "--config", online, "-", stdin=trace.encode() + SIGNED)
    assert f"(client {world.HOST} from the topmost Received field)" in said.out
    assert f"(HELO {world.HOST_NAME} from the topmost Received field)" in said.out
    assert "(MAIL FROM a@signed.example from Return-Path)" in said.out
    assert "SPF MAIL   pass      signed.example" in said.out


FILTER = b"Received: from localhost (localhost [127.0.0.1])\r\n\tby mx.example.org (Postfix) with ESMTP id 1\r\n"
STRANGERS = f"Received: from pc.example (x [{world.STRANGER}]) by mx\r\n".encode()
LOCAL = b"Received: by mx.example.org (Postfix, from userid 0)\r\n\tid 2; Mon, 23 Nov 2026 06:00:00 +0000\r\n"


@pytest.mark.parametrize("filters", [1, 2])
def test_a_content_filter_on_top_is_not_the_client(online: Path, filters: int) -> None:
    trace = b"Return-Path: <a@bank.example>\r\n" + FILTER * filters + STRANGERS
    said = mailvet("check", "--config", online, "-", stdin=trace + SPOOF)
    source = "a Received field below that of 127.0.0.1, as of a content filter; if it is none, use --ip"
    assert f"(client {world.STRANGER} from {source})" in said.out
    assert f"(HELO pc.example from {source})" in said.out
    assert (said.status, "DMARC      fail" in said.out) == (1, True)


@pytest.mark.parametrize("trace", [FILTER, FILTER + LOCAL], ids=["by SMTP", "by sendmail"])
def test_mail_of_this_host_is_its_own(online: Path, trace: bytes) -> None:
    said = mailvet("check", "--config", online, "-", stdin=trace + SPOOF)
    assert "(client 127.0.0.1 from the topmost Received field)" in said.out
    assert "Exempt" in said.out


@pytest.mark.parametrize(
    "arguments", [["check", "--replay", "RECORDING", "-"], ["config", "show"], ["config", "check"]]
)
def test_output_that_cannot_be_written_is_status_2(tmp_path: Path, arguments: list[str]) -> None:
    recording = tmp_path / "dns.json"
    recording.write_text('{"format": "mailvet-dns-1", "questions": []}')
    environment = {**os.environ, "PYTHONPATH": str(REPO / "milter")}
    command = [sys.executable, "-m", "mailvet", *(str(recording) if a == "RECORDING" else a for a in arguments)]
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(command, input=SIGNED, stdout=full, stderr=subprocess.PIPE, env=environment, timeout=60)
    assert (done.returncode, done.stderr) == (2, b"mailvet: standard output: No space left on device\n")


def test_one_question_is_one_question(online: Path) -> None:
    said = mailvet("check", "--config", online, "-", stdin=world.letter("<a@signed.example>"))
    assert "\nDNS        1 question\n" in said.out


def test_a_message_whose_client_nobody_knows_is_judged_by_its_content(online: Path) -> None:
    said = mailvet("check", "--config", online, "-", stdin=SIGNED)
    assert "(client unknown: no Received tells it; use --ip)" in said.out
    assert "iprev      permerror the address of the client is not known" in said.out
    assert "DMARC      pass" in said.out


def queue_file(message: bytes, client: str = world.HOST, sender: str = "a@signed.example") -> bytes:
    """As postcat -q prints it."""
    text = message.replace(b"\r\n", b"\n")
    envelope = f"""*** ENVELOPE RECORDS hold/4XYZ ***
message_size:             470             219               1               0             470               0
named_attribute: log_helo_name=elsewhere.example
named_attribute: rewrite_context=remote
sender: {sender}
named_attribute: client_name=unknown
named_attribute: client_address={client}
named_attribute: helo_name={world.HOST_NAME}
recipient: b@rcpt.example
*** MESSAGE CONTENTS hold/4XYZ ***
"""
    return envelope.encode() + text + b"*** HEADER EXTRACTED hold/4XYZ ***\n*** MESSAGE FILE END hold/4XYZ ***\n"


def test_what_postcat_prints_is_a_message_with_its_envelope(online: Path) -> None:
    assert mailfile.parse(queue_file(SIGNED))[:2] == mailfile.parse(SIGNED)[:2]
    said = mailvet("check", "--config", online, "-", stdin=queue_file(SIGNED))
    for part in (
        f"(client {world.HOST} from the queue file's envelope)",
        f"(HELO {world.HOST_NAME} from the queue file's envelope)",
        "(MAIL FROM <a@signed.example> from the queue file's envelope)",
        "SPF MAIL   pass      signed.example",
        "DKIM 1     pass",
    ):
        assert part in said.out
    assert "(MAIL FROM <> from the queue file's" in mailvet("check", "-", stdin=queue_file(SPOOF, sender="")).out


def test_what_postcat_prints_ends_where_the_message_cannot_say() -> None:
    body = b"*** HEADER EXTRACTED hold/4XYZ ***\nmore\n*** MESSAGE CONTENTS hold/4XYZ ***\nsender: c@d.example\n"
    parsed = mailfile.parse(queue_file(b"Subject: x\n\n" + body))
    assert parsed.body == body.replace(b"\n", b"\r\n")
    assert parsed.queued is not None
    assert parsed.queued.sender == "a@signed.example"


@pytest.mark.parametrize(
    "stored",
    [
        pytest.param(lambda mail: mail, id="a message"),
        pytest.param(lambda mail: queue_file(mail, client="127.0.0.1"), id="a queue file"),
    ],
)
def test_a_content_filter_on_this_host_is_not_the_client(online: Path, stored: Callable[[bytes], bytes]) -> None:
    back = "Received: from localhost (localhost [127.0.0.1]) by mx.example.org (Postfix) with ESMTP id 2\r\n"
    filtered = "Received: from mx.example.org ([127.0.0.1]) by localhost (amavisd-new, port 10024)\r\n"
    first = f"Received: from {world.HOST_NAME} (x [{world.HOST}]) by mx.example.org (Postfix) with ESMTP id 1\r\n"
    mail = stored((back + filtered + first).encode() + SIGNED)
    said = mailvet("check", "--config", online, "--mail-from", "a@signed.example", "-", stdin=mail)
    assert f"(client {world.HOST} from a Received field below that of 127.0.0.1, as of a content filter;" in said.out
    assert "SPF MAIL   pass      signed.example" in said.out
    asked = mailvet("check", "--config", online, "--ip", "127.0.0.1", "-", stdin=mail)
    assert "Exempt" in asked.out


def test_mail_of_this_host_is_exempt(online: Path) -> None:
    local = b"Received: from localhost (localhost [127.0.0.1]) by mx.example.org (Postfix) with ESMTP id 2\r\n"
    said = mailvet("check", "--config", online, "-", stdin=local + SIGNED)
    assert "(client 127.0.0.1 from the topmost Received field)" in said.out
    assert "Exempt" in said.out


@given(st.binary(max_size=200), st.binary(max_size=200))
def test_any_queue_file_is_read(envelope: bytes, rest: bytes) -> None:
    mailfile.parse(b"*** ENVELOPE RECORDS x ***\n" + envelope + b"*** MESSAGE CONTENTS x ***\n" + rest)


@pytest.mark.parametrize("line", [b"From a@b.example Mon Nov 23\n", b">From a@b.example Mon Nov 23\r\n"])
def test_a_mailbox_line_on_top_is_no_field(line: bytes) -> None:
    assert mailfile.parse(line + SIGNED) == mailfile.parse(SIGNED)


def test_a_finding_is_status_1(online: Path) -> None:
    said = mailvet(
        "check", "--config", online, "--ip", world.STRANGER, "--mail-from", "a@bank.example", "-", stdin=SPOOF
    )
    assert said.status == 1
    assert "DMARC      fail" in said.out


def test_a_recording_gives_the_same_offline(online: Path, tmp_path: Path) -> None:
    recording, message, offline = tmp_path / "dns.json", tmp_path / "message.eml", tmp_path / "mailvet.toml"
    message.write_bytes(SIGNED)
    offline.write_text('authserv_id = "mx.example.org"\n' + OFFLINE)
    first = mailvet("check", "--config", online, "--json", "--record", recording, *SENT, message)
    second = mailvet("check", "--config", offline, "--json", "--replay", recording, *SENT, message)
    assert (first.status, second.status) == (0, 0)
    one, other = json.loads(first.out), json.loads(second.out)
    for part in ("envelope", "report", "disposition", "edits"):
        assert one[part] == other[part]
    assert one["report"]["dmarc"]["result"] == "pass"
    asked = [{(question["name"], question["type"]) for question in found["questions"]} for found in (one, other)]
    assert asked[0] == asked[1]


@pytest.mark.parametrize(
    ("written", "result", "word"),
    [
        pytest.param(
            {"format": "mailvet-dns-2", "time": "2023-11-14T22:13:20Z"},
            "pass",
            "judged as of 2023-11-14T22:13:20Z, when the recording was made",
            id="by the time of the recording",
        ),
        pytest.param(
            {"format": "mailvet-dns-2", "time": "2023-12-01T00:00:00Z"},
            "permerror",
            "judged as of 2023-12-01T00:00:00Z, when the recording was made",
            id="expired then, too",
        ),
        pytest.param(
            {"format": "mailvet-dns-1"},
            "permerror",
            "judged as of now: the recording does not say when it was made",
            id="a recording of an earlier version has no time",
        ),
    ],
)
def test_a_signature_with_an_end_is_judged_as_of_the_recording(
    tmp_path: Path, written: dict[str, str], result: str, word: str
) -> None:
    """RFC 6376 §3.5: x= ended in November 2023."""
    recording, offline = tmp_path / "dns.json", tmp_path / "mailvet.toml"
    key = {"name": AUTHOR.name, "type": "TXT", "status": "found", "records": [AUTHOR.record.decode()]}
    recording.write_text(json.dumps({**written, "questions": [key | {"secure": None, "ttl": 300}]}))
    offline.write_text(OFFLINE)
    arguments: list[str | Path] = ["check", "--config", offline, "--replay", recording, *SENT, "-"]
    mail = sign(sealer.letter(), x="1700000000").wire
    assert f"({word})" in mailvet(*arguments, stdin=mail).out
    found = json.loads(mailvet(*arguments, "--json", stdin=mail).out)
    assert [each["result"] for each in found["report"]["dkim"]] == [result]


def test_a_replay_is_judged_as_of_its_recording_even_when_recorded_again(online: Path, tmp_path: Path) -> None:
    first, second = tmp_path / "one.json", tmp_path / "two.json"
    mailvet("check", "--config", online, "--record", first, *SENT, "-", stdin=SIGNED)
    made = json.loads(first.read_text())
    first.write_text(json.dumps(made | {"time": "2026-01-01T00:00:00Z"}))
    mailvet("check", "--config", online, "--replay", first, "--record", second, *SENT, "-", stdin=SIGNED)
    assert json.loads(second.read_text())["time"] == "2026-01-01T00:00:00Z"


def test_a_budget_used_up_is_used_up_in_the_replay(online: Path, tmp_path: Path) -> None:
    """Also for a key that DKIM was refused and that ARC, asking later, was told."""
    config, recording = tmp_path / "mailvet.toml", tmp_path / "dns.json"
    config.write_text(online.read_text() + "questions = 20\n[limits]\nsignatures = 40\n")
    keys = "v=1; a=rsa-sha256; d=signed.example; s=k{}; h=from; bh=AAAA; b=AAAA"
    many = [(b"DKIM-Signature", b" " + keys.format(number).encode()) for number in range(40)]
    mail = sealer.seal(sealer.letter().on_top(*many), sealer.Sealer("signed.example", selector="k39")).wire
    one, other = (
        json.loads(mailvet("check", "--config", config, "--json", option, recording, *SENT, "-", stdin=mail).out)
        for option in ("--record", "--replay")
    )
    problems = [each["problem"] for each in one["report"]["dkim"]]
    assert problems[0] == "no key"
    assert problems[-1] == "key not available: TXT k39._domainkey.signed.example: budget"
    assert one["report"]["arc"]["problem"] == "instance 1: message signature: no key"
    assert one["report"] == other["report"]
    entries = [{(q["name"], q.get("trouble"), q.get("late")) for q in found["questions"]} for found in (one, other)]
    assert entries[0] == entries[1]


def test_an_address_may_be_in_angle_brackets(online: Path) -> None:
    said = mailvet("check", "--config", online, "--mail-from", "<a@signed.example>", "-", stdin=SIGNED)
    assert "MAIL FROM  <a@signed.example>\n" in said.out


def test_ctrl_c_is_no_bug() -> None:
    code = """
from mailvet.commands import cli
def interrupted(*_):
    raise KeyboardInterrupt
cli._check = interrupted
raise SystemExit(cli.main(["check", "-"]))
"""
    environment = {**os.environ, "PYTHONPATH": str(REPO / "milter")}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, env=environment, timeout=60)
    assert (done.returncode, done.stderr) == (130, b"")


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        pytest.param(["check", "/nonexistent"], "No such file", id="no such message"),
        pytest.param(["check", "--ip", "nonsense", "-"], "'nonsense'", id="a client that is not an address"),
        pytest.param(["check", "--replay", __file__, "-"], "not a recording", id="a recording that is not one"),
        pytest.param(["check", "--replay", sys.executable, "-"], "not a recording", id="a recording that is no text"),
        pytest.param(["check"], "MESSAGE", id="no message"),
        pytest.param([], "COMMAND", id="no command"),
        pytest.param(["config", "check", "--config", "/nonexistent"], "no such file", id="no such configuration"),
    ],
)
def test_usage_is_status_2(arguments: list[str], problem: str) -> None:
    said = mailvet(*arguments, stdin=SIGNED)
    assert said.status == 2
    assert problem in said.problem
    assert said.out == ""


def test_a_terminal_without_our_dashes_is_told_all_the_same(monkeypatch: pytest.MonkeyPatch, online: Path) -> None:
    monkeypatch.setenv("PYTHONIOENCODING", "latin-1")
    said = mailvet("check", "--config", online, "--ip", world.HOST, "-", stdin=b"Subject: x\r\n\r\n")
    assert "DMARC      permerror" in said.out


def as_texts(items: list[tuple[str, Any]]) -> dict[str, Any]:
    """Addresses, networks and sockets as they are written."""

    def text(value: Any) -> Any:
        if isinstance(value, Written):
            return value.text
        return tuple(map(text, value)) if isinstance(value, tuple) else value

    return {key: text(value) for key, value in items}


def test_what_config_shows_is_a_configuration_with_the_same_values(tmp_path: Path) -> None:
    values, shown = mailvet("config", "show", "--json"), mailvet("config", "show")
    expected = dataclasses.asdict(Settings(), dict_factory=as_texts) | {
        "authserv_id": json.loads(values.out)["authserv_id"]
    }
    assert json.loads(values.out) == json.loads(json.dumps(expected))
    file = tmp_path / "mailvet.toml"
    file.write_text('[breach]\nfile = "/\\U0001f4e7\\u007f"\n')
    odd = mailvet("config", "show", "--config", file)
    file.write_text(odd.out)
    assert mailvet("config", "show", "--config", file) == odd
    file.write_text(shown.out)
    checked = mailvet("config", "check", "--config", file)
    assert (checked.status, checked.problem) == (0, "")
    assert f"\n{file}: fine" in f"\n{checked.out}"  # with a warning where the host's name is of one label
    assert mailvet("config", "show", "--json", "--config", file) == values
