"""alignment – whether an authenticated identifier is aligned with the author domain (RFC 9989 §4.10.2).

`compare` asks a function for organizational domains, and only for those that are needed. An identifier equal to the
author domain is aligned. One that is neither equal to nor below the author's organizational domain is not aligned,
since the organizational domain of a name is that name or a parent of it.

Raises     only what the given function raises
Not here   how organizational domains are found (checks.dmarc.gather), what follows (checks.dmarc.evaluate)
"""

from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

from mailvet.policy_record import PolicyRecord
from mailvet.values import Domain, Problem
from mailvet.verdict import DkimResult, DkimVerdict, SpfIdentity, SpfResult, SpfVerdict

Identified = SpfVerdict | DkimVerdict  # a verdict on an identifier that DMARC may use
OrganizationOf = Callable[[Domain], Domain | Problem]  # the organizational domain, or why it could not be found


class Comparison(NamedTuple):
    """Whether an identifier is aligned with the author domain, and why."""

    aligned: bool
    reason: str  # for people


_IDENTICAL: Final = Comparison(True, "identical")
_STRICT: Final = Comparison(False, "strict")


def passed(spf: SpfVerdict, dkim: Sequence[DkimVerdict]) -> list[Identified]:
    """Return the verdicts that authenticate an identifier: MAIL FROM first; HELO never counts (RFC 9989 §4.4.2)."""
    signatures = (verdict for verdict in dkim if verdict.result is DkimResult.PASS)
    return [*_mail_from(spf, SpfResult.PASS), *signatures]


def unchecked(spf: SpfVerdict, dkim: Sequence[DkimVerdict]) -> list[Identified]:
    """Return the verdicts that are temperror, so might have been a pass; MAIL FROM first."""
    signatures = (verdict for verdict in dkim if verdict.result is DkimResult.TEMPERROR)
    return [*_mail_from(spf, SpfResult.TEMPERROR), *signatures]


def _mail_from(spf: SpfVerdict, result: SpfResult) -> list[SpfVerdict]:
    return [spf] if spf.result is result and spf.identity is SpfIdentity.MAILFROM else []


def compare(
    author: Domain, verdict: Identified, record: PolicyRecord, organization_of: OrganizationOf
) -> Comparison | Problem:
    """Return whether the domain of `verdict` is aligned with the author domain, or why that could not be found out."""
    domain = Domain(verdict.domain)
    if domain == author:
        return _IDENTICAL
    if record.strict_spf if isinstance(verdict, SpfVerdict) else record.strict_dkim:
        return _STRICT  # RFC 9989 §4.10.2: a simple string comparison
    if domain.rpartition(".")[2] != author.rpartition(".")[2]:
        return Comparison(False, "relaxed: nothing in common")
    author_organization = organization_of(author)
    if isinstance(author_organization, Problem):
        return author_organization
    if domain != author_organization and not domain.endswith("." + author_organization):
        return Comparison(False, f"relaxed: not below {author_organization}")
    identifier_organization = organization_of(domain)
    if isinstance(identifier_organization, Problem):
        return identifier_organization
    return Comparison(
        identifier_organization == author_organization, f"relaxed: {identifier_organization} and {author_organization}"
    )
