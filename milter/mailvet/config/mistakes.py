"""mistakes – what is wrong in mailvet.toml, with the line where it stands.

Raises     nothing
Not here   finding mistakes (config.load, config.rules, config.warnings)
"""

import re
from typing import NamedTuple

from mailvet.text import loggable

Key = tuple[str, ...]  # ("dns", "timeout")


class Mistake(NamedTuple):
    """One mistake in the configuration, for people: "FILE:LINE: KEY: TEXT"."""

    file: str
    line: int  # 1-based; 0 where no line is to blame
    key: str
    text: str

    def __str__(self) -> str:
        where = f"{self.file}:{self.line}" if self.line else self.file
        return f"{where}: {self.key}: {self.text}" if self.key else f"{where}: {self.text}"


def locate(file: str, lines: dict[Key, int], problems: list[tuple[Key, str]]) -> list[Mistake]:
    """Return a mistake for each problem, in the order of the lines."""
    found = [Mistake(file, _line(lines, key), loggable(".".join(key)), text) for key, text in problems]
    return sorted(found, key=lambda mistake: mistake.line)


def _line(lines: dict[Key, int], key: Key) -> int:
    """Return the line of a key, or of the section that it stands in."""
    return next((lines[key[:n]] for n in range(len(key), 0, -1) if key[:n] in lines), lines.get((), 0))


def lines_of(text: str) -> dict[Key, int]:
    """Return the line on which each key and section of a valid TOML text is first mentioned."""
    found: dict[Key, int] = {}
    section: Key = ()
    for number, line in enumerate(text.splitlines(), 1):
        head = re.match(r"\s*\[\[?\s*([^\]]+?)\s*\]", line)
        pair = re.match(r"""\s*((?:[\w-]+|"[^"]*"|'[^']*')(?:\s*\.\s*(?:[\w-]+|"[^"]*"|'[^']*'))*)\s*=""", line)
        if head:
            section = _dotted(head[1])
            found.setdefault(section, number)
        elif pair:
            found.setdefault((*section, *_dotted(pair[1])), number)
    return found


def _dotted(key: str) -> Key:
    return tuple(part.strip().strip("\"'") for part in key.split("."))
