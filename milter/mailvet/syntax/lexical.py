"""lexical – what all structured header fields have in common: folding, comments, quoted strings.

RFC 5322 §3.2 with UTF-8 (RFC 6532). Every function moves forward only, so time is linear in the input.

Raises     Unreadable, which every parser built on this turns into a value of its own
Not here   any particular field (address, header.auth_results_parser)
"""

import re
from typing import Final, NoReturn

_DEEPEST: Final = 16  # nested comments
_FOLD = re.compile(r"\r?\n(?=[ \t])")  # RFC 5322 §3.2.2
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")  # after unfolding only blank and tab are left to separate
_COMMENT_MARK = re.compile(r"[()\\]")
# possessive: what does not fit is not tried a second time
QUOTED: Final = r'"(?:[^"\\]++|\\.)*+"'


def _comment() -> str:
    """A comment as a pattern: what may stand between its parentheses is a comment of one level less.

    Atomic groups, since a possessive one loses its place in Python 3.11.2 when a round of it fails half-way.
    """
    pattern = ""
    for _ in range(_DEEPEST):
        inner = f"|{pattern}" if pattern else ""
        pattern = rf"\((?>(?:[^()\\]++|\\.{inner})*)\)"
    return pattern


COMMENT: Final = _comment()
CFWS: Final = rf"(?>(?:[ \t]++|{COMMENT})*)"  # RFC 5322 §3.2.2, optional and without folds


class Unreadable(ValueError):
    """The text breaks the grammar; the argument says how, and holds nothing of the text."""


def refuse(problem: str) -> NoReturn:
    raise Unreadable(problem)


def unfolded(value: bytes, errors: str = "strict") -> str:
    """The text on one line. A control character is refused, and a bare CR or LF is one."""
    try:
        text = value.decode("utf-8", errors)
    except UnicodeDecodeError:
        refuse("bytes that are not UTF-8")
    if "\n" in text:
        text = _FOLD.sub("", text)
    control = _CONTROL.search(text)
    if control:
        refuse("NUL" if control[0] == "\0" else "a control character")
    return text


def comment_end(text: str, at: int) -> int:
    """Where the comment ends that begins at `at`."""
    depth = 0
    while True:
        mark = _COMMENT_MARK.search(text, at)
        if mark is None:
            refuse("unbalanced quotes, brackets or parentheses")
        at = mark.end()
        if mark[0] == "\\":
            at += 1
            continue
        depth += 1 if mark[0] == "(" else -1
        if depth == 0:
            return at
        if depth > _DEEPEST:
            refuse("comments nested too deeply (limit)")


def unquoted(text: str) -> str:
    """What a quoted string says."""
    return "\\".join(part.replace("\\", "") for part in text[1:-1].split("\\\\"))
