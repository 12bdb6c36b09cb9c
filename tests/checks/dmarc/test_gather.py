"""checks.dmarc.gather: what is asked for a message, and what of it becomes evidence."""

from dataclasses import dataclass, field
from typing import Any

import pytest

from lab.zone import Zone
from mailvet.checks.dmarc.evidence import Evidence
from mailvet.checks.dmarc.gather import gather
from mailvet.policy_record import Policy, PolicyRecord
from mailvet.ports import RecordType, Trouble
from mailvet.values import Domain, Problem
from mailvet.verdict import DkimResult, DkimVerdict, SpfIdentity, SpfResult, SpfVerdict

COM, A, B = Domain("example.com"), Domain("a.example.com"), Domain("b.example.com")
TEXT = (
    b"v=DMARC1; p=reject; sp=quarantine; np=none; adkim=s; rua=mailto:r@example.com; ruf=mailto:f@example.com; fo=1:d"
)
REPORTED = PolicyRecord(
    p=Policy.REJECT,
    sp=Policy.QUARANTINE,
    np=Policy.NONE,
    strict_dkim=True,
    rua=("mailto:r@example.com",),
    ruf=("mailto:f@example.com",),
    fo=("1", "d"),
)
P_REJECT = PolicyRecord(p=Policy.REJECT)
REJECT = {"_dmarc.example.com": {"TXT": [b"v=DMARC1; p=reject"]}}


def passed(domain: str, result: DkimResult = DkimResult.PASS) -> DkimVerdict:
    return DkimVerdict(result=result, domain=domain)


@dataclass(frozen=True, kw_only=True)
class Row:
    """A zone and a message, and what is gathered."""

    names: dict[str, Any]
    author: Domain = COM
    mail_from: str = ""  # it passed
    dkim: tuple[DkimVerdict, ...] = ()

    questions: tuple[str, ...]  # names of which TXT records are asked for
    record: PolicyRecord | None = P_REJECT
    policy_domain: Domain | None = COM
    trouble: Problem | None = None
    exists: bool | Problem | None = None
    organizations: dict[Domain, Domain | Problem] = field(default_factory=dict)


@pytest.mark.parametrize(
    "row",
    [
        pytest.param(Row(names=REJECT, questions=("_dmarc.example.com",)), id="the record of the author domain"),
        pytest.param(
            Row(names={"_dmarc.example.com": {"TXT": [TEXT]}}, record=REPORTED, questions=("_dmarc.example.com",)),
            id="every tag of it",
        ),
        pytest.param(
            Row(
                names={},
                record=None,
                policy_domain=None,
                questions=("_dmarc.example.com", "_dmarc.com"),
                organizations={COM: COM},
            ),
            id="no record",
        ),
        pytest.param(
            Row(
                names=REJECT,
                author=A,
                questions=("_dmarc.a.example.com", "_dmarc.example.com", "_dmarc.com"),
                organizations={A: COM},
            ),
            id="the record of its organization",
        ),
        pytest.param(
            Row(
                names={"_dmarc.example.com": Trouble.TIMEOUT},
                record=None,
                policy_domain=None,
                trouble=Problem("TXT _dmarc.example.com: timeout"),
                dkim=(passed(A),),
                questions=("_dmarc.example.com",),
            ),
            id="without the record nothing more is asked",
        ),
        pytest.param(
            Row(
                names=REJECT,
                mail_from=COM,
                dkim=(passed(A), passed(B), passed("x.example.net")),
                questions=("_dmarc.example.com", "_dmarc.com", "_dmarc.a.example.com", "_dmarc.b.example.com"),
                organizations={COM: COM, A: COM, B: COM},
            ),
            id="every organization that passed, also beside an aligned one",
        ),
        pytest.param(
            Row(
                names=REJECT,
                mail_from=COM,
                dkim=(passed(A, DkimResult.TEMPERROR),),
                questions=("_dmarc.example.com",),
            ),
            id="no organization of what did not pass, beside an aligned one",
        ),
        pytest.param(
            Row(
                names=REJECT | {"_dmarc.a.example.com": Trouble.SERVFAIL},
                dkim=(passed(A, DkimResult.TEMPERROR), passed(A)),
                questions=("_dmarc.example.com", "_dmarc.com", "_dmarc.a.example.com"),
                organizations={COM: COM, A: Problem("TXT _dmarc.a.example.com: servfail")},
            ),
            id="an organization that could not be found",
        ),
        pytest.param(
            Row(
                names={"_dmarc.example.com": {"TXT": [TEXT]}},
                author=A,
                record=REPORTED,
                exists=False,
                questions=("_dmarc.a.example.com", "_dmarc.example.com", "_dmarc.com", "a.example.com"),
                organizations={A: COM},
            ),
            id="whether the author domain exists, where np= differs",
        ),
        pytest.param(
            Row(
                names={"_dmarc.example.com": {"TXT": [TEXT]}, "_dmarc.a.example.com": {"TXT": [b"hello"]}},
                author=A,
                record=REPORTED,
                exists=True,
                questions=("_dmarc.a.example.com", "_dmarc.example.com", "_dmarc.com"),
                organizations={A: COM},
            ),
            id="RFC 8020 the walk has shown that it exists",
        ),
        pytest.param(
            Row(
                names={"_dmarc.example.com": {"TXT": [TEXT]}, "a.example.com": Trouble.TIMEOUT},
                author=A,
                record=REPORTED,
                exists=Problem("TXT a.example.com: timeout"),
                questions=("_dmarc.a.example.com", "_dmarc.example.com", "_dmarc.com", "a.example.com"),
                organizations={A: COM},
            ),
            id="whether it exists could not be found out",
        ),
    ],
)
def test_what_is_asked_and_kept(row: Row) -> None:
    zone = Zone(row.names)
    result = SpfResult.PASS if row.mail_from else SpfResult.NONE
    spf = SpfVerdict(result=result, identity=SpfIdentity.MAILFROM, domain=row.mail_from)
    assert gather(row.author, spf, row.dkim, zone.ask) == Evidence(
        author=row.author,
        record=row.record,
        policy_domain=row.policy_domain,
        trouble=row.trouble,
        exists=row.exists,
        organizations=row.organizations,
    )
    assert list(zone.questions) == [(name, RecordType.TXT) for name in row.questions]
