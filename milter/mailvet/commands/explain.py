"""explain – tell a person about a judged message: what was asked, found, compared, decided and changed.

Raises     nothing
Not here   finding anything out (check)
"""

from collections.abc import Callable, Iterator
from typing import Any, Final

from mailvet.commands.check import Result
from mailvet.outcome import Delete
from mailvet.policy import disposition
from mailvet.ports import Answer, Question, Status
from mailvet.text import loggable
from mailvet.verdict import SEVERAL, ArcVerdict, DkimVerdict, DmarcVerdict, IprevVerdict, SpfVerdict, Verdict

_NAMES: Final = {"spf_helo": "SPF HELO", "spf": "SPF MAIL", "dkim": "DKIM", "arc": "ARC", "dmarc": "DMARC"}
_SECURE: Final = {True: " [DNSSEC]", False: " [no DNSSEC]", None: ""}


def text(result: Result) -> str:
    """Return the whole explanation, sections separated by blank lines."""
    sections = [_message(result), _questions(result), _verdicts(result), _effect(result)]
    return "\n\n".join("\n".join(section) for section in sections) + "\n"


def _message(result: Result) -> Iterator[str]:
    envelope, message = result.envelope, result.message
    yield f"Message    {len(message.fields)} header fields, {len(message.body)} octets of body"
    yield f"Client     {loggable(envelope.address) or 'unknown'}, HELO {loggable(envelope.helo) or 'none'}"
    yield f"MAIL FROM  <{loggable(envelope.mail_from.text)}>"
    for note in result.assumed:
        yield f"           ({loggable(note)})"


def _questions(result: Result) -> Iterator[str]:
    yield f"DNS        {len(result.case.questions)} question{'' if len(result.case.questions) == 1 else 's'}"
    for question in result.case.questions:
        when = "cached" if question.cached else f"{question.milliseconds:.1f} ms"
        unused = "" if question.wanted else "  (asked ahead, not needed)"
        yield f"  {when:>9}  {question.kind:<4} {loggable(question.name)}{unused}"
        yield f"             {_answer(question)}"


def _answer(question: Question) -> str:
    answer = question.answer
    if not isinstance(answer, Answer):
        return f"could not find out: {answer}"
    if answer.status is not Status.FOUND:
        words = "no such name" if answer.status is Status.NXDOMAIN else "no such record"
        return words + _SECURE[answer.secure]
    return ", ".join(map(_record, answer.records)) + _SECURE[answer.secure]


def _record(record: bytes | str | tuple[int, str]) -> str:
    if isinstance(record, bytes):
        return f'"{loggable(record)}"'
    return loggable(record if isinstance(record, str) else f"{record[0]} {record[1]}")


def _verdicts(result: Result) -> Iterator[str]:
    report = result.case.report
    if report.auth is not None:
        yield "Exempt     a trusted network or an authenticated client: nothing was checked"
        return
    for name, verdicts in report.methods():
        word = WORDS.get(name, _plain)
        for number, verdict in enumerate(verdicts, 1):
            yield from word(
                f"{_NAMES.get(name, name)} {number}" if name in SEVERAL else _NAMES.get(name, name), verdict
            )
    if report.breach is not None:
        yield _line("breach", report.breach.result, "", report.breach.problem)
    if report.list_id:
        yield f"List-Id    {loggable(report.list_id)}"
    for anomaly in report.anomalies:
        yield f"Anomaly    {loggable(anomaly)}"


def _plain(name: str, verdict: Verdict) -> Iterator[str]:
    yield _line(name, verdict.result, loggable(getattr(verdict, "domain", "")), verdict.problem)
    yield from _noted(verdict.notes)


def _iprev(name: str, verdict: IprevVerdict) -> Iterator[str]:
    yield _line(name, verdict.result, loggable(verdict.name), verdict.problem)


def _spf(name: str, verdict: SpfVerdict) -> Iterator[str]:
    matched = f"matched {loggable(verdict.mechanism)}" if verdict.mechanism else ""
    yield _line(name, verdict.result, f"{loggable(verdict.domain)} {matched}".strip(), verdict.problem)
    yield from _noted(verdict.notes)


def _dkim(name: str, verdict: DkimVerdict) -> Iterator[str]:
    facts = [loggable(part) for part in (f"d={verdict.domain}", f"s={verdict.selector}", verdict.algorithm) if part]
    if verdict.key_bits:
        facts.append(f"{verdict.key_bits}-bit key")
    yield _line(name, verdict.result, ", ".join(facts) if verdict.domain else "", verdict.problem)
    yield from _noted(verdict.notes)


def _arc(name: str, verdict: ArcVerdict) -> Iterator[str]:
    facts = []
    if verdict.instances:
        sealers = ", ".join(map(loggable, verdict.sealers)) or "nobody readable"
        facts.append(f"{verdict.instances} set{'' if verdict.instances == 1 else 's'}, sealed by {sealers}")
    if verdict.oldest_pass is not None:
        facts.append(f"oldest message signature that still holds: {verdict.oldest_pass or 'all do'}")
    yield _line(name, verdict.result, "; ".join(facts), verdict.problem)
    if verdict.sealed:
        yield f"             {loggable(verdict.sealed_by)}, a trusted sealer, saw {loggable(verdict.sealed)}"
    yield from _noted(verdict.notes)


def _dmarc(name: str, verdict: DmarcVerdict) -> Iterator[str]:
    facts = []
    if verdict.author_domain:
        facts.append(f"author domain {verdict.author_domain}")
    if verdict.organizational_domain:
        facts.append(f"organizational domain {verdict.organizational_domain}")
    if verdict.published is not None:
        test = ", t=y" if verdict.testing else ""
        facts.append(f"policy {verdict.published}{test} published at {verdict.policy_domain}")
    yield _line(name, verdict.result, "; ".join(map(loggable, facts)), verdict.problem)
    yield from (f"             {loggable(line)}" for line in verdict.compared)
    yield from _noted(verdict.notes)


WORDS: Final[dict[str, Callable[[str, Any], Iterator[str]]]] = {
    "iprev": _iprev,
    "spf_helo": _spf,
    "spf": _spf,
    "dkim": _dkim,
    "arc": _arc,
    "dmarc": _dmarc,
}
"""How the facts behind a method's verdict are told; any other method says its result, problem and notes."""


def _line(name: str, result: str, facts: str, problem: str) -> str:
    return f"{name:<10} {result:<9} {facts}{' — ' if facts and problem else ''}{loggable(problem)}".rstrip()


def _noted(notes: tuple[str, ...]) -> Iterator[str]:
    yield from (f"             note: {loggable(note)}" for note in notes)


def _effect(result: Result) -> Iterator[str]:
    case = result.case
    for edit in case.edits:
        if isinstance(edit, Delete):
            yield f"Removed    {loggable(edit.name)} number {edit.index}: it claims to be ours, or cannot be parsed"
        else:
            yield f"Added      {edit.name}:{edit.value}"
    decided = case.disposition
    rule = f" ({decided.rule})" if decided.rule else ""
    yield f"Policy     mode {result.settings.policy.mode}: {decided.action}{rule}"
    flooded = decided.rule == disposition.FLOODED
    why = decided.reason if flooded else disposition.explain(case.report, result.settings.policy)
    yield f"           {why}"
    if decided.code:
        yield f"           {decided.code} {decided.enhanced} {decided.text}"
    yield f"Time       {result.milliseconds:.1f} ms"
