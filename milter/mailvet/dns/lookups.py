"""lookups – `ports.Lookups` for one message: what it has asked, and how much more it may.

The budget is time spent waiting in `ask` (a slow client does not use it up) and questions that had to be
sent (what the cache knows is free). A message's own thread asks, the receiver's thread asks ahead: where both
begin the same question, the resolver makes one of them.

Some of both is kept for the author domain's policy: the sender, who can make SPF and PTR ask a lot and slowly,
must not be able to buy its absence.

Raises     Unavailable, from `ask`
Not here   the cache, and who else is asking (resolver)
"""

import threading
import time
from collections.abc import Callable
from typing import Final, Protocol

from mailvet.ports import Answer, Question, RecordType, Trouble, Unavailable
from mailvet.settings import DnsSettings

Key = tuple[str, RecordType]
Then = Callable[[Answer], None]
_RESERVED: Final = 16  # questions beyond the limit for a policy: a tree walk needs eight (RFC 9989 §4.10)
_POLICY: Final = "_dmarc."


class Pending:
    """A question on its way, and who wants to hear the answer."""

    __slots__ = ("done", "listeners", "more", "result", "started", "took")

    def __init__(self) -> None:
        self.done = threading.Event()
        self.listeners: list[Then] = []
        self.result: Answer | Trouble = Trouble.TIMEOUT
        self.started = time.perf_counter()
        self.took = 0.0  # milliseconds
        self.more = 0  # questions that it took beyond the first


class Source(Protocol):
    """What a message needs of the resolver."""

    def cached(self, key: Key) -> Answer | Trouble | None: ...
    def fetch(self, key: Key) -> Pending | Answer | Trouble: ...
    def listen(self, pending: Pending, then: Then) -> bool: ...
    def patience(self, name: str) -> float: ...
    def tell(self, then: Then, answer: Answer) -> None: ...
    def count(self, what: str, number: int = 1) -> None: ...


class MessageLookups:
    """See ports.Lookups."""

    __slots__ = ("_ended", "_late", "_left", "_limit", "_memo", "_reserve", "_sent", "_source", "_wanted", "asked")

    def __init__(self, source: Source, settings: DnsSettings) -> None:
        self._source = source
        self._left = settings.budget  # seconds of waiting
        self._reserve = settings.timeout  # seconds beyond them for a policy
        self._limit = settings.questions
        self._memo: dict[Key, Answer | Trouble | Pending | None] = {}  # all this message has asked; None: see `_late`
        self._late: set[Key] = set()  # those for which the budget did not do; they may be asked again for the policy
        self._wanted: set[Key] = set()
        self._sent: dict[Key, Pending] = {}  # those that were not in the cache
        self._ended = False
        self.asked = 0  # how many of those

    def ask(self, name: str, kind: RecordType) -> Answer:
        """See ports.Lookups. Raises Unavailable."""
        key = (name.lower(), kind)
        self._wanted.add(key)
        found = self._memo.get(key)
        if found is None:
            found = self._begin(key)
        if isinstance(found, Pending):
            found = self._wait(key, found)
        if isinstance(found, Answer):
            return found
        raise Unavailable(found, name, kind)

    def ahead(self, name: str, kind: RecordType, then: Then | None = None) -> None:
        """See ports.Lookups."""
        if self._ended:  # an answer came late, and what it leads to interests nobody
            return
        key = (name.lower(), kind)
        found = self._memo.get(key)
        if found is None:
            found = self._begin(key)
            if isinstance(found, Pending):
                self._source.count("ahead")
        if then is not None:
            if isinstance(found, Pending) and not self._source.listen(found, then):
                found = found.result
            if isinstance(found, Answer):
                self._source.tell(then, found)

    def _begin(self, key: Key) -> Answer | Trouble | Pending:
        found: Answer | Trouble | Pending | None = self._source.cached(key)
        if found is not None:
            self._source.count("hits")
        elif self.asked >= self._limit + (_RESERVED if key[0].startswith(_POLICY) else 0):
            self._source.count(Trouble.BUDGET.value)
            found = Trouble.BUDGET
        else:
            found = self._source.fetch(key)
            if isinstance(found, Pending):
                self.asked += 1
                self._sent[key] = found
        self._memo[key] = found
        return found

    def _wait(self, key: Key, pending: Pending) -> Answer | Trouble:
        if not pending.done.is_set():
            started = time.monotonic()
            pending.done.wait(max(0.0, min(self._left, self._source.patience(key[0]))))
            self._left -= time.monotonic() - started
        self.asked += pending.more
        result = pending.result
        if not pending.done.is_set():
            result = Trouble.BUDGET if self._left <= 0 else Trouble.TIMEOUT
            self._source.count(result.value)
        self._memo[key] = result
        return result

    def for_policy(self) -> None:
        """See ports.Lookups."""
        self._left = max(self._left, 0.0) + self._reserve
        self._limit = max(self._limit, self.asked) + _RESERVED
        for key, found in list(self._memo.items()):  # the receiver's thread may be adding
            if found is Trouble.BUDGET:
                self._memo[key] = None
                self._late.add(key)

    def trail(self) -> tuple[Question, ...]:
        """Every question so far, in the order first asked."""
        questions = []
        for key, found in list(self._memo.items()):
            pending = self._sent.get(key)
            answer = found.result if isinstance(found, Pending) else found or Trouble.BUDGET
            took = pending.took if pending else 0.0
            late = key in self._late and found is not None
            questions.append(Question(*key, answer, took, pending is None, key in self._wanted, late))
        return tuple(questions)

    def end(self) -> None:
        """The message is over: count what was asked ahead for nothing."""
        if not self._ended:
            self._ended = True
            self._source.count("unused", sum(key not in self._wanted for key in list(self._sent)))
