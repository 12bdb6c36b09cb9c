"""postfix_standin – the mail system without Postfix, for those who are not root.

It speaks the milter protocol to mailvet as Postfix does, and edits the header as the model of Postfix in `mta` does.
No SMTP is spoken and nothing is queued or delivered.

Raises     RuntimeError, TimeoutError, ConnectionError
"""

import contextlib

from lab import mta, world
from lab.letter import Letter
from lab.mail_system import Lab, Receipt
from lab.milter_protocol import split
from lab.milterclient import Answer, MilterClient
from lab.smtp import Reply
from mailvet.outcome import Delete, Insert


class StandIn(Lab):
    """A Lab without the attributes `postfix` and `mailbox`."""

    def _start_mta(self, stack: contextlib.ExitStack) -> None:
        self._delivered: dict[str, bytes] = {}  # by recipient
        self._held: dict[str, bytes] = {}  # by queue id

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
        if login or parameters:
            raise NotImplementedError("the stand-in knows neither AUTH nor MAIL parameters")
        recipient = self.recipient()
        name = world.HOST_NAME.encode() if address == world.HOST else b""
        with MilterClient(self.directory / f"{port}.sock") as client:
            client.connect(address, name, helo.encode() if isinstance(helo, str) else helo)
            answer = client.message(mail_from.encode(), message)
        if not answer.accepted:
            code, _, text = answer.text.partition(" ")
            return Receipt(Reply(int(code or 451), text), recipient)
        queue_id = f"{len(self._delivered) + len(self._held) + 1:010X}"
        edited = _edited(message, answer)
        if answer.quarantined:
            self._held[queue_id] = edited
        else:
            self._delivered[recipient] = edited
        return Receipt(Reply(250, f"2.0.0 Ok: queued as {queue_id}"), recipient)

    def letter(self, receipt: Receipt) -> Letter:
        return Letter(self._delivered[receipt.recipient])

    def held(self, queue_id: str) -> bytes | None:
        return self._held.get(queue_id)


def _edited(message: bytes, answer: Answer) -> bytes:
    fields, body = split(message)
    headers = mta.PostfixHeaders(fields)
    headers.apply(Delete(name, index) for index, name in answer.deleted)
    headers.apply(Insert(place, name, value) for place, name, value in answer.inserted)
    lines = b"".join(name + b":" + value.replace(b"\n", b"\r\n") + b"\r\n" for name, value in headers.all)
    return lines + b"\r\n" + body
