"""rules – what a configuration may not say although each value can be read: names, ranges, broken promises.

Raises     nothing
Not here   types, unknown keys, addresses (config.load); what is valid and hardly meant (config.warnings)
"""

import dataclasses
import re
import typing
from collections.abc import Iterator
from typing import Any

from mailvet.checks.breach.counting import ALSO
from mailvet.checks.breach.eligibility import digest_of
from mailvet.checks.breach.hash_range import template_problem, url_problem
from mailvet.config import durations
from mailvet.config.mistakes import Key
from mailvet.outcome import Action
from mailvet.settings import Between, Settings, Unit
from mailvet.text import loggable

_TOKEN = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,255}")  # RFC 2045 §5.1: what needs no quoting
_PROXY = re.compile(r"https?://(?:[^\s/@]+@)?[A-Za-z0-9._\[\]:-]+/?")
_DOMAIN = re.compile(r"(?=.{1,253}\Z)[A-Za-z0-9_-]{1,63}(\.[A-Za-z0-9_-]{1,63})*")

_LONGEST_NUMBER = 40  # characters of one that is shown


def contradictions(settings: Settings) -> list[tuple[Key, str]]:
    """Return every mistake in the values, as (key, what is wrong and what would be right)."""
    return [*_names(settings), *_numbers(settings), *_promises(settings), *_breach(settings)]


def _names(s: Settings) -> Iterator[tuple[Key, str]]:
    if s.authserv_id and not _TOKEN.fullmatch(s.authserv_id):
        yield ("authserv_id",), "has to be a name such as mx.example.org"
    for name in s.trust.authserv_ids:
        if not _TOKEN.fullmatch(name):
            yield ("trust", "authserv_ids"), f"{name!r} is not a name such as mx.example.org"


def _numbers(section: Any, at: Key = ()) -> Iterator[tuple[Key, str]]:
    """Find numbers outside of their range (`Between`), in a section and those within it."""
    for key, hint in typing.get_type_hints(type(section), include_extras=True).items():
        value = getattr(section, key)
        if dataclasses.is_dataclass(value):
            yield from _numbers(value, (*at, key))
        metadata = getattr(hint, "__metadata__", ())
        shown = durations.in_units if Unit.SECONDS in metadata else _number
        for between in metadata:
            if isinstance(between, Between):
                low, high = between.low, between.high
                high = getattr(section, high) if isinstance(high, str) else high
                if not low <= value <= high:
                    yield (*at, key), f"has to be between {shown(low)} and {shown(high)}, not {shown(value)}"


def _number(value: float) -> str:
    """Return a number for people. An integer may be too large for a float, and too long to be shown."""
    return loggable(str(value), _LONGEST_NUMBER) if isinstance(value, int) else f"{value:.15g}"


def _promises(s: Settings) -> Iterator[tuple[Key, str]]:
    if s.policy.on.temperror is Action.REJECT:
        yield ("policy", "on", "temperror"), "a DNS failure is never a permanent reject: accept, quarantine or tempfail"


def _breach(s: Settings) -> Iterator[tuple[Key, str]]:
    breach = s.breach
    problem = template_problem(breach.url)  # nothing but the prefix may leave the host
    if problem:
        yield ("breach", "url"), problem
    problem = url_problem(breach.api)
    if problem or "{" in breach.api:
        yield ("breach", "api"), problem or "has no fields"
    if not _TOKEN.fullmatch(breach.api_key_header):
        yield ("breach", "api_key_header"), "has to be the name of a header field"
    if not breach.contact.isascii() or not breach.contact.isprintable():
        yield ("breach", "contact"), "has to be printable ASCII"
    if breach.proxy and not _PROXY.fullmatch(breach.proxy):
        yield ("breach", "proxy"), 'write "http://proxy.example.org:3128"'
    for name in breach.own_domains:
        if not _DOMAIN.fullmatch(name):
            yield ("breach", "own_domains"), f"{name!r} is not a domain"
    for name in breach.exclude:
        if name != name.strip():  # it would match nobody
            yield ("breach", "exclude"), f"{name!r}: write it without the blanks around it"
        elif not _DOMAIN.fullmatch(name) and digest_of(name) is None:
            yield ("breach", "exclude"), f"{name!r} is neither a domain nor an address"
    for kind in breach.also:
        if kind not in ALSO:
            yield ("breach", "also"), f"{kind!r} is none of {', '.join(ALSO)}"
    if not s.store.url.startswith(("sqlite:///", "postgresql+psycopg://")):
        yield ("store", "url"), 'write "sqlite:////path" or "postgresql+psycopg://user@host/name"'
