"""quest – how far one question has come: what is asked now, and whether asking further may help.

An answer may leave open what it was asked for. Then the target of an alias is asked for by itself, a server that
does not know EDNS is asked without, and where there is another server it is asked too; four times at most.

Raises     nothing
Not here   what an answer says (dnspython), sending (udp), who waits (resolver)
"""

from typing import Final, NamedTuple

from mailvet.adapters import dnspython
from mailvet.adapters.lookups import Key
from mailvet.ports import Answer, Trouble, all_secure

_MOST_FURTHER: Final = 4  # a sender's aliases must not make us ask for ever


class Quest(NamedTuple):
    """A question, after so many answers."""

    key: Key  # what is to be found out
    query: bytes  # what is asked for now
    retried: bool = False  # over TCP, since records were missing
    denied: bool = False  # the answer over UDP said NXDOMAIN
    times: int = 0  # that more was asked
    servers: int = 1  # that were asked this query
    passed: tuple[dnspython.LostTarget, ...] = ()  # what the answers about aliases said

    def whole(self, answer: Answer) -> Answer:
        """The answer about the last name, for the first."""
        if not self.passed:
            return answer
        secure = all_secure((answer.secure, *(lost.secure for lost in self.passed)))
        ttl = min(answer.ttl, *(lost.ttl for lost in self.passed))
        return Answer(answer.status, answer.records, secure, ttl, answer.proven)

    def further(self, result: Trouble | dnspython.LostTarget, data: bytes | Trouble, servers: int) -> "Quest | None":
        """What to ask next; None: no more. With `servers` above one, it is for the next of them."""
        if self.times >= _MOST_FURTHER:
            return None
        if isinstance(result, dnspython.LostTarget):
            return self._after(result)
        if result is Trouble.BROKEN and isinstance(data, bytes) and dnspython.is_lost_on_edns(data):
            plain = dnspython.without_edns(self.query)
            if plain != self.query:
                return self._replace(query=plain, retried=False, denied=False, times=self.times + 1)
        # The others have not been asked, but where one cannot be reached over UDP, or says itself that it cannot tell
        another = self.retried or (result is Trouble.BROKEN and isinstance(data, bytes))
        if another and self.servers < servers:
            return self._replace(retried=False, denied=False, times=self.times + 1, servers=self.servers + 1)
        return None

    def _after(self, lost: dnspython.LostTarget) -> "Quest | None":
        query = dnspython.query(lost.name, self.key[1]) if "\\" not in lost.name else None  # an escape
        if query is None or query == self.query:
            return None
        return Quest(self.key, query, times=self.times + 1, passed=(*self.passed, lost))
