"""text – the one way in which anything from outside gets into a header field or a log line.

`pvalue` makes a value of an Authentication-Results field, `comment` the inside of a comment, `loggable`
a piece of one log line. All three are total: whatever goes in, no CR, LF, NUL or other control comes out.

Raises     nothing
Not here   what is said (authresults, journal); parsing (address, authresults)
"""

import re
from functools import lru_cache
from typing import Final

_LONGEST: Final = 255  # of a value or comment: a domain has at most 253, and no line may pass 998

# Narrower than the token of RFC 2045 §5.1: readers exist that take ' for a quote and % for an escape.
# Nor is "_" in a domain-name behind "@" (RFC 5321 §4.1.2), though it may stand in a token.
_PLAIN = re.compile(r"[A-Za-z0-9._+-]+|[A-Za-z0-9._+-]*@[A-Za-z0-9.-]+")
_OUTSIDE = re.compile(r"[^ -~]")  # all that is not printable ASCII
_ESCAPED = re.compile(r'(["\\])')

# A comment must neither end early nor look like a result to a reader who does not know comments.
_HARMLESS: Final = str.maketrans({"(": "[", ")": "]", "\\": "/", ";": ",", "=": ":", '"': "'", "§": "section "})


@lru_cache(maxsize=4096)
def _short_pvalue(value: str) -> str:
    if _PLAIN.fullmatch(value):
        return value
    return '"' + _ESCAPED.sub(r"\\\1", _OUTSIDE.sub("?", value)) + '"'  # RFC 8601 §2.2: value


def pvalue(value: str) -> str:
    """`value` as RFC 8601 §2.2 wants it: a token, a domain, @domain, or else a quoted string."""
    return _short_pvalue(value[:_LONGEST])


@lru_cache(maxsize=4096)
def _short_comment(value: str) -> str:
    return " ".join(_OUTSIDE.sub("?", value.translate(_HARMLESS)[:_LONGEST]).split())


def comment(value: str) -> str:
    """`value` as it may stand between parentheses: nothing in it nests, ends or imitates anything."""
    return _short_comment(value[:_LONGEST])


def loggable(value: str | bytes, limit: int = 200) -> str:
    """`value` on one line, what cannot be printed escaped, at most `limit` characters."""
    if isinstance(value, bytes):
        value = value[: limit + 1].decode("utf-8", "backslashreplace")
    if len(value) <= limit and value.isprintable():
        return value
    shown = "".join(c if c.isprintable() else _escape(c) for c in value[: limit + 1])
    return shown if len(shown) <= limit else shown[: limit - 1] + "…"


def _escape(char: str) -> str:
    return char.encode("unicode_escape").decode("ascii")
