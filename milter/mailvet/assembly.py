"""assembly – the engine and the resolver of a process, with the libraries behind their ports: put there nowhere else.

Raises     nothing
Not here   the resolver itself (dns), the processes (daemon), what a message goes through (session)
"""

import time
from collections.abc import Callable

from mailvet.checks.dkim.dkimpy import parse_tags
from mailvet.checks.dkim.keys import KeyParser
from mailvet.checks.dkim.openssl import load
from mailvet.checks.dkim.replays import Replays
from mailvet.checks.dmarc import tree_walk
from mailvet.checks.spf.check import Checker
from mailvet.checks.spf.pyspf import evaluate
from mailvet.dns.resolver import Resolver
from mailvet.ports import Lookups, ReportBug
from mailvet.session.engine import BreachFeed, Engine
from mailvet.settings import DnsSettings, Settings


def make_engine(
    settings: Settings,
    new_lookups: Callable[[], Lookups],
    report_bug: ReportBug,
    breach: BreachFeed | None = None,
    report_spf_bug: ReportBug | None = None,
) -> Engine:
    """Return the engine of a worker, or of `mailvet check`.

    `new_lookups` gives each message its DNS. `report_bug` gets the first bug that a message meets; `report_spf_bug`
    those inside SPF, which does not know the session, by default the same.
    """
    of_relays = frozenset(settings.trust.authserv_ids)
    return Engine(
        settings=settings,
        new_lookups=new_lookups,
        spf=Checker(evaluate, time.monotonic, report_bug=report_spf_bug or report_bug),
        keys=KeyParser(parse_tags, load, settings.limits),
        now=time.time,
        stopwatch=time.perf_counter,
        replays=Replays(time.monotonic),
        report_bug=report_bug,
        breach=breach,
        trusted=tuple(network for _, network in settings.trust.networks),
        relays=tuple(network for _, network in settings.trust.relays),
        our_ids=of_relays | {settings.authserv_id},
        ids_kept_from_relays=of_relays,
    )


def make_resolver(settings: DnsSettings, report_bug: ReportBug = lambda *_: None) -> Resolver:
    """Return the DNS client of a process.

    A sender must not shorten the wait for another domain's policy: DMARC records are waited for however slow their
    zone has been.
    """
    return Resolver(settings, report_bug=report_bug, always_waited_for=(tree_walk.PREFIX,))
