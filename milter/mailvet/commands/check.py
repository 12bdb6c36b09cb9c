"""check – `mailvet check`: judge a stored message as the daemon would.

The steps of a Session are called as for a message from Postfix; only the DNS answers may come from a recording. What
the command line does not say of the envelope is taken from the message, and the result says so.

Raises     ValueError, if the client address is not an address or a recording cannot be read
Not here   wording (explain); arguments (cli)
"""

import dataclasses
import ipaddress
import json
import time
from dataclasses import dataclass

from mailvet.assembly import make_engine, make_resolver
from mailvet.case import Case
from mailvet.dns import recording
from mailvet.message import Envelope
from mailvet.observe.logs import Log
from mailvet.outcome import Action
from mailvet.session.session import Session
from mailvet.settings import Settings
from mailvet.syntax import ip, mailfile, received, reverse_path
from mailvet.verdict import DmarcResult

_CHUNK = 65535  # what Postfix sends at a time
_QUEUE = "the queue file's envelope"


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """The message to judge, with what the command line says of its envelope."""

    message: bytes
    ip: str | None = None  # None: from the topmost Received field
    helo: str | None = None
    mail_from: str | None = None  # None: from Return-Path
    replay: str | None = None  # a recording's text


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What was found out about a message, and all that is needed to explain it."""

    case: Case
    envelope: Envelope
    assumed: tuple[str, ...]  # "client address from the topmost Received field" ...
    judged: float  # as of when, in seconds since 1970
    milliseconds: float
    settings: Settings
    message: mailfile.MailFile

    @property
    def finding(self) -> bool:
        """Return whether there is something to look at: DMARC neither pass nor none, or the message not accepted."""
        dmarc = self.case.report.dmarc
        wrong = dmarc is not None and dmarc.result not in (DmarcResult.PASS, DmarcResult.NONE)
        return wrong or self.case.disposition.action is not Action.ACCEPT

    def recording(self) -> str:
        return json.dumps(recording.to_json(self.case.questions, self.judged), indent=1) + "\n"

    def as_json(self) -> str:
        recorded = recording.to_json(self.case.questions, self.judged)
        found = {
            "envelope": {**dataclasses.asdict(self.envelope), "mail_from": self.envelope.mail_from.text},
            "assumed": self.assumed,
            "report": dataclasses.asdict(self.case.report),
            "disposition": dataclasses.asdict(self.case.disposition),
            "edits": [{"edit": type(edit).__name__.lower(), **dataclasses.asdict(edit)} for edit in self.case.edits],
            "judged": recorded["time"],
            "questions": recorded["questions"],
            "milliseconds": round(self.milliseconds, 2),
        }
        return json.dumps(found, indent=2) + "\n"


def run(request: Request, settings: Settings) -> Result:
    """Judge one message. The DNS is asked unless the request has a recording."""
    message = mailfile.parse(request.message)
    envelope, assumed = _envelope(request, message)
    log = Log(settings.log)
    resolver = make_resolver(settings.dns)
    recorded = recording.from_text(request.replay) if request.replay is not None else None
    judged, word = _as_of(recorded)
    engine = make_engine(settings, lambda: recorded or resolver.new_lookups(), log.report_bug)
    engine = dataclasses.replace(engine, now=lambda: judged, keep_questions=True)
    if recorded is None:
        resolver.start()
    try:
        started = time.perf_counter()
        case = _converse(Session(engine), envelope, message)
        milliseconds = (time.perf_counter() - started) * 1000
    finally:
        if recorded is None:
            resolver.close()
    return Result(
        case=case,
        envelope=envelope,
        assumed=assumed + word,
        judged=judged,
        milliseconds=milliseconds,
        settings=settings,
        message=message,
    )


def _as_of(recorded: recording.ReplayLookups | None) -> tuple[float, tuple[str, ...]]:
    """Return the time by which the message is judged (whole seconds, as recorded), and what is to be said of it."""
    if recorded is None:
        return float(int(time.time())), ()
    if recorded.when is None:
        return float(int(time.time())), ("judged as of now: the recording does not say when it was made",)
    return recorded.when, (f"judged as of {recording.moment(recorded.when)}, when the recording was made",)


def _converse(session: Session, envelope: Envelope, message: mailfile.MailFile) -> Case:
    """Return the Case of the message; the steps of the session are called as libmilter would call them."""
    session.connect(envelope.host, envelope.address)
    session.helo(envelope.helo)
    session.mail(envelope.mail_from.text.encode("utf-8", "surrogateescape"), "")
    for name, value in message.fields:
        session.header(name, value)
    session.end_of_headers()
    for at in range(0, len(message.body), _CHUNK):
        session.body(message.body[at : at + _CHUNK])
    return session.end_of_message("")


def _envelope(request: Request, message: mailfile.MailFile) -> tuple[Envelope, tuple[str, ...]]:
    values: dict[bytes, list[bytes]] = {}
    for name, value in message.fields:
        values.setdefault(name.lower(), []).append(value)
    hop, source = _hop(message.queued, values.get(b"received", []))
    client, helo, mail_from, assumed = request.ip, request.helo, request.mail_from, []
    if client is None:
        client = hop.address if hop else ""
        assumed.append(f"client {client} from {source}" if client else "client unknown: no Received tells it; use --ip")
    else:
        client = ip.canonical(str(ipaddress.ip_address(client)))
    if helo is None:
        helo = hop.helo if hop and (request.ip is None or hop.address == client) else ""
        assumed.append(f"HELO {helo} from {source}" if helo else "no HELO name; use --helo")
    if mail_from is None and message.queued is not None and message.queued.sender is not None:
        mail_from = message.queued.sender
        assumed.append(f"MAIL FROM <{mail_from}> from {_QUEUE}")
    elif mail_from is None:
        mail_from = _bare(values.get(b"return-path", [b""])[0].decode("utf-8", "replace"))
        assumed.append(
            f"MAIL FROM {mail_from} from Return-Path" if mail_from else "null MAIL FROM: no Return-Path, no --mail-from"
        )
    return Envelope(address=client, helo=helo, mail_from=reverse_path.parse(mail_from)), tuple(assumed)


def _hop(queued: mailfile.QueueEnvelope | None, trace: list[bytes]) -> tuple[received.Hop | None, str]:
    """Return the client that gave us the message, and what says so. A content filter on this host is passed over."""
    handed, source = received.client(trace[:1], ()), "the topmost Received field"
    if queued is not None and queued.client is not None and (address := ip.parse(queued.client)) is not None:
        handed, source = received.Hop(address=str(address), helo=queued.helo or ""), _QUEUE
    if handed is None or not ipaddress.ip_address(handed.address).is_loopback:
        return handed, source
    before = received.client(trace, (), handed)
    if before is None or before == handed:
        return handed, source
    return before, f"a Received field below that of {handed.address}, as of a content filter; if it is none, use --ip"


def _bare(path: str) -> str:
    """Return an address without the angle brackets it may stand in."""
    path = path.strip()
    return path[1:-1] if path.startswith("<") and path.endswith(">") else path
