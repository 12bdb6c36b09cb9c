"""engines – an Engine over a dict of DNS answers, with a clock that stands still.

engine(Settings(authserv_id="mx.example.org"), {"example.org": {"TXT": ["v=spf1 -all"]}})
"""

from collections.abc import Callable, Mapping
from typing import Any

from lab.zone import Zone
from mailvet.checks.dkim import tag_list as taglist
from mailvet.checks.dkim.dkimpy import parse_tags
from mailvet.checks.dkim.keys import Tools
from mailvet.checks.dkim.openssl import load
from mailvet.checks.dkim.replays import Replays
from mailvet.checks.spf.pyspf import SpfChecker
from mailvet.session.engine import Engine, parse_networks
from mailvet.settings import Settings

NOW = 1_800_000_000.0


def unexpected(where: str, error: BaseException) -> None:
    raise AssertionError(f"a bug was met: {where}") from error


def engine(
    settings: Settings,
    names: Mapping[str, Any],
    surprise: Callable[[str, BaseException], None] = unexpected,
    **more: Any,
) -> Engine:
    """As worker.make_engine builds it. TXT records may be given as text."""
    zone = {name: _octets(types) if isinstance(types, dict) else types for name, types in names.items()}
    return Engine(
        settings=settings,
        begin=lambda: Zone(zone),
        spf=SpfChecker(),
        tools=Tools(taglist.parse, load, settings.limits, settings.dkim, parse_tags),
        now=lambda: NOW,
        stopwatch=lambda: 0.0,
        replays=Replays(lambda: 0.0),
        surprise=surprise,
        trusted=parse_networks(settings.trust.networks),
        relays=parse_networks(settings.trust.relays),
        own=frozenset((settings.authserv_id, *settings.trust.authserv_ids)),
        kept=frozenset(settings.trust.authserv_ids),
        **more,
    )


def _octets(types: dict[str, Any]) -> dict[str, Any]:
    return {
        kind: [each.encode() if kind == "TXT" and isinstance(each, str) else each for each in records]
        if isinstance(records, list)
        else records
        for kind, records in types.items()
    }
