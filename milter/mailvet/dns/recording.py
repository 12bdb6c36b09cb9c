"""recording – DNS answers of a message as JSON, and a `Lookups` that answers from them.

TXT records are written as text where they are ASCII, so that a recording can be read and edited by hand,
and as {"base64": ...} where they are not. The time is that of the judgement: a signature may have an end.

Raises     ValueError, from `from_text` and `from_json`, if it is not a recording
Not here   which questions a message asks (session.verify)
"""

import base64
import json
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import Any, Final

from mailvet.ports import Answer, Question, Record, RecordType, Status, Trouble, Unavailable

FORMAT: Final = "mailvet-dns-2"
_TIMELESS: Final = "mailvet-dns-1"  # it had no "time", and no "late"
_TIME: Final = "%Y-%m-%dT%H:%M:%SZ"
_Key = tuple[str, RecordType]


def to_json(trail: Iterable[Question], when: float) -> dict[str, Any]:
    """Return all questions with their answers, and the time when the message was judged by them."""
    return {"format": FORMAT, "time": moment(when), "questions": [_question(question) for question in trail]}


def moment(when: float) -> str:
    """Return seconds since 1970 as a date and time that people read."""
    return datetime.fromtimestamp(when, UTC).strftime(_TIME)


def _question(question: Question) -> dict[str, Any]:
    answer = question.answer
    entry: dict[str, Any] = {"name": question.name, "type": question.kind.value}
    if isinstance(answer, Answer):
        entry |= {"status": answer.status.value, "records": [_write(record) for record in answer.records]}
        entry |= {"secure": answer.secure, "ttl": round(answer.ttl)} | ({} if answer.proven else {"proven": False})
    else:
        entry["trouble"] = answer.value
    entry["milliseconds"] = round(question.milliseconds, 2)
    entry |= {"cached": question.cached, "wanted": question.wanted}
    return entry | {"late": True} if question.late else entry


def _write(record: Record) -> Any:
    if not isinstance(record, bytes):
        return record
    if record.isascii() and record.decode("ascii").isprintable():
        return record.decode("ascii")
    return {"base64": base64.b64encode(record).decode("ascii")}


def from_text(text: str) -> "ReplayLookups":
    """Read what `to_json` returned, from a file that may hold anything. Raises ValueError."""
    try:
        recording = json.loads(text)
    except (ValueError, RecursionError) as e:
        raise ValueError(f"this is not a recording of DNS answers: {e}") from e
    return from_json(recording)


def from_json(recording: Any) -> "ReplayLookups":
    """Read what `to_json` returned. Raises ValueError."""
    try:
        if recording["format"] not in (FORMAT, _TIMELESS):
            raise ValueError(f"format is not {FORMAT}")
        when = None
        if recording["format"] == FORMAT:
            when = datetime.strptime(recording["time"], _TIME).replace(tzinfo=UTC).timestamp()
        entries = {(str(entry["name"]).lower(), RecordType(entry["type"])): entry for entry in recording["questions"]}
        late = frozenset(key for key, entry in entries.items() if entry.get("late", False))
        return ReplayLookups({key: _read(entry) for key, entry in entries.items()}, late, when)
    except (LookupError, TypeError, AttributeError, ValueError, OverflowError) as e:
        raise ValueError(f"this is not a recording of DNS answers: {e!r}") from e


def _read(entry: dict[str, Any]) -> Answer | Trouble:
    if "trouble" in entry:
        return Trouble(entry["trouble"])
    records = tuple(_record(record, RecordType(entry["type"])) for record in entry["records"])
    if entry["secure"] not in (None, True, False):
        raise ValueError(f"secure is {entry['secure']!r}")
    proven = entry.get("proven", True) is not False
    return Answer(Status(entry["status"]), records, entry["secure"], float(entry["ttl"]), proven)


def _record(value: Any, kind: RecordType) -> Record:
    if kind is RecordType.TXT:
        encoded = isinstance(value, dict)
        return base64.b64decode(value["base64"], validate=True) if encoded else str(value).encode("ascii")
    if isinstance(value, dict):
        raise ValueError(f"a {kind} record is no object")
    return (int(value[0]), str(value[1])) if kind is RecordType.MX else str(value)


class _ReplayPort:
    """The recorded answers, as a port; any other question fails as unrecorded."""

    def __init__(
        self, answers: dict[_Key, Answer | Trouble], late: frozenset[_Key], asked: dict[_Key, bool], *, reserve: bool
    ) -> None:
        self._answers = answers
        self._late = late
        self._beyond_budget = frozenset() if reserve else late
        self._asked = asked
        self.asked = 0

    def ask(self, name: str, kind: RecordType) -> Answer:
        """Return the recorded answer (ports.Lookups). Raises Unavailable."""
        key = (name.lower(), kind)
        self._asked[key] = True
        found = Trouble.BUDGET if key in self._beyond_budget else self._answers.get(key, Trouble.UNRECORDED)
        if isinstance(found, Answer):
            return found
        raise Unavailable(found, name, kind)

    def ahead(self, name: str, kind: RecordType, then: Callable[[Answer], None] | None = None) -> None:
        """Note the question, and call `then` with the recorded answer (ports.Lookups)."""
        key = (name.lower(), kind)
        found = self._answers.get(key)
        self._asked.setdefault(key, False)
        if then is not None and isinstance(found, Answer) and key not in self._late:
            then(found)

    def trail(self) -> tuple[Question, ...]:
        """Return every question so far (ports.Lookups)."""
        return tuple(
            Question(*key, self._answers.get(key, Trouble.UNRECORDED), 0.0, True, wanted, key in self._late)
            for key, wanted in self._asked.items()
        )

    def end(self) -> None:
        """Do nothing (ports.Lookups)."""


class _ReservedReplay(_ReplayPort):
    """The recorded answers with those that came late, within the reserve."""

    @property
    def reserved(self) -> "_ReservedReplay":
        """Return itself (ports.Lookups)."""
        return self


class ReplayLookups(_ReplayPort):
    """The `ports.Lookups` of a recorded message."""

    def __init__(
        self, answers: dict[_Key, Answer | Trouble], late: frozenset[_Key] = frozenset(), when: float | None = None
    ) -> None:
        asked: dict[_Key, bool] = {}
        super().__init__(answers, late, asked, reserve=False)
        self.reserved = _ReservedReplay(answers, late, asked, reserve=True)
        self.when = when  # the message was judged, in seconds since 1970; None: the recording does not say
