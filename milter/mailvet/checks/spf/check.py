"""check – SPF for HELO and MAIL FROM: whom a check is about, and what is remembered of it.

`Checker` judges by RFC 7208 with the evaluation it is given, and remembers a verdict unless DNS trouble or the
sender's own name has shaped it. Threads may share one checker.

Raises     nothing
Not here   evaluation (checks.spf.pyspf), which clients are checked (session), what follows (checks.dmarc, policy)
"""

from collections.abc import Callable
from typing import Final, NamedTuple

from mailvet.checks.spf.identity import Client, Sender, parse_client, parse_helo, sender_of
from mailvet.checks.spf.memo import Clock, Memo
from mailvet.message import ReversePath
from mailvet.ports import Lookups, ReportBug
from mailvet.syntax.domain import host_name
from mailvet.values import Problem
from mailvet.verdict import SpfIdentity, SpfResult, SpfVerdict

_REMEMBERED: Final = 8_000  # verdicts


class Claim(NamedTuple):
    """On whose behalf the client says it sends."""

    identity: SpfIdentity
    sender: Sender
    helo: str  # as received


class Evaluation(NamedTuple):
    """What RFC 7208's check_host() found, and how long that holds."""

    verdict: SpfVerdict
    ttl: float  # seconds, the least of the answers it rests on
    repeatable: bool  # decided by address and domain alone, without DNS trouble
    bug: Exception | None = None  # the bug that made it temperror


Evaluate = Callable[[Client, Claim, Lookups], Evaluation]


class Checker:
    """The SPF checks of one process (RFC 7208), with a memory of their verdicts."""

    def __init__(
        self, evaluate: Evaluate, clock: Clock, size: int = _REMEMBERED, report_bug: ReportBug | None = None
    ) -> None:
        """Remember `size` verdicts. `clock` gives seconds, never set back; `report_bug` is called for bugs."""
        self._evaluate = evaluate
        self._memo = Memo(clock, size)
        self._report_bug = report_bug

    def known(self, address: str, domain: str, identity: SpfIdentity) -> bool:
        """Return whether a check now would ask the DNS nothing."""
        name = host_name(domain)
        return name is None or self._memo.recall(address, name, identity) is not None

    def check_helo(self, address: str, helo: str, lookups: Lookups) -> SpfVerdict:
        """Return the verdict on the HELO name (RFC 7208 §2.3)."""
        return self._check(address, SpfIdentity.HELO, parse_helo(helo), helo, lookups)

    def check_mail_from(self, address: str, helo: str, mail_from: ReversePath, lookups: Lookups) -> SpfVerdict:
        """Return the verdict on MAIL FROM; the null reverse-path stands for postmaster@HELO (RFC 7208 §2.4)."""
        sender = sender_of(mail_from) if mail_from.text else parse_helo(helo)
        return self._check(address, SpfIdentity.MAILFROM, sender, helo, lookups)

    def _check(
        self, address: str, identity: SpfIdentity, sender: Sender | Problem, helo: str, lookups: Lookups
    ) -> SpfVerdict:
        domain = "" if isinstance(sender, Problem) else sender.domain
        client = parse_client(address)
        if client is None:  # not the sender's fault; behind a relay, its HELO is not known either
            problem = "the address of the client is not known"
            return SpfVerdict(result=SpfResult.TEMPERROR, identity=identity, domain=domain, problem=problem)
        if isinstance(sender, Problem):
            return SpfVerdict(result=SpfResult.NONE, identity=identity, domain=domain, problem=sender.text)
        recalled = self._memo.recall(address, sender.domain, identity)
        if recalled is not None:
            return recalled
        started = self._memo.now()
        verdict, ttl, repeatable, bug = self._evaluate(client, Claim(identity, sender, helo), lookups)
        if bug is not None and self._report_bug is not None:
            self._report_bug("spf", bug)
        if repeatable and verdict.result is not SpfResult.TEMPERROR:
            self._memo.keep(address, sender.domain, verdict, started, ttl)
        return verdict
