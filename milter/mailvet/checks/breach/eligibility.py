"""eligibility – decide whether an author is looked up in the breaches, and write the header field about the result.

The field is advice: no disposition depends on it. Only the author of a message that passed DMARC is looked up, since
any other From field can be forged. The look-up is about a person, so role addresses, lists and bulk mail are left out.
Only the first six hexadecimal digits of the address's SHA-1 leave the host.

Raises     nothing
Not here   asking (breach_service.client, breach_service.process); which breaches count (checks.breach.counting)
"""

import hashlib
import re
from functools import lru_cache
from typing import Final

from mailvet.checks.author import Author, NoAuthor
from mailvet.message import Headers
from mailvet.settings import BreachSettings
from mailvet.text import pvalue
from mailvet.verdict import BreachResult, BreachVerdict, DmarcResult, DmarcVerdict

PREFIX_DIGITS: Final = 6  # hexadecimal digits that leave the host: 24 bits
_LONGEST_ADDRESS: Final = 254  # octets of an address (RFC 5321 §4.5.3.1.3)
# a local part of atoms and dots, wherever they are, or a quoted string (RFC 5322 §3.4.1), and a host name
_ADDRESS: Final = re.compile(r"""(?:[a-z0-9!#$%&'*+/=?^_`{|}~.-]+|"(?:[^"\\]|\\.)*")@[a-z0-9_-]+(?:\.[a-z0-9_-]+)*""")
_ROLES: Final = frozenset((
    "abuse", "alert", "alerts", "billing", "bounce", "bounces", "daemon", "do-not-reply", "donotreply", "hostmaster",
    "info", "list", "mailer-daemon", "majordomo", "marketing", "news", "newsletter", "newsletters", "no-reply",
    "noreply", "notification", "notifications", "notify", "postmaster", "root", "sales", "support", "webmaster",
))  # fmt: skip
_ROLE_ENDS: Final = ("-request", "-owner", "-bounce", "-bounces", "-noreply", "-no-reply")
_ROLE_STARTS: Final = ("owner-", "bounce-", "bounces-", "noreply-", "no-reply-")
_BULK_WORDS: Final = frozenset((b"bulk", b"list", b"junk", b"auto_reply"))


@lru_cache(maxsize=512)
def digest_of(address: str) -> bytes | None:
    """Return the SHA-1 of the address, trimmed and in lower case. None: it is not an address in plain ASCII.

    The source does not document how it treats internationalised domains, so A-labels give None too.
    """
    plain = address.strip().lower()
    if len(plain) > _LONGEST_ADDRESS or not address.isascii() or not plain.isprintable():  # lower-case U+212A is k
        return None
    if not _ADDRESS.fullmatch(plain):
        return None
    domain = plain.rpartition("@")[2]
    if domain.startswith("xn--") or ".xn--" in domain:
        return None
    return hashlib.sha1(plain.encode("ascii"), usedforsecurity=False).digest()


def why_not(
    author: Author | NoAuthor, dmarc: DmarcVerdict, mail_from: str, headers: Headers, settings: BreachSettings
) -> str | None:
    """Return why this author is not looked up; None: the author is looked up."""
    if isinstance(author, NoAuthor) or dmarc.result is not DmarcResult.PASS:
        return "the author is not authenticated"
    if author.mailboxes != 1:
        return "several authors"
    if not mail_from:
        return "null sender"
    local, _, domain = author.address.lower().rpartition("@")
    if digest_of(author.address) is None:
        return "not an ASCII address"
    if settings.own_domains and _within(domain, settings.own_domains):
        return "one of our own domains"
    if settings.exclude and _is_excluded(domain, f"{local}@{domain}", settings.exclude):
        return "excluded"
    if _is_role(local) or _is_role(mail_from.rpartition("@")[0].lower()):
        return "a role address"
    return "list or bulk mail" if _is_bulk(headers) else None


def _within(domain: str, domains: tuple[str, ...]) -> bool:
    return any(domain == own or domain.endswith("." + own) for own in map(str.lower, domains))


def _is_excluded(domain: str, address: str, excluded: tuple[str, ...]) -> bool:
    return any(name in (domain, address) for name in map(str.lower, excluded))


def _is_role(local: str) -> bool:
    base = local.partition("+")[0].partition("=")[0]
    return base in _ROLES or base.endswith(_ROLE_ENDS) or base.startswith(_ROLE_STARTS)


def _is_bulk(headers: Headers) -> bool:
    if any(name == b"feedback-id" or name.startswith(b"list-") for name in headers.by_name):
        return True
    if any(value.strip().lower() in _BULK_WORDS for value in headers.values(b"precedence")):
        return True
    return any(value.strip().lower() != b"no" for value in headers.values(b"auto-submitted"))  # RFC 3834 §5


def format_value(verdict: BreachVerdict, authserv_id: str) -> str:
    """Return the value of Sender-Breach-Info, with its leading space. It names neither the address nor a breach."""
    words = [
        f" {pvalue(authserv_id)}",
        f"result={verdict.result}",
        f"source={pvalue(verdict.source)}",
    ]
    if verdict.result is BreachResult.LISTED:
        words += [f"newest={verdict.newest}", f"classes={','.join(verdict.classes)}"]
    return "; ".join([*words, f"checked={verdict.checked}"])
