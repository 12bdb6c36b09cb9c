"""Mail that does not come from outside: back from a content filter, or by sendmail(1), as docs/postfix.md has it."""

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from lab import world
from lab.daemon import Daemon
from lab.letter import Letter
from lab.mail_system import TRUSTED, Lab
from lab.paths import REPO
from lab.postfix import Postfix
from lab.smtp import Client

SPOOF = world.letter("Your bank <service@bank.example>")
TRUST = f'[trust]\nnetworks = ["127.0.0.0/8", "::1", "{TRUSTED}"]\n'
FORGED = b"Authentication-Results: mx.example.org; dmarc=pass header.from=bank.example policy.dmarc=none\r\n"


def recipe() -> str:
    """The options that docs/postfix.md gives the smtpd that mail comes back to."""
    text = (REPO / "docs" / "postfix.md").read_text("utf-8")
    found = re.search(r"^127\.0\.0\.1:10025 inet .* smtpd\n((?: +-o .*\n)+)", text, re.MULTILINE)
    assert found
    lines = " ".join(line.strip() for line in found[1].splitlines())
    # clients of the lab say by XCLIENT who they are, and are trusted by another address
    return lines.replace("mynetworks=127.0.0.0/8", f"mynetworks={TRUSTED}")


class House(NamedTuple):
    lab: Lab
    daemon: Daemon
    postfix: Postfix

    def give(self, port: str, message: bytes, address: str) -> Letter:
        recipient = self.lab.recipient()
        with Client(self.postfix.ports[port], address=address) as client:
            assert client.send("a@bank.example", recipient, message).code == 250
        return Letter(self.lab.mailbox.take(recipient))

    @property
    def noted(self) -> int:
        """How often the log has the note."""
        return self.daemon.log.count("a field of ours was removed from mail of a trusted network")


@pytest.fixture(scope="module")
def house(lab: Lab) -> Iterator[House]:
    options = {
        "as in the recipe": recipe(),
        "no_milters": "-o receive_override_options=no_milters",
        "smtpd_milters=": "-o smtpd_milters=",
    }
    with lab.daemon("house", TRUST) as daemon:
        sockets = dict.fromkeys(("outside", *options), daemon.socket)
        main = f"smtpd_milters = unix:{daemon.socket}\nnon_smtpd_milters = $smtpd_milters\n"
        with Postfix(sockets, lab.mailbox.port, options | {"main.cf": main}) as postfix:
            yield House(lab, daemon, postfix)


@pytest.mark.parametrize("port", ["as in the recipe", "no_milters", "smtpd_milters="])
def test_the_verdict_stays_on_the_way_back_from_a_filter(house: House, port: str) -> None:
    first = house.give("outside", FORGED + SPOOF, world.STRANGER)
    assert first.verdict("dmarc") == "fail"
    second = house.give(port, first.raw, TRUSTED)
    ours = second.named("Authentication-Results")
    assert ours == first.named("Authentication-Results")
    assert len(ours) == 1


def test_without_the_recipe_it_is_lost_and_the_log_says_so(house: House) -> None:
    first = house.give("outside", SPOOF, world.STRANGER)
    noted = house.noted
    second = house.give("outside", first.raw, TRUSTED)
    assert second.top == "Authentication-Results: mx.example.org; none"
    assert len(second.named("Authentication-Results")) == 1
    assert house.noted == noted + 1


def test_the_log_has_no_such_note_where_a_stranger_forges_or_nothing_was_removed(house: House) -> None:
    noted = house.noted
    house.give("outside", FORGED + SPOOF, world.STRANGER)
    house.give("outside", SPOOF, TRUSTED)
    assert house.noted == noted


def test_mail_by_sendmail_keeps_no_forged_field(house: House) -> None:
    recipient = house.lab.recipient()
    house.postfix.sendmail("www@bank.example", recipient, FORGED + SPOOF)
    letter = Letter(house.lab.mailbox.take(recipient))
    assert letter.named("Authentication-Results") == [b"Authentication-Results: mx.example.org; none"]


def test_the_script_puts_mailvet_before_a_running_postfix_and_takes_it_out(lab: Lab, tmp_path: Path) -> None:
    """Tried with mail by sendmail(1), since smtpds of the lab have lists of their own."""
    script = tmp_path / "postfix.sh"
    script.write_text((REPO / "scripts" / "postfix.sh").read_text("utf-8").replace("/etc/mailvet", str(tmp_path)))
    with lab.daemon("script", TRUST) as daemon, Postfix({}, lab.mailbox.port) as postfix:

        def run(command: str) -> None:
            subprocess.run(["sh", script, command, f"unix:{daemon.socket}"], check=True, env=postfix.environment)

        def arrives() -> list[bytes]:
            recipient = lab.recipient()
            postfix.sendmail("www@bank.example", recipient, FORGED + SPOOF)
            return Letter(lab.mailbox.take(recipient)).named("Authentication-Results")

        (forged,) = arrives()
        run("add")
        (ours,) = arrives()
        run("remove")
        assert (ours, arrives()) == (b"Authentication-Results: mx.example.org; none", [forged])
