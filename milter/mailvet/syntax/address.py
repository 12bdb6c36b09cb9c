"""address – a strict parser of address lists.

`parse(value)` takes the value of a field such as From: and returns its mailboxes, or says why not all readers would
find the same ones. The grammar is RFC 5322 §3.4 with UTF-8 (RFC 6532) and without the obsolete forms. Two things
beyond it are accepted because they are frequent: "." and "@" in an unquoted display name. A caller that needs
certainty has to compare with what lenient readers see (checks.author). Time and memory are linear in the input.

Raises     nothing
Not here   which mailbox is the author (checks.author); the form of a domain (syntax.domain)
"""

import re
from typing import NamedTuple, NoReturn

from mailvet.syntax.domain import to_alabel
from mailvet.syntax.lexical import QUOTED, UNBALANCED, comment_end, unfolded, unquoted
from mailvet.values import Domain, Problem

_TOKEN = re.compile(
    rf"""(?P<space>[ \t]++)
    |(?P<atom>[A-Za-z0-9!\#$%&'*+/=?^_`{{|}}~\-\x80-\U0010ffff]++)
    |(?P<quoted>{QUOTED})
    |(?P<literal>\[[^\[\]\\]*+\])
    |(?P<special>[<>@,;:.])""",
    re.VERBOSE,
)
_PLAIN_LOCAL = re.compile(r'[^\x00-\x20"(),:;<>@\[\\\]\x7f]+')
_QUOTED_LOCAL = re.compile(r'"[^\x00-\x1f"(),:;<>@\[\\\]\x7f]+"')


class Mailbox(NamedTuple):
    name: str  # display name, quoting removed
    local: str  # as written
    domain: Domain


class _Token(NamedTuple):
    kind: str  # atom, quoted, literal, comment or special
    text: str
    glued: bool  # no white space or comment between it and the one before


class _Malformed(Exception):
    """The exception of a list that cannot be read; the argument says why, and holds nothing of the list."""


def _refuse(problem: Problem | str) -> NoReturn:
    raise _Malformed(problem.text if isinstance(problem, Problem) else problem)


def parse(value: bytes, most_words: int | None = None) -> tuple[Mailbox, ...] | Problem:
    """Return the mailboxes of an address list, at least one; or why it cannot be read with certainty.

    A list of more than `most_words` atoms, quoted strings, comments and punctuation marks is refused.
    """
    try:
        return _mailbox_list([token for token in _tokens(value, most_words) if token.kind != "comment"])
    except _Malformed as e:
        return Problem(str(e))


def without_quoted(value: bytes) -> str | None:
    """Return the whole list, comments too, with empty quoted strings; None: its tokens cannot be read."""
    try:
        found = _tokens(value)
    except _Malformed:
        return None
    return "".join(("" if t.glued else " ") + ('""' if t.kind == "quoted" else t.text) for t in found)


def _tokens(value: bytes, most_words: int | None = None) -> list[_Token]:
    """Return the lexical tokens of RFC 5322 §3.2, without white space."""
    # A display name that is not UTF-8 does no harm; in an address it is refused below.
    text = unfolded(value, "surrogateescape")
    if isinstance(text, Problem):
        _refuse(text)
    found: list[_Token] = []
    at, end, glued = 0, len(text), False
    while at < end:
        if len(found) == most_words:
            _refuse(f"over {most_words} words (limits.from_words)")
        if text[at] == "(":
            behind = comment_end(text, at)
            if isinstance(behind, Problem):
                _refuse(behind)
            found.append(_Token("comment", text[at:behind], False))
            at, glued = behind, False
            continue
        match = _TOKEN.match(text, at)
        if match is None:
            _refuse(UNBALANCED)
        kind = match.lastgroup or ""
        if kind != "space":
            found.append(_Token(kind, match[0], glued))
        at, glued = match.end(), kind != "space"
    return found


def _mailbox_list(found: list[_Token]) -> tuple[Mailbox, ...]:
    """Parse mailbox *("," mailbox); groups are refused."""
    if not found:
        _refuse("no address")
    mailboxes = []
    start, open_angle = 0, False
    for at, token in enumerate([*found, _Token("special", ",", False)]):
        if token.kind != "special":
            continue
        if token.text == "<":
            open_angle = True
        elif token.text == ">":
            open_angle = False
        elif token.text in ":;" and not open_angle:
            _refuse("group syntax")  # RFC 6854 §4: not for a From that is to be judged
        elif token.text == "," and not open_angle:
            mailboxes.append(_mailbox(found[start:at]))
            start = at + 1
    if open_angle:
        _refuse(UNBALANCED)
    return tuple(mailboxes)


def _mailbox(found: list[_Token]) -> Mailbox:
    """Parse name-addr or addr-spec."""
    angles = [at for at, token in enumerate(found) if token.kind == "special" and token.text in "<>"]
    if not found:
        _refuse("an empty place in the address list")
    if not angles:
        return _addr_spec("", found)
    if len(angles) != 2 or found[angles[0]].text != "<" or angles[1] != len(found) - 1:
        _refuse("angle brackets in the wrong place")
    phrase = found[: angles[0]]
    name = " ".join(unquoted(token.text) if token.kind == "quoted" else token.text for token in phrase)
    return _addr_spec(name, found[angles[0] + 1 : -1])


def _addr_spec(name: str, found: list[_Token]) -> Mailbox:
    """Parse local-part "@" domain (RFC 5322 §3.4.1) with nothing between the tokens: none of the obsolete forms."""
    text = "".join(token.text for token in found)
    if found and found[0].text == "@":
        _refuse("a route address")  # RFC 5322 §4.4 obs-route
    at = [index for index, token in enumerate(found) if token.text == "@"]
    if len(at) != 1:
        _refuse("an address without exactly one @")
    local_part, domain_part = found[: at[0]], found[at[0] + 1 :]
    if any(token.kind == "literal" for token in found):
        _refuse("a domain literal")
    if "=?" in text and "?=" in text:
        _refuse("an encoded word in the address")  # RFC 2047 §5 forbids it
    local = "".join(token.text for token in local_part)
    whole = all(token.glued for token in found[1:])
    if not whole or not _alternates(local_part) or not _alternates(domain_part) or not _is_local_part(local):
        _refuse("an address that not all readers understand alike")
    domain = to_alabel("".join(token.text for token in domain_part))
    if domain is None:
        _refuse("an address whose domain cannot be one")
    return Mailbox(name, local, domain)


def _alternates(found: list[_Token]) -> bool:
    """Return whether these tokens are words with a "." between each two (word *("." word))."""
    return len(found) % 2 == 1 and all((token.text == ".") == (at % 2 == 1) for at, token in enumerate(found))


def _is_local_part(text: str) -> bool:
    """Return whether it is a dot-atom, or a quoted string without anything that a careless parser gets wrong."""
    if text.startswith('"'):
        return _QUOTED_LOCAL.fullmatch(text) is not None and text.isprintable()
    dotted = text.startswith(".") or text.endswith(".") or ".." in text
    return not dotted and _PLAIN_LOCAL.fullmatch(text) is not None and text.isprintable()
