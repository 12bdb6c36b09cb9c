"""ARC against dkimpy's own verification: chains made and broken at random, and every disagreement explained.

A disagreement that no row of EXPLAINED expects fails the test. Each row says who is right, and where it stands.
"""

import logging
import random
import re
from collections.abc import Callable
from dataclasses import replace

import dkim
import pytest

from lab.sealer import ARC, Mail, Sealer, letter, seal, zone_of
from mailvet.verdict import ArcResult
from tests.checks.arc.test_check import judged, posted

_, _, SEAL = ARC
SEALERS = [Sealer(f"hop{n}.example", number=n) for n in range(4)]
ZONE = zone_of(*SEALERS)
KEYS = {sealer.name.encode() + b".": sealer.record for sealer in SEALERS}
QUIET = logging.getLogger("dkimpy")
QUIET.addHandler(logging.NullHandler())
QUIET.propagate = False
Change = Callable[[random.Random, Mail], Mail]


def theirs(mail: Mail) -> str:
    """dkimpy's status; an end of the chain by cv=fail, which it calls None, is "fail" (RFC 8617 §5.2 step 2)."""
    try:
        status, _, _ = dkim.ARC(mail.wire, logger=QUIET).verify(dnsfunc=lambda name, timeout=5: KEYS.get(name))
    except Exception as e:
        return f"raises {type(e).__name__}"
    return "fail" if status is None else status.decode()


def an_arc_field(random: random.Random, mail: Mail) -> int:
    return random.choice([at for at, (name, _) in enumerate(mail.fields) if name.lower() in ARC])


def nothing(_random: random.Random, mail: Mail) -> Mail:
    return mail


def a_character(random: random.Random, mail: Mail) -> Mail:
    at = an_arc_field(random, mail)
    value = bytearray(mail.fields[at][1])
    value[random.randrange(len(value))] = random.choice(b"aZ0=;: \t()/\"'\\,@<\x7f")
    return mail.with_value(at, re.sub(rb"\n(?! )", b"\n ", bytes(value)))  # still a folded line


def an_insertion(random: random.Random, mail: Mail) -> Mail:
    at = an_arc_field(random, mail)
    value = mail.fields[at][1]
    place = random.randrange(1, len(value))
    bit = random.choice([b" ", b"\t", b"\n ", b";", b"; zz=1; ", b"=", b"(c)", b" i=1; ", b"\xc3\xa9", b"; h=from; "])
    return mail.with_value(at, (value[:place] + bit + value[place:]).replace(b"\n\n", b"\n"))  # not an empty line


def white_space(random: random.Random, mail: Mail) -> Mail:
    """Relaxed forms stay what they were."""
    at = random.randrange(len(mail.fields))
    return mail.with_value(at, mail.fields[at][1].replace(b" ", random.choice([b"  ", b"\t", b" \n\t"])) + b" ")


def a_field_less(random: random.Random, mail: Mail) -> Mail:
    return mail.without(random.randrange(len(mail.fields)))


def a_field_more(random: random.Random, mail: Mail) -> Mail:
    return mail.on_top(random.choice(mail.fields))


def another_order(random: random.Random, mail: Mail) -> Mail:
    return replace(mail, fields=tuple(random.sample(mail.fields, len(mail.fields))))


def another_instance(random: random.Random, mail: Mail) -> Mail:
    at = an_arc_field(random, mail)
    value = mail.fields[at][1]
    number = random.choice([b"0", b"1", b"2", b"01", b"3", b"51", b"99", b"1000000", b"-1", b"", b"x", b"1.5"])
    head, _, tail = value.partition(b"i=")
    return mail.with_value(at, head + b"i=" + number + b";" + tail.partition(b";")[2])


def another_status(random: random.Random, mail: Mail) -> Mail:
    at = random.choice([at for at, (name, _) in enumerate(mail.fields) if name.lower() == SEAL])
    status = random.choice([b"none", b"pass", b"fail", b"Pass", b"", b"x"])
    head, _, tail = mail.fields[at][1].partition(b"cv=")
    return mail.with_value(at, head + b"cv=" + status + b";" + tail.partition(b";")[2])


def a_tag_less(random: random.Random, mail: Mail) -> Mail:
    at = an_arc_field(random, mail)
    tags = mail.fields[at][1].split(b";")
    del tags[random.randrange(len(tags))]
    return mail.with_value(at, b";".join(tags) or b" ")


def another_body(random: random.Random, mail: Mail) -> Mail:
    bit = random.choice([b"\r\n", b" \r\n", b"x", b"footer\r\n", b"\r\n\r\n\r\n"])
    return replace(mail, body=random.choice([mail.body + bit, bit + mail.body, b"", mail.body.rstrip()]))


def a_broken_stranger(random: random.Random, mail: Mail) -> Mail:
    name = random.choice([b"ARC-Seal", b"arc-message-signature", b"ARC-Authentication-Results"])
    return mail.on_top((name, random.choice([b" x", b" a=b", b" i=0; a=b; cv=none", b" i=7;", b" ;;"])))


CHANGES: list[Change] = [
    nothing, a_character, an_insertion, white_space, a_field_less, a_field_more, another_order,
    another_instance, another_status, a_tag_less, another_body, a_broken_stranger,
]  # fmt: skip


def made(random: random.Random) -> Mail:
    mail = letter()
    for _ in range(random.randint(1, 4)):
        form = random.choice(["relaxed/relaxed", "relaxed/simple", "simple/relaxed", "simple/simple"])
        names = random.sample([b"to", b"subject", b"message-id", b"received", b"x-none"], random.randint(0, 5))
        mail = seal(mail, random.choice(SEALERS), form=form, names=[b"from", *names])
        if random.random() < 0.2:
            mail = posted(mail)
    return mail


# change, our result, theirs → who is right
EXPLAINED = {
    (
        a_broken_stranger,
        "fail",
        "pass",
    ): "RFC 8617 §5.2 step 3A: a set lacks fields; dkimpy overlooks what it cannot read",
    (another_order, "pass", "fail"): "RFC 8617 §5.1.1: a seal covers the sets by instance; dkimpy as they stand",
    (
        white_space,
        "pass",
        "raises IndexError",
    ): "RFC 6376 §3.2: white space is free; dkimpy looks for one blank before i=",
    (white_space, "fail", "raises IndexError"): "likewise, where the signature is broken as well",
    (a_character, "fail", "raises Error"): "bh= is no base64: RFC 6376 §3.5, and no verdict of dkimpy's",
    (an_insertion, "fail", "raises Error"): "likewise",
    (a_character, "fail", "raises MessageFormatError"): "not a tag list: RFC 6376 §3.2, and no verdict of dkimpy's",
    (an_insertion, "fail", "raises MessageFormatError"): "likewise",
}
SEEDS = 60  # for each change


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.__name__)
def test_ours_is_theirs_or_explained(change: Change) -> None:
    surprises = []
    for seed in range(SEEDS):
        source = random.Random(f"{change.__name__} {seed}")
        mail = change(source, made(source))
        found, status = judged(mail, ZONE), theirs(mail)
        if found.result != status and (change, found.result.value, status) not in EXPLAINED:
            surprises.append((seed, found.result.value, status, found.problem))
    assert not surprises


def test_the_chains_are_of_both_kinds() -> None:
    """Else agreement would mean little."""
    sources = [random.Random(f"kinds {seed}") for seed in range(100)]
    results = [judged(source.choice(CHANGES)(source, made(source)), ZONE).result for source in sources]
    assert results.count(ArcResult.PASS) > 20
    assert results.count(ArcResult.FAIL) > 20
