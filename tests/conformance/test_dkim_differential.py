"""DKIM against dkimpy's own verification: signed and broken at random, and every disagreement explained.

A disagreement that no row of EXPLAINED expects fails the test. Each row says who is right, and where it stands.
"""

import logging
import random
import re
from base64 import b64encode
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from typing import Any, NamedTuple

import dkim
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from lab.sealer import Mail, Sealer, letter, private_key, zone_of
from lab.signer import judged, sign
from mailvet.syntax import mailfile
from mailvet.verdict import DkimResult

SIGNERS = [
    Sealer("author.example"),
    Sealer("author.example", kind="2048", selector="s2"),
    Sealer("author.example", kind="ed25519", selector="ed"),
]
ZONE = zone_of(*SIGNERS)
KEYS = {signer.name.encode() + b".": signer.record for signer in SIGNERS}
FORMS = ["relaxed/relaxed", "relaxed/simple", "simple/relaxed", "simple/simple"]
QUIET = logging.getLogger("dkimpy")
QUIET.addHandler(logging.NullHandler())
QUIET.propagate = False
Change = Callable[[random.Random, Mail], Mail]


def theirs(mail: Mail) -> str:
    """dkimpy's truth about the topmost signature, or the reason it gave."""
    try:
        found = dkim.DKIM(mail.wire, logger=QUIET).verify(dnsfunc=lambda name, timeout=5: KEYS.get(name.lower()))
    except Exception as e:
        return str(e)
    return "pass" if found else "fail"


def ours(mail: Mail) -> str:
    """Result and problem."""
    found = judged(mail, ZONE)[0]
    return f"{found.result} {found.problem}".rstrip()


# --- what happens to a message ---


def nothing(_source: random.Random, mail: Mail) -> Mail:
    return mail


def a_character(source: random.Random, mail: Mail) -> Mail:
    value = bytearray(mail.fields[0][1])
    value[source.randrange(len(value))] = source.choice(b"aZ0=;: \t()/\"'\\,@<\x7f")
    return mail.with_value(0, re.sub(rb"\n(?! )", b"\n ", bytes(value)))  # still a folded line


def an_insertion(source: random.Random, mail: Mail) -> Mail:
    value = mail.fields[0][1]
    place = source.randrange(1, len(value))
    bit = source.choice(
        [b" ", b"\t", b"\n ", b";", b"; zz=1; ", b"=", b"(c)", b" v=1; ", b"\xc3\xa9", b"; h=from; ", b":"]
    )
    return mail.with_value(0, (value[:place] + bit + value[place:]).replace(b"\n\n", b"\n"))  # not an empty line


def white_space(source: random.Random, mail: Mail) -> Mail:
    at = source.randrange(len(mail.fields))
    return mail.with_value(at, mail.fields[at][1].replace(b" ", source.choice([b"  ", b"\t", b" \n\t"])) + b" ")


def a_field_less(source: random.Random, mail: Mail) -> Mail:
    return mail.without(source.randrange(1, len(mail.fields)))


def a_field_more(source: random.Random, mail: Mail) -> Mail:
    at = source.randrange(1, len(mail.fields))
    fields = list(mail.fields)
    fields.insert(source.randrange(1, len(fields) + 1), mail.fields[at])
    return replace(mail, fields=tuple(fields))


def another_from(source: random.Random, mail: Mail) -> Mail:
    fields = list(mail.fields)
    fields.insert(source.randrange(1, len(fields) + 1), (source.choice([b"From", b"from"]), b" ceo@author.example"))
    return replace(mail, fields=tuple(fields))


def another_order(source: random.Random, mail: Mail) -> Mail:
    return replace(mail, fields=(mail.fields[0], *source.sample(mail.fields[1:], len(mail.fields) - 1)))


def another_spelling(source: random.Random, mail: Mail) -> Mail:
    at = source.randrange(1, len(mail.fields))
    fields = list(mail.fields)
    fields[at] = (source.choice([bytes.upper, bytes.lower, bytes.swapcase])(fields[at][0]), fields[at][1])
    return replace(mail, fields=tuple(fields))


def another_body(source: random.Random, mail: Mail) -> Mail:
    bit = source.choice([b"\r\n", b" \r\n", b"x", b"footer\r\n", b"\r\n\r\n\r\n", b"\t", b"  "])
    return replace(mail, body=source.choice([mail.body + bit, bit + mail.body, b"", mail.body.rstrip()]))


def blanks_in_the_body(source: random.Random, mail: Mail) -> Mail:
    return replace(
        mail, body=mail.body.replace(b" ", source.choice([b"  ", b"\t", b" \t "])).replace(b"\r\n", b" \r\n")
    )


def a_tag_less(source: random.Random, mail: Mail) -> Mail:
    tags = mail.fields[0][1].split(b";")
    del tags[source.randrange(len(tags))]
    return mail.with_value(0, b";".join(tags) or b" ")


def other_tags(source: random.Random, _mail: Mail) -> Mail:
    """Signed as they are: here only what the tags mean is in question."""
    tags = source.choice(TAGS)
    return sign(letter(a_body(source)), source.choice(SIGNERS[:2]), **tags)


def other_layout(source: random.Random, _mail: Mail) -> Mail:
    form = source.choice(FORMS)
    layout: dict[str, Any] = {
        "head": source.choice([b" ", b"", b"\n\t", b"  "]),
        "glue": source.choice([b"; ", b";", b" ;\n\t", b"\n ;\n  "]),
        "tail": source.choice([b"", b";", b" ;", b"; n=x", b"\n ", b" \n ; zz=1;"]),
    }
    return sign(letter(a_body(source)), source.choice(SIGNERS), form=form, **layout)


TAGS: list[dict[str, Any]] = [
    {"l": "0"}, {"l": "7"}, {"l": "100000"}, {"l": "x"}, {"l": ""}, {"i": "@author.example"},
    {"i": "@a.author.example"}, {"i": "x@other.example"}, {"i": "x"}, {"i": "@AUTHOR.EXAMPLE"}, {"h": "to:subject"},
    {"h": "From:To"}, {"h": ""}, {"h": "from:"}, {"a": "rsa-sha1"}, {"a": "RSA-SHA256"}, {"a": "rsa-sha512"},
    {"a": "ed25519-sha256"}, {"c": None}, {"c": "Relaxed/relaxed"}, {"c": "relaxed/"}, {"c": "relaxed/x"},
    {"q": "dns/txt"}, {"q": "http"}, {"q": "dns/txt:x"}, {"v": "2"}, {"v": None}, {"d": "example"},
    {"d": "author..example"}, {"d": "other.example"}, {"d": "Author.Example"}, {"s": "none"}, {"s": "s(1)"},
    {"t": "1"}, {"t": "x"}, {"t": "99999999999"}, {"x": "1"}, {"x": "99999999999"}, {"x": "y"},
    {"t": "9", "x": "9"}, {"bh": "AAAA"}, {"bh": "x"}, {"bh": ""}, {"z": "From:x"},
    {"d": "author.example", "S": "x"},
]  # fmt: skip
CHANGES: list[Change] = [
    nothing, a_character, an_insertion, white_space, a_field_less, a_field_more, another_from, another_order,
    another_spelling, another_body, blanks_in_the_body, a_tag_less, other_tags, other_layout,
]  # fmt: skip


# --- the messages ---


def a_body(source: random.Random) -> bytes:
    bits = [b"a line of text\r\n", b"two  blanks \r\n", b"\r\n", b"\ttab\t\r\n", b"x", b" "]
    return b"".join(source.choices(bits, k=source.randint(0, 12))) + source.choice([b"", b"\r\n", b"end\r\n"])


def a_message(source: random.Random) -> Mail:
    mail = letter(a_body(source))
    for _ in range(source.randint(0, 4)):
        value = b" ".join(source.choices([b"", b"word", b"\n\tfold", b"\xc3\xbc", b"\xfc", b"a:b;"], k=4))
        mail = mail.on_top((source.choice([b"X-Hop", b"x-hop", b"Subject", b"X-Other"]), b" " + value))
    return mail


@cache
def private_half(signer: Sealer) -> bytes:
    """A signer's key as dkimpy wants it."""
    private = private_key(signer.kind, signer.number)
    if isinstance(private, Ed25519PrivateKey):
        return b64encode(private.private_bytes(Encoding.Raw, PrivateFormat.Raw, NoEncryption()))
    return private.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption())


def signed_by_dkimpy(source: random.Random, mail: Mail) -> Mail:
    signer, form = source.choice(SIGNERS), source.choice(FORMS).encode()
    names = [
        b"from",
        *source.choices([b"to", b"subject", b"message-id", b"x-hop", b"x-none", b"from"], k=source.randint(0, 6)),
    ]
    field = dkim.DKIM(mail.wire, logger=QUIET, signature_algorithm=signer.algorithm.encode()).sign(
        signer.selector.encode(),
        signer.domain.encode(),
        private_half(signer),
        canonicalize=tuple(form.split(b"/")),
        include_headers=names,
        length=source.random() < 0.2,
    )
    (parsed,) = mailfile.parse(field).fields
    return mail.on_top(parsed)


def signed_by_us(source: random.Random, mail: Mail) -> Mail:
    names = [
        b"from",
        *source.choices([b"to", b"subject", b"message-id", b"x-hop", b"x-none", b"from"], k=source.randint(0, 6)),
    ]
    return sign(mail, source.choice(SIGNERS), names=names, form=source.choice(FORMS))


class Row(NamedTuple):
    ours: str  # result and problem, from the start
    theirs: str  # "pass", or the reason it gave, from the start
    occurs: Callable[[Mail], bool]
    why: str


def blank_end(mail: Mail) -> bool:
    """The relaxed body ends in white space without a CRLF, as none does that came by SMTP."""
    return b"/relaxed" in mail.fields[0][1] and mail.body.endswith((b" ", b"\t"))


def blank_behind_b(mail: Mail) -> bool:
    return re.search(rb"b=[A-Za-z0-9+/=\n ]*\s(;|$)", mail.fields[0][1]) is not None


def always(_mail: Mail) -> bool:
    return True


EXPLAINED = [
    Row(
        "pass",
        "body hash mismatch",
        blank_end,
        "RFC 6376 §3.4.4: no white space at the end of lines, so neither of the last",
    ),
    Row("fail body hash", "pass", blank_end, "likewise, signed by dkimpy"),
    Row("pass", "fail", blank_behind_b, "RFC 6376 §3.7: white space around the value of b= is deleted with it"),
    Row("policy l=", "pass", always, "RFC 6376 §8.2: verified, and refused by policy (partial_body)"),
    Row("pass", "q= value is not dns/txt", always, "RFC 6376 §3.5: q= is a list of methods"),
    Row("pass", "t= value is in the future", always, "RFC 6376 §3.5: MAY be ignored; it is noted"),
    Row("permerror the key is of another type", "pass", always, "RFC 6376 §6.1.2 step 7: a= and k= have to fit"),
]
SEEDS = 150  # for each change


def compare(change: Change, seed: int) -> tuple[str, str, Mail]:
    source = random.Random(f"{change.__name__} {seed}")
    by = source.choice([signed_by_dkimpy, signed_by_us])
    mail = change(source, by(source, a_message(source)))
    return ours(mail), theirs(mail), mail


def explained(found: str, status: str, mail: Mail) -> Row | None:
    rows = [
        row for row in EXPLAINED if found.startswith(row.ours) and status.startswith(row.theirs) and row.occurs(mail)
    ]
    return rows[0] if rows else None


def test_ours_is_theirs_or_explained() -> None:
    surprises, needed = [], set()
    for change in CHANGES:
        for seed in range(SEEDS):
            found, status, mail = compare(change, seed)
            if (found == "pass") != (status == "pass"):
                row = explained(found, status, mail)
                if row is None:
                    surprises.append((change.__name__, seed, found, status, mail.fields[0][1]))
                else:
                    needed.add(row)
    assert not surprises
    assert needed == set(EXPLAINED)


def test_the_messages_are_of_both_kinds() -> None:
    """Else agreement would mean little."""
    sources = [random.Random(f"kinds {seed}") for seed in range(200)]
    results = [
        ours(source.choice(CHANGES)(source, signed_by_us(source, a_message(source)))).split()[0] for source in sources
    ]
    assert results.count(DkimResult.PASS) > 40
    assert results.count(DkimResult.FAIL) > 30
    assert len(set(results)) >= 5
