"""rules – what a well-formed configuration may still not say.

`contradictions(settings)` lists every value that cannot work: addresses, sizes, actions that would
break a promise.

Raises     nothing
Not here   types and unknown keys (config)
"""

import re
from collections.abc import Iterable, Iterator

from mailvet.checks.breach.counting import ALSO
from mailvet.checks.breach.eligibility import digest_of
from mailvet.checks.breach.hash_range import template_problem, url_problem
from mailvet.outcome import Action
from mailvet.settings import Settings
from mailvet.syntax import endpoint, ip

Key = tuple[str, ...]  # ("dns", "timeout")
_LISTEN = re.compile(r"inet6?:(\d{1,5})(?:@\S+)?|unix:/\S+")
_SUN_PATH = 107  # unix(7), without the NUL
_TOKEN = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,255}")  # RFC 2045 §5.1: what needs no quoting
_PROXY = re.compile(r"https?://(?:[^\s/@]+@)?[A-Za-z0-9._\[\]:-]+/?")
_DOMAIN = re.compile(r"(?=.{1,253}\Z)[A-Za-z0-9_-]{1,63}(\.[A-Za-z0-9_-]{1,63})*")


def contradictions(settings: Settings) -> list[tuple[Key, str]]:
    """Every mistake in the values, as (key, what is wrong and what would be right)."""
    return [*_names(settings), *_addresses(settings), *_numbers(settings), *_promises(settings), *_breach(settings)]


def _names(s: Settings) -> Iterator[tuple[Key, str]]:
    if s.authserv_id and not _TOKEN.fullmatch(s.authserv_id):
        yield ("authserv_id",), "has to be a name such as mx.example.org"
    for name in s.trust.authserv_ids:
        if not _TOKEN.fullmatch(name):
            yield ("trust", "authserv_ids"), f"{name!r} is not a name such as mx.example.org"
    for name in s.trust.sealers:
        if not _DOMAIN.fullmatch(name):
            yield ("trust", "sealers"), f"{name!r} is not a domain"


def _addresses(s: Settings) -> Iterator[tuple[Key, str]]:
    listen = _LISTEN.fullmatch(s.milter.listen)
    if not listen or (listen[1] and not 0 < int(listen[1]) < 65536):
        yield ("milter", "listen"), 'write "inet:8899@127.0.0.1" or "unix:/run/mailvet/mailvet.sock"'
    if s.milter.listen.startswith("unix:") and len(s.milter.listen.encode()) > len("unix:") + _SUN_PATH:
        yield ("milter", "listen"), f"the path of a socket has at most {_SUN_PATH} octets"
    for server in s.dns.nameservers:
        if endpoint.parse(server) is None:
            yield ("dns", "nameservers"), f'{server!r}: write "127.0.0.1", "127.0.0.1:5353" or "[::1]:53"'
        elif endpoint.is_ambiguous(server):
            address, _, port = server.rpartition(":")
            yield ("dns", "nameservers"), f'{server!r}: write "[{address}]:{port}" or "[{server}]", whichever is meant'
    for server in s.dns.trusted:
        if not endpoint.is_address(server):
            yield ("dns", "trusted"), f"{server!r} is not an IP address"
    yield from (((("trust", "networks")), text) for text in _bad_networks(s.trust.networks))
    yield from (((("trust", "relays")), text) for text in _bad_networks(s.trust.relays))
    if s.metrics.listen and endpoint.parse(s.metrics.listen, None) is None:
        yield ("metrics", "listen"), 'write "127.0.0.1:9899", or "" to turn it off'


def _bad_networks(networks: Iterable[str]) -> Iterator[str]:
    for network in networks:
        try:
            ip.network(network)
        except ValueError as e:
            yield f"{network!r} is not a network: {e}"


def _numbers(s: Settings) -> Iterator[tuple[Key, str]]:
    limits = s.limits
    ranges = {
        ("milter", "workers"): (s.milter.workers, 0, 256),
        ("dns", "timeout"): (s.dns.timeout, 0.05, 60),
        ("dns", "budget"): (s.dns.budget, 0.05, 250),  # Postfix gives a milter 300 s for a message
        ("dns", "questions"): (s.dns.questions, 20, 1000),
        ("dns", "cache"): (s.dns.cache, 0, 10_000_000),
        ("limits", "signatures"): (limits.signatures, 1, 100),
        ("limits", "tags"): (limits.tags, 20, 1000),
        ("limits", "signed_fields"): (limits.signed_fields, 10, 1000),
        ("limits", "key_record"): (limits.key_record, 512, 65535),
        ("limits", "rsa_min_bits"): (limits.rsa_min_bits, 1024, 4096),  # RFC 8301 §3.2
        ("limits", "rsa_max_bits"): (limits.rsa_max_bits, 4096, 16384),
        ("limits", "arc_sets"): (limits.arc_sets, 1, 50),  # RFC 8617 §4.2.1
        ("limits", "header_fields"): (limits.header_fields, 50, 10_000),
        ("limits", "header_bytes"): (limits.header_bytes, 16_384, 16_777_216),
        ("limits", "from_bytes"): (limits.from_bytes, 320, 65536),
        ("limits", "from_words"): (limits.from_words, 20, 10_000),
        ("limits", "results_bytes"): (limits.results_bytes, 1024, 1_048_576),
        ("limits", "removals"): (limits.removals, 100, 100_000),
        ("breach", "wait"): (s.breach.wait, 0, 30),
        ("breach", "timeout"): (s.breach.timeout, 0.1, 120),
        ("breach", "rpm"): (s.breach.rpm, 0, 100_000),
        ("breach", "delay"): (s.breach.delay, 0, 86_400),
        ("breach", "queue"): (s.breach.queue, 0, 1_000_000),
        ("breach", "keep_min"): (s.breach.keep_min, 3600, s.breach.keep_max),
        ("breach", "keep_max"): (s.breach.keep_max, 3600, 2_592_000),  # who has opted out is gone after 30 days
        ("breach", "refresh"): (s.breach.refresh, 0, 2_592_000),
        ("breach", "max_age"): (s.breach.max_age, 86_400, 3_153_600_000),
    }
    for key, (value, low, high) in ranges.items():
        if not low <= value <= high:
            yield key, f"has to be between {low} and {high}, not {value:.15g}"


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
        if not _DOMAIN.fullmatch(name) and digest_of(name) is None:
            yield ("breach", "exclude"), f"{name!r} is neither a domain nor an address"
    for kind in breach.also:
        if kind not in ALSO:
            yield ("breach", "also"), f"{kind!r} is none of {', '.join(ALSO)}"
    if not s.store.url.startswith(("sqlite:///", "postgresql+psycopg://")):
        yield ("store", "url"), 'write "sqlite:////path" or "postgresql+psycopg://user@host/name"'
