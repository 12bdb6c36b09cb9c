"""The shipped configuration is the documentation: it names every key, and its defaults are the defaults. So are the
pieces of it that the pages show."""

import dataclasses
import re
import tomllib

import pytest

from lab.paths import REPO
from mailvet.config import load as config
from mailvet.settings import Settings

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


def keys(table: dict, at: str = "") -> set[str]:
    found = set()
    for key, value in table.items():
        found |= keys(value, f"{at}{key}.") if isinstance(value, dict) else {at + key}
    return found


def uncommented() -> str:
    return re.sub(r"^#(\w+ = )", r"\1", CONF.read_text("utf-8"), flags=re.MULTILINE)


def test_it_is_valid_as_it_is_shipped():
    assert config.parse(CONF.read_text("utf-8"), "mailvet.toml").milter == Settings().milter


def test_it_shows_every_key_there_is():
    assert keys(tomllib.loads(uncommented())) == keys(dataclasses.asdict(Settings()))


def test_the_values_it_shows_are_the_defaults():
    shown = keys(tomllib.loads(uncommented())) - NO_DEFAULT
    parsed, defaults = dataclasses.asdict(config.parse(uncommented(), "mailvet.toml")), dataclasses.asdict(Settings())

    def at(values: dict, key: str):
        for part in key.split("."):
            values = values[part]
        return values

    assert {key: at(parsed, key) for key in shown} == {key: at(defaults, key) for key in shown}


@pytest.mark.parametrize("piece", PIECES)
def test_what_a_page_shows_is_a_configuration(piece: str):
    assert config.parse(piece, "mailvet.toml") != config.parse("", "mailvet.toml")


def test_the_pages_show_pieces():
    assert len(PIECES) > 3
