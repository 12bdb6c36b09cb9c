"""mail_system – a complete mail system on loopback: DNS, three mailvets (one for each mode), Postfix and a mailbox.

    with Lab(zone) as lab:
        receipt = lab.send("mark", mail_from="a@signed.example", message=raw)
        letter = lab.letter(receipt)

Raises     RuntimeError, TimeoutError
"""

import contextlib
import itertools
from pathlib import Path
from typing import NamedTuple, Self

from lab import world
from lab.daemon import Daemon, scratch
from lab.dnsserver import DnsServer
from lab.letter import Letter
from lab.mailbox import Mailbox
from lab.postfix import DOMAIN, Postfix
from lab.smtp import Client, Reply

TRUSTED = "198.51.100.200"  # in trust.networks of the three mailvets
# `enforce` with what an operator has to ask for, too: RFC 9989 §7.4 is against rejecting for p=reject alone
_CONFIG = """
[trust]
networks = ["{trusted}"]
[policy]
mode = "{mode}"
[policy.on]
dmarc_reject = "reject"
"""


class Receipt(NamedTuple):
    reply: Reply
    recipient: str


class Lab:
    def __init__(self, zone: world.Zone, *, spare: tuple[str, ...] = ()) -> None:
        """Prepare it. For each name in `spare` there is an smtpd whose milter, directory/NAME.sock, a test starts."""
        self._zone, self._spare = zone, spare
        self._stack = contextlib.ExitStack()
        self._numbers = itertools.count(1)
        self.directory = Path()

    def __enter__(self) -> Self:
        with contextlib.ExitStack() as stack:
            self.directory = Path(stack.enter_context(scratch()))
            self.dns = stack.enter_context(DnsServer(self._zone))
            self.daemons = {
                mode: stack.enter_context(self.daemon(mode, _CONFIG.format(mode=mode, trusted=TRUSTED)))
                for mode in ("mark", "quarantine", "enforce")
            }
            self._start_mta(stack)
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def _start_mta(self, stack: contextlib.ExitStack) -> None:
        self.mailbox = stack.enter_context(Mailbox())
        sockets = {name: self.directory / f"{name}.sock" for name in (*self.daemons, *self._spare)}
        self.postfix = stack.enter_context(Postfix(sockets, self.mailbox.port))

    def daemon(self, name: str, more: str, *, dns: str = "", workers: int = 1) -> Daemon:
        return Daemon(self.directory, name, dns or self.dns.address, more, workers=workers)

    def client(
        self, port: str, address: str = world.HOST, helo: str | bytes = world.HOST_NAME, login: str = ""
    ) -> Client:
        name = world.HOST_NAME if address == world.HOST else ""
        return Client(self.postfix.ports[port], address=address, name=name, helo=helo, login=login)

    def recipient(self) -> str:
        """Return an unused address, so that what arrives there is known to be this message."""
        return f"r{next(self._numbers)}@{DOMAIN}"

    def send(
        self,
        port: str,
        *,
        mail_from: str,
        message: bytes,
        address: str = world.HOST,
        helo: str | bytes = world.HOST_NAME,
        login: str = "",
        parameters: str = "",
    ) -> Receipt:
        recipient = self.recipient()
        with self.client(port, address, helo, login) as client:
            return Receipt(client.send(mail_from, recipient, message, parameters), recipient)

    def letter(self, receipt: Receipt) -> Letter:
        """Return the message as delivered to the mailbox.

        Raises RuntimeError if Postfix has not accepted it, TimeoutError if it does not arrive.
        """
        if receipt.reply.code != 250:
            raise RuntimeError(f"refused: {receipt.reply.code} {receipt.reply.text}")
        return Letter(self.mailbox.take(receipt.recipient))

    def held(self, queue_id: str) -> bytes | None:
        """Return a message of the hold queue as it would be delivered; None if it is not there."""
        return self.postfix.held(queue_id)
