"""load – mailvet.toml → `Settings`, or every mistake at once; what is valid and hardly meant, as warnings.

Each mistake names the file, the line, the key and, where a known key is near, what was probably meant.
An empty file is valid. Durations are written "2s", "500ms", "7d".

Raises     ConfigError, carrying all mistakes
Not here   keys, ranges and defaults (settings); what durations, addresses and sockets mean (durations, written);
           contradictions (rules)
"""

import dataclasses
import difflib
import functools
import json
import re
import socket
import tomllib
import typing
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any, TypeVar

from pydantic import TypeAdapter, ValidationError

from mailvet.config import durations, postconf, written
from mailvet.config.mistakes import Key, Mistake, lines_of, locate
from mailvet.config.rules import contradictions
from mailvet.config.warnings import warnings
from mailvet.settings import Settings, Unit
from mailvet.values import Problem, Written

S = TypeVar("S")
DEFAULT_PATH = Path("/etc/mailvet/mailvet.toml")


class ConfigError(Exception):
    """The exception of a configuration that cannot be used; `mistakes` has all that is wrong."""

    def __init__(self, mistakes: list[Mistake]) -> None:
        super().__init__("\n".join(map(str, mistakes)))
        self.mistakes = mistakes


def load(path: Path | None) -> Settings:
    """Read the file; without a path the default one, whose absence means all defaults. Raises ConfigError."""
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
    """Return the settings that this text of a file means. Raises ConfigError."""
    try:
        raw = tomllib.loads(text)
    except (ValueError, RecursionError) as e:  # beside TOMLDecodeError: a number of 5000 digits
        line = re.search(r"line (\d+)", str(e))
        raise ConfigError([Mistake(file, int(line[1]) if line else 0, "", str(e))]) from e
    problems: list[tuple[Key, str]] = []
    settings = _section(raw, Settings, (), problems)
    problems += contradictions(settings)
    if problems:
        raise ConfigError(locate(file, lines_of(text), problems))
    return settings if settings.authserv_id else dataclasses.replace(settings, authserv_id=_host_name())


def doubtful(settings: Settings, path: Path | None) -> list[Mistake]:
    """Return what is valid in the file that gave these settings, and probably not meant; compared with this host's
    Postfix."""
    return _in_file(path, warnings(settings, postconf.mynetworks()))


def unusable(settings: Settings, path: Path | None) -> list[Mistake]:
    """Return what a library says cannot work in the file that gave these settings. Mail goes on without it, so that
    `load` does not spend the time and the memory that the library takes."""
    from mailvet.store.database import url_problem  # SQLAlchemy is not for the workers

    problem = url_problem(settings.store.url)
    return _in_file(path, [] if problem is None else [(("store", "url"), problem.text)])


def _in_file(path: Path | None, problems: Iterable[tuple[Key, str]]) -> list[Mistake]:
    file = path or DEFAULT_PATH
    try:
        lines = lines_of(file.read_text("utf-8-sig"))
    except (OSError, UnicodeDecodeError):
        lines = {}  # there is none, or it was changed since
    return locate(str(file), lines, list(problems))


def _section(raw: dict[str, Any], kind: type[S], at: Key, problems: list[tuple[Key, str]]) -> S:
    """Return a table as a section of the settings. A key with a problem is left out, so that the others are checked."""
    hints = typing.get_type_hints(kind, include_extras=True)
    values: dict[str, Any] = {}
    for key, value in raw.items():
        here = (*at, key)
        hint = hints.get(key)
        if hint is None:
            problems.append((here, _unknown(key, list(hints), isinstance(value, dict))))
        elif isinstance(hint, type) and dataclasses.is_dataclass(hint):
            if isinstance(value, dict):
                values[key] = _section(value, hint, here, problems)
            else:
                problems.append((here, f"is a table: write [{'.'.join(here)}]"))
        else:
            found = _value(hint, value)
            if isinstance(found, _Wrong):
                problems += [((*here, *inside), text) for inside, text in found.problems]
            else:
                values[key] = found
    return kind(**values)


class _Wrong(typing.NamedTuple):
    """The exception of a value that cannot be used: (where inside it, text)."""

    problems: list[tuple[Key, str]]


def _value(hint: Any, value: object) -> Any:
    """Return what a value of the file means for a key of this type, or `_Wrong`."""
    if Unit.SECONDS in getattr(hint, "__metadata__", ()):
        seconds = durations.read(value) if isinstance(value, str) else None
        if seconds is None:
            return _Wrong([((), f'a duration such as "2s", "500ms" or "7d" is needed, not {value!r}')])
        return seconds
    try:
        # As JSON: there, pydantic is strict ("yes" is no boolean), and yet takes a list for a tuple, a text for an enum
        checked = _adapter(_plain(hint)).validate_json(json.dumps(value, default=str), strict=True)
    except ValidationError as e:
        return _Wrong([(tuple(map(str, error["loc"])), _text(error)) for error in e.errors()])
    kinds = typing.get_args(hint)
    if typing.get_origin(hint) is Written:
        return _meant([written.read(hint, checked)], single=True)
    if typing.get_origin(hint) is tuple and typing.get_origin(kinds[0]) is Written:
        return _meant([written.read(kinds[0], text) for text in checked])
    return checked


def _meant(found: list[Written[Any] | Problem], *, single: bool = False) -> Any:
    problems: list[tuple[Key, str]] = [((), each.text) for each in found if isinstance(each, Problem)]
    if problems:
        return _Wrong(problems)
    return found[0] if single else tuple(found)


def _plain(hint: Any) -> Any:
    """Return the type that a value has in the file: a `Written` is a text there, and a range is checked later."""
    origin = typing.get_origin(hint)
    if origin is Annotated:
        return _plain(typing.get_args(hint)[0])
    if origin is tuple:
        return tuple.__class_getitem__((_plain(typing.get_args(hint)[0]), ...))
    return str if origin is Written else hint


@functools.cache
def _adapter(kind: Any) -> TypeAdapter[Any]:
    return TypeAdapter(kind)


def _text(error: Any) -> str:
    return f"{error['msg'][:1].lower()}{error['msg'][1:]}, not {error['input']!r}"


def _unknown(key: str, names: list[str], table: bool) -> str:
    near = difflib.get_close_matches(key, names, 1, 0.6)
    return f"unknown {'section' if table else 'key'}" + (f'; did you mean "{near[0]}"?' if near else "")


def _host_name() -> str:
    return socket.getfqdn() or "localhost"
