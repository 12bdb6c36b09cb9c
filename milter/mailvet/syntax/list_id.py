"""list_id – the identifier of a mailing list, RFC 2919. What a sender writes there proves nothing by itself.

Raises     nothing
Not here   what an operator makes of it (policy)
"""

import re
from collections.abc import Sequence
from typing import Final

from mailvet.values import Problem

_LONGEST_ID: Final = 255  # RFC 2919 §2
_LIST_ID: Final = re.compile(
    rb"<[ \t\r\n]*+([A-Za-z0-9!#$%&'*+/=?^_`{|}~-]++(?:\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]++)++)[ \t\r\n]*+>"
)


def find(values: Sequence[bytes]) -> str | Problem | None:
    """Return the list identifier in lower case (RFC 2919 §6), from all List-Id fields; None: there is none.

    The identifier stands in the last angle brackets, at the end of the field, behind a phrase that may be anything.
    """
    if not values:
        return None
    if len(values) > 1:
        return Problem("several List-Id fields")
    value = values[0].strip()
    start = value.rfind(b"<")
    found = _LIST_ID.fullmatch(value, start) if start >= 0 else None
    if found is None or len(found[1]) > _LONGEST_ID:
        return Problem("a List-Id that cannot be read")
    return found[1].decode("ascii").lower()
