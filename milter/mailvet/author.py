"""author – find the one domain that claims to have written a message.

`find(values)` returns an `Author`, or a `NoAuthor` that says why there is none. It never chooses between
candidates: the From: field is read strictly (address), and then once more as a lenient reader would, and
anything the two would disagree about leaves the message without an author (RFC 9989 §11.5). Several
mailboxes of one domain are one author domain (RFC 9989 §5.3.1). Sender and Resent-From never count.

Raises     nothing
Not here   what DMARC makes of a message without an author (dmarc); whether the domain exists
"""

import base64
import quopri
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from mailvet import address, disguise
from mailvet.alabel import to_alabel
from mailvet.message import Headers

_FROM: Final = b"from"
_LIMIT: Final = 8192
_WORDS: Final = 500

# What a reader takes for the address who knows neither quoting nor comments ...
_ANGLED = re.compile(rb"<[^<>@]*+@([^<>]*+)")
# ... and one who knows quoting, but not where an address begins.
_AFTER_AT = re.compile(r"@([^\s<>()\[\],:;@\\]++)")
_ENCODED_WORD = re.compile(rb"=\?[^?\s]++\?([bq])\?([^?\s]*+)\?=", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Author:
    domain: str  # A-labels, lower case
    address: str  # of the first mailbox: local part as written, "@", domain
    mailboxes: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class NoAuthor:
    ambiguous: bool  # there is something that could be taken for an author
    problem: str  # for people; no local parts


def find(
    values: Sequence[bytes], headers: Headers | None = None, limit: int = _LIMIT, words: int = _WORDS
) -> Author | NoAuthor:
    """The author by the values of all From: fields. With `headers`, disguised From: fields count too."""
    if headers is not None:
        problem = disguised(headers)
        if problem:
            return NoAuthor(ambiguous=True, problem=problem)
    if not values:
        return NoAuthor(ambiguous=False, problem="no From field")
    if len(values) > 1:
        return NoAuthor(ambiguous=True, problem=f"{len(values)} From fields")  # RFC 5322 §3.6
    if len(values[0]) > limit:
        return NoAuthor(ambiguous=True, problem=f"From field over {limit} octets (limit)")
    return _read(values[0], words)


def disguised(headers: Headers) -> str:
    """Why some readers would see another From field; "" if none would."""
    if disguise.names_like(headers, _FROM):
        return "a field whose name some readers take for From"
    for line in disguise.hidden(headers, _FROM):
        # without an address after it, a word at the start of a line is only that
        if b"@" in line.rest or line.certain:
            return "a line inside another field that some readers take for a From field"
    return ""


@lru_cache(maxsize=512)
def _read(value: bytes, words: int) -> Author | NoAuthor:
    mailboxes = address.parse(value, words)
    if isinstance(mailboxes, address.Malformed):
        return NoAuthor(ambiguous=bool(value.strip()), problem=f"From field: {mailboxes.problem}")
    domains = {mailbox.domain for mailbox in mailboxes}
    if len(domains) > 1:
        return NoAuthor(ambiguous=True, problem=f"From field with {len(domains)} domains")
    (domain,) = domains
    if not _agree(value, domain):
        return NoAuthor(ambiguous=True, problem="From field in which some readers see another domain")
    first = mailboxes[0]
    return Author(domain=domain, address=f"{first.local}@{domain}", mailboxes=len(mailboxes))


def _agree(value: bytes, domain: str) -> bool:
    """Do readers who know less than RFC 5322 find that domain too, and no other?"""
    plain = address.without_quoted(value) or ""
    claims = _AFTER_AT.findall(plain)
    for reading in (value, _ENCODED_WORD.sub(_decoded, value)):  # some decode first and parse then
        claims += [claim.decode("utf-8", "replace").strip() for claim in _ANGLED.findall(reading)]
    return all(to_alabel(claim) == domain for claim in claims)


def _decoded(word: re.Match[bytes]) -> bytes:
    """RFC 2047 §4; the charset is left alone, as what matters here is ASCII in nearly all of them."""
    try:
        return base64.b64decode(word[2]) if word[1] in b"bB" else quopri.decodestring(word[2], header=True)
    except ValueError:
        return word[0]
