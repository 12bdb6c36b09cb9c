"""journal – make the log line of one message: who sent it, what was found out, what was done, what it cost.

`record` returns its pairs in a fixed order; `as_text` and `as_json` return them as a line. Everything from outside goes
through `text.loggable`; no local part appears unless `log.local_parts` is set.

Raises     nothing
Not here   where the line goes (observe.logs)
"""

import json
from collections.abc import Callable, Sequence
from typing import Final

from mailvet.case import Case
from mailvet.text import domains_only, loggable
from mailvet.verdict import SEVERAL, AuthResult, Report, Verdict

_RETURNED: Final = (
    "a field of ours was removed from mail of a trusted network: see docs/postfix.md, mail that comes back"
)
_KEYS: Final = {"spf_helo": "helo_spf"}  # of the line, where it is not the method's name in the report
_QUOTED: Final = frozenset(' "=\\')
Line = dict[str, str | int | float | list[str]]


def record(case: Case, *, local_parts: bool) -> Line:
    """Return the pairs of one message's log line. `local_parts`: reasons and problems may have local parts."""
    report, disposition = case.report, case.disposition
    shown = loggable if local_parts else _without_local_parts
    line: Line = {
        "event": "message",
        "id": loggable(case.queue_id),
        "client": loggable(case.client),
        "helo": loggable(case.helo),
        "from": loggable(case.mail_from),
        "action": disposition.action.value,
    }
    if disposition.rule:
        line["rule"] = disposition.rule
        line["reason"] = shown(disposition.reason)
    notes = _verdicts(line, report, shown)
    removed = case.removed
    if removed:
        line["removed"] = removed
    if removed and report.auth is not None and report.auth.result is AuthResult.NONE:
        notes.append(_RETURNED)
    if notes:
        line["notes"] = [shown(note) for note in notes]
    line["bytes"] = case.size
    line["questions"] = case.asked
    line["ms"] = round(case.milliseconds, 2)
    return line


def _without_local_parts(text: str) -> str:
    return loggable(domains_only(text[:1000]))  # before it is cut, or half a local part could be left


def _verdicts(line: Line, report: Report, shown: Callable[[str], str]) -> list[str]:
    """Add the results to the line: a word for each method, then a list for each with several. Return the notes."""
    lists: Line = {}
    problems: list[str] = []
    more: list[str] = []
    notes = list(report.anomalies)
    for name, verdicts in report.methods():
        key = _KEYS.get(name, name)
        several = name in SEVERAL
        for verdict in verdicts:
            if verdict.problem:
                (more if several else problems).append(f"{key}: {shown(verdict.problem)}")
            if verdict.notes and name != "spf_helo":  # nothing rests on it; `mailvet check` shows its notes
                notes += verdict.notes
        if several:
            lists[key] = [_with_domain(verdict, ":") for verdict in verdicts]
        else:
            line[key] = _with_domain(verdicts[0], " ") if name == "auth" else verdicts[0].result.value
    line.update(lists)
    if report.dmarc is not None and report.dmarc.author_domain:
        line["author"] = loggable(report.dmarc.author_domain)
        if report.dmarc.published is not None:
            line["policy"] = report.dmarc.published.value
    if report.breach is not None:
        line["breach"] = report.breach.result.value
    if problems or more:
        line["problems"] = problems + more
    return notes


def _with_domain(verdict: Verdict, separator: str) -> str:
    domain = loggable(getattr(verdict, "domain", ""))
    return f"{verdict.result}{separator}{domain}" if domain else verdict.result.value


def as_json(line: Line) -> str:
    return json.dumps(line, ensure_ascii=True)


def as_text(line: Line) -> str:
    """Return the line as key=value pairs, quoted where needed, lists joined by "; "."""
    return " ".join(f"{key}={_word(value)}" for key, value in line.items())


def _word(value: str | int | float | Sequence[str]) -> str:
    if isinstance(value, int | float):
        return str(value)
    text = value if isinstance(value, str) else "; ".join(value)
    return text if text and not set(text) & _QUOTED else '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
