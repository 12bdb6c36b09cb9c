"""white_space – collapse runs of white space into one space, for the relaxed forms (RFC 6376 §3.4.2, §3.4.4).

Going from run to run takes 15 to 25 ns for each run, a run may be two octets, and the sender chooses how many there
are. So a text is treated as one large little-endian number, on which `^`, `&`, `+` and shifts work on all octets at
once. Time depends on the length alone, 3.5 ns per octet, and only texts with tabs or double spaces take it.

For that the octets are exchanged: white space gets the highest values, and what had those gets the values of white
space. Tab and space become the same octet, so one value is free, and stands for "to be deleted".

Raises     nothing
Not here   which octets are passed in together (checks.dkim.body_hash, checks.dkim.header_forms)
"""

from functools import lru_cache
from typing import Final, NamedTuple

# space 0xff, CR 0xfe, LF 0xfd: the high bit, and two bits that tell them apart; 0x7f, a space without its high bit, is
# _DELETED
_EXCHANGED: Final = bytes.maketrans(b" \t\r\n\xff\xfe\xfd\x7f", b"\xff\xff\xfe\xfd \r\n\t")
_RESTORED: Final = bytes.maketrans(b"\xff\xfe\xfd \r\n\t", b" \r\n\xff\xfe\xfd\x7f")
_DELETED: Final = b"\x7f"
_SLACK: Final = 64  # octets: a chunk, with what was held back before it, is a little longer than a power of two
_LARGEST_CACHED_BITS: Final = 14  # numbers of up to 2 ** 14 octets are cached


class _Every(NamedTuple):
    """Numbers with the same octet at every place; they may have more places than the text."""

    low: int  # 0x7f
    high: int  # 0x80
    three: int  # 0x03


def collapse_white_space(text: bytes) -> bytes:
    """Return the text with each run of tabs and spaces as one space, and with none before CRLF."""
    if b"\t" not in text and b"  " not in text:
        return text.replace(b" \r\n", b"\r\n")
    bits = max(len(text) - _SLACK - 1, 0).bit_length()
    every = (_every if bits <= _LARGEST_CACHED_BITS else _every.__wrapped__)(bits)
    number = int.from_bytes(text.translate(_EXCHANGED), "little")
    # 0x80 at each place of white space: only there is the high bit set, and 3 more of the low seven bits carry into it
    white = (number & every.low) + every.three & number & every.high
    first, second = white & number << 7, white & number << 6  # 0x80 where the lowest, and the second, bit is set
    spaces = first & second
    cr, lf = second ^ spaces, first ^ spaces
    surplus = spaces & (spaces | cr & lf >> 8) >> 8  # a space before another, or before CRLF
    return (number ^ surplus).to_bytes(len(text), "little").translate(_RESTORED, _DELETED)


@lru_cache(maxsize=_LARGEST_CACHED_BITS + 1)
def _every(bits: int) -> _Every:
    one = int.from_bytes(b"\1" * ((1 << bits) + _SLACK), "little")
    return _Every(one * 0x7F, one * 0x80, one * 0x03)
