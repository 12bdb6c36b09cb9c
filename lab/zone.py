"""zone – DNS in memory: implements `ports.Lookups` over a dict of names, types and records.

    Zone({"example.org": {"TXT": [b"v=spf1 -all"]}, "bad.example.org": {"TXT": Trouble.SERVFAIL}})

Parents of listed names exist but are empty, NODATA (RFC 8020); all other names are NXDOMAIN. A `Trouble` as a value
makes every lookup of that name, or of that type, fail. With `proven` false, absence looks as from a forwarder that
strips the SOA and turns NXDOMAIN into NODATA.

Raises     Unavailable from `ask`, where the zone has a Trouble
"""

from collections.abc import Callable, Mapping
from typing import Any

from mailvet.ports import Answer, Question, RecordType, Status, Trouble, Unavailable


class Zone:
    def __init__(
        self, names: Mapping[str, Any], secure: bool | None = None, ttl: float = 300.0, proven: bool = True
    ) -> None:
        self.names = {name.lower(): value for name, value in names.items()}
        self.secure, self.ttl, self.proven = secure, ttl, proven
        self.questions: dict[tuple[str, RecordType], bool] = {}

    def _find(self, name: str, kind: RecordType) -> Answer | Trouble:
        name = name.lower()
        types = self.names.get(name, None if self.proven else {})
        if isinstance(types, Trouble):
            return types
        if types is None:
            known = any(other.endswith("." + name) for other in self.names)
            return Answer(Status.NODATA if known else Status.NXDOMAIN, (), self.secure, self.ttl)
        records = types.get(kind.value, ())
        if isinstance(records, Trouble):
            return records
        if not records:
            return Answer(Status.NODATA, (), self.secure, self.ttl if self.proven else 0.0, self.proven)
        return Answer(Status.FOUND, tuple(records), self.secure, self.ttl)

    def ask(self, name: str, kind: RecordType) -> Answer:
        self.questions[name.lower(), kind] = True
        found = self._find(name, kind)
        if isinstance(found, Trouble):
            raise Unavailable(found, name, kind)
        return found

    def ahead(self, name: str, kind: RecordType, then: Callable[[Answer], None] | None = None) -> None:
        self.questions.setdefault((name.lower(), kind), False)
        found = self._find(name, kind)
        if then is not None and isinstance(found, Answer):
            then(found)

    @property
    def reserved(self) -> "Zone":
        return self

    def trail(self) -> tuple[Question, ...]:
        return tuple(Question(*key, self._find(*key), 0.0, False, wanted) for key, wanted in self.questions.items())

    def end(self) -> None:
        pass

    @property
    def asked(self) -> int:
        return len(self.questions)
