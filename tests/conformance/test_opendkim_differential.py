"""DKIM against OpenDKIM, a daemon of its own on the milter protocol: every disagreement explained.

The messages are those of test_dkim_differential. Keys come from a file (TestDNSData), so nothing is asked. A
disagreement that no row of EXPLAINED expects fails the test. Each row says who is right, and where it stands.
"""

import os
import random
import re
import shutil
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import pytest

from lab.milterclient import MilterClient
from lab.sealer import Mail
from tests.conformance.test_dkim_differential import (
    CHANGES,
    SIGNERS,
    Change,
    Row,
    a_message,
    always,
    blank_end,
    ours,
    signed_by_dkimpy,
    signed_by_us,
)

CONFIG: Final = """
Mode v
Socket local:{directory}/socket
PidFile {directory}/pid
Background no
Syslog no
AutoRestart no
AlwaysAddARHeader yes
AuthservID mx.rcpt.example
InternalHosts {directory}/nobody
TestDNSData file:{directory}/keys
UMask 000
"""
SEEDS: Final = 160  # for each change
_FOUND: Final = re.compile(r"dkim=(\S+)(?: \([^)]*\))?(?: reason=\"([^\"]*)\")?")


def unended(mail: Mail) -> bool:
    """The body's last line has no CRLF, as none has that came by SMTP."""
    return not mail.body.endswith(b"\r\n")


def said(pattern: bytes) -> Callable[[Mail], bool]:
    return lambda mail: re.search(pattern, mail.fields[0][1]) is not None


EXPLAINED: Final = [
    Row("policy a From field", "pass", always, "RFC 6376 §8.15: a From field was added, which readers may show"),
    Row("policy l=", "pass", always, "RFC 6376 §8.2: verified, and refused by policy (partial_body)"),
    Row("pass", "no field", unended, "RFC 6376 §3.4.3: a CRLF is added; it stops without a word"),
    Row("pass", "fail", blank_end, "RFC 6376 §3.4.4: no white space at the end of lines, so neither of the last"),
    Row("neutral b= or bh=", "pass", always, "RFC 6376 §2.10: base64 has no other characters; it leaves them out"),
    Row("neutral l=", "pass", said(rb"\bl=\s*;"), "RFC 6376 §3.5: l= is digits, one at least"),
    Row("neutral unknown canon", "pass", said(rb"c=Relaxed"), "RFC 6376 §3.2: values are case-sensitive"),
    Row("neutral unknown algorithm", "pass", said(rb"a=RSA"), "RFC 6376 §3.2: values are case-sensitive"),
    Row("pass", "permerror", said(rb"\bt=99999999999;"), "RFC 6376 §3.5: t= in the future MAY be ignored; it is noted"),
    Row(
        "pass",
        "permerror",
        said(rb"\bt=1;"),
        "RFC 6376 §3.5: without x= there is no expiration; it gives them seven days",
    ),
    Row(
        "pass",
        "fail length tag value exceeds",
        said(rb"\bl=100000;"),
        "RFC 6376 §3.5 forbids signers to say so, §3.7 has verifiers hash at most so much: nothing was added",
    ),
]


@pytest.fixture(scope="module")
def opendkim(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    program = shutil.which("opendkim", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
    if program is None:
        pytest.skip("OpenDKIM is not installed (scripts/debian-packages.sh opendkim)")
    directory = tmp_path_factory.mktemp("opendkim")
    (directory / "nobody").write_text("192.0.2.255\n")
    (directory / "keys").write_text("".join(f"{s.name} {s.record.decode()}\n" for s in SIGNERS))
    config = directory / "opendkim.conf"
    config.write_text(CONFIG.format(directory=directory))
    with (directory / "log").open("wb") as log:
        process = subprocess.Popen([program, "-x", str(config)], stdout=log, stderr=log)
    socket = directory / "socket"
    try:
        deadline = time.monotonic() + 60
        while not socket.exists():
            assert process.poll() is None, (directory / "log").read_text()
            assert time.monotonic() < deadline
            time.sleep(0.02)
        yield socket
    finally:
        process.kill()
        process.wait(10)


def theirs(mail: Mail, socket: Path) -> str:
    """OpenDKIM's word, and its reason, about the topmost signature."""
    with MilterClient(socket) as client:
        client.connect("203.0.113.7")
        try:
            answer = client.message(b"a@author.example", mail.wire)
        except ConnectionError:  # accepted before its end
            return "unseen"
    values = [value for _, name, value in answer.inserted if name == "Authentication-Results"]
    found = _FOUND.search(" ".join(values[0].split())) if values else None
    return " ".join(filter(None, found.groups())) if found else f"no field {answer.reply!r} {answer.text}"


def compare(change: Change, seed: int, socket: Path) -> tuple[str, str, Mail]:
    source = random.Random(f"{change.__name__} {seed}")
    by = source.choice([signed_by_dkimpy, signed_by_us])
    mail = change(source, by(source, a_message(source)))
    return ours(mail), theirs(mail, socket), mail


def explained(found: str, status: str, mail: Mail) -> Row | None:
    rows = [
        row for row in EXPLAINED if found.startswith(row.ours) and status.startswith(row.theirs) and row.occurs(mail)
    ]
    return rows[0] if rows else None


def test_ours_is_theirs_or_explained(opendkim: Path) -> None:
    surprises, needed, both = [], set(), Counter[bool]()
    for change in CHANGES:
        for seed in range(SEEDS):
            found, status, mail = compare(change, seed, opendkim)
            passed = found == "pass"
            if passed == status.startswith("pass"):
                both[passed] += 1
                continue
            row = explained(found, status, mail)
            if row is None:
                surprises.append((change.__name__, seed, found, status, mail.fields[0][1], mail.body[-20:]))
            else:
                needed.add(row)
    assert not surprises
    assert needed == set(EXPLAINED)
    assert min(both[True], both[False]) > SEEDS  # else agreement would mean little
