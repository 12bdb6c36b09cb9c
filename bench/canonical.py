"""canonical – measures the time to hash bodies of many kinds, compared with plain text of the same size.

    python -m bench.canonical

Both canonicalisations run at once, over chunks as Postfix sends them. A second part measures one signature from
field to verdict, with and without its RSA arithmetic.

Raises     nothing
Not here   the whole daemon (strain)
"""

import random
import time
from base64 import b64encode
from collections.abc import Callable
from functools import partial

from lab.sealer import Sealer, letter
from lab.signer import sign
from mailvet.checks.dkim import check as dkim
from mailvet.checks.dkim.body_hash import BodyDigest, BodyHash, BodyHasher, Canon
from mailvet.checks.dkim.content import Content
from mailvet.checks.dkim.dkimpy import parse_tags
from mailvet.checks.dkim.header_forms import HeaderForms
from mailvet.checks.dkim.keys import KeyParser, KeyReader
from mailvet.checks.dkim.openssl import load
from mailvet.ports import Answer, RecordType, Status
from mailvet.settings import DkimSettings, LimitSettings

CHUNK = 65_535
SIZES = (150_000, 1_000_000, 10_000_000)
WORDS = b"please find attached the report of the last quarter and the order for it\r\n"
UNITS = (
    b" ", b"\r\n", b"\t", b" x", b"  x", b"\t\r\n", b" \r\n", b"\r", b"\n", b"x\r", b"\r\r\n", b"\n\r\n", b" \r",
    b"x\r\n\r\n", b" \t" * 40 + b"x\r\n", b"\r\n" * 40_000 + b"x", b" " * 70_000 + b"x",
)  # fmt: skip
_SOURCE = random.Random(1)
_MIXED = b"".join(_SOURCE.choices([b" ", b"\t", b"\r", b"\n", b"\r\n", b"x", b"  "], k=60_000))


def seconds(work: Callable[[], object], least: float = 0.15) -> float:
    """Return the CPU seconds of the quickest of many runs, since the machine is shared."""
    best, start = float("inf"), time.perf_counter()
    while time.perf_counter() - start < least or best == float("inf"):
        before = time.process_time()
        work()
        best = min(best, time.process_time() - before)
    return best


def hashed(body: bytes, wanted: list[BodyDigest], chunk: int = CHUNK) -> dict[BodyDigest, BodyHash]:
    hasher = BodyHasher(wanted)
    for at in range(0, len(body), chunk):
        hasher.feed(body[at : at + chunk])
    return hasher.finish()


def of_size(unit: bytes, size: int) -> bytes:
    return (unit * (size // len(unit) + 1))[:size]


def bodies() -> None:
    both = [BodyDigest(Canon.SIMPLE), BodyDigest(Canon.RELAXED)]
    lengths = [BodyDigest(canon, at * 10_000) for canon in Canon for at in range(1, 6)]
    base64 = b64encode(_SOURCE.randbytes(57_000)).replace(b"+", b"\r\n")
    kinds = {"plain text": WORDS, "base64": base64, "mixed": _MIXED} | {_short(unit): unit for unit in UNITS}
    plain: dict[int, float] = {}
    print(f"{'body':<24}" + "".join(f"{size:>12,}" for size in SIZES) + "   times plain text; first line: ms")
    for kind, unit in kinds.items():
        cost = {size: seconds(partial(hashed, of_size(unit, size), both)) for size in SIZES}
        plain = plain or cost
        line = [cost[size] * 1000 if cost is plain else cost[size] / plain[size] for size in SIZES]
        print(f"{kind:<24}" + "".join(f"{value:>12.2f}" for value in line))
    ten = seconds(partial(hashed, of_size(WORDS, 1_000_000), [*both, *lengths])) / plain[1_000_000]
    print(f"{'plain, ten l=':<24}{'':>12}{ten:>12.2f}")


def _short(unit: bytes) -> str:
    return repr(unit)[1:] if len(unit) < 12 else f"{len(unit):,} of {unit[:2]!r} …"


class _Free:
    """A key whose arithmetic costs nothing."""

    bits = 2048

    def verify(self, signature: bytes, data: bytes) -> bool:
        return True


def signatures() -> None:
    """A message of twenty fields, one rsa-2048 signature over seven of them."""
    by = Sealer("author.example", kind="2048")
    mail = letter().on_top(*[(b"X-Field-%d" % at, b" some value, so long as they are in mail") for at in range(14)])
    mail = sign(mail, by, names=[b"from", b"to", b"subject", b"message-id", b"x-field-1", b"x-field-2", b"x-field-3"])
    answer = Answer(Status.FOUND, (by.record,))
    value = mail.fields[0][1]

    def ask(_name: str, _kind: RecordType) -> Answer:
        return answer

    for name, key in (("with RSA", load), ("without", lambda _kind, _data: _Free())):
        keys = KeyReader(ask, KeyParser(parse_tags, key, LimitSettings()))
        headers = mail.headers
        found = dkim.candidate(0, value, keys.parser.limits)
        assert found.digest is not None
        bodies = hashed(mail.body, [found.digest])

        def work(keys: KeyReader = keys, bodies: dict[BodyDigest, BodyHash] = bodies) -> None:
            for _ in range(100):
                found = dkim.candidate(0, value, keys.parser.limits)
                dkim.judge([found], Content(HeaderForms(headers), bodies), keys, DkimSettings(), 0.0)  # noqa: B023

        print(f"one signature, {name:<9} {seconds(work, 1.0) * 10_000:>6.1f} µs")


if __name__ == "__main__":
    bodies()
    signatures()
