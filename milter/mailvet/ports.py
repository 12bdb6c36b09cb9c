"""ports – what the checks need of the outside world, as types: DNS lookups and public keys.

A DNS lookup ends in one of three ways: records, proof of absence (NODATA, NXDOMAIN), failure. An answer that has no
records and does not prove their absence is a failure, too. Failure is the exception `Unavailable`, which cannot be
mistaken for absence. It becomes `temperror`, unless the method's RFC says otherwise (then the method's file says so).

Raises     Unavailable, from `Lookups.ask` alone
Not here   any implementation (dns, checks.dkim.openssl)
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple, Protocol


class RecordType(StrEnum):
    """The record types we ask for, each with the Python shape of its records."""

    TXT = "TXT"  # bytes: the strings of one record, joined
    A = "A"  # str: "192.0.2.1"
    AAAA = "AAAA"  # str: "2001:db8::1" (RFC 5952 text)
    MX = "MX"  # tuple[int, str]: preference, exchange
    PTR = "PTR"  # str: a name without trailing dot, lower case


class Status(StrEnum):
    """How a lookup that did not fail ended."""

    FOUND = "found"
    NODATA = "nodata"  # the name exists (RFC 8020 sense), the type does not
    NXDOMAIN = "nxdomain"  # the name does not exist


class Trouble(StrEnum):
    """Why a lookup failed."""

    TIMEOUT = "timeout"
    SERVFAIL = "servfail"  # also what a validating resolver says of bogus data
    REFUSED = "refused"
    BROKEN = "broken"  # an answer that contradicts itself, proves nothing, or is too large to be read
    UNREACHABLE = "unreachable"  # no name server could be reached
    BUDGET = "budget"  # this message has used up its questions or its time
    UNRECORDED = "unrecorded"  # `mailvet check --replay`: not asked when the recording was made


Record = bytes | str | tuple[int, str]


@dataclass(frozen=True, slots=True)
class Answer:
    """Records, or the proof that there are none."""

    status: Status
    records: tuple[Record, ...] = ()  # in the order of the answer, names of a PTR sorted; empty unless FOUND
    secure: bool | None = None  # the AD bit; None: it does not count, since the server is not trusted
    ttl: float = 0.0  # seconds left
    proven: bool = True  # False: the resolver says so without a SOA (RFC 2308 §2.2, type 3)


ReportBug = Callable[[str, BaseException], None]  # called for a bug: where it was met, and the exception
Ask = Callable[[str, RecordType], Answer]  # `Lookups.ask`, for functions that need no more


def all_secure(states: Iterable[bool | None]) -> bool | None:
    """Return the `Answer.secure` of several answers together: True if all are; None if that is not known of all."""
    seen = set(states)
    if False in seen:
        return False
    return None if None in seen or not seen else True


class Unavailable(Exception):
    """The exception of a lookup that failed: it is not known whether there are records."""

    def __init__(self, trouble: Trouble, name: str, kind: RecordType) -> None:
        super().__init__(f"{kind} {name}: {trouble}")
        self.trouble = trouble
        self.name = name
        self.kind = kind


class Question(NamedTuple):
    """One question of a message and how it ended, for the log and `mailvet check`."""

    name: str
    kind: RecordType
    answer: Answer | Trouble
    milliseconds: float  # from question to answer, whether or not a check waited for it
    cached: bool
    wanted: bool  # False: it was asked ahead, and no check needed the answer
    late: bool = False  # the main budget was used up when it was first asked; then it was asked within the reserve


class Lookups(Protocol):
    """The DNS lookups of one message: bounded in number and waiting time, each remembered.

    Names are A-labels without trailing dot, in any case. A name that cannot be in the DNS (empty or long label, over
    253 octets, NUL, non-ASCII) is NXDOMAIN without a question. What failed once for this message is not asked again.
    """

    def ask(self, name: str, kind: RecordType) -> Answer:
        """Return the answer once it is there. Raises Unavailable."""
        ...

    def ahead(self, name: str, kind: RecordType, then: Callable[[Answer], None] | None = None) -> None:
        """Ask without waiting; the question counts against the budget.

        `then` is called on any thread once there is an answer (at once for one from the cache), never for a failure; it
        must be quick.
        """
        ...

    @property
    def reserved(self) -> "Lookups":
        """Return the same lookups with a small budget on top, which the main port cannot use up.

        What failed there for want of budget is asked once more here.
        """
        ...

    def trail(self) -> tuple[Question, ...]:
        """Return every question so far, through either port, in the order first asked."""
        ...

    def end(self) -> None:
        """Take note that the message is over and asks nothing any more."""
        ...

    @property
    def asked(self) -> int:
        """Return how many questions had to be sent, through either port."""
        ...


class PublicKey(Protocol):
    """A public key that verifies signatures; cheap to keep."""

    @property
    def bits(self) -> int: ...

    def verify(self, signature: bytes, data: bytes) -> bool:
        """Return whether the signature fits: rsa-sha256 (PKCS#1 v1.5) of `data`, or Ed25519 of its SHA-256.

        RFC 8463 §3. Never raises.
        """
        ...
