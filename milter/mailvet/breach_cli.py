"""breach_cli – `mailvet breach ADDRESS`: one look-up, with everything that leaves the host and what comes back.

Raises     nothing; `explain` returns an exit status: 0 found out, 1 could not, 2 nothing could be asked
Not here   the daemon's look-ups: this asks once, without cache and pace, whatever was asked before
"""

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TextIO

from mailvet import breach_match
from mailvet.adapters.hibp import SOURCE, Hibp, read_key
from mailvet.breach import digest as digest_of
from mailvet.breach import format_value
from mailvet.breach_file import FileDesk
from mailvet.breach_range import split
from mailvet.breach_source import Failed
from mailvet.breach_wire import Wish
from mailvet.settings import BreachSettings, Settings
from mailvet.verdict import BreachResult, BreachVerdict


def explain(address: str, settings: Settings, out: TextIO) -> int:
    """Look the address up and say how."""
    digest = digest_of(address)
    if digest is None:
        out.write("Not an address that is asked about: it has to be plain ASCII, with no internationalised domain.\n")
        return 2
    prefix, suffix = split(digest)
    out.write(f"SHA-1       {prefix} {suffix}  (of the address, trimmed and in lower case)\n")
    if settings.breach.source == "file":
        return _finish(asyncio.run(_in_file(digest, settings.breach, out)), settings, out)
    try:
        source = Hibp(settings.breach, read_key(settings.breach.api_key_file))
    except (ValueError, OSError) as e:
        out.write(f"Nothing is sent: {e}\n")
        return 2
    out.write(f"Leaves      {prefix}, and nothing else of the address:\n")
    out.writelines(f"            {line}\n" for line in source.describe(prefix))
    return _finish(asyncio.run(_from_hibp(source, prefix, suffix, settings.breach, out)), settings, out)


async def _in_file(digest: bytes, settings: BreachSettings, out: TextIO) -> BreachVerdict | None:
    out.write(f"Leaves      nothing: it is looked for in {settings.file}\n")

    def say(problem: str) -> None:
        out.write(f"Problem     {problem}\n")

    desk = FileDesk(Path(settings.file), lambda: None, say)
    await desk.look()
    reply = await desk.answer(Wish.NOW, digest)
    return reply.verdict if reply is not None and reply.verdict.result is not BreachResult.UNKNOWN else None


async def _from_hibp(
    source: Hibp, prefix: str, suffix: str, settings: BreachSettings, out: TextIO
) -> BreachVerdict | None:
    try:
        found = await source.range(prefix, lambda: (suffix,))
        if isinstance(found, Failed):
            out.write(f"Comes back  {found.what}\n")
            return None
        names = found.get(suffix, ())
        out.write(f"Comes back  the range; the rest of the SHA-1 is {'' if suffix in found else 'not '}in it\n")
        body = await source.breaches()
        if isinstance(body, Failed):
            out.write(f"Problem     the list of breaches: {body.what}\n")
            return None
        wanted = breach_match.filter_of(settings)
        known = breach_match.catalogue(body, wanted)
        today = datetime.now(UTC).date()
        out.writelines(_reasons(names, known, wanted))
        return breach_match.judge(names, known, wanted, today, SOURCE)
    except ValueError as e:
        out.write(f"Problem     the list of breaches: {e}\n")
        return None
    finally:
        await source.close()


def _reasons(names: tuple[str, ...], known: breach_match.Catalogue, wanted: breach_match.Filter) -> Iterator[str]:
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
        yield f"Breach      {name if name.isprintable() else ascii(name)}: {why}\n"


def _finish(verdict: BreachVerdict | None, settings: Settings, out: TextIO) -> int:
    if verdict is None:
        out.write("Result      unknown: no field is written\n")
        return 1
    out.write(f"Result      {verdict.result}\n")
    if verdict.result is BreachResult.LISTED:
        out.write(f"Field       Sender-Breach-Info:{format_value(verdict, settings.authserv_id)}\n")
    if verdict.source == SOURCE:
        out.write("Source      Have I Been Pwned, https://haveibeenpwned.com, CC BY 4.0\n")
    return 0
