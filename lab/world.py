"""world – a few senders with their DNS zone and keys, and messages from them.

Addresses and names are those for documentation (RFC 5737, RFC 2606). `HOST` is a mail server that three of the
senders use; `STRANGER` is an address that no sender's SPF record has.

Raises     nothing
"""

import base64
import functools
import zlib
from typing import Any

import dkim
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

Zone = dict[str, dict[str, Any]]
HOST, HOST_NAME = "192.0.2.10", "mail.signed.example"
STRANGER = "203.0.113.66"
_COVERED = [b"from", b"to", b"subject", b"date", b"message-id"]


@functools.cache
def key() -> tuple[bytes, str]:
    """Return the private key that all signers share, as PEM, and its DNS record (RFC 6376 §3.6.1)."""
    private = rsa.generate_private_key(65537, 2048)
    pem = private.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
    )
    public = private.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return pem, "v=DKIM1; k=rsa; p=" + base64.b64encode(public).decode()


def zone() -> Zone:
    ours = f"v=spf1 ip4:{HOST} -all"
    elsewhere = "v=spf1 ip4:198.51.100.1 -all"
    return {
        "10.2.0.192.in-addr.arpa": {"PTR": [HOST_NAME]},
        HOST_NAME: {"A": [HOST], "TXT": ["v=spf1 a -all"]},
        "signed.example": {"TXT": [ours], "A": [HOST]},
        "s1._domainkey.signed.example": {"TXT": [key()[1]]},
        "_dmarc.signed.example": {"TXT": ["v=DMARC1; p=reject"]},
        "newsletter.example": {"TXT": [ours], "A": [HOST]},
        "_dmarc.newsletter.example": {"TXT": ["v=DMARC1; p=quarantine"]},
        "bank.example": {"TXT": [elsewhere], "A": ["198.51.100.1"]},
        "s1._domainkey.bank.example": {"TXT": [key()[1]]},
        "_dmarc.bank.example": {"TXT": ["v=DMARC1; p=reject"]},
        "shop.example": {"TXT": [elsewhere], "A": ["198.51.100.1"]},
        "_dmarc.shop.example": {"TXT": ["v=DMARC1; p=quarantine"]},
        "macro.example": {"TXT": ["v=spf1 include:%{h}.no.example -all"]},
        "quiet.example": {"A": ["198.51.100.2"]},  # a domain without SPF and DMARC
    }


def letter(author: str, *, subject: str = "Hello", more: bytes = b"", text: bytes = b"Good morning.\r\n") -> bytes:
    """Return a plain message; `more` is put on top: further fields, each with its CRLF."""
    number = zlib.crc32((author + subject).encode())
    head = (
        f"From: {author}\r\nTo: <someone@rcpt.example>\r\nSubject: {subject}\r\n"
        f"Date: Mon, 23 Nov 2026 06:00:00 +0000\r\nMessage-ID: <{number:x}@client.example>\r\n"
        "MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n"
    )
    return more + head.encode() + b"\r\n" + text


def signed(message: bytes, domain: bytes, selector: bytes = b"s1") -> bytes:
    """Return the message with a DKIM signature on top."""
    form = (b"relaxed", b"relaxed")
    signature: bytes = dkim.sign(
        message, selector, domain, key()[0], canonicalize=form, include_headers=_COVERED, linesep=b"\r\n"
    )
    return signature + message


def attackers() -> Zone:
    """Return the zone for espoofer's attacks, in which the attacker's own names have SPF, DKIM and DMARC in order."""
    zone: Zone = {
        "legitimate.example": {"TXT": ["v=spf1 ip4:198.51.100.1 -all"], "A": ["198.51.100.1"]},
        "_dmarc.legitimate.example": {"TXT": ["v=DMARC1; p=reject"]},
        "example.com": {"TXT": ["v=spf1 ip4:192.0.2.66 -all"], "A": ["192.0.2.66"]},
        "_dmarc.example.com": {"TXT": ["v=DMARC1; p=reject"]},
        "selector._domainkey.attack.example": {"TXT": [key()[1]]},
        "_dmarc.attack.example": {"TXT": ["v=DMARC1; p=reject"]},
    }
    for name in ("attack.example", "helo.attack.example", "33.attack.example", "any.attack.example",
                 "a.attack.example", "client.attack.example"):  # fmt: skip
        zone[name] = {"TXT": ["v=spf1 ip4:192.0.2.66 -all"], "A": ["192.0.2.66"]}
    return zone
