"""Every forged Authentication-Results goes, and every harmless one stays in place and as it was, through Postfix.

Several are put into one message, in changing order, since removals must not disturb each other's index.
"""

import random
from collections.abc import Iterator

import pytest

from lab import world
from lab.forged import BEHIND_CR, FORGED_BY_NAME, HARMLESS, HARMLESS_LONG
from lab.letter import Letter
from lab.mail_system import TRUSTED, Lab
from lab.mta import delivered, fields

_LETTER = world.letter("<a@quiet.example>")
_BATCH = 12


def batches(seed: int) -> Iterator[tuple[list[bytes], list[bytes]]]:
    """Forged fields among harmless ones, each forged one once: what is sent, and what may arrive."""
    rng = random.Random(seed)
    forged = list(FORGED_BY_NAME.values())
    rng.shuffle(forged)
    for at in range(0, len(forged), _BATCH):
        sent = [(field, False) for field in forged[at : at + _BATCH]] + [(field, True) for field in HARMLESS]
        rng.shuffle(sent)
        yield [field for field, _ in sent], [field for field, harmless in sent if harmless]


def deliver(lab: Lab, fields: list[bytes], address: str = world.STRANGER, login: str = "") -> Letter:
    more = b"".join(field + b"\r\n" for field in fields)
    message = more + _LETTER
    receipt = lab.send("mark", mail_from="a@quiet.example", message=message, address=address, login=login)
    return lab.letter(receipt)


def below_received(letter: Letter) -> list[bytes]:
    """What the sender wrote and still is there."""
    assert letter.results is not None
    assert letter.fields[1].startswith(b"Received: from")
    own = len(Letter(_LETTER).fields)
    return letter.fields[2:-own]


@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.parametrize(
    ("address", "login"),
    [
        pytest.param(world.STRANGER, "", id="stranger"),
        pytest.param(TRUSTED, "", id="trusted network"),
        pytest.param(world.STRANGER, "joe@our.example", id="authenticated"),
    ],
)
def test_all_forged_go_and_all_harmless_stay(lab: Lab, address: str, login: str, seed: int) -> None:
    for sent, harmless in batches(seed):
        assert below_received(deliver(lab, sent, address, login)) == harmless


@pytest.mark.parametrize(("number", "code"), [(2000, 250), (5000, 250), (5001, 550)])
def test_a_flood_is_removed_up_to_a_limit_and_refused_beyond(lab: Lab, number: int, code: int) -> None:
    message = b"Authentication-Results: mx.example.org; dmarc=pass\r\n" * number + _LETTER
    recipient = lab.recipient()
    with lab.client("mark") as client:
        client.begin("a@quiet.example", recipient)
        answer = client.finish(message)
    assert answer.code == code
    if code == 250:
        assert len(Letter(lab.mailbox.take(recipient)).named("Authentication-Results")) == 1
    else:
        assert lab.mailbox.waiting(recipient) == 0


@pytest.mark.parametrize(
    ("line", "code"),
    [("Authentication-Results: mx.example.org; none", 550), ("Authentication-Results: mail.example.net; none", 250)],
)
def test_a_line_of_ours_hidden_beyond_the_limits_is_refused(lab: Lab, line: str, code: int) -> None:
    message = b"X-Note: hello\r\n" * 1100 + f"X-Note: hello\r\n {line}\r\n".encode() + _LETTER
    assert lab.send("mark", mail_from="a@quiet.example", message=message).reply.code == code


def test_more_lines_that_may_hide_one_than_are_kept_are_refused(lab: Lab) -> None:
    message = b"X-Note: hello\r\n" * 1100 + (b"X-Note: hello\r\n from: " + b"x" * 900 + b"\r\n") * 400 + _LETTER
    assert lab.send("mark", mail_from="a@quiet.example", message=message).reply.code == 550


@pytest.mark.parametrize("name", FORGED_BY_NAME)
def test_each_alone(lab: Lab, name: str) -> None:
    assert below_received(deliver(lab, [FORGED_BY_NAME[name]])) == []


def test_a_bare_cr_is_disarmed(lab: Lab) -> None:
    """By Postfix itself, or else the field goes."""
    for field in below_received(deliver(lab, BEHIND_CR)):
        assert b"\r" not in field.replace(b"\r\n", b"")


def test_200_of_them(lab: Lab) -> None:
    """Among harmless ones of the same name."""
    one = b"Authentication-Results: mx.example.org; dmarc=pass"
    fields = [one, HARMLESS[0]] * 200
    assert below_received(deliver(lab, fields)) == [HARMLESS[0]] * 200


@pytest.mark.parametrize("octets", [997, 998, 999, 1995, 1996, 2048, 2049, 4096, 10_000])
def test_postfix_breaks_long_lines_as_our_model_does(lab: Lab, octets: int) -> None:
    """At 998 octets, the name and its colon included; a line that goes on does so behind one space, which counts."""
    text = b"".join(b"%07d." % number for number in range(octets // 8 + 1))[:octets]
    sent = [b"X-Long: " + text[8:], b"X-Folded: y\r\n " + text[1:] + b"\r\n\t" + text[1:]]
    expected = [b":".join(delivered(fields(field))).replace(b"\n", b"\r\n") for field in sent]
    assert below_received(deliver(lab, sent)) == expected


def test_long_lines_that_hide_nothing_stay(lab: Lab) -> None:
    expected = [b":".join(delivered(fields(field))).replace(b"\n", b"\r\n") for field in HARMLESS_LONG]
    assert below_received(deliver(lab, HARMLESS_LONG)) == expected
