"""white_space – runs of white space made one space, as the relaxed forms want it (RFC 6376 §3.4.2, §3.4.4).

Work done run by run costs what the sender likes: 15 to 25 ns for each run, and a run may be two octets. So a text is
taken as one large number, little end first, on which `^`, `&`, `+` and shifts work at all octets at once. Time
depends on the length alone, 3.5 ns an octet, and only texts with tabs or double blanks take it.

For that the octets are renamed: white space comes to the top, and what was there takes its place. Two white
spaces become one, so one name is left over, and stands for "to be deleted".

Raises     nothing
Not here   which octets belong together (checks.dkim.body_hash, canonical)
"""

from functools import lru_cache
from typing import Final, NamedTuple

# blank 0xff, CR 0xfe, LF 0xfd: the high bit, and two bits that tell them apart. Without it a blank is _DELETED.
_RENAMED: Final = bytes.maketrans(b" \t\r\n\xff\xfe\xfd\x7f", b"\xff\xff\xfe\xfd \r\n\t")
_RESTORED: Final = bytes.maketrans(b"\xff\xfe\xfd \r\n\t", b" \r\n\xff\xfe\xfd\x7f")
_DELETED: Final = b"\x7f"
_SLACK: Final = 64  # a chunk and what was held back before it is a little more than a power of two
_KEPT: Final = 14  # numbers of up to 2 ** 14 octets are kept


class _Every(NamedTuple):
    """The same octet at every place; more places than the text has do no harm."""

    low: int  # 0x7f
    high: int  # 0x80
    three: int  # 0x03


def squeezed(text: bytes) -> bytes:
    """Tabs as spaces, runs of them as one, none before CRLF."""
    if b"\t" not in text and b"  " not in text:
        return text.replace(b" \r\n", b"\r\n")
    bits = max(len(text) - _SLACK - 1, 0).bit_length()
    every = (_every if bits <= _KEPT else _every.__wrapped__)(bits)
    number = int.from_bytes(text.translate(_RENAMED), "little")
    # 0x80 at each place of white space: only there 3 carries the low seven bits into the high one, which is set
    white = (number & every.low) + every.three & number & every.high
    first, second = white & number << 7, white & number << 6  # likewise, by the lowest two bits
    blanks = first & second
    cr, lf = second ^ blanks, first ^ blanks
    surplus = blanks & (blanks | cr & lf >> 8) >> 8  # followed by another, or by CRLF
    return (number ^ surplus).to_bytes(len(text), "little").translate(_RESTORED, _DELETED)


@lru_cache(maxsize=_KEPT + 1)
def _every(bits: int) -> _Every:
    one = int.from_bytes(b"\1" * ((1 << bits) + _SLACK), "little")
    return _Every(one * 0x7F, one * 0x80, one * 0x03)
