"""session – one SMTP connection's conversation with us, without any I/O of its own.

Every step before the end of a message only remembers, and asks ahead what will be needed: the PTR at
connect, the SPF records at MAIL FROM, the DMARC record at From:, a key at each signature. A message's
state is one `Transaction`, made at MAIL FROM and dropped, never cleaned. `end_of_message` plans all that
is done to the message; the caller applies it.

A step may raise, and the caller then says `failed`: what the step should have remembered is lost, and might
have been the forged field. So the message, or after CONNECT and HELO every message of the connection, is
deferred. What only asks ahead costs nothing but the head start.

Raises     by a bug alone, and never from `end_of_message` and `abort`
Not here   the order of the questions (verify), libmilter (daemon.pymilter)
"""

import contextlib
import dataclasses
from collections.abc import Callable
from typing import Final

from mailvet.checks.breach import eligibility as breach
from mailvet.header import auth_results as authresults, edits
from mailvet.header.edits import Removals
from mailvet.message import Envelope
from mailvet.observe import journal
from mailvet.outcome import Insert, Outcome
from mailvet.policy import disposition
from mailvet.ports import Lookups
from mailvet.session import prefetch as lookahead
from mailvet.session.engine import Engine, within
from mailvet.session.transaction import Transaction
from mailvet.session.verify import undecided, verify
from mailvet.syntax import ip, received
from mailvet.verdict import BreachResult, Report

_AR: Final = "Authentication-Results"
_BREACH: Final = "Sender-Breach-Info"
_MOST_HOPS: Final = 100  # RFC 5321 §6.3: more is a loop
_WHOLE_CONNECTION: Final = ("connect", "helo")  # steps that every message depends on


class Session:
    """What one client said so far, and the message it is in the middle of, if any."""

    __slots__ = (
        "_address", "_ahead", "_bugs", "_engine", "_helo", "_host", "_lost", "_lost_for_all", "_relay", "_trusted",
        "milliseconds", "questions", "queue_id", "transaction",
    )  # fmt: skip

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._address = self._host = self._helo = ""
        self._trusted = self._relay = False
        self._ahead: Lookups | None = None  # begun at connect, for the first message
        self._lost = ""  # the step of this message that raised first
        self._lost_for_all = ""  # the same of the connection
        self._bugs = 0  # exceptions met since the message before
        self.queue_id = ""  # from the end of the message on
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
            self._ask_ahead(self._client)

    def _client(self) -> None:
        self._ahead = self._engine.begin()
        lookahead.connected(self._address, self._ahead)

    def helo(self, name: str) -> None:
        self._helo = name

    def mail(self, sender: bytes, login: str) -> None:
        """MAIL FROM: a new message. `sender` as the MTA gives it, angle brackets and all."""
        self.transaction, self._lost, self.queue_id = None, "", ""  # of the message before, whatever became of it
        path = sender.decode("utf-8", "surrogateescape").strip()
        if path.startswith("<") and path.endswith(">"):
            path = path[1:-1]
        engine = self._engine
        envelope = Envelope(address=self._address, host=self._host, helo=self._helo, mail_from=path, login=login)
        lookups, self._ahead = self._ahead or engine.begin(), None
        exempt = bool(login) or (self._trusted and not self._relay)
        self.transaction = transaction = Transaction(envelope, exempt, engine.settings.limits, lookups)
        if not exempt and not self._relay:
            self._ask_ahead(lookahead.sender, transaction, engine)

    def header(self, name: bytes, value: bytes) -> None:
        """A field as the MTA shows it: the value with its leading white space, folded with "\\n"."""
        transaction = self.transaction
        if transaction is None:
            return
        key = transaction.add(name, value)
        if transaction.exempt:
            return
        if key == b"from":
            self._ask_ahead(lookahead.author_field, transaction, value, self._engine)
        elif key == b"dkim-signature":
            candidate = transaction.add_signature(value, self._engine.settings.limits)
            if candidate is not None:
                self._ask_ahead(lookahead.key, candidate, transaction.lookups)

    def end_of_headers(self) -> None:
        """From here on it is known which body hashes will be needed."""
        transaction = self.transaction
        if transaction is None or transaction.exempt:
            return
        if self._relay:
            hops = transaction.headers.values(b"received")[:_MOST_HOPS]
            relay = received.Hop(address=self._address, helo=self._helo)
            transaction.look_behind(received.client(hops, self._engine.relays, relay))
            self._ask_ahead(lookahead.connected, transaction.address, transaction.lookups)
            self._ask_ahead(lookahead.sender, transaction, self._engine)
        transaction.end_of_headers(self._engine.settings.limits)
        self._ask_ahead(lookahead.signatures, transaction)

    def _ask_ahead(self, ask: Callable[..., None], *arguments: object) -> None:
        """A bug in asking ahead costs the head start, and nothing else."""
        try:
            ask(*arguments)
        except Exception as e:
            self.surprised("asking ahead", e)

    def body(self, chunk: bytes) -> None:
        if self.transaction is not None:
            self.transaction.body(chunk)

    def end_of_message(self, queue_id: str) -> Outcome:
        """Find out, decide, plan. A bug in a check costs its verdict; any other, and the message is deferred."""
        started = self._engine.stopwatch()
        self.queue_id, self.milliseconds, self.questions = queue_id, 0.0, 0
        try:
            outcome = self._judge()
        except Exception as e:
            self.failed("end of message", e)
            outcome = self.deferred()
        try:
            if self.transaction is not None:
                self.transaction.lookups.end()
                self.questions = self.transaction.lookups.asked
            self.milliseconds = (self._engine.stopwatch() - started) * 1000
        except Exception as e:
            self.surprised("end of message", e)
        return outcome

    def _judge(self) -> Outcome:
        engine, transaction = self._engine, self.transaction
        if transaction is None or self._lost or self._lost_for_all:
            return self.deferred()
        kept = engine.kept if self._relay else frozenset[str]()
        forbidden = engine.own - kept
        removals = edits.plan_removals(
            transaction.headers, transaction.beyond, forbidden, _BREACH, engine.settings.limits
        )
        try:
            report = verify(transaction, engine, self.surprised)
        except Exception as e:
            self.surprised("verify", e)
            report = undecided(transaction)
        return self._decide(report, removals)

    def _decide(self, report: Report, removals: Removals) -> Outcome:
        settings = self._engine.settings
        decided = disposition.decide(report, settings.policy)
        if removals.flooded:
            decided = disposition.flooded(settings.limits.removals)
        inserts = [Insert(0, _AR, authresults.format_value(report, settings.authserv_id))]
        found = report.breach
        if found is not None and found.result is BreachResult.LISTED:
            try:
                inserts.insert(0, Insert(0, _BREACH, breach.format_value(found, settings.authserv_id)))
            except Exception as e:  # it is advice: the message goes without
                self.surprised("breach", e)
        return Outcome(disposition=decided, edits=edits.plan(removals.deletes, tuple(inserts)), report=report)

    def deferred(self) -> Outcome:
        """The message is deferred, because of a bug, and nothing is changed in it."""
        where = self._lost_for_all or self._lost or "no MAIL FROM"
        address = self._address if self.transaction is None else self.transaction.address
        anomalies = () if self.transaction is None else tuple(self.transaction.anomalies)
        report = Report(remote_ip=address, anomalies=anomalies)
        return Outcome(disposition=disposition.broken(where, self._bugs), edits=(), report=report)

    def failed(self, step: str, error: BaseException) -> None:
        """A step raised: what it had to remember is lost."""
        if step in _WHOLE_CONNECTION:
            self._lost_for_all = self._lost_for_all or step
        self._lost = self._lost or step
        self.surprised(step, error)

    def surprised(self, where: str, error: BaseException) -> None:
        """A bug was met. The first of a message is logged; a log that cannot be written changes nothing."""
        self._bugs += 1
        with contextlib.suppress(Exception):
            if self._bugs == 1:
                self._engine.surprise(where, error)
            else:
                self._engine.surprised_again()

    def undecodable(self, raw: bytes) -> None:
        """The C library met bytes that are not UTF-8 where it wants text, and skipped that callback.

        Before MAIL FROM it was the HELO name (which then must not stay the old one) or the client's host
        name; inside a message a header field name, and the value went with it.
        """
        if self.transaction is not None:
            self.transaction.skipped(raw)
        elif not self._lost:
            self._helo = raw.decode("ascii", "replace")

    def abort(self) -> None:
        """The message is over, delivered or not."""
        transaction, self.transaction = self.transaction, None
        try:
            if transaction is not None:
                transaction.lookups.end()
        except Exception as e:
            self.surprised("abort", e)
        self._lost, self._bugs, self.queue_id = "", 0, ""

    def close(self) -> None:
        """The client is gone."""
        self.abort()
        if self._ahead is not None:
            self._ahead.end()

    def line(self, outcome: Outcome) -> journal.Line:
        """The log line of the message just judged."""
        transaction = self.transaction
        if transaction is None:
            envelope, size = Envelope(address=self._address, helo=self._helo), 0
        else:  # behind our relay, not the relay's name
            envelope = dataclasses.replace(transaction.envelope, helo=transaction.helo)
            size = transaction.headers.size + transaction.body_octets
        return journal.record(
            outcome,
            envelope,
            self.queue_id,
            self.milliseconds,
            self.questions,
            local_parts=self._engine.settings.log.local_parts,
            size=size,
        )
