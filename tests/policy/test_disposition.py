"""disposition: every rule in every mode, what the client is told, and what must never happen."""

import itertools
import re
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, strategies as st

from mailvet.outcome import Action, Disposition
from mailvet.policy import disposition
from mailvet.settings import Mode, OnSettings, PolicySettings
from mailvet.verdict import (
    ArcResult,
    ArcVerdict,
    AuthResult,
    AuthVerdict,
    DkimResult,
    DkimVerdict,
    DmarcResult,
    DmarcVerdict,
    Policy,
    Report,
    SpfIdentity,
    SpfResult,
    SpfVerdict,
)

ALL_REJECT = OnSettings(
    ambiguous_from=Action.REJECT,
    dmarc_reject=Action.REJECT,
    dmarc_quarantine=Action.REJECT,
    spf_fail=Action.REJECT,
    temperror=Action.TEMPFAIL,
)


def dmarc(result: DmarcResult, **more: Any) -> DmarcVerdict:
    return DmarcVerdict(result=result, author_domain=more.pop("author_domain", "example.com"), **more)


def report(verdict: DmarcVerdict | None, spf: SpfResult = SpfResult.NONE, **more: Any) -> Report:
    sender = SpfVerdict(result=spf, identity=SpfIdentity.MAILFROM, domain="mail.example.com")
    return Report(dmarc=verdict, spf=sender, **more)


def decide(subject: Report, mode: Mode = Mode.ENFORCE, on: OnSettings = ALL_REJECT) -> Disposition:
    return disposition.decide(subject, PolicySettings(mode=mode, on=on))


AMBIGUOUS = report(dmarc(DmarcResult.PERMERROR, author_domain="", problem="two From fields"))
ASKS_REJECT = report(dmarc(DmarcResult.FAIL, published=Policy.REJECT, requested=Policy.REJECT))
ASKS_QUARANTINE = report(dmarc(DmarcResult.FAIL, published=Policy.QUARANTINE, requested=Policy.QUARANTINE))
ASKS_NOTHING = report(dmarc(DmarcResult.FAIL, published=Policy.NONE), SpfResult.FAIL)
TESTING = report(dmarc(DmarcResult.FAIL, published=Policy.QUARANTINE, testing=True))
PASSED = report(dmarc(DmarcResult.PASS, published=Policy.REJECT), SpfResult.FAIL)
SPF_FAIL = report(dmarc(DmarcResult.NONE), SpfResult.FAIL)
NO_POLICY = report(dmarc(DmarcResult.NONE))
UNDECIDED = report(dmarc(DmarcResult.TEMPERROR, problem="TXT _dmarc.example.com: timeout"))
SPF_UNDECIDED = report(dmarc(DmarcResult.TEMPERROR), SpfResult.TEMPERROR)


@pytest.mark.parametrize(
    ("subject", "rule", "reply"),
    [
        pytest.param(
            AMBIGUOUS,
            "ambiguous_from",
            "550 5.7.1 Email rejected because its From header field does not name one author domain",
            id="no single author domain",
        ),
        pytest.param(
            ASKS_REJECT,
            "dmarc_reject",
            "550 5.7.1 Email rejected per DMARC policy for example.com",
            id="RFC 9989 §7.2 the example, word by word",
        ),
        pytest.param(
            ASKS_QUARANTINE,
            "dmarc_quarantine",
            "550 5.7.1 Email rejected per DMARC policy for example.com",
            id="quarantine, rejected by the operator's wish",
        ),
        pytest.param(
            SPF_FAIL,
            "spf_fail",
            "550 5.7.23 Email rejected because SPF validation failed for mail.example.com",
            id="RFC 7372 §3.2 SPF fail",
        ),
        pytest.param(
            UNDECIDED,
            "temperror",
            "451 4.7.0 Email deferred because DMARC could not be evaluated now for example.com",
            id="temperror",
        ),
        pytest.param(
            SPF_UNDECIDED,
            "temperror",
            "451 4.7.24 Email deferred because DMARC could not be evaluated now for example.com",
            id="RFC 7372 §3.2 SPF error",
        ),
    ],
)
def test_what_enforcement_says(subject: Report, rule: str, reply: str) -> None:
    decided = decide(subject)
    assert decided.rule == rule
    assert f"{decided.code} {decided.enhanced} {decided.text}" == reply
    assert decided.reason


@pytest.mark.parametrize("subject", [ASKS_NOTHING, TESTING, PASSED, NO_POLICY, report(None)])
def test_no_rule_applies(subject: Report) -> None:
    """RFC 9989 §5.4: p=none must not change handling; nor an SPF fail where there is a DMARC policy (§7.1)."""
    for mode in Mode:
        assert decide(subject, mode) == Disposition(action=Action.ACCEPT)


@pytest.mark.parametrize(
    ("subject", "key"),
    [
        (AMBIGUOUS, "ambiguous_from"),
        (ASKS_REJECT, "dmarc_reject"),
        (ASKS_QUARANTINE, "dmarc_quarantine"),
        (SPF_FAIL, "spf_fail"),
        (UNDECIDED, "temperror"),
    ],
)
@pytest.mark.parametrize(
    ("mode", "wanted", "action"),
    [
        (Mode.MARK, Action.ACCEPT, Action.ACCEPT),
        (Mode.MARK, Action.QUARANTINE, Action.ACCEPT),
        (Mode.MARK, Action.REJECT, Action.ACCEPT),
        (Mode.MARK, Action.TEMPFAIL, Action.ACCEPT),
        (Mode.QUARANTINE, Action.ACCEPT, Action.ACCEPT),
        (Mode.QUARANTINE, Action.QUARANTINE, Action.QUARANTINE),
        (Mode.QUARANTINE, Action.REJECT, Action.QUARANTINE),
        (Mode.QUARANTINE, Action.TEMPFAIL, Action.QUARANTINE),  # not refused, and not delivered either
        (Mode.ENFORCE, Action.ACCEPT, Action.ACCEPT),
        (Mode.ENFORCE, Action.QUARANTINE, Action.QUARANTINE),
        (Mode.ENFORCE, Action.REJECT, Action.REJECT),
        (Mode.ENFORCE, Action.TEMPFAIL, Action.TEMPFAIL),
    ],
)
def test_the_mode_limits_what_a_rule_does(
    subject: Report, key: str, mode: Mode, wanted: Action, action: Action
) -> None:
    others = dict.fromkeys(
        ("ambiguous_from", "dmarc_reject", "dmarc_quarantine", "spf_fail", "temperror"), Action.ACCEPT
    )
    decided = decide(subject, mode, OnSettings(**(others | {key: wanted})))
    if key == "temperror" and action is Action.REJECT:  # nothing but the DNS was wrong
        action = Action.TEMPFAIL
    assert decided.action is action
    assert decided.rule == ("" if action is Action.ACCEPT else key)
    assert bool(decided.code) == (action in (Action.REJECT, Action.TEMPFAIL))


def test_the_defaults_do_not_reject_for_p_reject_alone() -> None:
    """RFC 9989 §7.4"""
    assert decide(ASKS_REJECT, on=OnSettings()).action is Action.QUARANTINE
    assert decide(AMBIGUOUS, on=OnSettings()).action is Action.REJECT
    assert decide(UNDECIDED, on=OnSettings()).action is Action.ACCEPT
    assert disposition.decide(ASKS_REJECT, PolicySettings()) == Disposition(action=Action.ACCEPT)


SEALED = ArcVerdict(
    result=ArcResult.PASS,
    instances=1,
    sealers=("list.example",),
    sealed="dmarc=pass",
    sealed_by="list.example",
)
WAITING = ArcVerdict(
    result=ArcResult.FAIL, instances=1, sealers=("list.example",), temporary=True, pending="list.example"
)


@pytest.mark.parametrize(
    ("arc", "override", "rule", "action"),
    [
        pytest.param(SEALED, Action.ACCEPT, "arc_override", Action.ACCEPT, id="a trusted sealer saw it pass"),
        pytest.param(SEALED, Action.QUARANTINE, "arc_override", Action.QUARANTINE, id="to be quarantined all the same"),
        pytest.param(SEALED, None, "dmarc_reject", Action.REJECT, id="no override configured"),
        pytest.param(None, Action.ACCEPT, "dmarc_reject", Action.REJECT, id="ARC not looked at"),
        pytest.param(
            ArcVerdict(result=ArcResult.PASS, instances=1),
            Action.ACCEPT,
            "dmarc_reject",
            Action.REJECT,
            id="sealer not trusted",
        ),
        pytest.param(
            ArcVerdict(result=ArcResult.PASS, sealed="dmarc=fail"),
            Action.ACCEPT,
            "dmarc_reject",
            Action.REJECT,
            id="saw it fail",
        ),
        pytest.param(
            ArcVerdict(result=ArcResult.FAIL, sealed="dmarc=pass"),
            Action.ACCEPT,
            "dmarc_reject",
            Action.REJECT,
            id="broken",
        ),
        pytest.param(
            WAITING,
            Action.ACCEPT,
            "dmarc_reject",
            Action.TEMPFAIL,
            id="the chain that might have saved it met DNS trouble",
        ),
        pytest.param(
            ArcVerdict(result=ArcResult.FAIL, temporary=True),
            Action.ACCEPT,
            "dmarc_reject",
            Action.REJECT,
            id="DNS trouble of a chain that could not have saved it",
        ),
        pytest.param(
            WAITING,
            None,
            "dmarc_reject",
            Action.REJECT,
            id="nothing to be saved",
        ),
    ],
)
def test_arc_override(arc: ArcVerdict, override: Action | None, rule: str, action: Action) -> None:
    on = OnSettings(dmarc_reject=Action.REJECT, arc_override=override)
    subject = report(ASKS_REJECT.dmarc, arc=arc)
    decided = decide(subject, on=on)
    assert (decided.action, decided.rule) == (action, rule)


OVERRIDDEN = (
    "DMARC failed for example.com, whose owner asks for reject, but list.example, a trusted sealer, saw it pass"
)
DEFERRED = (
    "DMARC failed for example.com, whose owner asks for reject, "
    "and the ARC chain of list.example, a trusted sealer, could not be checked now"
)


@pytest.mark.parametrize(
    ("mode", "action", "rule", "reason"),
    [
        (Mode.ENFORCE, Action.REJECT, "arc_override", OVERRIDDEN),
        (Mode.ENFORCE, Action.QUARANTINE, "arc_override", OVERRIDDEN),
        (Mode.ENFORCE, Action.TEMPFAIL, "arc_override", OVERRIDDEN),
        (Mode.QUARANTINE, Action.REJECT, "arc_override", OVERRIDDEN),
        (Mode.QUARANTINE, Action.TEMPFAIL, "arc_override", OVERRIDDEN),
        (Mode.MARK, Action.REJECT, "", ""),  # it would have been accepted anyway: nobody overrode anything
        (Mode.ENFORCE, Action.ACCEPT, "", ""),
    ],
)
def test_who_let_a_message_through_is_told(mode: Mode, action: Action, rule: str, reason: str) -> None:
    on = OnSettings(dmarc_reject=action, arc_override=Action.ACCEPT)
    decided = decide(report(ASKS_REJECT.dmarc, arc=SEALED), mode, on)
    assert decided == Disposition(action=Action.ACCEPT, rule=rule, reason=reason)


@pytest.mark.parametrize(
    ("arc", "mode", "expected"),
    [
        (SEALED, Mode.ENFORCE, f"{OVERRIDDEN}: [policy.on] arc_override = accept."),
        (
            WAITING,
            Mode.ENFORCE,
            f"{DEFERRED}: [policy.on] dmarc_reject = reject. The message is deferred, not rejected.",
        ),
        (
            WAITING,
            Mode.QUARANTINE,
            f"{DEFERRED}: [policy.on] dmarc_reject = reject. "
            "Mode quarantine limits that: the message is quarantined, not rejected.",
        ),
    ],
)
def test_explanations_of_a_chain(arc: ArcVerdict, mode: Mode, expected: str) -> None:
    policy = PolicySettings(mode=mode, on=OnSettings(dmarc_reject=Action.REJECT, arc_override=Action.ACCEPT))
    assert disposition.explain(report(ASKS_REJECT.dmarc, arc=arc), policy) == expected


@pytest.mark.parametrize("result", list(AuthResult))
@pytest.mark.parametrize("verdict", [None, AMBIGUOUS.dmarc, ASKS_REJECT.dmarc, UNDECIDED.dmarc])
def test_exempt_clients_are_always_accepted(result: AuthResult, verdict: DmarcVerdict | None) -> None:
    subject = report(verdict, SpfResult.FAIL, auth=AuthVerdict(result=result))
    assert decide(subject) == Disposition(action=Action.ACCEPT)
    assert "trusted" in disposition.explain(subject, PolicySettings())


@pytest.mark.parametrize(
    ("subject", "mode", "expected"),
    [
        (
            ASKS_REJECT,
            Mode.MARK,
            "DMARC failed for example.com, whose owner asks for reject: [policy.on] dmarc_reject = reject. "
            "Mode mark limits that: the message is accepted, not rejected.",
        ),
        (
            ASKS_REJECT,
            Mode.ENFORCE,
            "DMARC failed for example.com, whose owner asks for reject: [policy.on] dmarc_reject = reject.",
        ),
        (AMBIGUOUS, Mode.ENFORCE, "No single author domain: two From fields: [policy.on] ambiguous_from = reject."),
        (
            UNDECIDED,
            Mode.QUARANTINE,
            "DMARC could not be evaluated for example.com: TXT _dmarc.example.com: timeout: "
            "[policy.on] temperror = tempfail. Mode quarantine limits that: the message is quarantined, not deferred.",
        ),
        (ASKS_NOTHING, Mode.ENFORCE, "DMARC failed for example.com, but its owner asks for nothing to be done."),
        (
            TESTING,
            Mode.ENFORCE,
            "DMARC failed for example.com, but its owner asks for nothing to be done (quarantine is only tested, t=y).",
        ),
        (NO_POLICY, Mode.ENFORCE, "No DMARC policy applies to example.com: no rule applies."),
        (PASSED, Mode.ENFORCE, "DMARC passed for example.com: no rule applies."),
        (report(None), Mode.ENFORCE, "DMARC was not evaluated: no rule applies."),
    ],
)
def test_explanations(subject: Report, mode: Mode, expected: str) -> None:
    assert disposition.explain(subject, PolicySettings(mode=mode, on=ALL_REJECT)) == expected


# ---- properties over any report ----

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
ACTIONS = st.sampled_from(list(Action))
DMARC = st.builds(
    DmarcVerdict,
    result=st.sampled_from(list(DmarcResult)),
    author_domain=TEXT,
    published=st.sampled_from([None, *Policy]),
    requested=st.sampled_from(list(Policy)),
    testing=st.booleans(),
    problem=TEXT,
)
ARC = st.builds(
    ArcVerdict,
    result=st.sampled_from(list(ArcResult)),
    sealed=st.sampled_from(["", "dmarc=pass", "dmarc=fail"]),
    sealed_by=TEXT,
    temporary=st.booleans(),
    pending=TEXT,
)
SPF = st.builds(
    SpfVerdict, result=st.sampled_from(list(SpfResult)), identity=st.just(SpfIdentity.MAILFROM), domain=TEXT
)
DKIM = st.builds(DkimVerdict, result=st.sampled_from(list(DkimResult)), domain=TEXT)
REPORTS = st.builds(
    Report,
    dmarc=st.none() | DMARC,
    spf=st.none() | SPF,
    dkim=st.lists(DKIM, max_size=2).map(tuple),
    arc=st.none() | ARC,
    auth=st.none() | st.builds(AuthVerdict, result=st.sampled_from(list(AuthResult))),
)
POLICIES = st.builds(
    PolicySettings,
    mode=st.sampled_from(list(Mode)),
    on=st.builds(
        OnSettings,
        ambiguous_from=ACTIONS,
        dmarc_reject=ACTIONS,
        dmarc_quarantine=ACTIONS,
        spf_fail=ACTIONS,
        temperror=ACTIONS,
        arc_override=st.none() | ACTIONS,
    ),
)


@given(REPORTS, POLICIES)
def test_any_report_and_policy(subject: Report, policy: PolicySettings) -> None:
    decided = disposition.decide(subject, policy)
    verdict = subject.dmarc
    if verdict is not None and verdict.result is DmarcResult.TEMPERROR:
        assert decided.action is not Action.REJECT
    if policy.mode is not Mode.ENFORCE:
        assert decided.action in (Action.ACCEPT, Action.QUARANTINE)
    if policy.mode is Mode.MARK or subject.auth is not None or verdict is None or verdict.result is DmarcResult.PASS:
        assert decided == Disposition(action=Action.ACCEPT)
    if decided.action is Action.ACCEPT:  # without a rule, unless it is an override that let the message through
        assert decided.rule in ("", "arc_override")
    classes = {Action.REJECT: ("550", "5."), Action.TEMPFAIL: ("451", "4.")}
    assert (decided.code, decided.enhanced[:2]) == classes.get(decided.action, ("", ""))
    assert bool(decided.rule) == bool(decided.reason)
    assert decided.rule or decided.action is Action.ACCEPT
    assert re.fullmatch(r"[ -~]{0,400}", decided.text)  # one line of ASCII, whatever the domains hold
    assert decided.reason.isprintable()
    assert disposition.explain(subject, policy).isprintable()


# ---- every finding, chain, mode and action there is ----

FAILED = (AMBIGUOUS, ASKS_REJECT, ASKS_QUARANTINE, SPF_FAIL)
EVERY = (*FAILED, UNDECIDED, SPF_UNDECIDED, ASKS_NOTHING, TESTING, PASSED, NO_POLICY)
STRANGERS = [  # what a chain without a trusted sealer on top can come to
    ArcVerdict(result=result, temporary=temporary, instances=instances, sealers=("stranger.example",) * instances)
    for result, temporary in [
        (ArcResult.NONE, False),
        (ArcResult.PASS, False),
        *((ArcResult.FAIL, t) for t in (False, True)),
    ]
    for instances in (0, 1, 2)
]
TRUSTED = [SEALED, WAITING, replace(SEALED, sealed="dmarc=fail"), replace(SEALED, result=ArcResult.FAIL)]
OVERRIDES = [None, *Action]


def every_on(action: Action, override: Action | None) -> OnSettings:
    return OnSettings(
        ambiguous_from=action,
        dmarc_reject=action,
        dmarc_quarantine=action,
        spf_fail=action,
        temperror=action,
        arc_override=override,
    )


def combinations(chains: Any) -> Any:
    return itertools.product(EVERY, chains, Action, OVERRIDES)


def test_no_softer_mode_delivers_what_enforcement_would_not() -> None:
    """Held, refused or deferred, for whatever reason: held in quarantine mode."""
    for subject, chain, action, override in combinations([None, *STRANGERS, *TRUSTED]):
        on, judged = every_on(action, override), replace(subject, arc=chain)
        enforced = decide(judged, Mode.ENFORCE, on)
        held = decide(judged, Mode.QUARANTINE, on)
        assert held.action in (Action.ACCEPT, Action.QUARANTINE)
        assert (held.action is Action.ACCEPT) == (enforced.action is Action.ACCEPT), (judged, on)
        assert held.rule == enforced.rule
        assert decide(judged, Mode.MARK, on) == Disposition(action=Action.ACCEPT)


def test_a_chain_without_a_trusted_sealer_on_top_changes_nothing() -> None:
    for subject, chain, action, override in combinations(STRANGERS):
        for mode in Mode:
            on = every_on(action, override)
            assert decide(replace(subject, arc=chain), mode, on) == decide(subject, mode, on)


def test_waiting_for_a_trusted_sealer_never_ends_in_acceptance() -> None:
    """Only `enforce` defers what it would have refused; all else is as if there were no chain."""
    for subject, _, action, override in combinations([WAITING]):
        on = every_on(action, override)
        for mode in Mode:
            waited, without = decide(replace(subject, arc=WAITING), mode, on).action, decide(subject, mode, on).action
            refused = subject in (ASKS_REJECT, ASKS_QUARANTINE) and without is Action.REJECT and override is not None
            assert waited is (Action.TEMPFAIL if refused else without)


def test_what_is_explained_is_what_is_done() -> None:
    done = {"accept": "accepted", "quarantine": "quarantined", "reject": "rejected", "tempfail": "deferred"}
    for subject, chain, action, override in combinations([None, STRANGERS[-1], *TRUSTED]):
        on, judged = every_on(action, override), replace(subject, arc=chain)
        for mode in Mode:
            decided = decide(judged, mode, on)
            said = disposition.explain(judged, PolicySettings(mode=mode, on=on))
            _, ruled, rest = said.partition(": [policy.on] ")
            if not ruled:
                assert decided == Disposition(action=Action.ACCEPT)
                continue
            rule, _, rest = rest.partition(" = ")
            wanted, _, limited = rest.partition(".")
            assert decided.rule in ("", rule)
            if limited:
                assert f"message is {done[decided.action]}, not {done[wanted]}." in limited
            else:
                assert decided.action == wanted


@given(REPORTS, POLICIES)
def test_any_report_is_held_where_it_would_be_refused(subject: Report, policy: PolicySettings) -> None:
    enforced = disposition.decide(subject, replace(policy, mode=Mode.ENFORCE))
    held = disposition.decide(subject, replace(policy, mode=Mode.QUARANTINE))
    assert (held.action is Action.ACCEPT) == (enforced.action is Action.ACCEPT)


@given(REPORTS, POLICIES)
def test_any_chain_that_nobody_trusted_sealed_is_no_chain(subject: Report, policy: PolicySettings) -> None:
    if subject.arc is not None:
        stranger = replace(subject.arc, sealed="", sealed_by="", pending="")
        judged, alone = replace(subject, arc=stranger), replace(subject, arc=None)
        assert disposition.decide(judged, policy) == disposition.decide(alone, policy)
