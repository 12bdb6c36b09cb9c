"""evidence – what the DNS says for the DMARC of one message: all its evaluation needs besides SPF and DKIM verdicts.

Raises     nothing
Not here   asking (checks.dmarc.gather), judging (checks.dmarc.evaluate)
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, NamedTuple

from mailvet.policy_record import PolicyRecord
from mailvet.values import Domain, Problem

_NOT_ASKED: Final = Problem("not asked")
_NONE_FOUND: Final[Mapping[Domain, Domain | Problem]] = MappingProxyType({})


class Evidence(NamedTuple):
    """The record that applies to an author domain, and the answers on which its effect depends."""

    author: Domain
    record: PolicyRecord | None = None  # None: no record applies
    policy_domain: Domain | None = None  # where the record was found
    trouble: Problem | None = None  # why the record could not be found; then nothing more was asked
    exists: bool | Problem | None = None  # whether the author domain exists; None: not asked, as it does not matter
    # Organizational domains, by domain: those needed, and those found on the way; Problem: why one could not be found.
    organizations: Mapping[Domain, Domain | Problem] = _NONE_FOUND
    secure: bool | None = None  # whether every answer was DNSSEC-validated; None: that is not known of all

    def organization_of(self, domain: Domain) -> Domain | Problem:
        """Return the organizational domain of a domain, or why it is not known."""
        return self.organizations.get(domain, _NOT_ASKED)
