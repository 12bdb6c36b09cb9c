"""targets – what is fuzzed: one function for each door through which a stranger's bytes come in.

Each takes any bytes and returns nothing. Whatever it raises, an AssertionError of its own too, is a bug. A
target is more than "does not raise": it holds what comes out against what the callers rely on.
"""

import ipaddress
import re
import time
from collections.abc import Callable
from typing import Final

from lab.zone import Zone
from mailvet import text
from mailvet.checks import author
from mailvet.checks.arc import fields as arc_fields
from mailvet.checks.dkim import dkimpy, key_record, signature, tag_list
from mailvet.checks.dkim.body_hash import BodyDigest, BodyHasher, Canon
from mailvet.checks.dkim.header_forms import HeaderForms, relaxed_field, without_signature
from mailvet.checks.dkim.keys import KeyParser, KeyReader
from mailvet.checks.dkim.openssl import load
from mailvet.checks.dmarc import record as dmarc_record
from mailvet.checks.spf import grammar as spf_grammar, terms as spf_terms
from mailvet.checks.spf.check import Checker
from mailvet.checks.spf.pyspf import evaluate
from mailvet.header import auth_results_parser, edits
from mailvet.message import Field, Headers
from mailvet.outcome import Delete
from mailvet.settings import LimitSettings
from mailvet.syntax import address, received, reverse_path
from mailvet.syntax.domain import to_alabel
from mailvet.values import Problem
from mailvet.verdict import SpfResult
from tests.fuzz.whole import OWN, message, without

LIMITS: Final = LimitSettings()
KEYS: Final = KeyParser(dkimpy.parse_tags, load, LIMITS)
IDS: Final = frozenset((OWN,))
DOMAIN: Final = re.compile(r"[a-z0-9_.-]{1,253}")
CLIENTS: Final = ("192.0.2.1", "2001:db8::1")
PLAIN: Final = re.compile(r"[\x20-\x7e]*")


def header(data: bytes) -> None:
    """Header fields of any names: what is removed, who the author is, both canonical forms."""
    headers = Headers()
    for line in re.split(rb"\n(?![ \t])", data):
        name, colon, value = line.partition(b":")
        if colon:
            headers.add(name, value)
    removed = edits.plan(edits.scrub(headers, IDS, "Sender-Breach-Info", LIMITS.results_bytes), ())
    left = without(headers.fields, [each for each in removed if isinstance(each, Delete)])
    assert len(left) == len(headers.fields) - len(removed)
    for field in left:
        key = field.name.strip(b" \t").lower()
        assert key != b"sender-breach-info"
        assert key != b"authentication-results" or not auth_results_parser.claims(field.value, IDS)
    found = author.find(headers.values(b"from"), headers)
    if isinstance(found, author.Author):
        assert DOMAIN.fullmatch(found.domain)
        assert len(headers.values(b"from")) == 1
    forms = HeaderForms(headers)
    for at, field in enumerate(headers.fields):
        assert forms.form(Canon.SIMPLE, at).startswith(field.name + b":")
        name, _, value = relaxed_field(field)[:-2].partition(b":")
        assert relaxed_field(Field(name, value)) == forms.form(Canon.RELAXED, at)  # nothing left to relax
    names = list(headers.by_name)[:50] * 2
    assert len(list(forms.selected(names, -1))) <= len(headers.fields)


def tags(data: bytes) -> None:
    """Tag lists, and the DKIM and ARC fields made of them."""
    ours, theirs = tag_list.parse(data), dkimpy.parse_tags(data)
    if isinstance(ours, dict) and isinstance(theirs, dict):
        assert ours == theirs
    said = signature.parse(data, LIMITS)
    for word in (said.domain, said.selector):
        assert not word or DOMAIN.fullmatch(word)
    assert re.fullmatch(r"[A-Za-z0-9+/=]{0,8}", said.prefix)
    if isinstance(said, signature.Signature):
        assert b"from" in said.names
        assert len(said.names) <= LIMITS.signed_fields
        for canon in Canon:
            assert said.signature not in without_signature(canon, Field(b"DKIM-Signature", data)) or not said.prefix
    if isinstance(ours, dict):
        readers: tuple[Callable[[], object], ...] = (
            lambda: arc_fields.instance(ours),
            lambda: arc_fields.message_signature(ours, LIMITS),
            lambda: arc_fields.seal(ours, 1),
            lambda: arc_fields.seal(ours, 2),
        )
        for reader in readers:
            readable(reader)
    readable(lambda: arc_fields.results(data))


def readable(read: Callable[[], object]) -> None:
    found = read()
    assert not isinstance(found, Problem) or PLAIN.fullmatch(found.text)  # it holds nothing of the text


def addresses(data: bytes) -> None:
    """Address lists as From has them, and domains."""
    read = address.parse(data)
    if isinstance(read, Problem):
        assert address.without_quoted(data) is None or read.text
    else:
        assert read
        assert all(DOMAIN.fullmatch(mailbox.domain) for mailbox in read)
        assert address.without_quoted(data) is not None
    found = author.find([data])
    if isinstance(found, author.Author):
        assert not isinstance(read, Problem)
        assert {mailbox.domain for mailbox in read} == {found.domain}
        assert author.find([data, data]) != found
        # a reader who takes the last pair of angle brackets sees that domain too
        angled = re.findall(rb"<[^<>@\"]*@([^<>\"]*)>", data)
        assert all(to_alabel(each.decode("utf-8").strip()) == found.domain for each in angled)
    else:
        assert PLAIN.fullmatch(found.problem)
    label = to_alabel(data.decode("utf-8", "replace"))
    if label is not None:
        assert DOMAIN.fullmatch(label)
        assert to_alabel(label) == label


def results(data: bytes) -> None:
    """Authentication-Results of others, and whether they claim to be ours."""
    read = auth_results_parser.parse(data)
    claimed = auth_results_parser.claims(data, IDS)
    assert claimed or (not isinstance(read, Problem) and read.authserv_id.strip(" .").lower() != OWN)
    assert auth_results_parser.claims(b" mx.Example.ORG;" + data, IDS)
    assert auth_results_parser.claims(b' (x) "mx.example.org" 1;' + data, IDS)
    word = data.decode("utf-8", "replace")
    for written in (text.pvalue(word), text.comment(word)):
        assert PLAIN.fullmatch(written)
    ours = f" mx.example.org; spf=pass (x {text.comment(word)}) smtp.mailfrom={text.pvalue(word) or 'x'}".encode()
    again = auth_results_parser.parse(ours)
    assert not isinstance(again, Problem)
    assert len(again.results) == 1
    assert [name for name, _ in again.results[0].properties] == ["smtp.mailfrom"]


def records(data: bytes) -> None:
    """DMARC and DKIM key records."""
    policy = dmarc_record.parse(data)
    if policy is not None:
        assert all(uri.isascii() for uri in (*policy.rua, *policy.ruf))
    read = key_record.parse(data, dkimpy.parse_tags)
    found = {kind: KeyReader(zone_with(data).ask, KEYS).fetch("k.example", kind) for kind in ("rsa", "ed25519")}
    for kind, each in found.items():
        assert (each.key is None) == bool(each.problem)
        if each.key is not None:
            assert not isinstance(read, Problem)
            assert kind == "ed25519" or LIMITS.rsa_min_bits <= each.key.bits <= LIMITS.rsa_max_bits
            assert not each.key.verify(b"\x01" * (each.key.bits // 8), b"x")
            assert not each.key.verify(b"", b"x")
    for kind in ("rsa", "ed25519"):
        load(kind, data)


def zone_with(record: bytes) -> Zone:
    return Zone({"k.example": {"TXT": [record]}, "a.example": {"A": ["192.0.2.1"], "MX": [(10, "a.example")]}})


def spf(data: bytes) -> None:
    """SPF records: the terms, what is asked ahead, check_host() itself; a domain of any bytes."""
    record = b"v=spf1 " + data
    zone = zone_with(record)
    mistaken = isinstance(spf_grammar.read(record), Problem)
    for client in CLIENTS:
        asked = spf_terms.targets(record, "k.example", client)
        assert len(asked) <= 20
        assert all(DOMAIN.fullmatch(name.lower()) for name, _ in asked)
        spf_terms.ahead("k.example", client, zone)
        verdict = Checker(evaluate, time.monotonic).check_mail_from(
            client, "helo.example", reverse_path.parse("a@k.example"), zone
        )
        assert verdict.result in SpfResult
        assert verdict.result is not SpfResult.TEMPERROR  # the DNS was well
        assert verdict.result is SpfResult.PERMERROR or not mistaken
        assert verdict.mechanism.removesuffix("…").encode() in record
        spf_terms.notes(record, client)
    assert zone.asked <= 60
    word = data.decode("utf-8", "surrogateescape")
    Checker(evaluate, time.monotonic).check_mail_from("192.0.2.1", word, reverse_path.parse(word), zone)
    Checker(evaluate, time.monotonic).check_helo("192.0.2.1", word, zone)


def trace(data: bytes) -> None:
    """Received fields, of which the topmost tells the client behind our relay."""
    for value in (data, b" from " + data, b" from x (y [192.0.2.1]) by z" + data):
        hop = received.client([value], [ipaddress.ip_network("10.0.0.0/8")])
        if hop is not None:
            assert str(ipaddress.ip_address(hop.address)) == hop.address
            assert not hop.address.startswith("10.")


def body(data: bytes) -> None:
    """Body hashes do not depend on where the body is cut."""
    cuts, _, octets = data.partition(b"|")
    wanted = [BodyDigest(canon, length) for canon in Canon for length in (None, 0, 3, len(octets))]
    whole, pieces = BodyHasher(wanted), BodyHasher(wanted)
    whole.feed(octets)
    for size in cuts[:64]:
        pieces.feed(octets[:size])
        octets = octets[size:]
    pieces.feed(octets)
    assert whole.finish() == pieces.finish()


TARGETS: Final[dict[str, Callable[[bytes], None]]] = {
    each.__name__: each for each in (header, tags, addresses, results, records, spf, trace, body, message)
}
