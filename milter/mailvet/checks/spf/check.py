"""check – SPF for HELO and MAIL FROM: whom a check is about, and what is remembered of it.

`Checker` judges by RFC 7208 with the evaluation it is given, and remembers what that found unless DNS
trouble or the sender itself has shaped it. Threads may share one.

Raises     nothing
Not here   evaluation (checks.spf.pyspf), which clients are checked (session), what follows (dmarc, disposition)
"""

from collections.abc import Callable
from typing import NamedTuple

from mailvet.checks.spf.identity import Client, client, fqdn, sender
from mailvet.checks.spf.memo import Memo
from mailvet.ports import Lookups, ReportBug
from mailvet.verdict import SpfIdentity, SpfResult, SpfVerdict

_NO_DOMAIN = {
    SpfIdentity.HELO: "HELO is not a fully qualified domain name",
    SpfIdentity.MAILFROM: "MAIL FROM is not an address with a fully qualified domain name",
}


class Claim(NamedTuple):
    """Whom the client says it sends for."""

    identity: SpfIdentity
    local: str
    domain: str  # A-labels; "" where there is none to check
    helo: str
    named_by: SpfIdentity  # where that domain stood: for a null reverse-path it is HELO


class Evaluation(NamedTuple):
    verdict: SpfVerdict
    ttl: float  # seconds, the least of the answers it rests on
    repeatable: bool  # by address and domain alone, without DNS trouble
    bug: Exception | None = None  # that made it temperror


Evaluate = Callable[[Client, Claim, str, Lookups], Evaluation]


class Checker:
    """RFC 7208 check_host(), with a memory of what it found."""

    def __init__(self, evaluate: Evaluate, memo: Memo, surprised: ReportBug | None = None) -> None:
        """`surprised` is told of bugs: where, and what."""
        self._evaluate = evaluate
        self._memo = memo
        self._surprised = surprised

    def known(self, address: str, domain: str, identity: SpfIdentity) -> bool:
        """Would a check now ask nothing?"""
        name = fqdn(domain)
        return not name or self._memo.recall(address, name, identity) is not None

    def check_helo(self, address: str, helo: str, lookups: Lookups, receiver: str) -> SpfVerdict:
        """RFC 7208 §2.3"""
        claim = Claim(SpfIdentity.HELO, "postmaster", fqdn(helo), helo, SpfIdentity.HELO)
        return self._check(address, claim, lookups, receiver)

    def check_mail_from(self, address: str, helo: str, mail_from: str, lookups: Lookups, receiver: str) -> SpfVerdict:
        """RFC 7208 §2.4: a null reverse-path stands for postmaster@HELO."""
        local, domain = (sender(mail_from) or ("", "")) if mail_from else ("postmaster", fqdn(helo))
        named_by = SpfIdentity.MAILFROM if mail_from else SpfIdentity.HELO
        return self._check(address, Claim(SpfIdentity.MAILFROM, local, domain, helo, named_by), lookups, receiver)

    def _check(self, address: str, claim: Claim, lookups: Lookups, receiver: str) -> SpfVerdict:
        identity, domain = claim.identity, claim.domain
        who = client(address)
        if who is None:  # nothing the sender could be blamed for; behind a relay, its HELO is not known either
            problem = "the address of the client is not known"
            return SpfVerdict(result=SpfResult.TEMPERROR, identity=identity, domain=domain, problem=problem)
        if not domain:
            return SpfVerdict(result=SpfResult.NONE, identity=identity, domain="", problem=_NO_DOMAIN[claim.named_by])
        recalled = self._memo.recall(address, domain, identity)
        if recalled is not None:
            return recalled
        started = self._memo.now()
        verdict, ttl, repeatable, bug = self._evaluate(who, claim, receiver, lookups)
        if bug is not None and self._surprised is not None:
            self._surprised("spf", bug)
        if repeatable and verdict.result is not SpfResult.TEMPERROR:
            self._memo.keep(address, domain, verdict, started, ttl)
        return verdict
