"""signer – signs messages by DKIM (RFC 6376 §3.7 and §5) without mailvet's code.

    mail = sign(letter(), Sealer("author.example"), names=[b"from", b"subject"])
    verdict, = judged(mail, zone_of(sealer))

Any tag can be given another value, or be left out (None), before the signature is made, so that the rest is right.
"""

from base64 import b64encode
from collections.abc import Iterable
from hashlib import sha256
from typing import Literal

from lab.sealer import Mail, Sealer, canonical, relaxed_body, selected, simple_body, zone_of
from lab.zone import Zone
from mailvet.checks.dkim import check as dkim
from mailvet.checks.dkim.body_hash import BodyHasher
from mailvet.checks.dkim.content import Content
from mailvet.checks.dkim.dkimpy import parse_tags
from mailvet.checks.dkim.header_forms import HeaderForms
from mailvet.checks.dkim.keys import KeyParser, KeyReader
from mailvet.checks.dkim.openssl import load
from mailvet.settings import DkimSettings, LimitSettings
from mailvet.verdict import DkimVerdict

NOW = 1_800_000_000.0
AUTHOR = Sealer("author.example")
FIELD = b"dkim-signature"
NAMES = (b"from", b"to", b"subject", b"message-id")


def sign(
    mail: Mail,
    by: Sealer = AUTHOR,
    *,
    names: Iterable[bytes] = NAMES,
    form: str = "relaxed/relaxed",
    head: bytes = b" ",  # before the first tag
    glue: bytes = b";\n ",
    tail: bytes = b"",  # after b=
    **tags: str | None,
) -> Mail:
    """Return the message with a DKIM-Signature on top, whose last tag is b=."""
    names = tuple(names)
    header_form, _, body_form = form.partition("/")
    body = relaxed_body(mail.body) if body_form == "relaxed" else simple_body(mail.body)
    length = tags.get("l")
    digest = b64encode(sha256(body[: int(length)] if length and length.isdigit() else body).digest()).decode()
    listed = b":".join(names).decode("latin-1")
    due: dict[str, str | None] = {
        "v": "1", "a": by.algorithm, "c": form, "d": by.domain, "s": by.selector, "h": listed, "bh": digest,
    }  # fmt: skip
    said = [f"{name}={value}".encode() for name, value in (due | tags).items() if value is not None]
    own = head + glue.join([*said, b"b="])
    data = b"".join(canonical(field, header_form) + b"\r\n" for field in selected(mail, names))
    # RFC 6376 §3.7: white space around the value of b= goes with it
    data += canonical((b"DKIM-Signature", own + tail.lstrip(b" \t\n")), header_form)
    return mail.on_top((b"DKIM-Signature", own + by.sign(data) + tail))


def judged(
    mail: Mail,
    zone: Zone | None = None,
    *,
    limits: LimitSettings | None = None,
    now: float = NOW,
    partial_body: Literal["policy", "pass"] = "policy",
) -> tuple[DkimVerdict, ...]:
    """Return mailvet's verdicts on the message's signatures."""
    limits = limits or LimitSettings()
    headers = mail.headers
    positions = headers.by_name.get(FIELD, [])[: limits.signatures]
    candidates = [dkim.candidate(position, headers.fields[position].value, limits) for position in positions]
    hasher = BodyHasher({each.digest for each in candidates if each.digest is not None})
    hasher.feed(mail.body)
    keys = KeyReader((zone or zone_of(AUTHOR)).ask, KeyParser(parse_tags, load, limits))
    content = Content(HeaderForms(headers), hasher.finish())
    return dkim.judge(candidates, content, keys, DkimSettings(partial_body=partial_body), now)
