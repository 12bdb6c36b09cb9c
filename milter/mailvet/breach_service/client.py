"""client – a worker's end of the breach look-up: what it knows already, or a question to the breach process.

No call waits longer than it is told, whatever becomes of the other process: without it every answer is
`unknown`, at once; and after some answers in a row that came too late, only one message in a while waits. An
address stays here; the other process gets its SHA-1. Verdicts are remembered for minutes under a key that only
this process has.

Raises     nothing
Not here   the cache that lasts, and the question to the source (breach_service.process)
"""

import contextlib
import hashlib
import os
import socket
import threading
import time
from collections import Counter, OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Final

from mailvet.checks.breach import wire as breach_wire
from mailvet.checks.breach.eligibility import digest as digest_of
from mailvet.checks.breach.wire import Wish
from mailvet.ports import ReportBug
from mailvet.verdict import BreachResult, BreachVerdict

_REMEMBERED: Final = 20_000
_AGAIN: Final = 0.2  # seconds between two attempts to reach the other process
_PATIENCE: Final = 3  # answers in a row that came too late before mail stops waiting for them
_PAUSE: Final = 30.0  # seconds until one message waits again, to see
_AWAY: Final = BreachVerdict(result=BreachResult.UNKNOWN, problem="the breach process is away")
_LATE: Final = BreachVerdict(result=BreachResult.UNKNOWN, problem="no answer yet")
_UNASKABLE: Final = BreachVerdict(result=BreachResult.SKIPPED, problem="not an ASCII address")


class _Waiting:
    """The messages that wait for one answer."""

    __slots__ = ("came", "messages", "verdict")

    def __init__(self) -> None:
        self.came = threading.Event()
        self.verdict = _LATE
        self.messages = 0


class BreachClient:
    """For all threads of a worker. Made after the fork; its own thread ends with the process."""

    def __init__(
        self,
        path: Path,
        remembered: int = _REMEMBERED,
        say: Callable[[str], None] = lambda _: None,
        surprised: ReportBug = lambda *_: None,
    ) -> None:
        """`say` gets a line for the operator when waiting makes no sense any more, and when it does again;
        `surprised` is told of bugs on the thread that takes answers."""
        self._surprised = surprised
        self._path, self._remembered, self._say = path, remembered, say
        self._late = 0  # in a row
        self._probe = 0.0  # when the next message may wait, once that many were late
        self._secret = os.urandom(32)
        self._lock = threading.Lock()
        self._known: OrderedDict[bytes, tuple[float, BreachVerdict]] = OrderedDict()
        self._waiting: dict[bytes, _Waiting] = {}
        self._socket: socket.socket | None = None
        self._counts: Counter[str] = Counter()
        threading.Thread(target=self._listen, daemon=True).start()

    def peek(self, address: str) -> None:
        """The address may be asked about soon: have ready what the other process knows. Never waits."""
        digest = digest_of(address)
        if digest is not None and self._remember(digest) is None:
            with self._lock:
                self._send(Wish.PEEK, digest)

    def ask(self, address: str, wait: float) -> BreachVerdict:
        """The verdict, if it comes within `wait` seconds; 0: if it is known here."""
        digest = digest_of(address)
        if digest is None:
            return _UNASKABLE
        known = self._remember(digest)
        if known is not None:
            self._counts["remembered"] += 1
            return known
        with self._lock:
            if not self._send(Wish.NOW if wait > 0 else Wish.LATER, digest):
                return _AWAY
            if wait <= 0:
                return _LATE
            if not self._worth_waiting():
                self._counts["not waited"] += 1
                return _LATE
            waiting = self._waiting.setdefault(digest, _Waiting())
            waiting.messages += 1
        waiting.came.wait(wait)
        with self._lock:
            waiting.messages -= 1
            if not waiting.messages and self._waiting.get(digest) is waiting:
                del self._waiting[digest]
            came = waiting.came.is_set()
            self._counts["in time" if came else "late"] += 1
            news = self._learn(came) if waiting.verdict is not _AWAY else ""
        if news:
            self._say(news)
        return waiting.verdict

    def _worth_waiting(self) -> bool:
        """With the lock held. What hangs costs every message `wait`, so that only one in a while finds out."""
        now = time.monotonic()
        if self._late < _PATIENCE:
            return True
        if now < self._probe:
            return False
        self._probe = now + _PAUSE
        return True

    def _learn(self, came: bool) -> str:
        """With the lock held: was it worth waiting? Returns what is to be said about it."""
        before, self._late = self._late, 0 if came else self._late + 1
        if came:
            return "answers come in time again: mail waits for them" if before >= _PATIENCE else ""
        if self._late == _PATIENCE:
            self._probe = time.monotonic() + _PAUSE
            return (
                f"{_PATIENCE} answers in a row came too late: mail goes on without waiting, but for a look now and then"
            )
        return ""

    def counters(self) -> dict[str, int]:
        counts = dict(self._counts)  # in one step: others add to them without the lock
        return {f"worker: {what}": number for what, number in counts.items()}

    def _key(self, digest: bytes) -> bytes:
        """BLAKE2 is Python's own; OpenSSL's HMAC is slow where many threads ask for one at the same time."""
        return hashlib.blake2b(digest, key=self._secret, digest_size=16).digest()

    def _remember(self, digest: bytes) -> BreachVerdict | None:
        key = self._key(digest)
        with self._lock:
            found = self._known.get(key)
            if found is None:
                return None
            if found[0] < time.monotonic():
                del self._known[key]
                return None
            self._known.move_to_end(key)
            return found[1]

    def _send(self, wish: Wish, digest: bytes) -> bool:
        """With the lock held. False: the question is lost, since the other process is away or busy."""
        try:
            if self._socket is None:
                raise ConnectionError
            self._socket.send(breach_wire.ask(wish, digest), socket.MSG_DONTWAIT)
        except OSError as e:
            self._counts["dropped" if isinstance(e, BlockingIOError) else "away"] += 1
            return False
        return True

    def _listen(self) -> None:
        """The thread: connect, take answers, connect again."""
        while True:
            try:
                self._converse()
            except Exception as e:  # a bug must not end the thread
                self._surprised("breach client", e)
            self._lost()
            time.sleep(_AGAIN)

    def _converse(self) -> None:
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as sock:
            sock.connect(str(self._path))
            with self._lock:
                self._socket = sock
            while packet := sock.recv(breach_wire.LONGEST):
                self._take(packet)

    def _take(self, packet: bytes) -> None:
        if packet == breach_wire.FORGET:
            with self._lock:
                self._known.clear()
            return
        answer = breach_wire.replied(packet)
        key = self._key(answer.digest)
        with self._lock:
            if answer.keep:
                self._known[key] = (time.monotonic() + answer.keep, answer.verdict)
                self._known.move_to_end(key)
                if len(self._known) > self._remembered:
                    self._known.popitem(last=False)
            self._settle(answer.digest, answer.verdict)

    def _lost(self) -> None:
        """The other process is gone: nobody has to wait any more."""
        with self._lock:
            self._socket = None
            for digest in list(self._waiting):
                self._settle(digest, _AWAY)

    def _settle(self, digest: bytes, verdict: BreachVerdict) -> None:
        waiting = self._waiting.pop(digest, None)
        if waiting is not None:
            waiting.verdict = verdict
            waiting.came.set()
