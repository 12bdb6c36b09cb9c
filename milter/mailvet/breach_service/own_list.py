"""own_list – the operator's own list of addresses that were in an incident, read again when the file changes.

One entry per line: an address or its SHA-1 (a count after a colon is ignored), then, if known, the month as
2026-05 and what leaked: passwords, stealer-log, malware, incident, other. "#" begins a comment. A list with any
other line is refused as a whole, and the previous list stays in use.

Raises     nothing; `run_forever` runs until it is cancelled
Not here   sources that are asked (breach_service.lookup)
"""

import asyncio
import os
import re
from collections import Counter
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, NamedTuple

from mailvet.breach_service.runtime import Runtime
from mailvet.checks.breach.eligibility import digest_of
from mailvet.checks.breach.wire import Question, Reply
from mailvet.values import Problem
from mailvet.verdict import BreachResult, BreachVerdict

SOURCE: Final = "local"
_KEEP_SECONDS: Final = 600  # a worker may keep a verdict for so long; it is told when the list changes
_CHECK_INTERVAL: Final = 1.0  # seconds between two checks of the file
_MOST_INCIDENTS: Final = 60_000  # different ones, so that their number fits into two octets
_CLASSES: Final = frozenset(("passwords", "stealer-log", "malware", "incident", "other"))
_SHA1: Final = re.compile(r"([0-9A-Fa-f]{40})(?::[0-9]+)?")
_MONTH: Final = re.compile(r"[12][0-9]{3}-(?:0[1-9]|1[0-2])")
_DIGEST_OCTETS: Final = 20
_RECORD_OCTETS: Final = _DIGEST_OCTETS + 2  # the digest and the number of its incident


class Incident(NamedTuple):
    """What an entry says besides its address. Many entries share one incident."""

    newest: str  # its month, "2026-05"
    classes: tuple[str, ...]  # what leaked


class IncidentList(NamedTuple):
    """The entries of a list, packed: sorted records of 22 octets, and the incidents to which they point."""

    records: bytes = b""
    incidents: tuple[Incident, ...] = ()

    def find(self, digest: bytes) -> Incident | None:
        """Return the incident of this address. None: the address is not in the list."""
        low, high = 0, len(self.records) // _RECORD_OCTETS
        while low < high:
            middle = (low + high) // 2
            at = middle * _RECORD_OCTETS
            entry = self.records[at : at + _DIGEST_OCTETS]
            if entry == digest:
                return self.incidents[int.from_bytes(self.records[at + _DIGEST_OCTETS : at + _RECORD_OCTETS])]
            low, high = (middle + 1, high) if entry < digest else (low, middle)
        return None


def parse(lines: Iterable[str], month: str) -> IncidentList | Problem:
    """Return the list that these lines contain. `month` is for the entries that do not name one."""
    incidents: dict[Incident, int] = {}
    records = []
    for number, line in enumerate(lines, 1):
        words = line.partition("#")[0].split()
        if not words:
            continue
        digest, incident = _digest(words[0]), _incident(words[1:], month)
        if digest is None or incident is None:
            return Problem(f"line {number} is not an address or SHA-1, with or without a month and classes")
        if len(incidents) > _MOST_INCIDENTS:
            return Problem(f"line {number}: too many different months and classes")
        records.append(digest + incidents.setdefault(incident, len(incidents)).to_bytes(2))
    records.sort()
    return IncidentList(b"".join(records), tuple(incidents))


def _digest(word: str) -> bytes | None:
    hashed = _SHA1.fullmatch(word)
    return bytes.fromhex(hashed[1]) if hashed else digest_of(word)


def _incident(words: list[str], month: str) -> Incident | None:
    if words and _MONTH.fullmatch(words[0]):
        month = words.pop(0)
    classes = tuple(words.pop(0).split(",")) if words else ("incident",)
    return None if words or not _CLASSES.issuperset(classes) else Incident(month, classes)


class OwnList:
    """The answers to workers' questions, from the list in a file. For one event loop."""

    def __init__(self, path: Path, changed: Callable[[], None], runtime: Runtime) -> None:
        """`changed` is called whenever a new list is in use."""
        self._path, self._changed, self._runtime = path, changed, runtime
        self._list: IncidentList | None = None
        self._seen: tuple[int, int, int] | str | None = None  # the file's state when last looked at, or the error
        self.counts: Counter[str] = Counter()

    async def answer(self, question: Question) -> Reply:
        """Return the reply to a worker."""
        digest = question.digest
        if self._list is None:
            return Reply(digest, 0, BreachVerdict(result=BreachResult.UNKNOWN, problem="there is no list"))
        incident = self._list.find(digest)
        result = BreachResult.NOT_LISTED if incident is None else BreachResult.LISTED
        newest, classes = incident or ("", ())
        self.counts[result.value] += 1
        checked = self._runtime.today().isoformat()
        verdict = BreachVerdict(result=result, source=SOURCE, newest=newest, classes=classes, checked=checked)
        return Reply(digest, _KEEP_SECONDS, verdict)

    async def run_forever(self) -> None:
        """Read the list whenever the file has changed."""
        while True:
            await self.reload()
            await asyncio.sleep(_CHECK_INTERVAL)

    async def reload(self) -> None:
        """Read the list if the file has changed since the last call."""
        seen: tuple[int, int, int] | str
        try:
            status = self._path.stat()
            # ctime, since it alone changes with the file's mode
            seen = (status.st_ino, status.st_size, status.st_ctime_ns)
        except OSError as e:
            seen = e.strerror or ""
        if seen == self._seen:
            return
        self._seen = seen
        found = Problem(seen) if isinstance(seen, str) else await asyncio.to_thread(self._read)
        if isinstance(found, Problem):
            self.counts["lists refused"] += 1
            self._runtime.say(f"{self._path}: {found.text}")
            return
        self._list = found
        self.counts["lists read"] += 1
        self._changed()

    def _read(self) -> IncidentList | Problem:
        try:
            with self._path.open(encoding="utf-8-sig") as file:
                changed = datetime.fromtimestamp(os.fstat(file.fileno()).st_mtime, UTC)
                return parse(file, changed.strftime("%Y-%m"))
        except OSError as e:
            return Problem(e.strerror or "")
        except ValueError as e:  # octets that are not UTF-8, a time that is not in the calendar
            return Problem(str(e))
