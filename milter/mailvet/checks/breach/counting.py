"""counting – which breaches count, and the verdict on an address that was in some.

A catalogue is what is published about each breach (HIBP's `/breaches`), reduced to what decides: does it
count, when was it added, what leaked. Names join it with a range's answer, and go no further.

Raises     ValueError from `catalogue`, for what is not a list of breaches
Not here   fetching (breach_service.hibp); the range's answer (checks.breach.hash_range)
"""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, Final, NamedTuple

from mailvet.settings import BreachSettings
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
    """What makes a breach count."""

    max_age: timedelta
    data_classes: frozenset[str]
    malware: bool
    stealer_logs: bool
    also: frozenset[str]

    @property
    def fingerprint(self) -> bytes:
        """Verdicts under another filter do not count under this one."""
        words = (self.max_age.days, sorted(self.data_classes), self.malware, self.stealer_logs, sorted(self.also))
        return hashlib.sha256(repr(words).encode()).digest()


def filter_of(settings: BreachSettings) -> Filter:
    return Filter(
        max_age=timedelta(seconds=settings.max_age),
        data_classes=frozenset(settings.data_classes),
        malware=settings.malware,
        stealer_logs=settings.stealer_logs,
        also=frozenset(settings.also),
    )


class Counting(NamedTuple):
    """A breach that counts, as long as it is recent."""

    added: date
    classes: tuple[str, ...]  # in our words


Catalogue = Mapping[str, Counting | None]  # by name; None: known, and does not count


def catalogue(body: bytes, wanted: Filter) -> Catalogue:
    """The published list, reduced. A breach that lacks what decides does not count."""
    try:
        entries = json.loads(body)
    except RecursionError as e:
        raise ValueError("nested too deeply") from e
    if not isinstance(entries, list) or not entries:
        raise ValueError("not a list of breaches")
    found: dict[str, Counting | None] = {}
    for entry in entries:
        if not isinstance(entry, dict) or not isinstance(entry.get("Name"), str):
            raise ValueError("an entry that is not a breach")
        found[entry["Name"]] = _reduced(entry, wanted)
    return found


def _reduced(entry: dict[str, Any], wanted: Filter) -> Counting | None:
    if any(entry.get(flag) is not False and kind not in wanted.also for kind, flag in _FLAGS.items()):
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
    return Counting(added, tuple(word for word, holds in words if holds))


def unknown_names(names: Iterable[str], known: Catalogue) -> bool:
    """Is there a breach that the catalogue does not have, so that it has to be read again?"""
    return any(name not in known for name in names)


def judge(names: Iterable[str], known: Catalogue, wanted: Filter, today: date, source: str) -> BreachVerdict:
    """The verdict on an address that was in these breaches; none of them, if it was in no breach at all."""
    oldest = today - wanted.max_age
    counting = [breach for breach in map(known.get, names) if breach is not None and breach.added >= oldest]
    if not counting:
        return BreachVerdict(result=BreachResult.NOT_LISTED, source=source, checked=today.isoformat())
    classes = {word for breach in counting for word in breach.classes}
    return BreachVerdict(
        result=BreachResult.LISTED,
        source=source,
        newest=max(breach.added for breach in counting).isoformat()[:7],
        classes=tuple(word for word in ("passwords", "stealer-log", "malware") if word in classes) or ("other",),
        checked=today.isoformat(),
    )


def newest(known: Catalogue) -> date:
    """When the newest breach that counts was added: verdicts from before that have not seen it."""
    return max((breach.added for breach in known.values() if breach is not None), default=date.min)
