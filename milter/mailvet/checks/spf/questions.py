"""questions – the DNS questions of one SPF check: bounded in number, with what their answers have in common.

Raises     Unavailable, from `Questions.ask`
Not here   which questions an evaluation asks (checks.spf.pyspf), void lookups (checks.spf.voids)
"""

import re
from typing import Final

from mailvet.checks.spf.limits import QUESTIONS, fitting
from mailvet.ports import Answer, Ask, RecordType, Status, all_secure
from mailvet.values import Problem

_ASKABLE = re.compile(r"[ -\[\]-~]+")  # printable, and nothing a resolver takes for an escape
_NO_SUCH_NAME: Final = Answer(Status.NXDOMAIN)
_TOO_MANY: Final = Problem(f"More than {QUESTIONS} DNS questions")


class Questions:
    """The DNS questions of one check, and what they tell about its verdict: lifetime and validation."""

    def __init__(self, ask: Ask) -> None:
        self.ttl = float("inf")  # seconds, the least of all answers
        self._ask = ask
        self._asked: set[tuple[str, RecordType]] = set()
        self._secure: set[bool | None] = set()

    def ask(self, name: str, kind: RecordType) -> Answer | Problem:
        """Return the answer for a name that macros may have made, or that the check has asked too much."""
        name = fitting(name.removesuffix("."))
        if not _ASKABLE.fullmatch(name):
            return _NO_SUCH_NAME
        self._asked.add((name.lower(), kind))
        if len(self._asked) > QUESTIONS:
            return _TOO_MANY
        answer = self._ask(name.lower(), kind)
        self.ttl = min(self.ttl, answer.ttl)
        self._secure.add(answer.secure)
        return answer

    @property
    def used_up(self) -> bool:
        """Return whether a new question would be one too many."""
        return len(self._asked) >= QUESTIONS

    @property
    def secure(self) -> bool | None:
        """Return whether every answer was DNSSEC-validated; None: that is not known of all."""
        return all_secure(self._secure)
