"""resolver – the DNS client of one process: answers are cached, and messages that ask the same share one question.

`Resolver` is shared by all threads; `new_lookups` gives each message its `Lookups`. What does not
fit into a UDP answer is asked again over TCP, which has the same time once more. What an answer leaves open is asked
in a follow-up query (lookup_state).

Raises     nothing
Not here   what one message may ask (lookups), how long an answer is kept (cache), sockets (udp, tcp), the wire format
           (dnspython, which also decides whether an answer proves that a name or a record does not exist)
"""

import contextlib
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from mailvet.dns import dnspython, nameservers, tcp
from mailvet.dns.cache import AnswerCache
from mailvet.dns.lookup_state import LookupState
from mailvet.dns.lookups import Key, MessageLookups, Pending, Then
from mailvet.dns.slow_zones import SlowZones
from mailvet.dns.udp import Transport
from mailvet.ports import Answer, ReportBug, Status, Trouble
from mailvet.settings import DnsSettings
from mailvet.values import Endpoint

_NO_SUCH_NAME: Final = Answer(Status.NXDOMAIN)
_GRACE: Final = 1.0  # seconds: an answer that waits for a thread is not lost
_TCP_AT_ONCE: Final = 8
_COUNTERS: Final = ("questions", "hits", "coalesced", "tcp", "ahead", "unused", "bugs")  # and every `Trouble`


class Resolver:
    """The DNS client of a process. Create and `start` it in that process; before `start` it has no thread."""

    def __init__(
        self,
        settings: DnsSettings,
        clock: Callable[[], float] = time.monotonic,
        report_bug: ReportBug = lambda *_: None,
        always_waited_for: tuple[str, ...] = (),
    ) -> None:
        """`report_bug` is called for bugs that no message meets; answers about names that begin with one of
        `always_waited_for` are waited for however slow their zone has been."""
        self._report_bug = report_bug
        self.servers: Sequence[Endpoint] = nameservers.choose(settings)
        self._settings = settings
        self._clock = clock
        self._trusted = frozenset(server for server in self.servers if nameservers.is_trusted(server, settings))
        self._transport = Transport(self.servers, settings.timeout, self._bug)
        self._slow_zones = SlowZones(settings.timeout * 2, clock, always_waited_for)  # once over UDP, once over TCP
        self._tcp = ThreadPoolExecutor(_TCP_AT_ONCE, "dns-tcp")  # starts threads when there is work
        self._lock = threading.Lock()
        self._cache = AnswerCache(settings.cache, clock)  # written under the lock
        self._pending: dict[Key, Pending] = {}
        # Threads add to them without a lock: they are for metrics, and a lost count does no harm
        self._counts = dict.fromkeys((*_COUNTERS, *(trouble.value for trouble in Trouble)), 0)

    def start(self) -> None:
        """Make the thread that receives answers."""
        self._transport.start()

    def close(self) -> None:
        """End the threads. Callers that wait for an answer get `Unavailable`."""
        self._transport.close()
        self._tcp.shutdown(wait=False, cancel_futures=True)

    def new_lookups(self) -> MessageLookups:
        """Return the lookups of a new message."""
        return MessageLookups(self, self._settings)

    def probe(self) -> str | None:
        """Say in one line which servers do not answer; None if all do. Waits."""
        return nameservers.silent(self.servers, self._settings.timeout)

    def unvalidated(self) -> str | None:
        """Say in one line why DNSSEC does not count with these servers; None if it does. Waits."""
        return nameservers.unvalidated(self.servers, self._settings)

    def counters(self) -> dict[str, int]:
        """Return running totals, for metrics."""
        return dict(self._counts)

    @property
    def deaf(self) -> bool:
        """Return whether the thread that receives answers has ended because of a bug."""
        return self._transport.deaf

    def _bug(self, where: str, error: BaseException) -> None:
        self.count("bugs")
        with contextlib.suppress(BaseException):  # a log that cannot be written changes nothing
            self._report_bug(where, error)

    def count(self, what: str, number: int = 1) -> None:
        self._counts[what] += number

    def longest_wait(self, name: str) -> float:
        """Return the seconds that an answer about this name is waited for at most."""
        return self._slow_zones.longest_wait(name)

    def cached(self, key: Key) -> Answer | Trouble | None:
        """Return what the cache has, with the TTL that is left."""
        return self._cache.get(key)

    def fetch(self, key: Key) -> Pending | Answer | Trouble:
        """Send a question, or join the one that has been sent already."""
        query = dnspython.query(*key)
        if query is None:
            return _NO_SUCH_NAME
        with self._lock:
            pending = self._pending.get(key)
            if pending is not None and not self._is_lost(pending):
                self._counts["coalesced"] += 1
                return pending
            found = self.cached(key)  # it may have come since the caller looked
            if found is not None:
                return found
            pending = self._pending[key] = Pending()
            self._counts["questions"] += 1
        try:
            self._send(LookupState(key, query), None)
        except BaseException:  # a bug: the next caller must not join a question that was never sent
            with self._lock:
                self._pending.pop(key, None)
                pending.done.set()
            raise
        return pending

    def _is_lost(self, pending: Pending) -> bool:
        """Return whether the answer was lost by a bug: each of its queries has had its time over UDP and over TCP."""
        return time.perf_counter() - pending.started > 2 * self._settings.timeout * (pending.more + 1) + _GRACE

    def _send(self, state: LookupState, after: Endpoint | None) -> None:
        self._transport.send(state.query, lambda *result: self._guarded(self._received, state, *result), after)

    def _guarded(self, step: Callable[..., None], state: LookupState, *arguments: object) -> None:
        """Take a step. A bug in it ends the lookup as broken: without a result, all who join it would wait in vain."""
        try:
            step(state, *arguments)
        except BaseException as e:
            with self._lock:
                pending = self._pending.pop(state.key, None)
                if pending is not None:
                    pending.result = Trouble.BROKEN
                    pending.done.set()
            self._bug("dns", e)

    def _received(self, state: LookupState, result: bytes | Trouble, server: Endpoint) -> None:
        """Evaluate what came over UDP, or ask again over TCP."""
        if isinstance(result, bytes) and dnspython.is_truncated(result):
            self._counts["tcp"] += 1
            try:
                over_tcp = state._replace(denied=dnspython.is_denial(result))
                self._tcp.submit(self._guarded, self._over_tcp, over_tcp, server)
            except RuntimeError:  # closed, or no thread can be started
                self._settle(state, Trouble.UNREACHABLE)
        else:
            self._evaluate(state, result, server)

    def _over_tcp(self, state: LookupState, server: Endpoint) -> None:
        answer = tcp.ask(state.query, server, self._settings.timeout)
        if isinstance(answer, bytes) and dnspython.is_truncated(answer):
            answer = Trouble.BROKEN  # records are missing again, and no answer can be larger
        self._evaluate(state._replace(retried=True), answer, server)

    def _evaluate(self, state: LookupState, data: bytes | Trouble, server: Endpoint) -> None:
        """Settle the lookup with this answer, or send its follow-up query."""
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
        except Exception as e:  # a bug: the lookup must be settled all the same
            self._bug("dns", e)
        self._settle(state, result)

    def _read(
        self, state: LookupState, data: bytes | Trouble, server: Endpoint
    ) -> Answer | Trouble | dnspython.LostTarget:
        if isinstance(data, Trouble):
            return data
        trusted = server in self._trusted
        return dnspython.read(data, state.key[1], trusted=trusted, retried=state.retried, denied=state.denied)

    def _follow_up(self, state: LookupState, server: Endpoint) -> None:
        self._counts["questions"] += 1
        with self._lock:
            self._pending[state.key].more += 1
        self._send(state, server if state.servers > 1 else None)

    def _settle(self, state: LookupState, result: Answer | Trouble) -> None:
        """End a lookup: wake those who wait, keep the result, call those who asked ahead."""
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
            self._cache.keep(key, result)
            self._slow_zones.note(key[0], failed=isinstance(result, Trouble), seconds=pending.took / 1000)
        if isinstance(result, Answer):
            for then in listeners:
                self.call(then, result)

    def listen(self, pending: Pending, then: Then) -> bool:
        """Have `then` called with the answer; False if it has come already."""
        with self._lock:
            if pending.done.is_set():
                return False
            pending.listeners.append(then)
            return True

    def call(self, then: Then, answer: Answer) -> None:
        """Call the `then` of a question asked ahead.

        A bug in it is reported only: what it would have asked is asked later.
        """
        try:
            then(answer)
        except BaseException as e:
            self._bug("asking ahead", e)
