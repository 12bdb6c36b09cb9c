"""RFC 7208 by the openspf suite, through our entrance and our DNS."""

import time

import pytest

from lab.openspf import Case, cases
from mailvet.checks.spf.check import Checker
from mailvet.checks.spf.pyspf import evaluate
from mailvet.checks.spf.terms import ahead
from mailvet.syntax import reverse_path

CASES = tuple(cases())


def test_the_suite_is_complete() -> None:
    assert len(CASES) == 203


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_openspf(case: Case) -> None:
    checker = Checker(evaluate, time.monotonic)
    verdict = checker.check_mail_from(case.client, case.helo, reverse_path.parse(case.mail_from), case.zone)
    assert verdict.result in case.results
    assert "internal error" not in verdict.problem
    again = checker.check_mail_from(case.client, case.helo, reverse_path.parse(case.mail_from), case.zone)
    assert again == verdict


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_asking_ahead_takes_any_record(case: Case) -> None:
    ahead(case.mail_from.rpartition("@")[2] or case.helo, case.client, case.zone)
    assert case.zone.asked <= 21
