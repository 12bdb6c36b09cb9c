"""breach – is it a question that means something, and how the answer is worded (advisory only).

The question is asked about the author of a message that DMARC has authenticated, and about nobody else: any
other From is whatever a stranger typed. A person is meant, so role addresses, lists and bulk mail are left
out. What leaves the host is the first six hexadecimal digits of a SHA-1 and nothing else.

Raises     nothing
Not here   asking (breach_client, breach_service)
"""

import hashlib
import re
from typing import Final, NamedTuple

from mailvet.author import Author, NoAuthor
from mailvet.message import Headers
from mailvet.settings import BreachSettings
from mailvet.text import pvalue
from mailvet.verdict import BreachResult, BreachVerdict, DmarcResult, DmarcVerdict

PREFIX: Final = 6  # hexadecimal digits that leave the host: 24 bits
_ROLES: Final = re.compile(
    r"(?:no-?reply|do-?not-?reply|mailer-daemon|postmaster|hostmaster|webmaster|abuse|bounces?|daemon|root"
    r"|newsletters?|news|notifications?|notify|alerts?|info|support|billing|sales|marketing|list|majordomo"
    r"|.*-(?:request|owner|bounces?)|owner-.*)(?:[+=-].*)?"
)
_BULK: Final = (b"list-id", b"list-unsubscribe", b"list-post", b"feedback-id")
_BULK_WORDS: Final = frozenset((b"bulk", b"list", b"junk", b"auto_reply"))


class Hashed(NamedTuple):
    prefix: str  # leaves the host
    suffix: str  # never does


def hashed(address: str) -> Hashed | None:
    """The SHA-1 of the address, trimmed and in lower case; None for one that is not plain ASCII."""
    plain = address.strip().lower()
    if not plain.isascii() or not plain.isprintable() or "@" not in plain:
        return None
    digest = hashlib.sha1(plain.encode("ascii"), usedforsecurity=False).hexdigest().upper()
    return Hashed(digest[:PREFIX], digest[PREFIX:])


def why_not(
    who: Author | NoAuthor, dmarc: DmarcVerdict, mail_from: str, headers: Headers, settings: BreachSettings
) -> str | None:
    """Why nobody is asked about this author; None: the question means something."""
    if isinstance(who, NoAuthor) or dmarc.result is not DmarcResult.PASS:
        return "the author is not authenticated"
    if not mail_from:
        return "null sender"
    local, _, domain = who.address.lower().rpartition("@")
    if hashed(who.address) is None:
        return "not an ASCII address"
    if any(domain == own or domain.endswith("." + own) for own in settings.own_domains):
        return "one of our own domains"
    if domain in settings.exclude or f"{local}@{domain}" in settings.exclude:
        return "excluded"
    if _ROLES.fullmatch(local):
        return "a role address"
    return "list or bulk mail" if _is_bulk(headers) else None


def _is_bulk(headers: Headers) -> bool:
    if any(name in headers.by_name for name in _BULK):
        return True
    if any(value.strip().lower() in _BULK_WORDS for value in headers.values(b"precedence")):
        return True
    return any(value.strip().lower() != b"no" for value in headers.values(b"auto-submitted"))  # RFC 3834 §5


def format_value(verdict: BreachVerdict, authserv_id: str) -> str:
    """The value of Sender-Breach-Info, with its leading space. No breach is named, and no address."""
    words = [
        f" {pvalue(authserv_id)}",
        f"result={verdict.result}",
        f"source={pvalue(verdict.source)}",
    ]
    if verdict.result is BreachResult.LISTED:
        words += [f"newest={verdict.newest}", f"classes={','.join(verdict.classes)}"]
    return "; ".join([*words, f"checked={verdict.checked}"])
