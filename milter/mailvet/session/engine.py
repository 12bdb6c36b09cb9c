"""engine – everything a process needs to judge messages: parsed settings, and interfaces to DNS, crypto and clocks.

Raises     nothing
Not here   what stands behind the interfaces (assembly)
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Protocol

from mailvet.checks.dkim.keys import KeyParser
from mailvet.checks.dkim.replays import Replays
from mailvet.message import ReversePath
from mailvet.ports import Lookups
from mailvet.settings import Settings
from mailvet.syntax import ip
from mailvet.syntax.ip import Network
from mailvet.verdict import BreachVerdict, SpfIdentity, SpfVerdict


class SpfChecks(Protocol):
    """RFC 7208 for one client; total."""

    def known(self, address: str, domain: str, identity: SpfIdentity) -> bool:
        """Would a check now ask nothing?"""
        ...

    def check_helo(self, address: str, helo: str, lookups: Lookups) -> SpfVerdict:
        """RFC 7208 §2.3"""
        ...

    def check_mail_from(self, address: str, helo: str, mail_from: ReversePath, lookups: Lookups) -> SpfVerdict:
        """RFC 7208 §2.4; the null reverse-path stands for postmaster@HELO."""
        ...


class BreachFeed(Protocol):
    """The breach look-up as the mail path sees it; neither call waits longer than it is told."""

    def peek(self, address: str) -> None:
        """This address may be asked about soon. Never waits."""
        ...

    def ask(self, address: str, wait: float) -> BreachVerdict:
        """The verdict, if it comes within `wait` seconds; else `unknown`."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Engine:
    """Shared by all sessions of a process and never changed."""

    settings: Settings
    begin: Callable[[], Lookups]  # the DNS questions of a new message
    spf: SpfChecks
    keys: KeyParser  # of signatures
    now: Callable[[], float]  # seconds since 1970
    stopwatch: Callable[[], float]  # seconds, for durations alone
    replays: Replays
    surprise: Callable[[str, BaseException], None]  # a message met its first bug: where, and what
    surprised_again: Callable[[], None] = lambda: None  # a message met one more, which is only counted
    breach: BreachFeed | None = None
    trusted: tuple[Network, ...] = ()
    relays: tuple[Network, ...] = ()
    own: frozenset[str] = frozenset()  # every authserv-id that is ours
    kept: frozenset[str] = frozenset()  # those that may stay in mail from our relays


def within(address: str, networks: Iterable[Network]) -> bool:
    """Is the address in one of them?"""
    parsed = ip.parse(address)
    return parsed is not None and any(parsed in network for network in networks)
