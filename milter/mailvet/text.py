"""text – the one way in which anything from outside gets into a header field or a log line.

`pvalue` makes a value of an Authentication-Results field, `comment` the inside of a comment, `loggable`
a piece of one log line. All three are total: whatever goes in, no CR, LF, NUL or other control comes out.
`domains_only` takes the local parts of addresses out.

Raises     nothing
Not here   what is said (header.auth_results, journal); parsing (address, header.auth_results)
"""

import re
from functools import lru_cache
from typing import Final

_LONGEST: Final = 255  # of a value or comment: a domain has at most 253, and no line may pass 998

# Narrower than the token of RFC 2045 §5.1: readers exist that take ' for a quote and % for an escape.
# Nor is "_" in a domain-name behind "@" (RFC 5321 §4.1.2), though it may stand in a token.
# Behind "@" there has to be a domain of two labels: some readers give up the whole field for anything else.
_LABEL: Final = "[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?"
_PLAIN = re.compile(rf"[A-Za-z0-9._+-]+|[A-Za-z0-9._+-]*@{_LABEL}(?:\.{_LABEL})+")
_OUTSIDE = re.compile(r"[^ -~]")  # all that is not printable ASCII
# Nor may there be in a quoted string what ends a value or result, or opens a comment, for a reader that
# knows no quoted strings or no escapes in them: blank " ( ) ; \
_UNQUOTABLE = re.compile(r"[^!#-'*-:<-\[\]-~]")

# A comment must neither end early nor look like a result, or like the start of a quoted string, to a reader
# who does not know comments.
_HARMLESS: Final = str.maketrans(
    {"(": "[", ")": "]", "\\": "/", ";": ",", "=": ":", '"': None, "'": None, "`": None, "§": "section "}
)

# Letters, marks and signs that take no room or show nothing; isprintable() lets them pass
_INVISIBLE = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2800\u3164\ufe00-\ufe0f\uffa0\U000e0100-\U000e01ef]"
)
_LOCAL_PART = re.compile(r'(?:"[^"]*+"|[^\s<>(),:;@＠﹫])++[@＠﹫]')


@lru_cache(maxsize=4096)
def _short_pvalue(value: str) -> str:
    if _PLAIN.fullmatch(value):
        return value
    return '"' + _UNQUOTABLE.sub("?", value) + '"'  # RFC 8601 §2.2: value


def pvalue(value: str) -> str:
    """`value` as RFC 8601 §2.2 wants it: a token, a domain, @domain, or else a quoted string."""
    return _short_pvalue(value[:_LONGEST])


@lru_cache(maxsize=4096)
def _short_comment(value: str) -> str:
    return " ".join(_OUTSIDE.sub("?", domains_only(value).translate(_HARMLESS)[:_LONGEST]).split())


def comment(value: str) -> str:
    """`value` as it may stand between parentheses: nothing in it nests, ends or imitates anything; no local parts."""
    return _short_comment(value[:_LONGEST])


def loggable(value: str | bytes, limit: int = 200) -> str:
    """`value` on one line, what cannot be printed escaped, at most `limit` characters."""
    if isinstance(value, bytes):
        value = value[: limit + 1].decode("utf-8", "backslashreplace")
    if len(value) <= limit and value.isprintable() and (value.isascii() or not _INVISIBLE.search(value)):
        return value
    shown = "".join(c if c.isprintable() and not _INVISIBLE.match(c) else _escape(c) for c in value[: limit + 1])
    return shown if len(shown) <= limit else shown[: limit - 1] + "…"


def domains_only(value: str) -> str:
    """`value`, a short text, with no local part before any "@" in it."""
    return value if value.isascii() and "@" not in value else _LOCAL_PART.sub("", value)


def _escape(char: str) -> str:
    return char.encode("unicode_escape").decode("ascii")
