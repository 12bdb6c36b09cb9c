"""verdict: what every method's verdict has, so that whatever shows verdicts can show the next one too."""

import dataclasses
import typing

import pytest

from lab.engines import engine
from lab.reports import REPORT
from lab.settings import EVERYTHING
from lab.zone import Zone
from mailvet.message import Envelope
from mailvet.outcome import Action
from mailvet.policy.disposition import decide
from mailvet.session.last_resort import undecided
from mailvet.session.transaction import Transaction
from mailvet.settings import LimitSettings, Mode, PolicySettings
from mailvet.verdict import METHODS, SEVERAL, Report


def verdict_class(method: str) -> type:
    field = next(field for field in dataclasses.fields(Report) if field.name == method)
    inner: type = typing.get_args(field.type)[0]
    return inner


@pytest.mark.parametrize("method", METHODS)
def test_a_verdict_has_result_problem_and_notes(method: str) -> None:
    names = {field.name for field in dataclasses.fields(verdict_class(method))}
    assert names >= {"result", "problem", "notes"}
    assert verdict_class(method).__dict__["method"]


@pytest.mark.parametrize("method", sorted({*SEVERAL, "auth"}))
def test_of_several_verdicts_each_says_what_domain_it_is_about(method: str) -> None:
    assert "domain" in {field.name for field in dataclasses.fields(verdict_class(method))}


def test_a_report_lists_its_methods_in_their_order() -> None:
    assert METHODS[:1] == ("auth",)  # it stands alone
    assert [name for name, _ in REPORT.methods()] == [name for name in METHODS if getattr(REPORT, name)]


def test_a_report_without_verdicts_has_a_last_resort_for_each_method() -> None:
    transaction = Transaction(Envelope(), False, LimitSettings(), Zone({}))
    report = undecided(transaction, engine(EVERYTHING, {}))
    assert {name for name, _ in report.methods()} == {*METHODS} - {"auth"}  # nothing is checked for `auth`
    assert decide(report, PolicySettings(mode=Mode.ENFORCE)).action is Action.ACCEPT
