"""The filter recipes in conf/ act on mailvet's own field, and on nothing else.

Sieve runs in Dovecot's own interpreter. Thunderbird's and Roundcube's conditions are read from the tables people copy
and tried as those programs do: each condition alone, on all fields of the name, unfolded.
"""

import os
import re
import shutil
import subprocess
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import pytest

from lab import world
from lab.daemon import scratch
from lab.letter import Letter
from lab.mail_system import Lab
from lab.paths import REPO
from mailvet.checks.breach import eligibility as breach
from mailvet.header.auth_results import format_value
from mailvet.verdict import (
    BreachResult,
    BreachVerdict,
    DkimResult,
    DkimVerdict,
    DmarcResult,
    DmarcVerdict,
    Policy,
    Report,
    SpfIdentity,
    SpfResult,
    SpfVerdict,
)

CONF = REPO / "conf"
ME = "mx.example.org"
OTHER = "mx.other.example"


def report(result: DmarcResult, published: Policy | None, requested: Policy, problem: str = "") -> Report:
    spf = SpfVerdict(result=SpfResult.FAIL, identity=SpfIdentity.MAILFROM, domain="attack.example")
    dkim = DkimVerdict(result=DkimResult.FAIL, domain="attack.example", problem="the body was changed")
    author = "" if result is DmarcResult.PERMERROR else "accounts-of-the.bank.example"
    dmarc = DmarcVerdict(result=result, author_domain=author, published=published, requested=requested, problem=problem)
    return Report(spf=spf, dkim=(dkim,), dmarc=dmarc, remote_ip="203.0.113.66")


def ours(*arguments: object, name: str = ME) -> str:
    return format_value(report(*arguments), name)  # type: ignore[arg-type]


FAIL, PERM = DmarcResult.FAIL, DmarcResult.PERMERROR
REJECT, QUARANTINE, NONE = Policy.REJECT, Policy.QUARANTINE, Policy.NONE

# What the field is agreed to look like, whoever words it
AGREED = (
    f" {ME};\n iprev=pass policy.iprev=203.0.113.7;\n spf=fail (matched -all) smtp.mailfrom=example.com;\n dkim=none;\n"
    f" arc=none smtp.remote-ip=203.0.113.7;\n dmarc=fail ({ME}, p:reject) header.from=bank.example policy.dmarc=reject"
)
BAD: Mapping[str, list[str]] = {
    "the field as agreed": [AGREED],
    "permerror as agreed": [f" {ME};\n dkim=none;\n dmarc=permerror ({ME}, 2 From fields)"],
    "p=reject": [ours(FAIL, REJECT, REJECT)],
    "p=quarantine": [ours(FAIL, QUARANTINE, QUARANTINE)],
    "p=reject; t=y": [ours(FAIL, REJECT, QUARANTINE)],
    "permerror": [ours(PERM, None, NONE, "2 From fields")],
    "permerror without a reason": [ours(PERM, None, NONE)],
    "below a field of another host that passed": [f" {OTHER}; dmarc=pass header.from=bank.example", AGREED],
    "above one": [AGREED, f" {OTHER}; dmarc=pass header.from=bank.example"],
    "a long reason": [ours(FAIL, REJECT, REJECT, "no signature of this domain, and SPF for another domain altogether")],
}
GOOD: Mapping[str, list[str]] = {
    "no field": [],
    "pass": [ours(DmarcResult.PASS, REJECT, NONE)],
    "none": [ours(DmarcResult.NONE, None, NONE)],
    "temperror": [ours(DmarcResult.TEMPERROR, None, NONE, "_dmarc.bank.example: SERVFAIL")],
    "p=none": [ours(FAIL, NONE, NONE)],
    "p=none as agreed": [f" {ME};\n dkim=none;\n dmarc=fail (p:none) header.from=x.example policy.dmarc=none"],
    "p=quarantine; t=y": [ours(FAIL, QUARANTINE, NONE)],
    "another host's p=reject": [ours(FAIL, REJECT, REJECT, name=OTHER)],
    "another host's permerror": [ours(PERM, None, NONE, name=OTHER)],
    "ours passed, another host's failed": [
        ours(DmarcResult.PASS, REJECT, NONE), ours(FAIL, REJECT, REJECT, name=OTHER)
    ],
    "ours failed with p=none, another host's with p=reject": [
        ours(FAIL, NONE, NONE), ours(FAIL, REJECT, REJECT, name=OTHER)
    ],
    "a name that ends in ours": [ours(FAIL, REJECT, REJECT, name=f"evil-{ME}")],
    "a name that begins with ours": [ours(FAIL, REJECT, REJECT, name=f"{ME}.evil.example")],
    "a name that looks like ours": [ours(FAIL, REJECT, REJECT, name="mx-example.org")],
    "ours as a property of another host's": [f" {OTHER}; dmarc=fail header.from={ME}; policy.dmarc=reject"],
    "ours as a reason of another host's": [f' {OTHER}; dmarc=fail reason="{ME}; dmarc" policy.dmarc=reject'],
    "our DKIM failed": [f" {ME};\n dkim=fail;\n dmarc=pass (p:reject) header.from=bank.example policy.dmarc=none"],
    "trusted": [f" {ME}; none"],
}  # fmt: skip
EVERY = pytest.mark.parametrize(
    ("fields", "junk"),
    [pytest.param(fields, True, id=name) for name, fields in BAD.items()]
    + [pytest.param(fields, False, id=name) for name, fields in GOOD.items()],
)
SCRIPTS = pytest.mark.parametrize("script", ["dmarc.sieve", "dmarc-matches.sieve"])

Recipe = Callable[[Iterable[str]], bool]


def message(fields: Iterable[str], name: str = "Authentication-Results") -> bytes:
    top = "".join(f"{name}:{field}\n" for field in fields).replace("\n", "\r\n").encode()
    return top + world.letter("<a@bank.example>")


def sieve(script: str, mail: bytes) -> str:
    """What Dovecot would do with the message, in its own words."""
    if shutil.which("sieve-test") is None:
        pytest.skip("dovecot-sieve is not installed")
    # it refuses root
    nobody: dict[str, Any] = {"user": 65534, "group": 65534, "extra_groups": []} if os.geteuid() == 0 else {}
    with scratch() as name:
        directory = Path(name)
        directory.chmod(0o777)  # what is compiled is stored beside the script
        (directory / "script.sieve").write_text(script)
        (directory / "message").write_bytes(mail)
        command = ["sieve-test", str(directory / "script.sieve"), str(directory / "message")]
        done: subprocess.CompletedProcess[str] = subprocess.run(
            command, check=False, capture_output=True, text=True, timeout=60, **nobody
        )
    assert done.returncode == 0, done.stderr
    assert "Performed actions:" in done.stdout
    return done.stdout


def conditions(page: Path) -> list[tuple[str, str, str]]:
    """Field, operator and value of each row of the table."""
    rows = re.findall(r"^\| ([\w-]+) \| ([a-z ]+) \| `(.+)` \|$", page.read_text("utf-8"), re.MULTILINE)
    assert rows
    return rows


def unfolded(fields: Iterable[str]) -> list[str]:
    """As Thunderbird joins lines: without the white space at both ends, by one blank."""
    return [" ".join(line.strip() for line in field.split("\n")) for field in fields]


def thunderbird(page: Path) -> Recipe:
    """Match any: each condition is sought in every field of the name, in any case."""
    rows = conditions(page)
    assert {operator for _, operator, _ in rows} == {"contains"}
    return lambda fields: any(value.lower() in field.lower() for _, _, value in rows for field in unfolded(fields))


def roundcube(page: Path) -> str:
    """The Sieve script that its filter editor writes for the table."""
    tests = []
    for field, operator, value in conditions(page):
        assert operator == "matches expression"
        tests.append(f'header :matches "{field.lower()}" "{value}"')
    return 'require ["fileinto"];\nif anyof (' + ", ".join(tests) + ')\n{\n\tfileinto "Junk";\n}\n'


@SCRIPTS
@EVERY
def test_sieve_files_what_our_field_condemns(script: str, fields: list[str], junk: bool) -> None:
    said = sieve((CONF / "sieve" / script).read_text(), message(fields))
    assert ("store message in folder: Junk" in said) == junk
    assert ("store message in folder: INBOX" in said) != junk


@EVERY
def test_roundcube_files_what_our_field_condemns(fields: list[str], junk: bool) -> None:
    said = sieve(roundcube(CONF / "roundcube.md"), message(fields))
    assert ("store message in folder: Junk" in said) == junk


@EVERY
def test_thunderbird_tags_what_our_field_condemns(fields: list[str], junk: bool) -> None:
    assert thunderbird(CONF / "thunderbird.md")(fields) == junk


def test_who_writes_our_words_into_a_field_of_another_name_harms_his_own_message_alone() -> None:
    """Sieve looks at our field only. Thunderbird cannot, so docs/conformance.md says what it takes for ours."""
    quoted = [f" {OTHER}; dmarc=fail ({ME}, p:reject) header.from=x.example", ours(DmarcResult.PASS, REJECT, NONE)]
    assert thunderbird(CONF / "thunderbird.md")(quoted)
    assert thunderbird(CONF / "thunderbird.md")(quoted[1:]) is False
    for script in ("dmarc.sieve", "dmarc-matches.sieve"):
        assert "INBOX" in sieve((CONF / "sieve" / script).read_text(), message(quoted))


@pytest.mark.parametrize("name", [ME, "a-very-long-name-for-a-host." * 6 + ME], ids=["short", "long"])
@pytest.mark.parametrize(
    "field", [(FAIL, REJECT, REJECT), (PERM, None, NONE, "2 From fields")], ids=["fail", "permerror"]
)
def test_what_thunderbird_seeks_is_not_folded(name: str, field: tuple[object, ...]) -> None:
    values = [value.replace(ME, name) for _, _, value in conditions(CONF / "thunderbird.md")]
    assert any(value in ours(*field, name=name) for value in values)


TWO_AUTHORS = b"From: <a@signed.example>\r\n" + world.letter("<service@bank.example>")
FORGED = b"Authentication-Results: mx.example.org; dmarc=pass header.from=bank.example policy.dmarc=none\r\n"
FOREIGN = f"Authentication-Results:{ours(FAIL, REJECT, REJECT, name=OTHER)}\r\n".replace("\n ", "\r\n ").encode()


@pytest.mark.parametrize(
    ("sender", "mail", "address", "junk"),
    [
        pytest.param("a@bank.example", FORGED + world.letter("<a@bank.example>"), world.STRANGER, True, id="a spoof"),
        pytest.param("a@shop.example", world.letter("<a@shop.example>"), world.STRANGER, True, id="p=quarantine"),
        pytest.param("a@signed.example", TWO_AUTHORS, world.HOST, True, id="two authors"),
        pytest.param("a@signed.example", world.letter("<a@signed.example>"), world.HOST, False, id="SPF passes"),
        pytest.param(
            "a@signed.example", FOREIGN + world.letter("<a@signed.example>"), world.HOST, False, id="failed elsewhere"
        ),
        pytest.param("a@quiet.example", world.letter("<a@quiet.example>"), world.HOST, False, id="no policy"),
    ],
)
def test_recipes_act_on_what_a_recipient_got(lab: Lab, sender: str, mail: bytes, address: str, junk: bool) -> None:
    letter: Letter = lab.letter(lab.send("mark", mail_from=sender, message=mail, address=address))
    for script in ("dmarc.sieve", "dmarc-matches.sieve"):
        said = sieve((CONF / "sieve" / script).read_text(), letter.raw)
        assert ("store message in folder: Junk" in said) == junk
    fields = [
        field.partition(b":")[2].decode().replace("\r\n", "\n") for field in letter.named("Authentication-Results")
    ]
    assert thunderbird(CONF / "thunderbird.md")(fields) == junk


LISTED = breach.format_value(
    BreachVerdict(
        result=BreachResult.LISTED, source="haveibeenpwned.com", newest="2026-05", classes=("passwords",),
        checked="2026-11-23",
    ),
    ME,
)  # fmt: skip
NOT_OURS = LISTED.replace(ME, OTHER)
FLAGS = pytest.mark.parametrize(
    ("fields", "flagged"),
    [
        pytest.param([LISTED], True, id="ours"),
        pytest.param([NOT_OURS], False, id="another host's"),
        pytest.param([f" {OTHER}; note={ME}; result=none"], False, id="our name elsewhere"),
        pytest.param([LISTED.replace("listed", "unknown")], False, id="not listed"),
        pytest.param([], False, id="none"),
    ],
)


@FLAGS
def test_sieve_flags_a_sender_in_a_breach(fields: list[str], flagged: bool) -> None:
    said = sieve((CONF / "breach" / "notice.sieve").read_text(), message(fields, "Sender-Breach-Info"))
    assert ("$SenderBreached" in said) == flagged
    assert "store message in folder: INBOX" in said


@FLAGS
def test_thunderbird_and_roundcube_flag_a_sender_in_a_breach(fields: list[str], flagged: bool) -> None:
    assert thunderbird(CONF / "breach" / "thunderbird.md")(fields) == flagged
    pattern = re.search(r"preg_match\('/(.+)/', \$field", (CONF / "breach" / "roundcube.md").read_text("utf-8"))
    assert pattern
    found = [re.search(pattern[1], field) for field in unfolded(fields)]
    assert [match[1] for match in found if match] == (["2026-05"] if flagged else [])
