"""The shipped configuration is the documentation: it names every key, and its defaults, units, ranges and choices are
those of the settings. So are the pieces of it that the pages show."""

import dataclasses
import re
import tomllib
import types
import typing
from enum import Enum
from typing import Any, Literal, NamedTuple

import pytest

from lab.paths import REPO
from mailvet.config import durations, load as config
from mailvet.settings import Between, Settings, Unit

ROOT = REPO
CONF = ROOT / "conf" / "mailvet.toml"
PIECES = [
    pytest.param(piece, id=f"{page.name}, {number}")
    for page in sorted([ROOT / "README.md", *ROOT.glob("docs/*.md"), *ROOT.glob("conf/**/*.md")])
    for number, piece in enumerate(
        re.findall(r"^```toml\n(.*?)^```$", page.read_text("utf-8"), re.MULTILINE | re.DOTALL)
    )
]
NO_DEFAULT = {"authserv_id", "policy.on.arc_override"}  # shown with an example


def keys(table: dict[str, Any], at: str = "") -> set[str]:
    found = set()
    for key, value in table.items():
        found |= keys(value, f"{at}{key}.") if isinstance(value, dict) else {at + key}
    return found


def uncommented() -> str:
    return re.sub(r"^#(\w+ = )", r"\1", CONF.read_text("utf-8"), flags=re.MULTILINE)


def at(values: Any, key: str) -> Any:
    for part in key.split("."):
        values = values[part] if isinstance(values, dict) else getattr(values, part)
    return values


def test_it_is_valid_as_it_is_shipped() -> None:
    assert config.parse(CONF.read_text("utf-8"), "mailvet.toml").milter == Settings().milter


def test_it_shows_every_key_there_is() -> None:
    assert keys(tomllib.loads(uncommented())) == keys(dataclasses.asdict(Settings()))


def test_the_values_it_shows_are_the_defaults() -> None:
    shown = keys(tomllib.loads(uncommented())) - NO_DEFAULT
    parsed, defaults = config.parse(uncommented(), "mailvet.toml"), Settings()
    assert {key: at(parsed, key) for key in shown} == {key: at(defaults, key) for key in shown}


class Shown(NamedTuple):
    key: str
    sentence: str  # the comment above the key; a key without one shares that of the key before
    heading: str  # the comment at the top of its section, if it is not that of the first key
    value: Any


def shown() -> list[Shown]:
    """Every key of the file with what the file says about it."""
    found: list[Shown] = []
    section, heading, sentence, fresh = "", "", "", False
    values = tomllib.loads(uncommented())
    for line in CONF.read_text("utf-8").splitlines():
        if match := re.match(r"\[(.+)\]", line):
            section, heading, sentence, fresh = f"{match[1]}.", "", "", False
        elif match := re.match(r"#?(\w+) = ", line):
            found.append(Shown(section + match[1], sentence, heading, at(values, section + match[1])))
            fresh = False
        elif line.startswith("# "):
            heading = heading or line
            sentence = f"{sentence} {line[2:]}" if fresh else line[2:]
            fresh = True
    return found


def hint_of(key: str) -> Any:
    *sections, name = key.split(".")
    section = at(Settings(), ".".join(sections)) if sections else Settings()
    return typing.get_type_hints(type(section), include_extras=True)[name]


def choices(hint: Any) -> list[str]:
    """The words that a key takes, where there are few."""
    if typing.get_origin(hint) is types.UnionType or typing.get_origin(hint) is typing.Union:
        return [word for part in typing.get_args(hint) for word in choices(part)]
    if typing.get_origin(hint) is Literal:
        return list(typing.get_args(hint))
    return [str(word.value) for word in hint] if isinstance(hint, type) and issubclass(hint, Enum) else []


EACH_KEY = pytest.mark.parametrize("line", shown(), ids=lambda line: line.key)


@EACH_KEY
def test_a_range_that_it_states_is_the_range(line: Shown) -> None:
    """ "at most 50", "under 1024 bits never": where a sentence is about several keys, one of them has it."""
    ranges = [
        between
        for other in shown()
        if other.sentence == line.sentence
        for between in getattr(hint_of(other.key), "__metadata__", ())
        if isinstance(between, Between)
    ]
    for number in re.findall(r"\bat most ([\d_]+)", line.sentence):
        assert int(number) in {between.high for between in ranges}
    for number in re.findall(r"\b(?:at least|under) ([\d_]+)", line.sentence):
        assert int(number) in {between.low for between in ranges}
    for low, high in re.findall(r"\bbetween ([\d_]+) and ([\d_]+)", line.sentence):
        assert (int(low), int(high)) in ranges


@EACH_KEY
def test_a_unit_that_it_states_is_the_unit(line: Shown) -> None:
    units = {unit for unit in getattr(hint_of(line.key), "__metadata__", ()) if isinstance(unit, Unit)}
    assert (Unit.SECONDS in units) == (isinstance(line.value, str) and bool(durations.read(line.value)))
    named = line.key.endswith("_bytes") or line.sentence.startswith("octets ")
    assert (Unit.OCTETS in units) == named


@EACH_KEY
def test_the_words_that_a_key_takes_are_named_above_it(line: Shown) -> None:
    words = choices(hint_of(line.key))
    assert [word for word in words if not re.search(rf"\b{word}\b", f"{line.heading} {line.sentence}")] == []


@EACH_KEY
def test_numbers_have_a_range(line: Shown) -> None:
    metadata = getattr(hint_of(line.key), "__metadata__", ())
    assert any(isinstance(item, Between) for item in metadata) == (type(at(Settings(), line.key)) in (int, float))


def test_every_default_is_in_its_range() -> None:
    assert config.parse("", "mailvet.toml")


@pytest.mark.parametrize("piece", PIECES)
def test_what_a_page_shows_is_a_configuration(piece: str) -> None:
    assert config.parse(piece, "mailvet.toml") != config.parse("", "mailvet.toml")


def test_the_pages_show_pieces() -> None:
    assert len(PIECES) > 3
