"""text – make any text from outside safe to write into a header field or a log line; there is no other way for it.

`pvalue` makes a value of an Authentication-Results field, `comment` the inside of a comment, `loggable` a part of one
log line. Whatever they are given, they return no CR, LF, NUL or other control character. `domains_only` removes the
local parts of addresses.

Raises     nothing
Not here   what is written (header.auth_results, observe.journal); parsing (syntax, header.auth_results_parser)
"""

import re
from functools import lru_cache
from typing import Final

_LONGEST_VALUE: Final = 255  # characters of a value or comment: a domain has at most 253, and no line may pass 998

# Narrower than the token of RFC 2045 §5.1, since some readers take ' for a quote and % for an escape. After "@" comes
# a domain-name, which has no "_" (RFC 5321 §4.1.2), though a token may.
# Some readers give up the whole field if that domain has one label only.
_LABEL: Final = "[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?"
_PLAIN = re.compile(rf"[A-Za-z0-9._+-]+|[A-Za-z0-9._+-]*@{_LABEL}(?:\.{_LABEL})+")
_NOT_PRINTABLE = re.compile(r"[^ -~]")
# A quoted string must not hold what ends a value or result, or begins a comment, for a reader that does not know
# quoted strings, or escapes in them: space " ( ) ; \
_UNQUOTABLE = re.compile(r"[^!#-'*-:<-\[\]-~]")

# A comment must not end early; and to a reader that does not know comments it must not look like a result, or like the
# start of a quoted string.
_HARMLESS: Final = str.maketrans(
    {"(": "[", ")": "]", "\\": "/", ";": ",", "=": ":", '"': None, "'": None, "`": None, "§": "section "}
)

# Letters, marks and symbols that have no width or show nothing; isprintable() accepts them
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
    """Return `value` as a pvalue of RFC 8601 §2.2: a token, a domain, @domain, or else a quoted string."""
    return _short_pvalue(value[:_LONGEST_VALUE])


@lru_cache(maxsize=4096)
def _short_comment(value: str) -> str:
    return " ".join(_NOT_PRINTABLE.sub("?", domains_only(value).translate(_HARMLESS)[:_LONGEST_VALUE]).split())


def comment(value: str) -> str:
    """Return `value` as it may stand between parentheses: without local parts, and like nothing but a comment."""
    return _short_comment(value[:_LONGEST_VALUE])


def loggable(value: str | bytes, limit: int = 200) -> str:
    """Return `value` on one line, with what cannot be printed as escapes, in at most `limit` characters."""
    if isinstance(value, bytes):
        value = value[: limit + 1].decode("utf-8", "backslashreplace")
    if len(value) <= limit and value.isprintable() and (value.isascii() or not _INVISIBLE.search(value)):
        return value
    shown = "".join(c if c.isprintable() and not _INVISIBLE.match(c) else _escape(c) for c in value[: limit + 1])
    return shown if len(shown) <= limit else shown[: limit - 1] + "…"


def domains_only(value: str) -> str:
    """Return `value`, a short text, without the local part before each "@"."""
    return value if value.isascii() and "@" not in value else _LOCAL_PART.sub("", value)


def _escape(char: str) -> str:
    return char.encode("unicode_escape").decode("ascii")
