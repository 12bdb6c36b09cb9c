"""hash_range – one range of the k-anonymity protocol: how it is requested, and what is kept of the answer.

A range is every known SHA-1 that begins with the prefix. `parse_range` keeps the requested entries and drops all
others while it reads, as HIBP's terms demand. A malformed body is an error and never means "not listed"; nor does
an empty range, since every prefix has hundreds of breached addresses.

Raises     nothing
Not here   HTTP (breach_service.hibp); which breaches count (checks.breach.counting)
"""

import hmac
import json
import re
from collections.abc import Iterable
from typing import Any, Final
from urllib.parse import urlsplit

from mailvet.checks.breach.eligibility import PREFIX_DIGITS
from mailvet.values import Problem

_SUFFIX_DIGITS: Final = 40 - PREFIX_DIGITS
_HEX: Final = re.compile(r"[0-9A-Fa-f]+")
_FIELD: Final = "{prefix}"
_ENTRY: Final = object()  # what is left of a valid entry after it was read


def split(digest: bytes) -> tuple[str, str]:
    """Return the SHA-1's prefix, which leaves the host, and its suffix, which never does; upper-case hexadecimal."""
    text = digest.hex().upper()
    return text[:PREFIX_DIGITS], text[PREFIX_DIGITS:]


def parse_range(body: bytes, suffixes: Iterable[str]) -> dict[str, tuple[str, ...]] | Problem:
    """Return the names of breaches for each of these suffixes that is in the range (JSON)."""
    wanted = tuple(suffixes)
    found: dict[str, tuple[str, ...]] = {}

    def read(entry: dict[str, Any]) -> object:
        suffix, names = entry.get("hashSuffix"), entry.get("websites")
        if not isinstance(suffix, str) or len(suffix) != _SUFFIX_DIGITS or not _HEX.fullmatch(suffix):
            raise ValueError("an entry without a hash suffix")
        if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
            raise ValueError("an entry without a list of breaches")
        upper = suffix.upper()
        for one in wanted:
            if hmac.compare_digest(one, upper):
                found[one] = tuple(names)
        return _ENTRY

    try:
        entries = json.loads(body, object_hook=read)
    except RecursionError:
        return Problem("nested too deeply")
    except ValueError as e:
        return Problem(str(e))
    if not isinstance(entries, list) or not entries or any(entry is not _ENTRY for entry in entries):
        return Problem("not a range")
    return found


def template_problem(url: str) -> str | None:
    """Return why this URL template is not valid or would send more than the prefix; None: it is fine."""
    rest = url.replace(_FIELD, "", 1)
    if _FIELD not in url or "{" in rest or "}" in rest:
        return f"has to have {_FIELD} once and no other field"
    problem = url_problem(url)
    if problem is None and _FIELD in urlsplit(url).netloc:
        return f"{_FIELD} has to be in the path or the query"
    return problem


def url_problem(url: str) -> str | None:
    """Return why this is not an HTTPS URL that can be requested; None: it is one."""
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError as e:
        return f"is not a URL: {e}"
    if parts.scheme != "https" or not host:
        return "has to begin with https:// and a host"
    if parts.username is not None or parts.fragment or not url.isascii() or not url.isprintable() or " " in url:
        return "is a plain URL, without user, fragment, blanks or non-ASCII characters"
    return None
