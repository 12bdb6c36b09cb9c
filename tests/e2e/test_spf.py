"""SPF records that a library got wrong, through the daemon: what they come to for DMARC, with a policy of reject."""

from collections.abc import Iterator

import pytest

from lab import world
from lab.daemon import Daemon
from lab.dnsserver import DnsServer, Manner
from lab.letter import Letter
from lab.mail_system import Lab
from lab.milterclient import MilterClient

CLIENT = "192.0.2.1"
ROWS = {
    "macro.example": (f"v=spf1 exists:%{{ir.%{{v}}._spf.macro.example ip4:{CLIENT} -all", "permerror", "fail"),
    "itself.example": (f"v=spf1 ip4:{CLIENT} include:itself.example -all", "pass", "pass"),
    "twice.example": (f"v=spf1 ip4:{CLIENT} x=1 x=100%% -all", "pass", "pass"),
    "unreached.example": (f"v=spf1 -ip4:{CLIENT} exists:%{{p}}.unreached.example +all", "fail", "fail"),
    "reached.example": (f"v=spf1 exists:%{{p}}.reached.example -ip4:{CLIENT}", "temperror", "temperror"),
}


@pytest.fixture(scope="module")
def daemon(lab: Lab) -> Iterator[Daemon]:
    zone: world.Zone = {domain: {"TXT": [record]} for domain, (record, _, _) in ROWS.items()}
    zone |= {f"_dmarc.{domain}": {"TXT": ["v=DMARC1; p=reject"]} for domain in ROWS}
    zone["1.2.0.192.in-addr.arpa"] = {"manner": Manner.SERVFAIL}
    config = "[trust]\nnetworks = []\n"
    with DnsServer(zone) as server, lab.daemon("spare", config, dns=server.address) as running:
        yield running


@pytest.mark.parametrize("domain", ROWS)
def test_spf_and_what_dmarc_makes_of_it(daemon: Daemon, domain: str) -> None:
    _, spf, dmarc = ROWS[domain]
    with MilterClient(daemon.socket) as client:
        client.connect(CLIENT, helo=b"nowhere.example")
        answer = client.message(f"ann@{domain}".encode(), world.letter(f"<ann@{domain}>"))
    fields = [f"{name}:{value}".replace("\n", "\r\n") for _, name, value in answer.inserted]
    [field] = [field for field in fields if field.startswith("Authentication-Results")]
    letter = Letter(field.encode() + b"\r\n\r\n")
    assert (letter.verdict("spf"), letter.verdict("dmarc")) == (spf, dmarc)
