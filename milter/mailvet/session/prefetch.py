"""prefetch – send DNS queries before their answers are needed, at each step of a session.

Nothing here waits, decides or remembers: without it, each query is sent later. It sends what verify is likely to need,
and should add less than 15 % to the number of queries.

Raises     nothing
Not here   how answers are judged (verify)
"""

from mailvet.checks import author, iprev
from mailvet.checks.dkim.check import Candidate
from mailvet.checks.dmarc import record as dmarc_record, tree_walk as dmarc_walk
from mailvet.checks.spf import terms as spf_terms
from mailvet.ports import Answer, Lookups, RecordType, Status
from mailvet.session.engine import BreachFeed, Engine
from mailvet.session.transaction import Transaction
from mailvet.verdict import SpfIdentity


def connected(address: str, lookups: Lookups) -> None:
    """Ask for the PTR record of a client that has connected, and then for the addresses of its names."""
    iprev.ahead(address, lookups)


def sender(transaction: Transaction, engine: Engine) -> None:
    """Ask for the SPF records of HELO and MAIL FROM, and for what those lead to."""
    address, helo = transaction.address, transaction.helo
    mail_from = transaction.envelope.mail_from
    domain = (mail_from.domain or "") if mail_from.text else helo
    if domain and not engine.spf.known(address, domain, SpfIdentity.MAILFROM):
        spf_terms.ahead(domain, address, transaction.lookups)
    if helo != domain and not engine.spf.known(address, helo, SpfIdentity.HELO):
        spf_terms.ahead(helo, address, transaction.lookups)


def author_field(transaction: Transaction, value: bytes, engine: Engine) -> None:
    """Ask for the DMARC record of the domain in a From field that has arrived."""
    if len(transaction.headers.by_name[b"from"]) == 1:  # with a second one there is no author domain to ask about
        _author(value, transaction.lookups.reserved, engine.breach)


def key(candidate: Candidate, lookups: Lookups) -> None:
    """Ask for the key of a DKIM signature that has arrived."""
    if candidate.key_name is not None:
        lookups.ahead(candidate.key_name, RecordType.TXT)


def _author(value: bytes, lookups: Lookups, breach: BreachFeed | None) -> None:
    found = author.find((value,))
    if not isinstance(found, author.Author):
        return
    if breach is not None:
        breach.peek(found.address)
    names = dmarc_walk.walk_names(found.domain)

    def walk_on(answer: Answer) -> None:
        """Ask for the records of the parent domains if the author domain has none of its own."""
        if answer.status is not Status.FOUND or not any(map(dmarc_record.is_record, answer.records)):
            for name in names[1:]:
                lookups.ahead(name, RecordType.TXT)

    lookups.ahead(names[0], RecordType.TXT, walk_on)


def signatures(transaction: Transaction) -> None:
    """Ask for the keys of the ARC chain; the header is complete."""
    if transaction.chain is not None:
        for name, kind in transaction.chain.questions:
            transaction.lookups.ahead(name, kind)
