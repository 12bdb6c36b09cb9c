"""verdict – what each method found out about a message: its result, and the facts on which that rests.

A result is a `StrEnum` whose values are the words on the wire (RFC 8601 §2.7 and the registry behind
it); a verdict is a frozen dataclass that carries the result and the facts it rests on. `problem` is
for people: no code branches on it. `notes` name weak spots of a result that is right all the same.

Raises     nothing
Not here   how anything is found out, and what is done about it (disposition)
"""

import dataclasses
import typing
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import ClassVar, Final, Protocol

from mailvet.policy_record import Policy as Policy, PolicyRecord  # Policy: also a word for verdicts


class IprevResult(StrEnum):  # RFC 8601 §2.7.3
    PASS = "pass"  # the address's name leads back to the address
    FAIL = "fail"  # it has names, but none leads back
    TEMPERROR = "temperror"  # DNS could not say
    PERMERROR = "permerror"  # it has no name


class SpfResult(StrEnum):  # RFC 7208 §2.6
    NONE = "none"  # no domain to check, or it publishes no record
    NEUTRAL = "neutral"  # the owner says nothing about this address
    PASS = "pass"  # the address may send for the domain
    FAIL = "fail"  # the owner says it may not
    SOFTFAIL = "softfail"  # the owner says it probably may not
    TEMPERROR = "temperror"  # we could not find out; later may tell
    PERMERROR = "permerror"  # the record cannot be understood


class SpfIdentity(StrEnum):
    HELO = "helo"  # RFC 7208 §2.3
    MAILFROM = "mailfrom"  # RFC 7208 §2.4; a null reverse-path is postmaster@HELO


class DkimResult(StrEnum):  # RFC 8601 §2.7.1
    NONE = "none"  # not signed
    PASS = "pass"  # signature good and acceptable
    FAIL = "fail"  # body hash or signature wrong
    POLICY = "policy"  # verifies, but we do not accept it
    NEUTRAL = "neutral"  # cannot be parsed, or not looked at
    TEMPERROR = "temperror"  # the key could not be fetched now
    PERMERROR = "permerror"  # can never verify: no key, revoked, forbidden algorithm ...


class ArcResult(StrEnum):  # RFC 8617 §4.4
    NONE = "none"  # no ARC fields
    PASS = "pass"  # the chain holds
    FAIL = "fail"  # it does not, for whatever reason (all are final)


class DmarcResult(StrEnum):  # RFC 9989 §9.2
    NONE = "none"  # no record applies
    PASS = "pass"  # an aligned identifier passed
    FAIL = "fail"  # none did
    TEMPERROR = "temperror"  # DNS could not say
    PERMERROR = "permerror"  # there is no single author domain


class AuthResult(StrEnum):  # RFC 8601 §2.7.4
    NONE = "none"  # a trusted network, no login
    PASS = "pass"  # the client logged in


class BreachResult(StrEnum):
    LISTED = "listed"  # in a breach that counts
    NOT_LISTED = "not-listed"  # asked, and not there
    UNKNOWN = "unknown"  # could not find out, or not yet
    SKIPPED = "skipped"  # not a question that means something


class Verdict(Protocol):
    """What all verdicts have in common: the method, its result, and what is to be said for people."""

    method: ClassVar[str]  # RFC 8601 §2.7, as registered

    @property
    def result(self) -> StrEnum: ...
    @property
    def problem(self) -> str: ...
    @property
    def notes(self) -> tuple[str, ...]: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class IprevVerdict:
    method: ClassVar[str] = "iprev"
    result: IprevResult
    address: str  # canonical text of the client's address
    name: str = ""  # the name that led back to it
    secure: bool | None = None  # every answer it rests on was DNSSEC-validated; None: not known
    problem: str = ""
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class SpfVerdict:
    method: ClassVar[str] = "spf"
    result: SpfResult
    identity: SpfIdentity
    domain: str  # A-labels, lower case; "" where there is none to check
    mechanism: str = ""  # the term that matched, as published: "include:_spf.example.net"
    secure: bool | None = None
    problem: str = ""
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class DkimVerdict:
    method: ClassVar[str] = "dkim"
    result: DkimResult
    domain: str = ""  # d=, A-labels, lower case; "" if it could not be parsed
    selector: str = ""  # s=
    identity: str = ""  # the domain of i=, A-labels: "@news.example.org"
    algorithm: str = ""  # a=
    signature_prefix: str = ""  # the first 8 characters of b=, white space removed (RFC 6008)
    key_bits: int = 0  # 0: no key seen
    testing: bool = False  # t=y in the key record
    secure: bool | None = None
    problem: str = ""
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ArcVerdict:
    method: ClassVar[str] = "arc"
    result: ArcResult
    instances: int = 0  # ARC sets in the message
    sealers: tuple[str, ...] = ()  # d= of the ARC-Seals, instance 1 first
    oldest_pass: int | None = None  # RFC 8617 §5.2: lowest instance whose AMS still verifies; 0 = all
    sealed: str = ""  # what the trusted sealer that counts (arc) said of this author's DMARC: "dmarc=pass", else ""
    sealed_by: str = ""  # that sealer
    temporary: bool = False  # nothing but DNS trouble was the reason
    pending: str = ""  # then: the trusted sealer whose dmarc=pass would count if the chain held
    secure: bool | None = None
    problem: str = ""
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class DmarcVerdict:
    method: ClassVar[str] = "dmarc"
    result: DmarcResult
    author_domain: str = ""  # A-labels; "" where there is no single one
    policy_domain: str = ""  # where the record was found
    organizational_domain: str = ""  # of the author domain
    record: PolicyRecord | None = None  # that of the policy domain, by which the message was judged
    published: Policy | None = None  # the p=, sp= or np= that applies, as published
    requested: Policy = Policy.NONE  # for this message: NONE unless it failed; t=y lowers it
    testing: bool = False  # t=y
    spf_aligned: bool = False  # MAIL FROM passed and is aligned
    dkim_aligned: tuple[str, ...] = ()  # signing domains that passed and are aligned
    compared: tuple[str, ...] = ()  # for people: "dkim example.org ~ example.org (relaxed): aligned"
    secure: bool | None = None
    problem: str = ""
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class AuthVerdict:
    method: ClassVar[str] = "auth"
    result: AuthResult
    domain: str = ""  # the domain of the login, if it has one
    problem: str = ""
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class BreachVerdict:
    result: BreachResult
    source: str = ""  # "haveibeenpwned.com", "local"
    newest: str = ""  # "2026-05": month in which the newest breach that counts was added
    classes: tuple[str, ...] = ()  # closed vocabulary: "passwords", "stealer-log", "malware", "incident", "other"
    checked: str = ""  # "2026-11-23"
    problem: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """All that was found out about one message; header, log line, counters and policy are derived from it.

    The methods stand in the order of our Authentication-Results field. One that is added here is a failing test in
    whatever has to word it, until it does.
    """

    auth: AuthVerdict | None = None  # set for exempt clients, which have nothing else
    iprev: IprevVerdict | None = None
    spf_helo: SpfVerdict | None = None
    spf: SpfVerdict | None = None  # MAIL FROM
    dkim: tuple[DkimVerdict, ...] = ()  # one for each signature, in header order; empty = not checked
    arc: ArcVerdict | None = None
    dmarc: DmarcVerdict | None = None
    breach: BreachVerdict | None = None  # advice, not a method
    null_sender: bool = False  # MAIL FROM was <>: `spf` is about postmaster@HELO (RFC 7208 §2.4)
    list_id: str = ""  # RFC 2919, lower case; "" where there is none to rely on. Anybody can write one
    remote_ip: str = ""  # the client the verdicts are about
    anomalies: tuple[str, ...] = ()  # "bare CR in header", "NUL in From" ...: for log and check

    def methods(self) -> Iterator[tuple[str, tuple[Verdict, ...]]]:
        """Yield the name and verdicts of each method that has any; only those in SEVERAL may have more than one."""
        for name in METHODS:
            found = getattr(self, name)
            if found:
                yield name, found if name in SEVERAL else (found,)


def _methods() -> Iterator[tuple[str, bool]]:
    """Yield the name of each method, and whether it can have several verdicts."""
    for field in dataclasses.fields(Report):
        inner = typing.get_args(field.type)
        if inner and hasattr(inner[0], "method"):
            yield field.name, typing.get_origin(field.type) is tuple


METHODS: Final = tuple(name for name, _ in _methods())
SEVERAL: Final = frozenset(name for name, several in _methods() if several)
