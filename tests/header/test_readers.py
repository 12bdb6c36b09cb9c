"""What other programs read in our field: nothing is lost, and no pass is taken for another method's fail."""

import contextlib
import dataclasses
import functools
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import authres
import pytest
from hypothesis import HealthCheck, given, settings

from lab import world
from lab.mail_system import Lab
from lab.milterclient import MilterClient
from lab.paths import REPO
from lab.readers import models
from lab.readers.models import Seen
from lab.reports import MX, REPORT, REPORTS
from mailvet import verdict as v
from mailvet.header.auth_results import format_value
from mailvet.header.auth_results_parser import parse
from mailvet.text import pvalue
from mailvet.values import Problem

HERE = REPO / "lab" / "readers"
NODE_MODULES = Path(sys.prefix) / "readers" / "node_modules"
CHECKED = REPORTS.filter(lambda report: report.auth is None)
IN_NO_TIME = settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))

Ask = Callable[[str], Any]
Read = Callable[[str], list[Seen]]


def expected(value: str) -> list[Seen]:
    """What stands in it, by RFC 8601's grammar."""
    parsed = parse(value.encode())
    assert not isinstance(parsed, Problem)
    return [Seen(result.method, result.result, dict(result.properties)) for result in parsed.results]


@contextlib.contextmanager
def running(home: Path, *command: str | Path) -> Iterator[Ask]:
    """A program that answers each line with a line."""
    environment = os.environ | {"HOME": str(home)}
    with subprocess.Popen(
        [str(word) for word in command], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment, text=True
    ) as process:
        stdin, stdout = process.stdin, process.stdout
        assert stdin is not None
        assert stdout is not None

        def ask(value: str) -> Any:
            stdin.write(json.dumps(value) + "\n")
            stdin.flush()
            return json.loads(stdout.readline())

        try:
            yield ask
        finally:
            stdin.close()


@pytest.fixture(scope="module")
def spamassassin(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ask]:
    if shutil.which("spamassassin") is None:
        pytest.skip("the Debian package spamassassin is not installed; `make test` installs it")
    with running(tmp_path_factory.mktemp("home"), "perl", HERE / "spamassassin.pl") as ask:
        yield ask


@pytest.fixture(scope="module")
def mailauth(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ask]:
    node = shutil.which("node")
    if node is None or not (NODE_MODULES / "mailauth").is_dir():
        pytest.skip("mailauth is not installed; `make test` installs it where npm is")
    with running(tmp_path_factory.mktemp("home"), node, HERE / "mailauth.js", NODE_MODULES) as ask:
        yield ask


def pairs(properties: dict[str, dict[str, str]]) -> dict[str, str]:
    return {f"{kind}.{name}": value for kind, found in properties.items() for name, value in found.items()}


def by_spamassassin(ask: Ask, value: str) -> list[Seen]:
    parsed = ask(value)["parsed"]
    return [Seen(m, said["result"], pairs(said["properties"])) for m, all_said in parsed.items() for said in all_said]


def by_mailauth(ask: Ask, value: str) -> list[Seen]:
    parsed = ask(value)
    assert parsed.pop("header") == "authentication-results"
    assert parsed.pop("value") == MX
    found = []
    for method, said in parsed.items():
        for one in said if isinstance(said, list) else [said]:
            one.pop("comment", None)
            found.append(Seen(method, one.pop("value"), pairs(one)))
    return found


def by_authres(value: str) -> list[Seen]:
    header = authres.AuthenticationResultsHeader.parse("Authentication-Results:" + value)
    assert header.authserv_id == MX
    return [
        Seen(said.method, said.result, {f"{p.type}.{p.name}": p.value for p in said.properties})
        for said in header.results
    ]


def by_dkim_verifier(value: str) -> list[Seen]:
    found = models.dkim_verifier(value)
    assert found is not None, "the field is not understood"
    return found


@pytest.fixture(params=["SpamAssassin", "mailauth", "authres", "dkim_verifier", "Roundcube", "a script"])
def read(request: pytest.FixtureRequest) -> Read:
    if request.param == "SpamAssassin":
        return functools.partial(by_spamassassin, request.getfixturevalue("spamassassin"))
    if request.param == "mailauth":
        return functools.partial(by_mailauth, request.getfixturevalue("mailauth"))
    others: dict[str, Read] = {
        "authres": by_authres,
        "dkim_verifier": by_dkim_verifier,
        "Roundcube": models.roundcube,
        "a script": models.pieces,
    }
    return others[request.param]


def same(found: list[Seen], wanted: list[Seen]) -> bool:
    """The order of a method's results counts, that of the methods does not."""
    return sorted(found, key=lambda seen: seen.method) == sorted(wanted, key=lambda seen: seen.method)


@IN_NO_TIME
@given(report=CHECKED)
def test_spamassassin_reads_all_of_it(spamassassin: Ask, report: v.Report) -> None:
    value = format_value(report, MX)
    assert same(by_spamassassin(spamassassin, value), expected(value))


@IN_NO_TIME
@given(report=CHECKED)
def test_mailauth_reads_all_of_it(mailauth: Ask, report: v.Report) -> None:
    value = format_value(report, MX)
    wanted = expected(value)
    kept = [
        said for said in wanted if said.method == "dkim" or said is [w for w in wanted if w.method == said.method][-1]
    ]
    assert same(by_mailauth(mailauth, value), kept)  # of another method with several results it keeps the last


@IN_NO_TIME
@given(report=CHECKED)
def test_authres_reads_all_of_it(report: v.Report) -> None:
    """But for what it loses: a quoted value with another property behind it, of ours an odd `header.i` at most, and
    properties of a type that it does not know, such as `dns`."""
    value = format_value(report, MX)
    wanted = []
    for said in expected(value):
        last = list(said.properties)[-1:]
        known = {name: x for name, x in said.properties.items() if not name.startswith("dns.")}
        kept = {name: x for name, x in known.items() if [name] == last or not pvalue(x).startswith('"')}
        wanted.append(said._replace(properties=kept))
    assert by_authres(value) == wanted


@IN_NO_TIME
@given(report=CHECKED)
def test_dkim_verifier_reads_all_of_it(report: v.Report) -> None:
    value = format_value(report, MX)
    assert models.dkim_verifier(value) == expected(value)


@IN_NO_TIME
@given(report=CHECKED)
def test_roundcube_reads_all_it_knows_of(report: v.Report) -> None:
    value = format_value(report, MX)
    names = ("d", "i", "mailfrom", "helo")
    wanted = [
        Seen(said.method, said.result, {k: x for k, x in said.properties.items() if k.partition(".")[2] in names})
        for said in expected(value)
        if said.method in ("spf", "dkim")
    ]
    found = [
        Seen(said.method, said.result, {name: text.strip('"') for name, text in said.properties.items()})
        for said in models.roundcube(value)
    ]
    assert found == [
        Seen(said.method, said.result, {name: text.strip('"') for name, text in said.properties.items()})
        for said in wanted
    ]


@IN_NO_TIME
@given(report=CHECKED)
def test_a_script_that_cuts_at_semicolons_finds_each_method(report: v.Report) -> None:
    value = format_value(report, MX)
    last = {said.method: said.result for said in expected(value)}
    assert {said.method: said.result for said in models.pieces(value)} == last


def test_the_models_lose_what_the_programs_lose() -> None:
    """The field as it was: two semicolons in one comment, two results for SPF, an escaped quote."""
    two = " mx.example.org; dkim=pass (2048-bit key; secure; x) header.d=a.example; spf=fail smtp.mailfrom=b.example"
    assert models.roundcube(two)[0].properties == {}
    both = " mx.example.org; spf=fail smtp.mailfrom=bank.example; spf=pass smtp.helo=mail.good.example"
    found = models.dkim_verifier(both)
    assert found is not None
    assert models.most_favourable(found, "spf") == "pass"
    assert models.pieces(both)[-1].result == "pass"


def test_another_hosts_pass_beside_a_fail_was_a_pass_to_spamassassin(spamassassin: Ask) -> None:
    both = " mx.example.org; spf=fail smtp.mailfrom=bank.example; spf=pass smtp.helo=mail.good.example"
    assert "SPF_PASS" in spamassassin(both)["hit"]


def test_another_hosts_pass_beside_a_fail_was_a_pass_to_mailauth(mailauth: Ask) -> None:
    both = " mx.example.org; spf=fail smtp.mailfrom=bank.example; spf=pass smtp.helo=mail.good.example"
    assert mailauth(both)["spf"]["value"] == "pass"


FAILED = v.SpfVerdict(
    result=v.SpfResult.FAIL, identity=v.SpfIdentity.MAILFROM, domain="bank.example", mechanism="-all", secure=False
)
STRANGER = v.SpfVerdict(result=v.SpfResult.PASS, identity=v.SpfIdentity.HELO, domain="mail.good.example")


def test_spf_fails_where_a_strangers_helo_name_passes(read: Read) -> None:
    value = format_value(dataclasses.replace(REPORT, spf=FAILED, spf_helo=STRANGER), MX)
    found = [said for said in read(value) if said.method == "spf"]
    assert found == [Seen("spf", "fail", {"smtp.mailfrom": "bank.example"})]


def test_the_null_sender_is_the_helo_name(read: Read) -> None:
    host = dataclasses.replace(STRANGER, identity=v.SpfIdentity.MAILFROM)
    value = format_value(dataclasses.replace(REPORT, spf=host, spf_helo=STRANGER, null_sender=True), MX)
    found = [said for said in read(value) if said.method == "spf"]
    assert found == [Seen("spf", "pass", {"smtp.helo": "mail.good.example"})]


def dmarc(
    result: v.DmarcResult, published: v.Policy | None = None, requested: v.Policy = v.Policy.NONE, **more: Any
) -> v.DmarcVerdict:
    return v.DmarcVerdict(
        result=result, author_domain="bank.example", published=published, requested=requested, secure=False, **more
    )


FAIL, P = v.DmarcResult.FAIL, v.Policy
DMARC = {
    "pass": dmarc(v.DmarcResult.PASS, P.REJECT),
    "refused": dmarc(FAIL, P.REJECT, P.REJECT, problem="neither SPF nor a DKIM signature passed"),
    "quarantined": dmarc(FAIL, P.QUARANTINE, P.QUARANTINE),
    "in test": dmarc(FAIL, P.QUARANTINE, P.NONE, testing=True),
    "watched": dmarc(FAIL, P.NONE),
    "without a record": dmarc(v.DmarcResult.NONE, problem="no DMARC record"),
    "not found out": dmarc(v.DmarcResult.TEMPERROR, problem="the policy could not be found (SERVFAIL; a=b)"),
    "no single author": v.DmarcVerdict(result=v.DmarcResult.PERMERROR, problem='2 "From" fields; or more'),
}
ASKED = {"refused", "quarantined"}


@pytest.mark.parametrize("case", DMARC)
def test_dmarc(read: Read, case: str) -> None:
    value = format_value(dataclasses.replace(REPORT, dmarc=DMARC[case]), MX)
    found = [said for said in read(value) if said.method == "dmarc"]
    if read is models.roundcube:
        assert found == []  # it does not know it
    else:
        domain = DMARC[case].author_domain
        assert [(said.result, said.properties.get("header.from", "")) for said in found] == [
            (DMARC[case].result.value, domain)
        ]


@pytest.mark.parametrize("case", DMARC)
def test_spamassassins_rules(spamassassin: Ask, case: str) -> None:
    value = format_value(dataclasses.replace(REPORT, dmarc=DMARC[case], spf=FAILED, spf_helo=STRANGER), MX)
    assert sorted(spamassassin(value)["hit"]) == sorted(["SPF_FAIL", f"DMARC_{DMARC[case].result.upper()}"])


@pytest.mark.parametrize("case", DMARC)
def test_a_mail_program_that_knows_only_contains_finds_what_is_asked_for(case: str) -> None:
    value = format_value(dataclasses.replace(REPORT, dmarc=DMARC[case]), MX)
    assert models.contains(value, f"dmarc=fail ({MX}, ") == (case in ASKED)
    assert models.contains(value, f"dmarc=permerror ({MX}, ") == (case == "no single author")


@pytest.mark.parametrize(
    "field",
    [
        " mx.google.com;\n       dmarc=fail (p=REJECT sp=REJECT dis=NONE) header.from=bank.example",
        " other.example; dmarc=fail (p=reject dis=none) header.from=mx.example.org",
        " other.example; spf=fail (mx.example.org: domain of a@b.example) smtp.mailfrom=b.example; dmarc=fail",
        " mx.example.org.other.example; dmarc=fail (mx.example.org.other.example, p:reject)",
        " relay.example.org; dmarc=fail (relay.example.org, p:reject) header.from=bank.example",
    ],
)
def test_a_mail_program_that_knows_only_contains_does_not_take_another_hosts_field_for_ours(field: str) -> None:
    assert not models.contains(field, f"dmarc=fail ({MX}, ")


def test_many_signatures(read: Read) -> None:
    problems = ["body hash did not verify", "t= (1; 2) \"quoted\" 'and' `more`", "x" * 300, "ünï=;;", "(((", ")))"]
    signatures = tuple(
        v.DkimVerdict(
            result=v.DkimResult.FAIL,
            domain=f"d{number}." + "a" * 60 + ".example",
            selector="s" * 60,
            identity=f"@d{number}." + "a" * 60 + ".example",
            algorithm="rsa-sha256",
            signature_prefix="aB/+c=",
            key_bits=2048,
            secure=True,
            problem=problem,
        )
        for number, problem in enumerate(problems)
    )
    value = format_value(dataclasses.replace(REPORT, dkim=signatures, dmarc=DMARC["refused"], spf=FAILED), MX)
    found = read(value)
    domains = [said.properties["header.d"] for said in found if said.method == "dkim"]
    assert domains == [signature.domain for signature in signatures][-len(domains) :]
    assert len(domains) == (1 if read is models.pieces else 6)
    assert [said.result for said in found if said.method == "spf"] == ["fail"]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Sent:
    """A message from a host of signed.example, unless it says otherwise, and what our field says of it."""

    address: str = world.HOST
    helo: bytes = b"mail.signed.example"
    sender: bytes
    author: str
    spf: str
    dmarc: str


@pytest.mark.parametrize(
    "sent",
    [
        Sent(address=world.STRANGER, sender=b"a@bank.example", author="<a@bank.example>", spf="fail", dmarc="fail"),
        Sent(sender=b"a@bank.example", author="<a@bank.example>", spf="fail", dmarc="fail"),
        Sent(sender=b"a@signed.example", author="<a@signed.example>", spf="pass", dmarc="pass"),
        Sent(helo=b"signed.example", sender=b"", author="<a@signed.example>", spf="pass", dmarc="pass"),
        Sent(sender=b"a@quiet.example", author="<a@quiet.example>", spf="none", dmarc="none"),
        Sent(sender=b"nobody", author="<a@b.example>, <c@d.example>", spf="none", dmarc="permerror"),
    ],
)
def test_fields_of_the_daemon(lab: Lab, read: Read, sent: Sent) -> None:
    with MilterClient(lab.daemons["mark"].socket) as client:
        client.connect(sent.address, helo=sent.helo)
        value = client.message(sent.sender, world.letter(sent.author)).inserted[0][2]
    found = {said.method: said.result for said in read(value)}
    assert found["spf"] == sent.spf
    assert found.get("dmarc", sent.dmarc) == sent.dmarc
    assert [said.result for said in expected(value) if said.method in ("spf", "dmarc")] == [sent.spf, sent.dmarc]
