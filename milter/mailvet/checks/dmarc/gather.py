"""gather – ask the DNS for what the DMARC verdict on one message depends on, and for nothing else.

First comes the record that applies to the author domain. If there is none, or it has no policy, nothing more is asked.
Then come the organizational domains that alignment depends on, and, if np= makes a difference, whether the author
domain exists.

Raises     nothing: what could not be found out stands in the Evidence
Not here   what follows from the answers (checks.dmarc.evaluate)
"""

from collections.abc import Sequence
from typing import Final

from mailvet.checks.dmarc.alignment import Comparison, Identified, compare, passed, unchecked
from mailvet.checks.dmarc.evidence import Evidence
from mailvet.checks.dmarc.tree_walk import Discovery, Fetched, discover, fetch_record, walk_names
from mailvet.policy_record import PolicyRecord
from mailvet.ports import Ask, RecordType, Status, Unavailable, all_secure
from mailvet.values import Domain, Problem
from mailvet.verdict import DkimVerdict, SpfVerdict

# The types asked for to see whether a name exists; TXT first, since SPF has probably asked for it
_TYPES: Final = (RecordType.TXT, RecordType.A, RecordType.MX, RecordType.AAAA)


def gather(author: Domain, spf: SpfVerdict, dkim: Sequence[DkimVerdict], ask: Ask) -> Evidence:
    """Return what DNS tells about a message; `spf` is the verdict on MAIL FROM."""
    questions = _Questions(author, ask)
    try:
        record, policy_domain, author_seen = questions.policy()
    except Unavailable as e:
        return Evidence(author, trouble=Problem(str(e)))
    exists: bool | Problem | None = None
    if record is not None and record.p is not None:
        questions.organizations_for(record, spf, dkim)
        if policy_domain != author and record.np is not None and record.np is not (record.sp or record.p):
            exists = author_seen or questions.existence()
    return Evidence(
        author=author,
        record=record,
        policy_domain=policy_domain,
        exists=exists,
        organizations=questions.organizations,
        secure=all_secure(questions.secure),
    )


class _Questions:
    """The questions about one author domain, with what their answers have shown so far."""

    def __init__(self, author: Domain, ask: Ask) -> None:
        self.organizations: dict[Domain, Domain | Problem] = {}
        self.secure: list[bool | None] = []
        self._author = author
        self._ask = ask
        self._at_author: Fetched | None = None

    def policy(self) -> tuple[PolicyRecord | None, Domain | None, bool]:
        """Return the record that applies (RFC 9989 §4.10.1), its domain, and whether the author domain exists.

        False also means that the answers do not tell. If the author domain has a record of its own, no walk is needed.
        Raises Unavailable.
        """
        self._at_author = record, answer = fetch_record(walk_names(self._author)[0], self._ask)
        if record is not None:
            self.secure.append(answer.secure)
            return record, self._author, True
        walk = self._walk(self._author)
        return walk.record, walk.policy_domain, walk.start_exists

    def organizations_for(self, record: PolicyRecord, spf: SpfVerdict, dkim: Sequence[DkimVerdict]) -> None:
        """Find the organizational domains on which alignment depends."""

        authenticated = passed(spf, dkim)
        if authenticated and all(verdict.domain == self._author for verdict in authenticated):
            return  # the names settle it, as for most mail

        def is_aligned(verdict: Identified) -> bool:
            compared = compare(self._author, verdict, record, self._organization)
            return isinstance(compared, Comparison) and compared.aligned

        aligned = [is_aligned(verdict) for verdict in authenticated]  # all of them, since all are reported
        if not any(aligned):
            for verdict in unchecked(spf, dkim):  # what might have been aligned, had it passed
                if verdict.domain:
                    is_aligned(verdict)

    def existence(self) -> bool | Problem:
        """Return whether the author domain exists: only NXDOMAIN means that it does not (RFC 9989 §3.2.13).

        NODATA without a SOA may be an NXDOMAIN whose code a forwarder has dropped. Then other types are asked for.
        """
        for kind in _TYPES:
            try:
                answer = self._ask(self._author, kind)
            except Unavailable as e:
                return Problem(str(e))
            self.secure.append(answer.secure)
            if answer.proven or answer.status is Status.NXDOMAIN:
                return answer.status is not Status.NXDOMAIN
        return Problem("no records, and no SOA")

    def _organization(self, domain: Domain) -> Domain | Problem:
        if domain not in self.organizations:
            try:
                self._walk(domain)
            except Unavailable as e:
                self.organizations[domain] = Problem(str(e))
        return self.organizations[domain]

    def _walk(self, domain: Domain) -> Discovery:
        """Return the result of a walk from a domain, and keep its organizational domain. Raises Unavailable."""
        walk = discover(domain, self._ask, self._at_author if domain == self._author else None)
        self.organizations[domain] = walk.organizational_domain
        self.secure.append(walk.secure)
        return walk
