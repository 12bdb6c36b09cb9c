"""process – the one process of a host that asks about breaches, and the socket through which workers ask it.

It alone has HTTP, SQL and the pace. A reply that cannot be sent at once is dropped, since workers do not wait long.

Raises     OSError, if the socket cannot be made
Not here   the replies (breach_service.lookup, breach_service.own_list); the other end (breach_service.client)
"""

import asyncio
import contextlib
import signal
import socket
from collections import Counter
from collections.abc import Callable, Coroutine, Mapping
from pathlib import Path
from typing import Any, Final, Protocol

from mailvet.breach_service import hibp
from mailvet.breach_service.catalogue import Catalogue
from mailvet.breach_service.lookup import BreachLookup
from mailvet.breach_service.own_list import OwnList
from mailvet.breach_service.runtime import Runtime
from mailvet.breach_service.verdict_cache import VerdictCache
from mailvet.checks.breach import counting, wire
from mailvet.checks.breach.wire import Question, Reply, Urgency
from mailvet.observe.logs import Log
from mailvet.settings import Settings
from mailvet.store.breach import BreachStore
from mailvet.store.database import StoreTrouble
from mailvet.values import Problem
from mailvet.verdict import BreachResult, BreachVerdict

_COUNT_INTERVAL: Final = 0.5  # seconds between two reports of the counters
_MOST_QUESTIONS: Final = 2000  # that are being answered
_MOST_PACKETS: Final = 64  # read from one worker before the others have their turn
_LISTEN_BACKLOG: Final = 512  # connections of workers that wait to be accepted

AddTotals = Callable[[str, Mapping[str, int]], None]  # takes the running totals of a family of counters


class Lookup(Protocol):
    """What answers the workers: a `BreachLookup` or an `OwnList`."""

    counts: Counter[str]  # running totals, for metrics

    async def answer(self, question: Question) -> Reply | None:
        """Return the reply to a worker. None: no reply is due."""
        ...


class _NotSetUp:
    """A lookup that always answers `unknown`, after the operator was told why the source cannot be used."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()

    async def answer(self, question: Question) -> Reply:
        verdict = BreachVerdict(result=BreachResult.UNKNOWN, problem="the source is not set up")
        return Reply(question.digest, 0, verdict)


def run(settings: Settings, path: Path, log: Log, add_totals: AddTotals) -> None:
    """Serve on the socket `path` until SIGTERM. `add_totals` gets the counters twice a second."""
    asyncio.run(Service(settings, path, log, add_totals).run())


class Service:
    """The socket, the workers that are connected to it, and the lookup that answers them."""

    def __init__(self, settings: Settings, path: Path, log: Log, add_totals: AddTotals) -> None:
        self._settings, self._path, self._log, self._add_totals = settings, path, log, add_totals
        self._workers: set[socket.socket] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._counts: Counter[str] = Counter()
        self._lookup: Lookup = _NotSetUp()

    async def run(self) -> None:
        """Serve until SIGTERM."""
        loop = asyncio.get_running_loop()
        terminated = asyncio.Event()
        loop.add_signal_handler(signal.SIGTERM, terminated.set)
        until_terminated = asyncio.create_task(terminated.wait())
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listener:
            self._path.unlink(missing_ok=True)
            listener.bind(str(self._path))
            self._path.chmod(0o600)
            listener.listen(_LISTEN_BACKLOG)
            listener.setblocking(False)
            async with contextlib.AsyncExitStack() as stack:
                tasks = [asyncio.create_task(each) for each in (*self._set_up(stack), self._report_counts())]
                stack.push_async_callback(self._end_tasks)  # before what they use is closed
                loop.add_reader(listener, self._accept, listener)
                stack.callback(loop.remove_reader, listener)
                self._log.say("info", "breach", state="ready", source=self._settings.breach.source)
                done, _ = await asyncio.wait([*tasks, until_terminated], return_when=asyncio.FIRST_COMPLETED)
                if until_terminated not in done:  # the others end by a bug alone: the process ends and is restarted
                    done.pop().result()

    async def _end_tasks(self) -> None:
        """Take no more questions, and end whatever is under way: answers, requests to the source, chores."""
        for worker in list(self._workers):
            self._disconnect(worker)
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    def _set_up(self, stack: contextlib.AsyncExitStack) -> list[Coroutine[Any, Any, None]]:
        """Make the lookup, and return what has to run beside it."""
        breach, runtime = self._settings.breach, Runtime(say=self._say)
        if breach.source == "file":
            own_list = OwnList(Path(breach.file), self._forget, runtime)
            self._lookup = own_list
            return [own_list.run_forever()]
        source = hibp.from_settings(breach)
        if isinstance(source, Problem):
            return self._refuse(source.text)
        try:
            store = BreachStore(self._settings.store.url, breach.secret_file)
        except StoreTrouble as e:
            return self._refuse(str(e))
        scope = hibp.SOURCE.encode() + counting.filter_of(breach).fingerprint
        cache = VerdictCache(store, scope, (breach.keep_min, breach.keep_max), runtime)
        stack.push_async_callback(source.close)
        stack.callback(cache.close)
        catalogue = Catalogue(source, hibp.SOURCE, breach, runtime)
        self._lookup = lookup = BreachLookup(catalogue, cache, breach, self._announce, runtime)
        return [catalogue.run_forever(), lookup.run_forever()]

    def _refuse(self, problem: str) -> list[Coroutine[Any, Any, None]]:
        self._log.say("error", "breach", problem=f"nobody is asked: {problem}")
        return []

    def _accept(self, listener: socket.socket) -> None:
        with contextlib.suppress(OSError):
            worker, _ = listener.accept()
            worker.setblocking(False)
            self._workers.add(worker)
            asyncio.get_running_loop().add_reader(worker, self._read, worker)

    def _read(self, worker: socket.socket) -> None:
        with contextlib.suppress(BlockingIOError):
            for _ in range(_MOST_PACKETS):
                packet = self._receive(worker)
                if not packet:
                    self._disconnect(worker)
                    return
                self._take(worker, packet)

    def _receive(self, worker: socket.socket) -> bytes:
        try:
            return worker.recv(wire.LONGEST_PACKET)
        except ConnectionError:
            return b""

    def _disconnect(self, worker: socket.socket) -> None:
        asyncio.get_running_loop().remove_reader(worker)
        self._workers.discard(worker)
        worker.close()

    def _take(self, worker: socket.socket, packet: bytes) -> None:
        question = wire.decode_question(packet)
        if question is None:
            return
        if len(self._tasks) >= _MOST_QUESTIONS:
            self._counts["too busy"] += 1
            busy = BreachVerdict(result=BreachResult.UNKNOWN, problem="too busy")
            self._send(worker, wire.encode_reply(Reply(question.digest, 0, busy)))
            return
        task = asyncio.create_task(self._answer(worker, question))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _answer(self, worker: socket.socket, question: Question) -> None:
        try:
            reply = await self._lookup.answer(question)
        except Exception as e:  # a bug costs this answer
            self._log.report_bug("breach", e)
            return
        if reply is None or (reply.verdict.result is BreachResult.UNKNOWN and question.urgency is not Urgency.NOW):
            return  # no message waits for it, and one that waits for the same address must not take it for its answer
        if worker in self._workers:
            self._send(worker, wire.encode_reply(reply))

    def _send(self, worker: socket.socket, packet: bytes) -> None:
        try:
            worker.send(packet)
        except OSError:
            self._counts["answers dropped"] += 1

    def _announce(self, reply: Reply) -> None:
        packet = wire.encode_reply(reply)
        for worker in self._workers:
            self._send(worker, packet)

    def _forget(self) -> None:
        for worker in self._workers:
            self._send(worker, wire.FORGET)

    def _say(self, problem: str) -> None:
        self._log.say("warning", "breach", problem=problem)

    async def _report_counts(self) -> None:
        while True:
            self._add_totals("breach", self._counts + self._lookup.counts)
            await asyncio.sleep(_COUNT_INTERVAL)
