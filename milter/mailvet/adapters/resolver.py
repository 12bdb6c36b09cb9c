"""resolver – the DNS of one process: cached, asked once at a time, bounded for every message.

`Resolver` is shared by all threads; `begin` gives each message its own `MessageLookups`. An answer is kept
for its TTL, an absence as RFC 2308 says, a failure for a second, so that a dead server is not asked by every
message at once. What several ask at the same time is asked once.

Raises     Unavailable, from `ask`
Not here   sockets (udp), the wire format (dnspython)
"""

import contextlib
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from mailvet.adapters import dnspython
from mailvet.adapters.udp import Server, Transport
from mailvet.config_rules import split_server
from mailvet.ports import Answer, Kind, Question, Status, Trouble, Unavailable
from mailvet.settings import DnsSettings

_NO_SUCH_NAME: Final = Answer(Status.NXDOMAIN)
_FAILURE_KEPT: Final = 1.0  # seconds
_SLOW_KEPT: Final = 60.0  # seconds for which a zone that timed out is not waited for at length
_SLOW_WAIT: Final = 0.1  # seconds that its answers get all the same
_MOST_SLOW: Final = 10_000
_RESOLV_CONF: Final = Path("/etc/resolv.conf")
Key = tuple[str, Kind]
Then = Callable[[Answer], None]


class _Pending:
    """A question on its way, and who wants to hear the answer."""

    __slots__ = ("done", "listeners", "result", "started", "took")

    def __init__(self) -> None:
        self.done = threading.Event()
        self.listeners: list[Then] = []
        self.result: Answer | Trouble = Trouble.TIMEOUT
        self.started = time.perf_counter()
        self.took = 0.0  # milliseconds


class Resolver:
    """Create and `start` in the process that uses it."""

    def __init__(self, settings: DnsSettings, clock: Callable[[], float] = time.monotonic) -> None:
        servers = [split_server(text) for text in settings.nameservers]
        self.servers: Sequence[Server] = [server for server in servers if server] or _system_servers()
        self._settings = settings
        self._clock = clock
        self._transport = Transport(self.servers, settings.timeout)
        self._lock = threading.Lock()
        self._cache: dict[Key, tuple[float, Answer | Trouble]] = {}  # with the time it ends
        self._pending: dict[Key, _Pending] = {}
        self._slow: dict[str, float] = {}  # zones that timed out lately, and until when they count as slow
        self._counts = dict.fromkeys(
            ("questions", "hits", "coalesced", "tcp", "ahead", "unused", *(trouble.value for trouble in Trouble)), 0
        )

    def start(self) -> None:
        self._transport.start()

    def close(self) -> None:
        self._transport.close()

    def begin(self) -> "MessageLookups":
        """The questions of a new message."""
        return MessageLookups(self, self._settings)

    def counters(self) -> dict[str, int]:
        """Running totals, for metrics."""
        return dict(self._counts)

    def count(self, what: str, number: int = 1) -> None:
        self._counts[what] += number

    def cached(self, key: Key) -> Answer | Trouble | None:
        """The hot path: no lock, since a dict's reads are atomic."""
        found = self._cache.get(key)
        if found is None or found[0] <= self._clock():
            return None
        return found[1]

    def fetch(self, key: Key) -> "_Pending | Answer":
        """Ask, or join those who are asking already."""
        query = dnspython.query(*key)
        if query is None:
            return _NO_SUCH_NAME
        with self._lock:
            pending = self._pending.get(key)
            if pending is not None:
                self._counts["coalesced"] += 1
                return pending
            pending = self._pending[key] = _Pending()
            self._counts["questions"] += 1
        self._transport.send(query, lambda result, server: self._landed(key, result, server))
        return pending

    def _landed(self, key: Key, result: bytes | Trouble, server: Server) -> None:
        if isinstance(result, bytes) and dnspython.is_truncated(result):
            self._counts["tcp"] += 1
            threading.Thread(target=self._over_tcp, args=(key, server), daemon=True).start()
        else:
            self._settle(key, result, server)

    def _over_tcp(self, key: Key, server: Server) -> None:
        self._settle(key, dnspython.over_tcp(*key, server, self._settings.timeout), server)

    def _settle(self, key: Key, data: bytes | Trouble, server: Server) -> None:
        result = dnspython.read(data, key[1], trusted=self._is_trusted(server)) if isinstance(data, bytes) else data
        if isinstance(result, Trouble):
            self._counts[result.value] += 1
        self._note_speed(key[0], slow=result is Trouble.TIMEOUT)
        kept = _FAILURE_KEPT if isinstance(result, Trouble) else result.ttl
        with self._lock:
            if kept > 0 and self._settings.cache:
                self._keep(key, self._clock() + kept, result)
            pending = self._pending.pop(key)
            pending.result = result
            pending.took = (time.perf_counter() - pending.started) * 1000
            listeners = pending.listeners
            pending.listeners = []
        pending.done.set()
        if isinstance(result, Answer):
            for then in listeners:
                tell(then, result)

    def _note_speed(self, name: str, *, slow: bool) -> None:
        if slow:
            if len(self._slow) >= _MOST_SLOW:
                self._slow.clear()
            self._slow[_zone(name)] = self._clock() + _SLOW_KEPT
        elif self._slow:
            self._slow.pop(_zone(name), None)

    def patience(self, name: str) -> float:
        """Seconds to wait for this name at most: a sender whose name servers are slow must not hold up
        one message after the other."""
        slow = bool(self._slow) and self._slow.get(_zone(name), 0.0) > self._clock()
        return _SLOW_WAIT if slow else self._settings.timeout * 2

    def _keep(self, key: Key, until: float, result: Answer | Trouble) -> None:
        cache = self._cache
        cache.pop(key, None)
        while len(cache) >= self._settings.cache:
            del cache[next(iter(cache))]  # the oldest
        cache[key] = (until, result)

    def listen(self, pending: _Pending, then: Then) -> bool:
        """Have `then` called when it lands; False: it has landed already."""
        with self._lock:
            if pending.done.is_set():
                return False
            pending.listeners.append(then)
            return True

    def _is_trusted(self, server: Server) -> bool:
        """Whose AD bit counts: nobody can have changed it on the way, or the operator says so (RFC 6840 §5.8)."""
        return server[0].startswith("127.") or server[0] == "::1" or server[0] in self._settings.trusted

    def probe(self) -> str | None:
        """Which servers do not answer, in one line; None if all do. Waits."""
        silent = [f"{host}:{port}" for host, port in self.servers if self._root((host, port)) is None]
        return f"no answer from {', '.join(silent)}" if silent else None

    def validates(self) -> bool:
        """Does the first server that answers validate DNSSEC? Waits."""
        answers = (self._root(server) for server in self.servers)
        return next((dnspython.is_validated(data) for data in answers if data is not None), False)

    def _root(self, server: Server) -> bytes | None:
        transport, heard, done = Transport([server], self._settings.timeout), [], threading.Event()

        def landed(result: bytes | Trouble, _server: Server) -> None:
            heard.append(result)
            done.set()

        transport.start()
        transport.send(dnspython.root_query(), landed)
        done.wait(self._settings.timeout * 2)
        transport.close()
        return heard[0] if heard and isinstance(heard[0], bytes) else None


def tell(then: Then, answer: Answer) -> None:
    """Asking ahead is a courtesy: if it fails, the question is asked later."""
    with contextlib.suppress(Exception):
        then(answer)


class MessageLookups:
    """`ports.Lookups` for one message."""

    __slots__ = ("_ended", "_left", "_limit", "_memo", "_resolver", "_sent", "_wanted", "asked")

    def __init__(self, resolver: Resolver, settings: DnsSettings) -> None:
        self._resolver = resolver
        self._left = settings.budget  # seconds of waiting
        self._limit = settings.questions
        self._memo: dict[Key, Answer | Trouble | _Pending] = {}  # all this message has asked
        self._wanted: set[Key] = set()
        self._sent: dict[Key, _Pending] = {}  # those that were not in the cache
        self.asked = 0  # how many of those
        self._ended = False

    def ask(self, name: str, kind: Kind) -> Answer:
        """See ports.Lookups. Raises Unavailable."""
        key = (name.lower(), kind)
        self._wanted.add(key)
        found = self._memo.get(key)
        if found is None:
            found = self._begin(key)
        if isinstance(found, _Pending):
            found = self._wait(key, found)
        if isinstance(found, Answer):
            return found
        raise Unavailable(found, name, kind)

    def ahead(self, name: str, kind: Kind, then: Then | None = None) -> None:
        """See ports.Lookups."""
        key = (name.lower(), kind)
        found = self._memo.get(key)
        if found is None:
            found = self._begin(key)
            if isinstance(found, _Pending):
                self._resolver.count("ahead")
        if then is not None:
            if isinstance(found, _Pending) and not self._resolver.listen(found, then):
                found = found.result
            if isinstance(found, Answer):
                tell(then, found)

    def _begin(self, key: Key) -> Answer | Trouble | _Pending:
        found: Answer | Trouble | _Pending | None = self._resolver.cached(key)
        if found is None:
            if self.asked >= self._limit:
                found = Trouble.BUDGET
            else:
                self.asked += 1
                found = self._resolver.fetch(key)
                if isinstance(found, _Pending):
                    self._sent[key] = found
        else:
            self._resolver.count("hits")
        self._memo[key] = found
        return found

    def _wait(self, key: Key, pending: _Pending) -> Answer | Trouble:
        if not pending.done.is_set():
            started = time.monotonic()
            patience = self._resolver.patience(key[0])
            pending.done.wait(max(0.0, min(self._left, patience)))
            self._left -= time.monotonic() - started
        result = pending.result
        if not pending.done.is_set():
            result = Trouble.BUDGET if self._left <= 0 else Trouble.TIMEOUT
        self._memo[key] = result
        return result

    def trail(self) -> tuple[Question, ...]:
        """Every question so far, in the order first asked."""
        questions = []
        for key, found in list(self._memo.items()):
            pending = self._sent.get(key)
            answer = found.result if isinstance(found, _Pending) else found
            took = pending.took if pending else 0.0
            questions.append(Question(*key, answer, took, pending is None, key in self._wanted))
        return tuple(questions)

    def end(self) -> None:
        """The message is over: count what was asked ahead for nothing."""
        if self._sent and not self._ended:
            self._ended = True
            self._resolver.count("unused", sum(key not in self._wanted for key in self._sent))


def _zone(name: str) -> str:
    """What probably shares name servers: the last two labels, or a reverse name's /16 (IPv6: /32)."""
    count = 10 if name.endswith(".ip6.arpa") else 4 if name.endswith(".in-addr.arpa") else 2
    return ".".join(name.split(".")[-count:])


def _system_servers() -> list[Server]:
    """The name servers of resolv.conf(5); no search list, names are absolute here."""
    try:
        lines = _RESOLV_CONF.read_text("ascii", "replace").splitlines()
    except OSError:
        lines = []
    found = [split_server(words[1].partition("%")[0]) for line in lines if (words := line.split())[:1] == ["nameserver"] and words[1:]]
    return [server for server in found if server] or [("127.0.0.1", 53)]
