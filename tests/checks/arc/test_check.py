"""ARC chains sealed at test time: what holds, what breaks it, how far back it reaches, and whose testimony counts."""

import itertools
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from lab.sealer import ARC, Mail, Sealer, letter, seal, zone_of
from lab.zone import Zone
from mailvet.checks.arc import check as arc
from mailvet.checks.dkim.body_hash import BodyHasher, Canon
from mailvet.checks.dkim.content import Content
from mailvet.checks.dkim.dkimpy import parse_tags
from mailvet.checks.dkim.header_forms import HeaderForms
from mailvet.checks.dkim.keys import KeyParser, KeyReader
from mailvet.checks.dkim.openssl import load
from mailvet.ports import RecordType, Trouble
from mailvet.settings import LimitSettings
from mailvet.verdict import ArcResult, ArcVerdict

NOW = 1_800_000_000.0
RESULTS, MESSAGE, SEAL = ARC
ONE, TWO, THREE = Sealer("one.example"), Sealer("two.example", number=1), Sealer("three.example", kind="ed25519")
ALL = (ONE, TWO, THREE)


def judged(
    mail: Mail, zone: Zone | None = None, *, sets: int = 50, now: float = NOW, trusted: frozenset[str] = frozenset()
) -> ArcVerdict:
    limits = LimitSettings(arc_sets=sets)
    headers = mail.headers
    chain = arc.prepare(headers, limits)
    hasher = BodyHasher(chain.digests)
    hasher.feed(mail.body)
    keys = KeyReader((zone or zone_of(*ALL)).ask, KeyParser(parse_tags, load, limits))
    return arc.judge(chain, Content(HeaderForms(headers), hasher.finish()), keys, now, trusted)


def chain_of(*sealers: Sealer) -> Mail:
    mail = letter()
    for sealer in sealers:
        mail = seal(mail, sealer)
    return mail


def posted(mail: Mail) -> Mail:
    """What a mailing list does before it seals: a tag in the subject, a footer."""
    subject = next(at for at, (name, _) in enumerate(mail.fields) if name == b"Subject")
    return replace(mail.with_value(subject, b" [list] A subject"), body=mail.body + b"-- \r\nthe list\r\n")


# --- chains that hold ---


@pytest.mark.parametrize("form", ["relaxed/relaxed", "relaxed/simple", "simple/relaxed", "simple/simple", "relaxed"])
@pytest.mark.parametrize("sealer", [ONE, THREE, Sealer("wide.example", kind="3072")], ids=lambda s: s.kind)
def test_one_set_in_each_form_and_with_each_key(form: str, sealer: Sealer) -> None:
    found = judged(seal(letter(b"a  b \r\n\r\n"), sealer, form=form), zone_of(sealer))
    assert found == ArcVerdict(result=ArcResult.PASS, instances=1, sealers=(sealer.domain,), oldest_pass=0)


def test_three_hops_that_change_nothing() -> None:
    found = judged(chain_of(ONE, TWO, THREE))
    assert (found.result, found.oldest_pass) == (ArcResult.PASS, 0)
    assert found.sealers == ("one.example", "two.example", "three.example")


@pytest.mark.parametrize(("changed_after", "oldest_pass"), [(1, 2), (2, 3)])
def test_a_list_that_changes_and_seals_again(changed_after: int, oldest_pass: int) -> None:
    """RFC 8617 §5.2 step 5: older message signatures need not verify."""
    mail = letter()
    for number, sealer in enumerate(ALL, 1):
        mail = seal(mail, sealer)
        if number == changed_after:
            mail = posted(mail)
    found = judged(mail)
    assert (found.result, found.oldest_pass) == (ArcResult.PASS, oldest_pass)


def test_oldest_pass_stops_at_the_first_that_fails() -> None:
    """RFC 8617 §5.2 step 5A: what lies below a broken signature is not looked at, though it may verify."""
    mail = seal(letter(), ONE)
    mail = seal(mail, TWO, more="x=1700000001; ")
    found = judged(seal(mail, ONE))
    assert (found.result, found.oldest_pass) == (ArcResult.PASS, 3)


@pytest.mark.parametrize(("length", "footer", "oldest_pass"), [(5, b"", 0), (5, b"--\r\n", 0), (999, b"--\r\n", 2)])
def test_an_old_message_signature_over_part_of_the_body(length: int, footer: bytes, oldest_pass: int) -> None:
    """RFC 8617 §4.1.2: l= means what it means to DKIM, in older sets too."""
    mail = seal(letter(), ONE, more=f"l={length}; ")
    found = judged(seal(replace(mail, body=mail.body + footer), TWO))
    assert (found.result, found.oldest_pass) == (ArcResult.PASS, oldest_pass)


def test_the_key_of_an_old_message_signature_may_be_gone() -> None:
    other = Sealer("gone.example", number=2)
    found = judged(seal(seal(letter(), ONE, message_by=other), TWO))
    assert (found.result, found.oldest_pass, found.temporary) == (ArcResult.PASS, 2, False)


def test_order_of_the_fields_is_no_matter() -> None:
    mail = chain_of(*ALL)
    assert judged(replace(mail, fields=mail.fields[::-1][:5][::-1] + mail.fields[:-5][::-1])).result is ArcResult.PASS


def test_no_arc_field_is_none_and_asks_nothing() -> None:
    zone = zone_of(ONE)
    assert judged(letter(), zone) == ArcVerdict(result=ArcResult.NONE)
    assert zone.asked == 0


@pytest.mark.parametrize("sets", [10, 50])
def test_as_many_sets_as_the_limit_hold(sets: int) -> None:
    assert judged(chain_of(*[ONE] * sets), sets=sets).result is ArcResult.PASS


@pytest.mark.parametrize("sets", [10, 50])
def test_one_more_set_than_the_limit_is_refused_unread(sets: int) -> None:
    zone = zone_of(ONE)
    found = judged(chain_of(*[ONE] * (sets + 1)), zone, sets=sets)
    assert (found.result, found.problem) == (ArcResult.FAIL, f"over {sets} sets (limits.arc_sets)")
    assert zone.asked == 0


def test_keys_are_asked_ahead_and_none_besides() -> None:
    zone = zone_of(*ALL)
    mail = chain_of(*ALL)
    questions = arc.prepare(mail.headers, LimitSettings()).questions
    judged(mail, zone)
    assert set(questions) == {(sealer.name, RecordType.TXT) for sealer in ALL} == set(zone.questions)


def test_the_key_of_the_newest_message_signature_is_asked_ahead_too() -> None:
    new, old = Sealer("new.example"), Sealer("old.example")
    mail = seal(seal(letter(), ONE, message_by=old), TWO, message_by=new)
    questions = arc.prepare(mail.headers, LimitSettings()).questions
    assert [name for name, _ in questions] == [new.name, TWO.name, ONE.name]


def test_many_lengths_cost_no_more_than_two_body_hashes() -> None:
    mail = letter()
    for length in range(1, 10):
        mail = seal(mail, ONE, form=f"relaxed/{'simple' if length % 2 else 'relaxed'}", more=f"l={length}; ")
    mail = seal(seal(seal(mail, ONE), ONE, form="relaxed/simple"), ONE, more="l=4; ")
    digests = arc.prepare(mail.headers, LimitSettings(arc_sets=50)).digests
    assert {digest.canon for digest in digests} == set(Canon)  # a hash for each form: see body_hash
    assert judged(mail).oldest_pass == 0


# --- what breaks a chain ---

# field, instance, what is replaced, by what, and a word of the reason
CHANGED = [
    pytest.param(SEAL, 2, b" i=2;", b" i=1;", "two ARC-Seal", id="a duplicate instance"),
    pytest.param(SEAL, 2, b" i=2;", b" i=3;", "not complete", id="a gap in the seals"),
    pytest.param(MESSAGE, 2, b" i=2;", b" i=3;", "not complete", id="a gap in the signatures"),
    pytest.param(RESULTS, 2, b" i=2;", b" i=3;", "not complete", id="a gap in the results"),
    pytest.param(SEAL, 2, b" i=2;", b" i=0;", "not within", id="i=0"),
    pytest.param(SEAL, 2, b" i=2;", b" i=-2;", "not the number", id="i=-2"),
    pytest.param(SEAL, 2, b" i=2;", b" i=002;", "not the number", id="i=002"),
    pytest.param(SEAL, 2, b" i=2;", b" i=51;", "not within", id="i=51"),
    pytest.param(SEAL, 2, b" i=2;", b" i=1000000;", "not the number", id="i=1000000 in a seal"),
    pytest.param(RESULTS, 2, b" i=2;", b" i=1000000;", "not the number", id="i=1000000 in the results"),
    pytest.param(RESULTS, 2, b" i=2;", b" i=;", "not the number", id="i= without a number"),
    pytest.param(RESULTS, 2, b" i=2;", b" 2;", "does not begin", id="results without i="),
    pytest.param(RESULTS, 2, b" i=2;", b" I=2;", "does not begin", id="§3.9: i in lower case"),
    pytest.param(RESULTS, 2, b" i=2;", b" i=2", "does not begin", id="results without the semicolon"),
    pytest.param(RESULTS, 2, b" i=2;", b" (i=2;", "unbalanced", id="a comment that does not end"),
    pytest.param(RESULTS, 2, b" i=2;", b" " + b"(" * 60 + b")" * 60 + b"i=2;", "nested", id="comments in comments"),
    pytest.param(SEAL, 2, b" cv=pass;", b" cv=fail;", "found the chain broken", id="§5.2 step 2: cv=fail at the top"),
    pytest.param(SEAL, 2, b" cv=pass;", b" cv=Fail;", "found the chain broken", id="cv=Fail, capitalised"),
    pytest.param(SEAL, 1, b" cv=none;", b" cv=fail;", "cv= has to be none", id="§5.2 step 3C: cv=fail below"),
    pytest.param(SEAL, 1, b" cv=none;", b" cv=pass;", "cv= has to be none", id="§5.2 step 3C: cv=pass at 1"),
    pytest.param(SEAL, 2, b" cv=pass;", b" cv=none;", "cv= has to be pass", id="§5.2 step 3C: cv=none at 2"),
    pytest.param(SEAL, 2, b" cv=pass;", b"", "tag cv missing", id="no cv="),
    pytest.param(SEAL, 2, b" cv=pass;", b" cv=pass; h=from;", "h= is not allowed", id="§4.1.3: h= in a seal"),
    pytest.param(SEAL, 2, b" cv=pass;", b" cv=pass; cv=pass;", "twice", id="RFC 6376 §3.2: a tag twice"),
    pytest.param(SEAL, 2, b" cv=pass;", b" cv=pass; nonsense;", "not a tag list", id="a token without ="),
    pytest.param(SEAL, 2, b" cv=pass;", b" cv=pass;;", "not a tag list", id="two semicolons"),
    pytest.param(SEAL, 2, b" cv=pass;", b" cv=pass; z=\0;", "control character", id="NUL in a seal"),
    pytest.param(SEAL, 2, b" t=1700000000;", b" t=yesterday;", "t= is not a number", id="t= in words"),
    pytest.param(SEAL, 2, b" a=rsa-sha256;", b" a=rsa-sha1;", "unknown algorithm", id="RFC 8301 §3.1: rsa-sha1"),
    pytest.param(SEAL, 2, b"\n b=", b"\n b=?", "b= is not base64", id="b= that is no base64"),
    pytest.param(SEAL, 2, b" d=two.example;", b" d=two..example;", "not a name", id="d= that is no name"),
    pytest.param(SEAL, 2, b" s=s1;", b" s=;", "not a name", id="an empty s="),
    pytest.param(SEAL, 2, b" t=1700000000;", b" t=1700000001;", "seal did not verify", id="a seal changed"),
    pytest.param(SEAL, 1, b" t=1700000000;", b" t=1700000001;", "2: seal did not verify", id="a lower seal changed"),
    pytest.param(RESULTS, 1, b"dmarc=pass", b"dmarc=fail", "2: seal did not verify", id="lower results changed"),
    pytest.param(RESULTS, 2, b"dmarc=pass", b"dmarc=fail", "2: seal did not verify", id="newest results changed"),
    pytest.param(MESSAGE, 1, b" s=s1;", b" s=s2;", "2: seal did not verify", id="a lower message signature changed"),
    pytest.param(MESSAGE, 2, b" h=from", b" h=date : from", "message signature did not verify", id="h= changed"),
    pytest.param(MESSAGE, 2, b" h=from", b" h=arc-seal : from", "names ARC-Seal", id="§4.1.2: h= names ARC-Seal"),
    pytest.param(MESSAGE, 2, b" h=from", b" h=" + b"from:" * 200, "limit", id="h= with too many entries"),
    pytest.param(MESSAGE, 2, b" h=from", b" hh=from", "tag h missing", id="no h="),
    pytest.param(MESSAGE, 2, b" c=relaxed/relaxed;", b" c=;", "canonicalisation", id="an empty c="),
    pytest.param(MESSAGE, 2, b" c=relaxed/relaxed;", b" c=lax;", "canonicalisation", id="an unknown c="),
    pytest.param(MESSAGE, 2, b" c=relaxed/relaxed;", b" q=post;", "q= names no known", id="an unknown q="),
    pytest.param(MESSAGE, 2, b" c=relaxed/relaxed;", b" l=-1;", "not a number", id="a negative l="),
    pytest.param(MESSAGE, 2, b" c=relaxed/relaxed;", b" l=" + b"9" * 77 + b";", "not a number", id="l= of 77 digits"),
    pytest.param(MESSAGE, 2, b" c=relaxed/relaxed;", b" t=5; x=5;", "not after", id="x= that is t="),
    pytest.param(MESSAGE, 2, b" bh=", b" bh=?", "bh= is not base64", id="bh= that is no base64"),
]


@pytest.mark.parametrize(("name", "instance", "old", "new", "reason"), CHANGED)
def test_a_field_changed(name: bytes, instance: int, old: bytes, new: bytes, reason: str) -> None:
    mail = chain_of(ONE, TWO)
    at = mail.find(name, instance)
    value = mail.fields[at][1]
    assert old in value
    found = judged(mail.with_value(at, value.replace(old, new, 1)))
    assert found.result is ArcResult.FAIL
    assert reason in found.problem
    assert (found.oldest_pass, found.sealed, found.temporary) == (None, "", False)


@pytest.mark.parametrize("name", ARC, ids=bytes.decode)
@pytest.mark.parametrize("instance", [1, 2])
def test_a_field_missing(name: bytes, instance: int) -> None:
    mail = chain_of(ONE, TWO)
    found = judged(mail.without(mail.find(name, instance)))
    assert (found.result, found.problem) == (ArcResult.FAIL, f"instance {instance} is not complete")


@pytest.mark.parametrize("name", ARC, ids=bytes.decode)
@pytest.mark.parametrize("instance", [1, 2])
def test_a_field_twice(name: bytes, instance: int) -> None:
    mail = chain_of(ONE, TWO)
    found = judged(mail.on_top(mail.fields[mail.find(name, instance)]))
    assert found.result is ArcResult.FAIL
    assert f"instance {instance} has two" in found.problem


@pytest.mark.parametrize("value", [b"", b" ", b" x", b" ;", b" =", b" i", b" i=1", b" i=1;", b"i=1;cv=none", b" \xff"])
@pytest.mark.parametrize("name", ARC, ids=bytes.decode)
def test_a_field_alone_is_a_broken_chain(name: bytes, value: bytes) -> None:
    """OpenDMARC's crashes (`ARC-Seal: x`, tokens without `=`) as a table."""
    found = judged(letter().on_top((name, value)))
    assert (found.result, found.instances) == (ArcResult.FAIL, 1)


def test_the_newest_message_signature_counts() -> None:
    found = judged(posted(chain_of(ONE, TWO)))
    assert (found.result, found.problem) == (ArcResult.FAIL, "instance 2: body hash did not verify")


def test_a_signed_field_changed() -> None:
    mail = chain_of(ONE, TWO)
    found = judged(mail.with_value(len(mail.fields) - 1, b" <2@author.example>"))
    assert found.problem == "instance 2: message signature did not verify"


def test_an_expired_newest_message_signature() -> None:
    mail = seal(letter(), ONE, more="t=1700000000; x=1700000001; ")
    assert judged(mail, now=1_700_000_001.0).result is ArcResult.PASS
    assert judged(mail, now=1_700_000_301.0).result is ArcResult.PASS  # RFC 6376 §3.5, x=: clocks may differ
    assert judged(mail, now=1_700_000_302.0).result is ArcResult.FAIL
    assert judged(mail).problem == "instance 1: the message signature has expired"


def test_a_from_field_added_on_top() -> None:
    """RFC 6376 §8.15: what is signed is the lower one, and what is shown may be the upper one."""
    found = judged(chain_of(ONE, TWO).on_top((b"From", b" <ceo@bank.example>")))
    assert found.problem == "instance 2: a From field was added that is not signed (RFC 6376 §8.15)"


def test_a_set_of_another_message() -> None:
    """The seals verify: it is the newest message signature that ties them to the message."""
    mail = chain_of(ONE, TWO)
    other = letter(author=b"ceo@bank.example")
    assert judged(Mail(mail.fields[:6] + other.fields, mail.body)).result is ArcResult.FAIL


def test_a_lower_set_cut_away() -> None:
    mail = chain_of(ONE, TWO)
    cut = mail.without(*[mail.find(name, 1) for name in ARC])
    assert judged(cut).result is ArcResult.FAIL


def test_sets_swapped() -> None:
    """Every field is genuine, but each seal covers the other order."""
    mail = seal(seal(letter(), ONE, instance=1), TWO, instance=2)
    swapped = tuple((n, v.replace(b" i=1;", b" i=9;").replace(b" i=2;", b" i=1;").replace(b" i=9;", b" i=2;"))
                    for n, v in mail.fields)  # fmt: skip
    assert judged(replace(mail, fields=swapped)).result is ArcResult.FAIL


# --- what may be written otherwise ---


@pytest.mark.parametrize("written", [b"i=1;", b"  i\n =\t1 ;", b"(a ; (b)) i (c\\)) = (d) 1 (e);", b" i=01;"])
def test_the_instance_of_the_results_as_the_grammar_allows(written: bytes) -> None:
    """RFC 8617 §3.9: comments and folding wherever it likes; §3.4: what follows does not matter."""
    sealed = seal(letter(), ONE, written=written, results=b"\xff\0 nonsense")
    assert judged(sealed).result is ArcResult.PASS


def test_tags_nobody_knows_are_ignored() -> None:
    """RFC 6376 §3.2; v= in a message signature too (RFC 8617 §4.1.2), and bh= in a seal."""
    mail = seal(letter(), ONE, more="v=7; zz=top; ", seal_more="bh=AAAA; c=simple/simple; ")
    assert judged(mail).result is ArcResult.PASS


def test_capitals() -> None:
    """RFC 5234 §2.3: a literal is case-insensitive."""
    assert judged(seal(letter(), replace(ONE, spelled="RSA-SHA256"), cv="None")).result is ArcResult.PASS


def test_a_u_label() -> None:
    """RFC 8617 §4.1.4, RFC 8616 §4."""
    sealer = Sealer("bücher.example")
    mail = seal(letter(), sealer)
    zone = Zone({"s1._domainkey.xn--bcher-kva.example": {"TXT": [sealer.record]}})
    assert judged(mail, zone).sealers == ("xn--bcher-kva.example",)


# --- keys ---


@pytest.mark.parametrize(
    ("record", "problem"),
    [
        (b"v=DKIM1; p=", "key revoked"),
        (b"v=DKIM1; p=!", "p= is not base64"),
        (b"v=DKIM1; k=ed25519; p=AAAA", "another type"),
        (Sealer("", number=7).record, "did not verify"),
        (b"x" * 5000, "limit"),
    ],
    ids=["revoked", "garbage", "another type", "another key", "a huge record"],
)
def test_a_key_that_does_not_do(record: bytes, problem: str) -> None:
    found = judged(seal(letter(), ONE), Zone({ONE.name: {"TXT": [record]}}))
    assert (found.result, found.temporary) == (ArcResult.FAIL, False)
    assert problem in found.problem


@pytest.mark.parametrize("trouble", [t for t in Trouble if t is not Trouble.UNRECORDED])
@pytest.mark.parametrize("asked", ALL, ids=lambda s: s.domain)
def test_dns_trouble_at_any_key_is_a_marked_failure(asked: Sealer, trouble: Trouble) -> None:
    """RFC 8617 §5.2.1: all failures are permanent; the log and policy are told that this one need not be."""
    found = judged(chain_of(*ALL), zone_of(*ALL, **{asked.name: trouble}))
    assert (found.result, found.temporary, found.sealed) == (ArcResult.FAIL, True, "")
    assert trouble.value in found.problem
    assert asked.name in found.problem


def test_dns_trouble_at_the_key_of_an_old_message_signature_is_none() -> None:
    other = Sealer("slow.example", number=2)
    mail = seal(seal(letter(), ONE, message_by=other), TWO)
    found = judged(mail, zone_of(*ALL, **{other.name: Trouble.TIMEOUT}))
    assert (found.result, found.oldest_pass, found.temporary) == (ArcResult.PASS, 2, False)


@pytest.mark.parametrize("secure", [True, False, None])
def test_dnssec_of_the_keys(secure: bool | None) -> None:
    zone = Zone(zone_of(*ALL).names, secure=secure)
    assert judged(chain_of(*ALL), zone).secure is secure


# --- whose testimony counts (trust) ---


def sealers_testimony(mail: Mail, *trusted: str) -> tuple[str, str]:
    found = judged(mail, trusted=frozenset(trusted))
    assert found.result is ArcResult.PASS
    return found.sealed_by, found.sealed


NO_TESTIMONY = ("", "")


def test_a_trusted_sealer_saw_it_pass() -> None:
    mail = seal(posted(letter()), ONE)
    assert sealers_testimony(mail, "one.example") == ("one.example", "dmarc=pass")
    assert sealers_testimony(mail, "One.EXAMPLE") == ("one.example", "dmarc=pass")
    assert (
        sealers_testimony(mail, "other.example")
        == sealers_testimony(mail, "example")
        == sealers_testimony(mail)
        == NO_TESTIMONY
    )


def test_a_trusted_sealer_saw_it_fail() -> None:
    assert sealers_testimony(seal(letter(), ONE, dmarc="fail"), "one.example") == ("one.example", "dmarc=fail")


def test_a_broken_chain_says_nothing() -> None:
    mail = posted(seal(letter(), ONE))
    assert judged(mail, trusted=frozenset(["one.example"])).sealed == ""


def test_the_lowest_of_the_trusted_run_counts() -> None:
    """The list changed the message, so the scanner behind it saw DMARC fail; but it came to the list intact."""
    mail = seal(posted(seal(letter(), ONE)), TWO, dmarc="fail")
    assert sealers_testimony(mail, "one.example", "two.example") == ("one.example", "dmarc=pass")
    assert sealers_testimony(mail, "two.example") == ("two.example", "dmarc=fail")


def test_an_untrusted_hop_above_silences_all_below() -> None:
    mail = seal(posted(seal(letter(), ONE)), TWO)
    assert sealers_testimony(mail, "one.example") == NO_TESTIMONY


def test_an_untrusted_hop_between_silences_all_below() -> None:
    mail = seal(seal(seal(letter(), ONE), TWO), THREE, dmarc="fail")
    assert sealers_testimony(mail, "one.example", "three.example") == ("three.example", "dmarc=fail")


def test_an_untrusted_hop_below_is_no_matter() -> None:
    mail = seal(seal(letter(), ONE, dmarc="fail"), TWO)
    assert sealers_testimony(mail, "two.example") == ("two.example", "dmarc=pass")


@pytest.mark.parametrize(
    "set_on_top",
    [
        pytest.param({"names": ()}, id="From is not signed"),
        pytest.param({"names": (b"to", b"subject")}, id="only other fields are signed"),
        pytest.param({"more": "l=5; "}, id="the body is signed in part"),
        pytest.param({"more": "l=0; "}, id="the body is not signed"),
    ],
)
def test_a_set_that_fits_other_messages_does_not_testify(set_on_top: dict[str, Any]) -> None:
    assert sealers_testimony(seal(letter(), ONE, **set_on_top), "one.example") == NO_TESTIMONY
    below = seal(seal(letter(), ONE, **set_on_top), TWO, dmarc="fail")
    assert sealers_testimony(below, "one.example", "two.example") == ("two.example", "dmarc=fail")


def test_a_second_author_is_no_author() -> None:
    mail = seal(letter().on_top((b"From", b" <ceo@bank.example>")), ONE, names=(b"from", b"from"))
    assert sealers_testimony(mail, "one.example") == NO_TESTIMONY


@pytest.mark.parametrize(
    "results",
    [
        pytest.param(b" one.example; dmarc=pass header.from=other.example", id="of another author"),
        pytest.param(b" one.example; dmarc=pass", id="of nobody in particular"),
        pytest.param(b" one.example; spf=pass", id="nothing of DMARC"),
        pytest.param(b" one.example; none", id="nothing at all"),
        pytest.param(b" one.example; (dmarc=pass header.from=author.example) spf=fail", id="in a comment"),
        pytest.param(b' one.example; spf=fail reason="; dmarc=pass header.from=author.example"', id="in quotes"),
        pytest.param(b" one.example; dmarc=pass header.from=author.example; garbage (", id="and garbage"),
        pytest.param(
            b" one.example; dmarc=fail header.from=author.example; dmarc=pass header.from=author.example",
            id="and the opposite",
        ),
        pytest.param(
            b" one.example; dmarc=pass header.from=author.example header.from=other.example", id="of two authors"
        ),
    ],
)
def test_what_the_results_do_not_say(results: bytes) -> None:
    assert sealers_testimony(seal(letter(), ONE, results=results), "one.example") == NO_TESTIMONY


@pytest.mark.parametrize(
    "results",
    [
        b" mx.google.com;\n       dkim=pass header.i=@author.example header.s=s header.b=AbCdEfGh;\n       spf=pass"
        b" (google.com: domain of a@author.example designates 192.0.2.1 as permitted sender)"
        b" smtp.mailfrom=a@author.example;\n       dmarc=pass (p=REJECT sp=REJECT dis=NONE) header.from=author.example",
        b" mx.microsoft.com 1; spf=pass smtp.mailfrom=author.example; dmarc=pass action=none"
        b" header.from=author.example; dkim=pass header.d=author.example; arc=none",
        b" mx.example; dmarc=pass (p=none dis=none) header.from=Author.Example;",
    ],
    ids=["Google's", "Microsoft's", "capitals and a semicolon at the end"],
)
def test_results_as_the_large_sealers_write_them(results: bytes) -> None:
    assert sealers_testimony(seal(letter(), ONE, results=results), "one.example") == ("one.example", "dmarc=pass")


# --- whose testimony would count if the DNS answered ---

TRUSTED = frozenset(["one.example", "two.example"])
DEAD = Sealer("dead.example", number=2)


@pytest.mark.parametrize("trouble", [Trouble.SERVFAIL, Trouble.TIMEOUT])
@pytest.mark.parametrize(
    ("mail", "dead", "pending"),
    [
        pytest.param(chain_of(ONE), ONE, "one.example", id="one trusted set"),
        pytest.param(chain_of(ONE, TWO), ONE, "one.example", id="the lower of two trusted"),
        pytest.param(chain_of(ONE, TWO), TWO, "one.example", id="the upper of two trusted"),
        pytest.param(
            chain_of(DEAD, TWO), DEAD, "two.example", id="a stranger below whom a trusted sealer has seen pass"
        ),
        pytest.param(seal(letter(), ONE, message_by=DEAD), DEAD, "one.example", id="the message signature's key alone"),
        pytest.param(chain_of(DEAD), DEAD, "", id="a stranger"),
        pytest.param(chain_of(ONE, DEAD), DEAD, "", id="a stranger on top"),
        pytest.param(seal(letter(), ONE, dmarc="fail"), ONE, "", id="who saw it fail"),
        pytest.param(seal(letter(), ONE, about="other.example"), ONE, "", id="who saw another author"),
        pytest.param(seal(letter(), ONE, names=()), ONE, "", id="whose set fits other messages"),
    ],
)
def test_a_chain_that_waits_for_the_dns(mail: Mail, dead: Sealer, pending: str, trouble: Trouble) -> None:
    """It is worth waiting only where a trusted sealer's dmarc=pass would count in the end."""
    zone = zone_of(ONE, TWO, DEAD, **{dead.name: trouble})
    found = judged(mail, zone, trusted=TRUSTED)
    assert (found.result, found.temporary, found.pending) == (ArcResult.FAIL, True, pending)
    assert (found.sealed, found.sealed_by) == ("", "")
    assert judged(mail, zone).pending == ""


def test_a_forged_seal_waits_for_nobody() -> None:
    """Anyone can write a trusted name into a seal and name a dead key of his own in the message signature."""
    mallory = Sealer("one.example", number=3)  # another key than the one published
    forged = seal(letter(), mallory, message_by=DEAD)
    found = judged(forged, zone_of(ONE, **{DEAD.name: Trouble.SERVFAIL}), trusted=TRUSTED)
    assert (found.temporary, found.pending) == (False, "")
    assert found.problem == "instance 1: seal did not verify"


def test_what_is_false_does_not_wait_for_a_key_elsewhere() -> None:
    mail = posted(chain_of(ONE, TWO))
    found = judged(mail, zone_of(ONE, TWO, **{TWO.name: Trouble.TIMEOUT}), trusted=TRUSTED)
    assert (found.temporary, found.problem) == (False, "instance 2: body hash did not verify")


# --- keys in test mode ---


def in_test_mode(*sealers: Sealer) -> Zone:
    flagged = {each.name: {"TXT": [each.record.replace(b"v=DKIM1;", b"v=DKIM1; t=y;")]} for each in sealers}
    return zone_of(ONE, TWO, DEAD, **flagged)


@pytest.mark.parametrize(
    ("mail", "testing", "sealer", "instances"),
    [
        pytest.param(chain_of(ONE), ONE, "", (1,), id="the only seal"),
        pytest.param(seal(letter(), ONE, message_by=DEAD), DEAD, "", (1,), id="the message signature"),
        pytest.param(chain_of(ONE, TWO), TWO, "", (2,), id="the newest seal"),
        pytest.param(chain_of(ONE, TWO), ONE, "two.example", (1,), id="an older one: the run ends above it"),
        pytest.param(chain_of(DEAD, TWO), DEAD, "two.example", (1,), id="a stranger's, below"),
    ],
)
def test_a_key_in_test_mode_lifts_nothing(mail: Mail, testing: Sealer, sealer: str, instances: tuple[int, ...]) -> None:
    """RFC 6376 §3.6.1, t=y: not to be treated otherwise than what is not signed."""
    found = judged(mail, in_test_mode(testing), trusted=TRUSTED)
    assert (found.result, found.sealed_by) == (ArcResult.PASS, sealer)
    assert found.notes == tuple(f"ARC set {number} is signed by a key in test mode (t=y)" for number in instances)
    assert judged(mail, zone_of(ONE, TWO, DEAD), trusted=TRUSTED).notes == ()


# --- every chain of up to two sets, trusted or not, each key in each state ---

FOE = Sealer("foe.example", number=4)
STATES: dict[str, Callable[[Sealer], Any]] = {
    "good": lambda by: {"TXT": [by.record]},
    "dead": lambda by: Trouble.SERVFAIL,
    "another": lambda by: {"TXT": [Sealer("", number=9).record]},
    "revoked": lambda by: {"TXT": [b"v=DKIM1; p="]},
    "testing": lambda by: {"TXT": [by.record + b"; t=y"]},
}
LINKS = [(by, state) for by in (ONE, FOE) for state in STATES]
CHAINS = [
    *itertools.product(LINKS),
    *((low, (TWO if by is ONE else by, state)) for low in LINKS for by, state in LINKS),
]


@pytest.mark.parametrize("links", CHAINS, ids=lambda links: ", ".join(f"{by.domain} {state}" for by, state in links))
def test_only_a_trusted_sealer_on_top_is_heard_or_waited_for(links: tuple[tuple[Sealer, str], ...]) -> None:
    keys: dict[str, tuple[Sealer, str]] = {}
    for by, state in links:
        keys.setdefault(by.name, (by, state))
    states = [keys[by.name][1] for by, _ in links]
    zone = Zone({name: STATES[state](by) for name, (by, state) in keys.items()})
    found = judged(chain_of(*(by for by, _ in links)), zone, trusted=TRUSTED)
    holds, waits = not {"dead", "another", "revoked"} & {*states}, not {"another", "revoked"} & {*states}
    on_top, heard = links[-1][0], links[-1][0].domain in TRUSTED and states[-1] != "testing"
    assert (found.result is ArcResult.PASS) is holds
    assert found.temporary is (waits and not holds)
    assert bool(found.sealed_by) is (holds and heard)
    assert bool(found.pending) is (waits and not holds and heard)
    assert {found.sealed_by, found.pending} <= {"", on_top.domain, links[0][0].domain} - {FOE.domain}
