"""What a recipient behind a real Postfix gets, and what a sender is told."""

import base64
import os
import re
from concurrent.futures import ThreadPoolExecutor

import pytest

from lab import dns_trouble, world
from lab.letter import Letter
from lab.mail_system import TRUSTED, Lab
from lab.wait import until

BANK = "Your bank <service@bank.example>"
SPOOF = world.letter(BANK)
PASSING = world.signed(world.letter("<a@signed.example>"), b"signed.example")


def only_ours(letter: Letter) -> None:
    """Our field is there, once, above Postfix's own Received."""
    assert letter.results is not None
    assert letter.fields[1].startswith(b"Received: from")
    assert len([field for field in letter.fields if b"mx.example.org;" in field]) == 1


def test_an_aligned_signature_passes(lab: Lab) -> None:
    letter = lab.letter(lab.send("enforce", mail_from="bounce@newsletter.example", message=PASSING))
    only_ours(letter)
    assert [letter.verdict(method) for method in ("iprev", "spf", "dkim", "arc", "dmarc")] == [
        "pass", "pass", "pass", "none", "pass"
    ]  # fmt: skip
    assert letter.property("dkim", "header.d") == "signed.example"
    assert letter.property("spf", "smtp.mailfrom") == "newsletter.example"
    assert letter.property("dmarc", "header.from") == "signed.example"
    assert letter.property("iprev", "policy.iprev") == world.HOST


def test_the_message_below_our_field_is_untouched(lab: Lab) -> None:
    letter = lab.letter(lab.send("enforce", mail_from="a@signed.example", message=PASSING))
    assert letter.raw.endswith(PASSING)


def test_spf_alone_is_enough(lab: Lab) -> None:
    message = world.letter("<news@newsletter.example>")
    letter = lab.letter(lab.send("enforce", mail_from="bounce@newsletter.example", message=message))
    assert [letter.verdict(method) for method in ("spf", "dkim", "dmarc")] == ["pass", "none", "pass"]


def test_a_spoof_is_refused_as_the_owner_asks(lab: Lab) -> None:
    receipt = lab.send("enforce", mail_from="a@bank.example", message=SPOOF, address=world.STRANGER)
    assert receipt.reply == (550, "5.7.1 Email rejected per DMARC policy for bank.example")


def test_a_spoof_is_held_in_quarantine_mode(lab: Lab) -> None:
    receipt = lab.send("quarantine", mail_from="a@bank.example", message=SPOOF, address=world.STRANGER)
    assert receipt.reply.code == 250
    held = lab.postfix.held(receipt.reply.queue_id)
    assert held is not None
    assert Letter(held).verdict("dmarc") == "fail"
    assert lab.mailbox.waiting(receipt.recipient) == 0


def test_what_enforcement_would_defer_is_held_in_quarantine_mode(lab: Lab) -> None:
    case = next(case for case in dns_trouble.CASES if case.name == "key alone, servfail")
    on = '[policy.on]\ndmarc_reject = "reject"\ntemperror = "tempfail"\n'
    replies = {}
    for mode in ("enforce", "quarantine"):
        with lab.daemon("spare", f'[trust]\nnetworks = ["{TRUSTED}"]\n[policy]\nmode = "{mode}"\n{on}'):
            replies[mode] = lab.send("spare", mail_from=f"a@{case.sender}", message=case.message).reply
    assert replies["enforce"].code == 451
    held = lab.postfix.held(replies["quarantine"].queue_id)
    assert held is not None
    assert Letter(held).verdict("dmarc") == "temperror"


@pytest.mark.parametrize("mode", ["quarantine", "enforce"])
def test_p_quarantine_is_held(lab: Lab, mode: str) -> None:
    message = world.letter("<a@shop.example>")
    receipt = lab.send(mode, mail_from="a@shop.example", message=message, address=world.STRANGER)
    assert lab.postfix.held(receipt.reply.queue_id) is not None


def test_a_spoof_is_delivered_with_its_verdict_in_mark_mode(lab: Lab) -> None:
    receipt = lab.send("mark", mail_from="a@bank.example", message=SPOOF, address=world.STRANGER)
    letter = lab.letter(receipt)
    only_ours(letter)
    assert [letter.verdict(method) for method in ("spf", "dkim", "dmarc")] == ["fail", "none", "fail"]
    assert letter.property("dmarc", "policy.dmarc") == "reject"


@pytest.mark.parametrize(
    "broken",
    [
        pytest.param(PASSING + b"An added footer\r\n", id="a footer was added"),
        pytest.param(PASSING.replace(b"Subject: Hello", b"Subject: Hullo"), id="the subject was changed"),
    ],
)
def test_a_broken_signature_fails(lab: Lab, broken: bytes) -> None:
    letter = lab.letter(lab.send("mark", mail_from="a@newsletter.example", message=broken))
    assert [letter.verdict(method) for method in ("spf", "dkim", "dmarc")] == ["pass", "fail", "fail"]


TWO_AUTHORS = b"From: <a@signed.example>\r\n" + SPOOF


def test_two_from_fields_are_a_verdict_of_their_own(lab: Lab) -> None:
    letter = lab.letter(lab.send("mark", mail_from="a@signed.example", message=TWO_AUTHORS))
    assert letter.verdict("dmarc") == "permerror"


def test_two_from_fields_are_refused(lab: Lab) -> None:
    receipt = lab.send("enforce", mail_from="a@signed.example", message=TWO_AUTHORS)
    wanted = "5.7.1 Email rejected because its From header field does not name one author domain"
    assert receipt.reply == (550, wanted)


def test_five_messages_in_one_session_share_nothing(lab: Lab) -> None:
    forged = b"Authentication-Results: mx.example.org; dmarc=pass\r\n"
    session = [
        ("a@signed.example", PASSING, ["pass", "pass", "pass"]),
        ("a@bank.example", forged + SPOOF, ["fail", "none", "fail"]),
        ("a@signed.example", TWO_AUTHORS, ["pass", "none", "permerror"]),
        ("a@signed.example", PASSING + b"more\r\n", ["pass", "fail", "pass"]),
        ("a@quiet.example", world.letter("<a@quiet.example>"), ["none", "none", "none"]),
    ]
    letters = []
    with lab.client("mark") as client:
        for mail_from, message, _ in session:
            recipient = lab.recipient()
            assert client.send(mail_from, recipient, message).code == 250
            letters.append(Letter(lab.mailbox.take(recipient)))
    for letter, (_, message, expected) in zip(letters, session, strict=True):
        only_ours(letter)
        assert [letter.verdict(method) for method in ("spf", "dkim", "dmarc")] == expected
        assert letter.raw.endswith(message.removeprefix(forged))
        assert [len(letter.all(method)) for method in ("iprev", "spf", "dkim", "arc", "dmarc")] == [1, 1, 1, 1, 1]
    last = letters[-1].top
    assert "signed.example" not in last and "bank.example" not in last  # noqa: PT018


def test_many_sessions_side_by_side_share_nothing(lab: Lab) -> None:
    kinds = [
        ("a@signed.example", PASSING, world.HOST, "pass"),
        ("a@bank.example", SPOOF, world.STRANGER, "fail"),
        ("a@quiet.example", world.letter("<a@quiet.example>"), world.HOST, "none"),
        ("a@signed.example", TWO_AUTHORS, world.HOST, "permerror"),
    ]

    def send(number: int) -> tuple[str, str, str]:
        mail_from, message, address, expected = kinds[number % len(kinds)]
        letter = lab.letter(lab.send("mark", mail_from=mail_from, message=message, address=address))
        assert letter.raw.endswith(message)
        sender = letter.property("spf", "smtp.mailfrom")
        return sender, letter.verdict("dmarc"), expected

    with ThreadPoolExecutor(12) as pool:
        for number, (sender, verdict, expected) in enumerate(pool.map(send, range(120))):
            assert (sender, verdict) == (kinds[number % len(kinds)][0].partition("@")[2], expected)


def test_a_message_given_up_leaves_nothing_to_the_next(lab: Lab) -> None:
    recipient = lab.recipient()
    with lab.client("mark") as client:
        assert client.begin("a@bank.example", lab.recipient()).code == 354
        assert client.finish(SPOOF).code == 250
        assert client.say(b"MAIL FROM:<a@bank.example>").code == 250
        assert client.say(b"RSET").code == 250
        assert client.send("a@signed.example", recipient, PASSING).code == 250
    assert Letter(lab.mailbox.take(recipient)).verdict("dmarc") == "pass"


def test_pipelined_messages(lab: Lab) -> None:
    first, second = lab.recipient(), lab.recipient()
    with lab.client("mark") as client:
        start = [b"MAIL FROM:<a@signed.example>", b"RCPT TO:<" + first.encode() + b">", b"DATA"]
        assert [reply.code for reply in client.pipeline(start)] == [250, 250, 354]
        start[1] = b"RCPT TO:<" + second.encode() + b">"
        client.push(PASSING)
        assert [reply.code for reply in client.pipeline([b".", *start])] == [250, 250, 250, 354]
        assert client.finish(SPOOF).code == 250
    assert Letter(lab.mailbox.take(first)).verdict("dmarc") == "pass"
    assert Letter(lab.mailbox.take(second)).verdict("dmarc") == "fail"


def test_30_megabytes(lab: Lab) -> None:
    body = base64.encodebytes(os.urandom(22_400_000)).replace(b"\n", b"\r\n")
    message = world.signed(world.letter("<a@signed.example>", text=body), b"signed.example")
    assert len(message) > 30_000_000
    letter = lab.letter(lab.send("enforce", mail_from="a@signed.example", message=message))
    assert letter.verdict("dkim") == "pass"
    assert letter.raw.endswith(message)


def test_smtputf8(lab: Lab) -> None:
    message = world.signed(world.letter("Jürgen <jürgen@signed.example>", subject="Grüße"), b"signed.example")
    receipt = lab.send(
        "enforce", mail_from="jürgen@signed.example", message=message, parameters="SMTPUTF8 BODY=8BITMIME"
    )
    letter = lab.letter(receipt)
    assert [letter.verdict(method) for method in ("spf", "dkim", "dmarc")] == ["pass", "pass", "pass"]
    assert "jürgen" not in letter.top


def test_a_field_name_that_is_not_ascii(lab: Lab) -> None:
    """To Postfix such a line ends the header."""
    message = PASSING.replace(b"\r\n\r\n", b"\r\nX-\xe9\xff: hello\r\n\r\n", 1)
    letter = lab.letter(lab.send("enforce", mail_from="a@signed.example", message=message))
    only_ours(letter)
    assert b"X-\xe9\xff: hello\r\n\r\nGood morning.\r\n" in letter.body


def test_a_helo_that_is_not_ascii_is_nobodys_name(lab: Lab) -> None:
    letter = lab.letter(lab.send("enforce", mail_from="", message=PASSING, helo=b"caf\xe9.example"))
    assert (letter.verdict("dmarc"), letter.verdict("spf")) == ("pass", "none")
    assert letter.property("spf", "smtp.helo") == ""


def test_a_null_sender_is_the_host(lab: Lab) -> None:
    """RFC 7208 §2.4, RFC 8601 §2.7.2"""
    letter = lab.letter(lab.send("mark", mail_from="", message=PASSING, helo="signed.example"))
    assert letter.all("spf") == ["pass"]
    assert letter.property("spf", "smtp.helo") == "signed.example"
    assert letter.property("spf", "smtp.mailfrom") == ""


@pytest.mark.parametrize(
    ("mail_from", "result", "domain"),
    [
        ("a@bank.example", "fail", "bank.example"),
        ("a@no-name", "none", ""),
        ("a@quiet.example", "none", "quiet.example"),
    ],
)
def test_no_pass_of_a_helo_name_beside_the_result_of_mail_from(
    lab: Lab, mail_from: str, result: str, domain: str
) -> None:
    letter = lab.letter(lab.send("mark", mail_from=mail_from, message=SPOOF, helo="signed.example"))
    assert letter.all("spf") == [result]
    assert letter.property("spf", "smtp.mailfrom") == domain
    assert "helo" not in letter.top
    assert (b" spf=fail (matched -all, no DNSSEC) smtp.mailfrom=bank.example" in letter.raw) == (result == "fail")
    said = re.compile(f" helo=signed.example from={mail_from[2:]} .* helo_spf=pass spf={result} ")
    assert until(lambda: said.search(lab.daemons["mark"].log) is not None)


def test_no_header_at_all(lab: Lab) -> None:
    letter = lab.letter(lab.send("mark", mail_from="a@signed.example", message=b"\r\nonly a body\r\n"))
    only_ours(letter)
    assert letter.verdict("dmarc") == "permerror"


FORGED = b"Authentication-Results: mx.example.org; dmarc=pass header.from=bank.example\r\n"


@pytest.mark.parametrize(
    ("address", "login", "said"),
    [
        pytest.param(world.STRANGER, "joe@our.example", ("pass", "our.example"), id="authenticated"),
        pytest.param(world.STRANGER, "joe", ("pass", ""), id="authenticated, without a domain"),
        pytest.param(
            world.STRANGER, "joe@our.example/x", ("pass", ""), id="authenticated, with more behind the domain"
        ),
        pytest.param(TRUSTED, "joe@our.example", ("pass", "our.example"), id="authenticated in a trusted network"),
    ],
)
def test_authenticated_clients_are_not_checked_but_may_not_forge(
    lab: Lab, address: str, login: str, said: tuple[str, str]
) -> None:
    receipt = lab.send("enforce", mail_from="a@bank.example", message=FORGED + SPOOF, address=address, login=login)
    letter = lab.letter(receipt)
    only_ours(letter)
    assert [result.method for result in letter.results] == ["auth"]
    assert (letter.verdict("auth"), letter.property("auth", "smtp.auth")) == said
    assert FORGED.strip() not in letter.fields


def test_a_trusted_network_is_not_checked_but_may_not_forge(lab: Lab) -> None:
    receipt = lab.send("enforce", mail_from="a@bank.example", message=FORGED + SPOOF, address=TRUSTED)
    letter = lab.letter(receipt)
    assert letter.top == "Authentication-Results: mx.example.org; none"
    assert FORGED.strip() not in letter.fields


@pytest.mark.parametrize("case", dns_trouble.CASES, ids=lambda case: case.name)
def test_dns_trouble_is_a_temperror_of_that_method_alone(lab: Lab, case: dns_trouble.Case) -> None:
    sender = f"author@{case.sender}"
    receipt = lab.send("enforce", mail_from=sender, message=case.message, address=case.address)
    letter = lab.letter(receipt)
    assert {method: letter.verdict(method) for method in case.expect} == case.expect
