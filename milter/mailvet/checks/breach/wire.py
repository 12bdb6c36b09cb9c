"""wire – the messages between a worker and the breach process, one packet each.

A worker sends an urgency (one letter) and the SHA-1 of an address. The reply is that SHA-1, the seconds for which
the worker may keep the verdict, and the verdict. The socket is in a private directory, so both ends are mailvet.

Raises     ValueError, TypeError or struct.error from `decode_reply`, for a packet that `encode_reply` has not made
Not here   the sockets (breach_service.client, breach_service.process)
"""

import json
import struct
from enum import Enum
from typing import Final, NamedTuple

from mailvet.verdict import BreachResult, BreachVerdict

LONGEST_PACKET: Final = 2048  # octets
FORGET: Final = b"forget"  # sent to the workers: drop the verdicts you keep, the list has changed
_DIGEST_OCTETS: Final = 20
_REPLY_HEAD: Final = struct.Struct("!20sI")


class Urgency(Enum):
    """How soon a worker needs the verdict."""

    PEEK = b"p"  # only if it is known already
    LATER = b"l"  # the source may be asked at any time; no message waits
    NOW = b"n"  # a message waits


class Question(NamedTuple):
    """A worker's question about one address."""

    urgency: Urgency
    digest: bytes  # SHA-1 of the address


class Reply(NamedTuple):
    """The answer to the question with the same digest."""

    digest: bytes
    keep: int  # seconds for which the worker may keep the verdict; 0: not at all
    verdict: BreachVerdict


def encode_question(question: Question) -> bytes:
    """Return the packet for a question."""
    return question.urgency.value + question.digest


def decode_question(packet: bytes) -> Question | None:
    """Return the question in a packet. None: the packet is not a question."""
    if len(packet) != 1 + _DIGEST_OCTETS or packet[:1] not in (b"p", b"l", b"n"):
        return None
    return Question(Urgency(packet[:1]), packet[1:])


def encode_reply(reply: Reply) -> bytes:
    """Return the packet for a reply."""
    v = reply.verdict
    words = (v.result.value, v.source, v.newest, v.classes, v.checked, v.problem)
    return _REPLY_HEAD.pack(reply.digest, reply.keep) + json.dumps(words).encode()


def decode_reply(packet: bytes) -> Reply:
    """Return the reply in a packet. One that makes no sense is a bug of ours, so it raises."""
    digest, keep = _REPLY_HEAD.unpack_from(packet)
    result, source, newest, classes, checked, problem = json.loads(packet[_REPLY_HEAD.size :])
    verdict = BreachVerdict(
        result=BreachResult(result),
        source=source,
        newest=newest,
        classes=tuple(classes),
        checked=checked,
        problem=problem,
    )
    return Reply(digest, keep, verdict)
