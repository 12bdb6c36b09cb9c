"""The daemon behind Postfix, with one function that raises: deferred or delivered whole, never with what was forged.

The functions are those that a message's callbacks were seen to call, whatever module they are in.
"""

import json
import re
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lab import faulty, injection, world
from lab.daemon import Daemon
from lab.letter import Letter
from lab.mail_system import Lab
from lab.postfix import free_port
from lab.smtp import Client
from lab.wait import until

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

    def __init__(self, lab: Lab, daemon: Daemon, control: Path, metrics: str) -> None:
        self.lab, self.daemon, self.control, self._metrics = lab, daemon, control, metrics

    def order(self, **what: Any) -> None:
        assert set(what.get("functions", ())) <= injection.functions().keys()
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

    def bugs(self) -> float:
        """The counter, as Prometheus reads it."""
        with urllib.request.urlopen(f"http://{self._metrics}/metrics", timeout=30) as answer:
            text = answer.read().decode()
        found = re.search(r"^mailvet_bugs_total (\S+)", text, re.MULTILINE)
        assert found is not None
        return float(found[1])

    def spoof_and_go_on(self, name: str) -> tuple[int, Letter | None]:
        """A spoof while the fault is there; without it, messages are judged as ever on the same connection, unless
        that is not known any more, and on another."""
        before = len(self.daemon.log)
        first: tuple[int, Letter | None] = (451, None)
        try:
            with self.lab.client("spare") as client:
                first = self.send(client, SPOOF)
                self.order()
                if self.judges(client, name):
                    return first
        except ConnectionError as e:  # Postfix refuses whom mailvet cannot be asked about
            if not str(e).startswith(("451 ", "421 ")):
                raise
            self.order()
        assert lost_for_all(self.daemon.log[before:]), name
        with self.lab.client("spare") as client:
            assert self.judges(client, name), name
        return first

    def judges(self, client: Client, name: str) -> bool:
        """False: it defers."""
        code, letter = self.send(client, HONEST)
        if letter is None:
            assert code == 451, name
            return False
        assert letter.verdict("dmarc") == "pass", name
        assert self.send(client, SPOOF)[0] == 550, name
        return True


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
    program = ("-m", faulty.__name__, str(control))
    metrics = f"127.0.0.1:{free_port()}"
    daemon = Daemon(lab.directory, "spare", lab.dns.address, CONFIG, program=program, metrics=metrics)
    file = lab.directory / "spare.toml"
    file.write_text(file.read_text().replace("[dns]", "[dns]\ncache = 0"))  # so that each message asks
    with daemon:
        yield Faulty(lab, daemon, control, metrics)


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
    assert {name.split(".")[0] for name in called} >= {"session", "header", "policy", "daemon", "observe", "checks"}


@pytest.mark.parametrize("part", range(8))
def test_any_function_may_raise(faults: Faulty, called: list[str], part: int) -> None:
    for name in called[part::8]:
        before = faults.daemon.log
        faults.order(functions=[name], raised="ValueError")
        is_safe(*faults.spoof_and_go_on(name), name)
        said = faults.daemon.log[len(before) :]
        assert said.count("event=bug") <= 2, name  # one for each message, and the connection before XCLIENT has none


STEPS = {
    "connect": "session.session.Session.connect",
    "helo": "session.session.Session.helo",
    "mail": "session.session.Session.mail",
    "header": "session.transaction.Transaction.add",
    "end of headers": "session.transaction.Transaction.end_of_headers",
    "body": "session.transaction.Transaction.body",
    "end of message": "header.edits.scrub",
}


@pytest.mark.parametrize("raised", ["MemoryError", "RecursionError", "SystemExit", "KeyboardInterrupt"])
@pytest.mark.parametrize("step", STEPS)
def test_at_each_step_whatever_is_raised(faults: Faulty, step: str, raised: str) -> None:
    faults.order(functions=[STEPS[step]], raised=raised, step=step)
    code, _ = faults.spoof_and_go_on(step)
    assert code == 451


def test_the_log_says_so_once_and_the_counter_counts_all(faults: Faulty) -> None:
    counted, before = faults.bugs(), len(faults.daemon.log)
    faults.order(functions=["session.transaction.Transaction.add"], raised="ValueError", step="header", **{"from": 5})
    with faults.lab.client("spare") as client:
        assert faults.send(client, SPOOF)[0] == 451
    faults.order()
    said = faults.daemon.log[before:]
    assert said.count("event=bug") == 1
    assert "event=bug where=header" in said
    line = next(line for line in said.splitlines() if "event=message" in line)
    assert " action=tempfail rule=internal_error " in line
    more = re.search(r'reason="internal error: header and (\d+) more"', line)
    assert more is not None
    assert faults.bugs() == counted + 1 + int(more[1])


@pytest.mark.parametrize(
    ("what", "first"), [("chgheader", 1), ("chgheader", 2), ("addheader", 1), ("setreply", 1), ("getpriv", 1)]
)
def test_libmilter_does_not_do_what_it_is_told(faults: Faulty, what: str, first: int) -> None:
    """Edits that were sent before go with the message: Postfix gives it up whole."""
    message = SPOOF if what == "setreply" else HONEST
    faults.order(context=what, **{"from": first})
    with faults.lab.client("spare") as client:
        assert faults.send(client, message) == (451, None)
        faults.order()
        assert faults.send(client, HONEST)[0] == 250


def test_a_bug_in_handling_a_bug_ends_the_worker_and_defers(faults: Faulty) -> None:
    workers = set(faults.daemon.workers)
    faults.order(
        functions=["session.transaction.Transaction.add", "session.session.Session.failed"], raised="ValueError"
    )
    with faults.lab.client("spare") as client:
        assert faults.send(client, SPOOF)[0] == 451
    faults.order()
    until(lambda: workers - set(faults.daemon.workers))
    until(lambda: len(faults.daemon.workers) == len(workers))
    with faults.lab.client("spare") as client:
        assert faults.send(client, HONEST)[0] == 250


@pytest.mark.parametrize("name", [b"From\xff", b"Authentication-Results\xff", b"Authentication-R\xe9sults"])
def test_a_field_name_that_is_not_utf_8_ends_the_header(lab: Lab, name: bytes) -> None:
    """Postfix takes it for the first line of the body, and so does everybody behind: it never hides a field."""
    line = b"\r\n" + name + b": mx.example.org; dmarc=pass\r\n"
    message = world.letter("<a@signed.example>").replace(b"\r\n\r\n", line + b"\r\n", 1)
    letter = lab.letter(lab.send("enforce", mail_from="a@signed.example", message=message))
    assert letter.verdict("dmarc") == "pass"
    assert not any(name in field for field in letter.fields)
    assert name in letter.body
