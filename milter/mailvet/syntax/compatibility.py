"""compatibility – a text under Unicode's compatibility (UAX #15), in linear time whatever the text is.

`unicodedata.normalize` sorts a run of combining marks by moving each past those it belongs before, one by one, so a
run is sorted here first; and one character may become eighteen.

Raises     nothing
Not here   what is looked for in the text (readings, disguise)
"""

import re
import unicodedata
from itertools import groupby
from typing import Final

_MOST_MARKS: Final = 30  # UAX #15 §13: no text that means anything has more of them in a row
_LONGEST: Final = 4  # characters that one may become, unless some of them are ASCII
# characters that are no marks, but become some: Tibetan vowels of two parts, half-width voiced sound marks
_BECOME_MARKS: Final = {
    char: unicodedata.normalize("NFKD", chr(char)) for char in (0xF73, 0xF75, 0xF81, 0xFF9E, 0xFF9F)
}


def _is_long(char: str) -> bool:
    if not unicodedata.decomposition(char):
        return False
    text = unicodedata.normalize("NFKD", char)
    return len(text) > _LONGEST and not text.encode("ascii", "ignore").strip()


_ALL: Final = [chr(code) for code in range(0x300, 0x10000)]
_LONG: Final = re.compile(f"[{''.join(filter(_is_long, _ALL))}]")
# `re` looks up a class quickly if it has few ranges beyond U+FFFF, and searches for one if it is not repeated
_LOW: Final = "".join([*filter(unicodedata.combining, _ALL), *map(chr, _BECOME_MARKS)])
_CROWD: Final = re.compile(f"[{_LOW}][{_LOW}]{{{_MOST_MARKS},}}")
_RUN: Final = re.compile("[{0}][{0}]{{{1},}}".format(_LOW + "\U00010000-\U0001ffff", _MOST_MARKS))


def forms(text: str) -> tuple[str, ...]:
    """The text under NFKC and NFKD, with IDNA's ideographic full stops as dots; nothing where it is ASCII."""
    if text.isascii():
        return ()
    text = _RUN.sub(_sorted, _LONG.sub(" ", text))
    return tuple(unicodedata.normalize(form, text).replace("\u3002", ".") for form in ("NFKC", "NFKD"))


def crowded(text: str) -> bool:
    """Are there more marks in a row than any text has?"""
    return not text.isascii() and _CROWD.search(text) is not None


def _sorted(run: re.Match[str]) -> str:
    runs = groupby(run[0].translate(_BECOME_MARKS), lambda char: unicodedata.combining(char) > 0)
    return "".join(["".join(sorted(chars, key=unicodedata.combining) if marks else chars) for marks, chars in runs])
