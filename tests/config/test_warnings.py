"""Warnings: what is valid and hardly meant, with what to write instead; compared with Postfix's own networks."""

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
from mailvet.settings import Settings

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
def test_what_is_hardly_meant_is_a_warning_with_what_to_write(text: str, key: str, part: str) -> None:
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
def test_a_name_that_filters_cannot_rely_on_is_a_warning(name: str, better: str) -> None:
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
def test_what_is_in_order_is_no_warning(text: str) -> None:
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
def test_a_network_of_postfix_that_is_not_trusted_is_named(mynetworks: str, missing: str) -> None:
    assert f"trust.networks: add {missing}: " in warned('[policy]\nmode = "enforce"', mynetworks)[0]


@pytest.mark.parametrize(
    "trust",
    [
        pytest.param('networks = ["10.0.0.0/8"]', id="a wider network"),
        pytest.param('networks = ["10.1.0.0/17", "10.1.128.0/17"]', id="two halves"),
        pytest.param('relays = ["10.1.0.0/16"]', id="a relay of ours"),
    ],
)
def test_a_network_of_postfix_that_is_covered_is_not_named(trust: str) -> None:
    assert warned(f"[trust]\n{trust}", "10.1.0.0/16") == []


@pytest.mark.parametrize("table", ["cidr:/etc/postfix/nets", "/etc/postfix/nets", "hash:/etc/postfix/nets"])
def test_a_table_in_mynetworks_is_not_read_and_said_to_be_so(table: str) -> None:
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
def test_what_is_not_compared_is_named_as_a_whole(entries: str, named: str) -> None:
    assert warned("", f"{POSTFIX} {entries}") == [
        f"trust.networks: Postfix's mynetworks also names {named}, which mailvet does not read: compare it yourself"
    ]


@pytest.mark.parametrize("network", ["0.0.0.0/0", "128.0.0.0/1", "[::]/0", "[2002::]/16"])
def test_a_network_of_postfix_that_is_too_wide_is_no_advice(network: str) -> None:
    (warning,) = warned("", f"{POSTFIX} {network}")
    assert "add" not in warning
    assert "narrow it in Postfix's main.cf" in warning


@given(st.text(alphabet="0123456789.:/[]!,abcdef {}", max_size=60))
def test_any_mynetworks_gives_warnings(text: str) -> None:
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


def test_warnings_name_file_line_and_key_and_the_exit_status_stays_0(tmp_path: Path) -> None:
    (tmp_path / "mailvet.toml").write_text(f'{FULL}[trust]\n\nnetworks = ["0.0.0.0/0"]\n[dns]\nbudget = "1s"\n')
    done = config_check(tmp_path / "mailvet.toml", **postfix(tmp_path, "mynetworks = 192.0.2.0/24\n"))
    lines = done.stdout.splitlines()
    assert [line.partition(": ")[2].split(": ")[:2] for line in lines[:2]] == [
        [f"{tmp_path}/mailvet.toml:4", "trust.networks"],
        [f"{tmp_path}/mailvet.toml:6", "dns.budget"],
    ]
    assert lines[2:] == [f"{tmp_path}/mailvet.toml: fine, with 2 warnings"]
    assert (done.returncode, done.stderr) == (0, "")


def test_config_check_asks_postfix_for_its_networks_and_expands_their_names(tmp_path: Path) -> None:
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
def test_a_postconf_that_does_not_answer_is_no_trouble(tmp_path: Path, script: str) -> None:
    (tmp_path / "mailvet.toml").write_text(FULL)
    (tmp_path / "postconf").write_text(f"#!/bin/sh\n{script}\n")
    (tmp_path / "postconf").chmod(0o755)
    done = config_check(tmp_path / "mailvet.toml", PATH=f"{tmp_path}:{os.environ['PATH']}")
    assert (done.stdout, done.stderr, done.returncode) == (f"{tmp_path}/mailvet.toml: fine\n", "", 0)


def test_the_daemon_logs_warnings_at_start_and_at_reload() -> None:
    with scratch() as directory, Daemon(Path(directory), "warned", "127.0.0.1:9", WIDE) as daemon:
        until(lambda: daemon.log.count("event=config") == 1)
        daemon.reload("0.0.0.0/0", "0.0.0.0/1")
        until(lambda: daemon.log.count("event=config") == 2)
        first, second = [line for line in daemon.log.splitlines() if "event=config" in line]
    assert " warning event=config problem=" in first
    assert "warned.toml:15: trust.networks: " in first
    assert "0.0.0.0/1" in second
