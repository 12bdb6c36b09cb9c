"""punycode – one label as Punycode (RFC 3492), given up as soon as it is too long for a label.

Python's codec gives the same, but takes quadratic time: 170 ms for a label of 1,000 characters, which any sender may
write, and 0.7 ms for one of 60.

Raises     nothing
Not here   which labels may be encoded at all, and in what form (syntax.domain)
"""

from typing import Final

_BASE, _TMIN, _TMAX, _SKEW, _DAMP = 36, 1, 26, 38, 700  # RFC 3492 §5
_INITIAL_BIAS, _INITIAL_N = 72, 128
_DIGITS: Final = "abcdefghijklmnopqrstuvwxyz0123456789"


def encode(label: str, most: int) -> str | None:
    """Return the label in Punycode (RFC 3492 §6.3); None: it would take over `most` characters."""
    points = [ord(char) for char in label]
    plain = [char for char in label if char.isascii()]
    if len(points) > most:  # each takes one at least
        return None
    found = [*plain, "-"] if plain else []
    done = len(plain)
    bias, delta, first, last = _INITIAL_BIAS, 0, True, _INITIAL_N
    for point in sorted({each for each in points if each >= _INITIAL_N}):
        delta += (point - last) * (done + 1)
        for each in points:
            if each < point:
                delta += 1
            elif each == point:
                found += _number(delta, bias)
                done += 1
                bias, delta, first = _adapted(delta, done, first), 0, False
        if len(found) > most:
            return None
        delta, last = delta + 1, point + 1
    return "".join(found)


def _number(delta: int, bias: int) -> list[str]:
    """Return the digits of a generalised variable-length integer (RFC 3492 §3.3)."""
    digits: list[str] = []
    k = _BASE
    while True:
        threshold = min(max(k - bias, _TMIN), _TMAX)
        if delta < threshold:
            return [*digits, _DIGITS[delta]]
        delta, digit = divmod(delta - threshold, _BASE - threshold)
        digits.append(_DIGITS[threshold + digit])
        k += _BASE


def _adapted(delta: int, done: int, first: bool) -> int:
    """Return the next bias (RFC 3492 §6.1)."""
    delta = delta // _DAMP if first else delta // 2
    delta += delta // done
    k = 0
    while delta > (_BASE - _TMIN) * _TMAX // 2:
        delta //= _BASE - _TMIN
        k += _BASE
    return k + (_BASE - _TMIN + 1) * delta // (delta + _SKEW)
