"""author – find the one domain that a message's From field names as its author.

`find` returns an `Author`, or a `NoAuthor` that says why there is no single one. It never chooses between candidates:
the From field is read strictly (syntax.address), and once more as lenient readers do. If they might find different
domains, the message has no author domain (RFC 9989 §11.5). Several mailboxes of one domain are one author domain (RFC
9989 §5.3.1). Sender and Resent-From never count.

Raises     nothing
Not here   what DMARC makes of a message without an author, and whether the domain exists (checks.dmarc)
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from mailvet.header import disguise
from mailvet.message import Headers
from mailvet.syntax import address, charsets, readings
from mailvet.syntax.compatibility import crowded
from mailvet.syntax.domain import to_alabel
from mailvet.syntax.lexical import QUOTED
from mailvet.values import Domain, Problem

_FROM: Final = b"from"
_MOST_OCTETS: Final = 8192  # of a From: field, where the caller sets no limit
_MOST_WORDS: Final = 500  # likewise: atoms, quoted strings, comments and marks
_MOST_ENCODED_WORDS: Final = 100
_DEEPEST_COMMENT: Final = 4  # comments in comments that are left out in a second look

# What is an address to a reader that knows neither quoting nor comments ...
_ANGLED = re.compile(r"<[^<>@]*+@([^<>]*+)")
# ... to one that knows quoting, but not where an address begins ...
_AFTER_AT = re.compile(r"@([^\s<>()\[\],:;@\\]++)")
# ... and to one that allows blanks and comments around "@" and "." (RFC 5322 §4.4); a domain has to have a dot then.
_DOTTED = re.compile(r"@(\[|[^\s<>()\[\],:;@\\.]++\.[^\s<>()\[\],:;@\\]++)")
_COMMENT = re.compile(r"\([^()]*+\)")
_QUOTED = re.compile(QUOTED, re.DOTALL)
_LINE_END = re.compile("[\x85\u2028\u2029\udc85]")  # as str.splitlines() has them; controls are refused anyway


@dataclass(frozen=True, slots=True, kw_only=True)
class Author:
    """The author that a From field names, and the author domain."""

    domain: Domain
    address: str  # of the first mailbox: local part as written, "@", domain
    mailboxes: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class NoAuthor:
    """The reason why a message has no single author domain."""

    ambiguous: bool  # there is something that could be taken for an author
    problem: str  # for people; no local parts


def find(
    values: Sequence[bytes], headers: Headers | None = None, limit: int = _MOST_OCTETS, words: int = _MOST_WORDS
) -> Author | NoAuthor:
    """Return the author that the From fields name by their `values`. With `headers`, disguised From fields count too.

    `limit`: octets of the field that are read at most; `words`: atoms, quoted strings, comments and marks.
    """
    found = _sole(values, limit, words)
    if headers is not None:
        problem = disguised(headers, found.domain if isinstance(found, Author) else None)
        if problem:
            return NoAuthor(ambiguous=True, problem=problem)
    return found


def disguised(headers: Headers, domain: Domain | None = None) -> str:
    """Return why some readers would see another From field, not of `domain`; "" if none would."""
    if disguise.names_like(headers, _FROM):
        return "a field whose name some readers take for From"
    for line in disguise.hidden(headers, _FROM):
        # without an address after it, a word at the start of a line is only that
        if line.certain or not line.whole or not _is_harmless(line.rest, domain):
            return "a line inside another field that some readers take for a From field"
    return ""


def _is_harmless(value: bytes, domain: Domain | None) -> bool:
    """Return whether a line that may be a From field holds no address, or only addresses of `domain`.

    `value`: the line after its colon, with its continuation lines.
    """
    text = value.decode("utf-8", "surrogateescape")
    variants = (text, *readings.folded(text), *(reading.text for reading in readings.decoded(text)))
    return not any(crowded(each) or "@" in _without(each, domain) for each in variants)


def _sole(values: Sequence[bytes], limit: int, words: int) -> Author | NoAuthor:
    if not values:
        return NoAuthor(ambiguous=False, problem="no From field")
    if len(values) > 1:
        return NoAuthor(ambiguous=True, problem=f"{len(values)} From fields")  # RFC 5322 §3.6
    if len(values[0]) > limit:
        return NoAuthor(ambiguous=True, problem=f"From field over {limit} octets (limits.from_bytes)")
    if readings.overlong(b"From:" + values[0]):
        return NoAuthor(
            ambiguous=True, problem=f"From field with a line over {readings.LONGEST_LINE} octets"
        )  # it is broken
    return _read(values[0], words)


@lru_cache(maxsize=512)
def _read(value: bytes, words: int) -> Author | NoAuthor:
    mailboxes = address.parse(value, words)
    if isinstance(mailboxes, Problem):
        return NoAuthor(ambiguous=bool(value.strip()), problem=f"From field: {mailboxes.text}")
    domains = {mailbox.domain for mailbox in mailboxes}
    if len(domains) > 1:
        return NoAuthor(ambiguous=True, problem=f"From field with {len(domains)} domains")
    domain = Domain(domains.pop())
    if not _agree(value, domain):
        return NoAuthor(ambiguous=True, problem="From field in which some readers see another domain")
    first = mailboxes[0]
    return Author(domain=domain, address=f"{first.local}@{domain}", mailboxes=len(mailboxes))


def _agree(value: bytes, domain: Domain) -> bool:
    """Return whether readers that do not know all of RFC 5322 find that domain too, and no other."""
    plain = address.without_quoted(value) or ""
    text = value.decode("utf-8", "surrogateescape").replace("\n", "")
    if crowded(text):
        return False
    claims = _AFTER_AT.findall(plain) + _ANGLED.findall(text)
    if not all(to_alabel(claim.strip()) == domain for claim in claims):
        return False
    if "=?" not in text and text.isascii() and text.count("@") == 1:
        return True
    if not _agree_by_octets(value, domain) or text.count("=?") > _MOST_ENCODED_WORDS:
        return False
    if readings.uncertain(text):
        return False
    # some decode first, or drop what is not ASCII, and parse then
    raw = readings.Decoded(text, _LINE_END.search(text) is not None, False)
    return not any(_is_foreign(each, raw, domain) for each in (raw, *readings.decoded(text)))


def _agree_by_octets(value: bytes, domain: Domain) -> bool:
    """Return whether no other domain is found by readers that decode octets which are not UTF-8 in some charset."""
    try:
        value.decode("utf-8")
    except UnicodeDecodeError:
        texts = (value.replace(b"\n", b"").decode(codec, "replace").encode() for codec in charsets.MULTIBYTE)
        plain = [address.without_quoted(text) for text in texts]
        return all(
            each is not None and all(to_alabel(claim.strip()) == domain for claim in _AFTER_AT.findall(each))
            for each in plain
        )
    return True


def _is_foreign(reading: readings.Decoded, raw: readings.Decoded, domain: Domain) -> bool:
    """Return whether a reading of the text holds an address of another domain outside of quoted strings.

    If the reading brought something that ends a quoted string, or a line, it is not known what is quoted.
    """
    if crowded(reading.text):
        return True
    own_left_out = _without(reading.text, domain)
    marks = readings.marks(own_left_out)
    for text in (own_left_out, *(() if reading.guessed else readings.folded(own_left_out))):
        if "@" in text:
            if not raw.marks and not reading.marks and readings.marks(text) <= marks:
                text = _QUOTED.sub(" ", text)
            claims = _DOTTED.findall(text) + _DOTTED.findall(_compact(text))
            if any(claim.isascii() or not reading.guessed for claim in claims):
                return True
    return False


def _compact(text: str) -> str:
    """Return the text without what may stand around "@" and "."."""
    for _ in range(_DEEPEST_COMMENT):
        text = _COMMENT.sub(" ", text)
    text = " ".join(text.replace('"', " ").split())
    return text.replace(" @", "@").replace("@ ", "@").replace(" .", ".").replace(". ", ".")


def _without(text: str, domain: Domain | None) -> str:
    """Return the text without what every reader takes for that domain."""
    if domain is None:
        return text
    return _AFTER_AT.sub(lambda claim: "" if to_alabel(claim[1].strip("\"'.?=")) == domain else claim[0], text)
