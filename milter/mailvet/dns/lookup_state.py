"""lookup_state – the state of one lookup: the query that is sent now, and the follow-up query, if any.

An answer may leave the question open. Then the target of an alias is queried by itself, a server that does not know
EDNS is queried without it, and where there is another server it is queried too; at most four follow-up queries.

Raises     nothing
Not here   what an answer says (dnspython), sending (udp), who waits (resolver)
"""

from typing import Final, NamedTuple

from mailvet.dns import dnspython
from mailvet.dns.lookups import Key
from mailvet.ports import Answer, Trouble, all_secure

_MOST_FOLLOW_UPS: Final = 4  # a sender's aliases must not make us ask without end


class LookupState(NamedTuple):
    """A lookup after the answers that have come so far."""

    key: Key  # what is looked up
    query: bytes  # sent now
    retried: bool = False  # over TCP, since records were missing
    denied: bool = False  # the answer over UDP said NXDOMAIN
    follow_ups: int = 0  # queries sent after the first
    servers: int = 1  # that got this query
    passed: tuple[dnspython.LostTarget, ...] = ()  # what the answers about aliases said

    def for_first_name(self, answer: Answer) -> Answer:
        """Return the answer about the last alias's target as one about the first name: secure and fresh only as far as
        all answers on the way were."""
        if not self.passed:
            return answer
        secure = all_secure((answer.secure, *(lost.secure for lost in self.passed)))
        ttl = min(answer.ttl, *(lost.ttl for lost in self.passed))
        return Answer(answer.status, answer.records, secure, ttl, answer.proven)

    def follow_up(
        self, result: Trouble | dnspython.LostTarget, data: bytes | Trouble, servers: int
    ) -> "LookupState | None":
        """Return the lookup with its next query, given the last result and its octets; None if there is none. `servers`
        is how many are known; a query with a higher `servers` than this one's is for the next of them."""
        if self.follow_ups >= _MOST_FOLLOW_UPS:
            return None
        if isinstance(result, dnspython.LostTarget):
            return self._after(result)
        if result is Trouble.BROKEN and isinstance(data, bytes) and dnspython.is_lost_on_edns(data):
            plain = dnspython.without_edns(self.query)
            if plain != self.query:
                return self._replace(query=plain, retried=False, denied=False, follow_ups=self.follow_ups + 1)
        # Over UDP the next server has been asked only if this one was not reached, or said itself that it cannot tell
        another = self.retried or (result is Trouble.BROKEN and isinstance(data, bytes))
        if another and self.servers < servers:
            return self._replace(retried=False, denied=False, follow_ups=self.follow_ups + 1, servers=self.servers + 1)
        return None

    def _after(self, lost: dnspython.LostTarget) -> "LookupState | None":
        query = dnspython.query(lost.name, self.key[1]) if "\\" not in lost.name else None  # an escape
        if query is None or query == self.query:
            return None
        return LookupState(self.key, query, follow_ups=self.follow_ups + 1, passed=(*self.passed, lost))
