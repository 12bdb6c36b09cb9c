"""tree_walk – the DNS Tree Walk (RFC 9989 §4.10): the policy record and the organizational domain that it finds.

One walk from a domain keeps every record it finds; the policy record (§4.10.1) and the organizational domain
(§4.10.2) are both derived from that one list. A walk asks at most 8 questions, whatever the name.

Raises     Unavailable, where a question of the walk could not be answered
Not here   who walks and when (checks.dmarc.gather); the records themselves (checks.dmarc.record)
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from mailvet.checks.dmarc.record import parse
from mailvet.policy_record import PolicyRecord, Psd
from mailvet.ports import Answer, Ask, RecordType, Status, all_secure
from mailvet.values import Domain

PREFIX: Final = "_dmarc."
_MOST_QUESTIONS: Final = 8  # of one walk (RFC 9989 §4.10)


Fetched = tuple[PolicyRecord | None, Answer]  # the record at a name, and the answer it came in


@dataclass(frozen=True, slots=True, kw_only=True)
class Discovery:
    """What a walk has found."""

    organizational_domain: Domain
    policy_domain: Domain | None  # None: no record applies
    record: PolicyRecord | None  # that of the policy domain
    start_exists: bool  # the answers prove it; False: not known
    secure: bool | None


@lru_cache(maxsize=2048)
def walk_names(domain: Domain) -> tuple[str, ...]:
    """Return the names whose TXT records a walk from `domain` asks for, in order; at most 8.

    RFC 9989 §4.10 steps 3 to 7.
    """
    labels = domain.split(".")
    shorter = labels[1:] if len(labels) <= _MOST_QUESTIONS else labels[1 - _MOST_QUESTIONS :]
    return (PREFIX + domain, *(PREFIX + ".".join(shorter[i:]) for i in range(len(shorter))))


def fetch_record(name: str, ask: Ask) -> Fetched:
    """Return the DMARC Policy Record at a name, and the answer. Several count as none (RFC 9989 §4.10 step 2)."""
    answer = ask(name, RecordType.TXT)
    if answer.status is not Status.FOUND:
        return None, answer
    records = [parsed for record in answer.records if (parsed := parse(record)) is not None]
    return (records[0] if len(records) == 1 else None), answer


def discover(domain: Domain, ask: Ask, first: Fetched | None = None) -> Discovery:
    """Return what a walk from `domain` upwards finds. It ends at psd=y, psd=n or the top-level domain.

    `first`: what has been fetched at the first name already.
    """
    found: list[tuple[Domain, PolicyRecord]] = []
    answers: list[Answer] = []
    for name in walk_names(domain):
        record, answer = first or fetch_record(name, ask)
        first = None
        answers.append(answer)
        if record is not None:
            found.append((Domain(name[len(PREFIX) :]), record))
            if record.psd is not Psd.UNKNOWN:
                break
    organization = _organization(domain, found)
    policy_domain, policy = _policy(domain, organization, found)
    return Discovery(
        organizational_domain=organization,
        policy_domain=policy_domain,
        record=policy,
        # RFC 8020 §2: a name exists if one below it does; that `_dmarc` does not exist says nothing about the name
        start_exists=answers[0].status is not Status.NXDOMAIN and answers[0].proven,
        secure=all_secure(answer.secure for answer in answers),
    )


def _organization(start: Domain, found: list[tuple[Domain, PolicyRecord]]) -> Domain:
    """Return the organizational domain (RFC 9989 §4.10.2). Only the last record found can have psd=n or psd=y."""
    if not found:
        return start
    name, record = found[-1]
    if record.psd is Psd.YES:
        return _one_label_below(name, start)  # rule 2; `start` itself if that is the PSD
    return name  # rule 1, psd=n; rule 3, the fewest labels


def _policy(
    start: Domain, organization: Domain, found: list[tuple[Domain, PolicyRecord]]
) -> tuple[Domain | None, PolicyRecord | None]:
    """Return the policy domain and record: of the author domain, else its organizational domain, else the PSD."""
    records = dict(found)
    for name in (start, organization):
        if name in records:
            return name, records[name]
    return found[-1] if found else (None, None)  # not at the organizational domain, so psd=y one label above


def _one_label_below(name: Domain, descendant: Domain) -> Domain:
    """Return the ancestor of `descendant`, or itself, that has one label more than `name`."""
    labels = descendant.split(".")
    return Domain(".".join(labels[-(name.count(".") + 2) :]))
