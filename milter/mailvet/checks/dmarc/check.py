"""check – does an authenticated identifier speak for the author domain? (RFC 9989)

`check` is total. One aligned identifier that passed is a pass, whatever else went wrong (§5.3.5). Without
one, anything that could not be found out and might have made the difference is `temperror`, never `fail`
(§5.3.6). A message without a single author domain is `permerror`, never `none`: breaking the From field
must not be a way around a policy.

Raises     nothing
Not here   the walk (tree_walk), alignment (alignment); what is done about a failure (policy.disposition)
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from mailvet.checks.author import Author, NoAuthor
from mailvet.checks.dmarc.alignment import Alignment
from mailvet.checks.dmarc.record import PolicyRecord
from mailvet.checks.dmarc.tree_walk import Discovery, discover, look, names
from mailvet.ports import Ask, RecordType, Status, Unavailable, all_secure
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

_WIDE: Final = ("+all", "all")  # mechanisms that authorise the whole internet
_ONE_LEVEL_LOWER: Final = {Policy.REJECT: Policy.QUARANTINE, Policy.QUARANTINE: Policy.NONE, Policy.NONE: Policy.NONE}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Applicable:
    """The record that applies to an author domain."""

    policy_domain: str
    record: PolicyRecord | None
    exists: bool  # the author domain, as far as the walk has shown
    walk: Discovery | None  # None: the author domain has a record of its own, nothing else was asked
    secure: bool | None


def check(author: Author | NoAuthor, spf: SpfVerdict, dkim: Sequence[DkimVerdict], ask: Ask) -> DmarcVerdict:
    """The DMARC verdict on a message; `spf` is the verdict on MAIL FROM (RFC 9989 §4.4.2)."""
    if isinstance(author, NoAuthor):
        return DmarcVerdict(result=DmarcResult.PERMERROR, problem=author.problem)
    domain = author.domain
    try:
        applicable = _find(domain, ask)
    except Unavailable as e:
        return DmarcVerdict(
            result=DmarcResult.TEMPERROR, author_domain=domain, problem=f"the policy could not be found ({e})"
        )
    record = applicable.record
    if record is None or record.p is None:  # RFC 9989 §4.10.1: MUST NOT apply DMARC
        return DmarcVerdict(
            result=DmarcResult.NONE,
            author_domain=domain,
            policy_domain=applicable.policy_domain,
            secure=applicable.secure,
            problem=record.problem if record is not None else "no DMARC record",
        )
    return _judge(domain, applicable, record, spf, dkim, ask)


def _find(domain: str, ask: Ask) -> _Applicable:
    """RFC 9989 §4.10.1. The author domain's own record settles it without a walk."""
    record, answer = look(names(domain)[0], ask)
    if record is not None:
        return _Applicable(policy_domain=domain, record=record, exists=True, walk=None, secure=answer.secure)
    walk = discover(domain, ask)
    return _Applicable(
        policy_domain=walk.policy_domain,
        record=walk.record,
        exists=walk.start_exists,
        walk=walk,
        secure=walk.secure,
    )


def _judge(
    domain: str, applicable: _Applicable, record: PolicyRecord, spf: SpfVerdict, dkim: Sequence[DkimVerdict], ask: Ask
) -> DmarcVerdict:
    alignment = Alignment(domain, ask, secure=[applicable.secure])
    if applicable.walk is not None:
        alignment.walks[domain] = applicable.walk
    spf_aligned = _spf(alignment, record, spf)
    signatures = _signatures(alignment, record, dkim)
    aligned = spf_aligned or bool(signatures)
    if not aligned:
        _unchecked(alignment, record, spf, dkim)
    published, unpublished = _published(domain, applicable, record, alignment)
    if aligned:
        result, problem = DmarcResult.PASS, ""
    elif alignment.unsure or published is None:  # RFC 9989 §5.3.6: neither pass nor fail
        result, problem = DmarcResult.TEMPERROR, "; ".join(dict.fromkeys(alignment.unsure)) or unpublished
    else:
        result, problem = DmarcResult.FAIL, _why_failed(alignment)
    weak = _weak_pass(spf if spf_aligned else None, signatures) if aligned else ()
    return DmarcVerdict(
        result=result,
        author_domain=domain,
        policy_domain=applicable.policy_domain,
        organizational_domain=_organization(alignment, aligned),
        published=published,
        requested=_requested(published, record) if result is DmarcResult.FAIL else Policy.NONE,
        testing=record.testing,
        spf_aligned=spf_aligned,
        dkim_aligned=tuple(dict.fromkeys(verdict.domain for verdict in signatures)),
        compared=tuple(dict.fromkeys(alignment.compared)),
        secure=all_secure(alignment.secure),
        problem=problem,
        notes=(*weak, record.problem) if record.problem else weak,
    )


def _spf(alignment: Alignment, record: PolicyRecord, spf: SpfVerdict) -> bool:
    """Did MAIL FROM pass, aligned? A HELO verdict never counts (RFC 9989 §4.4.2)."""
    passed = spf.result is SpfResult.PASS and spf.identity is SpfIdentity.MAILFROM
    return passed and alignment.aligned("spf", spf.domain, record.strict_spf)


def _signatures(alignment: Alignment, record: PolicyRecord, dkim: Sequence[DkimVerdict]) -> list[DkimVerdict]:
    """The signatures that passed and are aligned."""
    passed = (verdict for verdict in dkim if verdict.result is DkimResult.PASS)
    return [verdict for verdict in passed if alignment.aligned("dkim", verdict.domain, record.strict_dkim)]


def _unchecked(alignment: Alignment, record: PolicyRecord, spf: SpfVerdict, dkim: Sequence[DkimVerdict]) -> None:
    """Nothing passed, aligned: what DNS trouble kept from passing might have been."""
    if spf.result is SpfResult.TEMPERROR and spf.identity is SpfIdentity.MAILFROM:
        alignment.might_be("spf", spf.domain, record.strict_spf, spf.problem)
    for verdict in dkim:
        if verdict.result is DkimResult.TEMPERROR:
            alignment.might_be("dkim", verdict.domain, record.strict_dkim, verdict.problem)


def _published(
    domain: str, applicable: _Applicable, record: PolicyRecord, alignment: Alignment
) -> tuple[Policy | None, str]:
    """The policy for this author domain (RFC 9989 §4.10.1); None, and why, if DNS does not tell which it is."""
    if applicable.policy_domain == domain:
        return record.p, ""
    existing = record.sp or record.p
    absent = record.np or existing
    if applicable.exists or absent is existing:
        return existing, ""
    try:
        exists = _exists(domain, alignment)
    except Unavailable as e:
        return None, f"whether {domain} exists could not be found out ({e})"
    if exists is None:
        return None, f"whether {domain} exists could not be found out (no records, and no SOA)"
    return (existing if exists else absent), ""


def _exists(domain: str, alignment: Alignment) -> bool | None:
    """Only NXDOMAIN means that the name does not exist (RFC 9989 §3.2.13). None: not known.

    NODATA without a SOA may be an NXDOMAIN of which a forwarder lost the code too: then records of another type tell.
    """
    # TXT first, because SPF has probably asked it
    for kind in (RecordType.TXT, RecordType.A, RecordType.MX, RecordType.AAAA):
        answer = alignment.ask(domain, kind)
        alignment.secure.append(answer.secure)
        if answer.proven or answer.status is Status.NXDOMAIN:
            return answer.status is not Status.NXDOMAIN
    return None


def _requested(published: Policy | None, record: PolicyRecord) -> Policy:
    """RFC 9989 §4.7: t=y lowers the policy by one level."""
    policy = published or Policy.NONE
    return _ONE_LEVEL_LOWER[policy] if record.testing else policy


def _organization(alignment: Alignment, aligned: bool) -> str:
    """That of the author domain; "" if nothing depended on it."""
    walk = alignment.walks.get(alignment.author)
    if walk is not None:
        return walk.organizational_domain
    return alignment.author if aligned else ""  # RFC 9989 §4.10.2: the common domain is treated as it


def _why_failed(alignment: Alignment) -> str:
    if not alignment.compared:
        return "neither SPF nor a DKIM signature passed"
    return "no identifier that passed is aligned"


def _weak_pass(spf: SpfVerdict | None, signatures: Sequence[DkimVerdict]) -> tuple[str, ...]:
    """What is weak about a DMARC pass that rests on these aligned identifiers, all of which passed."""
    notes = []
    if not signatures:
        notes.append("aligned by SPF only")  # RFC 9989 §7.4: breaks when forwarded
        if spf is not None and spf.mechanism in _WIDE:
            notes.append("rests on an SPF record that lets everyone send")
    elif spf is None and all(verdict.testing for verdict in signatures):
        notes.append("rests on testing keys only (t=y)")  # RFC 6376 §3.6.1
    return tuple(notes)
