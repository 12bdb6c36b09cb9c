"""source – what is asked of a k-anonymity source and of the store, as types.

A failure is a value: it becomes `unknown`, and never "not listed".

Raises     StoreTrouble, from `Verdicts` alone
Not here   any implementation (breach_service.hibp, store.breach); what is made of the answers (breach_service.desk)
"""

from collections.abc import Callable, Iterable
from typing import NamedTuple, Protocol

from mailvet.checks.breach.pace import Pace
from mailvet.verdict import BreachVerdict


class Failed(NamedTuple):
    """Could not find out."""

    what: str  # one of few words, for counting: "status 503", "timeout", "garbage"
    final: bool = False  # it will not get better by itself
    retry_after: float = 0.0  # seconds we were told to wait


class Subscription(NamedTuple):
    ranges: bool  # are range queries part of it?
    rpm: int  # questions per minute; 0: it does not say


class Ranges(Protocol):
    """The source. Every failure is a `Failed`."""

    async def range(self, prefix: str, suffixes: Callable[[], Iterable[str]]) -> dict[str, tuple[str, ...]] | Failed:
        """Names of breaches by suffix. `suffixes` is called once, when the answer is about to be read."""
        ...

    async def breaches(self) -> bytes | Failed:
        """The published list of breaches, as JSON (breach_match reads it)."""
        ...

    async def latest(self) -> str | Failed:
        """A text that changes when there is a new breach."""
        ...

    async def subscription(self) -> Subscription | Failed:
        """What we may ask."""
        ...


class StoreTrouble(Exception):
    """The store cannot be used now; says why, without values."""


class Kept(NamedTuple):
    verdict: BreachVerdict
    expires: float  # seconds since 1970


class Verdicts(Protocol):
    """Used by one thread at a time; it may wait for disk or network, for seconds."""

    def open(self) -> bytes:
        """Make what is missing; returns the secret."""
        ...

    def find(self, key: bytes, now: float) -> Kept | None:
        """The verdict under this key, unless it has expired."""
        ...

    def keep(self, key: bytes, kept: Kept) -> None:
        """In place of what was there."""
        ...

    def purge(self, now: float) -> int:
        """Forget what has expired; how much that was."""
        ...

    def take(self, pace: Pace, now: float | None = None) -> float:
        """One question for this moment out of the common pace: 0.0, or in how many seconds it is worth trying.
        Without `now` it is this moment by a clock that all who share the pace have in common."""
        ...

    def block(self, seconds: float, now: float | None = None) -> None:
        """The source has told one of us to wait so long: that holds for all."""
        ...

    def close(self) -> None: ...
