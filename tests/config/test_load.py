"""config: every mistake at once, each where it stands; durations; defaults."""

from pathlib import Path

import pytest
from hypothesis import given, strategies as st

from mailvet.config import load as config
from mailvet.config.mistakes import Mistake
from mailvet.outcome import Action
from mailvet.settings import Mode, Settings
from mailvet.syntax import endpoint


def mistakes(text: str) -> list[str]:
    with pytest.raises(config.ConfigError) as caught:
        config.parse(text, "mailvet.toml")
    return [str(mistake) for mistake in caught.value.mistakes]


def test_an_empty_file_is_valid_and_gives_the_defaults() -> None:
    settings = config.parse("", "mailvet.toml")
    assert settings.authserv_id
    assert settings.milter == Settings().milter
    assert settings.policy.mode is Mode.MARK


def test_every_mistake_is_reported_at_once_with_its_line() -> None:
    text = """authserv_id = "two words"
[dns]
timout = "2s"
timeout = 3
nameservers = ["1.2.3", "127.0.0.1:5353"]
[polcy]
[policy]
mode = "enforced"
[policy.on]
temperror = "reject"
[milter]
workers = "two"
listen = "8899"
"""
    found = mistakes(text)
    assert [line.split(": ")[0] + " " + line.split(": ")[1] for line in found] == [
        "mailvet.toml:1 authserv_id",
        "mailvet.toml:3 dns.timout",
        "mailvet.toml:4 dns.timeout",
        "mailvet.toml:5 dns.nameservers",
        "mailvet.toml:6 polcy",
        "mailvet.toml:8 policy.mode",
        "mailvet.toml:10 policy.on.temperror",
        "mailvet.toml:12 milter.workers",
        "mailvet.toml:13 milter.listen",
    ]
    assert 'did you mean "timeout"?' in found[1]
    assert 'unknown section; did you mean "policy"?' in found[4]


@pytest.mark.parametrize(
    ("text", "part"),
    [
        pytest.param("a == 1", "mailvet.toml:1", id="not TOML, with its line"),
        pytest.param('"a\\nb" = 1', "mailvet.toml: a\\nb: unknown key", id="a key with a line end, which is escaped"),
        pytest.param('dns = "x"', "is a table: write [dns]", id="a value where a table belongs"),
        pytest.param('[trust]\nnetworks = ["10.0.0.1/8"]', "has host bits set", id="a network with host bits"),
        pytest.param('[trust]\nsealers = ["a b"]', "is not a domain", id="a sealer that is not a domain"),
        pytest.param("[limits]\narc_sets = 51", "between 1 and 50", id="RFC 8617 §4.2.1: more than 50 sets"),
        pytest.param("[limits]\nrsa_min_bits = 512", "between 1024", id="RFC 8301 §3.2: keys under 1024 bits"),
        pytest.param('[dns]\nbudget = "1 s"', "a duration", id="a blank in a duration"),
        pytest.param('[dns]\nbudget = "１s"', "a duration", id="a digit that is not ASCII in a duration"),
        pytest.param(f'[dns]\nbudget = "{"9" * 400}s"', "a duration", id="a duration that is not finite"),
        pytest.param('[breach]\nkeep_min = "0s"', "between 1h and 30d, not 0s", id="a duration below its range"),
        pytest.param('[dns]\ntimeout = "5m"', "between 50ms and 1m, not 5m", id="a duration above its range"),
        pytest.param('[dns]\nbudget = "1h"', "between", id="a budget longer than Postfix waits"),
        pytest.param('[metrics]\nlisten = "127.0.0.1"', "9899", id="metrics without a port"),
        pytest.param('[metrics]\nlisten = "127.0.0.1:0"', "9899", id="metrics at port 0"),
        pytest.param('[metrics]\nlisten = "127.0.0.1:９８９９"', "9899", id="a port in digits that are not ASCII"),
        pytest.param('[dns]\nnameservers = ["127.0.0.1:0"]', "127.0.0.1:5353", id="a name server at port 0"),
        pytest.param('[dns]\nnameservers = ["[::1]:0"]', "127.0.0.1:5353", id="an IPv6 name server at port 0"),
        pytest.param('[milter]\nlisten = "inet:99999@127.0.0.1"', "inet:8899", id="a port above 65535"),
        pytest.param(f'[milter]\nlisten = "unix:/{"a" * 107}"', "107 octets", id="a path too long for a socket"),
        pytest.param("a = " + "[" * 100_000, "recursion", id="nested without end"),
        pytest.param('[dns]\nnameservers = "127.0.0.1"', "valid array", id="one value where a list belongs"),
        pytest.param('[milter]\nworkers = "4"', "valid integer, not '4'", id="a number in quotes"),
        pytest.param("[milter]\nworkers = true", "valid integer", id="a number that is a truth value"),
        pytest.param('[log]\nlocal_parts = "no"', "valid boolean", id="a truth value in quotes"),
        pytest.param("[milter]\nworkers = 1979-05-27", "valid integer", id="a date"),
        pytest.param("[milter]\nworkers = {a = 1}", "valid integer", id="a table where a number belongs"),
        pytest.param("[milter]\nworkers = 1e400", "integer", id="a number that is not finite"),
        pytest.param("[milter]\nworkers = " + "1" * 5000, "mailvet.toml", id="a number of 5000 digits"),
        pytest.param('[breach]\nexclude = [" a@b.example"]', "without the blanks", id="a blank before an address"),
        pytest.param('[breach]\nexclude = ["a@b.example\\t"]', "without the blanks", id="a tab behind an address"),
        pytest.param('[breach]\nexclude = ["b.example "]', "without the blanks", id="a blank behind a domain"),
        pytest.param('[breach]\nown_domains = [" b.example"]', "is not a domain", id="a blank before a domain of ours"),
        pytest.param("[milter]\nworkers = " + "9" * 400, "between 0 and 256, not 9999", id="a number of 400 digits"),
        pytest.param('[log]\nlevel = "loud"', "'debug', 'info'", id="an unknown log level"),
    ],
)
def test_a_mistake_says_what_would_be_right(text: str, part: str) -> None:
    assert part in "\n".join(mistakes(text))


@pytest.mark.parametrize(
    ("text", "seconds"), [("500ms", 0.5), ("2s", 2.0), ("1.5s", 1.5), ("2m", 120.0)], ids=lambda value: str(value)
)
def test_durations(text: str, seconds: float) -> None:
    assert config.parse(f'[dns]\nbudget = "{text}"', "x").dns.budget == seconds


def test_actions_per_result() -> None:
    on = config.parse('[policy.on]\ndmarc_reject = "reject"\ntemperror = "tempfail"', "x").policy.on
    assert (on.dmarc_reject, on.temperror) == (Action.REJECT, Action.TEMPFAIL)


def test_a_missing_file_that_was_named_is_a_mistake_but_the_default_file_may_be_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(config.ConfigError, match="no such file"):
        config.load(tmp_path / "none.toml")
    monkeypatch.setattr(config, "DEFAULT_PATH", tmp_path / "none.toml")
    assert config.load(None).milter == Settings().milter


def test_an_unreadable_file_is_a_mistake(tmp_path: Path) -> None:
    (tmp_path / "latin.toml").write_bytes(b"authserv_id = '\xff'")
    with pytest.raises(config.ConfigError, match="cannot be read"):
        config.load(tmp_path / "latin.toml")


def test_a_byte_order_mark_is_no_mistake(tmp_path: Path) -> None:
    (tmp_path / "mailvet.toml").write_text('authserv_id = "mx.example.org"', "utf-8-sig")
    assert config.load(tmp_path / "mailvet.toml").authserv_id == "mx.example.org"


@given(st.text(max_size=200))
def test_any_text_gives_settings_or_mistakes(text: str) -> None:
    try:
        outcome: Settings | list[Mistake] = config.parse(text, "x")
    except config.ConfigError as e:
        outcome = e.mistakes
    assert outcome


@pytest.mark.parametrize("key", ["networks", "relays"])
@pytest.mark.parametrize(
    ("network", "part"),
    [
        ("fe80::1%eth0", "leave out %eth0"),
        ("fe80::%eth0/64", "leave out %eth0/64"),
        ("::ffff:0:0/95", "all of IPv4"),
        ("::ffff:192.0.2.0/24", "all of IPv4"),
        ("::ffff:192.0.2.1/120", "has host bits set"),
        ("::ffff:192.0.2.0/129", "does not appear to be"),
        ("192.0.2.0/33", "does not appear to be"),
        ("", "does not appear to be"),
    ],
)
def test_a_network_that_would_match_nobody_or_too_many(key: str, network: str, part: str) -> None:
    (found,) = mistakes(f'[trust]\n{key} = ["{network}"]')
    assert f"trust.{key}" in found
    assert part in found


@pytest.mark.parametrize("server", ["::1:53", "fd00::1:5353", "fd00::a:1:53", "fe80::1%eth0:53"])
def test_a_port_without_brackets_may_be_the_end_of_an_address(server: str) -> None:
    (found,) = mistakes(f'[dns]\nnameservers = ["{server}"]')
    address, _, port = server.rpartition(":")
    assert f'write "[{address}]:{port}" or "[{server}]"' in found


@pytest.mark.parametrize(
    ("text", "server"),
    [
        ("[::1]:53", ("::1", 53)),
        ("[::1:53]", ("::1:53", 53)),
        ("::1", ("::1", 53)),
        ("2001:db8::53", ("2001:db8::53", 53)),
        ("2001:db8:1::8888", ("2001:db8:1::8888", 53)),
        ("2001:db8:1:2:3:4:5:53", ("2001:db8:1:2:3:4:5:53", 53)),
        ("fd00::1:2", ("fd00::1:2", 53)),
        ("192.0.2.1:5353", ("192.0.2.1", 5353)),
    ],
)
def test_a_name_server_that_can_be_read_in_one_way(text: str, server: tuple[str, int]) -> None:
    assert config.parse(f'[dns]\nnameservers = ["{text}"]', "x").dns.nameservers == ((text, server),)
    assert endpoint.parse(text) == server
