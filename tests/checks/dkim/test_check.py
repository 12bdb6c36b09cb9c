"""Every result a DKIM signature can get, and the reason with it."""

import random
from base64 import b64encode
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicNumbers
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given, settings, strategies as st

from lab.sealer import Mail, Sealer, letter, zone_of
from lab.signer import AUTHOR, NAMES, NOW, judged, sign
from lab.zone import Zone
from mailvet.ports import Trouble
from mailvet.settings import LimitSettings
from mailvet.verdict import DkimResult, DkimVerdict

PASS, FAIL, POLICY = DkimResult.PASS, DkimResult.FAIL, DkimResult.POLICY
NEUTRAL, PERMERROR, TEMPERROR = DkimResult.NEUTRAL, DkimResult.PERMERROR, DkimResult.TEMPERROR
ED25519 = Sealer("author.example", kind="ed25519", selector="ed")
FORMS = [f"{header}/{body}" for header in ("simple", "relaxed") for body in ("simple", "relaxed")]


def only(mail: Mail, zone: Zone | None = None, **more: Any) -> DkimVerdict:
    (verdict,) = judged(mail, zone, **more)
    return verdict


def published(*records: bytes) -> Zone:
    return Zone({AUTHOR.name: {"TXT": list(records)}})


# --- what passes ---


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("kind", ["1024", "2048", "4096", "ed25519"])
def test_each_form_and_key(form: str, kind: str) -> None:
    by = Sealer("author.example", kind=kind)
    body = b"two  blanks\t\r\n\r\n tail \r\n\r\n\r\n"
    mail = sign(letter(body).on_top((b"X-Folded", b"a\n\tb  c ")), by, names=[*NAMES, b"x-folded"], form=form)
    found = only(mail, zone_of(by))
    assert (found.result, found.problem) == (PASS, "")
    assert (found.domain, found.selector, found.identity) == ("author.example", "s1", "@author.example")
    assert found.algorithm == by.algorithm
    assert found.key_bits == (256 if kind == "ed25519" else int(kind))
    assert found.signature_prefix == mail.fields[0][1].rpartition(b"b=")[2][:8].decode()


@pytest.mark.parametrize(
    ("mail", "what"),
    [
        (sign(letter(), c=None, form="simple/simple"), "no c=: simple/simple (RFC 6376 §3.5)"),
        (sign(letter(), c="relaxed", form="relaxed/simple"), "no body form: simple (RFC 6376 §3.5)"),
        (sign(letter(), i="alice@news.author.example"), "i= below d="),
        (sign(letter(), i="@AUTHOR.example", d="Author.Example"), "names in any case"),
        (sign(letter(), i="alice@\n\tnews.author\n .example"), "folds in i=, which is quoted-printable (§2.11)"),
        (sign(letter(), q="dns/txt:other"), "several q= methods"),
        (sign(letter(), z="From:x|To:y", unknown="x"), "tags nobody needs are ignored (RFC 6376 §3.2)"),
        (sign(letter(), names=[*NAMES, b"x-none", b"from"]), "names of no field mean the null string (§5.4.2)"),
        (sign(letter(), h="from : to\n\t:subject:  message-id"), "folds and blanks in h="),
        (sign(letter(), glue=b" \n\t; "), "blanks around semicolons"),
        (sign(letter(), tail=b";"), "a semicolon at the end"),
        (sign(letter(), tail=b"; x=1900000000"), "b= in the middle"),
        (sign(letter(), x="1900000000", t="1700000000"), "not yet expired"),
        (sign(letter(), x=str(int(NOW) - 300)), "expired for no longer than clocks may differ (RFC 6376 §3.5, x=)"),
        (sign(letter(), i="a=40b@news=2Eauthor.=65xample"), "i= in quoted-printable (RFC 6376 §2.11)"),
        (sign(letter(), i="=61lice=40author.example"), "i= in quoted-printable, its @ as well"),
        (sign(letter(), i="odd=zz=@author.example"), "i= with what is no quoted-printable, before the @"),
        (sign(letter(), names=[*NAMES, b"dkim-signature"]), "h= names its own field, which is not meant (§3.5, §5.4)"),
        (sign(letter(), l="1000"), "l= beyond the body"),
        (sign(letter(b""), form="relaxed/relaxed"), "no body, relaxed"),
        (sign(letter(b""), form="simple/simple"), "no body, simple"),
        (sign(letter(b"no line end")), "a body without a last CRLF"),
        (sign(letter().on_top((b"Subject", b" gr\xfc\xdfe \xe2\x82\xac"))), "an 8-bit header field"),
        (sign(letter().on_top((b"x-a", b""), (b"X-A", b" ")), names=[b"from", b"x-a", b"x-a"]), "empty fields"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_passes(mail: Mail, what: str) -> None:
    found = only(mail)
    assert (found.result, found.problem) == (PASS, ""), what


def test_b_is_emptied_wherever_it_stands_and_however_it_is_folded() -> None:
    mail = sign(letter(), form="simple/simple")
    _, value = mail.fields[0]
    head, _, signature = value.rpartition(b"b=")
    folded = b"\n  ".join(signature[at : at + 20] for at in range(0, len(signature), 20))
    assert only(mail.with_value(0, head + b"b=\n  " + folded + b"\n ")).result is PASS


def test_the_domain_of_i_is_told_decoded() -> None:
    """RFC 6376 §3.5: i= is quoted-printable (§2.11), and header.i is for people and programs."""
    assert only(sign(letter(), i="a=40b@news=2Eauthor.=65xample")).identity == "@news.author.example"


def test_a_repeated_field_is_signed_from_the_bottom_up() -> None:
    """RFC 6376 §5.4.2"""
    mail = letter().on_top((b"X-Hop", b" 3"), (b"X-Hop", b" 2"), (b"X-Hop", b" 1"))
    two = sign(mail, names=[*NAMES, b"x-hop", b"x-hop"])
    assert only(two).result is PASS
    assert only(two.with_value(1, b" other")).result is PASS  # the topmost was not signed
    assert only(two.with_value(2, b" other")).result is FAIL
    assert only(two.with_value(3, b" other")).result is FAIL


def test_a_signature_may_sign_those_before_it_and_never_itself() -> None:
    """RFC 6376 §5.4.2, §3.7: h= naming DKIM-Signature means the others."""
    once = sign(letter(), ED25519)
    both = sign(once, names=[*NAMES, b"dkim-signature", b"dkim-signature"])
    zone = zone_of(AUTHOR, ED25519)
    assert [each.result for each in judged(both, zone)] == [PASS, PASS]
    broken = both.with_value(1, both.fields[1][1] + b" ")
    assert [each.result for each in judged(broken, zone)] == [PASS, PASS]  # relaxed: the same field
    more = both.on_top((b"DKIM-Signature", b" x=y"))
    assert [each.result for each in judged(more, zone)] == [NEUTRAL, FAIL, PASS]  # it is oversigned


def test_internationalised_domains() -> None:
    """RFC 8616 §3: U-labels are turned into A-labels for the key and for the field we write."""
    by = Sealer("xn--mnchen-3ya.example", selector="xn--grn-ioa")
    found = only(sign(letter(), by, d="münchen.example", s="grün", i="@post.münchen.example"), zone_of(by))
    assert (found.result, found.domain, found.selector) == (PASS, by.domain, by.selector)
    assert found.identity == "@post.xn--mnchen-3ya.example"


def test_no_signature() -> None:
    assert judged(letter()) == (DkimVerdict(result=DkimResult.NONE),)


def test_each_signature_gets_a_verdict_in_header_order() -> None:
    mail = sign(sign(letter(), ED25519), d="other.example").on_top((b"dkim-SIGNATURE", b" nonsense"))
    found = judged(mail, zone_of(AUTHOR, ED25519))
    assert [(each.result, each.domain) for each in found] == [
        (NEUTRAL, ""), (PERMERROR, "other.example"), (PASS, "author.example"),
    ]  # fmt: skip


# --- what the field itself says ---


@pytest.mark.parametrize(
    ("tags", "result", "problem"),
    [
        *[({tag: None}, NEUTRAL, f"tag {tag} missing") for tag in ("v", "a", "bh", "d", "h", "s")],
        ({"v": None, "s": None}, NEUTRAL, "tag v, s missing"),
        ({"v": "2"}, NEUTRAL, "v= is not 1"),
        ({"v": "1.0"}, NEUTRAL, "v= is not 1"),
        ({"a": "rsa-sha1"}, PERMERROR, "rsa-sha1 is forbidden (RFC 8301 §3.1)"),
        ({"a": "rsa-sha512"}, NEUTRAL, "unknown algorithm"),
        ({"a": "RSA-SHA256"}, NEUTRAL, "unknown algorithm"),
        ({"a": ""}, NEUTRAL, "unknown algorithm"),
        ({"c": "nowsp/simple"}, NEUTRAL, "unknown canonicalisation"),
        ({"c": "relaxed/"}, NEUTRAL, "unknown canonicalisation"),
        ({"c": "relaxed/relaxed/simple"}, NEUTRAL, "unknown canonicalisation"),
        ({"c": "Relaxed/Relaxed"}, NEUTRAL, "unknown canonicalisation"),
        ({"c": ""}, NEUTRAL, "unknown canonicalisation"),
        ({"q": "http"}, NEUTRAL, "q= names no known method"),
        ({"q": ""}, NEUTRAL, "q= names no known method"),
        ({"h": "to:subject"}, PERMERROR, "From is not signed (RFC 6376 §5.4)"),
        ({"h": "to:xfrom"}, PERMERROR, "From is not signed (RFC 6376 §5.4)"),
        ({"h": ""}, NEUTRAL, "h= holds something that is not a field name"),
        ({"h": "from:"}, NEUTRAL, "h= holds something that is not a field name"),
        ({"h": "from to"}, NEUTRAL, "h= holds something that is not a field name"),
        ({"h": "from:t\u00f6"}, NEUTRAL, "h= holds something that is not a field name"),
        ({"i": "alice@other.example"}, PERMERROR, "i= is not within d= (RFC 6376 §3.5)"),
        ({"i": "@notauthor.example"}, PERMERROR, "i= is not within d= (RFC 6376 §3.5)"),
        ({"i": "@example"}, PERMERROR, "i= is not within d= (RFC 6376 §3.5)"),
        ({"i": "author.example"}, PERMERROR, "i= is not within d= (RFC 6376 §3.5)"),
        ({"i": "@author.example=40other.example"}, PERMERROR, "i= is not within d= (RFC 6376 §3.5)"),
        ({"i": ""}, PERMERROR, "i= is not within d= (RFC 6376 §3.5)"),
        ({"x": "1700000000"}, PERMERROR, "the signature has expired"),
        ({"x": str(int(NOW) - 301)}, PERMERROR, "the signature has expired"),
        ({"t": "1750000000", "x": "1740000000"}, NEUTRAL, "x= is not after t="),
        ({"t": "1", "x": "1"}, NEUTRAL, "x= is not after t="),
        *[({tag: "-1"}, NEUTRAL, "l=, t= or x= is not a number") for tag in ("l", "t", "x")],
        ({"l": ""}, NEUTRAL, "l=, t= or x= is not a number"),
        ({"l": "1" * 77}, NEUTRAL, "l=, t= or x= is not a number"),
        ({"l": "\u0661"}, NEUTRAL, "l=, t= or x= is not a number"),
        ({"bh": "x"}, NEUTRAL, "b= or bh= is not base64"),
        ({"bh": ""}, NEUTRAL, "b= or bh= is not base64"),
    ],
    ids=str,
)
def test_a_field_that_cannot_be_used(tags: dict[str, Any], result: DkimResult, problem: str) -> None:
    found = only(sign(letter(), **tags))
    assert (found.result, found.problem) == (result, problem)


@pytest.mark.parametrize(
    "domain",
    [
        "author example", "author.example.", ".author.example", "author..example", "example", "", "a" * 64 + ".example",
        "author.example' OR 1", 'author.example"', "author.example(x)", "x@author.example", "[192.0.2.1]", 
        "b\u00fc--.\u2024x", "\u0661.example\u3002com", "author.ex\u00adample", "-author.example",
    ],
)  # fmt: skip
@pytest.mark.parametrize("tag", ["d", "s"])
def test_what_is_not_a_name_is_not_repeated(domain: str, tag: str) -> None:
    """Such names broke verifiers that wrote them into Authentication-Results or asked for them."""
    if tag == "s" and domain == "example":
        return  # a selector may have one label
    zone = zone_of(AUTHOR)
    tags: dict[str, Any] = {tag: domain}
    found = only(sign(letter(), **tags), zone)
    assert (found.result, found.problem) == (NEUTRAL, "d= or s= is not a name")
    assert (found.domain, found.selector, found.identity, found.signature_prefix) == ("", "", "", "")
    assert zone.asked == 0


@pytest.mark.parametrize("value", [b" ", b" x", b" v=1; v=1", b" =", b" v=1;; a=b", b" v=1\0; a=b", b" 1v=1", b" v-=1"])
def test_no_tag_list(value: bytes) -> None:
    assert only(letter().on_top((b"DKIM-Signature", value))).result is NEUTRAL


def test_b_that_is_not_base64_is_not_repeated() -> None:
    mail = sign(letter())
    head, _, _ = mail.fields[0][1].rpartition(b"b=")
    found = only(mail.with_value(0, head + b'b="(x)!" AAA'))
    assert (found.result, found.signature_prefix) == (NEUTRAL, "")


def test_what_could_be_read_is_told() -> None:
    found = only(sign(letter(), a="rsa-sha1"))
    assert (found.domain, found.selector, found.algorithm) == ("author.example", "s1", "rsa-sha1")
    assert len(found.signature_prefix) == 8


# --- the key ---


def rsa_of(bits: int, exponent: int = 65537) -> bytes:
    """A public key of that size; nobody has to have its private half."""
    modulus = random.Random(bits).getrandbits(bits) | 1 << (bits - 1) | 1
    der = RSAPublicNumbers(exponent, modulus).public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return b"v=DKIM1; p=" + b64encode(der)


P = AUTHOR.record.partition(b"p=")[2]


@pytest.mark.parametrize(
    ("records", "problem"),
    [
        ((), "no key"),
        ((b"v=DKIM1; p=",), "key revoked"),
        ((b"v=DKIM1; k=ed25519; p=" + P,), "the key is of another type than the signature"),
        ((b"v=DKIM1; k=x; p=" + P,), "the key is of another type than the signature"),
        ((b"v=DKIM1; h=sha1; p=" + P,), "h= of the key does not allow sha256"),
        ((b"v=DKIM1; h=; p=" + P,), "h= of the key does not allow sha256"),
        ((b"v=DKIM1; s=tlsrpt; p=" + P,), "s= of the key is not for mail"),
        ((b"v=DKIM1; s=emails; p=" + P,), "s= of the key is not for mail"),
        ((b"v=DKIM1; p=" + P[:-8],), "the key cannot be read"),
        ((b"v=DKIM1; p=AAAA",), "the key cannot be read"),
        ((ED25519.record.replace(b"k=ed25519; ", b""),), "the key cannot be read"),
        ((b"v=DKIM1; p=MCowBQYDK2VwAyEA11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=",), "the key is not an RSA key"),
        ((AUTHOR.record, AUTHOR.record), "several key records"),
        ((AUTHOR.record, b"v=spf1 -all"), "several key records"),
        ((b"v=spf1 -all",), "bad key record: v= is not DKIM1, or not first"),
        ((b"a note",), "bad key record: not a tag list (InvalidTagSpec)"),
        ((b"v=DKIM2; p=" + P,), "bad key record: v= is not DKIM1, or not first"),
        ((b"p=" + P + b"; v=DKIM1",), "bad key record: v= is not DKIM1, or not first"),
        ((b"v=DKIM1",), "bad key record: p= is missing"),
        ((b"v=DKIM1; p=" + P + b"; p=",), "bad key record: not a tag list (DuplicateTag)"),
        ((b"v=DKIM1; p=*" + P,), "bad key record: p= is not base64"),
        ((b"",), "bad key record: p= is missing"),
        (((AUTHOR.record + b"; n=").ljust(4097, b"x"),), "key record over 4096 octets (limits.key_record)"),
        ((rsa_of(512),), "512-bit key is too small"),
        ((rsa_of(1023),), "1023-bit key is too small"),
        ((rsa_of(8193),), "8193-bit key is too large (limits.rsa_max_bits)"),
        ((rsa_of(2048, (1 << 33) + 1),), "the exponent of the key is too large (RFC 6376 §8.13)"),
        ((rsa_of(8192, (1 << 17) + 1),), "the exponent of the key is too large (RFC 6376 §8.13)"),
        ((AUTHOR.record + b"; n=" * 100,), "key record of over 100 tags (limits.tags)"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_key_that_cannot_be_used(records: tuple[bytes, ...], problem: str) -> None:
    found = only(sign(letter()), published(*records))
    assert (found.result, found.problem) == (PERMERROR, problem)


@pytest.mark.parametrize(
    "record",
    [
        b"p=" + P,
        b"v=DKIM1; h=sha1:sha256; k=rsa; s=email; n=a note; t=y:x; p=" + P + b";",
        b"v=DKIM1; s=* : other; h = sha256 ;\tp=" + P[:50] + b"  " + P[50:],
        b"v=DKIM1; g=ignored; p=" + P,
        b" v=DKIM1; p=" + P,
        pytest.param((AUTHOR.record + b"; n=").ljust(4096, b"x"), id="as long as the limit"),
    ],
)
def test_a_key_record_that_is_fine(record: bytes) -> None:
    assert only(sign(letter()), published(record)).result is PASS


def test_a_key_without_its_wrapping() -> None:
    """RFC 6376 §3.6.1: RSAPublicKey; RFC 8301 and common practice: SubjectPublicKeyInfo. Both are read."""
    from base64 import b64decode

    from cryptography.hazmat.primitives.serialization import load_der_public_key

    bare = load_der_public_key(b64decode(P)).public_bytes(Encoding.DER, PublicFormat.PKCS1)
    assert only(sign(letter()), published(b"p=" + b64encode(bare))).result is PASS


@pytest.mark.parametrize(
    ("identity", "result"),
    [(None, PASS), ("@author.example", PASS), ("alice@author.example", PASS), ("@news.author.example", PERMERROR)],
)
def test_a_key_that_wants_i_to_be_d(identity: str | None, result: DkimResult) -> None:
    """RFC 6376 §3.6.1, t=s"""
    assert only(sign(letter(), i=identity), published(b"v=DKIM1; t=s; p=" + P)).result is result


@pytest.mark.parametrize("trouble", list(Trouble))
def test_dns_trouble_is_temperror_and_nothing_else(trouble: Trouble) -> None:
    found = only(sign(letter()), Zone({AUTHOR.name: trouble}))
    assert (found.result, found.key_bits) == (TEMPERROR, 0)
    assert found.problem == f"key not available: TXT {AUTHOR.name}: {trouble}"


def test_trouble_with_one_key_is_no_matter_for_another_signature() -> None:
    mail = sign(sign(letter(), ED25519))
    zone = Zone({AUTHOR.name: Trouble.TIMEOUT, ED25519.name: {"TXT": [ED25519.record]}})
    assert [each.result for each in judged(mail, zone)] == [TEMPERROR, PASS]


@pytest.mark.parametrize("secure", [True, False, None])
@pytest.mark.parametrize("records", [(), (b"p=",), (AUTHOR.record,)])
def test_whether_the_answer_was_validated_is_told(records: tuple[bytes, ...], secure: bool | None) -> None:
    assert only(sign(letter()), Zone({AUTHOR.name: {"TXT": list(records)}}, secure)).secure is secure


# --- what does not verify ---


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (lambda mail: replace(mail, body=mail.body + b"x\r\n"), "body hash did not verify"),
        (lambda mail: replace(mail, body=b""), "body hash did not verify"),
        (lambda mail: mail.with_value(2, b" Mallory <mallory@author.example>"), "signature did not verify"),
        (lambda mail: mail.without(2), "signature did not verify"),
        (lambda mail: mail.with_value(0, mail.fields[0][1].replace(b"s=s1", b"s=S1")), "signature did not verify"),
        (lambda mail: mail.with_value(0, mail.fields[0][1][:-4] + b"AAA="), "signature did not verify"),
        (
            lambda mail: mail.with_value(0, mail.fields[0][1].rpartition(b"b=")[0] + b"b=AAAA"),
            "signature did not verify",
        ),
        (lambda mail: mail.on_top((b"X-None", b" now there")), "signature did not verify"),
    ],
)
@pytest.mark.parametrize("by", [AUTHOR, ED25519], ids=lambda by: by.kind)
def test_fails(change: Callable[[Mail], Mail], problem: str, by: Sealer) -> None:
    mail = sign(letter(), replace(by, selector="s1"), names=[*NAMES, b"x-none"])
    found = only(change(mail), zone_of(replace(by, selector="s1")))
    assert (found.result, found.problem) == (FAIL, problem)


def test_another_key_than_the_signers() -> None:
    assert only(sign(letter()), zone_of(replace(AUTHOR, number=1))).problem == "signature did not verify"


def test_a_key_problem_comes_before_a_changed_body() -> None:
    mail = replace(sign(letter()), body=b"changed\r\n")
    assert only(mail, published()).problem == "no key"
    assert only(mail, Zone({AUTHOR.name: Trouble.TIMEOUT})).result is TEMPERROR


# --- what verifies and is not accepted, or accepted with a note ---


@pytest.mark.parametrize(
    ("length", "partial_body", "result", "said"),
    [
        ("10", "policy", POLICY, "l= covers only 50 % of the body"),
        ("0", "policy", POLICY, "l= covers only 0 % of the body"),
        ("20", "policy", PASS, ""),
        ("10", "pass", PASS, "l= covers only 50 % of the body"),
        ("20", "pass", PASS, ""),
        ("21", "policy", PASS, "l= is larger than the body"),
    ],
)
def test_a_partly_signed_body(length: str, partial_body: str, result: DkimResult, said: str) -> None:
    """RFC 6376 §8.2"""
    found = only(sign(letter(b"0123456789 1234567\r\n"), l=length), partial_body=partial_body)
    assert found.result is result
    assert [each for each in (found.problem, *found.notes) if "l=" in each] == [said] * bool(said)


def test_what_l_leaves_out_may_change() -> None:
    mail = sign(letter(b"signed\r\n"), l="8")
    changed = replace(mail, body=b"signed\r\nor not\r\n")
    assert only(changed, partial_body="pass").result is PASS
    assert only(replace(mail, body=b"Signed\r\n"), partial_body="pass").result is FAIL
    assert only(replace(mail, body=b"sign"), partial_body="pass").result is FAIL


@pytest.mark.parametrize("place", ["above", "below"])
def test_a_from_field_that_was_added(place: str) -> None:
    """RFC 6376 §8.15"""
    mail, another = sign(letter()), (b"From", b" ceo@author.example")
    above = place == "above"
    found = only(mail.on_top(another) if above else replace(mail, fields=(*mail.fields, another)))
    assert found.result is (POLICY if above else FAIL)
    oversigned = sign(letter(), names=[*NAMES, b"from"]).on_top(another)
    assert only(oversigned).result is FAIL


@pytest.mark.parametrize(
    ("mail", "record", "note"),
    [
        (sign(letter(), names=[b"from"]), AUTHOR.record, "Subject not signed"),
        (sign(letter()).on_top((b"Subject", b" x")), AUTHOR.record, "Subject added after signing"),
        (sign(letter()).on_top((b"Content-Type", b" text/html")), AUTHOR.record, "Content-Type not signed"),
        (sign(letter()), AUTHOR.record, "1024-bit key"),
        (sign(letter()), b"t=y; p=" + P, "the signer is testing (t=y)"),
        (sign(letter(), t=str(int(NOW) + 90_000)), AUTHOR.record, "signed in the future"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_notes(mail: Mail, record: bytes, note: str) -> None:
    found = only(mail, published(record))
    assert found.result is PASS
    assert note in found.notes


def test_a_good_signature_has_no_notes() -> None:
    by = Sealer("author.example", kind="2048")
    found = only(sign(letter(), by, names=[*NAMES, b"subject", b"from"], t=str(int(NOW))), zone_of(by))
    assert (found.result, found.notes, found.testing) == (PASS, (), False)


def test_a_signature_that_failed_has_no_notes() -> None:
    found = only(sign(letter(), names=[b"from"], bh="AAAA"), published(b"t=y; p=" + P))
    assert (found.result, found.notes, found.testing) == (FAIL, (), True)


# --- limits ---


def test_signatures_beyond_the_limit_are_not_looked_at() -> None:
    mail = letter()
    for number in range(13):
        mail = sign(mail, replace(AUTHOR, selector=f"s{number}"))
    zone = zone_of(*[replace(AUTHOR, selector=f"s{number}") for number in range(13)])
    found = judged(mail, zone)
    assert [each.result for each in found] == [PASS] * 10 + [NEUTRAL]
    assert found[-1].problem == "3 more signatures not looked at (limits.signatures)"
    assert zone.asked == 10


@pytest.mark.parametrize(("count", "result"), [(200, PASS), (201, NEUTRAL)])
def test_entries_of_h(count: int, result: DkimResult) -> None:
    found = only(sign(letter(), names=[*NAMES, *[b"x-%d" % n for n in range(count - len(NAMES))]]))
    assert found.result is result
    assert found.problem == ("" if result is PASS else "h= has over 200 entries (limits.signed_fields)")


@pytest.mark.parametrize(("bits", "said"), [(1024, "signature did not verify"), (8192, "signature did not verify")])
def test_keys_at_the_limits(bits: int, said: str) -> None:
    assert only(sign(letter()), published(rsa_of(bits))).problem == said


@pytest.mark.timeout(10)
def test_ten_thousand_names_for_ten_thousand_fields_are_quick() -> None:
    """A search for each name from the bottom would take a hundred million steps a signature."""
    mail = letter()
    fields = tuple((b"X", b" %d" % number) for number in range(10_000))
    mail = replace(mail, fields=(*fields, *mail.fields))
    (found,) = judged(
        sign(mail, names=[b"from", *[b"y"] * 5_000, *[b"x"] * 3_000]),
        limits=LimitSettings(signed_fields=10_000),
    )
    assert found.result is PASS


# --- any bytes at all ---

PIECE = st.sampled_from(
    [
        b"v=1", b";", b"a=rsa-sha256", b"b=", b"bh=", b"d=author.example", b"s=s1", b"h=from", b"=", b":", b"\n ",
        b"\r", b" ", b"c=relaxed", b"l=3", b"x=1", b"i=@", b"\0", b"\xff", b"AAAA", b"d=\xc3\xbc.example", b"s=(", b'"',
        b"q=dns/txt", b"t=9",
    ]
)  # fmt: skip


@settings(max_examples=400)
@given(st.lists(PIECE | st.binary(max_size=6), max_size=30).map(b"".join))
def test_any_bytes_get_a_verdict_that_is_safe_to_write(value: bytes) -> None:
    found = only(letter().on_top((b"DKIM-Signature", value)))
    assert found.result in (NEUTRAL, PERMERROR, FAIL)
    safe = set("abcdefghijklmnopqrstuvwxyz0123456789-_.@")
    assert set(found.domain + found.selector + found.identity + found.algorithm) <= safe
    assert (
        found.signature_prefix.replace("+", "a").replace("/", "a").replace("=", "a").isalnum()
        or not found.signature_prefix
    )


@settings(max_examples=300)
@given(st.integers(0, 10_000), st.binary(min_size=1, max_size=3), st.integers(0, 3))
def test_a_signed_message_changed_anywhere_does_not_pass_as_another(at: int, bit: bytes, skip: int) -> None:
    """Whatever passes after the change has canonical forms that are the same as before."""
    mail = sign(letter(), form="simple/simple")
    fields = mail.fields[0:1] + mail.fields[2:]  # what is signed, and the signature
    octets = bytearray(b"\0".join(value for _, value in fields))
    at %= len(octets)
    octets[at : at + skip] = bit
    values = bytes(octets).split(b"\0")
    if len(values) != len(fields):
        return
    changed = replace(mail, fields=tuple((name, value) for (name, _), value in zip(fields, values, strict=True)))
    if only(changed).result is PASS:
        before, after = fields[0][1].rpartition(b"b="), changed.fields[0][1].rpartition(b"b=")
        assert changed.fields[1:] == fields[1:]
        assert before[0] == after[0]
