"""The daemon behind Postfix, with one function that raises: deferred or delivered whole, never with what was forged.

The functions are those that a message's callbacks were seen to call, whatever module they are in.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lab import faulty, world
from lab.daemon import Daemon
from lab.letter import Letter
from lab.smtp import Client
from lab.whole import Lab
from patience import until

FORGED = (
    b"Authentication-Results: mx.example.org; dmarc=pass header.from=bank.example\r\n"
    b"X-Note: a\r\n Authentication-Results: mx.example.org; dmarc=pass\r\n"
)
SPOOF = FORGED + world.signed(world.letter("<ceo@bank.example>"), b"signed.example")
HONEST = FORGED + world.signed(world.letter("<a@signed.example>"), b"signed.example")
CONFIG = """
[trust]
networks = []
[policy]
mode = "enforce"
[policy.on]
dmarc_reject = "reject"
"""


class Faulty:
    """A daemon whose faults are written into its control file."""

    def __init__(self, lab: Lab, daemon: Daemon, control: Path) -> None:
        self.lab, self.daemon, self.control = lab, daemon, control

    def order(self, **what: Any) -> None:
        fresh = self.control.with_suffix(".new")
        fresh.write_text(json.dumps(what))
        fresh.rename(self.control)

    def send(self, client: Client, message: bytes) -> tuple[int, Letter | None]:
        recipient = self.lab.recipient()
        reply = client.send("a@signed.example", recipient, message)
        if reply.code != 250:
            assert self.lab.mailbox.waiting(recipient) == 0
            return reply.code, None
        return 250, Letter(self.lab.mailbox.take(recipient))

    def spoof_and_go_on(self, name: str) -> tuple[int, Letter | None]:
        """A spoof while the fault is there, a message on the same connection without it, and two on another."""
        before = len(self.daemon.log)
        try:
            with self.lab.client("spare") as client:
                first = self.send(client, SPOOF)
                self.order()
                second = self.send(client, HONEST)[0]
                assert second in (250, 451), name
                assert second == 250 or lost_for_all(self.daemon.log[before:]), name
        except ConnectionError as e:  # Postfix refuses whom mailvet cannot be asked about
            assert str(e).startswith(("451 ", "421 ")), name
            first = (451, None)
            self.order()
        with self.lab.client("spare") as client:
            code, letter = self.send(client, HONEST)
            assert code == 250, name
            assert letter is not None
            assert letter.verdict("dmarc") == "pass", name
            assert self.send(client, SPOOF)[0] == 550, name
        return first


def lost_for_all(log: str) -> bool:
    """Did a step raise that every message of the connection depends on?"""
    return any(f"event=bug where={step} " in log for step in ("negotiate", "connect", "helo"))


def is_safe(code: int, letter: Letter | None, name: str) -> None:
    if letter is None:
        assert code in (451, 550), name
        return
    assert letter.verdict("dmarc") == "temperror", name
    rest = [field for field in letter.fields[1:] if not field.startswith(b"Received:")]
    assert rest == Letter(SPOOF[len(FORGED) :]).fields, name
    assert letter.body == Letter(SPOOF).body, name


@pytest.fixture(scope="module")
def faults(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Faulty]:
    control = lab.directory / "faults.json"
    control.write_text("{}")
    program = (faulty.__file__, str(control))
    daemon = Daemon(lab.directory, "spare", lab.dns.address, CONFIG, program=program)
    file = lab.directory / "spare.toml"
    file.write_text(file.read_text().replace("[dns]", "[dns]\ncache = 0"))  # so that each message asks
    with daemon:
        yield Faulty(lab, daemon, control)


@pytest.fixture(scope="module")
def called(faults: Faulty) -> list[str]:
    faults.order(record=True)
    with faults.lab.client("spare") as client:
        assert faults.send(client, SPOOF)[0] == 550
        assert faults.send(client, HONEST)[0] == 250
    faults.order()
    with faults.lab.client("spare") as client:
        assert faults.send(client, SPOOF)[0] == 550
    return faults.control.with_suffix(".calls").read_text().split("\n")


def test_what_is_called(called: list[str]) -> None:
    assert len(called) > 150
    assert {name.split(".")[0] for name in called} >= {"session", "transaction", "edits", "adapters", "journal", "dkim"}


@pytest.mark.parametrize("part", range(8))
def test_any_function_may_raise(faults: Faulty, called: list[str], part: int) -> None:
    for name in called[part::8]:
        before = faults.daemon.log
        faults.order(function=name, raised="ValueError")
        is_safe(*faults.spoof_and_go_on(name), name)
        said = faults.daemon.log[len(before) :]
        assert said.count("event=bug") <= 2, name  # one for each message, and the connection before XCLIENT has none
