"""mta – a model of what Postfix does to a header when a milter edits it, against which edits are checked.

cleanup_milter.c: a name matches in any case and without the white space before its colon; an index counts, from 1,
the fields of that name that the milter was shown (not Postfix's own Received), and counts anew after
each deletion; 0 is taken for 1; a position for insertion counts all fields. `delivered` is what happens afterwards.
"""

from collections.abc import Iterable

from mailvet.message import Headers
from mailvet.outcome import Delete, Edit

Field = tuple[bytes, bytes]
RECEIVED: Field = (b"Received", b" from client (client [192.0.2.1]) by mx.example.org")


_LIMIT = 998  # smtp_line_length_limit, lmtp_line_length_limit


def delivered(field: Field) -> Field:
    """Return the field as Postfix's SMTP and LMTP clients deliver it; local(8), virtual(8) and pipe(8) keep it.

    smtp_text_out(): a line of the field, its name and colon included, is cut behind 998 octets, and every piece
    behind a cut begins with a space, which counts.
    """
    lines = []
    for line in b":".join(field).split(b"\n"):
        left, space = line, b""
        while len(space + left) > _LIMIT:
            lines.append((space + left)[:_LIMIT])
            left, space = (space + left)[_LIMIT:], b" "
        lines.append(space + left)
    name, _, value = b"\n".join(lines).partition(b":")
    return name, value


class PostfixHeaders:
    def __init__(self, fields: Iterable[Field]) -> None:
        self.all = [RECEIVED, *fields]
        self._hidden = self.all[0]

    def shown(self) -> Headers:
        headers = Headers()
        for field in self.all:
            if field is not self._hidden:
                headers.add(*field)
        return headers

    def delete(self, name: str, index: int) -> None:
        wanted = name.encode().lower()
        same = [
            at
            for at, field in enumerate(self.all)
            if field is not self._hidden and field[0].rstrip(b" \t").lower() == wanted
        ]
        for at in same[max(index, 1) - 1 : max(index, 1)]:
            del self.all[at]

    def insert(self, position: int, name: str, value: str) -> None:
        self.all.insert(position, (name.encode(), value.encode()))

    def apply(self, edits: Iterable[Edit]) -> None:
        for edit in edits:
            if isinstance(edit, Delete):
                self.delete(edit.name, edit.index)
            else:
                self.insert(edit.index, edit.name, edit.value)


def fields(raw: bytes) -> Field:
    """Return name and value of one field as a milter is shown them; `raw` is as on the wire."""
    name, _, value = raw.replace(b"\r\n", b"\n").partition(b":")
    return name, value
