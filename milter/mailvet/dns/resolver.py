"""resolver – the DNS of one process: cached, and asked once however many want to know.

`Resolver` is shared by all threads; `begin` gives each message its `Lookups`. An answer is kept for its TTL,
an absence as RFC 2308 says, a failure for a second, so that a dead server is not asked by every message at
once. What does not fit into a UDP answer is asked again over TCP, which has the same time once more. What an
answer leaves open is asked in a follow-up query (lookup_state).

Raises     nothing
Not here   what one message may ask (lookups), sockets (udp, tcp), the wire format (dnspython)
"""

import contextlib
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from typing import Final

from mailvet.dns import dnspython, nameservers, tcp
from mailvet.dns.exchange import Server
from mailvet.dns.lookup_state import LookupState, weigh
from mailvet.dns.lookups import Key, MessageLookups, Pending, Then
from mailvet.dns.slow_zones import Patience
from mailvet.dns.udp import Transport
from mailvet.ports import Answer, ReportBug, Status, Trouble
from mailvet.settings import DnsSettings

_NO_SUCH_NAME: Final = Answer(Status.NXDOMAIN)
_FAILURE_KEPT: Final = 1.0  # seconds
_GRACE: Final = 1.0  # seconds: what waits for a thread is not lost
_TCP_AT_ONCE: Final = 8
_COUNTED: Final = ("questions", "hits", "coalesced", "tcp", "ahead", "unused", "bugs")  # and every `Trouble`


class Resolver:
    """Create and `start` in the process that uses it; before that it has no thread."""

    def __init__(
        self,
        settings: DnsSettings,
        clock: Callable[[], float] = time.monotonic,
        report_bug: ReportBug = lambda *_: None,
    ) -> None:
        """`report_bug` is told of bugs that no message is told of."""
        self._report_bug = report_bug
        self.servers: Sequence[Server] = nameservers.choose(settings)
        self._settings = settings
        self._clock = clock
        self._trusted = frozenset(server for server in self.servers if nameservers.is_trusted(server, settings))
        self._transport = Transport(self.servers, settings.timeout, self._bug)
        self._patience = Patience(settings.timeout * 2, clock)  # once over UDP, once over TCP
        self._tcp = ThreadPoolExecutor(_TCP_AT_ONCE, "dns-tcp")  # starts threads when there is work
        self._lock = threading.Lock()
        self._cache: dict[Key, tuple[float, Answer | Trouble]] = {}  # with the time it ends; oldest first
        self._weight = 0  # of all that is in it
        self._pending: dict[Key, Pending] = {}
        # Threads add to them without a lock: they are for people, and a lost count does no harm
        self._counts = dict.fromkeys((*_COUNTED, *(trouble.value for trouble in Trouble)), 0)

    def start(self) -> None:
        self._transport.start()

    def close(self) -> None:
        """Whoever waits gets `Unavailable`."""
        self._transport.close()
        self._tcp.shutdown(wait=False, cancel_futures=True)

    def begin(self) -> MessageLookups:
        """The questions of a new message."""
        return MessageLookups(self, self._settings)

    def probe(self) -> str | None:
        """Which servers do not answer, in one line; None if all do. Waits."""
        return nameservers.silent(self.servers, self._settings.timeout)

    def unvalidated(self) -> str | None:
        """Why DNSSEC does not count with these servers, in one line; None if it does. Waits."""
        return nameservers.unvalidated(self.servers, self._settings)

    def counters(self) -> dict[str, int]:
        """Running totals, for metrics."""
        return dict(self._counts)

    @property
    def deaf(self) -> bool:
        """Does nobody hear the answers any more, because of a bug?"""
        return self._transport.deaf

    def _bug(self, where: str, error: BaseException) -> None:
        self.count("bugs")
        with contextlib.suppress(BaseException):  # a log that cannot be written changes nothing
            self._report_bug(where, error)

    def count(self, what: str, number: int = 1) -> None:
        self._counts[what] += number

    def patience(self, name: str) -> float:
        """Seconds to wait for an answer about this name at most."""
        return self._patience.seconds(name)

    def cached(self, key: Key) -> Answer | Trouble | None:
        """The hot path: no lock, since a dict's reads are atomic."""
        found = self._cache.get(key)
        if found is None:
            return None
        until, result = found
        left = until - self._clock()
        if left <= 0:
            return None
        if isinstance(result, Trouble):
            return result
        return Answer(result.status, result.records, result.secure, left, result.proven)

    def fetch(self, key: Key) -> Pending | Answer | Trouble:
        """Ask, or join those who are asking already."""
        query = dnspython.query(*key)
        if query is None:
            return _NO_SUCH_NAME
        with self._lock:
            pending = self._pending.get(key)
            if pending is not None and not self._is_lost(pending):
                self._counts["coalesced"] += 1
                return pending
            landed = self.cached(key)  # since the caller looked
            if landed is not None:
                return landed
            pending = self._pending[key] = Pending()
            self._counts["questions"] += 1
        try:
            self._send(LookupState(key, query), None)
        except BaseException:  # a bug: who asks next must not join a question that nobody has sent
            with self._lock:
                self._pending.pop(key, None)
                pending.done.set()
            raise
        return pending

    def _is_lost(self, pending: Pending) -> bool:
        """It never lands: a bug of which we know nothing. Each of its stateions had its time over UDP and over TCP."""
        return time.perf_counter() - pending.started > 2 * self._settings.timeout * (pending.more + 1) + _GRACE

    def _send(self, state: LookupState, behind: Server | None) -> None:
        self._transport.send(state.query, lambda *landed: self._guarded(self._landed, state, *landed), behind)

    def _guarded(self, step: Callable[..., None], state: LookupState, *arguments: object) -> None:
        """A bug must not leave a stateion that never lands: everybody who asks it would wait in vain."""
        try:
            step(state, *arguments)
        except BaseException as e:
            with self._lock:
                pending = self._pending.pop(state.key, None)
                if pending is not None:
                    pending.result = Trouble.BROKEN
                    pending.done.set()
            self._bug("dns", e)

    def _landed(self, state: LookupState, result: bytes | Trouble, server: Server) -> None:
        if isinstance(result, bytes) and dnspython.is_truncated(result):
            self._counts["tcp"] += 1
            try:
                further = state._replace(denied=dnspython.is_denial(result))
                self._tcp.submit(self._guarded, self._over_tcp, further, server)
            except RuntimeError:  # closed, or no thread to be had
                self._settle(state, Trouble.UNREACHABLE)
        else:
            self._judge(state, result, server)

    def _over_tcp(self, state: LookupState, server: Server) -> None:
        answer = tcp.ask(state.query, server, self._settings.timeout)
        if isinstance(answer, bytes) and dnspython.is_truncated(answer):
            answer = Trouble.BROKEN  # records are missing again, and there is no larger way to ask
        self._judge(state._replace(retried=True), answer, server)

    def _judge(self, state: LookupState, data: bytes | Trouble, server: Server) -> None:
        """Is that the answer, or is there more to ask?"""
        result: Answer | Trouble = Trouble.BROKEN
        try:
            found = self._read(state, data, server)
            if isinstance(found, Answer):
                result = state.for_first_name(found)
            elif (follow_up := state.follow_up(found, data, len(self.servers))) is not None:
                self._follow_up(follow_up, server)
                return
            elif isinstance(found, Trouble):
                result = found
        except Exception as e:  # a bug: nobody may wait for this one for ever
            self._bug("dns", e)
        self._settle(state, result)

    def _read(
        self, state: LookupState, data: bytes | Trouble, server: Server
    ) -> Answer | Trouble | dnspython.LostTarget:
        if isinstance(data, Trouble):
            return data
        trusted = server in self._trusted
        return dnspython.read(data, state.key[1], trusted=trusted, retried=state.retried, denied=state.denied)

    def _follow_up(self, state: LookupState, server: Server) -> None:
        self._counts["questions"] += 1
        with self._lock:
            self._pending[state.key].more += 1
        self._send(state, server if state.servers > 1 else None)

    def _settle(self, state: LookupState, result: Answer | Trouble) -> None:
        key = state.key
        if isinstance(result, Trouble):
            self._counts[result.value] += 1
        with self._lock:
            pending = self._pending.pop(key, None)
            if pending is None:  # it was given up
                return
            pending.result = result
            pending.took = (time.perf_counter() - pending.started) * 1000
            pending.done.set()
            listeners, pending.listeners = pending.listeners, []
            self._keep(key, result)
            self._patience.note(key[0], failed=isinstance(result, Trouble), seconds=pending.took / 1000)
        if isinstance(result, Answer):
            for then in listeners:
                self.tell(then, result)

    def _keep(self, key: Key, result: Answer | Trouble) -> None:
        seconds = _FAILURE_KEPT if isinstance(result, Trouble) else result.ttl
        cache, most = self._cache, self._settings.cache
        weight = weigh(result)
        if seconds <= 0 or weight > most:
            return
        before = cache.pop(key, None)
        self._weight += weight - (weigh(before[1]) if before is not None else 0)
        while self._weight > most and cache:
            for oldest in list(islice(cache, most // 20 + 1)):  # some at once: finding the first costs time
                self._weight -= weigh(cache.pop(oldest)[1])
        cache[key] = (self._clock() + seconds, result)

    def listen(self, pending: Pending, then: Then) -> bool:
        """Have `then` called when it lands; False: it has landed already."""
        with self._lock:
            if pending.done.is_set():
                return False
            pending.listeners.append(then)
            return True

    def tell(self, then: Then, answer: Answer) -> None:
        """Asking ahead is a courtesy: if it fails, the question is asked later."""
        try:
            then(answer)
        except BaseException as e:
            self._bug("asking ahead", e)
