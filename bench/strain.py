"""strain – measures mailvet under strain: hostile bodies, idle connections, huge mail, a killed worker.

Bodies are made while they are sent. Each message has two signatures, so that both canonicalisations run.

Raises     OSError, IncompleteReadError where the milter hangs up
Not here   starting mailvet and Postfix (run)
"""

import asyncio
import os
import signal
import statistics
import struct
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench import milter_load, smtp_load
from bench.milter_load import Measured, cpu_seconds, family, plan, read
from lab.milter_protocol import packet
from lab.postfix import Postfix

CHUNK = 65_535  # octets Postfix hands over at once
BODY_SIZES = (150_000, 1_000_000, 10_000_000)
BODIES = {
    "plain text": b"please find attached the report of the last quarter and the order for it\r\n",
    "blanks": b" ",
    "CRLF": b"\r\n",
    "tabs": b"\t",
    "` x`": b" x",
    "`  x`": b"  x",
    "`\\t\\r\\n`": b"\t\r\n",
    "`x \\r\\n`": b"x \r\n",
}
_NO_BODY_REPLY = 0x80000
_IDLE_ROUNDS = 7
_ENDS = b"acrtyd"  # replies that end a message; `c`, continue, does at its last step

Signed = tuple[bytes, dict[str, Any]]  # header fields, envelope


@dataclass
class Strain:
    """The results."""

    bodies: dict[str, list[float]] = field(default_factory=dict)  # CPU ms by BODY_SIZES
    idle: tuple[float, float] = (0, 0)  # CPU ms per message, without and with idle connections
    idle_cpu: tuple[float, float] = (0, 0)  # ms per second while nothing happens, without and with them
    idle_count: int = 0
    huge: str = ""  # how many of which size
    huge_rss: tuple[float, float, float] = (0, 0, 0)  # MiB of the largest process: before, half way, peak
    huge_seconds: float = 0.0
    killed: Measured | None = None
    delivered: int = 0  # messages Postfix passed on in that run
    workers: tuple[int, int] = (0, 0)  # before the kill, afterwards


async def _open(socket: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter, int]:
    reader, writer = await asyncio.open_unix_connection(socket)
    writer.write(packet(b"O", struct.pack("!III", 6, 0x1FF, 0x1FFFFF)))
    return reader, writer, struct.unpack("!III", (await read(reader))[1][:12])[2]


async def _send(socket: str, signed: Signed, unit: bytes, size: int) -> None:
    """Send one message whose body repeats `unit`."""
    reader, writer, protocol = await _open(socket)
    try:
        *start, end = plan(signed[0] + b"\r\n", signed[1], protocol)
        for data, answered in start:
            writer.write(data)
            if answered:
                await read(reader)
        text = unit * (CHUNK // len(unit) + 1)
        for at in range(0, size, CHUNK):
            shift = at % len(unit)
            writer.write(packet(b"B", text[shift : shift + min(CHUNK, size - at)]))
            await writer.drain()
            if not protocol & _NO_BODY_REPLY:
                await read(reader)
        writer.write(end[0])
        while (await read(reader))[0] not in _ENDS:
            pass
        writer.write(packet(b"Q"))
    finally:
        writer.close()


def bodies(socket: str, pid: int, signed: Signed, sizes: tuple[int, ...] = BODY_SIZES) -> dict[str, list[float]]:
    """Return the CPU milliseconds of a message, for each kind of body and size."""
    found: dict[str, list[float]] = {}
    for name, unit in BODIES.items():
        asyncio.run(_send(socket, signed, unit, 1000))
        for size in sizes:
            times = max(3, min(100, 60_000_000 // size))  # a clock tick is 10 ms
            before = cpu_seconds([pid])
            for _ in range(times):
                asyncio.run(_send(socket, signed, unit, size))
            found.setdefault(name, []).append((cpu_seconds([pid]) - before) / times * 1000)
    return found


def idle(strain: Strain, jobs: list[Signed], socket: str, pid: int, count: int, connections: int = 200) -> None:
    """Measure the same load without and with idle connections, in turn."""
    without: list[float] = []
    with_them: list[float] = []

    def cost() -> float:
        return milter_load.drive(jobs, socket, [pid], count, 16).cpu

    async def held(rest: bool) -> None:
        opened = [await _open(socket) for _ in range(connections)]
        if rest:
            strain.idle_cpu = quiet, await asyncio.to_thread(_cpu_at_rest, pid)
        with_them.append(await asyncio.to_thread(cost))
        for _, writer, _ in opened:
            writer.close()

    cost()
    quiet = _cpu_at_rest(pid)
    for number in range(_IDLE_ROUNDS):
        without.append(cost())
        asyncio.run(held(rest=number == 0))
    strain.idle = statistics.median(without), statistics.median(with_them)
    strain.idle_count = connections


def _cpu_at_rest(pid: int, seconds: float = 5.0) -> float:
    before = cpu_seconds([pid])
    time.sleep(seconds)
    return (cpu_seconds([pid]) - before) / seconds * 1000


def huge(strain: Strain, socket: str, pid: int, signed: Signed, size: int, messages: int = 50) -> None:
    """Send many huge messages at once, and read the largest process's memory ten times a second."""
    seen: list[float] = []
    done = threading.Event()

    def watch() -> None:
        while True:
            seen.append(max(rss_mib(child) for child in family([pid])))
            if done.wait(0.1):
                break

    async def all_at_once() -> None:
        await asyncio.gather(*(_send(socket, signed, BODIES["plain text"], size) for _ in range(messages)))

    before, started = max(rss_mib(child) for child in family([pid])), time.perf_counter()
    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        asyncio.run(all_at_once())
    finally:
        done.set()
        watcher.join()
    strain.huge_seconds = time.perf_counter() - started
    strain.huge = f"{messages} messages of {size / 1e6:g} MB"
    strain.huge_rss = (before, seen[len(seen) // 2], max(seen))


def killed(strain: Strain, jobs: list[Signed], mta: Postfix, pid: int, count: int) -> None:
    """Kill the busiest worker under load through Postfix, and count what was accepted and what was delivered."""
    workers = family([pid]) - {pid}
    before = _settled(mta.log_file, 0)
    busiest = max(workers, key=lambda worker: cpu_seconds([worker]))
    timer = threading.Timer(1.0, os.kill, (busiest, signal.SIGKILL))
    timer.start()
    try:
        strain.killed = smtp_load.drive(jobs, mta.ports["smtpd"], count, 16)
    finally:
        timer.join()
    strain.delivered = _settled(mta.log_file, before + strain.killed.messages) - before
    strain.workers = len(workers), len(family([pid]) - {pid})


def _settled(log: Path, least: int) -> int:
    """Return the deliveries in Postfix's log once they are at least `least` and no more come, within 20 s."""
    deadline = time.monotonic() + 20
    found = -1
    while time.monotonic() < deadline:
        last, found = found, log.read_bytes().count(b"status=sent")
        if found == last and found >= least:
            break
        time.sleep(1)
    return found


def rss_mib(pid: int) -> float:
    """Return the resident memory of a process now."""
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / (1 << 20)
    except OSError:
        return 0.0
