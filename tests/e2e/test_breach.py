"""The breach flag through a real Postfix, with the look-alike behind it."""

import contextlib
import hashlib
import os
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from lab import breach_scene, world
from lab.daemon import Daemon
from lab.hibp_server import TODAY, HibpServer
from lab.letter import Letter
from lab.mail_system import TRUSTED, Lab
from lab.wait import until

ANN = "ann@signed.example"
FORGED = b"Sender-Breach-Info: mx.example.org; result=not-listed; source=haveibeenpwned.com; checked=2026-01-01\r\n"


class Flagging(NamedTuple):
    """A mailvet that looks senders up, and what it asked."""

    lab: Lab
    hibp: HibpServer
    daemon: Daemon

    def deliver(self, local: str, *, more: bytes = b"", signed: bool = True, address: str = world.HOST) -> Letter:
        message = world.letter(f"<{local}@signed.example>")
        message = more + (world.signed(message, b"signed.example") if signed else message)
        mail_from = f"{local}@signed.example"
        return self.lab.letter(self.lab.send("breach", mail_from=mail_from, message=message, address=address))


def prefix(local: str) -> str:
    return hashlib.sha1(f"{local}@signed.example".encode()).hexdigest().upper()[:6]


@pytest.fixture(scope="module")
def flagging(lab: Lab) -> Iterator[Flagging]:
    listed = {ANN: ["Fresh"], "old@signed.example": ["Ancient", "SpamList"]}
    with breach_scene.flagging(lab, listed, workers=2, timeout="1s", delay="0s") as (hibp, daemon):
        found = Flagging(lab, hibp, daemon)
        until(lambda: found.deliver(f"warm{time.monotonic_ns()}") and hibp.ranges)
        yield found


@pytest.fixture
def quiet(flagging: Flagging) -> Iterator[Flagging]:
    """With nothing asked yet."""
    flagging.hibp.requests.clear()
    yield flagging
    flagging.hibp.manner = ""


def test_a_listed_sender_is_flagged_below_our_results(quiet: Flagging) -> None:
    letter = quiet.deliver("ann")
    (field,) = letter.named("Sender-Breach-Info")
    month = next(one["AddedDate"] for one in quiet.hibp.breaches if one["Name"] == "Fresh")[:7]
    assert field.decode() == (
        "Sender-Breach-Info: mx.example.org; result=listed; source=haveibeenpwned.com;"
        f" newest={month}; classes=passwords; checked={TODAY.isoformat()}"
    )
    assert letter.fields[1] == field
    assert letter.verdict("dmarc") == "pass"
    assert b"Fresh" not in letter.raw
    assert quiet.hibp.ranges == [prefix("ann")]


def test_who_is_known_is_not_asked_about_again(quiet: Flagging) -> None:
    quiet.deliver("ann")
    quiet.hibp.requests.clear()
    assert [len(quiet.deliver("ann").named("Sender-Breach-Info")) for _ in range(6)] == [1] * 6
    assert quiet.hibp.requests == []


@pytest.mark.parametrize("local", ["old", "nobody-knows-me"])
def test_who_is_not_listed_gets_no_field(quiet: Flagging, local: str) -> None:
    letter = quiet.deliver(local)
    assert letter.named("Sender-Breach-Info") == []
    assert quiet.hibp.ranges == [prefix(local)]


@pytest.mark.parametrize("manner", ["status 404", "status 503", "truncated", "not json", "hang"])
def test_who_cannot_be_asked_about_gets_no_field_and_the_mail(quiet: Flagging, manner: str) -> None:
    quiet.hibp.manner = manner
    local = manner.replace(" ", "")
    started = time.monotonic()
    letter = quiet.deliver(local)
    assert time.monotonic() - started < 15.0  # a message waits for 2 seconds, the source for 20
    assert letter.named("Sender-Breach-Info") == []
    assert letter.verdict("dmarc") == "pass"
    assert quiet.hibp.ranges == [prefix(local)]
    assert quiet.deliver("ann").named("Sender-Breach-Info")  # a verdict that is kept stays
    quiet.hibp.manner = ""
    quiet.deliver(f"after-{local}")
    assert quiet.hibp.ranges == [prefix(local), prefix(f"after-{local}")]


SKIPPED: dict[str, dict[str, Any]] = {
    "a stranger who writes as the listed one": {"local": "ann", "signed": False, "address": world.STRANGER},
    "one whom nobody authenticated": {"local": "carl", "signed": False, "address": world.STRANGER},
    "a role address": {"local": "no-reply"},
    "a list": {"local": "dora", "more": b"List-Id: <l.signed.example>\r\n"},
    "bulk": {"local": "emil", "more": b"Precedence: bulk\r\n"},
    "a machine": {"local": "fred", "more": b"Auto-Submitted: auto-replied\r\n"},
    "one of our own networks": {"local": "gerd", "address": TRUSTED},
}


@pytest.mark.parametrize("given", SKIPPED.values(), ids=SKIPPED.keys())
def test_nobody_is_asked_about(quiet: Flagging, given: dict[str, Any]) -> None:
    letter = quiet.deliver(**given)
    assert letter.named("Sender-Breach-Info") == []
    time.sleep(0.4)  # nor in the background
    assert quiet.hibp.requests == []


@pytest.mark.parametrize(
    "forged",
    [
        FORGED,
        FORGED.upper(),
        FORGED.replace(b":", b" :"),
        FORGED * 3,
        FORGED.replace(b"mx.example.org", b"elsewhere.example"),
    ],
    ids=["plain", "capitals", "blank before the colon", "thrice", "another host's"],
)
def test_inbound_copies_go(quiet: Flagging, forged: bytes) -> None:
    givens: tuple[dict[str, Any], ...] = (
        {"local": "old"},
        {"local": "old", "signed": False, "address": world.STRANGER},
    )
    for given in givens:
        assert b"breach-info" not in quiet.deliver(**given, more=forged).raw.lower()
    (field,) = quiet.deliver("ann", more=forged).named("Sender-Breach-Info")
    assert b"result=listed" in field


def test_only_prefixes_leave_and_the_log_has_no_address(quiet: Flagging) -> None:
    locals_ = [f"writer{number}" for number in range(30)]
    with ThreadPoolExecutor(6) as threads:
        list(threads.map(quiet.deliver, locals_))
    until(lambda: len(quiet.hibp.ranges) >= 30)
    assert sorted(quiet.hibp.ranges) == sorted(map(prefix, locals_))
    for request in quiet.hibp.requests:
        assert len(request.path.rpartition("/")[2]) == 6
        assert "writer" not in str(request)
    assert "breach=not-listed" in quiet.daemon.log
    for local in locals_:
        assert local not in quiet.daemon.log
        assert prefix(local) not in quiet.daemon.log


def test_a_breach_process_that_is_killed_costs_no_message(quiet: Flagging) -> None:
    quiet.deliver("ann")
    (pid,) = [pid for pid in quiet.daemon.workers if _has_the_store(pid)]
    os.kill(pid, 9)
    assert quiet.deliver("hans").verdict("dmarc") == "pass"
    until(lambda: quiet.daemon.log.count("state=ready") == 2)
    until(lambda: quiet.deliver(f"later{time.monotonic_ns()}") and quiet.hibp.ranges)
    assert quiet.deliver("ann").named("Sender-Breach-Info")


def _has_the_store(pid: int) -> bool:
    """As the breach process has."""
    for descriptor in Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(OSError):  # closed meanwhile
            if descriptor.readlink().name == "store.db":
                return True
    return False
