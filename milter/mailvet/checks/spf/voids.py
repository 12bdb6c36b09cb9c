"""voids – the void lookups of an SPF check, RFC 7208 §4.6.4: terms whose questions found nothing.

A host that has addresses, but none of the client's family, is not counted: its record would be permerror over IPv6
because the host is not reachable by IPv6 yet. Whether it has some is asked only where that decides, at most once for
each term.

Raises     what `is_there` raises
Not here   the limit (checks.spf.limits), and what follows from it (checks.spf.pyspf)
"""

from collections.abc import Callable

from mailvet.ports import RecordType

Host = tuple[str, RecordType]


class Voids:
    """The void terms of one check."""

    def __init__(self, is_there: Callable[[str, RecordType], bool], enough: int) -> None:
        """`is_there` asks whether a name has records of a type; `enough`: so many void terms are allowed."""
        self._is_there = is_there
        self._enough = enough
        self._terms: dict[int, Host | bool] = {}  # True: void; False: not; a host: not if that has addresses

    def add(self, term: int, other: Host | None = None) -> bool:
        """Count a term of which a question found nothing, and return whether there are too many now.

        `other`: a question of which records show that the term is not void.
        """
        if other is None:
            self._terms[term] = True
        else:
            self._terms.setdefault(term, other)
        if self._count() <= self._enough:
            return False
        for each, state in self._terms.items():
            if isinstance(state, tuple):
                self._terms[each] = not self._is_there(*state)
        return self._count() > self._enough

    def _count(self) -> int:
        return sum(state is not False for state in self._terms.values())
