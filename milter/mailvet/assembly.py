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
    begin: Callable[[], Lookups],
    surprise: ReportBug,
    breach: BreachFeed | None = None,
    surprised: ReportBug | None = None,
) -> Engine:
    """The engine of a worker, and of `mailvet check`.

    `begin` gives each message its lookups; `surprise` is told of the first bug a message meets, `surprised` of bugs
    inside SPF, which knows no session.
    """
    ids = frozenset((settings.authserv_id, *settings.trust.authserv_ids))
    return Engine(
        settings=settings,
        begin=begin,
        spf=Checker(evaluate, time.monotonic, surprised=surprised or surprise),
        keys=KeyParser(parse_tags, load, settings.limits),
        now=time.time,
        stopwatch=time.perf_counter,
        replays=Replays(time.monotonic),
        surprise=surprise,
        breach=breach,
        trusted=tuple(network for _, network in settings.trust.networks),
        relays=tuple(network for _, network in settings.trust.relays),
        own=ids,
        kept=frozenset(settings.trust.authserv_ids),
    )


def make_resolver(settings: DnsSettings, report_bug: ReportBug = lambda *_: None) -> Resolver:
    """Return the DNS client of a process. A sender must not shorten the wait for another domain's policy: DMARC records
    are waited for however slow their zone has been."""
    return Resolver(settings, report_bug=report_bug, always_waited_for=(tree_walk.PREFIX,))
