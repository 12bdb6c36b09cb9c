"""checks.dmarc.evaluate: the verdict as a function of values; no zone, no question."""

import dataclasses
from dataclasses import dataclass, field

import pytest
from hypothesis import given, strategies as st

from mailvet.checks.dmarc.evaluate import evaluate
from mailvet.checks.dmarc.evidence import Evidence
from mailvet.policy_record import Policy, PolicyRecord
from mailvet.values import Domain, Problem
from mailvet.verdict import DkimResult, DkimVerdict, DmarcResult, DmarcVerdict, SpfIdentity, SpfResult, SpfVerdict

PASS, FAIL, NONE, TEMPERROR = DmarcResult.PASS, DmarcResult.FAIL, DmarcResult.NONE, DmarcResult.TEMPERROR
NO_POLICY, QUARANTINE, REJECT = Policy.NONE, Policy.QUARANTINE, Policy.REJECT
COM, A, B, NET = Domain("example.com"), Domain("a.example.com"), Domain("b.example.com"), Domain("example.net")
TIMEOUT = Problem("TXT _dmarc.b.example.com: timeout")
RECORD = PolicyRecord(p=REJECT)
SUBDOMAINS = PolicyRecord(p=REJECT, sp=QUARANTINE, np=NO_POLICY)


def spf(domain: str, result: SpfResult = SpfResult.PASS, identity: SpfIdentity = SpfIdentity.MAILFROM) -> SpfVerdict:
    return SpfVerdict(result=result, identity=identity, domain=domain)


def dkim(domain: str, result: DkimResult = DkimResult.PASS) -> DkimVerdict:
    return DkimVerdict(result=result, domain=domain)


NO_SPF = spf("", SpfResult.NONE)


@dataclass(frozen=True, kw_only=True)
class Row:
    """What is known, and what follows. By default: p=reject at example.com, and nothing passed."""

    author: Domain = COM
    record: PolicyRecord | None = RECORD
    policy_domain: Domain | None = COM
    exists: bool | Problem | None = None
    organizations: dict[Domain, Domain | Problem] = field(default_factory=dict)
    spf: SpfVerdict = NO_SPF
    dkim: tuple[DkimVerdict, ...] = ()

    result: DmarcResult
    published: Policy | None = REJECT
    requested: Policy = NO_POLICY
    aligned: tuple[str, ...] = ()  # "spf" and the signing domains
    problem: str = ""

    def evidence(self) -> Evidence:
        return Evidence(
            author=self.author,
            record=self.record,
            policy_domain=self.policy_domain,
            exists=self.exists,
            organizations=self.organizations,
        )


UNALIGNED = "no identifier that passed is aligned"
NOTHING_PASSED = "neither SPF nor a DKIM signature passed"


@pytest.mark.parametrize(
    "row",
    [
        # nothing passed
        pytest.param(Row(result=FAIL, requested=REJECT, problem=NOTHING_PASSED), id="nothing passed"),
        pytest.param(
            Row(spf=spf(COM, identity=SpfIdentity.HELO), result=FAIL, requested=REJECT, problem=NOTHING_PASSED),
            id="§4.4.2 a pass for HELO",
        ),
        pytest.param(
            Row(record=None, policy_domain=None, result=NONE, published=None, problem="no DMARC record"),
            id="§4.10.1 no record",
        ),
        pytest.param(
            Row(
                record=PolicyRecord(p=None, problem="p= is not valid"),
                dkim=(dkim(COM),),
                result=NONE,
                published=None,
                problem="p= is not valid",
            ),
            id="§4.10.1 a record without a policy",
        ),
        # alignment
        pytest.param(Row(spf=spf(COM), result=PASS, aligned=("spf",)), id="MAIL FROM is the author domain"),
        pytest.param(Row(dkim=(dkim(COM),), result=PASS, aligned=(COM,)), id="d= is the author domain"),
        pytest.param(
            Row(dkim=(dkim(A),), organizations={COM: COM, A: COM}, result=PASS, aligned=(A,)), id="one organization"
        ),
        pytest.param(
            Row(
                dkim=(dkim(A),), organizations={COM: COM, A: A}, result=FAIL, requested=REJECT, problem=UNALIGNED
            ),
            id="two organizations",
        ),
        pytest.param(
            Row(spf=spf(NET), dkim=(dkim(NET),), result=FAIL, requested=REJECT, problem=UNALIGNED),
            id="another top-level domain",
        ),
        pytest.param(
            Row(
                record=PolicyRecord(p=REJECT, strict_spf=True),
                spf=spf(A),
                dkim=(dkim(A),),
                organizations={COM: COM, A: COM},
                result=PASS,
                aligned=(A,),
            ),
            id="aspf=s binds SPF alone",
        ),
        pytest.param(
            Row(
                record=PolicyRecord(p=REJECT, strict_dkim=True),
                dkim=(dkim(A),),
                result=FAIL,
                requested=REJECT,
                problem=UNALIGNED,
            ),
            id="adkim=s needs no organization",
        ),
        pytest.param(
            Row(dkim=(dkim(A, DkimResult.FAIL), dkim(NET), dkim(COM), dkim(COM)), result=PASS, aligned=(COM,)),
            id="one good signature among others",
        ),
        # what could not be found out
        pytest.param(
            Row(
                dkim=(dkim(B),),
                organizations={COM: COM, B: TIMEOUT},
                result=TEMPERROR,
                problem=f"the organizational domain of dkim {B} could not be found ({TIMEOUT.text})",
            ),
            id="§5.3.6 the organization of the only candidate",
        ),
        pytest.param(
            Row(
                spf=spf(COM), dkim=(dkim(B),), organizations={COM: COM, B: TIMEOUT}, result=PASS, aligned=("spf",)
            ),
            id="§5.3.5 the organization of another candidate",
        ),
        pytest.param(
            Row(
                spf=spf(B),
                dkim=(dkim(B),),
                organizations={COM: TIMEOUT},
                result=TEMPERROR,
                problem=f"the organizational domain of spf {B} could not be found ({TIMEOUT.text}); "
                f"the organizational domain of dkim {B} could not be found ({TIMEOUT.text})",
            ),
            id="the organization of the author domain",
        ),
        pytest.param(
            Row(
                dkim=(dkim(COM, DkimResult.TEMPERROR),),
                result=TEMPERROR,
                problem=f"dkim {COM} could not be checked",
            ),
            id="the key of an aligned signature",
        ),
        pytest.param(
            Row(dkim=(dkim(NET, DkimResult.TEMPERROR),), result=FAIL, requested=REJECT, problem=NOTHING_PASSED),
            id="the key of a signature that would not be aligned",
        ),
        pytest.param(
            Row(dkim=(dkim("", DkimResult.TEMPERROR),), result=TEMPERROR, problem="dkim  could not be checked"),
            id="a signature whose domain is not known",
        ),
        pytest.param(
            Row(
                spf=dataclasses.replace(spf(COM, SpfResult.TEMPERROR), problem="servfail"),
                result=TEMPERROR,
                problem=f"spf {COM} could not be checked (servfail)",
            ),
            id="an aligned SPF record",
        ),
        pytest.param(
            Row(spf=spf(COM, SpfResult.TEMPERROR, SpfIdentity.HELO), result=FAIL, requested=REJECT,
                problem=NOTHING_PASSED),
            id="the SPF record of HELO",
        ),
        pytest.param(
            Row(
                dkim=(dkim(B, DkimResult.TEMPERROR),),
                organizations={COM: COM, B: TIMEOUT},
                result=TEMPERROR,
                problem=f"dkim {B} could not be checked",
            ),
            id="neither the key nor the organization",
        ),
        # which policy
        pytest.param(
            Row(record=SUBDOMAINS, result=FAIL, requested=REJECT, problem=NOTHING_PASSED), id="p for the domain itself"
        ),
        pytest.param(
            Row(author=A, record=SUBDOMAINS, exists=True, result=FAIL, published=QUARANTINE, requested=QUARANTINE,
                problem=NOTHING_PASSED),
            id="sp for a name that exists",
        ),
        pytest.param(
            Row(author=A, record=SUBDOMAINS, exists=False, result=FAIL, published=NO_POLICY, problem=NOTHING_PASSED),
            id="np for a name that does not exist",
        ),
        pytest.param(
            Row(author=A, record=PolicyRecord(p=REJECT), result=FAIL, requested=REJECT, problem=NOTHING_PASSED),
            id="p for a name of which it does not matter",
        ),
        pytest.param(
            Row(
                author=A,
                record=SUBDOMAINS,
                exists=Problem("A a.example.com: timeout"),
                result=TEMPERROR,
                published=None,
                problem="whether a.example.com exists could not be found out (A a.example.com: timeout)",
            ),
            id="sp or np is not known",
        ),
        pytest.param(
            Row(author=A, record=SUBDOMAINS, exists=Problem("no SOA"), dkim=(dkim(A),), result=PASS, published=None,
                aligned=(A,)),
            id="sp or np does not matter to a pass",
        ),
        pytest.param(
            Row(record=PolicyRecord(p=REJECT, testing=True), result=FAIL, requested=QUARANTINE,
                problem=NOTHING_PASSED),
            id="§4.7 t=y lowers p=reject",
        ),
        pytest.param(
            Row(record=PolicyRecord(p=QUARANTINE, testing=True), result=FAIL, published=QUARANTINE,
                problem=NOTHING_PASSED),
            id="§4.7 t=y lowers p=quarantine",
        ),
    ],
)  # fmt: skip
def test_a_verdict_follows_from_values(row: Row) -> None:
    verdict = evaluate(row.evidence(), row.spf, row.dkim)
    assert (verdict.result, verdict.published, verdict.requested) == (row.result, row.published, row.requested)
    assert (*(("spf",) if verdict.spf_aligned else ()), *verdict.dkim_aligned) == row.aligned
    assert verdict.problem == row.problem
    assert verdict.author_domain == row.author
    assert verdict.policy_domain == (row.policy_domain or "")
    assert verdict.record is row.record


def test_where_the_policy_could_not_be_found_nothing_else_is_said() -> None:
    evidence = Evidence(author=COM, trouble=Problem("TXT _dmarc.example.com: timeout"))
    problem = "the policy could not be found (TXT _dmarc.example.com: timeout)"
    expected = DmarcVerdict(result=TEMPERROR, author_domain=COM, problem=problem)
    assert evaluate(evidence, spf(COM), (dkim(COM),)) == expected


def test_comparisons_are_told_once_each_in_order() -> None:
    evidence = Evidence(author=A, record=RECORD, policy_domain=COM, organizations={A: COM, B: COM, COM: TIMEOUT})
    verdict = evaluate(evidence, spf(NET), (dkim(B), dkim(B), dkim(A), dkim("other.com"), dkim(COM)))
    assert verdict.compared == (
        "spf example.net ~ a.example.com (relaxed: nothing in common): not aligned",
        "dkim b.example.com ~ a.example.com (relaxed: example.com and example.com): aligned",
        "dkim a.example.com ~ a.example.com (identical): aligned",
        "dkim other.com ~ a.example.com (relaxed: not below example.com): not aligned",
        f"dkim example.com ~ a.example.com: could not find out ({TIMEOUT.text})",
    )


@pytest.mark.parametrize(
    ("organizations", "signature", "organization"),
    [
        pytest.param({A: COM}, A, COM, id="known"),
        pytest.param({}, A, A, id="not asked, and an identical name is aligned"),
        pytest.param({A: TIMEOUT}, A, A, id="not found, and an identical name is aligned"),
        pytest.param({}, NET, "", id="not asked, and nothing is aligned"),
    ],
)
def test_the_organization_of_the_author_domain(
    organizations: dict[Domain, Domain | Problem], signature: str, organization: str
) -> None:
    evidence = Evidence(author=A, record=RECORD, policy_domain=COM, organizations=organizations)
    assert evaluate(evidence, NO_SPF, (dkim(signature),)).organizational_domain == organization


@pytest.mark.parametrize("secure", [True, False, None])
def test_dnssec_is_that_of_the_evidence(secure: bool | None) -> None:
    for record in (RECORD, None):
        evidence = Evidence(author=COM, record=record, policy_domain=COM, secure=secure)
        assert evaluate(evidence, spf(COM), ()).secure is secure


DOMAINS = st.sampled_from([COM, A, B, NET])
PROBLEMS = st.just(TIMEOUT)
RECORDS = st.builds(
    PolicyRecord,
    p=st.sampled_from([None, *Policy]),
    sp=st.sampled_from([None, *Policy]),
    np=st.sampled_from([None, *Policy]),
    testing=st.booleans(),
    strict_spf=st.booleans(),
    strict_dkim=st.booleans(),
)
EVIDENCE = st.builds(
    Evidence,
    author=DOMAINS,
    record=st.none() | RECORDS,
    policy_domain=st.none() | DOMAINS,
    trouble=st.none() | PROBLEMS,
    exists=st.none() | st.booleans() | PROBLEMS,
    organizations=st.dictionaries(DOMAINS, DOMAINS | PROBLEMS),
    secure=st.sampled_from([True, False, None]),
)


@given(
    EVIDENCE,
    st.builds(spf, DOMAINS | st.just(""), st.sampled_from(list(SpfResult)), st.sampled_from(list(SpfIdentity))),
    st.lists(st.builds(dkim, DOMAINS | st.just(""), st.sampled_from(list(DkimResult))), max_size=4),
)
def test_any_values_give_one_verdict_that_holds_together(
    evidence: Evidence, sender: SpfVerdict, signatures: list[DkimVerdict]
) -> None:
    verdict = evaluate(evidence, sender, signatures)
    assert verdict == evaluate(evidence, sender, signatures)
    assert (verdict.result is PASS) == (verdict.spf_aligned or bool(verdict.dkim_aligned))
    assert verdict.requested is NO_POLICY or verdict.result is FAIL
    assert verdict.published is not None or verdict.result is not FAIL
    assert bool(verdict.problem) or verdict.result in (PASS, NONE)
