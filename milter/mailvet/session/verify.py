"""verify – the order of the questions about one message; each gets its verdict, whatever happens.

iprev and SPF judge the client, DKIM and ARC the content, DMARC puts them beside the author domain, and
the breach look-up asks only about an author who has been authenticated.

Raises     nothing that a check raises: that is the check's `temperror`, and the caller is told
Not here   what is done about the verdicts (disposition)
"""

from collections.abc import Callable
from typing import TypeVar

from mailvet.checks import author, iprev
from mailvet.checks.arc import check as arc
from mailvet.checks.author import Author, NoAuthor
from mailvet.checks.breach import eligibility as breach
from mailvet.checks.dkim import check as dkim, replays as notes
from mailvet.checks.dkim.body_hash import BodyDigest, BodyHash
from mailvet.checks.dkim.header_forms import HeaderForms
from mailvet.checks.dmarc import check as dmarc
from mailvet.session.engine import Engine
from mailvet.session.transaction import Transaction
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
    DmarcResult,
    DmarcVerdict,
    IprevResult,
    IprevVerdict,
    Report,
    SpfIdentity,
    SpfResult,
    SpfVerdict,
)

V = TypeVar("V")
_BUG = "internal error"


def verify(transaction: Transaction, engine: Engine, surprised: Callable[[str, BaseException], None]) -> Report:
    """All that can be found out about the message; `surprised` is told of bugs: where, and what."""
    if transaction.exempt:
        return _exempt(transaction)
    t, lookups, receiver = transaction, transaction.lookups, engine.settings.authserv_id
    sender = t.envelope.mail_from

    def guarded(where: str, check: Callable[[], V], failed: Callable[[Transaction], V]) -> V:
        try:
            return check()
        except Exception as e:  # one method's bug is that method's temperror
            surprised(where, e)
            return failed(t)

    spf = guarded("spf", lambda: engine.spf.check_mail_from(t.address, t.helo, sender, lookups, receiver), _no_spf)
    forms = HeaderForms(t.headers)
    bodies = t.hasher.finish() if t.hasher is not None else {}
    signatures = guarded("dkim", lambda: _signatures(t, engine, forms, bodies), _no_dkim)
    who = guarded("author", lambda: _author(t, engine), _nothing)
    verdict = _no_dmarc(t)
    reserved = lookups.reserved  # what has been asked so far must not cost the author domain's policy
    if who is not None:
        verdict = guarded("dmarc", lambda: dmarc.check(who, spf, signatures, reserved.ask), _no_dmarc)
    # last, since a sender's slow name servers must not use up the time that DMARC depends on
    chain = guarded("arc", lambda: _chain(t, engine, forms, bodies), _no_arc)
    came_from = guarded("iprev", lambda: iprev.check(t.address, reserved), _no_iprev)
    helo = guarded("spf helo", lambda: engine.spf.check_helo(t.address, t.helo, reserved, receiver), _no_spf_helo)
    flag = guarded("breach", lambda: _breach(t, engine, who, verdict), _nothing)
    return Report(
        iprev=came_from,
        spf_helo=helo,
        spf=spf,
        null_sender=not sender,
        dkim=signatures,
        arc=chain,
        dmarc=verdict,
        breach=flag,
        remote_ip=t.address,
        anomalies=tuple(t.anomalies),
    )


def _exempt(transaction: Transaction) -> Report:
    """A client we trust: nothing is checked, and the field says so."""
    login = transaction.envelope.login
    domain = to_alabel(login.rpartition("@")[2]) if "@" in login else None
    verdict = AuthVerdict(result=AuthResult.PASS if login else AuthResult.NONE, domain=domain or "")
    return Report(auth=verdict, remote_ip=transaction.address, anomalies=tuple(transaction.anomalies))


def _no_iprev(t: Transaction) -> IprevVerdict:
    return IprevVerdict(result=IprevResult.TEMPERROR, address=t.address, problem=_BUG)


def _no_spf_helo(_t: Transaction) -> SpfVerdict:
    return SpfVerdict(result=SpfResult.TEMPERROR, identity=SpfIdentity.HELO, domain="", problem=_BUG)


def _no_spf(_t: Transaction) -> SpfVerdict:
    return SpfVerdict(result=SpfResult.TEMPERROR, identity=SpfIdentity.MAILFROM, domain="", problem=_BUG)


def _no_dkim(_t: Transaction) -> tuple[DkimVerdict, ...]:
    return (DkimVerdict(result=DkimResult.TEMPERROR, problem=_BUG),)


def _no_arc(_t: Transaction) -> ArcVerdict:
    # nobody knows whose chain it is: it may be one that an override waits for
    return ArcVerdict(result=ArcResult.FAIL, temporary=True, pending=_BUG, problem=_BUG)


def _no_dmarc(_t: Transaction) -> DmarcVerdict:
    return DmarcVerdict(result=DmarcResult.TEMPERROR, problem=_BUG)


def _nothing(_t: Transaction) -> None:
    return None


def undecided(t: Transaction) -> Report:
    """What is said where nothing could be found out, because of a bug."""
    return Report(
        iprev=_no_iprev(t),
        spf_helo=_no_spf_helo(t),
        spf=_no_spf(t),
        null_sender=not t.envelope.mail_from,
        dkim=_no_dkim(t),
        arc=_no_arc(t),
        dmarc=_no_dmarc(t),
        remote_ip=t.address,
        anomalies=tuple(t.anomalies),
    )


def _signatures(
    t: Transaction, engine: Engine, forms: HeaderForms, bodies: dict[BodyDigest, BodyHash]
) -> tuple[DkimVerdict, ...]:
    if t.dropped:
        limits = engine.settings.limits
        problem = f"not looked at: the header has over {limits.header_fields} fields or is too large (limit)"
        return (DkimVerdict(result=DkimResult.NEUTRAL, problem=problem),)
    verdicts = dkim.judge(t.candidates, forms, bodies, t.lookups.ask, engine.tools, engine.now())
    return notes.replayed(verdicts, engine.replays)


def _chain(t: Transaction, engine: Engine, forms: HeaderForms, bodies: dict[BodyDigest, BodyHash]) -> ArcVerdict:
    if t.chain is None and not any(name.startswith(b"arc-") for name in t.headers.by_name):
        return ArcVerdict(result=ArcResult.NONE)
    if t.chain is None:
        return ArcVerdict(result=ArcResult.FAIL, problem="not looked at: too many or too large header fields (limit)")
    sealers = frozenset(engine.settings.trust.sealers)
    return arc.judge(t.chain, forms, bodies, t.lookups.reserved.ask, engine.tools, engine.now(), sealers)


def _author(t: Transaction, engine: Engine) -> Author | NoAuthor | None:
    limits = engine.settings.limits
    problem = author.disguised(t.beyond) if t.dropped else ""
    if problem:
        return NoAuthor(ambiguous=True, problem=problem)
    return author.find(t.headers.values(b"from"), t.headers, limits.from_bytes, limits.from_words)


def _breach(
    t: Transaction, engine: Engine, who: Author | NoAuthor | None, verdict: DmarcVerdict
) -> BreachVerdict | None:
    if engine.breach is None or who is None:
        return None
    settings = engine.settings.breach
    reason = breach.why_not(who, verdict, t.envelope.mail_from, t.headers, settings)
    if reason is not None or isinstance(who, NoAuthor):
        return BreachVerdict(result=BreachResult.SKIPPED, problem=reason or "")
    return engine.breach.ask(who.address, settings.wait)
