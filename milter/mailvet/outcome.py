"""outcome – what is decided about a message, and what is changed in it, as values.

Raises     nothing
Not here   how it is decided (disposition, edits) and who carries it out (daemon.callbacks)
"""

from dataclasses import dataclass
from enum import StrEnum


class Action(StrEnum):
    """What is done with a message."""

    ACCEPT = "accept"
    QUARANTINE = "quarantine"
    REJECT = "reject"
    TEMPFAIL = "tempfail"


@dataclass(frozen=True, slots=True)
class Delete:
    """The removal of one header field."""

    name: str  # as the MTA spells it
    index: int  # 1-based among the fields of that name, as the milter was shown them


@dataclass(frozen=True, slots=True)
class Insert:
    """The insertion of one header field."""

    index: int  # 0: above everything, Postfix's own Received too
    name: str
    value: str  # with its leading space; folded with "\n"


Edit = Delete | Insert


@dataclass(frozen=True, slots=True, kw_only=True)
class Disposition:
    """What is done with a message, by which rule, and what the client is told."""

    action: Action
    rule: str = ""  # the [policy.on] key or the limit that decided; "" where nothing did
    reason: str = ""  # for the log and `check`
    code: str = ""  # "550", "451"; "" unless the message is refused
    enhanced: str = ""  # "5.7.1"
    text: str = ""  # what the client is told: generic, no secrets
