"""ports – what we ask of the world, as types: DNS and signature arithmetic.

DNS has three kinds of answer: found, provably absent (NODATA, NXDOMAIN), and could not find out, which is also
an answer without records that does not prove their absence. The third is the exception `Unavailable`, which can
never be mistaken for the second, and which becomes `temperror` and nothing else.

Raises     Unavailable, from `Lookups.ask` alone
Not here   any implementation (dns, checks.dkim.openssl)
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple, Protocol


class RecordType(StrEnum):
    """Record types we ask for, and the Python shape of a record of that type."""

    TXT = "TXT"  # bytes: the strings of one record, joined
    A = "A"  # str: "192.0.2.1"
    AAAA = "AAAA"  # str: "2001:db8::1" (RFC 5952 text)
    MX = "MX"  # tuple[int, str]: preference, exchange
    PTR = "PTR"  # str: a name without trailing dot, lower case


class Status(StrEnum):
    FOUND = "found"
    NODATA = "nodata"  # the name exists (RFC 8020 sense), the type does not
    NXDOMAIN = "nxdomain"  # the name does not exist


class Trouble(StrEnum):
    """Why we could not find out."""

    TIMEOUT = "timeout"
    SERVFAIL = "servfail"  # also what a validating resolver says of bogus data
    REFUSED = "refused"
    BROKEN = "broken"  # an answer that makes no sense, proves nothing, or is too large to be read
    UNREACHABLE = "unreachable"  # no name server could be reached
    BUDGET = "budget"  # this message has used up its questions or its time
    UNRECORDED = "unrecorded"  # `mailvet check --replay`: not asked when the recording was made


Record = bytes | str | tuple[int, str]


@dataclass(frozen=True, slots=True)
class Answer:
    status: Status
    records: tuple[Record, ...] = ()  # in the order of the answer, names of a PTR sorted; empty unless FOUND
    secure: bool | None = None  # AD bit from a resolver we trust; None where we do not trust its AD
    ttl: float = 0.0  # seconds left
    proven: bool = True  # False: absent by the word of a resolver alone, without a SOA (RFC 2308 §2.2, type 3)


ReportBug = Callable[[str, BaseException], None]  # where the bug was met, and what it is
Ask = Callable[[str, RecordType], Answer]  # `Lookups.ask`, for those who need no more


def all_secure(states: Iterable[bool | None]) -> bool | None:
    """What `Answer.secure` of several answers comes to: True if all are; None if that is not known of all."""
    seen = set(states)
    if False in seen:
        return False
    return None if None in seen or not seen else True


class Unavailable(Exception):
    """Could not find out. Becomes `temperror`, never `none` or `fail`."""

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
    milliseconds: float  # from asking to answer, whether or not anyone waited
    cached: bool
    wanted: bool  # False: asked ahead, and nobody needed it
    late: bool = False  # the budget was used up when it was first asked; the answer is to asking again for the policy


class Lookups(Protocol):
    """The DNS questions of one message: bounded in number and waiting time, each remembered.

    Names are A-labels without trailing dot, any case. A name that cannot be in the DNS (empty or long
    label, over 253 octets, NUL, non-ASCII) is NXDOMAIN without a question. What failed once for this
    message is not asked again.
    """

    def ask(self, name: str, kind: RecordType) -> Answer:
        """Wait for the answer. Raises Unavailable."""
        ...

    def ahead(self, name: str, kind: RecordType, then: Callable[[Answer], None] | None = None) -> None:
        """Ask without waiting; counts against the budget. `then` runs on any thread once an answer
        is there (also from the cache, then at once), never for a failure; it must be quick."""
        ...

    def for_policy(self) -> None:
        """From now on the author domain's policy is asked for, with what was kept for it."""
        ...

    def trail(self) -> tuple[Question, ...]:
        """Every question so far, in the order first asked."""
        ...

    def end(self) -> None:
        """The message is over; nothing will be asked any more."""
        ...

    @property
    def asked(self) -> int:
        """How many questions had to be sent."""
        ...


class PublicKey(Protocol):
    """A public key that can check signatures; cheap to keep."""

    @property
    def bits(self) -> int: ...

    def verify(self, signature: bytes, data: bytes) -> bool:
        """rsa-sha256 (PKCS#1 v1.5) over `data`, or Ed25519 over SHA-256(`data`) (RFC 8463 §3). Never raises."""
        ...
