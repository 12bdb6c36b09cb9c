"""smtp_load – sends a corpus through a real Postfix, each message in a session of its own, and measures the time.

Client address and HELO name are set by XCLIENT, which Postfix has to allow (smtpd_authorized_xclient_hosts).

Raises     OSError
"""

import asyncio
import collections
import time
from typing import Any

from bench.milter_load import Measured


async def _say(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, line: bytes) -> bytes:
    if line:
        writer.write(line)
    while True:
        got = await reader.readline()
        if not got:
            raise ConnectionError("closed")
        if got[3:4] != b"-":
            return got[:3]


async def _message(port: int, raw: bytes, envelope: dict[str, Any]) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1 << 20)
    try:
        address = ("IPV6:" if ":" in envelope["ip"] else "") + envelope["ip"]
        for line in (
            "",
            "EHLO load.example\r\n",
            f"XCLIENT NAME=[UNAVAILABLE] ADDR={address} HELO={envelope['helo']}\r\n",
            f"EHLO {envelope['helo']}\r\n",
            f"MAIL FROM:<{envelope['mail_from']}>\r\n",
            *(f"RCPT TO:<{to}>\r\n" for to in envelope["rcpt_to"]),
            "DATA\r\n",
        ):
            code = await _say(reader, writer, line.encode())
            if code[:1] not in (b"2", b"3"):
                return code
        writer.write(raw.replace(b"\r\n.", b"\r\n.."))
        code = await _say(reader, writer, b".\r\n")
        writer.write(b"QUIT\r\n")
        return code
    finally:
        writer.close()


def drive(jobs: list[tuple[bytes, dict[str, Any]]], port: int, count: int, connections: int) -> Measured:
    """Send `count` messages over this many connections at a time; `errors` counts the replies that were not 250."""
    work = iter([jobs[number % len(jobs)] for number in range(count)])
    codes: collections.Counter[str] = collections.Counter()
    latencies: list[float] = []

    async def client() -> None:
        for raw, envelope in work:
            started = time.perf_counter()
            try:
                code = (await _message(port, raw, envelope)).decode()
            except OSError as e:
                code = type(e).__name__
            codes[code] += 1
            latencies.append(time.perf_counter() - started)

    async def all_clients() -> None:
        await asyncio.gather(*(client() for _ in range(connections)))

    started = time.perf_counter()
    asyncio.run(all_clients())
    wall = time.perf_counter() - started
    done = sorted(latencies)
    return Measured(
        messages=codes["250"],
        per_second=codes["250"] / wall,
        mean=sum(done) / len(done) * 1000,
        median=done[len(done) // 2] * 1000,
        p99=done[int(len(done) * 0.99)] * 1000,
        errors={code: number for code, number in codes.items() if code != "250"},
    )
