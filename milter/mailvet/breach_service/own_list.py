"""own_list – an operator's own list of addresses that were in an incident, read again when it changes.

One entry per line: an address or its SHA-1 (a count after a colon is ignored), then, if known, the month as
2026-05 and what leaked: passwords, stealer-log, malware, incident, other. "#" begins a comment. A list with a
line of any other kind is refused whole, and the one before stays in use.

Raises     ValueError from `parse`, with the number of the line
Not here   the sources that are asked (breach_service.desk)
"""

import asyncio
import os
import re
from collections import Counter
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, NamedTuple

from mailvet.checks.breach.eligibility import digest as digest_of
from mailvet.checks.breach.wire import Reply, Wish
from mailvet.verdict import BreachResult, BreachVerdict

SOURCE: Final = "local"
_KEPT: Final = 600  # seconds a worker may keep a verdict; it is told when the list changes
_LOOK: Final = 1.0  # seconds between two looks at the file
_CLASSES: Final = frozenset(("passwords", "stealer-log", "malware", "incident", "other"))
_SHA1: Final = re.compile(r"([0-9A-Fa-f]{40})(?::\d+)?")
_MONTH: Final = re.compile(r"[12]\d{3}-(?:0[1-9]|1[0-2])")
_DIGEST: Final = 20
_RECORD: Final = _DIGEST + 2  # and the number of the kind


class Kind(NamedTuple):
    """What is known about an entry; there are few different ones in a list."""

    newest: str
    classes: tuple[str, ...]


class Incidents(NamedTuple):
    """A list: sorted records in one piece, 22 octets each."""

    records: bytes = b""
    kinds: tuple[Kind, ...] = ()

    def find(self, digest: bytes) -> Kind | None:
        low, high = 0, len(self.records) // _RECORD
        while low < high:
            middle = (low + high) // 2
            at = middle * _RECORD
            entry = self.records[at : at + _DIGEST]
            if entry == digest:
                return self.kinds[int.from_bytes(self.records[at + _DIGEST : at + _RECORD])]
            low, high = (middle + 1, high) if entry < digest else (low, middle)
        return None


def parse(lines: Iterable[str], month: str) -> Incidents:
    """`month` is for entries that do not say one."""
    kinds: dict[Kind, int] = {}
    records = []
    for number, line in enumerate(lines, 1):
        words = line.partition("#")[0].split()
        if not words:
            continue
        digest, kind = _digest(words[0]), _kind(words[1:], month)
        if digest is None or kind is None:
            raise ValueError(f"line {number} is not an address or SHA-1, with or without a month and classes")
        if len(kinds) > 60_000:
            raise ValueError(f"line {number}: too many different months and classes")
        records.append(digest + kinds.setdefault(kind, len(kinds)).to_bytes(2))
    records.sort()
    return Incidents(b"".join(records), tuple(kinds))


def _digest(word: str) -> bytes | None:
    hashed = _SHA1.fullmatch(word)
    return bytes.fromhex(hashed[1]) if hashed else digest_of(word)


def _kind(words: list[str], month: str) -> Kind | None:
    if words and _MONTH.fullmatch(words[0]):
        month = words.pop(0)
    classes = tuple(words.pop(0).split(",")) if words else ("incident",)
    return None if words or not _CLASSES.issuperset(classes) else Kind(month, classes)


class FileDesk:
    """Answers out of the list."""

    def __init__(self, path: Path, changed: Callable[[], None], say: Callable[[str], None]) -> None:
        self._path, self._changed, self._say = path, changed, say
        self._list: Incidents | None = None
        self._seen: tuple[int, int, int] | str | None = None  # or why it cannot be looked at
        self.counts: Counter[str] = Counter()

    async def answer(self, _wish: Wish, digest: bytes) -> Reply | None:
        if self._list is None:
            return Reply(digest, 0, BreachVerdict(result=BreachResult.UNKNOWN, problem="there is no list"))
        kind = self._list.find(digest)
        result = BreachResult.NOT_LISTED if kind is None else BreachResult.LISTED
        newest, classes = kind or ("", ())
        self.counts[result.value] += 1
        checked = datetime.now(UTC).date().isoformat()
        verdict = BreachVerdict(result=result, source=SOURCE, newest=newest, classes=classes, checked=checked)
        return Reply(digest, _KEPT, verdict)

    async def look_after(self) -> None:
        """Look at the file now and then; for ever."""
        while True:
            await self.look()
            await asyncio.sleep(_LOOK)

    async def look(self) -> None:
        """Read the list if it is another one than last time."""
        seen: tuple[int, int, int] | str
        try:
            status = self._path.stat()
            # of the times, the one that a change of its mode changes, too
            seen = (status.st_ino, status.st_size, status.st_ctime_ns)
        except OSError as e:
            seen = e.strerror or ""
        if seen == self._seen:
            return
        self._seen = seen
        if isinstance(seen, str):
            self._refuse(seen)
            return
        try:
            self._list = await asyncio.to_thread(self._read)
        except (OSError, ValueError) as e:  # the text of an OSError here is about the file, not its contents
            self._refuse(e.strerror or "" if isinstance(e, OSError) else str(e))
            return
        self.counts["lists read"] += 1
        self._changed()

    def _refuse(self, why: str) -> None:
        self.counts["lists refused"] += 1
        self._say(f"{self._path}: {why}")

    def _read(self) -> Incidents:
        with self._path.open(encoding="utf-8") as file:
            month = datetime.fromtimestamp(os.fstat(file.fileno()).st_mtime, UTC).strftime("%Y-%m")
            return parse(file, month)
