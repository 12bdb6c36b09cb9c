"""breach – `mailvet breach ADDRESS`: one look-up, with everything that leaves the host and what comes back.

Raises     nothing: what went wrong is a problem of the look-up
Not here   the daemon's look-ups: this asks once, without cache and pace, whatever was asked before
"""

import asyncio
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from mailvet.breach_service.hibp import SOURCE, Hibp, read_key
from mailvet.breach_service.own_list import FileDesk
from mailvet.checks.breach import counting as breach_match
from mailvet.checks.breach.eligibility import digest as digest_of, format_value
from mailvet.checks.breach.hash_range import split
from mailvet.checks.breach.source import Failed
from mailvet.checks.breach.wire import Wish
from mailvet.settings import BreachSettings, Settings
from mailvet.verdict import BreachResult, BreachVerdict


@dataclass(slots=True, kw_only=True)
class LookUp:
    """What happened. `status`: 0 found out, 1 could not, 2 nothing could be asked."""

    status: int = 2
    prefix: str = ""  # of the SHA-1: all of the address that may leave
    suffix: str = ""
    file: str = ""  # where it was looked for, if in a list of one's own
    leaves: tuple[str, ...] = ()  # the request, line by line
    comes_back: str = ""
    breaches: list[tuple[str, str]] = field(default_factory=list)  # name, and why it counts or does not
    problem: str = ""
    result: BreachResult = BreachResult.UNKNOWN
    source: str = ""
    header: str = ""  # the field that a message from this sender gets, if any


def look_up(address: str, settings: Settings) -> LookUp:
    """Ask for the address, now."""
    done = LookUp()
    digest = digest_of(address)
    if digest is None:
        done.problem = "not an address that is asked about: it has to be plain ASCII, with no internationalised domain"
        return done
    done.prefix, done.suffix = split(digest)
    if settings.breach.source == "file":
        found = asyncio.run(_in_file(digest, settings.breach, done))
    else:
        try:
            source = Hibp(settings.breach, read_key(settings.breach.api_key_file))
        except (ValueError, OSError) as e:
            done.problem = f"nothing is sent: {e}"
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
    return "".join(f"{label:<11} {line}\n" for label, line in _lines(done))


def as_json(done: LookUp) -> str:
    """Like the text, in the order of it; `leaves` is empty where nothing was sent."""
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
    if done.source == SOURCE:
        yield "Source", "Have I Been Pwned, https://haveibeenpwned.com, CC BY 4.0"


async def _in_file(digest: bytes, settings: BreachSettings, done: LookUp) -> BreachVerdict | None:
    done.file = settings.file

    def say(problem: str) -> None:
        done.problem = problem

    desk = FileDesk(Path(settings.file), lambda: None, say)
    await desk.look()
    reply = await desk.answer(Wish.NOW, digest)
    return reply.verdict if reply is not None and reply.verdict.result is not BreachResult.UNKNOWN else None


async def _from_hibp(source: Hibp, settings: BreachSettings, done: LookUp) -> BreachVerdict | None:
    try:
        found = await source.range(done.prefix, lambda: (done.suffix,))
        if isinstance(found, Failed):
            done.comes_back = found.what
            return None
        names = found.get(done.suffix, ())
        done.comes_back = f"the range; the rest of the SHA-1 is {'' if done.suffix in found else 'not '}in it"
        body = await source.breaches()
        if isinstance(body, Failed):
            done.problem = f"the list of breaches: {body.what}"
            return None
        wanted = breach_match.filter_of(settings)
        known = breach_match.catalogue(body, wanted)
        done.breaches.extend(_reasons(names, known, wanted))
        return breach_match.judge(names, known, wanted, datetime.now(UTC).date(), SOURCE)
    except ValueError as e:
        done.problem = f"the list of breaches: {e}"
        return None
    finally:
        await source.close()


def _reasons(
    names: tuple[str, ...], known: breach_match.Catalogue, wanted: breach_match.Filter
) -> Iterator[tuple[str, str]]:
    """For the operator alone: a name can tell much about a person, and is never in a message."""
    oldest = datetime.now(UTC).date() - wanted.max_age
    for name in sorted(names):
        breach = known.get(name)
        if breach is None:
            why = "does not count (breach.data_classes, breach.also)" if name in known else "is not in the list"
        elif breach.added < oldest:
            why = f"added {breach.added}: too long ago (breach.max_age)"
        else:
            why = f"added {breach.added}: counts"
        yield name if name.isprintable() else ascii(name), why
