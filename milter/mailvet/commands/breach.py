"""breach – `mailvet breach ADDRESS`: one look-up, with everything that leaves the host and what comes back.

Raises     nothing; a failure stands in `LookUp.problem`
Not here   the daemon's look-ups (breach_service.lookup): this one uses neither cache nor pace
"""

import asyncio
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path

from mailvet.breach_service import hibp
from mailvet.breach_service.own_list import OwnList
from mailvet.breach_service.runtime import Runtime
from mailvet.checks.breach import counting
from mailvet.checks.breach.eligibility import digest_of, format_value
from mailvet.checks.breach.hash_range import split
from mailvet.checks.breach.source import Failed
from mailvet.checks.breach.wire import Question, Urgency
from mailvet.settings import BreachSettings, Settings
from mailvet.values import Problem
from mailvet.verdict import BreachResult, BreachVerdict


@dataclass(slots=True, kw_only=True)
class LookUp:
    """What happened in a look-up, filled in step by step."""

    status: int = 2  # of the command: 0 there is a verdict, 1 there is none, 2 nothing could be asked
    prefix: str = ""  # of the SHA-1: all of the address that may leave
    suffix: str = ""
    file: str = ""  # the operator's own list, if it was looked up there
    leaves: tuple[str, ...] = ()  # the request, line by line
    comes_back: str = ""
    breaches: list[tuple[str, str]] = field(default_factory=list)  # name, and why it counts or not
    problem: str = ""
    result: BreachResult = BreachResult.UNKNOWN
    source: str = ""
    header: str = ""  # the header field that a message from this sender gets, if any


def look_up(address: str, settings: Settings) -> LookUp:
    """Look the address up now."""
    done = LookUp()
    digest = digest_of(address)
    if digest is None:
        done.problem = "not an address that is asked about: it has to be plain ASCII, with no internationalised domain"
        return done
    done.prefix, done.suffix = split(digest)
    if settings.breach.source == "file":
        found = asyncio.run(_in_file(digest, settings.breach, done))
    else:
        source = hibp.from_settings(settings.breach)
        if isinstance(source, Problem):
            done.problem = f"nothing is sent: {source.text}"
            return done
        done.leaves = tuple(source.describe(done.prefix))
        found = asyncio.run(_from_hibp(source, settings.breach, done))
    done.status = 1 if found is None else 0
    if found is not None:
        done.result, done.source = found.result, found.source
    if found is not None and found.result is BreachResult.LISTED:
        done.header = f"Sender-Breach-Info:{format_value(found, settings.authserv_id)}"
    return done


def as_text(done: LookUp) -> str:
    """Return the look-up as lines for a person."""
    return "".join(f"{label:<11} {line}\n" for label, line in _lines(done))


def as_json(done: LookUp) -> str:
    """Return the look-up as JSON, in the order of the text. `leaves` is empty if nothing was sent."""
    found = {
        "result": done.result,
        "sha1": {"prefix": done.prefix, "rest": done.suffix},
        "leaves": done.leaves,
        "comes_back": done.comes_back,
        "breaches": [{"name": name, "counts": why} for name, why in done.breaches],
        "problem": done.problem,
        "header": done.header,
    }
    return json.dumps(found, indent=2) + "\n"


def _lines(done: LookUp) -> Iterator[tuple[str, str]]:
    if done.prefix:
        yield "SHA-1", f"{done.prefix} {done.suffix}  (of the address, trimmed and in lower case)"
    if done.file:
        yield "Leaves", f"nothing: it is looked for in {done.file}"
    elif done.leaves:
        yield "Leaves", f"{done.prefix}, and nothing else of the address:"
    for line in done.leaves:
        yield "", line
    if done.comes_back:
        yield "Comes back", done.comes_back
    for name, why in done.breaches:
        yield "Breach", f"{name}: {why}"
    if done.problem:
        yield "Problem", done.problem
    if done.status < 2:
        yield "Result", "unknown: no field is written" if done.status else done.result
    if done.header:
        yield "Field", done.header
    if done.source == hibp.SOURCE:
        yield "Source", "Have I Been Pwned, https://haveibeenpwned.com, CC BY 4.0"


async def _in_file(digest: bytes, settings: BreachSettings, done: LookUp) -> BreachVerdict | None:
    done.file = settings.file

    def say(problem: str) -> None:
        done.problem = problem

    own_list = OwnList(Path(settings.file), lambda: None, Runtime(say=say))
    await own_list.reload()
    reply = await own_list.answer(Question(Urgency.NOW, digest))
    return reply.verdict if reply.verdict.result is not BreachResult.UNKNOWN else None


async def _from_hibp(source: hibp.Hibp, settings: BreachSettings, done: LookUp) -> BreachVerdict | None:
    try:
        found = await source.range(done.prefix, lambda: (done.suffix,))
        if isinstance(found, Failed):
            done.comes_back = found.what
            return None
        names = found.get(done.suffix, ())
        done.comes_back = f"the range; the rest of the SHA-1 is {'' if done.suffix in found else 'not '}in it"
        body = await source.breaches()
    finally:
        await source.close()
    wanted, today = counting.filter_of(settings), datetime.now(UTC).date()
    known = Problem(body.what) if isinstance(body, Failed) else counting.parse_breach_list(body, wanted)
    if isinstance(known, Problem):
        done.problem = f"the list of breaches: {known.text}"
        return None
    done.breaches.extend(_reasons(names, known, today - wanted.max_age))
    return counting.judge(names, known, wanted, today, hibp.SOURCE)


def _reasons(names: tuple[str, ...], known: counting.BreachList, oldest: date) -> Iterator[tuple[str, str]]:
    """Yield each breach with the reason why it counts or not.

    For the operator alone: a breach's name can tell much about a person, and is never written into a message.
    """
    for name in sorted(names):
        breach = known.get(name)
        if breach is None:
            why = "does not count (breach.data_classes, breach.also)" if name in known else "is not in the list"
        elif breach.added < oldest:
            why = f"added {breach.added}: too long ago (breach.max_age)"
        else:
            why = f"added {breach.added}: counts"
        yield name if name.isprintable() else ascii(name), why
