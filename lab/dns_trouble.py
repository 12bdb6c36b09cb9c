"""dns_trouble – for each kind of DNS lookup a sender whose DNS fails at that one alone, in each of several manners.

Raises     nothing
"""

import re
from typing import NamedTuple

from lab import world
from lab.dns_losses import EVERY

LOST = ("empty, RA=0", "an alias alone, RA=0", "another owner", "a SOA in the answer section", "truncated, then empty")
MANNERS = ("servfail", "refused", "drop", *LOST)
_OURS = "v=spf1 ip4:192.0.2.0/24 -all"


class Case(NamedTuple):
    name: str
    sender: str  # domain of MAIL FROM
    author: str  # domain of From
    signer: str  # "": unsigned
    address: str
    expect: dict[str, str]  # method → result
    zone: world.Zone

    @property
    def message(self) -> bytes:
        plain = world.letter(f"<author@{self.author}>")
        return world.signed(plain, self.signer.encode()) if self.signer else plain


def cases(manner: str, number: int) -> list[Case]:
    """Return the senders of one manner of failing; `number` keeps their client addresses apart from other manners'."""
    word = re.sub("[^a-z0-9]+", "-", manner.lower())  # of a domain
    failing = {"loss" if manner in EVERY else "manner": manner}
    fine = {"iprev": "pass", "spf": "pass", "dkim": "pass", "dmarc": "pass"}
    found = []

    def add(name: str, broken: str, expect: dict[str, str], *, spf: str = _OURS, signed: bool = True) -> None:
        domain = f"{name.replace(' ', '-')}-{word}.example"
        zone: world.Zone = {
            domain: {"TXT": [spf.format(domain)]},
            f"s1._domainkey.{domain}": {"TXT": [world.key()[1]]},
            f"_dmarc.{domain}": {"TXT": ["v=DMARC1; p=reject"]},
        }
        lost = broken.format(domain)
        zone[lost] = zone.get(lost, {"TXT": [_OURS]}) | failing
        found.append(
            Case(f"{name}, {manner}", domain, domain, domain if signed else "", world.HOST, fine | expect, zone)
        )

    include = "v=spf1 include:spf.{} -all"
    stranger = "v=spf1 ip4:198.51.100.1 -all"
    add("spf", "{}", {"spf": "temperror"})
    add("include", "spf.{}", {"spf": "temperror"}, spf=include)
    add("key", "s1._domainkey.{}", {"dkim": "temperror"})
    add("dmarc", "_dmarc.{}", {"dmarc": "temperror"})
    # where nothing else passes, DMARC is not decided: it is not failed
    add("spf alone", "{}", {"spf": "temperror", "dkim": "none", "dmarc": "temperror"}, signed=False)
    add(
        "include alone", "spf.{}", {"spf": "temperror", "dkim": "none", "dmarc": "temperror"}, spf=include, signed=False
    )
    add("key alone", "s1._domainkey.{}", {"spf": "fail", "dkim": "temperror", "dmarc": "temperror"}, spf=stranger)
    address = f"192.0.2.{100 + number}"
    ptr: world.Zone = {
        f"{100 + number}.2.0.192.in-addr.arpa": {"PTR": [world.HOST_NAME], **failing},
        f"ptr-{word}.example": {"TXT": [_OURS]},
        f"s1._domainkey.ptr-{word}.example": {"TXT": [world.key()[1]]},
        f"_dmarc.ptr-{word}.example": {"TXT": ["v=DMARC1; p=reject"]},
    }
    domain = f"ptr-{word}.example"
    found.append(Case(f"ptr, {manner}", domain, domain, domain, address, fine | {"iprev": "temperror"}, ptr))
    return found


CASES = [case for number, manner in enumerate(MANNERS) for case in cases(manner, number)]


def zone() -> world.Zone:
    return {name: types for case in CASES for name, types in case.zone.items()}
