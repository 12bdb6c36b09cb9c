"""hostile – measures the CPU time of messages made to be expensive, and of plain messages of the same size.

    python -m bench.hostile [--write] [GROUP...]

Each message goes through a whole session as the daemon has it, with DNS answers that are read from octets and the
log line that is written, in one process and without sockets. The plain message has as many octets, those of the
DNS records counted, and as many signatures, all good. Every message is a stranger's: nothing is cached.
`--write` puts the results into docs/hostile.md.

Raises     AssertionError where a check has a bug
Not here   the messages (hostile_mail); libmilter and Postfix (strain)
"""

from __future__ import annotations

import argparse
import dataclasses
import functools
import gc
import itertools
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple

import dns.message
import dns.rrset

from bench.hostile_mail import DOMAIN, GROUPS, Message, plain
from lab.settings import domains, networks
from lab.zone import Zone
from mailvet.assembly import make_engine
from mailvet.dns import dnspython
from mailvet.observe import journal
from mailvet.ports import Answer, RecordType, Trouble
from mailvet.session.session import Session
from mailvet.settings import Settings, TrustSettings

OWN: Final = "mx.rcpt.example"
RELAY: Final = "198.51.100.1"
SETTINGS: Final = Settings(
    authserv_id=OWN, trust=TrustSettings(networks=(), relays=networks(RELAY), sealers=domains("list.example"))
)
CHUNK: Final = 65_535  # octets Postfix hands over at once
GOAL: Final = 3.0
PAGE: Final = Path(__file__).parents[1] / "docs" / "hostile.md"
START, END = "<!-- classes -->", "<!-- /classes -->"
SIZES: Final = {
    "header": (64_000, 250_000, 2_000_000),
    "Unicode": (64_000, 250_000, 1_000_000),
    "A-R": (8_000, 30_000, 64_000, 250_000),
    "From": (2_000, 8_000, 64_000),
    "DKIM": (64_000, 250_000, 500_000),
    "ARC": (64_000, 250_000, 500_000),
    "DNS": (4_000, 60_000),
    "body": (150_000, 1_000_000, 10_000_000),
}
PLAIN_RECORDS: Final[dict[str, dict[str, list[Any]]]] = {
    DOMAIN: {"TXT": [b"v=spf1 ip4:192.0.2.1 -all"]},
    f"_dmarc.{DOMAIN}": {"TXT": [b"v=DMARC1; p=reject"]},
    "1.2.0.192.in-addr.arpa": {"PTR": ["mail.author.example."]},
    "mail.author.example": {"A": ["192.0.2.1"], "TXT": [b"v=spf1 a -all"]},
}


class Row(NamedTuple):
    group: str
    name: str
    size: int
    cost: float  # ms
    plain: float  # ms, of a plain message

    @property
    def ratio(self) -> float:
        return self.cost / self.plain


class Wire(Zone):
    """A Zone whose answers are octets, as from a name server, each read once per message."""

    def __init__(self, octets: dict[tuple[str, RecordType], bytes]) -> None:
        super().__init__({})
        self._octets = octets
        self._found: dict[tuple[str, RecordType], Answer | Trouble] = {}

    def _find(self, name: str, kind: RecordType) -> Answer | Trouble:
        key = name.lower(), kind
        found = self._found.get(key)
        if found is None:
            octets = self._octets.get(key)
            if octets is None:
                found = super()._find(name, kind)
            else:
                read = dnspython.read(octets, kind, trusted=True)
                assert not isinstance(read, dnspython.LostTarget)  # no name of these messages is an alias
                found = read
            self._found[key] = found
        return found


def octets(message: Message) -> dict[tuple[str, RecordType], bytes]:
    """The answers of a message's name servers."""
    return {
        (name, RecordType(kind)): _answer(name, kind, records)
        for name, types in (PLAIN_RECORDS | message.zone).items()
        for kind, records in types.items()
    }


def _answer(name: str, kind: str, records: list[Any]) -> bytes:
    answer = dns.message.make_response(dns.message.make_query(name, kind), recursion_available=True)
    texts = [_strings(record) if isinstance(record, bytes) else str(record) for record in records]
    answer.answer.append(dns.rrset.from_text(f"{name}.", 300, "IN", kind, *texts))
    return answer.to_wire(max_size=65_535)


def _strings(record: bytes) -> str:
    parts = [record[at : at + 255] for at in range(0, len(record), 255)]
    return " ".join('"' + "".join(f"\\{octet:03d}" for octet in part) + '"' for part in parts)


def _report_bug(where: str, error: BaseException) -> None:
    raise AssertionError(where) from error


class Run:
    """One message, to be received any number of times."""

    def __init__(self, message: Message) -> None:
        self._message = message
        self._octets = octets(message)
        body = message.body
        self._chunks = [body[at : at + CHUNK] for at in range(0, len(body), CHUNK)]

    def seconds(self) -> float:
        """CPU time of one delivery by a stranger."""
        for cache in _caches():
            cache.cache_clear()
        engine = make_engine(SETTINGS, lambda: Wire(self._octets), _report_bug)
        engine = dataclasses.replace(engine, now=lambda: 1_800_000_000.0)
        gc.collect()
        before = time.thread_time()
        self._converse(Session(engine))
        return time.thread_time() - before

    def _converse(self, session: Session) -> None:
        message = self._message
        session.connect("mail.author.example", RELAY if message.relay else "192.0.2.1")
        session.helo(message.helo)
        session.mail(f"<{message.sender}>".encode(), "")
        for name, value in message.fields:
            session.header(name, value)
        session.end_of_headers()
        for chunk in self._chunks:
            session.body(chunk)
        case = session.end_of_message("4XYZ")
        journal.as_json(journal.record(case, local_parts=False))
        session.abort()
        session.close()


@functools.cache
def _caches() -> list[Any]:
    """Return every function of mailvet that has an lru_cache."""
    kind = type(functools.cache(len))
    return [each for each in gc.get_objects() if isinstance(each, kind) and each.__module__.startswith("mailvet.")]


def cost(message: Message, least: float = 0.2) -> float:
    """Return the milliseconds of the quickest of several runs, since the machine is shared."""
    run = Run(message)
    found: list[float] = []
    while len(found) < 5 or (sum(found) < least and len(found) < 60):
        found.append(run.seconds())
    return min(found) * 1000


@functools.cache
def plain_cost(size: int, signatures: int) -> float:
    return cost(plain(size, signatures))


def measure(group: str, name: str, build: Callable[[int], Message], size: int) -> Row:
    message = build(size)
    about = round(message.size, -4 if message.size > 20_000 else -3)
    # mail is signed; without a signature the body is not even looked at, and plain text costs nothing
    return Row(group, name, message.size, cost(message), plain_cost(about, max(message.signatures, 1)))


def growth(build: Callable[[int], Message], size: int) -> float:
    """How many times the cost, at twice the size."""
    return cost(build(size)) / cost(build(size // 2))


def table(rows: list[Row]) -> str:
    """Markdown: of each class the size at which it is worst."""
    lines = ["| | What | octets | ms | plain ms | times plain |", "|---|---|---|---|---|---|"]
    for (group, name), same in itertools.groupby(rows, key=lambda row: (row.group, row.name)):
        worst = max(same, key=lambda row: row.ratio)
        shown = f"**{worst.ratio:.1f}**" if worst.ratio > GOAL else f"{worst.ratio:.1f}"
        what = name if name[:1].isalnum() or "`" in name else f"`{name}`"
        lines.append(f"| {group} | {what} | {worst.size:,} | {worst.cost:.1f} | {worst.plain:.1f} | {shown} |")
    within = sum(row.ratio <= GOAL for row in rows)
    return "\n".join([*lines, "", f"{within} of {len(rows)} measurements are within {GOAL:g} times plain mail."])


def write(rows: list[Row]) -> None:
    head, _, rest = PAGE.read_text("utf-8").partition(START)
    _, _, tail = rest.partition(END)
    PAGE.write_text(f"{head}{START}\n{table(rows)}\n{END}{tail}", "utf-8")


def main() -> int:
    parser = argparse.ArgumentParser(prog="bench.hostile")
    parser.add_argument("--write", action="store_true", help="put all of it into docs/hostile.md")
    parser.add_argument("--growth", action="store_true", help="what twice the size costs instead")
    parser.add_argument("groups", nargs="*", metavar="GROUP", help=", ".join(GROUPS))
    chosen = parser.parse_args()
    rows = []
    print(f"{'group':<8}{'class':<42}{'octets':>11}{'ms':>10}{'plain ms':>10}{'ratio':>8}")
    for group, name, build in _classes(chosen.groups or list(GROUPS)):
        if chosen.growth:
            print(f"{group:<8}{name:<42}{growth(build, SIZES[group][-1]):>39.2f}", flush=True)
            continue
        for size in SIZES[group]:
            row = measure(group, name, build, size)
            rows.append(row)
            figures = f"{row.size:>11,}{row.cost:>10.2f}{row.plain:>10.2f}{row.ratio:>8.1f}"
            print(f"{group:<8}{name:<42}{figures}{'  <<<' if row.ratio > GOAL else ''}", flush=True)
    if chosen.write and not chosen.growth and not chosen.groups:
        write(rows)
    return 0


def _classes(groups: list[str]) -> Iterator[tuple[str, str, Callable[[int], Message]]]:
    for group in groups:
        for name, build in GROUPS[group].items():
            yield group, name, build


if __name__ == "__main__":
    sys.exit(main())
