"""Records that are lost on the way are not absent: no legitimate message is refused, and no policy vanishes.

Each scene is a message whose verdict rests on one question; each loss is an answer that does not have the records
and does not prove that there are none.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from lab import dns_absence, world
from lab.daemon import Daemon, scratch
from lab.dns_absence import NO_LOSS, QUESTIONS, Scene, scene
from lab.dns_losses import EVERY
from lab.dnsserver import DnsServer
from lab.milterclient import MilterClient

ENFORCE = '[trust]\nnetworks = []\n[policy]\nmode = "enforce"\n'
POLICIES = {"as it comes": ENFORCE, "reject": ENFORCE + '[policy.on]\ndmarc_reject = "reject"\n'}
# Where the target of an alias is asked for by itself, it is there
RESCUED = [loss for loss in EVERY if re.search("alias(es)? alone(?!, RA=0)", loss)]
_OTHERS = [f"vendor-verification={number:04}" for number in range(300)]


class Verdict(NamedTuple):
    reply: str  # "550", "451", "" where it was accepted
    results: dict[str, str]  # method → result; empty where it was refused


@pytest.fixture(scope="module")
def dns() -> Iterator[DnsServer]:
    with DnsServer(dns_absence.zone() | crowds() | forwarded()) as server:
        yield server


@pytest.fixture(scope="module", params=POLICIES)
def daemon(request: pytest.FixtureRequest, dns: DnsServer) -> Iterator[Daemon]:
    with scratch() as directory, Daemon(Path(directory), "absence", dns.address, POLICIES[request.param]) as daemon:
        yield daemon


def sent(daemon: Daemon, given: Scene) -> Verdict:
    with MilterClient(daemon.socket) as client:
        client.connect(given.address)
        answer = client.message(b"a@" + given.sender.encode(), given.message)
    if not answer.inserted:
        return Verdict(answer.text[:3] or answer.reply.decode(), {})
    found = re.findall(r"(?<=; )(spf|dkim|dmarc|iprev)=(\w+)", " ".join(answer.inserted[0][2].split()))
    return Verdict(answer.text[:3], dict(reversed(found)))  # of two about SPF the first: MAIL FROM's


@pytest.mark.parametrize("question", QUESTIONS)
def test_while_the_dns_is_well(daemon: Daemon, dns: DnsServer, question: str) -> None:
    given = scene(question, NO_LOSS)
    verdict = sent(daemon, given)
    assert given.lost in {name for name, _ in dns.asked}
    if given.well == "pass":
        assert (verdict.reply, verdict.results[given.method]) == ("", "pass")
    else:
        assert verdict.reply == "550" or verdict.results["dmarc"] == "fail"


@pytest.mark.parametrize("loss", EVERY)
def test_lost_records_refuse_no_message_and_lift_no_policy(daemon: Daemon, dns: DnsServer, loss: str) -> None:
    wrong = {}
    for question in QUESTIONS:
        given = scene(question, loss)
        verdict = sent(daemon, given)
        assert given.lost in {name for name, _ in dns.asked}, question
        result = verdict.results.get(given.method, "")
        rescued = {given.well} if loss in RESCUED else set()
        if given.well == "pass" or question == "existence":
            right = verdict.reply in ("", "451") and result in rescued | {"temperror"}
        else:
            right = verdict.reply == "550" or result in ("fail", "temperror")
        if not right or (rescued and result == "temperror"):
            wrong[question] = verdict
    assert not wrong


def test_no_records_and_no_soa_do_not_show_that_a_name_exists(daemon: Daemon) -> None:
    """A forwarder has lost the code of NXDOMAIN: sp= is not for such a name (RFC 9989 §4.7)."""
    for author, right in (("nope.forwarded.example", "temperror"), ("there.forwarded.example", "fail")):
        spoof = world.letter(f"<ceo@{author}>")
        verdict = sent(daemon, Scene("attacker.example", spoof, world.STRANGER, "", {}, right))
        assert (verdict.reply, verdict.results["dmarc"]) == ("", right)


def forwarded() -> world.Zone:
    """Names as a forwarder shows them that strips the SOA; one of them does not exist."""
    bare = {"manner": "bare-nodata"}
    return {
        "_dmarc.forwarded.example": {"TXT": ["v=DMARC1; p=reject; sp=none; np=reject"]},
        "nope.forwarded.example": bare,
        "_dmarc.nope.forwarded.example": bare,
        "there.forwarded.example": {"MX": [[10, "mx.forwarded.example"]], **bare},
        "_dmarc.there.forwarded.example": bare,
    }


def crowds() -> world.Zone:
    """Names of more records than are read; what matters comes last."""
    ours = f"v=spf1 ip4:{world.HOST} -all"
    many = [f"198.18.{n // 250}.{n % 250}" for n in range(299)] + [world.HOST]
    return {
        "crowd.example": {"TXT": [*_OTHERS, ours]},
        "_dmarc.crowd.example": {"TXT": [*_OTHERS, "v=DMARC1; p=reject"]},
        "addresses.example": {"TXT": ["v=spf1 a -all"], "A": many},
        "_dmarc.addresses.example": {"TXT": ["v=DMARC1; p=reject"]},
    }


def test_a_policy_among_hundreds_of_records_is_found(daemon: Daemon) -> None:
    plain = world.letter("<a@crowd.example>")
    verdict = sent(daemon, Scene("crowd.example", plain, world.HOST, "", {}, "pass"))
    assert (verdict.results["spf"], verdict.results["dmarc"]) == ("pass", "pass")
    spoof = sent(daemon, Scene("attacker.example", plain, world.STRANGER, "", {}, "fail"))
    assert spoof.reply == "550" or spoof.results["dmarc"] == "fail"


def test_an_address_among_too_many_to_be_read_is_not_taken_for_missing(daemon: Daemon) -> None:
    plain = world.letter("<a@addresses.example>")
    for address in (world.HOST, world.STRANGER):
        verdict = sent(daemon, Scene("addresses.example", plain, address, "", {}, "pass"))
        assert (verdict.reply, verdict.results["spf"], verdict.results["dmarc"]) == ("", "temperror", "temperror")
