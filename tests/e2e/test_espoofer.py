"""espoofer's attacks, and names for lenient readers, through a real Postfix: none ends in an aligned pass."""

import pytest

from lab import world
from lab.espoofer import ATTACKER_IP, ATTACKS, SAME_DOMAIN, Attack
from lab.mail_system import Lab
from lab.spoofed import HONEST, SPOOFED


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.name)
def test_attack(lab: Lab, attack: Attack) -> None:
    message = attack.raw
    if attack.signed_as is not None:
        message = world.signed(message, *attack.signed_as)
    receipt = lab.send("mark", mail_from=attack.mail_from, message=message, address=ATTACKER_IP, helo=attack.helo)
    if receipt.reply.code == 501:  # Postfix does not take such an address
        return
    letter = lab.letter(receipt)
    passed = letter.verdict("dmarc") == "pass"
    if attack.name in SAME_DOMAIN and passed:
        assert letter.property("dmarc", "header.from") == attack.spoofed
        assert letter.property("spf", "smtp.mailfrom") == attack.spoofed
    else:
        assert not (passed and letter.property("dmarc", "header.from").endswith(attack.spoofed))
    assert len(letter.all("dmarc")) == 1


def test_most_of_them_get_through_postfix(lab: Lab) -> None:
    """Else the table above would prove nothing."""
    taken = 0
    for attack in ATTACKS:
        receipt = lab.send("mark", mail_from=attack.mail_from, message=attack.raw, address=ATTACKER_IP)
        taken += receipt.reply.code == 250
    assert taken >= 18


@pytest.mark.parametrize("value", SPOOFED.values(), ids=list(SPOOFED))
def test_a_name_for_lenient_readers(lab: Lab, value: bytes) -> None:
    """Sent by who may send for the domain that is not spoofed, and still no pass."""
    sent = value.replace(b"attack.example", b"quiet.example").replace(b"\n", b"\r\n")
    message = b"From:" + sent + b"\r\nSubject: hello\r\n\r\nHello.\r\n"
    receipt = lab.send("mark", mail_from="a@quiet.example", message=message)
    assert lab.letter(receipt).verdict("dmarc") == "permerror"


@pytest.mark.parametrize(("text", "domain"), HONEST.values(), ids=list(HONEST))
def test_an_honest_name(lab: Lab, text: str, domain: str) -> None:
    message = f"From: {text}".replace("\n", "\r\n").encode() + b"\r\nSubject: hello\r\n\r\nHello.\r\n"
    receipt = lab.send("mark", mail_from="a@quiet.example", message=message)
    letter = lab.letter(receipt)
    assert letter.verdict("dmarc") != "permerror"
    assert letter.property("dmarc", "header.from") == domain
