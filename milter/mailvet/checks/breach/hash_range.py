"""hash_range – one range of the k-anonymity protocol: how it is asked for, and what is kept of the answer.

`matches` keeps what is asked for and drops every other entry while it reads, as HIBP's terms want it. A body
that is not exactly what was promised is an error, never "not listed"; so is an empty range, since there are
hundreds of breached addresses to every prefix.

Raises     ValueError from `matches`
Not here   HTTP (breach_service.hibp); which breaches count (checks.breach.counting)
"""

import hmac
import json
import re
from collections.abc import Iterable
from typing import Any, Final
from urllib.parse import urlsplit

from mailvet.checks.breach.eligibility import PREFIX

_SUFFIX: Final = 40 - PREFIX
_HEX: Final = re.compile(r"[0-9A-Fa-f]+")
_FIELD: Final = "{prefix}"
_READ: Final = object()  # what an entry leaves behind


def split(digest: bytes) -> tuple[str, str]:
    """What leaves the host, and what never does."""
    text = digest.hex().upper()
    return text[:PREFIX], text[PREFIX:]


def matches(body: bytes, suffixes: Iterable[str]) -> dict[str, tuple[str, ...]]:
    """Of a range's JSON the breaches of these suffixes; one that is not in it is not in the result."""
    wanted = tuple(suffixes)
    found: dict[str, tuple[str, ...]] = {}

    def read(entry: dict[str, Any]) -> object:
        suffix, names = entry.get("hashSuffix"), entry.get("websites")
        if not isinstance(suffix, str) or len(suffix) != _SUFFIX or not _HEX.fullmatch(suffix):
            raise ValueError("an entry without a hash suffix")
        if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
            raise ValueError("an entry without a list of breaches")
        upper = suffix.upper()
        for one in wanted:
            if hmac.compare_digest(one, upper):
                found[one] = tuple(names)
        return _READ

    try:
        entries = json.loads(body, object_hook=read)
    except RecursionError as e:
        raise ValueError("nested too deeply") from e
    if not isinstance(entries, list) or not entries or any(entry is not _READ for entry in entries):
        raise ValueError("no range")
    return found


def template_problem(url: str) -> str | None:
    """Why this cannot be the template for a range, or would send more than the prefix; None: it is fine."""
    rest = url.replace(_FIELD, "", 1)
    if _FIELD not in url or "{" in rest or "}" in rest:
        return f"has to have {_FIELD} once and no other field"
    problem = url_problem(url)
    if problem is None and _FIELD in urlsplit(url).netloc:
        return f"{_FIELD} has to be in the path or the query"
    return problem


def url_problem(url: str) -> str | None:
    """Why this URL cannot be asked under TLS; None: it is fine."""
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
