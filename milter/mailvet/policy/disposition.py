"""disposition – what is done about a report: the rules of [policy], and what the client is told.

At most one rule matches, since each is tied to a different DMARC result. The mode then limits its action:
`mark` accepts everything, `quarantine` holds what `enforce` would reject or defer, `enforce` does what
[policy.on] says. Whatever the settings say, a DNS failure is never a permanent reject, and a policy of none
changes nothing (RFC 9989 §5.4).

Raises     nothing
Not here   how anything was found out (verify)
"""

from typing import Final, NamedTuple

from mailvet.outcome import Action, Disposition
from mailvet.settings import Mode, OnSettings, PolicySettings
from mailvet.text import loggable
from mailvet.verdict import ArcResult, DmarcResult, DmarcVerdict, Policy, Report, SpfResult


class _Finding(NamedTuple):
    rule: str  # the [policy.on] key
    action: Action
    reason: str  # for the log and `check`
    enhanced: str  # without its class: "7.1"
    text: str  # after "Email rejected" or "Email deferred"
    pending: bool = False  # what would save it could not be checked now: no refusal for good
    instead: Action = Action.ACCEPT  # what an override stands in place of


FLOODED: Final = "removals"  # rules that are not in [policy.on]
BROKEN: Final = "internal_error"
_ACCEPTED: Final = Disposition(action=Action.ACCEPT)
_DONE: Final = {
    Action.ACCEPT: "accepted",
    Action.QUARANTINE: "quarantined",
    Action.REJECT: "rejected",
    Action.TEMPFAIL: "deferred",
}


def decide(report: Report, policy: PolicySettings) -> Disposition:
    """Return what is done about the message."""
    finding = _find(report, policy.on)
    if finding is None:
        return _ACCEPTED
    action = _limited(finding, finding.action, policy.mode)
    if action is Action.ACCEPT and _limited(finding, finding.instead, policy.mode) is Action.ACCEPT:
        return _ACCEPTED
    if action in (Action.ACCEPT, Action.QUARANTINE):
        return Disposition(action=action, rule=finding.rule, reason=finding.reason)
    rejected = action is Action.REJECT
    return Disposition(
        action=action,
        rule=finding.rule,
        reason=finding.reason,
        code="550" if rejected else "451",
        enhanced=("5." if rejected else "4.") + finding.enhanced,
        text=f"Email {'rejected' if rejected else 'deferred'} {finding.text}",
    )


def flooded(limit: int) -> Disposition:
    """Return the refusal of a message with too many forged fields, or with one hidden over the header's limits.

    Postfix needs time quadratic in the number of fields that are removed.
    """
    return Disposition(
        action=Action.REJECT,
        rule=FLOODED,
        reason=f"over {limit} forged header fields (limits.removals), or one beyond those kept (limits.header_fields)",
        code="550",
        enhanced="5.7.1",
        text="Email rejected because of forged Authentication-Results header fields",
    )


def broken(where: str, number: int) -> Disposition:
    """Return the deferral, in every mode, of a message of which a bug may have lost a field or a part."""
    more = f" and {number - 1} more" if number > 1 else ""
    return Disposition(
        action=Action.TEMPFAIL,
        rule=BROKEN,
        reason=f"internal error: {where}{more}",
        code="451",
        enhanced="4.3.0",
        text="Email deferred because of an internal error",
    )


def explain(report: Report, policy: PolicySettings) -> str:
    """Return one or two sentences for a person: which rule applied, and what the mode made of it."""
    if report.auth is not None:
        return "The client is trusted: no rule applies to it."
    finding = _find(report, policy.on)
    if finding is None:
        return _no_rule(report.dmarc)
    said = f"{finding.reason[:1].upper()}{finding.reason[1:]}: [policy.on] {finding.rule} = {finding.action.value}."
    action = _limited(finding, finding.action, policy.mode)
    if action is finding.action:
        return said
    limit = "" if policy.mode is Mode.ENFORCE else f"Mode {policy.mode.value} limits that: "
    end = f"{limit}the message is {_DONE[action]}, not {_DONE[finding.action]}."
    return f"{said} {end[:1].upper()}{end[1:]}"


def _limited(finding: _Finding, action: Action, mode: Mode) -> Action:
    """Return the action that this mode allows in place of `action`."""
    if mode is Mode.MARK:
        return Action.ACCEPT
    if mode is Mode.QUARANTINE and action in (Action.REJECT, Action.TEMPFAIL):
        return Action.QUARANTINE
    if action is Action.REJECT and finding.pending:
        return Action.TEMPFAIL
    return action


def _no_rule(dmarc: DmarcVerdict | None) -> str:
    if dmarc is None:
        return "DMARC was not evaluated: no rule applies."
    if dmarc.result is DmarcResult.FAIL:
        testing = f" ({dmarc.published.value} is only tested, t=y)" if dmarc.testing and dmarc.published else ""
        return f"DMARC failed{_for(dmarc.author_domain)}, but its owner asks for nothing to be done{testing}."
    if dmarc.result is DmarcResult.NONE:
        return f"No DMARC policy applies{_to(dmarc.author_domain)}: no rule applies."
    return f"DMARC passed{_for(dmarc.author_domain)}: no rule applies."


def _find(report: Report, on: OnSettings) -> _Finding | None:
    """Return the rule that matches this report, before the mode limits its action."""
    dmarc = report.dmarc
    if report.auth is not None or dmarc is None:
        return None
    match dmarc.result:
        case DmarcResult.PERMERROR:
            reason = "no single author domain" + (f": {loggable(dmarc.problem)}" if dmarc.problem else "")
            text = "because its From header field does not name one author domain"  # RFC 5322 §3.6.2
            return _Finding("ambiguous_from", on.ambiguous_from, reason, "7.1", text)
        case DmarcResult.FAIL:
            return _failed(report, dmarc, on)
        case DmarcResult.TEMPERROR:
            return _not_evaluated(report, dmarc, on)
        case DmarcResult.NONE if report.spf is not None and report.spf.result is SpfResult.FAIL:
            reason = f"SPF failed{_for(report.spf.domain)}, and no DMARC policy applies"
            text = f"because SPF validation failed{_for(report.spf.domain)}"
            return _Finding("spf_fail", on.spf_fail, reason, "7.23", text)  # RFC 7372 §3.2
    return None


def _failed(report: Report, dmarc: DmarcVerdict, on: OnSettings) -> _Finding | None:
    if dmarc.requested is Policy.NONE:  # RFC 9989 §5.4: MUST NOT modify existing mail handling
        return None
    reason = f"DMARC failed{_for(dmarc.author_domain)}, whose owner asks for {dmarc.requested.value}"
    text = f"per DMARC policy{_for(dmarc.author_domain)}"  # RFC 9989 §7.2: the word DMARC, and the domain
    rule, action = "dmarc_quarantine", on.dmarc_quarantine
    if dmarc.requested is Policy.REJECT:
        rule, action = "dmarc_reject", on.dmarc_reject
    arc = report.arc
    if on.arc_override is not None and arc is not None:
        if arc.result is ArcResult.PASS and arc.sealed == "dmarc=pass":
            reason = f"{reason}, but {_sealer(arc.sealed_by)} saw it pass"
            return _Finding("arc_override", on.arc_override, reason, "7.1", text, instead=action)
        if arc.temporary and arc.pending:
            reason = f"{reason}, and the ARC chain of {_sealer(arc.pending)} could not be checked now"
            return _Finding(rule, action, reason, "7.1", text, pending=True)
    return _Finding(rule, action, reason, "7.1", text)


def _not_evaluated(report: Report, dmarc: DmarcVerdict, on: OnSettings) -> _Finding:
    action = Action.TEMPFAIL if on.temperror is Action.REJECT else on.temperror
    reason = f"DMARC could not be evaluated{_for(dmarc.author_domain)}"
    if dmarc.problem:
        reason = f"{reason}: {loggable(dmarc.problem)}"
    spf = report.spf is not None and report.spf.result is SpfResult.TEMPERROR
    text = f"because DMARC could not be evaluated now{_for(dmarc.author_domain)}"
    return _Finding("temperror", action, reason, "7.24" if spf else "7.0", text)  # RFC 7372 §3.2: SPF error


def _sealer(domain: str) -> str:
    return f"{domain}, a trusted sealer," if _printable(domain) else "a trusted sealer"


def _for(domain: str) -> str:
    return f" for {domain}" if _printable(domain) else ""


def _to(domain: str) -> str:
    return f" to {domain}" if _printable(domain) else ""


def _printable(domain: str) -> bool:
    """Return whether a domain may be quoted to the client and in the log: letters, digits, ".", "-", "_"."""
    return domain.isascii() and domain.replace(".", "").replace("-", "").replace("_", "").isalnum()
