"""last_resort – the verdict that stands for a method in which a bug was met.

It is `temperror`; for ARC, which has no such result, a `fail` that is marked as temporary.

Each function takes the message and the engine; a method that is switched off says nothing here either.

Raises     nothing
Not here   noticing the bug (verify)
"""

from mailvet.session.engine import Engine
from mailvet.session.transaction import Transaction
from mailvet.verdict import (
    ArcResult,
    ArcVerdict,
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

_BUG = "internal error"


def iprev(t: Transaction, _engine: Engine) -> IprevVerdict:
    return IprevVerdict(result=IprevResult.TEMPERROR, address=t.address, problem=_BUG)


def spf_helo(_t: Transaction, _engine: Engine) -> SpfVerdict:
    return SpfVerdict(result=SpfResult.TEMPERROR, identity=SpfIdentity.HELO, domain="", problem=_BUG)


def spf(_t: Transaction, _engine: Engine) -> SpfVerdict:
    return SpfVerdict(result=SpfResult.TEMPERROR, identity=SpfIdentity.MAILFROM, domain="", problem=_BUG)


def dkim(_t: Transaction, _engine: Engine) -> tuple[DkimVerdict, ...]:
    return (DkimVerdict(result=DkimResult.TEMPERROR, problem=_BUG),)


def arc(_t: Transaction, _engine: Engine) -> ArcVerdict:
    # whose chain it is could not be found out: it may be one that policy.on.arc_override would use
    return ArcVerdict(result=ArcResult.FAIL, temporary=True, pending=_BUG, problem=_BUG)


def dmarc(_t: Transaction, _engine: Engine) -> DmarcVerdict:
    return DmarcVerdict(result=DmarcResult.TEMPERROR, problem=_BUG)


def undecided(t: Transaction, engine: Engine) -> Report:
    """Return the report for a message of which `verify` itself raised: each method has its last resort."""
    return Report(
        iprev=iprev(t, engine),
        spf_helo=spf_helo(t, engine),
        spf=spf(t, engine),
        null_sender=not t.envelope.mail_from.text,
        dkim=dkim(t, engine),
        arc=arc(t, engine),
        dmarc=dmarc(t, engine),
        remote_ip=t.address,
        anomalies=tuple(t.anomalies),
    )
