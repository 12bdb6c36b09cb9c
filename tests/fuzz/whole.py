"""whole – a message of any bytes through a whole session, with the DNS of the attacker's choice.

The input is what a stranger decides about: lines about the client and his DNS, "%%", and the message.

    client 192.0.2.1                 from a@sender.example
    helo mail.sender.example         login alice@example.org
    chunk 7                          octets of body at a time
    dns sender.example TXT v=spf1 -all
    dns sender.example MX 10 mail.sender.example
    dns _dmarc.sender.example !servfail
    %%
    From: ...

What every caller relies on is asserted: no bug met, one Authentication-Results of ours on top and none
below it, edits that Postfix can carry out, a log line and an explanation that can be written.
"""

import contextlib
import dataclasses
import ipaddress
import json
import re
from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

from lab.settings import EVERYTHING, domains, networks
from lab.zone import Zone
from mailvet.assembly import make_engine
from mailvet.case import Case
from mailvet.checks.dkim.replays import Replays
from mailvet.commands import check, explain
from mailvet.header import auth_results_parser
from mailvet.message import Envelope, Field
from mailvet.observe import journal
from mailvet.outcome import Action, Delete, Insert
from mailvet.ports import RecordType, Trouble
from mailvet.session.session import Session
from mailvet.settings import Mode, OnSettings, PolicySettings, TrustSettings
from mailvet.syntax import mailfile, reverse_path
from mailvet.values import Problem
from mailvet.verdict import BreachResult, BreachVerdict

OWN: Final = "mx.example.org"
SETTINGS: Final = dataclasses.replace(
    EVERYTHING,
    authserv_id=OWN,
    trust=TrustSettings(
        networks=networks("198.51.100.0/24"), relays=networks("10.0.0.0/8"), sealers=domains("list.example")
    ),
    policy=PolicySettings(
        mode=Mode.ENFORCE,
        on=OnSettings(
            dmarc_reject=Action.REJECT, spf_fail=Action.REJECT, temperror=Action.TEMPFAIL, arc_override=Action.ACCEPT
        ),
    ),
)
NOW: Final = 1_800_000_000.0
_MOST_QUESTIONS: Final = 150  # the resolver stops at dns.questions; a rule that forgets its own bound is found here
# what Postfix accepts in our field: folded printable ASCII
_VALUE: Final = re.compile(r" [\x20-\x7e]*(?:\n[ \t][\x20-\x7e]*)*")
_OURS: Final = re.compile(rb"\s*\"?mx\.example\.org\"?(?:\s*(?:;|\Z)|\s+1)", re.IGNORECASE)


class Said(NamedTuple):
    """The lines before the message, read."""

    zone: Zone
    envelope: Envelope
    chunk: int


class Listed:
    """Every author was in a breach."""

    def peek(self, address: str) -> None:
        pass

    def ask(self, address: str, wait: float) -> BreachVerdict:
        return BreachVerdict(result=BreachResult.LISTED, source="local", newest="2026-05", classes=("passwords",))


def message(data: bytes) -> None:
    prologue, mark, mail = data.partition(b"%%\n")
    if not mark:
        prologue, mail = b"", data
    said = _read(prologue)
    surprises: list[BaseException] = []
    made = make_engine(SETTINGS, lambda: said.zone, lambda _, error: surprises.append(error), Listed())
    engine = dataclasses.replace(made, now=lambda: NOW, stopwatch=lambda: 0.0, replays=Replays(lambda: 0.0))
    fields, octets = _cut(mail)
    session = Session(engine)
    case = _converse(session, said, fields, octets)
    if surprises:
        raise surprises[0]
    _is_sound(case, fields)
    _can_be_told(case, said, fields, octets)
    session.close()


def _read(prologue: bytes) -> Said:
    names: dict[str, dict[str, list[object]] | Trouble] = {}
    words = {"client": "192.0.2.1", "helo": "", "from": "", "login": "", "chunk": "65535"}
    for line in prologue.decode("utf-8", "surrogateescape").split("\n"):
        key, _, rest = line.partition(" ")
        if key == "dns":
            name, _, answer = rest.partition(" ")
            with contextlib.suppress(ValueError):
                if answer.startswith("!"):
                    names[name.lower()] = Trouble(answer[1:])
                else:
                    _publish(names, name.lower(), *answer.partition(" ")[::2])
        elif key in words:
            words[key] = rest
    chunk = int(words["chunk"]) if re.fullmatch(r"[1-9][0-9]{0,5}", words["chunk"]) else 65535
    client = words["client"]
    try:
        client = str(ipaddress.ip_address(client))
    except ValueError:
        client = ""  # the socket's address, which no stranger spells
    envelope = Envelope(
        address=client,
        helo=words["helo"],
        mail_from=reverse_path.parse(words["from"]),
        login=words["login"],
        host="unknown",
    )
    return Said(Zone(names), envelope, chunk)


def _publish(names: dict[str, dict[str, list[object]] | Trouble], name: str, kind: str, text: str) -> None:
    """In the shape in which the resolver gives records of this kind (ports.RecordType)."""
    record: object = text
    if kind == RecordType.TXT:
        record = text.encode("utf-8", "surrogateescape")
    elif kind == RecordType.MX:
        preference, _, exchange = text.partition(" ")
        record = (int(preference) & 0xFFFF, exchange)
    elif kind in (RecordType.A, RecordType.AAAA):
        if not re.fullmatch(r"[0-9.]{7,15}" if kind == RecordType.A else r"[0-9a-f:]{2,39}", text):
            return
        record = str(ipaddress.ip_address(text))
    types = names.setdefault(name, {})
    if isinstance(types, dict):
        types.setdefault(str(RecordType(kind)), []).append(record)


def _cut(mail: bytes) -> tuple[tuple[Field, ...], bytes]:
    """As `mailfile` does it, but with any octets in names: more than Postfix lets through."""
    head, _, octets = mail.partition(b"\n\n")
    fields = []
    for line in re.split(rb"\n(?![ \t])", head):
        name, colon, value = line.partition(b":")
        if colon and name:
            fields.append(Field(name, value))
    return tuple(fields), octets.replace(b"\n", b"\r\n")


def _converse(session: Session, said: Said, fields: Iterable[Field], octets: bytes) -> Case:
    envelope = said.envelope
    session.connect(envelope.host, envelope.address)
    session.helo(envelope.helo)
    session.mail(envelope.mail_from.text.encode("utf-8", "surrogateescape"), envelope.login)
    for name, value in fields:
        session.header(name, value)
    session.end_of_headers()
    for at in range(0, len(octets), said.chunk):
        session.body(octets[at : at + said.chunk])
    return session.end_of_message("4XYZ")


def without(fields: Iterable[Field], deletes: Iterable[Delete]) -> list[Field]:
    """What Postfix makes of the deletions, one after the other."""
    left = list(fields)
    for delete in deletes:
        wanted = delete.name.lower()
        same = [at for at, field in enumerate(left) if _spelled(field) == wanted]
        assert 1 <= delete.index <= len(same), "a deletion that means no field"
        del left[same[delete.index - 1]]
    return left


def _spelled(field: Field) -> str:
    return field.name.rstrip(b" \t").decode("utf-8", "replace").lower()


def _is_sound(case: Case, fields: Iterable[Field]) -> None:
    inserts = [edit for edit in case.edits if isinstance(edit, Insert)]
    deletes = [edit for edit in case.edits if isinstance(edit, Delete)]
    assert case.edits == (*deletes, *inserts)
    (ours,) = (insert for insert in inserts if insert.name == "Authentication-Results")
    assert {insert.name for insert in inserts} <= {"Authentication-Results", "Sender-Breach-Info"}
    assert len(inserts) <= 2
    for insert in inserts:
        assert insert.index == 0
        assert _VALUE.fullmatch(insert.value)
    parsed = auth_results_parser.parse(ours.value.encode("ascii"))
    assert not isinstance(parsed, Problem)
    assert parsed.authserv_id == OWN
    methods = [each.method for each in parsed.results]
    assert all(methods.count(method) <= 1 for method in ("dmarc", "arc", "iprev", "auth"))
    for field in without(fields, deletes):
        if field.name.strip(b" \t").lower() == b"authentication-results":
            assert not _OURS.match(field.value)
            assert not auth_results_parser.claims(field.value, frozenset((OWN,)))
    refusal = case.disposition
    assert (refusal.code != "") == (refusal.action in (Action.REJECT, Action.TEMPFAIL))
    assert all(0x20 <= ord(char) < 0x7F for char in refusal.code + refusal.enhanced + refusal.text)


def _can_be_told(case: Case, said: Said, fields: tuple[Field, ...], octets: bytes) -> None:
    for written in _tellings(case, said, fields, octets):
        assert not any(ord(char) < 0x20 and char != "\n" for char in written.encode("utf-8").decode("utf-8"))
    assert said.zone.asked <= _MOST_QUESTIONS


def _tellings(case: Case, said: Said, fields: tuple[Field, ...], octets: bytes) -> Iterator[str]:
    line = journal.record(case, local_parts=False)
    for form in (journal.as_json(line), journal.as_text(line)):
        assert "\n" not in form
        yield form
    result = check.Result(
        case=case,
        envelope=said.envelope,
        assumed=(),
        judged=NOW,
        milliseconds=1.0,
        settings=SETTINGS,
        message=mailfile.MailFile(tuple((name, value) for name, value in fields), octets),
    )
    yield explain.text(result)
    json.loads(result.as_json())
    yield result.as_json()
