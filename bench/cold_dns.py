"""cold_dns – a resolver with an empty cache that is some milliseconds away.

    python -m bench.cold_dns 127.0.0.1:5354 40 --upstream 127.0.0.1:5300

It passes the upstream server's answers on, later, and with TTL 0 so that nothing is cached. On SIGTERM it prints the
number of questions.

Raises     OSError where the port is taken
"""

import argparse
import asyncio
import signal
from typing import Any

import dns.asyncquery
import dns.flags
import dns.message
import dns.rcode


class Cold(asyncio.DatagramProtocol):
    def __init__(self, delay: float, upstream: tuple[str, int]) -> None:
        self.delay, self.upstream = delay, upstream
        self.asked = 0
        self.tasks: set[asyncio.Task[None]] = set()

    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def datagram_received(self, data: bytes, address: Any) -> None:
        self.asked += 1
        task = asyncio.get_running_loop().create_task(self.answer(data, address))
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    async def answer(self, data: bytes, address: Any) -> None:
        loop = asyncio.get_running_loop()
        due = loop.time() + self.delay
        host, port = self.upstream
        reply = await dns.asyncquery.udp(dns.message.from_wire(data), host, port=port, timeout=3)
        reply.flags |= dns.flags.RA
        if reply.rcode() == dns.rcode.REFUSED:  # not a name of the zone served: nobody has it
            reply.set_rcode(dns.rcode.NXDOMAIN)
        for section in (reply.answer, reply.authority):
            for records in section:
                records.ttl = 0
        await asyncio.sleep(due - loop.time())
        self.transport.sendto(reply.to_wire(), address)


def _server(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    return host, int(port)


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("listen", type=_server)
    parser.add_argument("milliseconds", type=float)
    parser.add_argument("--upstream", type=_server, default=("127.0.0.1", 5300))
    arguments = parser.parse_args()
    loop = asyncio.get_running_loop()
    cold = Cold(arguments.milliseconds / 1000, arguments.upstream)
    await loop.create_datagram_endpoint(lambda: cold, local_addr=arguments.listen)
    stop = asyncio.Event()
    loop.add_signal_handler(signal.SIGTERM, stop.set)
    await stop.wait()
    print(cold.asked, flush=True)


if __name__ == "__main__":
    asyncio.run(main())
