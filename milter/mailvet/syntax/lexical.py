"""lexical – what all structured header fields have in common: folding, comments, quoted strings.

RFC 5322 §3.2 with UTF-8 (RFC 6532). Every function moves forward only, so time is linear in the input.

Raises     nothing: what breaks the grammar is a `Problem`, whose text holds nothing of the input
Not here   any particular field (syntax.address, header.auth_results_parser)
"""

import re
from typing import Final

from mailvet.values import Problem

UNBALANCED: Final = Problem("unbalanced quotes, brackets or parentheses")
_DEEPEST_COMMENT: Final = 16  # comments within each other
_FOLD = re.compile(r"\r?\n(?=[ \t])")  # RFC 5322 §3.2.2
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")  # after unfolding, only space and tab may separate
_COMMENT_MARK = re.compile(r"[()\\]")
# possessive, so that a text that does not match is not tried in other ways
QUOTED: Final = r'"(?:[^"\\]++|\\.)*+"'


def _comment() -> str:
    """Return a pattern for a comment, in which comments of one level less may stand.

    Its groups are atomic, since possessive ones fail in Python 3.11.2 when one of their repetitions fails half-way.
    """
    pattern = ""
    for _ in range(_DEEPEST_COMMENT):
        inner = f"|{pattern}" if pattern else ""
        pattern = rf"\((?>(?:[^()\\]++|\\.{inner})*)\)"
    return pattern


COMMENT: Final = _comment()
CFWS: Final = rf"(?>(?:[ \t]++|{COMMENT})*)"  # RFC 5322 §3.2.2, optional and without folds


def unfolded(value: bytes, errors: str = "strict") -> str | Problem:
    """Return the text on one line. Control characters are refused; a bare CR or LF is one.

    `errors`: what to do about octets that are not UTF-8, as for `bytes.decode`; "strict" refuses them.
    """
    try:
        text = value.decode("utf-8", errors)
    except UnicodeDecodeError:
        return Problem("bytes that are not UTF-8")
    if "\n" in text:
        text = _FOLD.sub("", text)
    control = _CONTROL.search(text)
    if control:
        return Problem("NUL" if control[0] == "\0" else "a control character")
    return text


def comment_end(text: str, at: int) -> int | Problem:
    """Return where the comment ends that begins at `at`."""
    depth = 0
    while True:
        mark = _COMMENT_MARK.search(text, at)
        if mark is None:
            return UNBALANCED
        at = mark.end()
        if mark[0] == "\\":
            at += 1
            continue
        depth += 1 if mark[0] == "(" else -1
        if depth == 0:
            return at
        if depth > _DEEPEST_COMMENT:
            return Problem(f"comments nested over {_DEEPEST_COMMENT} deep")


def unquoted(text: str) -> str:
    """Return the content of a quoted string, without the quotes and escapes."""
    return "\\".join(part.replace("\\", "") for part in text[1:-1].split("\\\\"))
