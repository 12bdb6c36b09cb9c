"""auth_results_parser – parse the Authentication-Results fields of other hosts, and tell whether one claims to be ours.

`parse` follows RFC 8601 §2.2 and also accepts what honest hosts write beyond it: a ";" at the end, properties without
a ptype, unquoted addresses. `claims` decides about removal: it tells whether a field is in our name, or cannot be read.
The grammar is one pattern whose repetitions are possessive or atomic, so that nothing is tried twice: time is linear in
the input.

Raises     nothing
Not here   the removal (header.edits); any use of our own fields: no verdict is ever read back from a header
"""

import re
from functools import lru_cache
from typing import Final, NamedTuple
from urllib.parse import unquote

from mailvet.syntax.domain import to_alabel
from mailvet.syntax.lexical import CFWS, COMMENT, QUOTED, unfolded, unquoted
from mailvet.syntax.readings import decoded, folded
from mailvet.values import Problem

_TOKEN: Final = r"[^\x00-\x20()<>@,;:\\\"/\[\]?=\x7f]++"  # RFC 2045 §5.1, with UTF-8
_KEYWORD: Final = r"[A-Za-z0-9_-]++"  # RFC 5321 §4.1.2, and "_" as some write it
_LOOSE: Final = r"[^\x00-\x20()<>,;\\\"\x7f]++"  # [local]@domain, and what should have been quoted
_VALUE: Final = rf"(?:{QUOTED}|{_TOKEN})"
_NAME: Final = rf"{_KEYWORD}{CFWS}(?>(?:\.{CFWS}{_KEYWORD}{CFWS})*)"
_REASON: Final = rf"(?i:reason){CFWS}="
_PVALUE: Final = rf"(?>{QUOTED}@{_LOOSE}|{QUOTED}|{_LOOSE})"
_PROPERTY: Final = rf"(?>{_REASON}{CFWS}{_VALUE}|(?!{_REASON}){_NAME}={CFWS}{_PVALUE}){CFWS}"
_METHOD: Final = rf"{_KEYWORD}{CFWS}(?>(?:/{CFWS}{_KEYWORD}{CFWS})?)"
_RESULT: Final = rf";{CFWS}{_METHOD}={CFWS}{_KEYWORD}{CFWS}(?>(?:{_PROPERTY})*)"
_FIELD: Final = re.compile(
    rf"(?P<before>{CFWS})(?P<id>{_VALUE})(?P<behind>{CFWS})"
    rf"(?P<version>(?>(?:[0-9]{{1,4}}+(?!{_TOKEN}))?))(?P<after>{CFWS})"
    rf"(?:(?P<results>(?>(?:{_RESULT})+))|;{CFWS}(?i:none){CFWS})(?>(?:;{CFWS})?)"
)
# the same without comments, to take apart a text that matches
_WSP: Final = r"[ \t]*+"
_REMARK: Final = re.compile(rf"({QUOTED})|{COMMENT}")
_EACH: Final = re.compile(
    rf";{_WSP}({_KEYWORD}){_WSP}(?>(?:/{_WSP}{_KEYWORD}{_WSP})?)={_WSP}({_KEYWORD})"
    rf"((?>(?:[^;\"]++|{QUOTED})*))"
)
_PARENTHESES: Final = re.compile(r"\([^()]*+\)")
_NOT_RESULTS: Final = Problem("not the grammar of RFC 8601 §2.2")
_LONGEST_HEAD: Final = 900  # characters before the results; Postfix may break a longer line, RFC 5322 §2.1.1
_DROPPED: Final = dict.fromkeys((*range(33), 127, *b"\"'\\"))
_NO_BLANKS: Final = {ord(" "): None, ord("\t"): None}
_PAIR: Final = re.compile(
    rf"{_WSP}({_KEYWORD}{_WSP}(?>(?:\.{_WSP}{_KEYWORD}{_WSP})*))={_WSP}"
    rf"((?>{QUOTED}@{_LOOSE}|{QUOTED}|{_LOOSE}))"
)


class Result(NamedTuple):
    """One method with its result, reason and properties."""

    method: str  # lower case
    result: str  # lower case
    reason: str
    properties: tuple[tuple[str, str], ...]  # ("smtp.mailfrom", "example.org") in order, names in lower case


class Parsed(NamedTuple):
    """What an Authentication-Results field says."""

    authserv_id: str  # unquoted, as written
    version: int
    results: tuple[Result, ...]  # empty: "none"
    remarks: str  # the comments before the first ";", in lower case and without quoting


def parse(value: bytes) -> Parsed | Problem:
    """Return what the field says, or why it cannot be read."""
    found = _matched(value)
    if isinstance(found, Problem):
        return found
    results = found["results"]
    return Parsed(_authserv_id(found), _version(found), _results(results) if results else (), _remarks(found))


def claims(value: bytes, own: frozenset[str]) -> bool:
    """Return whether the field has one of our authserv-ids (`own`), in any spelling, or cannot be read."""
    found = _matched(value)
    if isinstance(found, Problem) or _version(found) != 1:  # RFC 8601 §5: an unknown version is removed too
        return True
    ours = _canonical_ids(own)
    named = _canonical(_authserv_id(found))
    if named in ours:
        return True
    remarks = _remarks(found)
    if remarks and any(name in remarks for name in ours):
        return True
    head = found.string[: found.end("after")]
    if len(head) > _LONGEST_HEAD or "=?" in head:
        return True
    if not head.isascii() and any(
        _within(text.partition(";")[0], ours) for text in folded(found.string[: 2 * _LONGEST_HEAD])
    ):
        return True
    if to_alabel(named) == named:
        return False
    # Not a domain: other quotes, percent-encoding, Punycode of plain ASCII, several words, a fold in the middle of one.
    # A careless reader may see our id in it.
    odd = "%" in named or "xn--" in named or not named or not named.isascii()
    return odd or _within(named, ours)


def mentions(value: bytes, own: frozenset[str]) -> bool:
    """Return whether the text has one of our authserv-ids (`own`) anywhere, in any spelling."""
    ours = _canonical_ids(own)
    text = value.decode("utf-8", "surrogateescape")
    texts = [text, *(reading.text for reading in decoded(text))]
    texts += [form for each in texts for form in folded(each)]
    return any(_within(each, ours) or _within(_PARENTHESES.sub("", each), ours) for each in texts)


def _within(text: str, ours: frozenset[str]) -> bool:
    """Return whether the text, without quotes, white space, percent-encoding and Punycode, has one of these ids."""
    plain = unquote(text.lower().translate(_DROPPED))
    return any(name in plain for name in ours) or any(name in plain for name in _u_labels(ours))


@lru_cache(maxsize=64)
def _u_labels(ours: frozenset[str]) -> frozenset[str]:
    """Return those of these ids that have A-labels, with U-labels instead."""
    return frozenset(".".join([_u_label(label) for label in name.split(".")]) for name in ours if "xn--" in name)


def _u_label(label: str) -> str:
    try:
        return label.encode().removeprefix(b"xn--").decode("punycode") if label.startswith("xn--") else label
    except ValueError:
        return label


@lru_cache(maxsize=64)
def _canonical_ids(own: frozenset[str]) -> frozenset[str]:
    return frozenset(_canonical(name) for name in own)


def _canonical(name: str) -> str:
    """Return an authserv-id as it is compared: a domain as A-labels (RFC 8601 §5), anything else in lower case."""
    stripped = name.strip(" \t").rstrip(".").lower()
    return to_alabel(stripped) or stripped


def _matched(value: bytes) -> re.Match[str] | Problem:
    """Return the match of `_FIELD` with the whole field."""
    text = unfolded(value)
    return text if isinstance(text, Problem) else _FIELD.fullmatch(text) or _NOT_RESULTS


def _authserv_id(found: re.Match[str]) -> str:
    name = found["id"]
    return unquoted(name) if name.startswith('"') else name


def _version(found: re.Match[str]) -> int:
    return int(found["version"] or 1)


def _remarks(found: re.Match[str]) -> str:
    """Return the comments before the first ";", in lower case and without quoting."""
    text = f"{found['before']} {found['behind']} {found['after']}"
    return " ".join(text.replace("\\", "").lower().split()) if "(" in text else ""


def _results(text: str) -> tuple[Result, ...]:
    """Return the results in a text that fits the grammar."""
    plain = _REMARK.sub(lambda part: part[1] or " ", text)
    found = []
    for method, result, pairs in _EACH.findall(plain):
        reason, properties = "", []
        for written, value in _PAIR.findall(pairs):
            name = written.translate(_NO_BLANKS).lower()
            quoted, _, rest = value.rpartition('"')
            content = (unquoted(quoted + '"') if quoted else "") + rest
            if name == "reason":
                reason = content
            else:
                properties.append((name, content))
        found.append(Result(method.lower(), result.lower(), reason, tuple(properties)))
    return tuple(found)
