"""client – a worker's end of the breach look-up: it knows the verdict already, or asks the breach process.

No call waits longer than its caller allows, whatever happens to the other process. While that process is away the
answer is `unknown` at once. After several late answers in a row most messages no longer wait; one in a while does,
to find out whether answers come in time again. An address stays in this process, and the other one gets its SHA-1.
Verdicts are remembered for minutes, under a key that only this process has.

Raises     nothing
Not here   the cache that outlives a process, and the request to the source (breach_service.process)
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

from mailvet.checks.breach import wire
from mailvet.checks.breach.eligibility import digest_of
from mailvet.checks.breach.pace import LateAnswers
from mailvet.checks.breach.wire import Question, Urgency
from mailvet.ports import ReportBug
from mailvet.verdict import BreachResult, BreachVerdict

_MOST_REMEMBERED: Final = 20_000  # verdicts
_RECONNECT_INTERVAL: Final = 0.2  # seconds between two attempts to reach the other process
_AWAY: Final = BreachVerdict(result=BreachResult.UNKNOWN, problem="the breach process is away")
_LATE: Final = BreachVerdict(result=BreachResult.UNKNOWN, problem="no answer yet")
_SKIPPED: Final = BreachVerdict(result=BreachResult.SKIPPED, problem="not an ASCII address")


class _Waiting:
    """The messages that wait for the answer about one address."""

    __slots__ = ("came", "messages", "verdict")

    def __init__(self) -> None:
        self.came = threading.Event()
        self.verdict = _LATE
        self.messages = 0


class BreachClient:
    """The connection of one worker, for all its threads. Made after the fork; its own thread ends with the process."""

    def __init__(
        self,
        path: Path,
        remembered: int = _MOST_REMEMBERED,
        say: Callable[[str], None] = lambda _: None,
        report_bug: ReportBug = lambda *_: None,
    ) -> None:
        """`remembered` is how many verdicts are kept. `say` gets a line for the operator when mail stops waiting for
        late answers and when it waits again. `report_bug` is told of bugs on the thread that receives answers."""
        self._report_bug = report_bug
        self._path, self._remembered, self._say = path, remembered, say
        self._late_answers = LateAnswers()  # used with the lock held
        self._secret = os.urandom(32)
        self._lock = threading.Lock()
        self._known: OrderedDict[bytes, tuple[float, BreachVerdict]] = OrderedDict()
        self._waiting: dict[bytes, _Waiting] = {}
        self._socket: socket.socket | None = None
        self._counts: Counter[str] = Counter()
        threading.Thread(target=self._listen, daemon=True).start()

    def peek(self, address: str) -> None:
        """Fetch what the other process knows about an address that may be asked about soon. Never waits."""
        digest = digest_of(address)
        if digest is not None and self._remember(digest) is None:
            with self._lock:
                self._send(Question(Urgency.PEEK, digest))

    def ask(self, address: str, wait: float) -> BreachVerdict:
        """Return the verdict if it comes within `wait` seconds, else `unknown`; with 0, only if it is known here."""
        digest = digest_of(address)
        if digest is None:
            return _SKIPPED
        known = self._remember(digest)
        if known is not None:
            self._counts["remembered"] += 1
            return known
        with self._lock:
            if not self._send(Question(Urgency.NOW if wait > 0 else Urgency.LATER, digest)):
                return _AWAY
            if wait <= 0:
                return _LATE
            if not self._late_answers.may_wait(time.monotonic()):
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
            news = self._late_answers.record(time.monotonic(), in_time=came) if waiting.verdict is not _AWAY else ""
        if news:
            self._say(news)
        return waiting.verdict

    @property
    def connected(self) -> bool:
        """Tell whether the breach process can be asked now."""
        return self._socket is not None

    def counters(self) -> dict[str, int]:
        """Return the running totals, for metrics."""
        counts = dict(self._counts)  # in one step: others add to them without the lock
        return {f"worker: {what}": number for what, number in counts.items()}

    def _key(self, digest: bytes) -> bytes:
        # BLAKE2 is Python's own; OpenSSL's HMAC is slow where many threads ask for one at the same time
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

    def _send(self, question: Question) -> bool:
        """Return whether the question was sent. False: the other process is away or busy. The lock must be held."""
        try:
            if self._socket is None:
                raise ConnectionError
            self._socket.send(wire.encode_question(question), socket.MSG_DONTWAIT)
        except OSError as e:
            self._counts["dropped" if isinstance(e, BlockingIOError) else "away"] += 1
            return False
        return True

    def _listen(self) -> None:
        """Connect, receive answers, connect again, for ever, in the client's own thread."""
        while True:
            try:
                self._converse()
            except Exception as e:  # a bug must not end the thread
                self._report_bug("breach client", e)
            self._lost()
            time.sleep(_RECONNECT_INTERVAL)

    def _converse(self) -> None:
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as sock:
            sock.connect(str(self._path))
            with self._lock:
                self._socket = sock
            while packet := sock.recv(wire.LONGEST_PACKET):
                self._take(packet)

    def _take(self, packet: bytes) -> None:
        if packet == wire.FORGET:
            with self._lock:
                self._known.clear()
            return
        answer = wire.decode_reply(packet)
        key = self._key(answer.digest)
        with self._lock:
            if answer.keep:
                self._known[key] = (time.monotonic() + answer.keep, answer.verdict)
                self._known.move_to_end(key)
                if len(self._known) > self._remembered:
                    self._known.popitem(last=False)
            self._settle(answer.digest, answer.verdict)

    def _lost(self) -> None:
        """End all waiting, because the other process is gone."""
        with self._lock:
            self._socket = None
            for digest in list(self._waiting):
                self._settle(digest, _AWAY)

    def _settle(self, digest: bytes, verdict: BreachVerdict) -> None:
        waiting = self._waiting.pop(digest, None)
        if waiting is not None:
            waiting.verdict = verdict
            waiting.came.set()
