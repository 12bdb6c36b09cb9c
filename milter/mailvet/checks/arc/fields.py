"""fields – what one ARC field says: RFC 8617 §4.1, read strictly and in one pass.

An ARC-Message-Signature is a DKIM-Signature without v= and with the instance as its i=; an ARC-Seal signs
header fields alone and has cv=; of an ARC-Authentication-Results only the instance is read here, because
what else it says does not concern the chain (RFC 8617 §3.4).

Raises     lexical.Unreadable: what is wrong, in words that hold nothing of the field
Not here   the fields of a message as a whole (checks.arc.sets)
"""

import re
from typing import Final, NamedTuple

from mailvet.checks.dkim.body_hash import BodyDigest, Canon
from mailvet.checks.dkim.tag_values import (
    ALGORITHMS,
    Tags,
    canonicalisation,
    host_name,
    number,
    numbers_problem,
    octets,
    words,
)
from mailvet.settings import LimitSettings
from mailvet.syntax.lexical import comment_end, refuse

RESULTS: Final = b"arc-authentication-results"
MESSAGE: Final = b"arc-message-signature"
SEAL: Final = b"arc-seal"
_SPACE: Final = re.compile(r"[ \t\r\n]++")
_POSITION: Final = re.compile(r"[0-9]{1,2}(?![0-9])")  # RFC 8617 §3.9
_LAST: Final = 50  # RFC 8617 §4.2.1
_HEAD: Final = 2000  # octets in which an ARC-Authentication-Results has to come to its instance


class SignedBy(NamedTuple):
    """A signature and the key it names."""

    key_type: str  # "rsa" | "ed25519"
    domain: str  # d=, A-labels, lower case
    selector: str  # s=, likewise
    signature: bytes

    @property
    def key_name(self) -> str:
        return f"{self.selector}._domainkey.{self.domain}"


class MessageSignature(NamedTuple):
    """What an ARC-Message-Signature says."""

    by: SignedBy
    header_canon: Canon
    digest: BodyDigest
    body_hash: bytes
    names: tuple[bytes, ...]  # h=, lower case
    expires: int | None  # x=


def results(value: bytes) -> tuple[int, int]:
    """The instance of an ARC-Authentication-Results, and where its payload begins (RFC 8617 §4.1.1)."""
    text = value[:_HEAD].decode("latin-1")
    at = _mark(text, _mark(text, 0, "i"), "=")
    at = _skip(text, at)
    match = _POSITION.match(text, at)
    if match is None:
        refuse("i= is not the number of an instance")
    return _within(int(match[0])), _mark(text, match.end(), ";")


def instance(tags: Tags) -> int:
    """i= of a signature or seal."""
    match = _POSITION.fullmatch(tags.get(b"i", b"").decode("latin-1"))
    if match is None:
        refuse("i= is not the number of an instance")
    return _within(int(match[0]))


def message_signature(tags: Tags, limits: LimitSettings) -> MessageSignature:
    """RFC 8617 §4.1.2. That From is signed is not asked of a chain, but of those who would rely on it (arc)."""
    by = _signed_by(tags)
    # the validation suite has it so, and sealers know no other: without c= both are relaxed
    form = tags.get(b"c", b"relaxed/relaxed")
    canons = canonicalisation(form) if form else None
    listed, body_hash = _tag(tags, b"h"), octets(_tag(tags, b"bh"))
    length, signed_at, expires = [number(tags.get(tag)) for tag in (b"l", b"t", b"x")]
    if canons is None:
        refuse("unknown canonicalisation")
    if not body_hash:
        refuse("bh= is not base64")
    problem = numbers_problem(length, signed_at, expires)
    if problem:
        refuse(problem)
    if b"dns/txt" not in words(tags.get(b"q", b"dns/txt")):
        refuse("q= names no known method")
    if listed.count(b":") >= limits.signed_fields:
        refuse(f"h= has over {limits.signed_fields} entries (limit)")
    names = tuple(name.lower() for name in words(listed))  # an empty one is no field's name
    if SEAL in names:  # RFC 8617 §4.1.2; that its other ARC fields are not to be named either binds the sealer
        refuse("h= names ARC-Seal")
    return MessageSignature(by, canons[0], BodyDigest(canons[1], length), body_hash, names, expires)


def seal(tags: Tags, instance: int) -> SignedBy:
    """RFC 8617 §4.1.3, and the cv= that §5.2 step 3 wants of it. Other tags are ignored (RFC 6376 §3.2)."""
    if b"h" in tags:
        refuse("h= is not allowed")
    due = b"none" if instance == 1 else b"pass"
    if _tag(tags, b"cv").lower() != due:
        refuse(f"cv= has to be {due.decode()}")
    if number(tags.get(b"t")) == -1:
        refuse("t= is not a number")
    return _signed_by(tags)


def _signed_by(tags: Tags) -> SignedBy:
    key_type = ALGORITHMS.get(_tag(tags, b"a").decode("latin-1").lower())
    domain, selector = host_name(_tag(tags, b"d")), host_name(_tag(tags, b"s"))
    signature = octets(_tag(tags, b"b"))
    if key_type is None:
        refuse("unknown algorithm")
    if not domain or not selector:
        refuse("d= or s= is not a name")
    if not signature:
        refuse("b= is not base64")
    return SignedBy(key_type, domain, selector, signature)


def _tag(tags: Tags, name: bytes) -> bytes:
    value = tags.get(name)
    if value is None:
        refuse(f"tag {name.decode()} missing")
    return value


def _within(position: int) -> int:
    if not 1 <= position <= _LAST:
        refuse(f"i= is not within 1 and {_LAST}")
    return position


def _skip(text: str, at: int) -> int:
    """[CFWS]"""
    while True:
        space = _SPACE.match(text, at)
        at = space.end() if space is not None else at
        if text[at : at + 1] != "(":
            return at
        at = comment_end(text, at)


def _mark(text: str, at: int, mark: str) -> int:
    """Behind `mark`, which has to be the next that counts."""
    at = _skip(text, at)
    if text[at : at + 1] != mark:
        refuse("it does not begin with i=, a number and a semicolon")
    return at + 1
