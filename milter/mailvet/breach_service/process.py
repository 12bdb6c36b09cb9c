"""process – the one process of a host that asks about breaches, and the workers' door to it.

It alone has HTTP, SQL and the pace. Workers come over a unix socket; nothing they wait for is done before they
are answered, and an answer that cannot be sent at once is dropped, since they do not wait long.

Raises     OSError, if the socket cannot be made
Not here   what is answered (breach_service.desk, breach_service.own_list); the other end (breach_service.client)
"""

import asyncio
import contextlib
import random
import signal
import socket
from collections import Counter
from collections.abc import Callable, Coroutine, Mapping
from pathlib import Path
from typing import Any, Final, Protocol

from mailvet.breach_service.catalogue import Library
from mailvet.breach_service.desk import Desk
from mailvet.breach_service.hibp import SOURCE, Hibp, read_key
from mailvet.breach_service.own_list import FileDesk
from mailvet.breach_service.verdict_cache import VerdictCache
from mailvet.checks.breach import counting as breach_match, wire as breach_wire
from mailvet.checks.breach.source import StoreTrouble
from mailvet.checks.breach.wire import Reply, Wish
from mailvet.observe.logs import Log
from mailvet.settings import Settings
from mailvet.store.breach import Store
from mailvet.verdict import BreachResult, BreachVerdict

_COUNT: Final = 0.5  # seconds between two reports of the counters
_MOST: Final = 2000  # questions in hand
_AT_ONCE: Final = 64  # packets read from one worker before another's turn


class Answers(Protocol):
    """A desk (breach_desk, breach_file): None is no answer, and `counts` are running totals for metrics."""

    counts: Counter[str]

    async def answer(self, wish: Wish, digest: bytes) -> Reply | None: ...


class _Closed:
    """Nothing can be asked; the operator has been told why."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()

    async def answer(self, _wish: Wish, digest: bytes) -> Reply | None:
        return Reply(digest, 0, BreachVerdict(result=BreachResult.UNKNOWN, problem="the source is not set up"))


def run(settings: Settings, path: Path, log: Log, absorb: Callable[[str, Mapping[str, int]], None]) -> None:
    """Serve at `path` until SIGTERM; `absorb` takes the counters now and then."""
    asyncio.run(Service(settings, path, log, absorb).run())


class Service:
    """The socket, the workers connected to it, and the desk that answers them."""

    def __init__(
        self, settings: Settings, path: Path, log: Log, absorb: Callable[[str, Mapping[str, int]], None]
    ) -> None:
        self._settings, self._path, self._log, self._absorb = settings, path, log, absorb
        self._workers: set[socket.socket] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._counts: Counter[str] = Counter()
        self._desk: Answers = _Closed()

    async def run(self) -> None:
        """Until SIGTERM."""
        loop = asyncio.get_running_loop()
        stopped = asyncio.Event()
        loop.add_signal_handler(signal.SIGTERM, stopped.set)
        until = asyncio.create_task(stopped.wait())
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as door:
            self._path.unlink(missing_ok=True)
            door.bind(str(self._path))
            self._path.chmod(0o600)
            door.listen(512)
            door.setblocking(False)
            async with contextlib.AsyncExitStack() as stack:
                tasks = [asyncio.create_task(duty) for duty in (*self._set_up(stack), self._report())]
                for task in tasks:
                    stack.callback(task.cancel)
                loop.add_reader(door, self._welcome, door)
                stack.callback(loop.remove_reader, door)
                self._log.say("info", "breach", state="ready", source=self._settings.breach.source)
                done, _ = await asyncio.wait([*tasks, until], return_when=asyncio.FIRST_COMPLETED)
                if until not in done:  # a duty never ends but by a bug: begin anew
                    done.pop().result()

    def _set_up(self, stack: contextlib.AsyncExitStack) -> list[Coroutine[Any, Any, None]]:
        """The desk, and what has to run beside it."""
        breach = self._settings.breach
        if breach.source == "file":
            desk = FileDesk(Path(breach.file), self._forget, self._say)
            self._desk = desk
            return [desk.look_after()]
        chance = random.SystemRandom()
        try:
            source = Hibp(breach, read_key(breach.api_key_file))
            scope = SOURCE.encode() + breach_match.filter_of(breach).fingerprint
            store = Store(self._settings.store.url, breach.secret_file)
        except (ValueError, OSError, StoreTrouble) as e:
            self._log.say("error", "breach", problem=f"nobody is asked: {e}")
            return []
        cache = VerdictCache(store, scope, (breach.keep_min, breach.keep_max), chance)
        stack.push_async_callback(source.close)
        stack.callback(cache.close)
        library = Library(source, SOURCE, breach, self._say)
        self._desk = made = Desk(source, cache, library, breach, self._tell, self._say, chance)
        return [library.look_after(), made.look_after()]

    def _welcome(self, door: socket.socket) -> None:
        with contextlib.suppress(OSError):
            worker, _ = door.accept()
            worker.setblocking(False)
            self._workers.add(worker)
            asyncio.get_running_loop().add_reader(worker, self._read, worker)

    def _read(self, worker: socket.socket) -> None:
        with contextlib.suppress(BlockingIOError):
            for _ in range(_AT_ONCE):
                packet = self._receive(worker)
                if not packet:
                    self._part(worker)
                    return
                self._take(worker, packet)

    def _receive(self, worker: socket.socket) -> bytes:
        try:
            return worker.recv(breach_wire.LONGEST)
        except ConnectionError:
            return b""

    def _part(self, worker: socket.socket) -> None:
        asyncio.get_running_loop().remove_reader(worker)
        self._workers.discard(worker)
        worker.close()

    def _take(self, worker: socket.socket, packet: bytes) -> None:
        question = breach_wire.asked(packet)
        if question is None:
            return
        wish, digest = question
        if len(self._tasks) >= _MOST:
            self._counts["too busy"] += 1
            busy = BreachVerdict(result=BreachResult.UNKNOWN, problem="too busy")
            self._send(worker, breach_wire.reply(Reply(digest, 0, busy)))
            return
        task = asyncio.create_task(self._answer(worker, wish, digest))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _answer(self, worker: socket.socket, wish: Wish, digest: bytes) -> None:
        try:
            reply = await self._desk.answer(wish, digest)
        except Exception as e:  # a bug costs this answer
            self._log.report_bug("breach", e)
            return
        if reply is None or (reply.verdict.result is BreachResult.UNKNOWN and wish is not Wish.NOW):
            return  # nobody waits for it, and it must not be taken for the answer to who does wait
        if worker in self._workers:
            self._send(worker, breach_wire.reply(reply))

    def _send(self, worker: socket.socket, packet: bytes) -> None:
        try:
            worker.send(packet)
        except OSError:
            self._counts["answers dropped"] += 1

    def _tell(self, reply: Reply) -> None:
        packet = breach_wire.reply(reply)
        for worker in self._workers:
            self._send(worker, packet)

    def _forget(self) -> None:
        for worker in self._workers:
            self._send(worker, breach_wire.FORGET)

    def _say(self, problem: str) -> None:
        self._log.say("warning", "breach", problem=problem)

    async def _report(self) -> None:
        while True:
            self._absorb("breach", self._counts + self._desk.counts)
            await asyncio.sleep(_COUNT)
