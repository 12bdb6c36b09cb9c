"""session – the state of one SMTP connection and what is done at each of its steps, without any I/O of its own.

Every step before the end of a message only remembers what the MTA says, and sends early the DNS queries that will be
needed: the PTR at connect, the SPF records at MAIL FROM, the DMARC record at From:, a key at each signature. The state
of a message is a `Transaction`, made at MAIL FROM; each message has a new one. `end_of_message` returns the `Case`: all
that was found out and decided, with the edits planned; the caller applies them.

If a step raises, the caller calls `failed`: what the step should have remembered is lost, and might have been a forged
field. So the message is deferred; after CONNECT or HELO, every message of the connection. An exception in prefetching
costs only the early start.

Raises     only because of a bug, and never from `end_of_message` and `abort`
Not here   the order of the questions (verify), libmilter (daemon.callbacks)
"""

import contextlib
from collections.abc import Callable
from typing import Final

from mailvet.case import Case
from mailvet.header import edits
from mailvet.message import Envelope
from mailvet.ports import Lookups
from mailvet.session import account, decision, prefetch
from mailvet.session.decision import Decision
from mailvet.session.engine import Engine, within
from mailvet.session.last_resort import undecided
from mailvet.session.transaction import Transaction
from mailvet.session.verify import verify
from mailvet.syntax import ip, received, reverse_path
from mailvet.verdict import Report

_MOST_HOPS: Final = 100  # RFC 5321 §6.3: more is a loop
_WHOLE_CONNECTION: Final = ("connect", "helo")  # steps that every message depends on


class Session:
    """One SMTP connection: what the client said so far, and the message in progress, if there is one."""

    __slots__ = (
        "_address", "_ahead", "_bugs", "_engine", "_helo", "_host", "_lost", "_lost_for_all", "_relay",
        "_started", "_trusted", "queue_id", "transaction",
    )  # fmt: skip

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._address = self._host = self._helo = ""
        self._trusted = self._relay = False
        self._ahead: Lookups | None = None  # begun at connect, for the first message
        self._lost = ""  # the step of this message that raised first
        self._lost_for_all = ""  # the same of the connection
        self._started = 0.0  # the end of the message, by the stopwatch
        self._bugs = 0  # exceptions met since the message before
        self.queue_id = ""  # from the end of the message on
        self.transaction: Transaction | None = None

    def connect(self, host: str, address: str | None) -> None:
        """Take the client's host name and address. Address None: it is on a local socket; "": it is not known."""
        engine = self._engine
        parsed = ip.parse(address) if address else None
        self._host, self._address = host, str(parsed) if parsed is not None else address or ""
        self._trusted = address is None or within(parsed, engine.trusted)
        self._relay = within(parsed, engine.relays)
        if not self._trusted and not self._relay:
            self._ask_ahead(self._client)

    def _client(self) -> None:
        self._ahead = self._engine.new_lookups()
        prefetch.connected(self._address, self._ahead)

    def helo(self, name: str) -> None:
        self._helo = name

    def mail(self, sender: bytes, login: str) -> None:
        """Begin a new message. `sender` is MAIL FROM as the MTA gives it, with its angle brackets."""
        self.transaction, self._lost, self.queue_id = None, "", ""  # of the message before, whatever became of it
        path = reverse_path.parse(sender.decode("utf-8", "surrogateescape"))
        engine = self._engine
        envelope = Envelope(address=self._address, host=self._host, helo=self._helo, mail_from=path, login=login)
        lookups, self._ahead = self._ahead or engine.new_lookups(), None
        exempt = bool(login) or (self._trusted and not self._relay)
        self.transaction = transaction = Transaction(envelope, exempt, engine.settings.limits, lookups)
        if not exempt and not self._relay:
            self._ask_ahead(prefetch.sender, transaction, engine)

    def header(self, name: bytes, value: bytes) -> None:
        """Take a header field as the MTA shows it: value with its leading white space, folded with "\\n"."""
        transaction = self.transaction
        if transaction is None:
            return
        key = transaction.add(name, value)
        if transaction.exempt:
            return
        if key == b"from":
            self._ask_ahead(prefetch.author_field, transaction, value, self._engine)
        elif key == b"dkim-signature":
            candidate = transaction.add_signature(value, self._engine.settings.limits)
            if candidate is not None:
                self._ask_ahead(prefetch.key, candidate, transaction.lookups)

    def end_of_headers(self) -> None:
        """Take note that the header is complete: find the client behind our relay, and which body hashes are needed."""
        transaction = self.transaction
        if transaction is None or transaction.exempt:
            return
        if self._relay:
            hops = transaction.headers.values(b"received")[:_MOST_HOPS]
            relay = received.Hop(address=self._address, helo=self._helo)
            transaction.look_behind(received.client(hops, self._engine.relays, relay))
            self._ask_ahead(prefetch.connected, transaction.address, transaction.lookups)
            self._ask_ahead(prefetch.sender, transaction, self._engine)
        transaction.end_of_headers(self._engine.settings.limits)
        self._ask_ahead(prefetch.signatures, transaction)

    def _ask_ahead(self, ask: Callable[..., None], *arguments: object) -> None:
        """Send queries early. An exception is reported, and costs nothing but the early start."""
        try:
            ask(*arguments)
        except Exception as e:
            self.report_bug("asking ahead", e)

    def body(self, chunk: bytes) -> None:
        if self.transaction is not None:
            self.transaction.body(chunk)

    def end_of_message(self, queue_id: str) -> Case:
        """Return the Case: verify, decide, plan. A bug in a check costs its verdict; any other defers the message."""
        self._started, self.queue_id = self._engine.stopwatch(), queue_id
        try:
            decided = self._judge()
        except Exception as e:
            self.failed("end of message", e)
            decided = self._deferral()
        try:
            if self.transaction is not None:
                self.transaction.lookups.end()
        except Exception as e:
            self.report_bug("end of message", e)
        return self._case(decided)

    def _judge(self) -> Decision:
        engine, transaction = self._engine, self.transaction
        if transaction is None or self._lost or self._lost_for_all:
            return self._deferral()
        kept = engine.ids_kept_from_relays if self._relay else frozenset[str]()
        forbidden = engine.our_ids - kept
        removals = edits.plan_removals(
            transaction.headers, transaction.beyond, forbidden, decision.BREACH_FIELD, engine.settings.limits
        )
        try:
            report = verify(transaction, engine, self.report_bug)
        except Exception as e:
            self.report_bug("verify", e)
            report = undecided(transaction, engine)
        return decision.decide(report, removals, engine.settings, self.report_bug)

    def _deferral(self) -> Decision:
        where = self._lost_for_all or self._lost or "no MAIL FROM"
        address = self._address if self.transaction is None else self.transaction.address
        anomalies = () if self.transaction is None else tuple(self.transaction.anomalies)
        return decision.deferral(Report(remote_ip=address, anomalies=anomalies), where, self._bugs)

    def deferred(self) -> Case:
        """Return the Case of a message that is deferred because of a bug; nothing is changed in it."""
        return self._case(self._deferral())

    def _case(self, decided: Decision) -> Case:
        """Return the Case of the message. After an exception here it has the decision, but not who sent the message."""
        report, disposition, planned = decided
        try:
            if self.transaction is None:
                told = account.of_connection(self._address, self._helo, self._engine)
            else:
                told = account.of_message(self.transaction, self._engine)
            now, waited = self._engine.now(), self._engine.stopwatch() - self._started
        except Exception as e:
            self.report_bug("account", e)
            return Case(report=report, disposition=disposition, edits=planned, queue_id=self.queue_id)
        return Case(
            report=report,
            disposition=disposition,
            edits=planned,
            queue_id=self.queue_id,
            time=now,
            client=told.client,
            helo=told.helo,
            mail_from=told.mail_from,
            size=told.size,
            questions=told.questions,
            asked=told.asked,
            milliseconds=waited * 1000,
        )

    def failed(self, step: str, error: BaseException) -> None:
        """Take note that a step raised: what it had to remember is lost."""
        if step in _WHOLE_CONNECTION:
            self._lost_for_all = self._lost_for_all or step
        self._lost = self._lost or step
        self.report_bug(step, error)

    def report_bug(self, where: str, error: BaseException) -> None:
        """Report a bug. For each message, only the first is logged; a log that cannot be written changes nothing."""
        self._bugs += 1
        with contextlib.suppress(Exception):
            if self._bugs == 1:
                self._engine.report_bug(where, error)
            else:
                self._engine.count_bug()

    def undecodable(self, raw: bytes) -> None:
        """Take note of bytes that are not UTF-8 where the C library wants text; it skipped their callback.

        Before MAIL FROM they are the HELO name (which then must not stay the old one) or the client's host
        name; inside a message a header field's name, and its value is lost too.
        """
        if self.transaction is not None:
            self.transaction.skipped(raw)
        elif not self._lost:
            self._helo = raw.decode("ascii", "replace")

    def abort(self) -> None:
        """Forget the message, which is over, delivered or not."""
        transaction, self.transaction = self.transaction, None
        try:
            if transaction is not None:
                transaction.lookups.end()
        except Exception as e:
            self.report_bug("abort", e)
        self._lost, self._bugs, self.queue_id = "", 0, ""

    def close(self) -> None:
        """Forget the connection, which is closed."""
        self.abort()
        if self._ahead is not None:
            self._ahead.end()
