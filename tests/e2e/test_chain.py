"""mailvet beside an OpenDKIM, as docs/postfix.md says: before one that signs, behind one that verifies."""

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab import world
from lab.letter import Letter
from lab.mail_system import Lab
from lab.postfix import Postfix
from lab.smtp import Client
from lab.wait import until

FORGED = b"Authentication-Results: mx.example.org; dmarc=pass header.from=signed.example\r\n"
_CONFIG = """
Mode {mode}
Domain signed.example
Selector s1
KeyFile {directory}/key.pem
RequireSafeKeys no
Socket local:{directory}/{name}.sock
PidFile {directory}/{name}.pid
UMask 000
InternalHosts {inside}
AuthservID mx.example.org
"""


def chain(lab: Lab, *milters: str) -> str:
    ours = f"{{ unix:{lab.directory}/mark.sock, default_action=tempfail }}"
    named = [ours if milter == "mailvet" else f"unix:{lab.directory}/{milter}.sock" for milter in milters]
    return f"-o {{ smtpd_milters = {' '.join(named)} }}"


@pytest.fixture(scope="module")
def postfix(lab: Lab) -> Iterator[Postfix]:
    program = shutil.which("opendkim", path="/usr/sbin:/usr/bin")
    if program is None:
        pytest.skip("OpenDKIM is not installed")
    key = lab.directory / "key.pem"
    key.write_bytes(world.key()[0])
    processes = []
    try:
        for name, mode, more in (("s", "s", ""), ("sv", "sv", ""), ("keeping", "sv", "KeepAuthResults yes\n")):
            config = lab.directory / f"opendkim-{name}.conf"
            text = _CONFIG.format(name=name, mode=mode, directory=lab.directory, inside=world.HOST)
            config.write_text(text + more)
            processes.append(subprocess.Popen([program, "-f", "-x", str(config)]))
            until((lab.directory / f"{name}.sock").exists)
        options = {
            "mailvet, signer": chain(lab, "mailvet", "s"),
            "verifier, mailvet": chain(lab, "sv", "mailvet"),
            "mailvet, verifier": chain(lab, "mailvet", "sv"),
            "mailvet, keeping": chain(lab, "mailvet", "keeping"),
        }
        with Postfix(dict.fromkeys(options, Path("/")), lab.mailbox.port, options) as running:
            yield running
    finally:
        for process in processes:
            process.terminate()
            process.wait(20)


def letter(lab: Lab, postfix: Postfix, port: str, address: str) -> Letter:
    recipient = lab.recipient()
    with Client(postfix.ports[port], address=address) as client:
        reply = client.send("a@signed.example", recipient, FORGED + world.letter("<a@signed.example>"))
    assert reply.code == 250, reply
    return Letter(lab.mailbox.take(recipient))


@pytest.mark.parametrize(
    ("port", "address", "signed"),
    [
        pytest.param("mailvet, signer", world.STRANGER, False, id="mailvet before a signer, mail from outside"),
        pytest.param("mailvet, signer", world.HOST, True, id="mailvet before a signer, mail it signs"),
        pytest.param("verifier, mailvet", world.STRANGER, False, id="mailvet behind a verifier"),
    ],
)
def test_there_is_one_field_of_our_name_and_it_is_ours(
    lab: Lab, postfix: Postfix, port: str, address: str, signed: bool
) -> None:
    got = letter(lab, postfix, port, address)
    (ours,) = got.named("Authentication-Results")
    assert b"dmarc=" + (b"pass" if address == world.HOST else b"fail") in ours
    assert bool(got.named("DKIM-Signature")) == signed


def test_a_verifier_of_the_same_name_behind_mailvet_removes_its_field(lab: Lab, postfix: Postfix) -> None:
    """The reason why `Mode s` is asked for. Once this fails, the page may say less."""
    assert letter(lab, postfix, "mailvet, verifier", world.STRANGER).named("Authentication-Results") == []


def test_a_verifier_that_keeps_results_leaves_our_field(lab: Lab, postfix: Postfix) -> None:
    """docs/postfix.md's way without a gap: `KeepAuthResults yes` until OpenDMARC is gone."""
    fields = letter(lab, postfix, "mailvet, keeping", world.STRANGER).named("Authentication-Results")
    assert [b"dmarc=fail" in field for field in fields].count(True) == 1
    assert not any(b"dmarc=pass" in field for field in fields)  # the forged one
