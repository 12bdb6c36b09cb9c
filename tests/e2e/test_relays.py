"""Mail that comes through a relay of our own: the client it took the message from is judged, and its field may stay."""

from collections.abc import Iterator

import pytest

from lab import world
from lab.letter import Letter
from lab.whole import TRUSTED, Lab

RELAY = "198.51.100.25"
CONFIG = f"""
[trust]
networks = ["{TRUSTED}"]
relays = ["{RELAY}"]
authserv_ids = ["relay.example.org"]
[policy]
mode = "enforce"
[policy.on]
dmarc_reject = "reject"
temperror = "tempfail"
"""
THEIRS = b"Authentication-Results: relay.example.org; dmarc=pass header.from=signed.example\r\n"
FORGED = b"Authentication-Results: mx.example.org; dmarc=pass header.from=bank.example\r\n"
PLAIN = world.letter("<a@newsletter.example>")


def trace(address: str, helo: str = world.HOST_NAME) -> bytes:
    date = "Mon, 23 Nov 2026 06:00:00 +0000"
    return (
        f"Received: from {helo} (unknown [{address}])\r\n\tby relay.example.org (Postfix) with ESMTP id 4ABC\r\n"
        f"\tfor <someone@rcpt.example>; {date}\r\n"
    ).encode()


@pytest.fixture(scope="module")
def behind(lab: Lab) -> Iterator[Lab]:
    with lab.daemon("spare", CONFIG):
        yield lab


def through(lab: Lab, message: bytes, *, mail_from: str = "a@newsletter.example", address: str = RELAY) -> Letter:
    return lab.letter(lab.send("spare", mail_from=mail_from, message=message, address=address, helo="relay"))


def test_the_client_behind_the_relay_is_judged(behind: Lab) -> None:
    letter = through(behind, trace(world.HOST) + PLAIN)
    assert letter.property("iprev", "policy.iprev") == world.HOST
    assert letter.property("spf", "smtp.mailfrom") == "newsletter.example"
    assert [letter.verdict(method) for method in ("iprev", "spf", "dmarc")] == ["pass", "pass", "pass"]


def test_a_relay_behind_the_relay_too(behind: Lab) -> None:
    letter = through(behind, trace(RELAY, "relay") + trace(world.HOST) + trace(world.STRANGER) + PLAIN)
    assert letter.property("iprev", "policy.iprev") == world.HOST


def test_a_spoof_through_the_relay_is_a_spoof(behind: Lab) -> None:
    spoof = trace(world.STRANGER, "pc.stranger.example") + trace("198.51.100.1") + world.letter("<a@bank.example>")
    receipt = behind.send("spare", mail_from="a@bank.example", message=spoof, address=RELAY)
    assert (receipt.reply.code, "DMARC" in receipt.reply.text) == (550, True)


def test_a_relay_that_does_not_tell_makes_spf_a_temperror(behind: Lab) -> None:
    """Nobody is blamed for what the relay does not say, nor trusted for it: `temperror` has a rule."""
    receipt = behind.send("spare", mail_from="a@newsletter.example", message=PLAIN, address=RELAY)
    assert receipt.reply.code == 451
    signed = through(behind, world.signed(world.letter("<a@signed.example>"), b"signed.example"))
    assert (signed.verdict("spf"), signed.verdict("dmarc")) == ("temperror", "pass")


def test_the_field_of_a_relay_stays_and_ours_goes(behind: Lab) -> None:
    letter = through(behind, THEIRS + FORGED + trace(world.HOST) + PLAIN)
    assert THEIRS.strip() in letter.fields
    assert FORGED.strip() not in letter.fields


@pytest.mark.parametrize("address", [world.HOST, TRUSTED])
def test_it_stays_from_nobody_else(behind: Lab, address: str) -> None:
    assert THEIRS.strip() not in through(behind, THEIRS + PLAIN, address=address).fields
