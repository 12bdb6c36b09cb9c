"""account – what the session can tell of a message it has judged, without local parts unless they are wanted.

Raises     nothing
Not here   what was found out and decided (verify, policy.disposition); the Case that all of it becomes (session)
"""

import re
from typing import Final, NamedTuple

from mailvet.ports import Question
from mailvet.session.engine import Engine
from mailvet.session.transaction import Transaction
from mailvet.syntax import ip
from mailvet.syntax.domain import to_alabel
from mailvet.syntax.reverse_path import AT_SIGNS, domain_of

_IPV6: Final = re.compile("IPv6:", re.IGNORECASE)  # RFC 5321 §4.1.3


class Account(NamedTuple):
    """The part of a `Case` that tells who sent the message and what it cost; `Case` says what each field is."""

    client: str
    helo: str
    mail_from: str = ""
    size: int = 0
    questions: tuple[Question, ...] = ()
    asked: int = 0


def of_message(transaction: Transaction, engine: Engine) -> Account:
    """Return the account of a message from MAIL FROM on. Behind our relay, client and HELO are those the relay saw."""
    local_parts = engine.settings.log.local_parts
    path, lookups = transaction.envelope.mail_from, transaction.lookups
    return Account(
        client=transaction.address or transaction.envelope.address,
        helo=transaction.helo if local_parts else _host(transaction.helo),
        mail_from=path.text if local_parts else path.shown,
        size=transaction.headers.size + transaction.body_octets,
        questions=lookups.trail() if engine.keep_questions else (),
        asked=lookups.asked,
    )


def of_connection(address: str, helo: str, engine: Engine) -> Account:
    """Return the account of a message whose MAIL FROM was lost by a bug."""
    return Account(client=address, helo=helo if engine.settings.log.local_parts else _host(helo))


def _host(helo: str) -> str:
    """Return a domain or an address literal as it is, and "?" for anything else.

    Some clients, and attackers who want it in a log, say HELO with an address, in one spelling or another. Where its
    domain can be told, that is kept.
    """
    if not AT_SIGNS.isdisjoint(helo):
        helo = domain_of(helo).removesuffix(">")
    literal = helo.removeprefix("[").removesuffix("]")
    known = to_alabel(helo.removesuffix(".")) or (ip.parse(_IPV6.sub("", literal)) and "%" not in literal)
    return helo if not helo or known else "?"
