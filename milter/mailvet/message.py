"""message – the envelope and the header fields of a message, as the MTA gave them.

`Headers` keeps every field verbatim in order, with one index by lower-case name. A value is all that
stood after the colon, leading white space included, folded with "\\n" as milters see it.

Raises     nothing
Not here   any interpretation; the body, which is never kept
"""

from dataclasses import dataclass
from typing import NamedTuple

from mailvet.values import Domain


class Field(NamedTuple):
    """One header field."""

    name: bytes  # as it was spelled
    value: bytes  # " Someone <a@example.org>"; lines joined by "\n"


class Headers:
    """The header fields of one message, topmost first, and where each name occurs."""

    __slots__ = ("by_name", "fields", "scanned", "size", "worked")

    def __init__(self) -> None:
        self.fields: list[Field] = []
        self.by_name: dict[bytes, list[int]] = {}  # lower-case name -> positions in `fields`
        self.size = 0  # octets of names and values
        self.scanned: tuple[list[tuple[int, bytes]], bytes] | None = None  # kept for disguise
        self.worked = 0  # what disguise has decoded and folded of it, in octets

    def add(self, name: bytes, value: bytes) -> bytes:
        """Append a field. Return its lower-case name, without white space before the colon."""
        key = name.lower().rstrip(b" \t")
        fields = self.fields
        self.by_name.setdefault(key, []).append(len(fields))
        fields.append(Field(name, value))
        self.size += len(name) + len(value)
        return key

    def values(self, key: bytes) -> list[bytes]:
        """Return the values of all fields with this lower-case name, topmost first."""
        return [self.fields[i].value for i in self.by_name.get(key, ())]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReversePath:
    """The address of MAIL FROM, RFC 5321 §4.1.2, read once; made by `syntax.reverse_path.parse`."""

    text: str = ""  # without angle brackets; "" is the null reverse-path
    local: str = ""  # "" where there is none, and where the path cannot be read with certainty
    domain: Domain | None = None  # None: a null reverse-path, or one that cannot be read with certainty
    shown: str = ""  # its domain for a log, as written; never any of its local part


@dataclass(frozen=True, slots=True, kw_only=True)
class Envelope:
    """The SMTP envelope as received: client, HELO, MAIL FROM, login. Nothing is verified yet."""

    address: str = ""  # client address as text; "" where the MTA could not say
    host: str = ""  # its name, as the MTA found it
    helo: str = ""
    mail_from: ReversePath = ReversePath()
    login: str = ""  # {auth_authen}
