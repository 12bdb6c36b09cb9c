"""settings – the configuration as frozen values, with their defaults.

Field names are the keys of mailvet.toml. Times are seconds. Every default is safe to run.

Raises     nothing
Not here   reading and checking a file (config)
"""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Annotated, Literal

from mailvet.outcome import Action

Seconds = Annotated[float, "seconds"]  # in the file: "1s", "500ms", "2m", "1h", "7d"


class Mode(StrEnum):
    MARK = "mark"  # write the header, change nothing else
    QUARANTINE = "quarantine"  # hold what enforce would reject or defer
    ENFORCE = "enforce"  # do what [policy.on] says


@dataclass(frozen=True, slots=True, kw_only=True)
class MilterSettings:
    listen: str = "inet:8899@127.0.0.1"
    workers: int = 0  # 0: one per CPU


@dataclass(frozen=True, slots=True, kw_only=True)
class DnsSettings:
    nameservers: tuple[str, ...] = ()  # "127.0.0.1", "127.0.0.1:5353", "[::1]:53"; empty: the system's
    timeout: Seconds = 2.0  # one question
    budget: Seconds = 10.0  # time waited for all questions of one message
    questions: int = 100  # DNS questions of one message
    cache: int = 20_000  # answers kept by a worker
    trusted: tuple[str, ...] = ()  # name servers besides loopback whose AD bit counts
    require_validation: Literal["off", "warn", "refuse"] = "off"


@dataclass(frozen=True, slots=True, kw_only=True)
class TrustSettings:
    networks: tuple[str, ...] = ("127.0.0.0/8", "::1")
    relays: tuple[str, ...] = ()
    authserv_ids: tuple[str, ...] = ()
    sealers: tuple[str, ...] = ()  # ARC sealers whose word makes an override available to policy


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitSettings:
    signatures: int = 10  # DKIM signatures looked at
    tags: int = 100  # of a signature, a seal or a key record
    signed_fields: int = 200  # entries of one h=
    key_record: int = 4096  # octets of a key record
    rsa_min_bits: int = 1024  # RFC 8301 §3.2
    rsa_max_bits: int = 8192
    arc_sets: int = 10  # at most 50 (RFC 8617 §4.2.1)
    header_fields: int = 1000
    header_bytes: int = 262_144
    from_bytes: int = 8192
    from_words: int = 500  # atoms, quoted strings, comments and marks of a From field
    results_bytes: int = 32_768  # read of others' Authentication-Results; the rest is removed
    removals: int = 5000  # fields removed from one message; one with more is refused


@dataclass(frozen=True, slots=True, kw_only=True)
class DkimSettings:
    partial_body: Literal["policy", "pass"] = "policy"  # l= shorter than the body


@dataclass(frozen=True, slots=True, kw_only=True)
class OnSettings:
    """What to do for each finding; at most one applies to a message (disposition)."""

    ambiguous_from: Action = Action.REJECT
    dmarc_reject: Action = Action.QUARANTINE  # RFC 9989 §7.4: not rejected for p=reject alone
    dmarc_quarantine: Action = Action.QUARANTINE
    spf_fail: Action = Action.ACCEPT  # RFC 9989 §7.1: SPF alone loses mail that passes by DKIM
    temperror: Action = Action.ACCEPT
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
    listen: str = "127.0.0.1:9899"  # "" turns it off


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
    timeout: Seconds = 10.0  # one question
    rpm: int = 0  # questions per minute, all hosts together; 0: half of what the subscription allows, or 10
    wait: Seconds = 1.0
    delay: Seconds = 600.0  # a question nobody waits for is asked at a random time within this
    queue: int = 1000  # such questions kept
    keep_min: Seconds = 604_800.0  # a verdict is kept for a random time between these
    keep_max: Seconds = 2_592_000.0
    refresh: Seconds = 604_800.0  # after a new breach, older verdicts are renewed within this, each at its own time
    secret_file: str = ""  # the cache's HMAC key; "": beside the SQLite file, or in PostgreSQL
    own_domains: tuple[str, ...] = ()  # never asked about, nor their subdomains
    exclude: tuple[str, ...] = ()  # domains or whole addresses never asked about
    max_age: Seconds = 31_536_000.0  # breaches added longer ago do not count
    data_classes: tuple[str, ...] = ("Passwords",)  # one of these has to have leaked; empty: anything
    malware: bool = True  # malware's spoils count whatever leaked
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
