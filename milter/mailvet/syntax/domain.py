"""domain – a domain in the only form in which it may be compared or looked up: lower-case A-labels.

Raises     nothing
Not here   whether the domain exists (checks.dmarc); Punycode itself (syntax.punycode)
"""

import re
import unicodedata
from functools import lru_cache
from typing import Final

from mailvet.syntax import punycode
from mailvet.values import Domain

_LABEL: Final = r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?"
_DOMAIN = re.compile(rf"(?=.{{1,253}}\Z){_LABEL}(?:\.{_LABEL})*")
_LONGEST_TEXT: Final = 1024  # characters of what may be a domain: 253 octets, but composed from more characters
_LONGEST_CACHED: Final = 253  # characters of a text whose domain is cached
_LONGEST_CODE: Final = 59  # of a label's 63 octets, after "xn--"
# RFC 5892 §2.1 LetterDigits, lower case: what a U-label may consist of besides the hyphen
_LETTER_DIGITS: Final = frozenset(("Ll", "Lo", "Lm", "Mn", "Mc", "Nd"))
# RFC 5892 §2.3 IgnorableProperties that are invisible: a name with one looks like the name without it
_INVISIBLE: Final = re.compile("[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180d\u180f\ufe00-\ufe0f\U000e0100-\U000e01ef]")


def to_alabel(domain: str) -> Domain | None:
    """Return the domain in lower-case A-labels (RFC 5890 §2.3.2.1); None: the text is not a domain.

    Labels of letters, digits, hyphen and underscore pass as they are. U-labels are lower-cased and composed, and
    refused unless that is stable under NFKC and made of RFC 5892's visible letters and digits; its contextual and
    bidirectional rules, which only registries need, are not checked.
    """
    if len(domain) > _LONGEST_CACHED:
        return _to_alabel.__wrapped__(domain) if len(domain) <= _LONGEST_TEXT else None
    return _to_alabel(domain)


@lru_cache(maxsize=4096)
def _to_alabel(domain: str) -> Domain | None:
    if not domain.isascii():
        labels = []
        for label in domain.split("."):
            encoded = _a_label(label)
            if encoded is None:
                return None
            labels.append(encoded)
        domain = ".".join(labels)
    domain = domain.lower()
    return Domain(domain) if _DOMAIN.fullmatch(domain) else None


def host_name(text: str) -> Domain | None:
    """Return a fully qualified domain name in A-labels; None: it is an address, one label, or not a domain at all."""
    name = to_alabel(text.removesuffix(".")) if len(text) <= _LONGEST_TEXT else None
    if name is None or "." not in name or name.rpartition(".")[2].isdigit():  # an address is not a name
        return None
    return name


def _a_label(label: str) -> str | None:
    """Return the A-label of a U-label, and an ASCII label as it is; None: it cannot be a label."""
    if label.isascii():
        return label
    lower = unicodedata.normalize("NFC", label.lower())
    if len(lower) > _LONGEST_CODE:
        return None
    stable = unicodedata.normalize("NFKC", lower) == lower
    known = all(c == "-" or c.isascii() or unicodedata.category(c) in _LETTER_DIGITS for c in lower)
    if not stable or not known or _INVISIBLE.search(lower) or unicodedata.category(lower[0]).startswith("M"):
        return None
    encoded = punycode.encode(lower, _LONGEST_CODE)
    return None if encoded is None else "xn--" + encoded
