"""engines – an Engine over DNS in memory, with a clock that stands still.

    engine(Settings(authserv_id="mx.example.org"), {"example.org": {"TXT": ["v=spf1 -all"]}})

Raises     nothing
"""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

from lab.zone import Zone
from mailvet.assembly import make_engine
from mailvet.checks.dkim.replays import Replays
from mailvet.daemon import connections
from mailvet.session.engine import Engine
from mailvet.settings import Settings

NOW = 1_800_000_000.0


def unexpected(where: str, error: BaseException) -> None:
    raise AssertionError(f"a bug was met: {where}") from error


def engine(
    settings: Settings,
    names: Mapping[str, Any],
    report_bug: Callable[[str, BaseException], None] = unexpected,
    **more: Any,
) -> Engine:
    """Return a worker's engine with other clocks. TXT records may be str; `more` replaces attributes of the engine."""
    zone = {name: _octets(types) if isinstance(types, dict) else types for name, types in names.items()}

    def bug(where: str, error: BaseException) -> None:
        connections.report_bug(where, error, report_bug)

    made = make_engine(settings, lambda: Zone(zone), report_bug, report_spf_bug=bug)
    replays = Replays(lambda: 0.0)
    return dataclasses.replace(made, now=lambda: NOW, stopwatch=lambda: 0.0, replays=replays, **more)


def _octets(types: dict[str, Any]) -> dict[str, Any]:
    return {
        kind: [each.encode() if kind == "TXT" and isinstance(each, str) else each for each in records]
        if isinstance(records, list)
        else records
        for kind, records in types.items()
    }
