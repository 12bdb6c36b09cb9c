"""checks.dmarc: the verdict, by RFC 9989 Appendix B, its rules, and DNS trouble at each question."""

import dataclasses
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given, strategies as st

from lab.zone import Zone
from mailvet.checks.author import Author, NoAuthor
from mailvet.checks.dmarc import check as dmarc
from mailvet.checks.dmarc.tree_walk import walk_names
from mailvet.ports import Answer, RecordType, Status, Trouble
from mailvet.values import Domain
from mailvet.verdict import (
    DkimResult,
    DkimVerdict,
    DmarcResult,
    DmarcVerdict,
    Policy,
    SpfIdentity,
    SpfResult,
    SpfVerdict,
)

PASS, FAIL, NONE = DmarcResult.PASS, DmarcResult.FAIL, DmarcResult.NONE
TEMPERROR, PERMERROR = DmarcResult.TEMPERROR, DmarcResult.PERMERROR
REJECT, QUARANTINE, NO_POLICY = Policy.REJECT, Policy.QUARANTINE, Policy.NONE
MAILFROM, HELO = SpfIdentity.MAILFROM, SpfIdentity.HELO
Records = dict[str, Any]  # by name: one TXT record as text, several, or trouble
COM: Records = {"_dmarc.example.com": "v=DMARC1; p=reject"}


def zone(records: Records, secure: bool | None = None) -> Zone:
    def data(value: Any) -> Any:
        if isinstance(value, Trouble):
            return {"TXT": value}
        return {"TXT": [text.encode() for text in ([value] if isinstance(value, str) else value)]}

    return Zone({name: data(value) for name, value in records.items()}, secure=secure)


def spf(domain: str, result: SpfResult = SpfResult.PASS, identity: SpfIdentity = MAILFROM) -> SpfVerdict:
    return SpfVerdict(result=result, identity=identity, domain=domain)


def dkim(domain: str, result: DkimResult = DkimResult.PASS, **more: Any) -> DkimVerdict:
    return DkimVerdict(result=result, domain=domain, **more)


def someone_at(domain: str) -> Author:
    return Author(domain=Domain(domain), address=f"someone@{domain}")


def judge(
    records: Records | Zone, author: str, *signatures: str | DkimVerdict, mail_from: str | SpfVerdict = ""
) -> DmarcVerdict:
    """Names are identifiers that passed; no `mail_from` is an SPF that found nothing."""
    asked = records if isinstance(records, Zone) else zone(records)
    sender = (
        mail_from if isinstance(mail_from, SpfVerdict) else spf(mail_from) if mail_from else spf("", SpfResult.NONE)
    )
    verdicts = tuple(dkim(s) if isinstance(s, str) else s for s in signatures)
    return dmarc.check(someone_at(author), sender, verdicts, asked.ask)


# ---- Appendix B ----

B43 = {
    "_dmarc.bank.example": "v=DMARC1; p=reject; psd=y",
    "_dmarc.giant.bank.example": "v=DMARC1; p=quarantine",
}
B41 = {"_dmarc.example.com": "v=DMARC1; p=reject", "_dmarc.signing.example.com": "v=DMARC1; p=none"}
DEEP = "a.b.c.d.e.f.g.h.i.j.k.example.com"


@dataclass(frozen=True, kw_only=True)
class Example:
    """A message of Appendix B, and what is said of it. Names are identifiers that passed."""

    records: Records = field(default_factory=lambda: COM)
    author: str
    mail_from: str = ""
    signatures: tuple[str, ...] = ()

    result: DmarcResult
    spf_aligned: bool = False
    dkim_aligned: tuple[str, ...] = ()


@pytest.mark.parametrize(
    "row",
    [
        pytest.param(
            Example(author="example.com", mail_from="example.com", result=PASS, spf_aligned=True), id="B.1.1 example 1"
        ),
        pytest.param(
            Example(author="example.com", mail_from="child.example.com", result=PASS, spf_aligned=True),
            id="B.1.1 example 2",
        ),
        pytest.param(Example(author="child.example.com", mail_from="example.net", result=FAIL), id="B.1.1 example 3"),
        pytest.param(
            Example(author="example.com", signatures=("example.com",), result=PASS, dkim_aligned=("example.com",)),
            id="B.1.2 example 1",
        ),
        pytest.param(
            Example(
                author="child.example.com", signatures=("example.com",), result=PASS, dkim_aligned=("example.com",)
            ),
            id="B.1.2 example 2",
        ),
        pytest.param(
            Example(author="child.example.com", signatures=("example.net",), result=FAIL), id="B.1.2 example 3"
        ),
        pytest.param(
            Example(
                records={"_dmarc.example.com": "v=DMARC1; p=reject; aspf=r; rua=mailto:dmarc-feedback@example.com"},
                author="example.com",
                mail_from="mail.example.com",
                signatures=("example.com",),
                result=PASS,
                spf_aligned=True,
                dkim_aligned=("example.com",),
            ),
            id="B.3.1 the SMTP session",
        ),
        pytest.param(
            Example(
                records=B41,
                author="example.com",
                mail_from="example.com",
                signatures=("signing.example.com",),
                result=PASS,
                spf_aligned=True,
                dkim_aligned=("signing.example.com",),
            ),
            id="B.4.1",
        ),
        pytest.param(
            Example(
                records=B41,
                author=DEEP,
                mail_from="example.com",
                signatures=("signing.example.com",),
                result=PASS,
                spf_aligned=True,
                dkim_aligned=("signing.example.com",),
            ),
            id="B.4.2",
        ),
        pytest.param(
            Example(
                records=B43,
                author="giant.bank.example",
                mail_from="mail.giant.bank.example",
                signatures=("mail.mega.bank.example",),
                result=PASS,
                spf_aligned=True,
            ),
            id="B.4.3",
        ),
        pytest.param(
            Example(records=B43, author="giant.bank.example", signatures=("mail.mega.bank.example",), result=FAIL),
            id="B.4.3 without its SPF pass",
        ),
    ],
)
def test_appendix_b(row: Example) -> None:
    verdict = judge(row.records, row.author, *row.signatures, mail_from=row.mail_from)
    aligned = verdict.spf_aligned, verdict.dkim_aligned
    assert (verdict.result, *aligned) == (row.result, row.spf_aligned, row.dkim_aligned)
    assert verdict.author_domain == row.author


@pytest.mark.parametrize(
    ("author", "policy_domain", "organization", "published"),
    [
        pytest.param("example.com", "example.com", "example.com", REJECT, id="B.4.1"),
        pytest.param(DEEP, "example.com", "example.com", REJECT, id="B.4.2"),
        pytest.param("giant.bank.example", "giant.bank.example", "giant.bank.example", QUARANTINE, id="B.4.3"),
        pytest.param("mail.mega.bank.example", "bank.example", "mega.bank.example", REJECT, id="B.4.3 the other bank"),
    ],
)
def test_policy_and_organization_of_appendix_b4(
    author: str, policy_domain: str, organization: str, published: Policy
) -> None:
    verdict = judge(B41 | B43, author, "x." + organization)
    assert (verdict.policy_domain, verdict.organizational_domain) == (policy_domain, organization)
    assert (verdict.result, verdict.published) == (PASS, published)


def test_the_questions_of_appendix_b42() -> None:
    asked = zone(B41)
    judge(asked, DEEP, "signing.example.com", mail_from="example.com")
    tails = ["g.h.i.j.k", "h.i.j.k", "i.j.k", "j.k", "k"]
    walk = [DEEP, *(f"{tail}.example.com" for tail in tails), "example.com", "com", "signing.example.com"]
    assert [q.name for q in asked.trail()][: len(walk) - 1] == [f"_dmarc.{name}" for name in walk[:-1]]
    assert f"_dmarc.{walk[-1]}" in [q.name for q in asked.trail()]


# ---- whose policy, and which ----


@dataclass(frozen=True, kw_only=True)
class Applied:
    """A zone and an author domain, and the policy of a message of which nothing passed."""

    records: Records
    author: str = "a.example.com"

    policy_domain: str = "example.com"
    published: Policy = REJECT
    requested: Policy | None = None  # None: as published


@pytest.mark.parametrize(
    "row",
    [
        pytest.param(Applied(records=COM, author="example.com"), id="p of the author domain"),
        pytest.param(Applied(records=COM), id="p where there is no sp"),
        pytest.param(
            Applied(
                records={"_dmarc.example.com": "v=DMARC1; p=reject; sp=none", "a.example.com": "here"},
                published=NO_POLICY,
            ),
            id="sp of an existing name",
        ),
        pytest.param(
            Applied(
                records={"_dmarc.example.com": "v=DMARC1; p=none; sp=quarantine; np=reject", "a.example.com": "here"},
                published=QUARANTINE,
            ),
            id="sp and not np of an existing name",
        ),
        pytest.param(
            Applied(records={"_dmarc.example.com": "v=DMARC1; p=none; sp=quarantine; np=reject"}), id="np on NXDOMAIN"
        ),
        pytest.param(
            Applied(
                records={"_dmarc.example.com": "v=DMARC1; p=none; np=reject", "mail.a.example.com": "here"},
                published=NO_POLICY,
            ),
            id="§3.2.13 NODATA counts as existing",
        ),
        pytest.param(
            Applied(
                records={
                    "_dmarc.example.com": "v=DMARC1; p=none; np=reject",
                    "_dmarc.a.example.com": "not a DMARC record",
                },
                published=NO_POLICY,
            ),
            id="RFC 8020 what has a name below it exists",
        ),
        pytest.param(
            Applied(
                records={"_dmarc.example.com": "v=DMARC1; p=reject; sp=none"},
                author="gone.example.com",
                published=NO_POLICY,
            ),
            id="sp where there is no np",
        ),
        pytest.param(
            Applied(records={"_dmarc.example.com": "v=DMARC1; p=reject; sp=none; np=none"}, author="example.com"),
            id="neither sp nor np for the domain itself",
        ),
        pytest.param(
            Applied(
                records={
                    "_dmarc.a.example.com": "v=DMARC1; p=reject; sp=none",
                    "_dmarc.example.com": "v=DMARC1; p=none",
                },
                author="b.a.example.com",
                published=NO_POLICY,
            ),
            id="§4.7 sp of a record below the organization is ignored",
        ),
        pytest.param(
            Applied(
                records={"_dmarc.a.example.com": "v=DMARC1; p=quarantine", "_dmarc.example.com": "v=DMARC1; p=reject"},
                policy_domain="a.example.com",
                published=QUARANTINE,
            ),
            id="the author domain before its organization",
        ),
        pytest.param(
            Applied(
                records={
                    "_dmarc.b.example.com": "v=DMARC1; p=quarantine; psd=n",
                    "_dmarc.example.com": "v=DMARC1; p=reject",
                },
                author="a.b.example.com",
                policy_domain="b.example.com",
                published=QUARANTINE,
            ),
            id="psd=n at a name between",
        ),
        pytest.param(
            Applied(
                records={
                    "_dmarc.bank.example": "v=DMARC1; p=none; sp=quarantine; np=reject; psd=y",
                    "x.bank.example": "here",
                },
                author="x.bank.example",
                policy_domain="bank.example",
                published=QUARANTINE,
            ),
            id="sp of a PSD",
        ),
        pytest.param(
            Applied(
                records={"_dmarc.bank.example": "v=DMARC1; p=none; sp=quarantine; np=reject; psd=y"},
                author="typo.bank.example",
                policy_domain="bank.example",
            ),
            id="np of a PSD",
        ),
        pytest.param(
            Applied(
                records={
                    "_dmarc.bank.example": "v=DMARC1; p=reject; psd=y",
                    "_dmarc.x.bank.example": "v=DMARC1; p=none",
                },
                author="mail.x.bank.example",
                policy_domain="x.bank.example",
                published=NO_POLICY,
            ),
            id="§4.10.1 not the PSD's policy if the organization has one",
        ),
        pytest.param(
            Applied(
                records={"_dmarc.example.com": "v=DMARC1; p=reject; t=y"}, author="example.com", requested=QUARANTINE
            ),
            id="t=y",
        ),
        pytest.param(
            Applied(
                records={"_dmarc.example.com": "v=DMARC1; p=quarantine; t=y"},
                author="example.com",
                published=QUARANTINE,
                requested=NO_POLICY,
            ),
            id="t=y on quarantine",
        ),
        pytest.param(
            Applied(records={"_dmarc.example.com": "v=DMARC1; p=none; t=y"}, author="example.com", published=NO_POLICY),
            id="t=y has no effect on none",
        ),
        pytest.param(
            Applied(records={"_dmarc.example.com": "v=DMARC1; p=none; sp=reject; t=y"}, requested=QUARANTINE),
            id="t=y lowers sp",
        ),
        pytest.param(
            Applied(records={"_dmarc.example.com": "v=DMARC1; p=reject; pct=0"}, author="example.com"),
            id="§A.6 pct is history",
        ),
        pytest.param(
            Applied(
                records={"_dmarc.example.com": "v=DMARC1; p=bogus; rua=mailto:a@example.com"},
                author="example.com",
                published=NO_POLICY,
            ),
            id="§4.10.1 no valid p, but rua: p=none",
        ),
        pytest.param(
            Applied(records={"_dmarc.a.example.com": ["v=DMARC1; p=none", "v=DMARC1; p=reject"], **COM}),
            id="§4.10 several records are none, and the walk goes on",
        ),
        pytest.param(
            Applied(records={"_dmarc.a.example.com": ["hello", "v=spf1 -all"], **COM}),
            id="§4.10 other TXT records are no obstacle",
        ),
    ],
)
def test_the_policy_of_a_message_that_fails(row: Applied) -> None:
    verdict = judge(row.records, row.author)
    requested = row.published if row.requested is None else row.requested
    assert verdict.result is FAIL
    assert (verdict.policy_domain, verdict.published, verdict.requested) == (
        row.policy_domain,
        row.published,
        requested,
    )
    # the same message with an aligned signature has the same policy, and asks for nothing
    passed = judge(row.records, row.author, row.author)
    assert (passed.result, passed.published, passed.requested) == (PASS, row.published, NO_POLICY)


@pytest.mark.parametrize(
    "records",
    [
        pytest.param({}, id="no record anywhere"),
        pytest.param({"_dmarc.example.com": "v=spf1 -all"}, id="no DMARC record"),
        pytest.param({"_dmarc.example.com": "v=dmarc1; p=reject"}, id="v=dmarc1"),
        pytest.param({"_dmarc.example.com": "v=DMARC1x; p=reject"}, id="v=DMARC1x"),
        pytest.param({"_dmarc.example.com": ["v=DMARC1; p=none", "v=DMARC1; p=reject"]}, id="two records"),
        pytest.param({"_dmarc.example.com": "v=DMARC1"}, id="no p and no rua"),
        pytest.param({"_dmarc.example.com": "v=DMARC1; p=bogus", "_dmarc.com": "v=DMARC1; p=reject"}, id="no valid p"),
        pytest.param({"example.com": "v=DMARC1; p=reject"}, id="a record at the wrong name"),
        pytest.param({"_dmarc.mail.example.com": "v=DMARC1; p=reject"}, id="a record below"),
    ],
)
def test_dmarc_does_not_apply(records: Records) -> None:
    """RFC 9989 §4.10.1: MUST NOT apply, not even to say pass."""
    for verdict in (
        judge(records, "example.com"),
        judge(records, "example.com", "example.com", mail_from="example.com"),
    ):
        assert (verdict.result, verdict.requested, verdict.published) == (NONE, NO_POLICY, None)
        assert not verdict.spf_aligned
        assert not verdict.dkim_aligned


# ---- alignment ----

STRICT = {"_dmarc.example.com": "v=DMARC1; p=reject; adkim=S; aspf = s"}
LOCAL = {"_dmarc.mail.example.com": "v=DMARC1; p=reject"}


@pytest.mark.parametrize(
    ("records", "author", "identifier", "aligned"),
    [
        pytest.param(STRICT, "example.com", "example.com", True, id="strict, identical"),
        pytest.param(STRICT, "example.com", "a.example.com", False, id="strict, below"),
        pytest.param(STRICT, "a.example.com", "example.com", False, id="strict, above"),
        pytest.param(COM, "example.com", "a.example.com", True, id="relaxed, below"),
        pytest.param(COM, "a.example.com", "example.com", True, id="relaxed, above"),
        pytest.param(COM, "a.example.com", "b.example.com", True, id="relaxed, beside"),
        pytest.param(COM, "example.com", "badexample.com", False, id="only the letters end alike"),
        pytest.param(COM, "example.com", "example.com.evil.net", False, id="the name as a prefix"),
        pytest.param(COM, "example.com", "com", False, id="the top-level domain"),
        pytest.param(COM, "example.com", "other.com", False, id="another name below the same top"),
        pytest.param(LOCAL, "mail.example.com", "example.com", False, id="no record above: its own organization"),
        pytest.param(LOCAL, "mail.example.com", "x.mail.example.com", True, id="below such a name"),
        pytest.param(
            COM | {"_dmarc.b.example.com": "v=DMARC1; p=none; psd=n"},
            "example.com",
            "a.b.example.com",
            False,
            id="psd=n makes another organization below",
        ),
        pytest.param(
            COM | {"_dmarc.b.example.com": "v=DMARC1; p=none; psd=n"},
            "b.example.com",
            "example.com",
            False,
            id="psd=n makes another organization above",
        ),
        pytest.param(
            COM | {"_dmarc.a.example.com": "v=DMARC1; p=none; psd=y"},
            "example.com",
            "x.a.example.com",
            False,
            id="psd=y makes other organizations below",
        ),
        pytest.param({"_dmarc.com": "v=DMARC1; p=reject"}, "example.com", "other.com", True, id="a record at the top"),
        pytest.param(
            {"_dmarc.com": "v=DMARC1; p=reject; psd=y"}, "example.com", "other.com", False, id="a PSD record at the top"
        ),
    ],
)
@pytest.mark.parametrize("method", ["spf", "dkim"])
def test_alignment(method: str, records: Records, author: str, identifier: str, aligned: bool) -> None:
    verdict = judge(records, author, mail_from=identifier) if method == "spf" else judge(records, author, identifier)
    assert verdict.result is (PASS if aligned else FAIL)
    assert verdict.spf_aligned is (aligned and method == "spf")
    assert verdict.dkim_aligned == ((identifier,) if aligned and method == "dkim" else ())
    assert len(verdict.compared) == 1
    assert verdict.compared[0].startswith(f"{method} {identifier} ~ {author} (")


@pytest.mark.parametrize(
    ("tags", "spf_aligned", "dkim_aligned"), [("adkim=s", True, ()), ("aspf=s", False, ("a.example.com",))]
)
def test_strictness_is_by_method(tags: str, spf_aligned: bool, dkim_aligned: tuple[str, ...]) -> None:
    records = {"_dmarc.example.com": f"v=DMARC1; p=reject; {tags}"}
    verdict = judge(records, "example.com", "a.example.com", mail_from="a.example.com")
    assert (verdict.spf_aligned, verdict.dkim_aligned) == (spf_aligned, dkim_aligned)


@pytest.mark.parametrize("result", [r for r in SpfResult if r not in (SpfResult.PASS, SpfResult.TEMPERROR)])
def test_only_an_spf_pass_counts(result: SpfResult) -> None:
    assert judge(COM, "example.com", mail_from=spf("example.com", result)).result is FAIL


@pytest.mark.parametrize("result", [SpfResult.PASS, SpfResult.TEMPERROR])
def test_a_helo_verdict_never_counts(result: SpfResult) -> None:
    """RFC 9989 §4.4.2; CVE-2019-20790."""
    assert judge(COM, "example.com", mail_from=spf("example.com", result, HELO)).result is FAIL


@pytest.mark.parametrize("result", [r for r in DkimResult if r not in (DkimResult.PASS, DkimResult.TEMPERROR)])
def test_only_a_dkim_pass_counts(result: DkimResult) -> None:
    assert judge(COM, "example.com", dkim("example.com", result)).result is FAIL


def test_one_good_signature_among_bad_ones_is_enough() -> None:
    signatures = (dkim("example.com", DkimResult.FAIL), "esp.example", "esp.example", "a.example.com", "example.com")
    verdict = judge(COM, "example.com", *signatures, mail_from=spf("example.com", SpfResult.FAIL))
    assert (verdict.result, verdict.dkim_aligned) == (PASS, ("a.example.com", "example.com"))


# ---- no single author domain ----


@pytest.mark.parametrize("ambiguous", [True, False])
def test_without_an_author_domain_it_is_permerror_never_none(ambiguous: bool) -> None:
    """Five peers let such a message escape p=reject; nothing is asked, nothing aligned, nothing published."""
    asked = zone(COM)
    author = NoAuthor(ambiguous=ambiguous, problem="two From fields")
    verdict = dmarc.check(author, spf("example.com"), (dkim("example.com"),), asked.ask)
    assert verdict == DmarcVerdict(result=PERMERROR, problem="two From fields")
    assert not asked.trail()


# ---- DNS trouble ----


@pytest.mark.parametrize("trouble", list(Trouble))
@pytest.mark.parametrize("name", ["_dmarc.a.b.example.com", "_dmarc.b.example.com", "_dmarc.example.com", "_dmarc.com"])
def test_trouble_on_the_way_to_the_policy_is_temperror(trouble: Trouble, name: str) -> None:
    records = {name: trouble} | ({} if name == "_dmarc.example.com" else COM)
    for verdict in (judge(records, "a.b.example.com"), judge(records, "a.b.example.com", "a.b.example.com")):
        assert (verdict.result, verdict.requested) == (TEMPERROR, NO_POLICY)
        assert trouble in verdict.problem


@pytest.mark.parametrize("trouble", list(Trouble))
@pytest.mark.parametrize(
    ("records", "author", "identifier", "name"),
    [
        pytest.param(COM, "example.com", "a.example.com", "_dmarc.com", id="in the author's walk"),
        pytest.param(COM, "example.com", "a.example.com", "_dmarc.a.example.com", id="in the identifier's walk"),
        pytest.param(COM, "a.example.com", "b.example.com", "_dmarc.b.example.com", id="beside the author"),
    ],
)
@pytest.mark.parametrize("method", ["spf", "dkim"])
def test_trouble_with_the_only_candidate_is_temperror(
    method: str, trouble: Trouble, records: Records, author: str, identifier: str, name: str
) -> None:
    """RFC 9989 §5.3.6: neither pass nor fail, and the policy cannot be applied."""
    troubled = records | {name: trouble}
    verdict = judge(troubled, author, mail_from=identifier) if method == "spf" else judge(troubled, author, identifier)
    assert (verdict.result, verdict.requested, verdict.published) == (TEMPERROR, NO_POLICY, REJECT)
    assert trouble in verdict.problem
    # an aligned pass beside it is a pass (§5.3.5)
    assert judge(troubled, author, identifier, author, mail_from=identifier).result is PASS


@pytest.mark.parametrize(
    ("records", "identifier", "result"),
    [
        pytest.param(COM, "example.com", TEMPERROR, id="the author domain itself"),
        pytest.param(COM, "a.example.com", TEMPERROR, id="aligned by its organization"),
        pytest.param(COM | {"_dmarc.a.example.com": Trouble.TIMEOUT}, "a.example.com", TEMPERROR, id="perhaps aligned"),
        pytest.param(COM, "", TEMPERROR, id="of an unknown domain"),
        pytest.param(COM, "example.net", FAIL, id="of another organization"),
        pytest.param(STRICT, "a.example.com", FAIL, id="not aligned, as it is strict"),
    ],
)
@pytest.mark.parametrize("method", ["spf", "dkim"])
def test_an_identifier_that_could_not_be_checked(
    method: str, records: Records, identifier: str, result: DmarcResult
) -> None:
    unsure = spf(identifier, SpfResult.TEMPERROR), dkim(identifier, DkimResult.TEMPERROR)
    verdict = (
        judge(records, "example.com", mail_from=unsure[0])
        if method == "spf"
        else judge(records, "example.com", unsure[1], "example.net", mail_from=spf("example.com", SpfResult.FAIL))
    )
    assert verdict.result is result
    assert verdict.requested is (REJECT if result is FAIL else NO_POLICY)
    assert judge(records, "example.com", unsure[1], "example.com", mail_from=unsure[0]).result is PASS


@pytest.mark.parametrize("trouble", list(Trouble))
def test_trouble_with_the_existence_of_the_author_domain(trouble: Trouble) -> None:
    records = {"_dmarc.example.com": "v=DMARC1; p=none; sp=none; np=reject", "a.example.com": trouble}
    asked = zone(records)
    failed = judge(asked, "a.example.com")
    assert (failed.result, failed.requested, failed.published) == (TEMPERROR, NO_POLICY, None)
    assert asked.trail()[-1].name == "a.example.com"
    passed = judge(records, "a.example.com", mail_from="a.example.com")
    assert (passed.result, passed.published) == (PASS, None)


@pytest.mark.parametrize(
    ("types", "result", "policy"),
    [
        pytest.param({}, TEMPERROR, None, id="nothing: an NXDOMAIN, or a name without records"),
        pytest.param({"TXT": [b"x"]}, FAIL, NO_POLICY, id="TXT"),
        pytest.param({"A": ["192.0.2.1"]}, FAIL, NO_POLICY, id="A"),
        pytest.param({"MX": [(10, "mx.example.com")]}, FAIL, NO_POLICY, id="MX"),
        pytest.param({"AAAA": ["2001:db8::1"]}, FAIL, NO_POLICY, id="AAAA"),
        pytest.param({"A": Trouble.TIMEOUT}, TEMPERROR, None, id="and trouble"),
    ],
)
def test_existence_is_not_shown_by_an_answer_without_records_and_soa(
    types: dict[str, Any], result: DmarcResult, policy: Policy | None
) -> None:
    """RFC 2308 §2.2: a forwarder that drops the SOA may have lost NXDOMAIN too, and sp= is not for such names."""
    policies = {"_dmarc.example.com": {"TXT": [b"v=DMARC1; p=reject; sp=none; np=reject"]}, "a.example.com": types}
    asked = Zone(policies, proven=False)
    verdict = judge(asked, "a.example.com")
    assert (verdict.result, verdict.published) == (result, policy)
    assert len([each for each in asked.trail() if each.name == "a.example.com"]) <= 4
    assert judge(asked, "a.example.com", "a.example.com").result is PASS
    # with the same policy for both, nothing of it matters
    policies["_dmarc.example.com"] = {"TXT": [b"v=DMARC1; p=reject; sp=none"]}
    assert judge(Zone(policies, proven=False), "a.example.com").published is NO_POLICY


def test_nxdomain_without_a_soa_is_nxdomain() -> None:
    def ask(name: str, kind: RecordType) -> Answer:
        answer = zone({"_dmarc.example.com": "v=DMARC1; p=reject; sp=none; np=reject"}).ask(name, kind)
        return answer if answer.records else Answer(Status.NXDOMAIN, proven=False)

    author = someone_at("a.example.com")
    assert dmarc.check(author, spf("", SpfResult.NONE), (), ask).published is REJECT


def test_existence_is_asked_only_if_it_matters() -> None:
    asked = zone({"_dmarc.example.com": "v=DMARC1; p=reject; sp=quarantine; np=quarantine"})
    assert judge(asked, "gone.example.com").requested is QUARANTINE
    assert "gone.example.com" not in [question.name for question in asked.trail()]


# ---- economy, DNSSEC, notes ----


@pytest.mark.parametrize(
    ("records", "author", "signatures", "mail_from", "asked_for"),
    [
        pytest.param(COM, "example.com", ("example.com",), "example.com", ["example.com"], id="identical"),
        pytest.param(COM, "example.com", (), "", ["example.com"], id="nothing passed"),
        pytest.param(COM, "example.com", ("esp.net",), "b.esp.net", ["example.com"], id="nothing in common"),
        pytest.param(STRICT, "example.com", ("a.example.com",), "b.example.com", ["example.com"], id="strict"),
        pytest.param(COM, "example.com", ("esp.com",), "x.y.esp.com", ["example.com", "com"], id="not below"),
        pytest.param(
            COM, "example.com", ("bad-example.com",), "", ["example.com", "com"], id="only the letters end alike"
        ),
        pytest.param({}, "example.com", ("a.example.com",), "", ["example.com", "com"], id="no policy"),
    ],
)
def test_nothing_is_asked_that_does_not_matter(
    records: Records, author: str, signatures: tuple[str, ...], mail_from: str, asked_for: list[str]
) -> None:
    asked = zone(records)
    judge(asked, author, *signatures, mail_from=mail_from)
    assert list(dict.fromkeys(question.name for question in asked.trail())) == [f"_dmarc.{name}" for name in asked_for]


def test_existence_is_not_asked_where_a_name_below_proves_it() -> None:
    """RFC 8020 §2: the answer to `_dmarc.a.example.com` is NODATA, so a.example.com is there."""
    asked = zone({"_dmarc.example.com": "v=DMARC1; p=none; np=reject", "x._dmarc.a.example.com": "something"})
    assert judge(asked, "a.example.com").published is NO_POLICY
    assert "a.example.com" not in [question.name for question in asked.trail()]


@pytest.mark.parametrize("insecure", ["_dmarc.a.example.com", "_dmarc.com", "_dmarc.s.example.com", "a.example.com"])
def test_one_answer_without_dnssec_makes_the_verdict_insecure(insecure: str) -> None:
    records = zone({"_dmarc.example.com": "v=DMARC1; p=none; np=reject"}, secure=True)

    def ask(name: str, kind: RecordType) -> Answer:
        return dataclasses.replace(records.ask(name, kind), secure=name != insecure)

    author = someone_at("a.example.com")
    assert dmarc.check(author, spf("", SpfResult.NONE), (dkim("s.example.com"),), ask).secure is False
    assert dmarc.check(author, spf("", SpfResult.NONE), (dkim("s.example.com"),), records.ask).secure is True


@pytest.mark.parametrize("secure", [True, False, None])
@pytest.mark.parametrize("signature", ["example.com", "a.example.com", "example.net"])
def test_dnssec_of_the_answers_it_rests_on(secure: bool | None, signature: str) -> None:
    assert judge(zone(COM, secure), "example.com", signature).secure is secure


@pytest.mark.parametrize(
    ("signatures", "mail_from", "notes"),
    [
        pytest.param((), spf("example.com"), ("aligned by SPF only",), id="SPF only"),
        pytest.param(("esp.net",), spf("example.com"), ("aligned by SPF only",), id="a foreign signature"),
        pytest.param(("example.com",), spf("example.com"), (), id="both"),
        pytest.param(
            (dkim("example.com", testing=True),),
            spf("esp.net"),
            ("rests on testing keys only (t=y)",),
            id="a testing key",
        ),
        pytest.param(
            (dkim("example.com", testing=True), "example.com"), spf("esp.net"), (), id="not only a testing key"
        ),
        pytest.param((dkim("example.com", testing=True),), spf("example.com"), (), id="a testing key beside SPF"),
        pytest.param(
            (),
            SpfVerdict(result=SpfResult.PASS, identity=MAILFROM, domain="example.com", mechanism="+all"),
            ("aligned by SPF only", "rests on an SPF record that lets everyone send"),
            id="+all",
        ),
    ],
)
def test_weak_passes_are_noted(
    signatures: tuple[str | DkimVerdict, ...], mail_from: SpfVerdict, notes: tuple[str, ...]
) -> None:
    verdict = judge(COM, "example.com", *signatures, mail_from=mail_from)
    assert (verdict.result, verdict.notes) == (PASS, notes)


def test_a_mistake_in_the_record_is_noted() -> None:
    verdict = judge({"_dmarc.example.com": "v=DMARC1; p=reject; sp=bogus; rua=mailto:a@example.com"}, "example.com")
    assert "sp=" in verdict.notes[0]


# ---- properties ----

NAMES = st.sampled_from(["a.example.com", "b.example.com", "example.com", "com", "x.a.example.com", "example.net", ""])
RECORDS = st.dictionaries(
    st.sampled_from(
        ["_dmarc.example.com", "_dmarc.a.example.com", "_dmarc.com", "_dmarc.x.a.example.com", "a.example.com"]
    ),
    st.one_of(
        st.sampled_from([Trouble.TIMEOUT, Trouble.SERVFAIL]),
        st.lists(
            st.sampled_from(
                ["v=DMARC1; p=", "v=DMARC1; t=y; psd=y; p=", "v=DMARC1; psd=n; np=none; p=", "v=DMARC1; adkim=s; p="]
            ),
            min_size=1,
            max_size=2,
        ).map(lambda starts: [start + "reject" for start in starts]),
    ),
)


@given(
    RECORDS,
    NAMES.filter(bool),
    st.builds(spf, NAMES, st.sampled_from(list(SpfResult))),
    st.lists(st.builds(dkim, NAMES, st.sampled_from(list(DkimResult))), max_size=4),
)
def test_any_message_gets_a_verdict_that_holds_together(
    records: Records, author: str, sender: SpfVerdict, signatures: list[DkimVerdict]
) -> None:
    verdict = judge(records, author, *signatures, mail_from=sender)
    aligned = verdict.spf_aligned or bool(verdict.dkim_aligned)
    assert (verdict.result is PASS) == aligned
    assert verdict.requested is NO_POLICY or verdict.result is FAIL
    if verdict.spf_aligned:
        assert sender.result is SpfResult.PASS
    passed = {signature.domain for signature in signatures if signature.result is DkimResult.PASS}
    assert passed.issuperset(verdict.dkim_aligned)
    if verdict.result is TEMPERROR:
        assert verdict.problem
        trouble = any(isinstance(value, Trouble) for value in records.values())
        results = sender.result, *(signature.result for signature in signatures)
        assert trouble or SpfResult.TEMPERROR in results or DkimResult.TEMPERROR in results


def organization(domain: str, records: Records) -> str:
    """RFC 9989 §4.10.2, word by word, asking everything."""
    found = []
    for name in walk_names(Domain(domain)):
        texts = records.get(name, [])
        if len(texts) == 1:
            found.append((name.removeprefix("_dmarc."), texts[0]))
            if "psd=" in texts[0]:
                break
    for name, text in found:
        if "psd=n" in text:
            return name
        if "psd=y" in text and name != domain:
            return domain.removesuffix("." + name).rpartition(".")[2] + "." + name
    return min((name for name, _ in found), key=lambda name: name.count("."), default=domain)


DEEP_NAMES = st.lists(st.sampled_from("ab"), min_size=1, max_size=10).map(".".join)


@given(
    st.dictionaries(
        DEEP_NAMES.map("_dmarc.{}".format),
        st.sampled_from(["", "psd=y; ", "psd=n; ", "adkim=s; "]).map(lambda tag: [f"v=DMARC1; {tag}p=reject"]),
        min_size=1,
        max_size=12,
    ),
    DEEP_NAMES,
    DEEP_NAMES,
    DEEP_NAMES,
)
def test_shortcuts_change_no_verdict(records: Records, author: str, signer: str, sender: str) -> None:
    """What is settled by the names alone is settled as the full walks would have it."""
    verdict = judge(records, author, signer, mail_from=sender)
    if verdict.result is NONE:
        return
    text = records[f"_dmarc.{verdict.policy_domain}"][0]
    same = organization(author, records) == organization(signer, records)
    assert bool(verdict.dkim_aligned) == (signer == author if "adkim=s" in text else same)
    assert verdict.spf_aligned == (organization(author, records) == organization(sender, records))
    assert (verdict.result is PASS) == (verdict.spf_aligned or bool(verdict.dkim_aligned))


def test_an_unchecked_signature_costs_no_walk_where_another_one_is_aligned() -> None:
    asked = zone(COM)
    judge(asked, "example.com", dkim("a.example.com", DkimResult.TEMPERROR), "example.com")
    assert [question.name for question in asked.trail()] == ["_dmarc.example.com"]
