"""compatibility – a text in Unicode's compatibility forms (NFKC, NFKD; UAX #15), in time linear in the text.

`unicodedata.normalize` takes quadratic time for a long run of combining marks, since it moves each mark singly to its
place, so runs are sorted here first. And one character may become eighteen, so those are replaced by a space.

Raises     nothing
Not here   what is looked for in the text (syntax.readings, header.disguise)
"""

import re
import unicodedata
from itertools import groupby
from typing import Final

_MOST_MARKS: Final = 30  # in a row; no meaningful text has more (UAX #15 §13)
_LONGEST_FORM: Final = 4  # characters that one may become, unless some of them are ASCII
# characters that are not combining marks, but become some: Tibetan two-part vowels, half-width voiced sound marks
_BECOME_MARKS: Final = {
    char: unicodedata.normalize("NFKD", chr(char)) for char in (0xF73, 0xF75, 0xF81, 0xFF9E, 0xFF9F)
}


def _is_long(char: str) -> bool:
    """Return whether the character becomes more than a few characters, none of them ASCII."""
    if not unicodedata.decomposition(char):
        return False
    text = unicodedata.normalize("NFKD", char)
    return len(text) > _LONGEST_FORM and not text.encode("ascii", "ignore").strip()


_ALL: Final = [chr(code) for code in range(0x300, 0x10000)]
_LONG: Final = re.compile(f"[{''.join(filter(_is_long, _ALL))}]")
# `re` is quick with a character class that has few ranges beyond U+FFFF, and in searching for one that is not repeated
_MARKS: Final = "".join([*filter(unicodedata.combining, _ALL), *map(chr, _BECOME_MARKS)])
_CROWD: Final = re.compile(f"[{_MARKS}][{_MARKS}]{{{_MOST_MARKS},}}")
_RUN: Final = re.compile("[{0}][{0}]{{{1},}}".format(_MARKS + "\U00010000-\U0001ffff", _MOST_MARKS))


def forms(text: str) -> tuple[str, ...]:
    """Return the text in NFKC and NFKD, with IDNA's ideographic full stops as dots; nothing if it is ASCII."""
    if text.isascii():
        return ()
    text = _RUN.sub(_sorted, _LONG.sub(" ", text))
    return tuple(unicodedata.normalize(form, text).replace("\u3002", ".") for form in ("NFKC", "NFKD"))


def crowded(text: str) -> bool:
    """Return whether there are more combining marks in a row than any meaningful text has."""
    return not text.isascii() and _CROWD.search(text) is not None


def _sorted(run: re.Match[str]) -> str:
    """Sort each run of combining marks by combining class, as `unicodedata.normalize` would."""
    runs = groupby(run[0].translate(_BECOME_MARKS), lambda char: unicodedata.combining(char) > 0)
    return "".join(["".join(sorted(chars, key=unicodedata.combining) if marks else chars) for marks, chars in runs])
