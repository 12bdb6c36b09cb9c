"""config – `mailvet config check` and `mailvet config show`: what is wrong in the configuration, and what is in force.

Raises     nothing
Not here   reading the configuration (config.load), which the command line has done before
"""

import dataclasses
import json
from pathlib import Path
from typing import Any

from mailvet.config import durations, load
from mailvet.settings import Settings
from mailvet.values import Written


def check(settings: Settings, file: Path | None) -> str:
    """Return the warnings, and a line that says whether the file is fine. A file with mistakes does not come here."""
    exists = file or load.DEFAULT_PATH.exists()  # a file that was named has been read
    found = load.doubtful(settings, file)
    warned = "".join(f"warning: {warning}\n" for warning in found)
    state = "fine" if exists else "not there: all defaults"
    counted = f", with {len(found)} warning{'s' if len(found) > 1 else ''}" if found else ""
    return f"{warned}{file or load.DEFAULT_PATH}: {state}{counted}\n"


def show(settings: Settings, *, as_json: bool) -> str:
    """Return the values in force, as mailvet.toml would say them or as JSON; durations in seconds."""
    values = _texts(settings)
    return json.dumps(values, indent=2) + "\n" if as_json else "\n".join(_toml(values)) + "\n"


def _texts(value: Any) -> Any:
    """Return sections as dicts, and addresses, networks and sockets as the texts that the file has."""
    if dataclasses.is_dataclass(value):
        return {field.name: _texts(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, Written):
        return value.text
    return tuple(map(_texts, value)) if isinstance(value, tuple) else value


def _toml(table: dict[str, object], at: str = "") -> list[str]:
    plain = {key: value for key, value in table.items() if not isinstance(value, dict) and value is not None}
    lines = [f"{key} = {_value(value)}" for key, value in plain.items()]
    for key, value in table.items():
        if isinstance(value, dict):
            section = f"{at}.{key}" if at else key
            lines += ["", f"[{section}]", *_toml(value, section)]
    return lines


def _value(value: object) -> str:
    if isinstance(value, float):
        return f'"{durations.in_seconds(value)}"'
    # in TOML, no escape stands for half a character, and DEL has to have one
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
