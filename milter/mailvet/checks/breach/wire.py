"""wire – what the workers and the breach process say to each other, one packet each.

A worker sends a letter and the SHA-1 of an address; the answer is that SHA-1, for how many seconds the
verdict may be kept, and the verdict. The socket is in a directory of ours, so both ends are us.

Raises     nothing for packets that were made here
Not here   the sockets (breach_service.client, breach_service.process)
"""

import json
import struct
from enum import Enum
from typing import Final, NamedTuple

from mailvet.verdict import BreachResult, BreachVerdict

LONGEST: Final = 2048
FORGET: Final = b"forget"  # to the workers: drop what you keep, the source has changed
_DIGEST: Final = 20
_REPLY: Final = struct.Struct("!20sI")


class Wish(Enum):
    PEEK = b"p"  # if you happen to know
    LATER = b"l"  # ask when it suits; nobody waits
    NOW = b"n"  # somebody waits


class Reply(NamedTuple):
    digest: bytes
    keep: int  # seconds; 0: not at all
    verdict: BreachVerdict


def ask(wish: Wish, digest: bytes) -> bytes:
    return wish.value + digest


def asked(packet: bytes) -> tuple[Wish, bytes] | None:
    """None for what is not a question."""
    if len(packet) != 1 + _DIGEST or packet[:1] not in (b"p", b"l", b"n"):
        return None
    return Wish(packet[:1]), packet[1:]


def reply(answer: Reply) -> bytes:
    v = answer.verdict
    words = (v.result.value, v.source, v.newest, v.classes, v.checked, v.problem)
    return _REPLY.pack(answer.digest, answer.keep) + json.dumps(words).encode()


def replied(packet: bytes) -> Reply:
    digest, keep = _REPLY.unpack_from(packet)
    result, source, newest, classes, checked, problem = json.loads(packet[_REPLY.size :])
    verdict = BreachVerdict(
        result=BreachResult(result),
        source=source,
        newest=newest,
        classes=tuple(classes),
        checked=checked,
        problem=problem,
    )
    return Reply(digest, keep, verdict)
