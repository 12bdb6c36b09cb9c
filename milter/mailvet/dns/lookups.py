"""lookups – `ports.Lookups` for one message: what it has asked, and how much more it may ask.

The budget is the time spent waiting in `ask` (a slow client does not use it up) and the number of questions that had
to be sent (an answer from the cache is free). The message's own thread asks, the receiver's thread asks ahead: where
both begin the same question, the resolver makes one of them.

`MessageLookups.reserved` is a second port to the same questions and answers. It has a small budget on top, which the
sender, who can make SPF and PTR ask a lot and slowly, cannot use up: so he cannot buy the absence of a policy.

Raises     Unavailable, from `ask`
Not here   the cache, and who else is asking (resolver); which checks ask through which port (session.verify)
"""

import threading
import time
from collections.abc import Callable
from typing import Final, Protocol

from mailvet.ports import Answer, Question, RecordType, Trouble, Unavailable
from mailvet.settings import DnsSettings

Key = tuple[str, RecordType]
Then = Callable[[Answer], None]
_RESERVED_QUESTIONS: Final = 32  # a tree walk needs eight (RFC 9989 §4.10), and each identifier may have one
_NOT_AHEAD: Final = 16  # of these, kept for questions whose answer is waited for


class Pending:
    """A question that has been sent, and the callbacks that want its answer."""

    __slots__ = ("done", "listeners", "more", "result", "started", "took")

    def __init__(self) -> None:
        self.done = threading.Event()
        self.listeners: list[Then] = []
        self.result: Answer | Trouble = Trouble.TIMEOUT
        self.started = time.perf_counter()
        self.took = 0.0  # milliseconds
        self.more = 0  # follow-up queries sent


class Source(Protocol):
    """What a message needs of the resolver."""

    def cached(self, key: Key) -> Answer | Trouble | None: ...
    def fetch(self, key: Key) -> Pending | Answer | Trouble: ...
    def listen(self, pending: Pending, then: Then) -> bool: ...
    def longest_wait(self, name: str) -> float: ...
    def call(self, then: Then, answer: Answer) -> None: ...
    def count(self, what: str, number: int = 1) -> None: ...


class _Budget:
    """The seconds and questions that are left. The reserve is used once the main budget is used up."""

    __slots__ = ("main", "not_ahead", "questions", "seconds")

    def __init__(self, seconds: float, questions: int, not_ahead: int = 0, main: "_Budget | None" = None) -> None:
        self.seconds = seconds
        self.questions = questions
        self.not_ahead = not_ahead  # of the questions, those that may not be asked ahead
        self.main = main

    def allows_question(self, ahead: bool) -> bool:
        if self.main is not None and self.main.questions > 0:
            return True
        return self.questions > (self.not_ahead if ahead else 0)

    def use_questions(self, number: int) -> None:
        used = self.main if self.main is not None and self.main.questions > 0 else self
        used.questions -= number

    def seconds_left(self) -> float:
        return max(0.0, self.seconds) + (self.main.seconds_left() if self.main is not None else 0.0)

    def use_seconds(self, seconds: float) -> None:
        if self.main is not None:
            from_main = min(seconds, self.main.seconds_left())
            self.main.seconds -= from_main
            seconds -= from_main
        self.seconds -= seconds


class _Memory:
    """What one message has asked through both ports."""

    __slots__ = ("asked", "ended", "found", "late", "sent", "source", "wanted")

    def __init__(self, source: Source) -> None:
        self.source = source
        self.found: dict[Key, Answer | Trouble | Pending] = {}  # in the order first asked
        self.sent: dict[Key, Pending] = {}  # those that were not in the cache
        self.wanted: set[Key] = set()  # those whose answer was waited for
        self.late: set[Key] = set()  # those that the main budget did not suffice for, and that were asked again
        self.asked = 0  # questions sent, with follow-up queries
        self.ended = False


class _Port:
    """The questions and answers of a message, asked within one budget; see `ports.Lookups`."""

    __slots__ = ("_budget", "_memory")

    def __init__(self, memory: _Memory, budget: _Budget) -> None:
        self._memory = memory
        self._budget = budget

    @property
    def asked(self) -> int:
        """Return how many questions had to be sent (ports.Lookups)."""
        return self._memory.asked

    def ask(self, name: str, kind: RecordType) -> Answer:
        """Return the answer once it is there (ports.Lookups). Raises Unavailable."""
        key = (name.lower(), kind)
        self._memory.wanted.add(key)
        found = self._known(key)
        if found is None:
            found = self._begin(key, ahead=False)
        if isinstance(found, Pending):
            found = self._wait(key, found)
        if isinstance(found, Answer):
            return found
        raise Unavailable(found, name, kind)

    def ahead(self, name: str, kind: RecordType, then: Then | None = None) -> None:
        """Ask without waiting (ports.Lookups)."""
        memory = self._memory
        if memory.ended:  # an answer came after the end of the message, and its `then` asks further
            return
        key = (name.lower(), kind)
        found = memory.found.get(key)
        if found is None:
            found = self._begin(key, ahead=True)
            if isinstance(found, Pending):
                memory.source.count("ahead")
        if then is not None:
            if isinstance(found, Pending) and not memory.source.listen(found, then):
                found = found.result
            if isinstance(found, Answer):
                memory.source.call(then, found)

    def _known(self, key: Key) -> Answer | Trouble | Pending | None:
        return self._memory.found.get(key)

    def _begin(self, key: Key, *, ahead: bool) -> Answer | Trouble | Pending:
        memory = self._memory
        found: Answer | Trouble | Pending | None = memory.source.cached(key)
        if found is not None:
            memory.source.count("hits")
        elif not self._budget.allows_question(ahead):
            memory.source.count(Trouble.BUDGET.value)
            found = Trouble.BUDGET
        else:
            found = memory.source.fetch(key)
            if isinstance(found, Pending):
                self._use_questions(1)
                memory.sent[key] = found
        memory.found[key] = found
        return found

    def _use_questions(self, number: int) -> None:
        self._memory.asked += number
        self._budget.use_questions(number)

    def _wait(self, key: Key, pending: Pending) -> Answer | Trouble:
        memory, budget = self._memory, self._budget
        if not pending.done.is_set():
            started = time.monotonic()
            pending.done.wait(min(budget.seconds_left(), memory.source.longest_wait(key[0])))
            budget.use_seconds(time.monotonic() - started)
        if pending.more:
            self._use_questions(pending.more)
        result = pending.result
        if not pending.done.is_set():
            result = Trouble.TIMEOUT if budget.seconds_left() else Trouble.BUDGET
            memory.source.count(result.value)
        memory.found[key] = result
        return result

    def trail(self) -> tuple[Question, ...]:
        """Return every question so far (ports.Lookups)."""
        memory, questions = self._memory, []
        for key, found in list(memory.found.items()):  # the receiver's thread may be adding
            pending = memory.sent.get(key)
            answer = found.result if isinstance(found, Pending) else found
            took = pending.took if pending else 0.0
            questions.append(Question(*key, answer, took, pending is None, key in memory.wanted, key in memory.late))
        return tuple(questions)

    def end(self) -> None:
        """Take note that the message is over (ports.Lookups), and count what was asked ahead for nothing."""
        memory = self._memory
        if not memory.ended:
            memory.ended = True
            memory.source.count("unused", sum(key not in memory.wanted for key in list(memory.sent)))


class MessageLookups(_Port):
    """The `ports.Lookups` of a new message."""

    __slots__ = ("reserved",)

    def __init__(self, source: Source, settings: DnsSettings) -> None:
        memory, main = _Memory(source), _Budget(settings.budget, settings.questions)
        super().__init__(memory, main)
        reserve = _Budget(settings.timeout, _RESERVED_QUESTIONS, _NOT_AHEAD, main)  # the time of one question
        self.reserved = _ReservedLookups(memory, reserve)


class _ReservedLookups(_Port):
    """The same questions and answers, with the reserve on top of the main budget."""

    __slots__ = ("_tried",)

    def __init__(self, memory: _Memory, budget: _Budget) -> None:
        super().__init__(memory, budget)
        self._tried: set[Key] = set()  # asked through this port: not asked a third time

    @property
    def reserved(self) -> "_ReservedLookups":
        """Return itself (ports.Lookups)."""
        return self

    def _known(self, key: Key) -> Answer | Trouble | Pending | None:
        """Return what is known, if it is more than that the main budget did not suffice: then the question is asked."""
        found = self._memory.found.get(key)
        if found is Trouble.BUDGET and key not in self._tried:
            self._memory.late.add(key)
            found = None
        self._tried.add(key)
        return found
