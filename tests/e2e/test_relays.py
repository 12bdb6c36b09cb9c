"""Mail that comes through a relay of our own: the client it took the message from is judged, and its field may stay."""

from collections.abc import Iterator

import pytest

from lab import world
from lab.letter import Letter
from lab.mail_system import TRUSTED, Lab
from lab.postfix import Postfix
from lab.smtp import Client

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


BOUNCE = (
    b"Received: by mail.signed.example (Postfix)\r\n\tid 4ABC; Mon, 23 Nov 2026 06:00:00 +0000 (UTC)\r\n"
    + world.letter("<mailer-daemon@signed.example>")
)
CRON = (
    b"Received: by mail.signed.example (Postfix, from userid 0)\r\n\tid 4ABC; Mon, 23 Nov 2026 06:00:00 +0000\r\n"
    + world.letter("<root@signed.example>")
)
FILTER = trace("127.0.0.1", "localhost")


@pytest.fixture(scope="module")
def host_is_relay(lab: Lab) -> Iterator[Lab]:
    """The relay has a name, an address and SPF of its own."""
    config = CONFIG.replace(f'relays = ["{RELAY}"]', f'relays = ["{world.HOST}"]')
    with lab.daemon("corpus", config):
        yield lab


@pytest.mark.parametrize(
    ("mail_from", "message"), [("", BOUNCE), ("root@signed.example", CRON)], ids=["bounce", "cron"]
)
@pytest.mark.parametrize("filtered", [b"", FILTER], ids=["plain", "through a content filter"])
def test_what_began_at_the_relay_is_judged_as_the_relays_own(
    host_is_relay: Lab, mail_from: str, message: bytes, filtered: bytes
) -> None:
    letter = host_is_relay.letter(host_is_relay.send("corpus", mail_from=mail_from, message=filtered + message))
    assert [letter.verdict(method) for method in ("iprev", "spf", "dmarc")] == ["pass", "pass", "pass"]


def test_a_null_sender_behind_a_relay_that_does_not_tell_is_a_temperror(behind: Lab) -> None:
    """There is no HELO name where there is no client: nobody knows whether SPF has anything to say."""
    receipt = behind.send("spare", mail_from="", message=world.letter("<a@bank.example>"), address=RELAY)
    assert receipt.reply.code == 451


def test_behind_the_content_filter_of_a_relay_the_client_of_the_relay_is_judged(behind: Lab) -> None:
    letter = through(behind, FILTER + FILTER + trace(world.HOST) + PLAIN)
    assert letter.property("iprev", "policy.iprev") == world.HOST
    spoof = FILTER + trace(world.STRANGER) + trace("198.51.100.1") + world.letter("<a@bank.example>")
    receipt = behind.send("spare", mail_from="a@bank.example", message=spoof, address=RELAY)
    assert receipt.reply.code == 550


@pytest.fixture(scope="module")
def front(lab: Lab) -> Iterator[Postfix]:
    """Another Postfix, which takes mail from the world and hands it on to ours, and is 127.0.0.1 to it."""
    config = CONFIG.replace(RELAY, "127.0.0.1").replace('"enforce"', '"mark"')
    settings = (
        "myhostname = relay.example.org\nsmtputf8_enable = yes\n"
        f"relay_transport = smtp:[127.0.0.1]:{lab.postfix.ports['breach']}\n"
    )
    nowhere = {"front": lab.directory / "nowhere.sock"}
    options = {"main.cf": settings, "front": "-o smtpd_milters="}
    with lab.daemon("breach", config), Postfix(nowhere, lab.mailbox.port, options) as relay:
        yield relay


@pytest.mark.parametrize(
    "helo",
    [
        pytest.param("[198.51.100.1]\u00a0x".encode(), id="a literal and U+00A0"),
        pytest.param("[198.51.100.1]\u3000x".encode(), id="a literal and U+3000"),
        pytest.param("[198.51.100.1]\u0085x".encode(), id="a literal and U+0085"),
        pytest.param("198.51.100.1\u00a0x".encode(), id="an address and U+00A0"),
        pytest.param("[127.0.0.1]\u00a0x".encode(), id="the address of the relay, and U+00A0"),
        pytest.param(b"a" * 972 + b"[198.51.100.1]bb", id="a literal where the line is broken"),
        pytest.param(b"a" * 1200, id="a line that is broken, and nothing else"),
        pytest.param(b"a" * 1975, id="one that is broken twice, within the address of the client"),
        pytest.param(b"[198.51.100.1] (x [198.51.100.1]) by x", id="parentheses and blanks"),
    ],
)
def test_helo_does_not_choose_the_client(lab: Lab, front: Postfix, helo: bytes) -> None:
    """198.51.100.1 may send for bank.example."""
    spoof = trace("198.51.100.1") + world.letter("<a@bank.example>")
    recipient = lab.recipient()
    with Client(front.ports["front"], address=world.STRANGER, helo=helo) as client:
        assert client.send("a@bank.example", recipient, spoof).code == 250
    letter = Letter(lab.mailbox.take(recipient))
    assert letter.property("iprev", "policy.iprev") == world.STRANGER
    assert [letter.verdict(method) for method in ("spf", "dmarc")] == ["fail", "fail"]
