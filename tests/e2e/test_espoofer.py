"""espoofer's attacks through a real Postfix: none ends in an aligned pass for the domain that is spoofed."""

import pytest

from espoofer import ATTACKER_IP, ATTACKS, SAME_DOMAIN, Attack
from lab import world
from lab.whole import Lab


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
