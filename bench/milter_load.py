"""milter_load – plays the MTA: sends a corpus to a milter and measures its time.

Every message has a connection of its own, with the steps that Postfix sends under the flags the milter negotiates.
All steps are written at once, so that this program costs little; with `lockstep` each answer is awaited, as Postfix
does.

Raises     OSError
Not here   starting the milter (peers)
"""

import asyncio
import collections
import json
import os
import random
import struct
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lab.milter_protocol import LEADING_SPACE, STEPS, packet, split

_TICKS = os.sysconf("SC_CLK_TCK")
_LAST = b"artyd"  # replies that end a message: accept, reject, tempfail, reply code, discard


def _macros(stage: bytes, **values: str) -> bytes:
    return packet(b"D", stage + b"".join(f"{k}\0{v}\0".encode() for k, v in values.items()))


def plan(raw: bytes, envelope: dict[str, Any], protocol: int) -> list[tuple[bytes, bool]]:
    """Return the packets of one message, each with whether it gets an answer."""
    fields, body = split(raw)
    address, family = envelope["ip"], b"6" if ":" in envelope["ip"] else b"4"
    ip, space = address.encode(), b"" if protocol & LEADING_SPACE else b" "
    steps = [
        (b"C", _macros(b"C", j="mx.rcpt.example"), b"[" + ip + b"]\0" + family + b"\x9c\x40" + ip + b"\0"),
        (b"H", b"", envelope["helo"].encode() + b"\0"),
        (b"M", b"", f"<{envelope['mail_from']}>\0".encode()),
        *((b"R", b"", f"<{to}>\0".encode()) for to in envelope["rcpt_to"]),
        (b"T", _macros(b"T", i="4Bench"), b""),
        *((b"L", b"", name + b"\0" + value.removeprefix(space) + b"\0") for name, value in fields),
        (b"N", b"", b""),
        *((b"B", b"", body[at : at + 65535]) for at in range(0, len(body), 65535)),
        (b"E", _macros(b"E", i="4Bench"), b""),
    ]  # fmt: skip
    return [
        (macros + packet(command, data), not protocol & STEPS[command][1])
        for command, macros, data in steps
        if not protocol & STEPS[command][0]
    ]


@dataclass
class Measured:
    """The results of a run. Times are in milliseconds."""

    messages: int = 0
    per_second: float = 0.0
    cpu: float = 0.0  # of the milter's processes, per message
    mean: float = 0.0
    median: float = 0.0
    p99: float = 0.0
    peak_rss: float = 0.0  # MiB, of the largest process
    verified: float = 0.0  # share of the messages that were given an Authentication-Results field
    errors: dict[str, int] = field(default_factory=dict)


class _Run:
    def __init__(self, socket: str, lockstep: bool) -> None:
        self.socket, self.lockstep = socket, lockstep
        self.latencies: list[float] = []
        self.verified = 0
        self.errors: collections.Counter[str] = collections.Counter()

    async def message(self, raw: bytes, envelope: dict[str, Any]) -> None:
        reader, writer = await asyncio.open_unix_connection(self.socket, limit=1 << 20)
        try:
            writer.write(packet(b"O", struct.pack("!III", 6, 0x1FF, 0x1FFFFF)))
            protocol = struct.unpack("!III", (await read(reader))[1][:12])[2]
            steps = plan(raw, envelope, protocol)
            started = time.perf_counter()
            if self.lockstep:
                for data, answered in steps:
                    writer.write(data)
                    if answered and await self.reply(reader) in _LAST:
                        break
            else:
                writer.writelines([data for data, _ in steps])
                await writer.drain()
                for _ in range(sum(answered for _, answered in steps)):
                    if await self.reply(reader) in _LAST:
                        break
            self.latencies.append(time.perf_counter() - started)
            writer.write(packet(b"Q"))
        except (OSError, asyncio.IncompleteReadError) as e:
            self.errors[type(e).__name__] += 1
        finally:
            writer.close()

    async def reply(self, reader: asyncio.StreamReader) -> bytes:
        """Return the next answer that is not a change to the message."""
        changes = []
        while True:
            command, data = await read(reader)
            if command in b"hi":
                changes.append(data[4 * (command == b"i") :])
            elif command in b"cs" or command in _LAST:
                self.verified += any(change.startswith(b"Authentication-Results\0") for change in changes)
                if command in b"tr":
                    self.errors["deferred" if command == b"t" else "rejected"] += 1
                return command


async def read(reader: asyncio.StreamReader) -> tuple[bytes, bytes]:
    """Read one packet: command and data."""
    data = await reader.readexactly(struct.unpack("!I", await reader.readexactly(4))[0])
    return data[:1], data[1:]


def load(corpus: Path) -> list[tuple[bytes, dict[str, Any]]]:
    """Return the messages of a corpus, shuffled the same way each time."""
    envelopes = json.loads((corpus / "envelopes.json").read_text())
    jobs = [((corpus / envelope["file"]).read_bytes(), envelope) for envelope in envelopes]
    random.Random(7).shuffle(jobs)
    return jobs


def drive(
    jobs: list[tuple[bytes, dict[str, Any]]],
    socket: str,
    pids: list[int],
    count: int,
    connections: int,
    *,
    lockstep: bool = False,
) -> Measured:
    """Send `count` messages over this many connections at a time."""
    run = _Run(socket, lockstep)
    work = iter([jobs[number % len(jobs)] for number in range(count)])

    async def client() -> None:
        for raw, envelope in work:
            await run.message(raw, envelope)

    async def all_clients() -> None:
        await asyncio.gather(*(client() for _ in range(connections)))

    before, started = cpu_seconds(pids), time.perf_counter()
    asyncio.run(all_clients())
    wall, used = time.perf_counter() - started, cpu_seconds(pids) - before
    done = sorted(run.latencies) or [0.0]
    return Measured(
        messages=len(run.latencies),
        per_second=len(run.latencies) / wall,
        cpu=used / max(1, len(run.latencies)) * 1000,
        mean=sum(done) / len(done) * 1000,
        median=done[len(done) // 2] * 1000,
        p99=done[int(len(done) * 0.99)] * 1000,
        peak_rss=max(peak_mib(pid) for pid in family(pids)),
        verified=run.verified / max(1, len(run.latencies)),
        errors=dict(run.errors),
    )


def family(pids: list[int]) -> set[int]:
    """Return the ids of these processes and of all their descendants."""
    parents = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                parents[int(entry.name)] = int((entry / "stat").read_text().rsplit(")", 1)[1].split()[1])
            except OSError:
                continue
    found = set(pids)
    while more := {child for child, parent in parents.items() if parent in found} - found:
        found |= more
    return found


def cpu_seconds(pids: list[int]) -> float:
    total = 0
    for pid in family(pids):
        try:
            stat = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
        except OSError:
            continue
        total += sum(int(ticks) for ticks in stat[11:15])  # with those of children that ended
    return total / _TICKS


def peak_mib(pid: int) -> float:
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0.0
    return next((int(line.split()[1]) / 1024 for line in status.splitlines() if line.startswith("VmHWM")), 0.0)
