"""evaluate – the DMARC verdict, from values alone (RFC 9989 §5.3).

If one aligned identifier passed, the result is `pass`, whatever else went wrong (§5.3.5). If none did, and DNS trouble
may be the reason, it is `temperror`, never `fail` (§5.3.6). The same values always give the same verdict.

Raises     nothing
Not here   asking (checks.dmarc.gather); what is done about a failure (policy.disposition)
"""

from collections.abc import Sequence
from typing import Final

from mailvet.checks.dmarc.alignment import Comparison, Identified, compare, passed, unchecked
from mailvet.checks.dmarc.evidence import Evidence
from mailvet.policy_record import Policy, PolicyRecord
from mailvet.values import Problem
from mailvet.verdict import DkimVerdict, DmarcResult, DmarcVerdict, SpfVerdict

_ALL_CLIENTS: Final = ("+all", "all")  # mechanisms that authorise the whole Internet
_ONE_LEVEL_LOWER: Final = {Policy.REJECT: Policy.QUARANTINE, Policy.QUARANTINE: Policy.NONE, Policy.NONE: Policy.NONE}

_Compared = tuple[Identified, Comparison | Problem]


def evaluate(evidence: Evidence, spf: SpfVerdict, dkim: Sequence[DkimVerdict]) -> DmarcVerdict:
    """Return the verdict. `spf`, the verdict on MAIL FROM, and `dkim` are those the evidence was gathered for."""
    author, record = evidence.author, evidence.record
    if evidence.trouble is not None:
        problem = f"the policy could not be found ({evidence.trouble.text})"
        return DmarcVerdict(result=DmarcResult.TEMPERROR, author_domain=author, problem=problem)
    if record is None or record.p is None:  # RFC 9989 §4.10.1: MUST NOT apply DMARC
        return DmarcVerdict(
            result=DmarcResult.NONE,
            author_domain=author,
            policy_domain=evidence.policy_domain or "",
            record=record,
            secure=evidence.secure,
            problem=record.problem if record is not None else "no DMARC record",
        )
    compared: list[_Compared] = [
        (verdict, compare(author, verdict, record, evidence.organization_of)) for verdict in passed(spf, dkim)
    ]
    aligned = [verdict for verdict, found in compared if isinstance(found, Comparison) and found.aligned]
    published = _published(evidence, record, record.p)
    if aligned:
        result, problem = DmarcResult.PASS, ""
    else:
        result, problem = _without_aligned(published, compared, _might_be_aligned(evidence, record, spf, dkim))
    notes = _weaknesses(aligned) if aligned else ()
    return DmarcVerdict(
        result=result,
        author_domain=author,
        policy_domain=evidence.policy_domain or "",
        organizational_domain=_author_organization(evidence, bool(aligned)),
        record=record,
        published=None if isinstance(published, Problem) else published,
        requested=_requested(published, record) if result is DmarcResult.FAIL else Policy.NONE,
        testing=record.testing,
        spf_aligned=any(isinstance(verdict, SpfVerdict) for verdict in aligned),
        dkim_aligned=tuple(dict.fromkeys(each.domain for each in aligned if isinstance(each, DkimVerdict))),
        compared=tuple(dict.fromkeys(_line(author, *each) for each in compared)),
        secure=evidence.secure,
        problem=problem,
        notes=(*notes, record.problem) if record.problem else notes,
    )


def _might_be_aligned(
    evidence: Evidence, record: PolicyRecord, spf: SpfVerdict, dkim: Sequence[DkimVerdict]
) -> list[Identified]:
    """Return the verdicts that would be an aligned pass, or might be, if there were no DNS trouble."""
    found = []
    for verdict in unchecked(spf, dkim):
        compared = compare(evidence.author, verdict, record, evidence.organization_of) if verdict.domain else None
        if not isinstance(compared, Comparison) or compared.aligned:
            found.append(verdict)
    return found


def _without_aligned(
    published: Policy | Problem, compared: Sequence[_Compared], might_be_aligned: Sequence[Identified]
) -> tuple[DmarcResult, str]:
    """Return the result of a message without an aligned identifier that passed, and the reason."""
    unsure = [
        f"the organizational domain of {verdict.method} {verdict.domain} could not be found ({found.text})"
        for verdict, found in compared
        if isinstance(found, Problem)
    ]
    for verdict in might_be_aligned:
        why = f" ({verdict.problem})" if verdict.problem else ""
        unsure.append(f"{verdict.method} {verdict.domain} could not be checked{why}")
    if unsure:  # RFC 9989 §5.3.6: neither pass nor fail
        return DmarcResult.TEMPERROR, "; ".join(dict.fromkeys(unsure))
    if isinstance(published, Problem):
        return DmarcResult.TEMPERROR, published.text
    if not compared:
        return DmarcResult.FAIL, "neither SPF nor a DKIM signature passed"
    return DmarcResult.FAIL, "no identifier that passed is aligned"


def _published(evidence: Evidence, record: PolicyRecord, p: Policy) -> Policy | Problem:
    """Return the policy for the author domain (RFC 9989 §4.10.1), or why DNS does not tell which it is."""
    if evidence.policy_domain == evidence.author:
        return p
    if isinstance(evidence.exists, Problem):
        return Problem(f"whether {evidence.author} exists could not be found out ({evidence.exists.text})")
    if evidence.exists is False and record.np is not None:
        return record.np
    return record.sp or p


def _requested(published: Policy | Problem, record: PolicyRecord) -> Policy:
    """Return the policy to apply to a message that failed: t=y lowers it by one level (RFC 9989 §4.7)."""
    policy = Policy.NONE if isinstance(published, Problem) else published
    return _ONE_LEVEL_LOWER[policy] if record.testing else policy


def _author_organization(evidence: Evidence, aligned: bool) -> str:
    """Return the organizational domain of the author domain; "" if nothing depended on it, or it is not known."""
    organization = evidence.organizations.get(evidence.author)
    if organization is None or isinstance(organization, Problem):
        return evidence.author if aligned else ""  # RFC 9989 §4.10.2: the common domain is treated as it
    return organization


def _line(author: str, verdict: Identified, found: Comparison | Problem) -> str:
    """Return a comparison as a line for people."""
    names = f"{verdict.method} {verdict.domain} ~ {author}"
    if isinstance(found, Problem):
        return f"{names}: could not find out ({found.text})"
    return f"{names} ({found.reason}): {'' if found.aligned else 'not '}aligned"


def _weaknesses(aligned: Sequence[Identified]) -> tuple[str, ...]:
    """Return notes on what is weak about a pass that rests on these identifiers."""
    signatures = [verdict for verdict in aligned if isinstance(verdict, DkimVerdict)]
    senders = [verdict for verdict in aligned if isinstance(verdict, SpfVerdict)]
    notes = []
    if not signatures:
        notes.append("aligned by SPF only")  # RFC 9989 §7.4: breaks when forwarded
        if any(verdict.mechanism in _ALL_CLIENTS for verdict in senders):
            notes.append("rests on an SPF record that lets everyone send")
    elif not senders and all(verdict.testing for verdict in signatures):
        notes.append("rests on testing keys only (t=y)")  # RFC 6376 §3.6.1
    return tuple(notes)
