"""address – one strict reader of address lists.

`parse(value)` takes the value of a field such as From: and gives its mailboxes, or says why it has none
that everybody would read alike: RFC 5322 §3.4 with UTF-8 (RFC 6532) and without the obsolete forms.
Two things beyond the grammar are so frequent that they are read all the same, "." and "@" in an unquoted
display name; whoever needs certainty takes a second look (author). Time and memory are linear in the input.

Raises     nothing
Not here   which mailbox is the author (author); the form of a domain (syntax.domain)
"""

import re
from typing import NamedTuple

from mailvet.syntax.domain import to_alabel
from mailvet.syntax.lexical import QUOTED, Unreadable, comment_end, refuse, unfolded, unquoted

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
    domain: str  # A-labels, lower case


class Malformed(NamedTuple):
    problem: str  # for people; holds nothing of the text itself


class _Token(NamedTuple):
    kind: str  # atom, quoted, literal, comment or special
    text: str
    glued: bool  # nothing between it and the one before


def parse(value: bytes, words: int | None = None) -> tuple[Mailbox, ...] | Malformed:
    """The mailboxes of an address list, at least one; or why it cannot be read with certainty.

    `words`: so many atoms, quoted strings, comments and marks are read at most.
    """
    try:
        return _mailbox_list([token for token in _tokens(value, words) if token.kind != "comment"])
    except Unreadable as e:
        return Malformed(str(e))


def without_quoted(value: bytes) -> str | None:
    """All of the list, comments too, with its quoted strings emptied; None where `parse` says Malformed."""
    try:
        found = _tokens(value)
    except Unreadable:
        return None
    return "".join(("" if t.glued else " ") + ('""' if t.kind == "quoted" else t.text) for t in found)


def _tokens(value: bytes, words: int | None = None) -> list[_Token]:
    """The lexical tokens of RFC 5322 §3.2; of white space only that it was there."""
    # An 8-bit display name that is not UTF-8 harms nobody; in an address it is refused below.
    text = unfolded(value, "surrogateescape")
    found: list[_Token] = []
    at, end, glued = 0, len(text), False
    while at < end:
        if len(found) == words:
            refuse(f"over {words} words (limit)")
        if text[at] == "(":
            start, at = at, comment_end(text, at)
            found.append(_Token("comment", text[start:at], False))
            glued = False
            continue
        match = _TOKEN.match(text, at)
        if match is None:
            refuse("unbalanced quotes, brackets or parentheses")
        kind = match.lastgroup or ""
        if kind != "space":
            found.append(_Token(kind, match[0], glued))
        at, glued = match.end(), kind != "space"
    return found


def _mailbox_list(found: list[_Token]) -> tuple[Mailbox, ...]:
    if not found:
        refuse("no address")
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
            refuse("group syntax")  # RFC 6854 §4: not for a From that is to be judged
        elif token.text == "," and not open_angle:
            mailboxes.append(_mailbox(found[start:at]))
            start = at + 1
    if open_angle:
        refuse("unbalanced quotes, brackets or parentheses")
    return tuple(mailboxes)


def _mailbox(found: list[_Token]) -> Mailbox:
    angles = [at for at, token in enumerate(found) if token.kind == "special" and token.text in "<>"]
    if not found:
        refuse("an empty place in the address list")
    if not angles:
        return _addr_spec("", found)
    if len(angles) != 2 or found[angles[0]].text != "<" or angles[1] != len(found) - 1:
        refuse("angle brackets in the wrong place")
    phrase = found[: angles[0]]
    name = " ".join(unquoted(token.text) if token.kind == "quoted" else token.text for token in phrase)
    return _addr_spec(name, found[angles[0] + 1 : -1])


def _addr_spec(name: str, found: list[_Token]) -> Mailbox:
    """RFC 5322 §3.4.1, without obs-local-part and obs-domain: nothing may stand between its parts."""
    text = "".join(token.text for token in found)
    if found and found[0].text == "@":
        refuse("a route address")  # RFC 5322 §4.4 obs-route
    at = [index for index, token in enumerate(found) if token.text == "@"]
    if len(at) != 1:
        refuse("an address without exactly one @")
    local_part, domain_part = found[: at[0]], found[at[0] + 1 :]
    if any(token.kind == "literal" for token in found):
        refuse("a domain literal")
    if "=?" in text and "?=" in text:
        refuse("an encoded word in the address")  # RFC 2047 §5 forbids it
    local = "".join(token.text for token in local_part)
    whole = all(token.glued for token in found[1:])
    if not whole or not _alternates(local_part) or not _alternates(domain_part) or not _is_local_part(local):
        refuse("an address that not all readers understand alike")
    domain = to_alabel("".join(token.text for token in domain_part))
    if domain is None:
        refuse("an address whose domain cannot be one")
    return Mailbox(name, local, domain)


def _alternates(found: list[_Token]) -> bool:
    """word *("." word)"""
    return len(found) % 2 == 1 and all((token.text == ".") == (at % 2 == 1) for at, token in enumerate(found))


def _is_local_part(text: str) -> bool:
    """A dot-atom, or a quoted string without anything a hasty reader would stumble over."""
    if text.startswith('"'):
        return _QUOTED_LOCAL.fullmatch(text) is not None and text.isprintable()
    dotted = text.startswith(".") or text.endswith(".") or ".." in text
    return not dotted and _PLAIN_LOCAL.fullmatch(text) is not None and text.isprintable()
