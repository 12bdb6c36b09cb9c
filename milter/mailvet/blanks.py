"""blanks – runs of white space made one space, as the relaxed forms want it (RFC 6376 §3.4.2, §3.4.4).

What is done run by run costs what the sender likes: 25 ns a run, and a run may be two octets. So a text is taken
as one large number, little end first, on which `^`, `&`, `+` and `>>` look at all octets at once. Time depends on
the length alone, 2 to 4 ns an octet, and only for texts in which there is something to do.

Raises     nothing
Not here   which octets belong together (bodyhash, canonical)
"""

from functools import lru_cache
from typing import Final, NamedTuple

_TABS: Final = bytes.maketrans(b"\t", b" ")
_FREE: Final = b"\t"  # none is left behind _TABS, so this octet can stand for "to be deleted"
_TO_FREE: Final = ord(" ") ^ ord(_FREE)
_SLACK: Final = 64  # a chunk and what was held back before it is a little more than a power of two
_KEPT: Final = 16  # numbers of up to 2 ** 16 octets are kept


class _Numbers(NamedTuple):
    """The same octet at every place."""

    low: int  # 0x7f
    high: int  # 0x80
    blank: int
    cr: int
    lf: int


def squeezed(text: bytes) -> bytes:
    """Tabs as spaces, runs of them as one, none before CRLF."""
    if b"\t" in text:
        text = text.translate(_TABS)
    if b"  " not in text and b" \r\n" not in text:
        return text
    bits = max(len(text) - _SLACK - 1, 0).bit_length()
    every = (_numbers if bits <= _KEPT else _numbers.__wrapped__)(bits)
    number = int.from_bytes(text, "little")
    blanks = _where(number ^ every.blank, every)
    ends = 0
    if b" \r\n" in text:
        ends = _where(number ^ every.cr, every) >> 8 & _where(number ^ every.lf, every) >> 16
    surplus = blanks & (blanks >> 8 | ends)  # followed by another, or by CRLF
    marked = number ^ (surplus >> 7) * _TO_FREE
    return marked.to_bytes(len(text), "little").translate(None, _FREE)


def _where(number: int, every: _Numbers) -> int:
    """0x80 at each place where `number` has a zero octet.

    A sum of two octets below 0x80 carries nothing into the next place, and has the high bit unless the first is
    zero. `number` is as long as the numbers of `every`: beyond the text it is never zero.
    """
    return (((number & every.low) + every.low) | number) & every.high ^ every.high


@lru_cache(maxsize=_KEPT + 1)
def _numbers(bits: int) -> _Numbers:
    one = int.from_bytes(b"\1" * ((1 << bits) + _SLACK), "little")
    return _Numbers(one * 0x7F, one * 0x80, one * ord(" "), one * ord("\r"), one * ord("\n"))
