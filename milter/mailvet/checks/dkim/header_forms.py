"""header_forms – header fields in the two canonical forms of RFC 6376 §3.4, and which of them a signature covers.

A `Field` holds its lines joined by "\\n", as a milter is shown them; on the wire, and so in the simple form,
they are joined by CRLF. `HeaderForms` makes each form of each field at most once.

Raises     nothing
Not here   the body (checks.dkim.body_hash); what a signature says (checks.dkim.signature)
"""

from collections.abc import Iterable, Iterator
from typing import Final

from mailvet.checks.dkim.body_hash import Canon
from mailvet.checks.dkim.white_space import collapse_white_space
from mailvet.message import Field, Headers

_LONGEST_SHORT_VALUE: Final = 1000  # octets; up to this length it is quicker to go from run to run


def simple_field(field: Field) -> bytes:
    """Return the simple form of a field: unchanged, with CRLF at the end (RFC 6376 §3.4.1)."""
    name, value = field
    if b"\n" in value:
        if b"\r" in value:
            value = value.replace(b"\r\n", b"\n")
        value = value.replace(b"\n", b"\r\n")
    return b"%b:%b\r\n" % (name, value)


def relaxed_field(field: Field) -> bytes:
    """Return the relaxed form of a field: name in lower case, `relaxed_value`, CRLF at the end (RFC 6376 §3.4.2)."""
    name, value = field
    return b"%b:%b\r\n" % (name.rstrip(b" \t").lower(), relaxed_value(value))


def relaxed_value(value: bytes) -> bytes:
    """Return a value unfolded, with each run of white space as one space and none at the ends (RFC 6376 §3.4.2)."""
    if b"\n" in value:
        if b"\r" in value:
            value = value.replace(b"\r\n", b"")
        value = value.replace(b"\n", b"")
    if len(value) > _LONGEST_SHORT_VALUE:
        return collapse_white_space(value).strip(b" ")
    if b"\t" in value:
        value = value.replace(b"\t", b" ")
    if b"  " in value:
        value = b" ".join([part for part in value.split(b" ") if part])
    return value.strip(b" ")


class HeaderForms:
    """The canonical forms of one message's header fields, each made when it is first needed."""

    __slots__ = ("_made", "headers")

    def __init__(self, headers: Headers) -> None:
        self.headers = headers
        self._made: dict[tuple[Canon, int], bytes] = {}

    def form(self, canon: Canon, position: int) -> bytes:
        """Return the canonical form of the field at this position, with CRLF."""
        key = (canon, position)
        made = self._made.get(key)
        if made is None:
            field = self.headers.fields[position]
            made = self._made[key] = simple_field(field) if canon is Canon.SIMPLE else relaxed_field(field)
        return made

    def selected(self, names: Iterable[bytes], own: int) -> Iterator[int]:
        """Yield the positions of the fields that an h= names, in its order, but never `own`, the signature itself.

        RFC 6376 §5.4.2: each further occurrence of a name means the next field of that name, from the bottom up; a
        name without a field left means the null string.
        """
        by_name = self.headers.by_name
        used: dict[bytes, int] = {}
        for name in names:
            positions = by_name.get(name)
            if not positions:
                continue
            at = used.get(name, len(positions)) - 1
            if at >= 0 and positions[at] == own:
                at -= 1
            used[name] = at
            if at >= 0:
                yield positions[at]

    def signed(self, canon: Canon, names: Iterable[bytes], own: int) -> bytes:
        """Return the canonical forms of all `selected` fields, joined."""
        return b"".join([self.form(canon, position) for position in self.selected(names, own)])


def without_signature(canon: Canon, field: Field, tag: bytes = b"b") -> bytes:
    """Return the canonical form of a signature field with an empty b= and without CRLF (RFC 6376 §3.7)."""
    emptied = Field(field.name, _empty_tag(field.value, tag))
    form = simple_field(emptied) if canon is Canon.SIMPLE else relaxed_field(emptied)
    return form[:-2]


def _empty_tag(value: bytes, tag: bytes) -> bytes:
    """Delete what stands after the tag's "=", white space included, up to the next semicolon."""
    parts = value.split(b";")
    for number, part in enumerate(parts):
        name, equals, _ = part.partition(b"=")
        if equals and name.strip(b" \t\r\n") == tag:
            parts[number] = name + equals
            break
    return b";".join(parts)
