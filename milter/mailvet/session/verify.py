"""verify – run every check on one message, in order, and return the report with their verdicts.

The order: SPF for MAIL FROM, DKIM, the author domain, DMARC; then ARC, iprev, SPF for HELO, the breach look-up. DMARC
and the DNS queries after it may use the reserved budget. It comes before the last four, so that slow name servers of
the sender cannot use up its time. The breach look-up is last, since it asks only about an author that DMARC has
authenticated.

Raises     nothing that a check raises: such a check has its `last_resort`, and `report_bug` is called
Not here   what is done about the verdicts (disposition)
"""

from collections.abc import Callable
from typing import TypeVar

from mailvet.checks import author, iprev
from mailvet.checks.arc import check as arc
from mailvet.checks.author import Author, NoAuthor
from mailvet.checks.breach import eligibility
from mailvet.checks.dkim import check as dkim, replays
from mailvet.checks.dkim.content import Content
from mailvet.checks.dkim.header_forms import HeaderForms
from mailvet.checks.dkim.keys import KeyReader
from mailvet.checks.dmarc import check as dmarc_check
from mailvet.ports import ReportBug
from mailvet.session import last_resort
from mailvet.session.engine import Engine
from mailvet.session.transaction import Transaction
from mailvet.syntax import list_id
from mailvet.syntax.domain import to_alabel
from mailvet.verdict import (
    ArcResult,
    ArcVerdict,
    AuthResult,
    AuthVerdict,
    BreachResult,
    BreachVerdict,
    DkimResult,
    DkimVerdict,
    DmarcVerdict,
    Report,
)

V = TypeVar("V")


def verify(transaction: Transaction, engine: Engine, report_bug: ReportBug) -> Report:
    """Return all that can be found out about the message. `report_bug` is called for a bug: where, and what."""
    if transaction.exempt:
        return _exempt(transaction)
    t, lookups = transaction, transaction.lookups
    mail_from = t.envelope.mail_from

    def guarded(where: str, check: Callable[[], V], otherwise: Callable[[Transaction, Engine], V]) -> V:
        try:
            return check()
        except Exception as e:  # one method's bug is that method's temperror
            report_bug(where, e)
            return otherwise(t, engine)

    spf = guarded("spf", lambda: engine.spf.check_mail_from(t.address, t.helo, mail_from, lookups), last_resort.spf)
    content = Content(HeaderForms(t.headers), t.hasher.finish() if t.hasher is not None else {})
    keys = KeyReader(lookups.ask, engine.keys)
    signatures = guarded("dkim", lambda: _signatures(t, engine, content, keys), last_resort.dkim)
    found = guarded("author", lambda: _author(t, engine), _nothing)
    dmarc = last_resort.dmarc(t, engine)
    reserved = lookups.reserved  # what has been asked so far must not cost the author domain's policy
    if found is not None:
        dmarc = guarded("dmarc", lambda: dmarc_check.check(found, spf, signatures, reserved.ask), last_resort.dmarc)
    # last, since a sender's slow name servers must not use up the time that DMARC depends on
    chain = guarded("arc", lambda: _chain(t, engine, content, KeyReader(reserved.ask, engine.keys)), last_resort.arc)
    reverse = guarded("iprev", lambda: iprev.check(t.address, reserved), last_resort.iprev)
    helo = guarded("spf helo", lambda: engine.spf.check_helo(t.address, t.helo, reserved), last_resort.spf_helo)
    breach = guarded("breach", lambda: _breach(t, engine, found, dmarc), _nothing)
    return Report(
        iprev=reverse,
        spf_helo=helo,
        spf=spf,
        dkim=signatures,
        arc=chain,
        dmarc=dmarc,
        breach=breach,
        null_sender=not mail_from.text,
        list_id=guarded("list id", lambda: _list_id(t), _nothing) or "",
        remote_ip=t.address,
        anomalies=tuple(t.anomalies),
    )


def _exempt(transaction: Transaction) -> Report:
    """Return the report on an exempt message: nothing is checked, and our field says so."""
    login = transaction.envelope.login
    domain = to_alabel(login.rpartition("@")[2]) if "@" in login else None
    verdict = AuthVerdict(result=AuthResult.PASS if login else AuthResult.NONE, domain=domain or "")
    return Report(auth=verdict, remote_ip=transaction.address, anomalies=tuple(transaction.anomalies))


def _nothing(_t: Transaction, _engine: Engine) -> None:
    return None


def _signatures(t: Transaction, engine: Engine, content: Content, keys: KeyReader) -> tuple[DkimVerdict, ...]:
    if t.dropped:
        limits = engine.settings.limits
        problem = (
            f"not looked at: the header has over {limits.header_fields} fields (limits.header_fields) or is too large"
        )
        return (DkimVerdict(result=DkimResult.NEUTRAL, problem=problem),)
    verdicts = dkim.judge(t.candidates, content, keys, engine.settings.dkim, engine.now())
    return replays.replayed(verdicts, engine.replays)


def _chain(t: Transaction, engine: Engine, content: Content, keys: KeyReader) -> ArcVerdict:
    if t.chain is None and not any(name.startswith(b"arc-") for name in t.headers.by_name):
        return ArcVerdict(result=ArcResult.NONE)
    if t.chain is None:
        return ArcVerdict(
            result=ArcResult.FAIL, problem="not looked at: over limits.header_fields fields, or too large"
        )
    sealers = frozenset(domain for _, domain in engine.settings.trust.sealers)
    return arc.judge(t.chain, content, keys, engine.now(), sealers)


def _author(t: Transaction, engine: Engine) -> Author | NoAuthor | None:
    limits = engine.settings.limits
    problem = author.disguised(t.beyond) if t.dropped else ""
    if problem:
        return NoAuthor(ambiguous=True, problem=problem)
    return author.find(t.headers.values(b"from"), t.headers, limits.from_bytes, limits.from_words)


def _breach(
    t: Transaction, engine: Engine, found: Author | NoAuthor | None, dmarc: DmarcVerdict
) -> BreachVerdict | None:
    if engine.breach is None or found is None:
        return None
    settings = engine.settings.breach
    reason = eligibility.why_not(found, dmarc, t.envelope.mail_from.text, t.headers, settings)
    if reason is not None or isinstance(found, NoAuthor):
        return BreachVerdict(result=BreachResult.SKIPPED, problem=reason or "")
    return engine.breach.ask(found.address, settings.wait)


def _list_id(t: Transaction) -> str:
    found = list_id.find(t.headers.values(b"list-id"))
    return found if isinstance(found, str) else ""
