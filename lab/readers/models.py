"""models – how mail programs that cannot be run here read an Authentication-Results field.

Each takes the value as it stands in the message, and makes the mistakes that the program makes.
"""

import re
from typing import NamedTuple

_METHODS = "auth|dkim|domainkeys|sender-id|spf"
_RESULTS = "none|pass|fail|policy|neutral|temperror|permerror|hardfail|softfail"
_KNOWN = re.compile(rf"({_METHODS})=({_RESULTS})\s*(\(.*?\))?", re.IGNORECASE | re.DOTALL)
_PROPERTY = re.compile(r"(smtp|header|body|policy)\.(auth|d|i|from|sender|iprev|mailfrom|helo)=(\S*)", re.IGNORECASE)
_SERVER = re.compile(r"\s*((?:[a-z0-9-]{1,63}\.)+[a-z]{2,63})\s*;", re.IGNORECASE)


class Seen(NamedTuple):
    method: str
    result: str
    properties: dict[str, str]


def roundcube(value: str) -> list[Seen]:
    """authres_status 0.2: cut at each ";"; a piece with a comment left open is joined with the next, once."""
    server = _SERVER.match(value)
    assert server is not None
    pieces, whole = value[server.end() :].split(";"), []
    while pieces:
        piece = pieces.pop(0)
        if re.search(r"\([^)]*\Z", piece) and pieces:
            piece += ";" + pieces.pop(0)
        whole.append(piece.strip())
    found = []
    for piece in whole:
        known = _KNOWN.search(piece)
        if known is not None:
            rest = piece[: known.start()] + piece[known.end() :]
            properties = {f"{kind}.{name}": text for kind, name, text in _PROPERTY.findall(rest)}
            found.append(Seen(known[1], known[2], properties))
    return found


_BLANK = r"(?:[ \t]*(?:\r\n)?[ \t]+)"
_TEXT = r"(?:[!-'*-\[\]-~]|\\[ -~\t])"
_SPACE = rf"(?:(?:(?:{_BLANK}?\((?:{_BLANK}?{_TEXT})*{_BLANK}?\))+{_BLANK}?)|{_BLANK})"
_WORD = r"[A-Za-z0-9-]*[A-Za-z0-9]"
_TOKEN = r'[^ \x00-\x1f\x7f()<>@,;:\\"/\[\]?=]+'
_QUOTED = rf'"((?:{_BLANK}?(?:[!#-\[\]-~]|\\[ -~\t]))*)"'
_DOMAIN = rf"(?:[^@ ;]*@)?{_WORD}(?:\.{_WORD})+"
_END = rf"(?:{_SPACE}?\r\n\Z|(?=;)|(?={_SPACE}))"
_METHOD = re.compile(
    rf"{_SPACE}?;{_SPACE}?({_WORD}){_SPACE}?={_SPACE}?"
    rf"(none|pass|fail|softfail|policy|neutral|temperror|permerror){_END}"
)
_PAIR = re.compile(
    rf"{_SPACE}?({_WORD}){_SPACE}?\.{_SPACE}?({_WORD}){_SPACE}?={_SPACE}?(?:({_TOKEN})|{_QUOTED}|({_DOMAIN})){_END}"
)


def dkim_verifier(value: str) -> list[Seen] | None:
    """The Thunderbird extension of that name: the grammar, strictly; None where it gives the field up."""
    text = value.replace("\n", "\r\n") + "\r\n"
    server = re.compile(rf"{_SPACE}?{_TOKEN}{_END}").match(text)
    if server is None:
        return None
    at, found = server.end(), []
    while at < len(text):
        method = _METHOD.match(text, at)
        if method is None:
            return None
        at, properties = method.end(), {}
        while (pair := _PAIR.match(text, at)) is not None:
            properties[f"{pair[1]}.{pair[2]}"] = next(part for part in pair.groups()[2:] if part is not None)
            at = pair.end()
        found.append(Seen(method[1], method[2], properties))
    return found


def most_favourable(found: list[Seen], method: str) -> str:
    """What dkim_verifier shows of several results: pass before all else."""
    order = ("pass", "neutral", "policy", "fail", "softfail", "permerror", "temperror", "none")
    return min((seen.result for seen in found if seen.method == method), key=order.index, default="")


def pieces(value: str) -> list[Seen]:
    """Scripts: no comments known, cut at ";" and at blanks, the last of several counts."""
    found: dict[str, Seen] = {}
    for piece in value.split(";")[1:]:
        method, _, result = piece.split()[0].partition("=")
        pairs = [word.partition("=") for word in piece.split()[1:] if "=" in word]
        found[method] = Seen(method, result, {name: text for name, _, text in pairs})
    return list(found.values())


def contains(value: str, text: str) -> bool:
    """A rule of Thunderbird's or Roundcube's for a field that "contains" something: of a line, or of all of them."""
    return text in value.replace("\n", "") or any(text in line for line in value.split("\n"))
