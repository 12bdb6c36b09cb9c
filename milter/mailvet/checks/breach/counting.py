"""counting – which breaches count, and the verdict on an address that was in some of them.

The source publishes a list of all breaches (HIBP's `/breaches`). What is kept of each entry is what decides: does
it count, when was it added, what leaked. A range's answer contains the names of breaches; they are looked up in
this list and are not passed on.

Raises     nothing
Not here   fetching (breach_service.hibp); a range's answer (checks.breach.hash_range)
"""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, Final, NamedTuple

from mailvet.settings import BreachSettings
from mailvet.values import Problem
from mailvet.verdict import BreachResult, BreachVerdict

ALSO: Final = ("unverified", "fabricated", "retired", "spam-list", "sensitive")
_FLAGS: Final = {
    "fabricated": "IsFabricated",
    "retired": "IsRetired",
    "spam-list": "IsSpamList",
    "sensitive": "IsSensitive",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """The operator's settings for which breaches count."""

    max_age: timedelta
    data_classes: frozenset[str]
    malware: bool
    stealer_logs: bool
    also: frozenset[str]

    @property
    def fingerprint(self) -> bytes:
        """Return 32 octets that differ between filters, since a verdict is valid for one filter only."""
        words = (self.max_age.days, sorted(self.data_classes), self.malware, self.stealer_logs, sorted(self.also))
        return hashlib.sha256(repr(words).encode()).digest()


def filter_of(settings: BreachSettings) -> Filter:
    """Return the filter that these settings describe."""
    return Filter(
        max_age=timedelta(seconds=settings.max_age),
        data_classes=frozenset(settings.data_classes),
        malware=settings.malware,
        stealer_logs=settings.stealer_logs,
        also=frozenset(settings.also),
    )


class CountedBreach(NamedTuple):
    """A breach that counts as long as it is recent."""

    added: date  # to the source's list
    classes: tuple[str, ...]  # "passwords", "stealer-log", "malware"


BreachList = Mapping[str, CountedBreach | None]  # by name; None: a known breach that does not count


def parse_breach_list(body: bytes, wanted: Filter) -> BreachList | Problem:
    """Return the breaches of the published list (JSON). An entry that lacks a deciding field does not count."""
    try:
        entries = json.loads(body)
    except RecursionError:
        return Problem("nested too deeply")
    except ValueError as e:
        return Problem(str(e))
    if not isinstance(entries, list) or not entries:
        return Problem("not a list of breaches")
    found: dict[str, CountedBreach | None] = {}
    for entry in entries:
        if not isinstance(entry, dict) or not isinstance(entry.get("Name"), str):
            return Problem("an entry that is not a breach")
        found[entry["Name"]] = _counted(entry, wanted)
    return found


def _counted(entry: dict[str, Any], wanted: Filter) -> CountedBreach | None:
    if any(entry.get(flag) is not False and word not in wanted.also for word, flag in _FLAGS.items()):
        return None
    if entry.get("IsVerified") is not True and "unverified" not in wanted.also:
        return None
    leaked = entry.get("DataClasses")
    leaked = {item for item in leaked if isinstance(item, str)} if isinstance(leaked, list) else set()
    stealer, malware = entry.get("IsStealerLog") is True, entry.get("IsMalware") is True
    matters = not wanted.data_classes or bool(leaked & wanted.data_classes)
    if not (matters or (stealer and wanted.stealer_logs) or (malware and wanted.malware)):
        return None
    try:
        added = date.fromisoformat(str(entry.get("AddedDate"))[:10])
    except ValueError:
        return None
    words = (("passwords", "Passwords" in leaked), ("stealer-log", stealer), ("malware", malware))
    return CountedBreach(added, tuple(word for word, holds in words if holds))


def has_unknown_names(names: Iterable[str], known: BreachList) -> bool:
    """Return whether one of these breaches is missing from the list, which then has to be fetched again."""
    return any(name not in known for name in names)


def judge(names: Iterable[str], known: BreachList, wanted: Filter, today: date, source: str) -> BreachVerdict:
    """Return the verdict on an address that was in these breaches, which may be none."""
    oldest = today - wanted.max_age
    counted = [breach for breach in map(known.get, names) if breach is not None and breach.added >= oldest]
    if not counted:
        return BreachVerdict(result=BreachResult.NOT_LISTED, source=source, checked=today.isoformat())
    classes = {word for breach in counted for word in breach.classes}
    return BreachVerdict(
        result=BreachResult.LISTED,
        source=source,
        newest=max(breach.added for breach in counted).isoformat()[:7],
        classes=tuple(word for word in ("passwords", "stealer-log", "malware") if word in classes) or ("other",),
        checked=today.isoformat(),
    )


def newest(known: BreachList) -> date:
    """Return the day when the newest breach that counts was added; `date.min` if none counts.

    A verdict that is older may have missed that breach.
    """
    return max((breach.added for breach in known.values() if breach is not None), default=date.min)
