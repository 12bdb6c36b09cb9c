"""session – one SMTP connection's conversation with us, without any I/O of its own.

Every step before the end of a message only remembers, and asks ahead what will be needed: the PTR at
connect, the SPF records at MAIL FROM, the DMARC record at From:, a key at each signature. A message's
state is one `Transaction`, made at MAIL FROM and dropped, never cleaned. `end_of_message` plans all that
is done to the message; the caller applies it.

Raises     nothing of its own: what goes wrong is a verdict, and forged fields still go
Not here   the order of the questions (verify), libmilter (adapters.pymilter)
"""

import dataclasses
from typing import Final

from mailvet import authresults, breach, disposition, edits, ip, journal, lookahead, received
from mailvet.engine import Engine, within
from mailvet.message import Envelope
from mailvet.outcome import Delete, Insert, Outcome
from mailvet.ports import Lookups
from mailvet.transaction import Transaction
from mailvet.verdict import BreachResult, Report
from mailvet.verify import undecided, verify

_WATCHED: Final = frozenset((b"from", b"dkim-signature"))
_AR: Final = "Authentication-Results"
_BREACH: Final = "Sender-Breach-Info"
_MOST_HOPS: Final = 100  # RFC 5321 §6.3: more is a loop


class Session:
    """What one client said so far, and the message it is in the middle of, if any."""

    __slots__ = (
        "_address", "_ahead", "_engine", "_helo", "_host", "_relay", "_trusted", "milliseconds", "questions",
        "transaction",
    )  # fmt: skip

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._address = self._host = self._helo = ""
        self._trusted = self._relay = False
        self._ahead: Lookups | None = None  # begun at connect, for the first message
        self.transaction: Transaction | None = None
        self.milliseconds = 0.0  # our own time at the last end of message
        self.questions = 0  # DNS questions of the last message

    def connect(self, host: str, address: str | None) -> None:
        """`address` is None where the client is on a local socket, "" where nobody knows it."""
        engine = self._engine
        local, address = address is None, ip.canonical(address or "")
        self._host, self._address = host, address
        self._trusted = local or within(address, engine.trusted)
        self._relay = bool(engine.relays) and within(address, engine.relays)
        if not self._trusted and not self._relay:
            self._ahead = engine.begin()
            lookahead.connected(address, self._ahead)

    def helo(self, name: str) -> None:
        self._helo = name

    def mail(self, sender: bytes, login: str) -> None:
        """MAIL FROM: a new message. `sender` as the MTA gives it, angle brackets and all."""
        path = sender.decode("utf-8", "surrogateescape").strip()
        if path.startswith("<") and path.endswith(">"):
            path = path[1:-1]
        engine = self._engine
        envelope = Envelope(address=self._address, host=self._host, helo=self._helo, mail_from=path, login=login)
        lookups, self._ahead = self._ahead or engine.begin(), None
        exempt = bool(login) or (self._trusted and not self._relay)
        self.transaction = transaction = Transaction(envelope, exempt, engine.settings.limits, lookups)
        if not exempt and not self._relay:
            lookahead.sender(transaction, engine)

    def header(self, name: bytes, value: bytes) -> None:
        """A field as the MTA shows it: the value with its leading white space, folded with "\\n"."""
        transaction = self.transaction
        if transaction is not None:
            key = transaction.add(name, value)
            if key in _WATCHED and not transaction.exempt:
                lookahead.field(transaction, key, value, self._engine)

    def end_of_headers(self) -> None:
        """From here on it is known which body hashes will be needed."""
        transaction = self.transaction
        if transaction is None or transaction.exempt:
            return
        if self._relay:
            hops = transaction.headers.values(b"received")[:_MOST_HOPS]
            transaction.look_behind(received.client(hops, self._engine.relays))
            lookahead.connected(transaction.address, transaction.lookups)
            lookahead.sender(transaction, self._engine)
        transaction.end_of_headers(self._engine.tools)
        lookahead.signatures(transaction)

    def body(self, chunk: bytes) -> None:
        if self.transaction is not None:
            self.transaction.body(chunk)

    def end_of_message(self, queue_id: str) -> Outcome:
        """Find out, decide, plan. Total: a bug costs the verdicts, never the message or the removals."""
        engine = self._engine
        started = engine.stopwatch()
        transaction = self.transaction or Transaction(Envelope(), True, engine.settings.limits, engine.begin())
        transaction.queue_id = queue_id
        kept = engine.kept if self._relay else frozenset[str]()
        limit = engine.settings.limits.results_bytes
        removals = edits.scrub(transaction.headers, engine.own, kept, _BREACH, limit)
        # among fields that were not all kept, nobody can say which number one has that hides a line of ours
        flooded = bool(transaction.dropped and edits.scrub(transaction.beyond, engine.own, kept, _BREACH, limit))
        flooded = flooded or transaction.beyond.size > engine.settings.limits.header_bytes
        flooded = flooded or len(removals) > engine.settings.limits.removals
        try:
            outcome = self._decide(verify(transaction, engine), removals, flooded)
        except Exception as e:
            engine.surprise("end of message", e)
            outcome = self._decide(undecided(transaction), removals, flooded)
        transaction.lookups.end()
        self.questions = transaction.lookups.asked
        self.milliseconds = (engine.stopwatch() - started) * 1000
        return outcome

    def _decide(self, report: Report, removals: tuple[Delete, ...], flooded: bool) -> Outcome:
        settings = self._engine.settings
        decided = disposition.decide(report, settings.policy)
        if flooded:
            decided = disposition.flooded(settings.limits.removals)
        inserts = [Insert(0, _AR, authresults.format_value(report, settings.authserv_id))]
        found = report.breach
        if found is not None and found.result is BreachResult.LISTED:
            inserts.insert(0, Insert(0, _BREACH, breach.format_value(found, settings.authserv_id)))
        return Outcome(disposition=decided, edits=edits.plan(removals, tuple(inserts)), report=report)

    def undecodable(self, raw: bytes) -> None:
        """The C library met bytes that are not UTF-8 where it wants text, and skipped that callback.

        Before MAIL FROM it was the HELO name (which then must not stay the old one) or the client's host
        name; inside a message a header field name: no field we act on, but worth a word.
        """
        if self.transaction is None:
            self._helo = raw.decode("ascii", "replace")
        else:
            self.transaction.skipped(raw)

    def surprise(self, error: BaseException) -> None:
        """A callback of ours raised: the message goes on, with what is known of it."""
        self._engine.surprise("callback", error)
        if self.transaction is not None:
            self.transaction.anomalies.append("internal error while receiving")

    def abort(self) -> None:
        """The message is over, delivered or not."""
        if self.transaction is not None:
            self.transaction.lookups.end()
            self.transaction = None

    def close(self) -> None:
        """The client is gone."""
        self.abort()
        if self._ahead is not None:
            self._ahead.end()

    def line(self, outcome: Outcome) -> journal.Line:
        """The log line of the message just judged."""
        transaction = self.transaction
        assert transaction is not None
        return journal.record(
            outcome,
            dataclasses.replace(transaction.envelope, helo=transaction.helo),  # behind our relay, not the relay's
            transaction.queue_id,
            self.milliseconds,
            self.questions,
            local_parts=self._engine.settings.log.local_parts,
            size=transaction.headers.size + transaction.body_octets,
        )
