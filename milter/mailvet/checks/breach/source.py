"""source – what the breach look-up needs from a k-anonymity source and from a store, as types.

A failure of the source is a value (`Failed`): it becomes the verdict `unknown` and never "not listed".

Raises     nothing; a `VerdictStore` raises store.database.StoreTrouble
Not here   the implementations (breach_service.hibp, store.breach); what is made of the answers
           (breach_service.lookup)
"""

from collections.abc import Callable, Iterable
from typing import NamedTuple, Protocol

from mailvet.checks.breach.pace import Pace
from mailvet.verdict import BreachVerdict


class Failed(NamedTuple):
    """A failure of the source: it did not answer, or its answer makes no sense."""

    what: str  # from a small set, for counting: "status 503", "timeout", "garbage"
    final: bool = False  # a retry cannot help: wrong key, wrong plan
    retry_after: float = 0.0  # seconds that the source has told us to wait; 0.0: it has not


class Subscription(NamedTuple):
    """What our plan at the source allows."""

    ranges: bool  # are range queries part of it?
    rpm: int  # requests per minute; 0: the source does not say


class BreachSource(Protocol):
    """A source of breaches, such as Have I Been Pwned. Every failure is a `Failed`."""

    async def range(self, prefix: str, suffixes: Callable[[], Iterable[str]]) -> dict[str, tuple[str, ...]] | Failed:
        """Return the names of breaches by suffix, for each wanted suffix that is listed under this prefix.

        `suffixes` returns the wanted ones; it is called once, when the answer is about to be read.
        """
        ...

    async def breaches(self) -> bytes | Failed:
        """Return the published list of breaches as JSON, for `counting.parse_breach_list`."""
        ...

    async def latest(self) -> str | Failed:
        """Return a text that changes when a breach is added to the list."""
        ...

    async def subscription(self) -> Subscription | Failed:
        """Return what our plan allows."""
        ...


class Kept(NamedTuple):
    """A verdict in the store."""

    verdict: BreachVerdict
    expires: float  # seconds since 1970


class VerdictStore(Protocol):
    """A store for verdicts and the hosts' common pace. One thread uses it; each call may take seconds."""

    def open(self) -> bytes:
        """Create the tables that are missing, and return the secret for the keys."""
        ...

    def find(self, key: bytes, now: float) -> Kept | None:
        """Return the verdict under this key, unless it has expired."""
        ...

    def keep(self, key: bytes, kept: Kept) -> None:
        """Store a verdict, replacing any older one under this key."""
        ...

    def purge(self, now: float) -> int:
        """Delete the verdicts that have expired, and return how many there were."""
        ...

    def take(self, pace: Pace, now: float | None = None) -> float:
        """Take one request from the common pace. Return 0.0, or after how many seconds to try again.

        `now` is for tests; without it the time is read from one clock that all hosts share.
        """
        ...

    def block(self, seconds: float, now: float | None = None) -> None:
        """Let no host take a request for so many seconds, because the source has told one of them to wait."""
        ...

    def close(self) -> None:
        """Close the connections."""
        ...
