"""decision – what is done with a message, as a value: the disposition, and the edits of its header.

Raises     nothing but by a bug
Not here   finding anything out (verify); the rules (policy.disposition) and the order of edits (header.edits)
"""

from typing import Final, NamedTuple

from mailvet.checks.breach import eligibility
from mailvet.header import auth_results, edits
from mailvet.header.edits import Removals
from mailvet.outcome import Disposition, Edit, Insert
from mailvet.policy import disposition
from mailvet.ports import ReportBug
from mailvet.settings import Settings
from mailvet.verdict import BreachResult, Report

RESULTS_FIELD: Final = "Authentication-Results"
BREACH_FIELD: Final = "Sender-Breach-Info"


class Decision(NamedTuple):
    """A report, what is done with its message, and the edits of the header."""

    report: Report
    disposition: Disposition
    edits: tuple[Edit, ...]  # in the order that is safe to apply


def decide(report: Report, removals: Removals, settings: Settings, report_bug: ReportBug) -> Decision:
    """Return what [policy] makes of the report, with the edits that remove forged fields and insert our own."""
    decided = disposition.decide(report, settings.policy)
    if removals.flooded:
        decided = disposition.flooded(settings.limits.removals)
    inserts = [Insert(0, RESULTS_FIELD, auth_results.format_value(report, settings.authserv_id))]
    found = report.breach
    if found is not None and found.result is BreachResult.LISTED:
        try:
            inserts.insert(0, Insert(0, BREACH_FIELD, eligibility.format_value(found, settings.authserv_id)))
        except Exception as e:  # it is advice: the message goes without
            report_bug("breach", e)
    return Decision(report, decided, edits.plan(removals.deletes, tuple(inserts)))


def deferral(report: Report, where: str, bugs: int) -> Decision:
    """Return the decision to defer a message because of a bug in the step `where`; nothing is changed in it."""
    return Decision(report, disposition.broken(where, bugs), ())
