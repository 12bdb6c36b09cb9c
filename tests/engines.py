"""engines – an Engine over a dict of DNS answers, with a clock that stands still.

engine(Settings(authserv_id="mx.example.org"), {"example.org": {"TXT": ["v=spf1 -all"]}})
"""

from collections.abc import Callable, Mapping
from typing import Any

from mailvet import taglist
from mailvet.adapters.dkimpy import parse_tags
from mailvet.adapters.openssl import load
from mailvet.adapters.pyspf import SpfChecker
from mailvet.engine import Engine, parse_networks
from mailvet.keys import Tools
from mailvet.notes import Replays
from mailvet.settings import Settings
from zone import Zone

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
