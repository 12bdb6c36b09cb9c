"""engine – everything a process needs to judge messages: parsed settings, and interfaces to DNS, crypto and clocks.

`Engine` holds it. `SpfChecks` and `BreachFeed` are the two interfaces (Protocols) that are not in ports, since they
speak of verdicts. `within` tells whether an address is in one of several networks.

Raises     nothing
Not here   what stands behind the interfaces (assembly); interfaces to DNS and keys (ports)
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Protocol

from mailvet.checks.dkim.keys import KeyParser
from mailvet.checks.dkim.replays import Replays
from mailvet.message import ReversePath
from mailvet.ports import Lookups, ReportBug
from mailvet.settings import Settings
from mailvet.values import Address, Network
from mailvet.verdict import BreachVerdict, SpfIdentity, SpfVerdict


class SpfChecks(Protocol):
    """The SPF checks of one client (RFC 7208). No method raises."""

    def known(self, address: str, domain: str, identity: SpfIdentity) -> bool:
        """Return whether the verdict is remembered, so that a check would ask nothing."""
        ...

    def check_helo(self, address: str, helo: str, lookups: Lookups) -> SpfVerdict:
        """Return the verdict on the HELO name (RFC 7208 §2.3)."""
        ...

    def check_mail_from(self, address: str, helo: str, mail_from: ReversePath, lookups: Lookups) -> SpfVerdict:
        """Return the verdict on MAIL FROM (RFC 7208 §2.4). The null reverse-path stands for postmaster@HELO."""
        ...


class BreachFeed(Protocol):
    """The breach look-up as the mail path sees it. Neither call waits longer than it is told to."""

    def peek(self, address: str) -> None:
        """Announce that this address may be asked about soon. Never waits."""
        ...

    def ask(self, address: str, wait: float) -> BreachVerdict:
        """Return the verdict on an address, or `unknown` if it does not come within `wait` seconds."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Engine:
    """All that a process needs to judge messages. All its sessions share one, which is never changed."""

    settings: Settings
    new_lookups: Callable[[], Lookups]  # the DNS of a new message
    spf: SpfChecks
    keys: KeyParser  # of signatures
    now: Callable[[], float]  # seconds since 1970
    stopwatch: Callable[[], float]  # seconds, for durations alone
    replays: Replays
    report_bug: ReportBug  # a message met its first bug: where, and what
    count_bug: Callable[[], None] = lambda: None  # a message met another bug, which is not logged
    breach: BreachFeed | None = None
    trusted: tuple[Network, ...] = ()  # networks whose mail is not checked
    relays: tuple[Network, ...] = ()  # networks of our own relays
    keep_questions: bool = False  # for `Case.questions`; they cost a message some microseconds
    our_ids: frozenset[str] = frozenset()  # every authserv-id of ours
    ids_kept_from_relays: frozenset[str] = frozenset()  # those that may stay in mail from our relays


def within(address: Address | None, networks: Iterable[Network]) -> bool:
    """Return whether the address is in one of the networks; False for None."""
    return address is not None and any(address in network for network in networks)
