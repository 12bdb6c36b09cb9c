"""fields – what one ARC field says: RFC 8617 §4.1, read strictly and in one pass.

An ARC-Message-Signature is a DKIM-Signature without v= and with the instance as its i=. An ARC-Seal signs header
fields alone and has cv=. Of an ARC-Authentication-Results, only the instance is read here: what else it says does not
matter to the chain (RFC 8617 §3.4).

Raises     nothing: a field that cannot be read is a `Problem`, whose text holds nothing of the field
Not here   the fields of a message as a whole (checks.arc.sets)
"""

import re
from typing import Final, NamedTuple

from mailvet.checks.dkim.body_hash import BodyDigest, Canon
from mailvet.checks.dkim.tag_list import Tags
from mailvet.checks.dkim.tag_values import (
    ALGORITHMS,
    canonicalisation,
    host_name,
    number,
    numbers,
    octets,
    words,
)
from mailvet.settings import LimitSettings
from mailvet.syntax.lexical import comment_end
from mailvet.values import Domain, Problem

RESULTS: Final = b"arc-authentication-results"
MESSAGE: Final = b"arc-message-signature"
SEAL: Final = b"arc-seal"
_SPACE: Final = re.compile(r"[ \t\r\n]++")
_POSITION: Final = re.compile(r"[0-9]{1,2}(?![0-9])")  # RFC 8617 §3.9
_LAST_INSTANCE: Final = 50  # RFC 8617 §4.2.1
_LONGEST_HEAD: Final = 2000  # octets within which an ARC-Authentication-Results has to come to its instance
_NO_POSITION: Final = Problem("i= is not the number of an instance")
_NO_HEAD: Final = Problem("it does not begin with i=, a number and a semicolon")


class SignedBy(NamedTuple):
    """A signature and the key it names."""

    key_type: str  # "rsa" | "ed25519"
    domain: Domain  # d=
    selector: Domain  # s=
    signature: bytes

    @property
    def key_name(self) -> str:
        """Return the name at which the key is published (RFC 6376 §3.6.2.1)."""
        return f"{self.selector}._domainkey.{self.domain}"


class MessageSignature(NamedTuple):
    """What an ARC-Message-Signature says."""

    by: SignedBy
    header_canon: Canon
    digest: BodyDigest
    body_hash: bytes
    names: tuple[bytes, ...]  # h=, lower case
    expires: int | None  # x=, seconds since 1970


def results(value: bytes) -> tuple[int, int] | Problem:
    """Return the instance of an ARC-Authentication-Results, and where its payload begins (RFC 8617 §4.1.1)."""
    text = value[:_LONGEST_HEAD].decode("latin-1")
    at = _behind(text, 0, "i=")
    at = at if isinstance(at, Problem) else _skip(text, at)
    if isinstance(at, Problem):
        return at
    match = _POSITION.match(text, at)
    if match is None:
        return _NO_POSITION
    position, at = _within(int(match[0])), _behind(text, match.end(), ";")
    if isinstance(position, Problem):
        return position
    return at if isinstance(at, Problem) else (position, at)


def instance(tags: Tags) -> int | Problem:
    """Return i= of a message signature or seal."""
    match = _POSITION.fullmatch(tags.get(b"i", b"").decode("latin-1"))
    return _NO_POSITION if match is None else _within(int(match[0]))


def message_signature(tags: Tags, limits: LimitSettings) -> MessageSignature | Problem:
    """Return what an ARC-Message-Signature says (RFC 8617 §4.1.2).

    A chain need not sign From; who relies on what a sealer says has to check that (checks.arc.trust).
    """
    by = _signed_by(tags)
    if isinstance(by, Problem):
        return by
    for required in (b"h", b"bh"):
        if required not in tags:
            return _missing(required)
    # without c= both are relaxed: the validation suite demands it, and sealers use nothing else
    canons = canonicalisation(tags.get(b"c", b"relaxed/relaxed"))
    if isinstance(canons, Problem):
        return canons
    body_hash = octets(tags[b"bh"])
    if not body_hash:
        return Problem("bh= is not base64")
    found = numbers(tags)
    if isinstance(found, Problem):
        return found
    if b"dns/txt" not in words(tags.get(b"q", b"dns/txt")):
        return Problem("q= names no known method")
    if tags[b"h"].count(b":") >= limits.signed_fields:
        return Problem(f"h= has over {limits.signed_fields} entries (limits.signed_fields)")
    names = tuple(name.lower() for name in words(tags[b"h"]))  # an empty one matches no field
    if SEAL in names:  # RFC 8617 §4.1.2; it forbids the other ARC fields to the sealer alone
        return Problem("h= names ARC-Seal")
    return MessageSignature(by, canons[0], BodyDigest(canons[1], found.length), body_hash, names, found.expires)


def seal(tags: Tags, instance: int) -> SignedBy | Problem:
    """Return what an ARC-Seal says (RFC 8617 §4.1.3), whose cv= has to be as §5.2 step 3 demands.

    Unknown tags are ignored (RFC 6376 §3.2).
    """
    if b"h" in tags:
        return Problem("h= is not allowed")
    if b"cv" not in tags:
        return _missing(b"cv")
    due = b"none" if instance == 1 else b"pass"
    if tags[b"cv"].lower() != due:
        return Problem(f"cv= has to be {due.decode()}")
    if isinstance(number(tags.get(b"t")), Problem):
        return Problem("t= is not a number")
    return _signed_by(tags)


def _signed_by(tags: Tags) -> SignedBy | Problem:
    for required in (b"a", b"d", b"s", b"b"):
        if required not in tags:
            return _missing(required)
    key_type = ALGORITHMS.get(tags[b"a"].decode("latin-1").lower())
    if key_type is None:
        return Problem("unknown algorithm")
    domain, selector = host_name(tags[b"d"]), host_name(tags[b"s"])
    if domain is None or selector is None:
        return Problem("d= or s= is not a name")
    signature = octets(tags[b"b"])
    return SignedBy(key_type, domain, selector, signature) if signature else Problem("b= is not base64")


def _missing(tag: bytes) -> Problem:
    return Problem(f"tag {tag.decode()} missing")


def _within(position: int) -> int | Problem:
    return position if 1 <= position <= _LAST_INSTANCE else Problem(f"i= is not within 1 and {_LAST_INSTANCE}")


def _skip(text: str, at: int) -> int | Problem:
    """Return where the white space and comments ([CFWS]) end that may begin at `at`."""
    while True:
        space = _SPACE.match(text, at)
        at = space.end() if space is not None else at
        if text[at : at + 1] != "(":
            return at
        end = comment_end(text, at)
        if isinstance(end, Problem):
            return end
        at = end


def _behind(text: str, at: int, marks: str) -> int | Problem:
    """Return the place behind these characters, before each of which there may be [CFWS]."""
    for mark in marks:
        found = _skip(text, at)
        if isinstance(found, Problem):
            return found
        if text[found : found + 1] != mark:
            return _NO_HEAD
        at = found + 1
    return at
