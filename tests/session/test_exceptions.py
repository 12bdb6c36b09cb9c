"""Whatever raises, wherever: the message is deferred, or it arrives whole, without what was forged, with our field.

In process, so that every line which a message reaches can raise once. e2e/test_exceptions does the same to a daemon
behind Postfix, function by function.
"""

import contextlib
import dataclasses
import functools
import os
import types
from collections.abc import Callable, Iterator
from typing import Any

import pytest

import milter
from lab import injection, world
from lab.engines import engine
from lab.injection import Where, at_call, at_line
from lab.milterhost import Connection, Context, Fate, ProcessEnds, open_sessions
from lab.mta import Field
from lab.settings import EVERYTHING, name_servers
from lab.zone import Zone
from mailvet.assembly import make_engine
from mailvet.case import Case
from mailvet.checks import iprev
from mailvet.checks.breach import eligibility as breach
from mailvet.checks.dmarc import check as dmarc_check
from mailvet.checks.spf.check import Checker
from mailvet.daemon import callbacks, connections, guard
from mailvet.dns import dnspython
from mailvet.dns.lookups import Pending
from mailvet.dns.resolver import Resolver
from mailvet.dns.udp import Transport
from mailvet.header import auth_results, edits
from mailvet.observe import journal
from mailvet.observe.journal import Line
from mailvet.observe.logs import Log
from mailvet.outcome import Action
from mailvet.ports import RecordType, Trouble
from mailvet.session import prefetch, verify
from mailvet.session.session import Session
from mailvet.session.transaction import Transaction
from mailvet.settings import DnsSettings, LogSettings, Mode, OnSettings, PolicySettings
from mailvet.syntax import mailfile
from mailvet.verdict import METHODS, BreachResult, BreachVerdict

SETTINGS = dataclasses.replace(
    EVERYTHING,
    authserv_id="mx.example.org",
    policy=PolicySettings(mode=Mode.ENFORCE, on=OnSettings(dmarc_reject=Action.REJECT)),
)
ZONE = {
    name: {
        kind: [record.encode() if kind == "TXT" else record for record in records] for kind, records in types.items()
    }
    for name, types in world.zone().items()
}
FORGED = b"Authentication-Results: mx.example.org; dmarc=pass header.from=bank.example\r\n"
HIDDEN = b"X-Note: a\r\n Authentication-Results: mx.example.org; dmarc=pass\r\n"
SPOOF = mailfile.parse(FORGED + HIDDEN + world.signed(world.letter("<ceo@bank.example>"), b"signed.example"))
HONEST = mailfile.parse(FORGED + HIDDEN + world.signed(world.letter("<a@signed.example>"), b"signed.example"))


def broken(*_: object) -> None:
    raise ZeroDivisionError


KINDS = (MemoryError, RecursionError, SystemExit, KeyboardInterrupt, ValueError)


@pytest.fixture(autouse=True)
def no_sessions() -> Iterator[None]:
    """Callbacks keep account of connections; those of a test that does not close its own end with it."""
    yield
    connections.sessions.clear()


class Unspeakable(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no text")

    __repr__ = __str__


class Mailvet:
    """A worker without processes: its engine, and what it logs."""

    def __init__(self, context: Context | None = None) -> None:
        self.bugs: list[tuple[str, BaseException]] = []
        self.more = 0
        self.lines: list[Line] = []
        self.engine = engine(
            SETTINGS,
            world.zone(),
            report_bug=lambda where, error: self.bugs.append((where, error)),
            count_bug=self._again,
        )
        self.connection = Connection(lambda: Session(self.engine), self._finished, self.engine.report_bug, context)

    def _again(self) -> None:
        self.more += 1

    def _finished(self, case: Case) -> None:
        self.lines.append(journal.record(case, local_parts=False))

    def send(self, message: mailfile.MailFile, login: str = "") -> Fate:
        return self.connection.message(b"a@signed.example", message.fields, message.body, login)


def conversation(mailvet: Mailvet) -> Fate:
    mailvet.connection.connect(world.HOST, world.HOST_NAME)
    return mailvet.send(SPOOF)


def kept(message: mailfile.MailFile) -> list[Field]:
    return [field for field in message.fields if b"Authentication-Results" not in b"".join(field)]


def is_safe(fate: Fate) -> None:
    """The spoof's policy is reject: it may pass only where a bug left DMARC undecided, and then says so."""
    if fate.delivered:
        ours, *others = fate.fields
        assert ours[0] == b"Authentication-Results"
        assert b"dmarc=temperror" in ours[1]
        assert others == kept(SPOOF)
        assert fate.body == SPOOF.body
    else:
        assert fate.code in ("451", "550")


def goes_on(mailvet: Mailvet) -> None:
    """The next message on the connection: judged as ever, unless the connection itself is not known any more."""
    fate = mailvet.send(HONEST)
    if "internal error: " in str(mailvet.lines[-1].get("reason")):
        assert mailvet.lines[-1]["reason"] in ("internal error: connect", "internal error: helo")
        assert fate.code == "451"
        return
    assert fate.delivered
    assert b"dmarc=pass" in fate.fields[0][1]
    assert fate.fields[1:] == kept(HONEST)
    assert mailvet.send(SPOOF).code == "550"


@functools.cache
def reached() -> tuple[Where, ...]:
    for _ in range(2):  # the second time as always, all caches filled
        mailvet = Mailvet()
        with injection.lines() as found:
            fate = conversation(mailvet)
            assert fate.code == "550", f"before anything was injected: {mailvet.bugs}"
            mailvet.connection.close()
    return tuple(found)


def files() -> list[str]:
    return sorted({where.file for where in reached()})


def injected(where: Where, raised: Callable[[], BaseException]) -> tuple[Mailvet | None, Fate]:
    mailvet = Mailvet()
    try:
        with at_line(where, raised):
            return mailvet, conversation(mailvet)
    except ProcessEnds:
        assert where.file == guard.__file__, "only the guard itself may"
        return None, Fate("451", "milter_default_action")


@pytest.mark.parametrize("file", files(), ids=lambda file: file.rpartition("mailvet/")[2])
def test_every_line_may_raise(file: str) -> None:
    for where in (each for each in reached() if each.file == file):
        try:
            mailvet, fate = injected(where, lambda: ValueError("injected"))
            is_safe(fate)
            if mailvet is not None:
                if where.function != "_end_of_message":  # between two statements there, what was logged may not hold
                    said_once(mailvet, fate)
                if not mailvet.connection.refused:
                    goes_on(mailvet)
                mailvet.connection.close()
                assert open_sessions() == 0
        except AssertionError as e:
            raise AssertionError(f"injected at {where}") from e
        finally:
            connections.sessions.clear()


def said_once(mailvet: Mailvet, fate: Fate) -> None:
    """One bug line, and a line of the message's own that says why it is deferred."""
    assert len(mailvet.bugs) <= 1
    if fate.code == "451" and not mailvet.connection.refused:
        assert len(mailvet.bugs) == 1
        for line in mailvet.lines:
            assert line["action"] == "tempfail"
            assert line["rule"] == "internal_error"
            assert str(line["reason"]).startswith("internal error: ")


@functools.cache
def on_the_way() -> dict[str, types.FunctionType]:
    """The functions that a spoof's judgement calls; the guard itself is looked at line by line."""
    called: set[str] = set()
    with contextlib.ExitStack() as stack:
        for name, function in injection.functions().items():
            stack.enter_context(at_call(function, functools.partial(called.add, name)))
        conversation(Mailvet())
    connections.sessions.clear()
    return {name: function for name, function in injection.functions().items() if name in called}


def test_the_functions_on_the_way_are_found() -> None:
    assert len(on_the_way()) > 150
    for name in ("header.edits.scrub", "header.auth_results.format_value", "session.transaction.Transaction.add",
                 "session.session.Session.mail", "session.session.Session.__init__", "policy.disposition.decide",
                 "session.verify.verify", "checks.dkim.check.candidate", "daemon.callbacks._end_of_message",
                 "checks.spf.check.Checker.check_mail_from"):  # fmt: skip
        assert name in on_the_way()


@pytest.mark.parametrize(
    "raised", [MemoryError, RecursionError, SystemExit, KeyboardInterrupt, Unspeakable, ValueError]
)
def test_every_function_may_raise_whenever_it_is_called(raised: type[BaseException]) -> None:
    for name, function in on_the_way().items():
        fault = Fault(raised)
        mailvet = Mailvet()
        try:
            with at_call(function, fault), contextlib.suppress(ProcessEnds):
                fate = conversation(mailvet)
                is_safe(fate)
                said_once(mailvet, fate)
                if not mailvet.connection.refused:
                    fault.armed = False
                    goes_on(mailvet)
        except AssertionError as e:
            raise AssertionError(f"injected in {name}") from e
        finally:
            connections.sessions.clear()


class Fault:
    def __init__(self, raised: type[BaseException]) -> None:
        self._raised, self.armed = raised, True

    def __call__(self) -> None:
        if self.armed:
            raise self._raised


def test_a_callback_without_a_session_defers() -> None:
    steps = callbacks.make_callbacks(lambda: Session(Mailvet().engine), lambda *_: None, lambda *_: None)
    for step, arguments in (
        ("connect", ("h", 2, ("192.0.2.1", 1))), ("helo", ("h",)), ("mail", (b"<a@b>",)), ("header", ("From", b" a")),
        ("end of headers", ()), ("body", (b"x",)), ("end of message", ()), ("abort", ()),
    ):  # fmt: skip
        assert steps[step](Context(), *arguments) == milter.TEMPFAIL, step


def test_a_message_given_up_before_negotiation_is_no_bug() -> None:
    bugs: list[str] = []
    steps = callbacks.make_callbacks(
        lambda: Session(Mailvet().engine), lambda *_: None, lambda where, _: bugs.append(where)
    )
    for step in ("abort", "close"):
        steps[step](Context())
    assert bugs == []


def test_what_spf_cannot_make_sense_of_is_a_bug_of_its_message(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is temperror, as the library may raise whatever it likes, and somebody has to hear of it."""
    mailvet = Mailvet()
    settings = DnsSettings(
        nameservers=name_servers(
            "127.0.0.1",
        )
    )
    told: list[tuple[str, BaseException]] = []

    def tell(where: str, error: BaseException) -> None:
        told.append((where, error))

    def bug(where: str, error: BaseException) -> None:
        connections.report_bug(where, error, tell)

    made = make_engine(SETTINGS, Resolver(settings).new_lookups, tell, report_spf_bug=bug)
    mailvet.engine = dataclasses.replace(mailvet.engine, spf=made.spf)
    monkeypatch.setattr("spf.query.check", lambda _: 1 / 0)
    mailvet.connection.connect(world.HOST, world.HOST_NAME)
    assert mailvet.send(HONEST).delivered
    assert [where for where, _ in mailvet.bugs] == ["spf"]  # the first of the message
    assert mailvet.more == 1  # HELO's
    assert mailvet.lines[0]["spf"] == "temperror"
    del connections.current.session
    made.spf.check_helo(world.HOST, "signed.example", Zone({}))
    assert [where for where, _ in told] == ["spf"]  # `mailvet check` has no session


def test_advice_that_cannot_be_written_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    listed = BreachVerdict(result=BreachResult.LISTED, newest="2026-01-01")
    monkeypatch.setattr(verify, "_breach", lambda *_: listed)
    monkeypatch.setattr(breach, "format_value", lambda *_: 1 / 0)
    mailvet = Mailvet()
    mailvet.connection.connect(world.HOST, world.HOST_NAME)
    fate = mailvet.send(HONEST)
    assert fate.delivered
    assert [name for name, _ in fate.fields[:2]] == [b"Authentication-Results", kept(HONEST)[0][0]]
    assert [where for where, _ in mailvet.bugs] == ["breach"]


def test_a_message_without_mail_from_is_not_exempt() -> None:
    mailvet = Mailvet()
    mailvet.connection.connect(world.HOST, world.HOST_NAME)
    session = next(iter(connections.sessions))
    assert session.end_of_message("4XYZ").disposition.code == "451"
    connections.sessions.clear()


class Refusing(Context):
    """libmilter does not do what it is asked for, from the nth time on."""

    def __init__(self, what: str, after: int = 0) -> None:
        super().__init__()
        self._what, self._left = what, after

    def _may(self, what: str) -> None:
        if what == self._what:
            self._left -= 1
            if self._left < 0:
                raise milter.error("cannot " + what)

    def setreply(self, code: str, enhanced: str, text: str) -> None:
        self._may("setreply")
        super().setreply(code, enhanced, text)

    def addheader(self, name: str, value: str, index: int) -> None:
        self._may("addheader")
        super().addheader(name, value, index)

    def chgheader(self, name: str, index: int, value: None) -> None:
        self._may("chgheader")
        super().chgheader(name, index, value)

    def quarantine(self, reason: str) -> None:
        self._may("quarantine")


@pytest.mark.parametrize(("what", "after"), [("chgheader", 0), ("chgheader", 1), ("addheader", 0)])
def test_edits_that_cannot_be_sent_defer_the_message(what: str, after: int) -> None:
    mailvet = Mailvet(Refusing(what, after))
    mailvet.connection.connect(world.HOST, world.HOST_NAME)
    fate = mailvet.send(HONEST)
    assert (fate.code, fate.text) == ("451", "Email deferred because of an internal error")
    assert len(mailvet.bugs) == 1
    assert [line["action"] for line in mailvet.lines] == ["tempfail"]


def test_a_refusal_that_cannot_be_worded_is_a_deferral() -> None:
    mailvet = Mailvet(Refusing("setreply"))
    fate = conversation(mailvet)
    assert (fate.code, fate.text) == ("451", "")
    assert [line["action"] for line in mailvet.lines] == ["tempfail"]


def test_a_log_that_raises_changes_no_reply() -> None:
    mailvet = Mailvet()
    connection = Connection(lambda: Session(mailvet.engine), broken, broken)
    connection.connect(world.HOST, world.HOST_NAME)
    fate = connection.message(b"a@signed.example", HONEST.fields, HONEST.body)
    assert fate.delivered
    assert b"dmarc=pass" in fate.fields[0][1]
    assert connection.message(b"a@signed.example", SPOOF.fields, SPOOF.body).code == "550"


def test_a_bug_whose_logging_raises_defers_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    mailvet = Mailvet()
    connection = Connection(
        lambda: Session(dataclasses.replace(mailvet.engine, report_bug=broken)), mailvet._finished, broken
    )
    monkeypatch.setattr(edits, "scrub", lambda *_: 1 / 0)
    connection.connect(world.HOST, world.HOST_NAME)
    assert connection.message(b"a@signed.example", SPOOF.fields, SPOOF.body).code == "451"


def test_a_bug_that_cannot_be_told_is_logged_by_its_class(capfd: pytest.CaptureFixture[str]) -> None:
    Log(LogSettings(format="text")).report_bug("header", Unspeakable())
    assert "event=bug where=header error=Unspeakable" in capfd.readouterr().err


def test_of_several_bugs_in_a_message_the_first_is_logged_and_the_rest_are_counted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(Transaction, "body", lambda *_: 1 / 0)
    monkeypatch.setattr(prefetch, "author_field", lambda *_: 1 / 0)
    mailvet = Mailvet()
    assert conversation(mailvet).code == "451"
    assert [where for where, _ in mailvet.bugs] == ["asking ahead"]
    assert mailvet.more == 1
    assert mailvet.lines[0]["reason"] == "internal error: body and 1 more"


def test_an_end_that_raises_leaves_no_session_and_nothing_to_the_next_message(monkeypatch: pytest.MonkeyPatch) -> None:
    mailvet = Mailvet()
    with monkeypatch.context() as patched:
        patched.setattr(Zone, "end", lambda _: 1 / 0)
        assert conversation(mailvet).code == "550"
        assert not connections.busy()
    goes_on(mailvet)
    monkeypatch.setattr(Session, "close", lambda _: 1 / 0)
    mailvet.connection.close()
    assert open_sessions() == 0


def test_asking_ahead_costs_nothing_but_the_head_start(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("connected", "sender", "author_field", "key", "signatures"):
        monkeypatch.setattr(prefetch, name, lambda *_: 1 / 0)
    mailvet = Mailvet()
    mailvet.connection.connect(world.HOST, world.HOST_NAME)
    fate = mailvet.send(HONEST)
    assert fate.delivered
    assert b"dmarc=pass" in fate.fields[0][1]
    assert b"dkim=pass" in fate.fields[0][1]
    assert len(mailvet.bugs) == 1
    assert mailvet.more == 4


# By the method's name in a report: what is made to raise, and what the log line says then
LAST_RESORTS: dict[str, tuple[tuple[Any, str], dict[str, object]]] = {
    "spf": ((Checker, "check_mail_from"), {"spf": "temperror", "dmarc": "pass"}),
    "spf_helo": ((Checker, "check_helo"), {"helo_spf": "temperror", "dmarc": "pass"}),
    "dkim": ((verify, "_signatures"), {"dkim": ["temperror"], "dmarc": "pass"}),
    "dmarc": ((dmarc_check, "check"), {"dmarc": "temperror", "spf": "pass"}),
    "arc": ((verify, "_chain"), {"arc": "fail", "dmarc": "pass"}),
    "iprev": ((iprev, "check"), {"iprev": "temperror", "dmarc": "pass"}),
    "author": ((verify, "_author"), {"dmarc": "temperror"}),
    "breach": ((verify, "_breach"), {"dmarc": "pass"}),
    "list id": ((verify, "_list_id"), {"dmarc": "pass"}),
    "all at once": ((verify, "HeaderForms"), {"spf": "temperror", "dkim": ["temperror"], "dmarc": "temperror"}),
}


def test_no_method_is_forgotten() -> None:
    assert {*METHODS} - {"auth"} <= LAST_RESORTS.keys()  # nothing is checked for `auth`


@pytest.mark.parametrize(("function", "says"), LAST_RESORTS.values(), ids=LAST_RESORTS)
def test_each_method_has_its_last_resort(
    function: tuple[Any, str], says: dict[str, object], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(*function, lambda *_: 1 / 0)
    mailvet = Mailvet()
    mailvet.connection.connect(world.HOST, world.HOST_NAME)
    fate = mailvet.send(HONEST)
    assert fate.delivered
    assert fate.fields[0][0] == b"Authentication-Results"
    assert fate.fields[1:] == kept(HONEST)
    assert len(mailvet.bugs) == 1
    assert {key: mailvet.lines[0].get(key) for key in says} == says


def test_a_bug_met_behind_a_verdict_does_not_lift_the_policy(monkeypatch: pytest.MonkeyPatch) -> None:
    """DMARC has failed, and only our field cannot be written: not undecided, but deferred."""
    monkeypatch.setattr(auth_results, "format_value", lambda *_: 1 / 0)
    assert conversation(Mailvet()).code == "451"


def test_a_login_that_is_not_utf_8_is_a_login() -> None:
    class Latin(Context):
        def getsymval(self, name: str) -> str | None:
            return b"ren\xe9@example.org".decode() if name == "{auth_authen}" else super().getsymval(name)

    mailvet = Mailvet(Latin())
    fate = conversation(mailvet)
    assert fate.delivered
    assert b"auth=pass" in fate.fields[0][1]


class TestBytesThatAreNotUtf8:
    """pymilter raises before it calls us, and only `sys.excepthook` sees what it was."""

    @staticmethod
    def met(raw: bytes) -> None:
        try:
            raw.decode()
        except UnicodeDecodeError as e:
            guard.excepthook(type(e), e.with_traceback(None), None)

    @staticmethod
    def message(mailvet: Mailvet, name: bytes) -> Case:
        mailvet.connection.connect(world.HOST, world.HOST_NAME)
        session = connections.current.session
        session.mail(b"<a@signed.example>", "")
        TestBytesThatAreNotUtf8.met(name)
        for field in HONEST.fields:
            session.header(*field)
        session.end_of_headers()
        session.body(HONEST.body)
        case: Case = session.end_of_message("4XYZ")
        return case

    def test_a_name_that_means_nothing_to_anybody_costs_nothing(self) -> None:
        assert self.message(Mailvet(), b"X-\xe9").disposition.action is Action.ACCEPT

    def test_a_name_that_reads_as_from_leaves_no_author(self) -> None:
        outcome = self.message(Mailvet(), b"From\xff")
        assert outcome.report.dmarc is not None
        assert outcome.report.dmarc.result == "permerror"

    def test_a_name_that_reads_as_ours_cannot_be_removed(self) -> None:
        outcome = self.message(Mailvet(), b"Authentication-Results\xff")
        assert (outcome.disposition.code, outcome.disposition.rule) == ("550", "removals")

    def test_what_cannot_be_remembered_defers(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(Session, "undecodable", lambda *_: 1 / 0)
        assert self.message(Mailvet(), b"X-\xe9").disposition.code == "451"

    def test_anything_else_ends_the_process(self, monkeypatch: pytest.MonkeyPatch) -> None:
        mailvet = Mailvet()
        mailvet.connection.connect(world.HOST, world.HOST_NAME)
        ended: list[int] = []
        monkeypatch.setattr(os, "_exit", ended.append)
        guard.excepthook(MemoryError, MemoryError(), None)
        assert ended == [1]
        assert len(mailvet.bugs) == 1


class TestResolver:
    """A bug while one message asks leaves no question behind that others would wait for."""

    KEY = ("signed.example", RecordType.TXT)

    def test_what_was_not_sent_is_not_joined(self, monkeypatch: pytest.MonkeyPatch) -> None:
        resolver = Resolver(
            DnsSettings(
                nameservers=name_servers(
                    "127.0.0.1",
                )
            )
        )
        with monkeypatch.context() as patched:
            patched.setattr(Transport, "send", lambda *_: 1 / 0)
            with pytest.raises(ZeroDivisionError):
                resolver.fetch(self.KEY)
        sent: list[bytes] = []
        monkeypatch.setattr(Transport, "send", lambda _, query, *_rest: sent.append(query))
        resolver.fetch(self.KEY)
        assert len(sent) == 1

    def test_an_answer_that_cannot_be_read_is_one(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(Transport, "send", lambda _, _query, landed, *_rest: landed(bytes(20), ("127.0.0.1", 53)))
        monkeypatch.setattr(dnspython, "read", lambda *_, **__: 1 / 0)
        resolver = Resolver(
            DnsSettings(
                nameservers=name_servers(
                    "127.0.0.1",
                )
            )
        )
        pending = resolver.fetch(self.KEY)
        assert isinstance(pending, Pending)
        assert pending.done.is_set()
        assert pending.result is Trouble.BROKEN


def test_the_time_of_a_message_whose_edits_cannot_be_made_is_told() -> None:
    class Refusing(Context):
        def addheader(self, name: str, value: str, index: int) -> None:
            raise RuntimeError("refused")

    mailvet = Mailvet(Refusing())
    ticks = iter(range(100))
    mailvet.engine = dataclasses.replace(mailvet.engine, stopwatch=lambda: float(next(ticks)))
    mailvet.connection.connect(world.HOST, world.HOST_NAME)
    assert mailvet.send(HONEST).code == "451"
    assert mailvet.lines[0]["ms"] == 2000.0
