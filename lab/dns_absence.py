"""dns_absence – for each kind of DNS lookup a message whose verdict depends on it, and a zone that loses the records.

If an answer that has lost its records (dns_losses) were believed to prove their absence, the verdict would change.

Raises     nothing
"""

import ipaddress
import zlib
from collections.abc import Callable
from typing import NamedTuple

from lab import world
from lab.dns_losses import EVERY, HELD

NO_LOSS = ""  # to see that each scene is what it says
_OTHER = "v=spf1 ip4:198.51.100.1 -all"
_REJECT = {"TXT": ["v=DMARC1; p=reject"]}


class Scene(NamedTuple):
    sender: str  # domain of MAIL FROM
    message: bytes
    address: str
    lost: str  # name whose records are lost
    zone: world.Zone
    well: str  # result of `method` while the DNS works
    method: str = "dmarc"


def _unsigned(author: str) -> bytes:
    return world.letter(f"<author@{author}>")


def _spf(record: str, lost: str, **types: list[object]) -> Callable[[str, str], Scene]:
    """Return a maker of legitimate messages that pass by this record alone; `types`: what the lost name has."""

    def scene(domain: str, address: str) -> Scene:
        name = lost.format(domain, reverse=ipaddress.ip_address(address).reverse_pointer)
        zone: world.Zone = {domain: {"TXT": [record.format(domain)]}, f"_dmarc.{domain}": _REJECT}
        zone[f"mx.{domain}"] = {"A": [world.HOST], "AAAA": [address]}
        zone[f"back.{domain}"] = {"AAAA": [address]}
        zone[ipaddress.ip_address(address).reverse_pointer] = {"PTR": [f"back.{domain}"]}
        lookup = {"mx": "MX", "ptr": "PTR"}
        found = {lookup.get(key, key): [str(value).format(domain) for value in values] for key, values in types.items()}
        if "MX" in found:
            zone[name] = zone.get(name, {}) | {"MX": [[10, exchange] for exchange in found["MX"]]}
        elif found:
            zone[name] = zone.get(name, {}) | found
        six = any(key in ("AAAA", "ptr") for key in types) or "ptr" in record
        return Scene(domain, _unsigned(domain), address if six else world.HOST, name, zone, "pass")

    return scene


def _key(domain: str, _: str) -> Scene:
    name = f"s1._domainkey.{domain}"
    zone: world.Zone = {domain: {"TXT": [_OTHER]}, name: {"TXT": [world.key()[1]]}, f"_dmarc.{domain}": _REJECT}
    return Scene(domain, world.signed(_unsigned(domain), domain.encode()), world.HOST, name, zone, "pass")


def _policy(author: str, holder: str, *, spoof: bool) -> Callable[[str, str], Scene]:
    """Return a maker of messages whose only policy record is at `holder`, a step of the tree walk from `author`."""

    def scene(domain: str, _: str) -> Scene:
        name, signer = f"_dmarc.{holder.format(domain)}", holder.format(domain)
        zone: world.Zone = {
            domain: {"TXT": [_OTHER]},
            author.format(domain): {"TXT": [_OTHER]},
            name: _REJECT,
            f"s1._domainkey.{signer}": {"TXT": [world.key()[1]]},
        }
        plain = _unsigned(author.format(domain))
        message = plain if spoof else world.signed(plain, signer.encode())
        well = "fail" if spoof else "pass"
        return Scene("attacker.example" if spoof else domain, message, world.HOST, name, zone, well)

    return scene


def _existence(domain: str, _: str) -> Scene:
    """RFC 9989 §4.7: the policy of np= must not be applied to a name that exists."""
    author = f"there.{domain}"
    policy = {"TXT": ["v=DMARC1; p=reject; sp=none; np=reject"]}
    zone: world.Zone = {domain: {"TXT": [_OTHER]}, author: {"TXT": ["it is there"]}, f"_dmarc.{domain}": policy}
    return Scene("attacker.example", _unsigned(author), world.HOST, author, zone, "fail")


def _iprev(lost: str) -> Callable[[str, str], Scene]:
    def scene(domain: str, address: str) -> Scene:
        reverse = ipaddress.ip_address(address).reverse_pointer
        zone: world.Zone = {
            domain: {"TXT": [f"v=spf1 ip6:{address} -all"]},
            f"_dmarc.{domain}": _REJECT,
            reverse: {"PTR": [f"back.{domain}"]},
            f"back.{domain}": {"AAAA": [address]},
        }
        name = lost.format(domain, reverse=reverse)
        return Scene(domain, _unsigned(domain), address, name, zone, "pass", "iprev")

    return scene


_STEPS = {
    "the author domain": ("{}", "{}"),
    "the second step": ("a.b.c.{}", "b.c.{}"),
    "the third step": ("a.b.c.{}", "c.{}"),
    "the last step": ("a.b.c.{}", "{}"),
    "behind the jump": ("a.b.c.d.e.f.g.h.{}", "{}"),  # RFC 9989 §4.10 step 4
}
QUESTIONS: dict[str, Callable[[str, str], Scene]] = {
    "SPF record": _spf("", "{}", TXT=[f"v=spf1 ip4:{world.HOST} -all"]),
    "SPF include": _spf("v=spf1 include:spf.{0} -all", "spf.{}", TXT=[f"v=spf1 ip4:{world.HOST} -all"]),
    "SPF redirect": _spf("v=spf1 redirect=spf.{0}", "spf.{}", TXT=[f"v=spf1 ip4:{world.HOST} -all"]),
    "A": _spf("v=spf1 a:a.{0} -all", "a.{}", A=[world.HOST]),
    "AAAA": _spf("v=spf1 a:a.{0} -all", "a.{}", AAAA=["2001:db8::1"]),
    "MX": _spf("v=spf1 mx:m.{0} -all", "m.{}", mx=["mx.{0}"]),
    "A of an MX": _spf("v=spf1 mx:m.{0} -all", "mx.{}"),
    "exists": _spf("v=spf1 exists:e.{0} -all", "e.{}", A=["127.0.0.2"]),
    "PTR": _spf("v=spf1 ptr:{0} -all", "{reverse}"),
    "AAAA of a PTR": _spf("v=spf1 ptr:{0} -all", "back.{}"),
    "key": _key,
    **{f"policy, {step}": _policy(*names, spoof=False) for step, names in _STEPS.items()},
    **{f"policy for a spoof, {step}": _policy(*names, spoof=True) for step, names in _STEPS.items()},
    "existence": _existence,
    "iprev, PTR": _iprev("{reverse}"),
    "iprev, AAAA": _iprev("back.{}"),
}


def scene(question: str, loss: str) -> Scene:
    """Return the same scene each time. Its names occur in no other scene, so that no cache has their records."""
    number = zlib.crc32(f"{question} {loss}".encode())
    address = f"2001:db8::{number >> 16:x}:{number & 65535:x}"
    found = QUESTIONS[question](f"d{number:08x}.example", address)
    if question == "AAAA":
        found.zone[found.lost]["AAAA"] = [address]
    if question == "A of an MX":
        found.zone[f"m.{found.sender}"] = {"MX": [[10, found.lost]]}
    if loss:
        found.zone[HELD + found.lost] = found.zone[found.lost]
        found.zone[found.lost] = found.zone[found.lost] | {"loss": loss}
    return found


def zone() -> world.Zone:
    scenes = [scene(question, loss) for question in QUESTIONS for loss in (NO_LOSS, *EVERY)]
    return {name: types for each in scenes for name, types in each.zone.items()}
