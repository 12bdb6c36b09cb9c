"""What mailvet does, as conversations: who says what, and what becomes of the message.

Each runs three times: as it is, with the body cut octet by octet, and with nothing asked ahead of its need.
"""

from dataclasses import dataclass, field, replace

import pytest

from lab import world
from lab.engines import engine
from lab.settings import EVERYTHING, networks
from mailvet.case import Case
from mailvet.outcome import Action, Delete, Insert
from mailvet.ports import Trouble
from mailvet.session import prefetch
from mailvet.session.session import Session
from mailvet.settings import LimitSettings, Mode, OnSettings, PolicySettings, TrustSettings
from mailvet.syntax import mailfile
from mailvet.verdict import BreachResult, BreachVerdict

OURS = "mx.example.org"
TRUSTED, RELAY = "198.51.100.200", "198.51.100.25"
SETTINGS = replace(
    EVERYTHING,
    authserv_id=OURS,
    trust=TrustSettings(networks=networks(TRUSTED), relays=networks(RELAY), authserv_ids=("relay.example.org",)),
    policy=PolicySettings(on=OnSettings(dmarc_reject=Action.REJECT, temperror=Action.TEMPFAIL)),
    limits=LimitSettings(removals=3),
)
DNS = world.zone() | {
    "66.113.0.203.in-addr.arpa": {"PTR": ["host.stranger.example"]},
    "host.stranger.example": {"A": ["203.0.113.99"]},
    "loud.example": {"TXT": ["v=spf1 -all"], "A": ["198.51.100.3"]},
    "watching.example": {"A": ["198.51.100.4"]},
    "_dmarc.watching.example": {"TXT": ["v=DMARC1; p=none"]},
    "dead.example": Trouble.SERVFAIL,
    "_dmarc.dead.example": Trouble.SERVFAIL,
}


def said(host: str, method: str = "dmarc=pass") -> bytes:
    return f"Authentication-Results: {host}; {method}\r\n".encode()


SIGNED = world.signed(world.letter("<ann@signed.example>"), b"signed.example")
SPOOF = world.letter("<ceo@bank.example>")
HOP = f"Received: from {world.HOST_NAME} (unknown [{world.HOST}])\r\n\tby relay.example.org (Postfix) id 1\r\n".encode()


@dataclass(frozen=True, kw_only=True)
class Talk:
    """An honest, signed message from its own mail server, unless a row says something else."""

    message: bytes = SIGNED
    client: str | None = world.HOST
    helo: str = world.HOST_NAME
    mail_from: str = "ann@signed.example"
    login: str = ""
    mode: Mode = Mode.ENFORCE
    listed: bool = False  # the author's address was in a breach

    action: Action = Action.ACCEPT
    rule: str = ""  # that decided
    reply: str = ""  # what the client is told
    says: tuple[str, ...] = ()  # what our field has, among others
    never: tuple[str, ...] = ()  # and what not
    removed: tuple[tuple[str, int], ...] = ()  # name, and number among the fields of that name
    inserted: tuple[str, ...] = field(default=("Authentication-Results",))  # the last one ends up on top


FORGED = (("Authentication-Results", 1),)
STRANGER = Talk(client=world.STRANGER, helo="client.example", mail_from="ceo@bank.example", message=SPOOF)
REFUSED = replace(
    STRANGER,
    action=Action.REJECT,
    rule="dmarc_reject",
    reply="550 5.7.1 Email rejected per DMARC policy for bank.example",
    says=(
        "spf=fail (matched -all) smtp.mailfrom=bank.example",
        "dkim=none",
        "dmarc=fail (mx.example.org, p:reject",
        "header.from=bank.example",
    ),
)

TALKS = {
    "an honest message: every method says so": Talk(
        says=("iprev=pass policy.iprev=192.0.2.10", "spf=pass smtp.mailfrom=signed.example", "dkim=pass", "arc=none",
              "dmarc=pass (p:reject", "header.from=signed.example"),
    ),
    "a spoof of a domain that asks for rejection is refused": REFUSED,
    "mode mark accepts it, and only says so": replace(
        REFUSED, mode=Mode.MARK, action=Action.ACCEPT, rule="", reply=""
    ),
    "mode quarantine holds it": replace(REFUSED, mode=Mode.QUARANTINE, action=Action.QUARANTINE, reply=""),
    "a spoof of a domain that asks for quarantine is held": Talk(
        message=world.letter("<a@shop.example>"), client=world.STRANGER, mail_from="a@shop.example",
        action=Action.QUARANTINE, rule="dmarc_quarantine", says=("dmarc=fail (mx.example.org, p:quarantine",),
    ),
    "p=none changes nothing (RFC 9989 §5.4)": Talk(
        message=world.letter("<a@watching.example>"), client=world.STRANGER, says=("dmarc=fail (p:none",),
    ),
    "a domain without a policy, mail from anywhere": Talk(
        message=world.letter("<a@quiet.example>"), client=world.STRANGER, mail_from="a@quiet.example",
        says=("iprev=fail", "spf=none", "dmarc=none"),
    ),
    "SPF fails and no policy applies": Talk(
        message=world.letter("<a@loud.example>"), mail_from="a@loud.example", says=("spf=fail", "dmarc=none"),
    ),
    "DNS that cannot be reached is neither absence nor failure": Talk(
        message=world.letter("<a@dead.example>"), mail_from="a@dead.example",
        action=Action.TEMPFAIL, rule="temperror",
        reply="451 4.7.24 Email deferred because DMARC could not be evaluated now for dead.example",
        says=("spf=temperror", "dmarc=temperror"),
    ),
    "a forwarder changes the envelope: the signature carries": Talk(
        client=world.STRANGER, mail_from="forwarder@quiet.example", says=("spf=none", "dkim=pass", "dmarc=pass"),
    ),
    "a changed body breaks the signature, the client is still the right one": Talk(
        message=SIGNED + b"PS\r\n", says=("dkim=fail", "spf=pass", "dmarc=pass"),
    ),
    "a changed body, from elsewhere": Talk(
        message=SIGNED + b"PS\r\n", client=world.STRANGER, action=Action.REJECT, rule="dmarc_reject",
        reply="550 5.7.1 Email rejected per DMARC policy for signed.example", says=("dkim=fail", "dmarc=fail"),
    ),
    "a null reverse-path: SPF judges HELO (RFC 7208 §2.4)": Talk(mail_from="", says=("spf=pass", "dmarc=pass")),
    "two authors are none": Talk(
        message=b"From: <ceo@bank.example>\r\n" + SIGNED, action=Action.REJECT, rule="ambiguous_from",
        reply="550 5.7.1 Email rejected because its From header field does not name one author domain",
        says=("dmarc=permerror",),
    ),
    "a field in our name is removed": Talk(message=said(OURS) + SIGNED, removed=FORGED, says=("dmarc=pass",)),
    "of a spoof too": replace(REFUSED, message=said(OURS) + SPOOF, removed=FORGED),
    "the second of three is removed": Talk(
        message=said("a.example") + said(OURS) + said("b.example") + SIGNED, removed=(("Authentication-Results", 2),)
    ),
    "two are removed from the last on, since the MTA counts anew": Talk(
        message=said(OURS) + said("a.example") + said(OURS) + SIGNED,
        removed=(("Authentication-Results", 3), ("Authentication-Results", 1)),
    ),
    "one that cannot be read is removed": Talk(message=b"Authentication-Results: (\r\n" + SIGNED, removed=FORGED),
    "one that only a lenient reader would find is removed": Talk(
        message=b"X-Note: a\r\n " + said(OURS) + SIGNED, removed=(("X-Note", 1),)
    ),
    "a field about breaches is ours alone": Talk(
        message=b"Sender-Breach-Info: x\r\n" + SIGNED, removed=(("Sender-Breach-Info", 1),)
    ),
    "others' results stay, and are not believed": replace(
        REFUSED, message=said("google.example") + SPOOF
    ),
    "more forged fields than may be removed": Talk(
        message=said(OURS) * 4 + SIGNED, mode=Mode.MARK, action=Action.REJECT, rule="removals",
        reply="550 5.7.1 Email rejected because of forged Authentication-Results header fields",
        removed=tuple(("Authentication-Results", number) for number in (4, 3, 2, 1)),
    ),
    "a trusted client: nothing is checked, and the field says so": Talk(
        message=SPOOF, client=TRUSTED, says=("mx.example.org; none",), never=("dmarc", "spf"),
    ),
    "nor may it write in our name": Talk(
        message=said(OURS) + SPOOF, client=TRUSTED, says=("mx.example.org; none",), removed=FORGED
    ),
    "a client on a local socket": Talk(client=None, says=("mx.example.org; none",)),
    "a client whom the MTA does not know is not trusted": Talk(client="", says=("spf=temperror", "dmarc=pass")),
    "one who has logged in": Talk(
        client=world.STRANGER, login="ann@example.org", says=("auth=pass",), never=("dmarc", "ann@"),
    ),
    "a login without a domain": Talk(login="secretlp", says=("auth=pass",), never=("smtp.auth", "secretlp")),
    "a login that ends in a domain of its own letters": Talk(
        login="secretlp@b\u00e1nk.test", says=("auth=pass smtp.auth=xn--bnk-ela.test",), never=("secretlp",),
    ),
    "a login that only looks as if it ended in a domain": Talk(
        login="x@atk.test/secretlp", says=("auth=pass",), never=("smtp.auth", "secretlp"),
    ),
    "a login with more behind its domain": Talk(
        login="secretlp@atk.test secretlp", says=("auth=pass",), never=("smtp.auth", "secretlp"),
    ),
    "a login that imitates a result": Talk(
        login='x@a";dmarc=pass', says=("auth=pass",), never=("smtp.auth", "dmarc"),
    ),
    "a null sender behind a relay that does not tell": Talk(
        client=RELAY, message=SPOOF, mail_from="", action=Action.TEMPFAIL, rule="temperror",
        reply="451 4.7.24 Email deferred because DMARC could not be evaluated now for bank.example",
        says=("spf=temperror", "dmarc=temperror"),
    ),
    "what began at our relay is judged as the relay's own": Talk(
        client=RELAY, helo="relay.example.org", mail_from="",
        message=b"Received: by relay.example.org (Postfix)\r\n\tid 4ABC; x\r\n" + SIGNED,
        says=("policy.iprev=198.51.100.25", "smtp.helo=relay.example.org", "dmarc=pass"),
    ),
    "behind the content filter of our relay its client is judged": Talk(
        client=RELAY, helo="relay.example.org",
        message=b"Received: from relay (localhost [127.0.0.1])\r\n\tby relay.example.org (Postfix)\r\n" + HOP + SIGNED,
        says=("iprev=pass policy.iprev=192.0.2.10", "spf=pass", "dmarc=pass"),
    ),
    "mode quarantine holds what only the DNS was wrong with": Talk(
        message=world.letter("<a@dead.example>"), mail_from="a@dead.example", mode=Mode.QUARANTINE,
        action=Action.QUARANTINE, rule="temperror", says=("spf=temperror", "dmarc=temperror"),
    ),
    "behind our relay its client is judged": Talk(
        client=RELAY, helo="relay.example.org", message=HOP + SIGNED, says=("iprev=pass", "spf=pass", "dmarc=pass")
    ),
    "our relay's results may stay": Talk(
        client=RELAY, helo="relay.example.org", message=said("relay.example.org") + said(OURS) + HOP + SIGNED,
        removed=(("Authentication-Results", 2),), says=("dmarc=pass",),
    ),
    "but not those that a stranger brings": Talk(message=said("relay.example.org") + SIGNED, removed=FORGED),
    "an author whose address was in a breach": Talk(
        listed=True, says=("dmarc=pass",), inserted=("Sender-Breach-Info", "Authentication-Results")
    ),
    "nothing is said of an author who is not authenticated": replace(REFUSED, listed=True),
}  # fmt: skip


class Listed:
    """Every author was in a breach."""

    def peek(self, address: str) -> None:
        pass

    def ask(self, address: str, wait: float) -> BreachVerdict:
        return BreachVerdict(result=BreachResult.LISTED, source="local", newest="2026-05", classes=("passwords",))


@pytest.fixture
def no_prefetching(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("connected", "sender", "author_field", "key", "signatures"):
        monkeypatch.setattr(prefetch, name, lambda *_: None)


def judged(talk: Talk, chunk: int = 65535) -> Case:
    settings = replace(SETTINGS, policy=replace(SETTINGS.policy, mode=talk.mode))
    session = Session(engine(settings, DNS, breach=Listed() if talk.listed else None))
    message = mailfile.parse(talk.message)
    session.connect("unknown", talk.client)
    session.helo(talk.helo)
    session.mail(f"<{talk.mail_from}>".encode(), talk.login)
    for name, value in message.fields:
        session.header(name, value)
    session.end_of_headers()
    for at in range(0, len(message.body), chunk):
        session.body(message.body[at : at + chunk])
    case = session.end_of_message("4XYZ")
    session.close()
    return case


def check(talk: Talk, case: Case) -> None:
    disposition = case.disposition
    assert (disposition.action, disposition.rule) == (talk.action, talk.rule)
    assert f"{disposition.code} {disposition.enhanced} {disposition.text}".strip() == talk.reply
    assert tuple((edit.name, edit.index) for edit in case.edits if isinstance(edit, Delete)) == talk.removed
    inserts = [edit for edit in case.edits if isinstance(edit, Insert)]
    assert tuple(insert.name for insert in inserts) == talk.inserted
    assert [insert.index for insert in inserts] == [0] * len(inserts)
    ours = " ".join(inserts[-1].value.split())
    assert ours.startswith("mx.example.org; ")
    assert [words for words in talk.says if words not in ours] == []
    assert [words for words in talk.never if words in ours] == []


EVERY_TALK = pytest.mark.parametrize("talk", TALKS.values(), ids=TALKS)


@EVERY_TALK
def test_what_becomes_of_it(talk: Talk) -> None:
    check(talk, judged(talk))


@EVERY_TALK
def test_the_body_may_come_octet_by_octet(talk: Talk) -> None:
    assert judged(talk, 1) == judged(talk)


@EVERY_TALK
@pytest.mark.usefixtures("no_prefetching")
def test_nothing_depends_on_asking_ahead(talk: Talk) -> None:
    check(talk, judged(talk))


def test_a_message_given_up_leaves_nothing_to_the_next() -> None:
    session = Session(engine(SETTINGS, DNS))
    session.connect("unknown", world.HOST)
    session.helo(world.HOST_NAME)
    session.mail(b"<ceo@bank.example>", "")
    session.header(b"From", b" <ceo@bank.example>")
    session.abort()  # RSET
    honest = mailfile.parse(SIGNED)
    session.mail(b"<ann@signed.example>", "")
    for name, value in honest.fields:
        session.header(name, value)
    session.end_of_headers()
    session.body(honest.body)
    check(TALKS["an honest message: every method says so"], session.end_of_message("4XYZ"))
