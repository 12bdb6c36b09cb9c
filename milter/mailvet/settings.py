"""settings – the configuration as frozen values: each key of mailvet.toml with its unit, range, default and meaning.

Field names are the keys. Every default is safe to run. What the file has as a text for an address, a network or a
socket is a `Written` here: read once, by config, and used by its `value`. Names of files stay texts.

Raises     nothing
Not here   reading and checking a file (config); the documentation of each key (conf/mailvet.toml, which a test compares
           with this file)
"""

import ipaddress
from dataclasses import dataclass, field
from enum import Enum, StrEnum
from typing import Annotated, Literal, NamedTuple

from mailvet.outcome import Action
from mailvet.values import Address, Domain, Endpoint, Listen, Network, Written


class Unit(Enum):
    """What a number counts."""

    SECONDS = "seconds"  # in the file: "1s", "500ms", "2m", "1h", "7d"
    OCTETS = "octets"


class Between(NamedTuple):
    """The range of a number, with both ends."""

    low: float
    high: float | str  # a string: the value of that key, which is in the same section


Seconds = Annotated[float, Unit.SECONDS]
Octets = Annotated[int, Unit.OCTETS]


class Mode(StrEnum):
    MARK = "mark"  # write the header, change nothing else
    QUARANTINE = "quarantine"  # hold what enforce would reject or defer
    ENFORCE = "enforce"  # do what [policy.on] says


@dataclass(frozen=True, slots=True, kw_only=True)
class MilterSettings:
    listen: Written[Listen] = Written("inet:8899@127.0.0.1", Listen("inet", "127.0.0.1", 8899))  # for Postfix
    workers: Annotated[int, Between(0, 256)] = 0  # processes; 0: one per CPU


@dataclass(frozen=True, slots=True, kw_only=True)
class DnsSettings:
    nameservers: tuple[Written[Endpoint], ...] = ()  # empty: the system's
    timeout: Annotated[Seconds, Between(0.05, 60)] = 2.0  # for one question
    budget: Annotated[Seconds, Between(0.05, 250)] = 10.0  # for all questions of a message (Postfix waits 300 s)
    questions: Annotated[int, Between(20, 1000)] = 100  # that a message may cause
    cache: Annotated[int, Between(0, 10_000_000)] = 20_000  # answers kept by a worker
    trusted: tuple[Written[Address], ...] = ()  # name servers besides those on loopback whose AD bit counts
    require_validation: Literal["off", "warn", "refuse"] = "off"  # if the name servers do not validate DNSSEC


@dataclass(frozen=True, slots=True, kw_only=True)
class TrustSettings:
    networks: tuple[Written[Network], ...] = (  # whose mail is passed unchecked
        Written("127.0.0.0/8", ipaddress.IPv4Network("127.0.0.0/8")),
        Written("::1", ipaddress.IPv6Network("::1")),
    )
    relays: tuple[Written[Network], ...] = ()  # our own backup MX and front relays
    authserv_ids: tuple[str, ...] = ()  # further ones of ours, whose fields may stay in mail from relays
    sealers: tuple[Written[Domain], ...] = ()  # ARC sealers whose results policy.on.arc_override may use


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitSettings:
    signatures: Annotated[int, Between(1, 100)] = 10  # DKIM signatures looked at
    tags: Annotated[int, Between(20, 1000)] = 100  # of a signature, a seal or a key record
    signed_fields: Annotated[int, Between(10, 1000)] = 200  # entries of one h=
    key_record: Annotated[Octets, Between(512, 65535)] = 4096
    rsa_min_bits: Annotated[int, Between(1024, 4096)] = 1024  # RFC 8301 §3.2
    rsa_max_bits: Annotated[int, Between(4096, 16384)] = 8192
    arc_sets: Annotated[int, Between(1, 50)] = 10  # RFC 8617 §4.2.1
    header_fields: Annotated[int, Between(50, 10_000)] = 1000  # with more, the header is not searched for signatures
    header_bytes: Annotated[Octets, Between(16_384, 16_777_216)] = 262_144  # likewise
    from_bytes: Annotated[Octets, Between(320, 65536)] = 8192  # of the From field
    from_words: Annotated[int, Between(20, 10_000)] = 500  # atoms, quoted strings, comments and marks of the From field
    results_bytes: Annotated[Octets, Between(1024, 1_048_576)] = 32_768  # of others' A-R fields that are read
    removals: Annotated[int, Between(100, 100_000)] = 5000  # fields removed from one message; one with more is refused


@dataclass(frozen=True, slots=True, kw_only=True)
class DkimSettings:
    partial_body: Literal["policy", "pass"] = "policy"  # a signature whose l= leaves out part of the body


@dataclass(frozen=True, slots=True, kw_only=True)
class OnSettings:
    """What to do for each finding; at most one decides about a message (policy.disposition)."""

    ambiguous_from: Action = Action.REJECT  # no author domain, several, or one that readers disagree about
    dmarc_reject: Action = Action.QUARANTINE  # RFC 9989 §7.4: not rejected for p=reject alone
    dmarc_quarantine: Action = Action.QUARANTINE  # DMARC failed, and the domain asks for quarantine
    spf_fail: Action = Action.ACCEPT  # RFC 9989 §7.1: SPF alone loses mail that passes by DKIM
    temperror: Action = Action.ACCEPT  # the DNS could not say; never reject
    arc_override: Action | None = None  # DMARC failed, but a trusted sealer saw it pass; None: no override


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicySettings:
    mode: Mode = Mode.MARK
    on: OnSettings = field(default_factory=OnSettings)


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreSettings:
    url: str = "sqlite:////var/lib/mailvet/mailvet.db"


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricsSettings:
    listen: Written[Endpoint | None] = Written("127.0.0.1:9899", Endpoint("127.0.0.1", 9899))  # "" turns it off


@dataclass(frozen=True, slots=True, kw_only=True)
class LogSettings:
    format: Literal["auto", "text", "json", "journal"] = "auto"
    local_parts: bool = False
    level: Literal["debug", "info", "warning", "error"] = "info"


@dataclass(frozen=True, slots=True, kw_only=True)
class BreachSettings:
    enabled: bool = False
    source: Literal["hibp", "file"] = "hibp"
    file: str = "/etc/mailvet/breached.txt"  # source = "file": one address or SHA-1 per line
    api_key_file: str = "/etc/mailvet/hibp.key"  # mode 0600; a systemd credential "hibp.key" comes first
    api_key_header: str = "hibp-api-key"
    url: str = "https://haveibeenpwned.com/api/v3/breachedaccount/range/{prefix}"
    api: str = "https://haveibeenpwned.com/api/v3"  # breaches, latestbreach and subscription/status are below it
    contact: str = ""  # part of the user agent: whom to write to about our questions
    proxy: str = ""  # "http://proxy.example.org:3128"
    ca_file: str = ""  # certificates trusted instead of the system's
    timeout: Annotated[Seconds, Between(0.1, 120)] = 10.0  # for one question
    rpm: Annotated[int, Between(0, 100_000)] = 0  # questions per minute by all hosts; 0: half the subscription's, or 10
    wait: Annotated[Seconds, Between(0, 30)] = 1.0  # for which a message waits for the answer
    delay: Annotated[Seconds, Between(0, 86_400)] = 600.0  # other questions are asked at a random time within this
    queue: Annotated[int, Between(0, 1_000_000)] = 1000  # such questions kept
    keep_min: Annotated[Seconds, Between(3600, "keep_max")] = 604_800.0  # a verdict is kept for a random time ...
    keep_max: Annotated[Seconds, Between(3600, 2_592_000)] = 2_592_000.0  # ... between these; opt-outs are gone by then
    refresh: Annotated[Seconds, Between(0, 2_592_000)] = 604_800.0  # for renewing older verdicts after a breach
    secret_file: str = ""  # the cache's HMAC key; "": beside the SQLite file, or in PostgreSQL
    own_domains: tuple[str, ...] = ()  # never asked about, nor their subdomains
    exclude: tuple[str, ...] = ()  # domains or whole addresses never asked about
    max_age: Annotated[Seconds, Between(86_400, 3_153_600_000)] = 31_536_000.0  # breaches added longer ago do not count
    data_classes: tuple[str, ...] = ("Passwords",)  # one of these has to have leaked; empty: anything
    malware: bool = True  # what malware stole counts whatever leaked
    stealer_logs: bool = True  # so do stealer logs
    also: tuple[str, ...] = ()  # count too: unverified, fabricated, retired, spam-list, sensitive


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    authserv_id: str = ""  # "": the host name, filled in by config
    milter: MilterSettings = field(default_factory=MilterSettings)
    dns: DnsSettings = field(default_factory=DnsSettings)
    trust: TrustSettings = field(default_factory=TrustSettings)
    limits: LimitSettings = field(default_factory=LimitSettings)
    dkim: DkimSettings = field(default_factory=DkimSettings)
    policy: PolicySettings = field(default_factory=PolicySettings)
    breach: BreachSettings = field(default_factory=BreachSettings)
    store: StoreSettings = field(default_factory=StoreSettings)
    metrics: MetricsSettings = field(default_factory=MetricsSettings)
    log: LogSettings = field(default_factory=LogSettings)
