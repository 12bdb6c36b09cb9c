"""corpus – makes signed mail from made-up senders, with its DNS zone and the right verdicts on each message.

`make(directory, World(rng))` writes N.eml files, `zone.db` (master file of the zone `example.`) and
`envelopes.json`. All follows from the seed but the keys. One message in eight is a spoof, altered or unsigned.

Raises     OSError
Not here   sending it (milter_load, smtp_load)
"""

import base64
import json
import random
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dkim
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

SIZES = ((4_000, 30), (30_000, 45), (100_000, 20), (1_000_000, 5))  # octets of body, share in per cent
SIGNED = [b"from", b"to", b"subject", b"date", b"message-id", b"mime-version", b"content-type"]
TEXT = ("please", "find", "attached", "the", "report", "of", "last", "quarter", "and", "order", "for", "new", "site")
CANONICALIZATIONS = ((b"relaxed", b"relaxed"), (b"relaxed", b"simple"), (b"simple", b"simple"))


@dataclass(frozen=True)
class Sender:
    domain: str
    address: str  # of its own host
    service: "Sender | None"  # the sending service its SPF record includes
    key: bytes  # PEM
    policy: str | None  # DMARC p=
    stranger: str = "fail"  # what its SPF record says of any other address


def key_pair(bits: int = 2048) -> tuple[bytes, str]:
    """A private key as PEM and its DKIM record."""
    key = rsa.generate_private_key(65537, bits)
    pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
    )
    der = key.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    return pem, "v=DKIM1; k=rsa; p=" + base64.b64encode(der).decode()


def quoted(text: str) -> str:
    """A TXT record's strings, at most 255 octets each (RFC 1035 §3.3)."""
    return " ".join(f'"{text[at : at + 250]}"' for at in range(0, len(text), 250))


class World:
    """Senders and their zone."""

    def __init__(self, rng: random.Random, senders: int = 120) -> None:
        self.rng = rng
        self.zone = [
            "$ORIGIN example.",
            "$TTL 600",
            "@ IN SOA ns hostmaster 1 3600 600 86400 60",
            "@ IN NS ns",
            "ns IN A 127.0.0.1",
        ]
        self.services = [self._service(number) for number in range(4)]
        self.senders = [self._sender(number) for number in range(senders)]

    def _service(self, number: int) -> Sender:
        name = f"relay{number}"
        pem, record = key_pair()
        near, far = f"192.0.2.{number * 32}/27", f"198.51.100.{number * 32}/27"
        self.zone += [
            f"_spf.{name} IN TXT {quoted(f'v=spf1 ip4:{near} include:_far.{name}.example ~all')}",
            f"_far.{name} IN TXT {quoted(f'v=spf1 ip4:{far} ip6:2001:db8:{number}::/48 ~all')}",
            f"k1._domainkey.{name} IN TXT {quoted(record)}",
            f"_dmarc.{name} IN TXT {quoted('v=DMARC1; p=reject')}",
        ]
        return Sender(f"{name}.example", f"192.0.2.{number * 32 + 1}", None, pem, "reject")

    def _sender(self, number: int) -> Sender:
        name, service, own = f"firm{number}", self.services[number % 4], f"203.0.113.{number % 200 + 1}"
        spf = (
            f"v=spf1 ip4:{own} -all",
            f"v=spf1 mx include:_spf.{service.domain} -all",
            f"v=spf1 a:mail.{name}.example include:_spf.{service.domain} ~all",
        )[number % 3]
        policy = ("none", "quarantine", "reject", None)[number % 4]
        pem, record = key_pair(1024 if number % 20 == 19 else 2048)
        self.zone += [
            f"{name} IN TXT {quoted(spf)}",
            f"{name} IN MX 10 mail.{name}",
            f"mail.{name} IN A {own}",
            f"k1._domainkey.{name} IN TXT {quoted(record)}",
        ]
        if policy:
            self.zone.append(f"_dmarc.{name} IN TXT {quoted(f'v=DMARC1; p={policy}; rua=mailto:d@{name}.example')}")
        stranger = "softfail" if spf.endswith("~all") else "fail"
        return Sender(f"{name}.example", own, service if number % 3 else None, pem, policy, stranger)

    def body(self, size: int) -> bytes:
        """Return lines of text up to 60 kB, and lines of base64 above that."""
        rng = self.rng
        if size > 60_000:
            raw = base64.b64encode(rng.randbytes(size * 3 // 4))
            return b"".join(raw[at : at + 76] + b"\r\n" for at in range(0, len(raw), 76))
        lines, length = [], 0
        while length < size:
            line = " ".join(rng.choices(TEXT, k=12)) + (" " if rng.random() < 0.1 else "")
            lines.append(line)
            length += len(line) + 2
        return "\r\n".join([*lines, ""]).encode()

    def message(self, number: int, size: int | None = None) -> tuple[bytes, dict[str, Any]]:
        """Return the octets of one message, and its envelope with the right verdicts."""
        rng, sender = self.rng, self.rng.choice(self.senders)
        size = size or rng.choices([s for s, _ in SIZES], [share for _, share in SIZES])[0]
        flaw = rng.choice(("spoofed", "altered", "unsigned")) if rng.random() < 0.125 else ""
        relayed = sender.service is not None and rng.random() < 0.5
        host = sender.service if relayed and sender.service else sender
        address, helo = host.address, host.domain if relayed else f"mail.{sender.domain}"
        if flaw == "spoofed":
            address, helo = f"198.18.{rng.randrange(256)}.{rng.randrange(1, 255)}", "pc.bots.example"
        header = _header(rng, number, sender.domain, helo, address)
        raw = header + b"\r\n" + self.body(size)
        signatures = []
        if flaw not in ("spoofed", "unsigned"):
            canon = rng.choices(CANONICALIZATIONS, (8, 1, 1))[0]
            for signer in (sender, sender.service) if relayed and sender.service else (sender,):
                name = signer.domain.encode()
                signatures.append(dkim.sign(raw, b"k1", name, signer.key, canonicalize=canon, include_headers=SIGNED))
        raw = b"".join(signatures) + raw + (b"A line that was not there\r\n" if flaw == "altered" else b"")
        passed = bool(signatures) and flaw != "altered"
        spf = "pass" if flaw != "spoofed" else sender.stranger
        dmarc = "none" if not sender.policy else "pass" if passed or spf == "pass" else "fail"
        expect = {"spf": spf, "dkim": ["pass" if passed else "fail"] * len(signatures), "dmarc": dmarc}
        envelope = {
            "file": f"{number}.eml",
            "ip": address,
            "helo": helo,
            "mail_from": f"bounce-{number}@{sender.domain}",
            "rcpt_to": ["someone@rcpt.example"],
            "expect": expect,
        }
        return raw, envelope

    def twice_signed(self) -> tuple[bytes, dict[str, Any]]:
        """Return a header with a signature of each canonicalisation, which any body may follow, and its envelope."""
        sender = next(sender for sender in self.senders if sender.service)
        header = _header(self.rng, 0, sender.domain, f"mail.{sender.domain}", sender.address)
        raw, name = header + b"\r\n", sender.domain.encode()
        signatures = [
            dkim.sign(raw, b"k1", name, sender.key, canonicalize=form, include_headers=SIGNED)
            for form in (CANONICALIZATIONS[0], CANONICALIZATIONS[2])
        ]
        envelope = {"ip": sender.address, "helo": f"mail.{sender.domain}", "mail_from": f"bounce@{sender.domain}"}
        return b"".join(signatures) + header, envelope | {"rcpt_to": ["someone@rcpt.example"]}


def _header(rng: random.Random, number: int, domain: str, helo: str, address: str) -> bytes:
    fields = [
        f"Received: from {helo} ({helo} [{address}])\r\n\tby hub.{domain} with ESMTPS id {rng.randrange(1 << 40):x};"
        f"\r\n\tMon, 2 Nov 2026 10:00:00 +0100",
        f"Date: Mon, 2 Nov 2026 10:00:{number % 60:02d} +0100",
        f"From: Anna Example <anna@{domain}>",
        "To: Someone <someone@rcpt.example>",
        f"Subject: {' '.join(rng.choices(TEXT, k=5))}",
        f"Message-ID: <{rng.randrange(1 << 60):x}@{domain}>",
        "MIME-Version: 1.0",
        "Content-Type: text/plain; charset=utf-8",
        "Content-Transfer-Encoding: 8bit",
        "User-Agent: Example 1.0",
        f"List-Unsubscribe: <mailto:leave-{number}@{domain}>",
        f"X-Campaign: {rng.randrange(1 << 30)}",
        f"X-Report-Abuse: <mailto:abuse@{domain}>",
    ]
    return "\r\n".join([*fields, ""]).encode()


def make(directory: Path, world: World, messages: int = 600, size: int | None = None) -> None:
    """Write messages and the zone; `size` fixes the size of all bodies."""
    directory.mkdir(parents=True, exist_ok=True)
    envelopes = []
    for number in range(messages):
        raw, envelope = world.message(number, size)
        (directory / envelope["file"]).write_bytes(raw)
        envelopes.append(envelope)
    (directory / "zone.db").write_text("\n".join(world.zone) + "\n")
    (directory / "envelopes.json").write_text(json.dumps(envelopes, indent=1))
