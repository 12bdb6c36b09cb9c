"""tree_walk – the DNS Tree Walk (RFC 9989 §4.10) and what follows from it.

One walk from a domain keeps every record it finds; the policy record (§4.10.1) and the organizational
domain (§4.10.2) are both derived from that one list. At most 8 questions, whatever the name.

Raises     Unavailable, where a question of the walk could not be answered
Not here   alignment and results (dmarc); the records themselves (checks.dmarc.record)
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from mailvet.checks.dmarc import record as dmarc_record
from mailvet.checks.dmarc.record import PolicyRecord, Psd
from mailvet.ports import Answer, Ask, RecordType, Status, all_secure

PREFIX: Final = "_dmarc."
_MOST: Final = 8  # questions of one walk (RFC 9989 §4.10)


@dataclass(frozen=True, slots=True, kw_only=True)
class Discovery:
    """What a walk has shown."""

    organizational_domain: str
    policy_domain: str  # "" where no record applies
    record: PolicyRecord | None  # that of the policy domain
    start_exists: bool  # proven in passing; False: not known
    secure: bool | None


@lru_cache(maxsize=2048)
def names(domain: str) -> tuple[str, ...]:
    """The names a walk from `domain` asks TXT of, in order; at most 8 (RFC 9989 §4.10 steps 3 to 7)."""
    labels = domain.split(".") if domain else []
    shorter = labels[1:] if len(labels) <= _MOST else labels[1 - _MOST :]
    starts = [domain] if domain else []
    starts += [".".join(shorter[i:]) for i in range(len(shorter))]
    return tuple(PREFIX + start for start in starts)


def look(name: str, ask: Ask) -> tuple[PolicyRecord | None, Answer]:
    """The one DMARC Policy Record at this name. Several are none (RFC 9989 §4.10 step 2)."""
    answer = ask(name, RecordType.TXT)
    if answer.status is not Status.FOUND:
        return None, answer
    records = list(filter(dmarc_record.is_record, answer.records))
    return (dmarc_record.parse(records[0]) if len(records) == 1 else None), answer


def discover(domain: str, ask: Ask) -> Discovery:
    """Walk from `domain` upwards until psd=y, psd=n or the top-level domain."""
    found: list[tuple[str, PolicyRecord]] = []
    answers: list[Answer] = []
    for name in names(domain):
        record, answer = look(name, ask)
        answers.append(answer)
        if record is not None:
            found.append((name[len(PREFIX) :], record))
            if record.psd is not Psd.UNKNOWN:
                break
    organization = _organization(domain, found)
    policy_domain, policy = _policy(domain, organization, found)
    return Discovery(
        organizational_domain=organization,
        policy_domain=policy_domain,
        record=policy,
        # RFC 8020 §2: what has a name below it exists; that `_dmarc` is not there says nothing of the name above it
        start_exists=bool(answers) and answers[0].status is not Status.NXDOMAIN and answers[0].proven,
        secure=all_secure(answer.secure for answer in answers),
    )


def _organization(start: str, found: list[tuple[str, PolicyRecord]]) -> str:
    """RFC 9989 §4.10.2. A record with psd=n or psd=y ended the walk, so only the last can have one."""
    if not found:
        return start
    name, record = found[-1]
    if record.psd is Psd.YES:
        return one_label_below(name, start)  # rule 2; a PSD where the walk started is left by it as it is
    return name  # rule 1, psd=n; rule 3, the fewest labels


def _policy(start: str, organization: str, found: list[tuple[str, PolicyRecord]]) -> tuple[str, PolicyRecord | None]:
    """RFC 9989 §4.10.1: the author domain's record, else its organizational domain's, else the PSD's."""
    records = dict(found)
    for name in (start, organization):
        if name in records:
            return name, records[name]
    return found[-1] if found else ("", None)  # not at the organizational domain, so psd=y one label above


def one_label_below(name: str, descendant: str) -> str:
    """The ancestor of `descendant`, or itself, with one label more than `name`."""
    labels = descendant.split(".")
    return ".".join(labels[-(name.count(".") + 2) :])
