"""config: every mistake at once, each where it stands; durations; defaults; what is hardly meant, as warnings."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, strategies as st

from lab.daemon import Daemon, scratch
from lab.paths import REPO
from lab.wait import until
from mailvet.config import load as config
from mailvet.config.warnings import warnings
from mailvet.outcome import Action
from mailvet.settings import Mode, Settings
from mailvet.syntax import endpoint


def mistakes(text: str) -> list[str]:
    with pytest.raises(config.ConfigError) as caught:
        config.parse(text, "mailvet.toml")
    return [str(mistake) for mistake in caught.value.mistakes]


def test_an_empty_file_is_valid_and_gives_the_defaults():
    settings = config.parse("", "mailvet.toml")
    assert settings.authserv_id
    assert settings.milter == Settings().milter
    assert settings.policy.mode is Mode.MARK


def test_every_mistake_is_reported_at_once_with_its_line():
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
        pytest.param('dns = "x"', "is a table: write [dns]", id="a value where a table belongs"),
        pytest.param('[trust]\nnetworks = ["10.0.0.1/8"]', "has host bits set", id="a network with host bits"),
        pytest.param('[trust]\nsealers = ["a b"]', "is not a domain", id="a sealer that is no domain"),
        pytest.param("[limits]\narc_sets = 51", "between 1 and 50", id="RFC 8617 §4.2.1: more than 50 sets"),
        pytest.param("[limits]\nrsa_min_bits = 512", "between 1024", id="RFC 8301 §3.2: keys under 1024 bits"),
        pytest.param('[dns]\nbudget = "1 s"', "a duration", id="a blank in a duration"),
        pytest.param('[dns]\nbudget = "1h"', "between", id="a budget longer than Postfix waits"),
        pytest.param('[metrics]\nlisten = "127.0.0.1"', "9899", id="metrics without a port"),
        pytest.param('[milter]\nlisten = "inet:99999@127.0.0.1"', "inet:8899", id="a port that is none"),
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
        pytest.param('[log]\nlevel = "loud"', "'debug', 'info'", id="a log level that is none"),
    ],
)
def test_a_mistake_says_what_would_be_right(text, part):
    assert part in "\n".join(mistakes(text))


@pytest.mark.parametrize(
    ("text", "seconds"), [("500ms", 0.5), ("2s", 2.0), ("1.5s", 1.5), ("2m", 120.0)], ids=lambda value: str(value)
)
def test_durations(text, seconds):
    assert config.parse(f'[dns]\nbudget = "{text}"', "x").dns.budget == seconds


def test_actions_per_result():
    on = config.parse('[policy.on]\ndmarc_reject = "reject"\ntemperror = "tempfail"', "x").policy.on
    assert (on.dmarc_reject, on.temperror) == (Action.REJECT, Action.TEMPFAIL)


def test_a_missing_file_that_was_named_is_a_mistake_but_the_default_file_may_be_missing(tmp_path, monkeypatch):
    with pytest.raises(config.ConfigError, match="no such file"):
        config.load(tmp_path / "none.toml")
    monkeypatch.setattr(config, "DEFAULT_PATH", tmp_path / "none.toml")
    assert config.load(None).milter == Settings().milter


def test_an_unreadable_file_is_a_mistake(tmp_path):
    (tmp_path / "latin.toml").write_bytes(b"authserv_id = '\xff'")
    with pytest.raises(config.ConfigError, match="cannot be read"):
        config.load(tmp_path / "latin.toml")


def test_a_byte_order_mark_is_no_mistake(tmp_path):
    (tmp_path / "mailvet.toml").write_text('authserv_id = "mx.example.org"', "utf-8-sig")
    assert config.load(tmp_path / "mailvet.toml").authserv_id == "mx.example.org"


@given(st.text(max_size=200))
def test_any_text_gives_settings_or_mistakes(text):
    try:
        outcome = config.parse(text, "x")
    except config.ConfigError as e:
        outcome = e.mistakes
    assert outcome


WIDE = '[trust]\nnetworks = ["0.0.0.0/0"]\n'
POSTFIX = "127.0.0.0/8 [::ffff:127.0.0.0]/104 [::1]/128"  # Debian's mynetworks
FULL = 'authserv_id = "mx.example.org"\n'


def warned(text: str, mynetworks: str = POSTFIX) -> list[str]:
    """As key: text."""
    return [f"{'.'.join(key)}: {said}" for key, said in warnings(config.parse(FULL + text, "x"), mynetworks)]


@pytest.mark.parametrize(
    ("text", "key", "part"),
    [
        pytest.param('[trust]\nnetworks = ["0.0.0.0/0"]', "trust.networks", '"0.0.0.0/0"', id="all of IPv4 trusted"),
        pytest.param('[trust]\nnetworks = ["::/0"]', "trust.networks", '"::/0"', id="all of IPv6 trusted"),
        pytest.param('[trust]\nnetworks = ["128.0.0.0/1"]', "trust.networks", "128", id="half of IPv4 trusted"),
        pytest.param('[trust]\nnetworks = ["::ffff:0:0/96"]', "trust.networks", "96", id="all of IPv4, as IPv6"),
        pytest.param('[trust]\nrelays = ["2000::/3"]', "trust.relays", "who sent", id="everybody is our relay"),
        pytest.param('[milter]\nlisten = "inet:8899"', "milter.listen", "8899@127.0.0.1", id="no address to listen on"),
        pytest.param('[milter]\nlisten = "inet:99@0.0.0.0"', "milter.listen", "99@127.0.0.1", id="any IPv4 address"),
        pytest.param('[milter]\nlisten = "inet6:8899@::"', "milter.listen", "all addresses", id="any IPv6 address"),
        pytest.param('[milter]\nlisten = "inet:8899@0"', "milter.listen", "8899@127.0.0.1", id="0"),
        pytest.param('[milter]\nlisten = "inet:8899@0.0"', "milter.listen", "8899@127.0.0.1", id="0.0"),
        pytest.param('[milter]\nlisten = "inet:8899@0x0"', "milter.listen", "8899@127.0.0.1", id="0x0"),
        pytest.param('[milter]\nlisten = "inet:8899@00.0.0.0"', "milter.listen", "8899@127.0.0.1", id="octal"),
        pytest.param('[milter]\nlisten = "inet6:8899@[::0]"', "milter.listen", "all addresses", id="[::0]"),
        pytest.param('[milter]\nlisten = "inet6:8899@::ffff:0.0.0.0"', "milter.listen", "all addresses", id="mapped"),
        pytest.param('[trust]\nnetworks = ["64:ff9b::/96"]', "trust.networks", "all of IPv4, by NAT64", id="NAT64"),
        pytest.param('[trust]\nnetworks = ["64:ff9b::/97"]', "trust.networks", "a large part of IPv4", id="half of it"),
        pytest.param('[trust]\nrelays = ["64:ff9b::/64"]', "trust.relays", "all of IPv4, by NAT64", id="around NAT64"),
        pytest.param('[trust]\nnetworks = ["2002::/16"]', "trust.networks", "all of IPv4, by 6to4", id="6to4"),
        pytest.param('[trust]\nnetworks = ["::/16"]', "trust.networks", "all of IPv4, in its old form", id="::/16"),
        pytest.param('[trust]\nnetworks = ["::/96"]', "trust.networks", "all of IPv4, in its old form", id="::/96"),
        pytest.param('[trust]\nrelays = ["127.0.0.1"]', "trust.relays", '"127.0.0.0/8" of trust.networks', id="both"),
        pytest.param('[policy.on]\narc_override = "accept"', "policy.on.arc_override", "never acts", id="no sealer"),
        pytest.param(
            '[policy]\nmode = "enforce"\n[policy.on]\ndmarc_reject = "reject"',
            "policy.on.temperror",
            'write "tempfail"',
            id="a temperror is the way around a reject",
        ),
        pytest.param('[metrics]\nlisten = "0.0.0.0:9899"', "metrics.listen", "127.0.0.1:9899", id="metrics for all"),
        pytest.param('[metrics]\nlisten = "192.0.2.1:9"', "metrics.listen", "firewall", id="metrics, not on loopback"),
        pytest.param('[dns]\nbudget = "1s"', "dns.budget", 'write "10s"', id="budget below the timeout"),
    ],
)
def test_what_is_hardly_meant_is_a_warning_with_what_to_write(text, key, part):
    (warning,) = warned(text, "")
    assert warning.startswith(f"{key}: ")
    assert part in warning


@pytest.mark.parametrize(
    ("name", "better"),
    [
        pytest.param("mail", "mail.example.org", id="one label"),
        pytest.param("localhost", "mx.example.org", id="localhost"),
        pytest.param("MX.Example.org", '"mx.example.org"', id="capitals"),
        pytest.param("mx.example.org.", '"mx.example.org"', id="a trailing dot"),
    ],
)
def test_a_name_that_filters_cannot_rely_on_is_a_warning(name, better):
    ((key, text),) = warnings(config.parse(f'authserv_id = "{name}"', "x"))
    assert key == ("authserv_id",)
    assert better in text


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("", id="the defaults"),
        pytest.param(
            '[trust]\nnetworks = ["127.0.0.0/8", "::1", "10.0.0.0/8", "fd00::/8", "fe80::/10"]', id="own nets"
        ),
        pytest.param('[milter]\nlisten = "unix:/run/mailvet/mailvet.sock"', id="a unix socket"),
        pytest.param('[milter]\nlisten = "inet:8899@192.0.2.1"', id="one address, for a Postfix on another host"),
        pytest.param('[metrics]\nlisten = ""', id="no metrics"),
        pytest.param('[metrics]\nlisten = "[::1]:9899"', id="metrics on the other loopback"),
        pytest.param('[dns]\nbudget = "2s"', id="a budget of one question"),
        pytest.param('[milter]\nlisten = "inet:8899@localhost"', id="a name"),
        pytest.param('[milter]\nlisten = "inet:8899@127.1"', id="loopback in short"),
        pytest.param('[trust]\nrelays = ["64:ff9b::c000:201", "2002:c000:201::/48", "2001:db8::/32"]', id="relays"),
        pytest.param(
            '[trust]\nsealers = ["list.example"]\n[policy.on]\narc_override = "accept"', id="an override with a sealer"
        ),
        pytest.param(
            '[policy]\nmode = "enforce"\n[policy.on]\ndmarc_reject = "reject"\ntemperror = "quarantine"', id="held"
        ),
        pytest.param('[policy]\nmode = "quarantine"\n[policy.on]\ndmarc_reject = "reject"', id="not enforced"),
    ],
)
def test_what_is_in_order_is_no_warning(text):
    assert warned(text) == []


@pytest.mark.parametrize(
    ("mynetworks", "missing"),
    [
        pytest.param(f"{POSTFIX} 10.1.0.0/16", '"10.1.0.0/16"', id="one network too many"),
        pytest.param("192.0.2.7, [2001:db8::]/32", '"192.0.2.7/32", "2001:db8::/32"', id="an address; commas; IPv6"),
        pytest.param("[::ffff:192.0.2.0]/120", '"192.0.2.0/24"', id="IPv4 written as IPv6"),
        pytest.param("!10.9.0.1 hash:/etc/x 10.9.0.0/24", '"10.9.0.0/24"', id="an exclusion and a table beside it"),
    ],
)
def test_a_network_of_postfix_that_is_not_trusted_is_named(mynetworks, missing):
    assert f"trust.networks: add {missing}: " in warned('[policy]\nmode = "enforce"', mynetworks)[0]


@pytest.mark.parametrize(
    "trust",
    [
        pytest.param('networks = ["10.0.0.0/8"]', id="a wider network"),
        pytest.param('networks = ["10.1.0.0/17", "10.1.128.0/17"]', id="two halves"),
        pytest.param('relays = ["10.1.0.0/16"]', id="a relay of ours"),
    ],
)
def test_a_network_of_postfix_that_is_covered_is_not_named(trust):
    assert warned(f"[trust]\n{trust}", "10.1.0.0/16") == []


@pytest.mark.parametrize("table", ["cidr:/etc/postfix/nets", "/etc/postfix/nets", "hash:/etc/postfix/nets"])
def test_a_table_in_mynetworks_is_not_read_and_said_to_be_so(table):
    assert warned("", f"{POSTFIX} {table}") == [
        f"trust.networks: Postfix's mynetworks also names {table}, which mailvet does not read: compare it yourself"
    ]


@pytest.mark.parametrize(
    ("entries", "named"),
    [
        pytest.param("!192.0.2.5", "!192.0.2.5", id="an exclusion"),
        pytest.param("static:all", "static:all", id="everybody"),
        pytest.param("ldap:x mysql:x", "ldap:x, mysql:x", id="tables without a path"),
        pytest.param("inline:{ 192.0.2.5=x, {10.0.0.0/8 = y} }", "inline:{...}", id="a table in braces"),
        pytest.param("!inline:{192.0.2.5=x} static:{a", "!inline:{...}, static:{...}", id="no end"),
        pytest.param("::1/128", "::1/128", id="IPv6 without brackets"),
        pytest.param("cidr:/" + "x" * 200, "cidr:/" + "x" * 73 + "…", id="a long one"),
    ],
)
def test_what_is_not_compared_is_named_as_a_whole(entries, named):
    assert warned("", f"{POSTFIX} {entries}") == [
        f"trust.networks: Postfix's mynetworks also names {named}, which mailvet does not read: compare it yourself"
    ]


@pytest.mark.parametrize("network", ["0.0.0.0/0", "128.0.0.0/1", "[::]/0", "[2002::]/16"])
def test_a_network_of_postfix_that_is_too_wide_is_no_advice(network):
    (warning,) = warned("", f"{POSTFIX} {network}")
    assert "add" not in warning
    assert "narrow it in Postfix's main.cf" in warning


@given(st.text(alphabet="0123456789.:/[]!,abcdef {}", max_size=60))
def test_any_mynetworks_gives_warnings(text):
    assert isinstance(warnings(Settings(authserv_id="mx.example.org"), text), list)


def config_check(path: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    arguments = [sys.executable, "-m", "mailvet", "config", "check", "--config", str(path)]
    here = {**os.environ, "PYTHONPATH": str(REPO / "milter"), **environment}
    return subprocess.run(arguments, check=False, capture_output=True, text=True, env=here, timeout=60)


def postfix(directory: Path, main: str) -> dict[str, str]:
    """An environment in which `postconf` reads this main.cf."""
    (directory / "main.cf").write_text(main)
    (directory / "master.cf").write_text("")
    return {"MAIL_CONFIG": str(directory)}


def test_warnings_name_file_line_and_key_and_the_exit_status_stays_0(tmp_path):
    (tmp_path / "mailvet.toml").write_text(f'{FULL}[trust]\n\nnetworks = ["0.0.0.0/0"]\n[dns]\nbudget = "1s"\n')
    done = config_check(tmp_path / "mailvet.toml", **postfix(tmp_path, "mynetworks = 192.0.2.0/24\n"))
    lines = done.stdout.splitlines()
    assert [line.partition(": ")[2].split(": ")[:2] for line in lines[:2]] == [
        [f"{tmp_path}/mailvet.toml:4", "trust.networks"],
        [f"{tmp_path}/mailvet.toml:6", "dns.budget"],
    ]
    assert lines[2:] == [f"{tmp_path}/mailvet.toml: fine, with 2 warnings"]
    assert (done.returncode, done.stderr) == (0, "")


def test_config_check_asks_postfix_for_its_networks_and_expands_their_names(tmp_path):
    if shutil.which("postconf", path="/usr/sbin:/usr/bin") is None:
        pytest.skip("Postfix is not installed")
    (tmp_path / "mailvet.toml").write_text(FULL)
    main = "house = 10.7.0.0/16\nmynetworks = 127.0.0.0/8 [::1]/128 $house\n"
    done = config_check(tmp_path / "mailvet.toml", **postfix(tmp_path, main))
    assert 'add "10.7.0.0/16": ' in done.stdout
    assert done.returncode == 0


@pytest.mark.parametrize(
    "script",
    [
        pytest.param("exit 1", id="it fails, as without a main.cf"),
        pytest.param("kill -9 $$", id="it is killed"),
        pytest.param("printf '\\377\\376'", id="it says what is no text"),
        pytest.param("", id="it says nothing"),
    ],
)
def test_a_postconf_that_does_not_answer_is_no_trouble(tmp_path, script):
    (tmp_path / "mailvet.toml").write_text(FULL)
    (tmp_path / "postconf").write_text(f"#!/bin/sh\n{script}\n")
    (tmp_path / "postconf").chmod(0o755)
    done = config_check(tmp_path / "mailvet.toml", PATH=f"{tmp_path}:{os.environ['PATH']}")
    assert (done.stdout, done.stderr, done.returncode) == (f"{tmp_path}/mailvet.toml: fine\n", "", 0)


def test_the_daemon_logs_warnings_at_start_and_at_reload():
    with scratch() as directory, Daemon(Path(directory), "warned", "127.0.0.1:9", WIDE) as daemon:
        until(lambda: daemon.log.count("event=config") == 1)
        daemon.reload("0.0.0.0/0", "0.0.0.0/1")
        until(lambda: daemon.log.count("event=config") == 2)
        first, second = [line for line in daemon.log.splitlines() if "event=config" in line]
    assert " warning event=config problem=" in first
    assert "warned.toml:15: trust.networks: " in first
    assert "0.0.0.0/1" in second


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
def test_a_network_that_would_match_nobody_or_too_many(key, network, part):
    (found,) = mistakes(f'[trust]\n{key} = ["{network}"]')
    assert f"trust.{key}" in found
    assert part in found


@pytest.mark.parametrize("server", ["::1:53", "fd00::1:5353", "fd00::a:1:53", "fe80::1%eth0:53"])
def test_a_port_without_brackets_may_be_the_end_of_an_address(server):
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
def test_a_name_server_that_can_be_read_in_one_way(text, server):
    assert config.parse(f'[dns]\nnameservers = ["{text}"]', "x").dns.nameservers == ((text, server),)
    assert endpoint.parse(text) == server
