"""sealer – adds ARC sets to messages (RFC 8617 §5.1) without mailvet's code.

    mail = seal(letter, Sealer("list.example"), dmarc="pass")
    zone = zone_of(sealer, another)

Keywords make single parts of a set wrong; the rest of it is right.
"""

import re
from base64 import b64encode
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cache
from hashlib import sha256
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from lab.zone import Zone
from mailvet.message import Headers

ARC = (b"arc-authentication-results", b"arc-message-signature", b"arc-seal")


@dataclass(frozen=True)
class Mail:
    fields: tuple[tuple[bytes, bytes], ...]  # lines of a value joined by "\n", as a milter sees it
    body: bytes

    def on_top(self, *fields: tuple[bytes, bytes]) -> "Mail":
        return replace(self, fields=fields + self.fields)

    def without(self, *positions: int) -> "Mail":
        return replace(self, fields=tuple(f for at, f in enumerate(self.fields) if at not in positions))

    def with_value(self, position: int, value: bytes) -> "Mail":
        changed = list(self.fields)
        changed[position] = (changed[position][0], value)
        return replace(self, fields=tuple(changed))

    def find(self, name: bytes, instance: int) -> int:
        """Return the position of the ARC field of this name and instance."""
        return next(
            at
            for at, (other, value) in enumerate(self.fields)
            if other.lower() == name and re.search(rb"(^|[ ;])i=%d;" % instance, value)
        )

    @property
    def headers(self) -> Headers:
        headers = Headers()
        for name, value in self.fields:
            headers.add(name, value)
        return headers

    @property
    def wire(self) -> bytes:
        head = b"".join(b"%b:%b\r\n" % (name, value.replace(b"\n", b"\r\n")) for name, value in self.fields)
        return head + b"\r\n" + self.body


@cache
def private_key(kind: str, number: int) -> RSAPrivateKey | Ed25519PrivateKey:
    return Ed25519PrivateKey.generate() if kind == "ed25519" else generate_private_key(65537, int(kind))


@dataclass(frozen=True)
class Sealer:
    domain: str
    kind: str = "1024"  # RSA bits, or "ed25519"
    selector: str = "s1"
    number: int = 0  # another number, another key
    spelled: str = ""  # a=, if not as it should be

    @property
    def name(self) -> str:
        return f"{self.selector}._domainkey.{self.domain}"

    @property
    def algorithm(self) -> str:
        return self.spelled or ("ed25519-sha256" if self.kind == "ed25519" else "rsa-sha256")

    @property
    def record(self) -> bytes:
        public = private_key(self.kind, self.number).public_key()
        if self.kind == "ed25519":
            return b"v=DKIM1; k=ed25519; p=" + b64encode(public.public_bytes(Encoding.Raw, PublicFormat.Raw))
        return b"v=DKIM1; p=" + b64encode(public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo))

    def sign(self, data: bytes) -> bytes:
        key = private_key(self.kind, self.number)
        if isinstance(key, RSAPrivateKey):
            return b64encode(key.sign(data, PKCS1v15(), SHA256()))
        return b64encode(key.sign(sha256(data).digest()))  # RFC 8463 §3


def zone_of(*sealers: Sealer, **more: Any) -> Zone:
    return Zone({sealer.name: {"TXT": [sealer.record]} for sealer in sealers} | more)


def letter(body: bytes = b"Hello,\r\n\r\nthis is a  letter.\r\n", author: bytes = b"alice@author.example") -> Mail:
    fields = (
        (b"Received", b" from a.example (a.example [192.0.2.1])\n by b.example; Thu, 1 Jan 2026 00:00:00 +0000"),
        (b"From", b" Alice <%b>" % author),
        (b"To", b" list@list.example"),
        (b"Subject", b" A  subject that is\n folded"),
        (b"Message-ID", b" <1@author.example>"),
    )
    return Mail(fields, body)


def seal(
    mail: Mail,
    by: Sealer,
    *,
    instance: int | None = None,
    cv: str = "",
    dmarc: str = "pass",
    about: str = "author.example",
    results: bytes | None = None,  # the ARC-Authentication-Results after its instance
    written: bytes = b"",  # the instance there, if not " i=1;"
    names: Iterable[bytes] = (b"from", b"to", b"subject", b"message-id"),
    form: str = "relaxed/relaxed",
    more: str = "",  # tags of the message signature: "x=1; "
    seal_more: str = "",
    message_by: Sealer | None = None,
) -> Mail:
    """Return the message with one more ARC set on top."""
    number = instance or 1 + sum(name.lower() == b"arc-seal" for name, _ in mail.fields)
    payload = f" {by.domain}; spf=fail; dmarc={dmarc} header.from={about}".encode() if results is None else results
    mail = mail.on_top((b"ARC-Authentication-Results", (written or b" i=%d;" % number) + payload))
    header_form, _, body_form = form.partition("/")
    signer = message_by or by
    body = relaxed_body(mail.body) if body_form == "relaxed" else simple_body(mail.body)
    length = re.search(r"\bl=(\d+)", more)
    digest = b64encode(sha256(body[: int(length[1])] if length else body).digest()).decode()
    tags = f" i={number}; a={signer.algorithm}; c={form}; d={signer.domain}; s={signer.selector}; {more}\n"
    listed = " : ".join(name.decode() for name in names)
    message = f"{tags} h={listed}; bh={digest};\n b=".encode()
    data = b"".join(canonical(field, header_form) + b"\r\n" for field in selected(mail, names))
    data += canonical((b"ARC-Message-Signature", message), header_form)
    mail = mail.on_top((b"ARC-Message-Signature", message + signer.sign(data)))
    status = cv or ("none" if number == 1 else "pass")
    tags = f" i={number}; a={by.algorithm}; t=1700000000; cv={status}; d={by.domain}; s={by.selector}; {seal_more}\n b="
    return mail.on_top((b"ARC-Seal", tags.encode() + by.sign(sealed_data(mail, number, tags.encode()))))


def sealed_data(mail: Mail, instance: int, own: bytes) -> bytes:
    """Return what a seal signs (RFC 8617 §5.1.1); `own` is the seal with an empty b=."""
    lower = [f for n in range(1, instance) for f in (mail.fields[mail.find(kind, n)] for kind in ARC)]
    message, results = mail.fields[:2]
    covered = b"".join(canonical(field, "relaxed") + b"\r\n" for field in (*lower, results, message))
    return covered + canonical((b"ARC-Seal", own), "relaxed")


def selected(mail: Mail, names: Iterable[bytes]) -> list[tuple[bytes, bytes]]:
    left = list(mail.fields)
    found = []
    for name in names:
        for at in range(len(left) - 1, -1, -1):
            if left[at][0].lower() == name:
                found.append(left.pop(at))
                break
    return found


def canonical(field: tuple[bytes, bytes], form: str) -> bytes:
    name, value = field
    if form == "simple":
        return b"%b:%b" % (name, value.replace(b"\n", b"\r\n"))
    return name.lower() + b":" + re.sub(rb"[ \t]+", b" ", value.replace(b"\n", b"")).strip(b" ")


def simple_body(body: bytes) -> bytes:
    return re.sub(rb"(\r\n)*\Z", b"", body) + b"\r\n"


def relaxed_body(body: bytes) -> bytes:
    lines = [re.sub(rb"[ \t]+", b" ", line).rstrip(b" ") for line in body.split(b"\r\n")]
    while lines and not lines[-1]:
        lines.pop()
    return b"".join(line + b"\r\n" for line in lines)
