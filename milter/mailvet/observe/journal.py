"""journal – one structured line for each message: what it was, what was found out, what was done, what it cost.

`record(...)` gives plain key-value pairs in a fixed order; `as_text` and `as_json` word them. Everything
from outside goes through the one encoder; no local part appears unless it was asked for.

Raises     nothing
Not here   where the line goes (observe.logs)
"""

import json
import re
from collections.abc import Callable, Sequence

from mailvet.message import Envelope
from mailvet.outcome import Delete, Outcome
from mailvet.syntax import ip
from mailvet.syntax.domain import to_alabel
from mailvet.text import domains_only, loggable
from mailvet.verdict import AuthResult, DkimVerdict, Report

_RETURNED = "a field of ours was removed from mail of a trusted network: see docs/postfix.md, mail that comes back"
Line = dict[str, str | int | float | list[str]]
_IPV6 = re.compile("IPv6:", re.IGNORECASE)  # RFC 5321 §4.1.3
_AT = frozenset("@＠﹫")  # to some readers the wide and the small one are one as well


def record(
    outcome: Outcome,
    envelope: Envelope,
    queue_id: str,
    milliseconds: float,
    questions: int,
    *,
    local_parts: bool,
    size: int,
) -> Line:
    """The pairs of one message. `milliseconds`: our own time at end of message; `questions`: asked of the DNS."""
    report, disposition = outcome.report, outcome.disposition
    sender, helo = envelope.mail_from, envelope.helo
    shown = loggable if local_parts else _without_local_parts
    line: Line = {
        "event": "message",
        "id": loggable(queue_id),
        "client": loggable(report.remote_ip or envelope.address),
        "helo": loggable(helo if local_parts else _host(helo)),
        "from": loggable(sender if local_parts else _domain(sender)),
        "action": disposition.action.value,
    }
    if disposition.rule:
        line["rule"] = disposition.rule
        line["reason"] = shown(disposition.reason)
    line.update(_verdicts(report, shown))
    removed = sum(isinstance(edit, Delete) for edit in outcome.edits)
    if removed:
        line["removed"] = removed
    notes = _notes(report)
    if removed and report.auth is not None and report.auth.result is AuthResult.NONE:
        notes.append(_RETURNED)
    if notes:
        line["notes"] = [shown(note) for note in notes]
    line["bytes"] = size
    line["questions"] = questions
    line["ms"] = round(milliseconds, 2)
    return line


def _domain(sender: str) -> str:
    """What follows the last "@"; a path without one, or that ends in a quoted string, is all local part."""
    _, at, domain = sender.translate(_PLAIN_AT).rpartition("@")
    routed = ":" in domain and not domain.startswith("[")  # <@relay.example:ann>
    return domain if at and '"' not in domain and not routed else ""


def _host(helo: str) -> str:
    """A domain or an address literal as it is, anything else as "?": some clients, and those who want it in a log, say
    HELO with an address, in one spelling or another. Where its domain can be told, that is logged."""
    if not _AT.isdisjoint(helo):
        helo = _domain(helo).removesuffix(">")
    literal = helo.removeprefix("[").removesuffix("]")
    known = to_alabel(helo.removesuffix(".")) or (ip.parse(_IPV6.sub("", literal)) and "%" not in literal)
    return helo if not helo or known else "?"


def _without_local_parts(text: str) -> str:
    return loggable(domains_only(text[:1000]))  # before it is cut, or half a local part could be left


def _verdicts(report: Report, shown: Callable[[str], str]) -> Line:
    line: Line = {}
    problems = []
    if report.auth is not None:
        line["auth"] = f"{report.auth.result} {loggable(report.auth.domain)}".rstrip()
    for name, verdict in (
        ("iprev", report.iprev),
        ("helo_spf", report.spf_helo),
        ("spf", report.spf),
        ("arc", report.arc),
        ("dmarc", report.dmarc),
    ):
        if verdict is not None:
            line[name] = verdict.result.value
            if verdict.problem:
                problems.append(f"{name}: {shown(verdict.problem)}")
    if report.dkim:
        line["dkim"] = [_signature(verdict) for verdict in report.dkim]
        problems += [f"dkim: {shown(verdict.problem)}" for verdict in report.dkim if verdict.problem]
    if report.dmarc is not None and report.dmarc.author_domain:
        line["author"] = loggable(report.dmarc.author_domain)
        if report.dmarc.published is not None:
            line["policy"] = report.dmarc.published.value
    if report.breach is not None:
        line["breach"] = report.breach.result.value
    if problems:
        line["problems"] = problems
    return line


def _signature(verdict: DkimVerdict) -> str:
    return f"{verdict.result}:{loggable(verdict.domain)}" if verdict.domain else verdict.result.value


def _notes(report: Report) -> list[str]:
    notes = list(report.anomalies)
    for verdict in (report.spf, *report.dkim, report.arc, report.dmarc):
        if verdict is not None:
            notes += verdict.notes
    return notes


def as_json(line: Line) -> str:
    return json.dumps(line, ensure_ascii=True)


def as_text(line: Line) -> str:
    """key=value pairs, quoted where needed; lists joined by "; "."""
    return " ".join(f"{key}={_word(value)}" for key, value in line.items())


def _word(value: str | int | float | Sequence[str]) -> str:
    if isinstance(value, int | float):
        return str(value)
    text = value if isinstance(value, str) else "; ".join(value)
    return text if text and not set(text) & _QUOTED else '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


_PLAIN_AT = dict.fromkeys(map(ord, _AT), "@")
_QUOTED = frozenset(' "=\\')
