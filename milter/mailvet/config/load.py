"""load – mailvet.toml → `Settings`, or every mistake at once; what is valid and hardly meant, as warnings.

Each mistake names the file, the line, the key and, where a known one is near, what was probably meant.
An empty file is valid. Durations are written "2s", "500ms", "7d".

Raises     ConfigError, carrying all mistakes
Not here   what the settings mean; their defaults (settings)
"""

import dataclasses
import difflib
import json
import re
import socket
import tomllib
import typing
from pathlib import Path
from typing import Any, NamedTuple

from pydantic import TypeAdapter, ValidationError

from mailvet.config import postconf
from mailvet.config.rules import Key, contradictions
from mailvet.config.warnings import warnings
from mailvet.settings import Seconds, Settings

DEFAULT_PATH = Path("/etc/mailvet/mailvet.toml")
_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_DURATION = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)")
_ADAPTER = TypeAdapter(Settings)


class Mistake(NamedTuple):
    file: str
    line: int  # 1-based; 0 where no line is to blame
    key: str
    text: str

    def __str__(self) -> str:
        where = f"{self.file}:{self.line}" if self.line else self.file
        return f"{where}: {self.key}: {self.text}" if self.key else f"{where}: {self.text}"


class ConfigError(Exception):
    """Start-up is not possible; `mistakes` says why, all of it."""

    def __init__(self, mistakes: list[Mistake]) -> None:
        super().__init__("\n".join(map(str, mistakes)))
        self.mistakes = mistakes


def load(path: Path | None) -> Settings:
    """Read the file; without a path the default one, whose absence means all defaults."""
    file = path or DEFAULT_PATH
    try:
        text = file.read_text("utf-8-sig")  # some editors begin with a byte order mark
    except FileNotFoundError as e:
        if path is None:
            return parse("", str(file))
        raise ConfigError([Mistake(str(file), 0, "", "no such file")]) from e
    except (OSError, UnicodeDecodeError) as e:
        raise ConfigError([Mistake(str(file), 0, "", f"cannot be read: {e}")]) from e
    return parse(text, str(file))


def parse(text: str, file: str) -> Settings:
    """The settings that this text means. Raises ConfigError."""
    try:
        raw = tomllib.loads(text)
    except (ValueError, RecursionError) as e:  # beside TOMLDecodeError: a number of 5000 digits
        line = re.search(r"line (\d+)", str(e))
        raise ConfigError([Mistake(file, int(line[1]) if line else 0, "", str(e))]) from e
    lines = _lines(text)
    problems: list[tuple[Key, str]] = []
    known = _walk(raw, Settings, (), problems)
    settings = _validate(known, problems)
    problems += contradictions(settings)
    if problems:
        raise ConfigError(sorted((_mistake(file, lines, *p) for p in problems), key=lambda m: m.line))
    return settings if settings.authserv_id else dataclasses.replace(settings, authserv_id=_host_name())


def doubtful(settings: Settings, path: Path | None) -> list[Mistake]:
    """What is valid in the file that gave these settings, and probably not meant; compared with this host's Postfix."""
    file = path or DEFAULT_PATH
    try:
        lines = _lines(file.read_text("utf-8-sig"))
    except (OSError, UnicodeDecodeError):
        lines = {}  # there is none, or it was changed since
    found = [_mistake(str(file), lines, *warning) for warning in warnings(settings, postconf.mynetworks())]
    return sorted(found, key=lambda warning: warning.line)


def _validate(known: dict[str, Any], problems: list[tuple[Key, str]]) -> Settings:
    """The settings; a value of the wrong type is a problem, and left out so that the others are checked too."""
    try:
        return _checked(known)
    except ValidationError as e:
        for error in e.errors():
            key = tuple(str(part) for part in error["loc"])
            problems.append((key, f"{error['msg'][:1].lower()}{error['msg'][1:]}, not {error['input']!r}"))
            _drop(known, key)
        return _checked(known)


def _checked(known: dict[str, Any]) -> Settings:
    """As JSON, since pydantic is strict there ("yes" is no boolean), but takes a list where we want a tuple."""
    return _ADAPTER.validate_json(json.dumps(known, default=str), strict=True)


def _drop(known: dict[str, Any], key: Key) -> None:
    for name in key:
        inner = known.get(name)
        if not isinstance(inner, dict):
            known.pop(name, None)
            return
        known = inner


def _walk(raw: dict[str, Any], kind: type, at: Key, problems: list[tuple[Key, str]]) -> dict[str, Any]:
    """The known part of a table with durations as seconds; what is unknown or no duration is a problem."""
    hints = typing.get_type_hints(kind, include_extras=True)
    known: dict[str, Any] = {}
    for key, value in raw.items():
        here = (*at, key)
        hint = hints.get(key)
        if hint is None:
            problems.append((here, _unknown(key, list(hints), isinstance(value, dict))))
        elif isinstance(hint, type) and dataclasses.is_dataclass(hint):
            if isinstance(value, dict):
                known[key] = _walk(value, hint, here, problems)
            else:
                problems.append((here, f"is a table: write [{'.'.join(here)}]"))
        elif hint is Seconds:
            seconds = _seconds(value)
            if seconds is None:
                problems.append((here, f'a duration such as "2s", "500ms" or "7d" is needed, not {value!r}'))
            else:
                known[key] = seconds
        else:
            known[key] = value
    return known


def _seconds(value: object) -> float | None:
    match = _DURATION.fullmatch(value) if isinstance(value, str) else None
    return float(match[1]) * _UNITS[match[2]] if match else None


def _unknown(key: str, names: list[str], table: bool) -> str:
    near = difflib.get_close_matches(key, names, 1, 0.6)
    return f"unknown {'section' if table else 'key'}" + (f'; did you mean "{near[0]}"?' if near else "")


def _mistake(file: str, lines: dict[Key, int], key: Key, text: str) -> Mistake:
    known = next((key[:n] for n in range(len(key), 0, -1) if key[:n] in lines), ())
    return Mistake(file, lines.get(known, 0), ".".join(key), text)


def _lines(text: str) -> dict[Key, int]:
    """On which line each key and section of a valid TOML text stands (first mention)."""
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


def _host_name() -> str:
    return socket.getfqdn() or "localhost"
