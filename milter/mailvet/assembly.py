"""assembly – the engine of a process, with the libraries behind their ports. The only place that puts them there.

Raises     nothing
Not here   the resolver itself (dns), the processes (daemon), what a message goes through (session)
"""

import time
from collections.abc import Callable

from mailvet.checks.dkim.dkimpy import parse_tags
from mailvet.checks.dkim.keys import KeyParser
from mailvet.checks.dkim.openssl import load
from mailvet.checks.dkim.replays import Replays
from mailvet.checks.spf.check import Checker
from mailvet.checks.spf.pyspf import evaluate
from mailvet.ports import Lookups, ReportBug
from mailvet.session.engine import BreachFeed, Engine, parse_networks
from mailvet.settings import Settings


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
        trusted=parse_networks(settings.trust.networks),
        relays=parse_networks(settings.trust.relays),
        own=ids,
        kept=frozenset(settings.trust.authserv_ids),
    )
