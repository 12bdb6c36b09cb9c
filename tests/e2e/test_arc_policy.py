"""ARC and policy through a real Postfix: a dead key delivers nothing, and what a trusted sealer let through is told."""

from collections.abc import Iterator
from typing import NamedTuple

import pytest

from lab import world
from lab.daemon import Daemon
from lab.dnsserver import DnsServer
from lab.letter import Letter
from lab.mail_system import Lab
from lab.sealer import Mail, Sealer, letter, seal
from lab.smtp import Reply
from lab.wait import until

LIST, DEAD_LIST = Sealer("list.example"), Sealer("down.example")  # trusted; the DNS of one is down
STRANGER, DEAD_STRANGER = Sealer("stranger.example"), Sealer("dead.example")
AUTHOR = "bank.example"
CONFIG = """
[trust]
networks = []
sealers = ["list.example", "down.example"]
[policy]
mode = "{mode}"
[policy.on]
dmarc_reject = "reject"
arc_override = "accept"
"""


class Running(NamedTuple):
    lab: Lab
    daemon: Daemon
    mode: str

    def send(self, mail: Mail) -> tuple[Reply, str]:
        """The reply, and what became of the message: "held", "delivered" or "refused"."""
        receipt = self.lab.send("spare", mail_from="a@bank.example", message=mail.wire, address=world.STRANGER)
        if receipt.reply.code != 250:
            return receipt.reply, "refused"
        if self.lab.postfix.held(receipt.reply.queue_id) is not None:
            return receipt.reply, "held"
        assert self.lab.letter(receipt).verdict("dmarc") == "fail"
        return receipt.reply, "delivered"

    def line(self, queue_id: str) -> str:
        """What the log says of this message."""
        return until(lambda: next((line for line in self.daemon.log.splitlines() if f"id={queue_id} " in line), ""))


@pytest.fixture(scope="module", params=["enforce", "quarantine"])
def running(lab: Lab, request: pytest.FixtureRequest) -> Iterator[Running]:
    keys = {each.name: {"TXT": [each.record]} for each in (LIST, STRANGER)}
    dead = {each.name: {"manner": "servfail"} for each in (DEAD_LIST, DEAD_STRANGER)}
    with (
        DnsServer(world.zone() | keys | dead) as dns,
        lab.daemon("spare", CONFIG.format(mode=request.param), dns=dns.address) as daemon,
    ):
        yield Running(lab, daemon, request.param)


def spoof() -> Mail:
    return letter(author=b"service@bank.example")


@pytest.mark.parametrize(
    ("mail", "code"),
    [
        pytest.param(spoof(), 550, id="no chain"),
        pytest.param(seal(spoof(), DEAD_STRANGER, about=AUTHOR), 550, id="a stranger's dead key"),
        pytest.param(seal(spoof(), STRANGER, about=AUTHOR), 550, id="a stranger's chain, which holds"),
        pytest.param(
            seal(spoof(), Sealer("list.example", number=9), about=AUTHOR, message_by=DEAD_STRANGER),
            550,
            id="a trusted name forged beside a stranger's dead key",
        ),
        pytest.param(seal(spoof(), DEAD_LIST, about=AUTHOR), 451, id="a trusted sealer's dead key"),
    ],
)
def test_a_dead_key_delivers_nothing(running: Running, mail: Mail, code: int) -> None:
    reply, done = running.send(mail)
    if running.mode == "quarantine":
        assert (reply.code, done) == (250, "held")
        return
    word = "rejected" if code == 550 else "deferred"
    assert reply == (code, f"{code // 100}.7.1 Email {word} per DMARC policy for bank.example")


def test_what_a_trusted_sealer_lets_through_names_rule_and_sealer(running: Running) -> None:
    """And what nobody let through has no rule."""
    reply, done = running.send(seal(spoof(), LIST, about=AUTHOR))
    assert done == "delivered"
    line = running.line(reply.queue_id)
    assert " action=accept rule=arc_override " in line
    assert "but list.example, a trusted sealer, saw it pass" in line
    plain = running.lab.send("spare", mail_from="a@quiet.example", message=world.letter("<a@quiet.example>"))
    assert " rule=" not in running.line(plain.reply.queue_id)
    assert isinstance(running.lab.letter(plain), Letter)
