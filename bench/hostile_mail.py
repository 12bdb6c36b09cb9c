"""hostile_mail – messages made to be expensive: classes by name, each of any size.

A class is a function from a number of octets to a `Message` of about that size. If the attacked code runs only after
a correct body hash or with an existing key, the message has them.

Raises     nothing
Not here   measuring (hostile)
"""

import random
from base64 import b64encode
from collections.abc import Callable
from typing import Any, Final, NamedTuple

from lab.sealer import Mail, Sealer, letter, seal
from lab.signer import sign
from mailvet.checks.dkim.body_hash import BodyDigest, BodyHasher, Canon
from mailvet.checks.spf.limits import fitting

Fields = tuple[tuple[bytes, bytes], ...]
DOMAIN: Final = "author.example"
WORDS: Final = b"please find attached the report of the last quarter and the order for it\r\n"
_HEAD: Final = (
    (b"From", b" Alice <alice@author.example>"),
    (b"To", b" bob@rcpt.example"),
    (b"Subject", b" the order"),
    (b"Date", b" Thu, 1 Jan 2026 00:00:00 +0000"),
    (b"Message-ID", b" <1@author.example>"),
)
_RANDOM: Final = random.Random(1)


class Message(NamedTuple):
    fields: Fields
    body: bytes = b"Hello.\r\n"
    zone: dict[str, dict[str, list[Any]]] = {}  # noqa: RUF012  # besides the plain records
    signatures: int = 0  # as many has the plain message it is compared with
    relay: bool = False  # handed over by our own relay, so that Received counts
    helo: str = "mail.author.example"
    sender: str = "bounce@author.example"

    @property
    def size(self) -> int:
        """The octets of the message and of the DNS records that belong to it."""
        records = sum(_octets(each) for types in self.zone.values() for found in types.values() for each in found)
        return sum(len(name) + len(value) + 3 for name, value in self.fields) + 2 + len(self.body) + records


def _octets(record: Any) -> int:
    return len(record) if isinstance(record, (bytes, str)) else len(record[1])


def of_size(unit: bytes, size: int) -> bytes:
    return (unit * (size // len(unit) + 1))[: max(size, 0)]


def plain(size: int, signatures: int = 0) -> Message:
    """Return an ordinary message: good signatures and text."""
    signers = [Sealer(DOMAIN, kind="2048", selector=f"s{number}") for number in range(signatures)]
    left = size - sum(len(name) + len(value) + 3 for name, value in _HEAD) - 1000 * signatures
    mail = Mail(_HEAD, of_size(WORDS, max(left, 80)))
    for signer in signers:
        mail = sign(mail, signer)
    return Message(mail.fields, mail.body, {signer.name: {"TXT": [signer.record]} for signer in signers}, signatures)


# --- fields ---


def _with(*fields: tuple[bytes, bytes]) -> Message:
    return Message((*fields, *_HEAD))


def _many(name: bytes, value: bytes) -> Callable[[int], Message]:
    return lambda size: _with(*[(name, value)] * (size // (len(name) + len(value) + 3)))


def _one(name: bytes, unit: bytes, start: bytes = b" ", end: bytes = b"") -> Callable[[int], Message]:
    return lambda size: _with((name, start + of_size(unit, size) + end))


def _names(unit: bytes, length: int = 30_000) -> Callable[[int], Message]:
    def made(size: int) -> Message:
        return _with(*[(b"%d" % at + of_size(unit, length - 10), b" x") for at in range(max(1, size // length))])

    return made


def _words(name: bytes, text: bytes) -> Callable[[int], Message]:
    """Encoded words, each of another charset that nobody knows."""

    def made(size: int) -> Message:
        each = size // (len(text) + 18)
        return _with(*[(name, b" " + b"".join([b"=?x-%06d?q?%b?= " % (at, text) for at in range(each)]))])

    return made


def _beyond(name: bytes, unit: bytes, length: int = 60_000) -> Callable[[int], Message]:
    """The same in fields that come after more than are kept."""

    def made(size: int) -> Message:
        values = [of_size(unit, min(length, size)) for _ in range(max(1, size // length))]
        return _with(*[(b"a", b"")] * 1001, *[(name, b" " + value) for value in values])

    return made


def _received(size: int, value: bytes) -> Message:
    """Behind a relay of ours the fields are believed for as long as they name our relays."""
    return _many(b"Received", value)(size)._replace(relay=True)


def _author(unit: bytes, start: bytes = b" ", end: bytes = b"") -> Callable[[int], Message]:
    """Up to the largest From that is read."""
    return lambda size: Message(((b"From", start + _lines(of_size(unit, size)) + end), *_HEAD[1:]))


def _lines(text: bytes) -> bytes:
    """Folded as it has to be: a From with a line over 998 octets is not read."""
    return b"\n ".join([text[at : at + 900] for at in range(0, len(text), 900)])


def _mailboxes(size: int) -> Message:
    one = b"a@author.example"
    return Message(((b"From", _lines(b" " + b", ".join([one] * (size // (len(one) + 2))))), *_HEAD[1:]))


def _domains(size: int) -> Message:
    each = [b"a@%s.example" % "ü".encode() + b"%d.example" % at for at in range(size // 20)]
    return Message(((b"From", b" " + b",\n ".join(each)), *_HEAD[1:]))


HEADER: Final[dict[str, Callable[[int], Message]]] = {
    "one Subject": _one(b"Subject", b"word "),
    "fields of 4 octets": _many(b"a", b""),
    "fields of 25 octets": _many(b"X-Spam-Score", b" 1234567"),
    "distinct field names": lambda size: _with(*[(b"X-%d" % at, b" x") for at in range(size // 12)]),
    "field names of 30 kB": _names(b"x"),
    "field names of odd octets": _names(b"x \x01\xff"),
    "values of blanks": _one(b"X", b" "),
    "values of tabs": _one(b"X", b"\t"),
    "values of CR": _one(b"X", b"\r"),
    "values of NUL": _one(b"X", b"\0"),
    "values of folds": _one(b"X", b"\n "),
    "folded lines `From:`": _one(b"X", b"\n From:"),
    "folded lines `From: x`": _one(b"X", b"\n\t From : x y z"),
    "folded lines `Authentication-Results:`": _one(b"X", b"\n Authentication-Results:"),
    "bare CR and `From:`": _one(b"X", b"\rFrom:"),
    "From fields": _many(b"From", b" a@b.example"),
    "Received fields": _many(b"Received", b" from a (b [192.0.2.1]) by c; Thu, 1 Jan 2026 00:00:00 +0000"),
    "Received fields of our relay": lambda size: _received(size, b" from a (b [198.51.100.1]) by c; x"),
    "Received fields of parentheses": lambda size: _received(size, b" from a (b [198.51.100.1]" + b"()" * 900),
    "HELO and MAIL FROM of U-labels": lambda size: _with((b"X", of_size(b"x", size)))._replace(
        helo=_u_labels(200), sender="a@" + _u_labels(200)
    ),
}
_TWO_RUNS: Final = "\u0307".encode() * 150 + "\u0323".encode() * 150
_MARKS: Final = "\u0307\u0323\u0316".encode()
UNICODE: Final[dict[str, Callable[[int], Message]]] = {
    "two runs of combining marks": lambda size: _with(
        (b"Subject", b" a" + of_size("\u0307".encode(), size // 4 * 2) + of_size("\u0323".encode(), size // 4 * 2))
    ),
    "marks of all classes": _one(b"Subject", _MARKS, b" a"),
    "Tibetan vowels of two marks": _one(b"Subject", "\u0f73".encode(), b" a"),
    "marks in a comment of Authentication-Results": lambda size: _with(
        (b"Authentication-Results", " ö.example; x=y (a".encode() + of_size(_MARKS, size // 6 * 6) + b")")
    ),
    "marks beyond the limits": _beyond(b"Subject", b"a" + _MARKS * 9999),
    "U+FDFA": _one(b"Subject", "\ufdfa".encode()),
    "U+3300": _one(b"Subject", "\u3300".encode()),
    "U+FDFA beyond the limits": _beyond(b"Subject", "\ufdfa".encode()),
    "letters that NFD takes apart": _one(b"Subject", "각ệ".encode()),
    "lines behind U+2028": _one(b"Subject", "\u2028From: a".encode()),
    "addresses behind U+2028": _one(b"Subject", "\u2028From: a@author.example ".encode()),
    "lines behind U+2028 in DKIM-Signature": _one(b"DKIM-Signature", "\u2028From: a@author.example ".encode()),
    "lines behind U+2028 beyond the limits": _beyond(b"Subject", "\u2028From: a".encode()),
    "results behind U+2028": _one(b"Subject", "\u2028Authentication-Results: o; =?utf-8?q?=41?= ".encode()),
    "encoded words": _one(b"Subject", b"=?utf-8?q?hello?= "),
    "encoded line ends": _one(b"Subject", b"=?utf-8?b?Cg==?= "),
    "encoded line ends beyond the limits": _beyond(b"Subject", b"=?utf-8?b?Cg==?= "),
    "open words": _one(b"Subject", b"=?utf-8?q?"),
    "words of UTF-7": _one(b"Subject", b"=?utf-7?q?+AEE-x?= "),
    "words of HZ": _one(b"Subject", b"=?hz?q?=7E=7B<:Ky=7E=7D?= "),
    "words of unknown charsets": _words(b"Subject", b"hello"),
    "words that bring a name": _words(b"Subject", b"from"),
    "names of encoded words": lambda size: _with(
        *[(b"=?x-%d?q?=41?=" % at * 30, b" y") for at in range(min(990, size // 480))]
    ),
    "short names of encoded words": lambda size: _with(
        *[(b"=?utf-8?q?X%d?=" % at, b" y") for at in range(min(990, size // 25))]
    ),
}
RESULTS: Final[dict[str, Callable[[int], Message]]] = {
    "fields of ours": _many(b"Authentication-Results", b" mx.rcpt.example; dkim=pass"),
    "shortest fields of ours": _many(b"Authentication-Results", b""),
    "fields of others": _many(b"Authentication-Results", b" mx.other.example; dkim=pass header.d=author.example"),
    "results": _one(b"Authentication-Results", b"; a=b", b" mx.other.example"),
    "properties": _one(b"Authentication-Results", b" a.b=c", b" mx.other.example; dkim=pass"),
    "properties of one letter": _one(b"Authentication-Results", b" a=b", b" mx.other.example; dkim=pass"),
    "comments": _one(b"Authentication-Results", b"()", b" mx.other.example", b"; none"),
    "nested comments": _one(b"Authentication-Results", b"((((((()))))))", b" mx.other.example", b"; none"),
    "quoted pairs in comments": _one(b"Authentication-Results", b"\\(", b" mx.other.example (", b"); none"),
    "quoted pairs": _one(b"Authentication-Results", b'\\"', b' "', b'"; none'),
    "an open quote": _one(b"Authentication-Results", b'" ', b" mx.other.example; a=b"),
    "blanks and folds": _one(b"Authentication-Results", b" \n\t", b" mx.other.example", b"; none"),
    "a field a result": _many(b"Authentication-Results", b" a.example; a=b (()) c.d=e"),
    "ids of U-labels": lambda size: _with(
        *[(b"Authentication-Results", f" {_u_labels(20)}; none".encode()) for _ in range(max(1, size // 280))]
    ),
}
FROM: Final[dict[str, Callable[[int], Message]]] = {
    "mailboxes": _mailboxes,
    "U-label domains": _domains,
    "shortest mailboxes": _author(b"a@b.cd,", b" ", b"a@b.cd"),
    "groups": _author(b"a:;", b" "),
    "comments": _author(b"()", b" ", b" a@author.example"),
    "nested comments": _author(b"((((()))))", b" ", b" a@author.example"),
    "encoded words": _author(b"=?utf-8?q?=40?= ", b" ", b" <a@author.example>"),
    "base64 words": _author(b"=?b?b?QA?= ", b" ", b" <a@author.example>"),
    "words without an end": _author(b"=?b?b?QA", b" ", b" <a@author.example>"),
    "words of no charset": _author(b"=?x?q?=40_?= ", b" ", b" <a@author.example>"),
    "words of UTF-7": _author(b"=?utf-7?q?+AEA-?= ", b" ", b" <a@author.example>"),
    "one long word": _author(b"=C3=BC", b" =?utf-8?q?", b"?= <a@author.example>"),
    "letters that fold": _author("\ufb03\u0327".encode(), b" ", b" <a@author.example>"),
    "marks behind @": _author(b"@a" + _TWO_RUNS + b"\n ", b' "', b'" <a@author.example>'),
    "marks behind @, encoded": _author(
        b"=?utf-8?b?%b?=\n " % b64encode(b"@a" + _TWO_RUNS), b" ", b"<a@author.example>"
    ),
    "blanks around @": _author(b" @ . ", b' "', b'" <a@author.example>'),
    "angle brackets": _author(b"<>", b" "),
    "angle brackets and @": _author(b"<a@", b" "),
    "open angle brackets": _author(b"<", b" ", b"a@author.example>"),
    "quoted strings": _author(b'""', b" ", b" <a@author.example>"),
    "quoted pairs": _author(b'\\"', b' "', b'" <a@author.example>'),
    "dots": _author(b".", b" ", b" <a@author.example>"),
    "words": _author(b"a ", b" ", b"<a@author.example>"),
    "@": _author(b"@", b" ", b" <a@author.example>"),
    "colons": _author(b":", b" ", b" <a@author.example>"),
    "8-bit octets": _author(b"\xff", b" ", b" <a@author.example>"),
    "domain literals": _author(b"[]", b" ", b" <a@author.example>"),
    "labels": _author(b"a.", b" x@", b"example"),
}


# --- signatures ---


def _signed(count: int, size: int, names: list[bytes], body: bytes = b"Hello.\r\n", **tags: Any) -> Message:
    """`count` good signatures over everything that `names` names, each with its own key."""
    return _sign(Mail(_HEAD, body), count, names, **tags)


def _sign(mail: Mail, count: int, names: list[bytes], kind: str = "2048", **tags: Any) -> Message:
    signers = [Sealer(DOMAIN, kind=kind, selector=f"s{number}") for number in range(count)]
    signed = [sign(mail, signer, names=names, **tags).fields[0] for signer in signers]
    zone = {signer.name: {"TXT": [signer.record]} for signer in signers}
    return Message((*signed, *mail.fields), mail.body, zone, count)


def _tag(content: Callable[[int], str], count: int = 1, **tags: str) -> Callable[[int], Message]:
    """Signatures of which one tag is huge."""
    return lambda size: _sign(Mail(_HEAD, b"Hello.\r\n"), count, [b"from"], n=content(size // count), **tags)


def _tags(text: Callable[[int], bytes], count: int = 1) -> Callable[[int], Message]:
    """Signature fields that hold just this."""
    return lambda size: _with(*[(b"DKIM-Signature", b" " + text(size // count)) for _ in range(count)])._replace(
        signatures=min(count, 10)
    )


def _distinct(size: int) -> bytes:
    return b"; ".join([b"x%04d=" % at for at in range(size // 8)])


def _u_label_signatures(size: int) -> Message:
    """Names that take a while until they turn out to be none, or that are some."""
    text = "v=1; a=rsa-sha256; h=from; b=AA==; bh=AA==; d={}; s={}; i=@{}"
    values = [" " + text.format(_u_labels(20), _u_labels(20), _u_labels(20)) for _ in range(10)]
    return _with(*[(b"DKIM-Signature", value.encode()) for value in values])._replace(signatures=10)


def _u_labels(length: int, count: int = 4) -> str:
    labels = ["".join(map(chr, _RANDOM.sample(range(0x4E00, 0x9FA5), length))) for _ in range(count)]
    return ".".join(labels)


def _listed(size: int, count: int, name: Callable[[int], bytes]) -> Message:
    names = [b"from", *(name(at) for at in range(size // count // (len(name(1)) + 1)))]
    return _sign(Mail(_HEAD, b"Hello.\r\n"), count, names)


def _200_names(size: int) -> Message:
    """As many names as are looked at, each with its field; the fields share the size."""
    width = max(1, size // 199)
    fields = tuple((b"X-%d" % at, b" " + of_size(b"word \t", width)) for at in range(199))
    return _sign(Mail((*fields, *_HEAD), b"Hello.\r\n"), 10, [b"from", *(name.lower() for name, _ in fields)])


def _200_names_both(size: int) -> Message:
    """Likewise, and half of the signatures are simple."""
    width = max(1, size // 199)
    fields = tuple((b"X-%d" % at, b" " + of_size(b"\n  a", width)) for at in range(199))
    mail, names = Mail((*fields, *_HEAD), b"Hello.\r\n"), [b"from", *(name.lower() for name, _ in fields)]
    simple = _sign(mail, 5, names, form="simple/simple")
    return simple._replace(fields=(*_sign(mail, 5, names).fields[:5], *simple.fields), signatures=10)


def _simple_folds(size: int) -> Message:
    return _sign(
        Mail(((b"Subject", of_size(b"\n ", size)), *_HEAD), b"Hello.\r\n"),
        10,
        [b"from", b"subject"],
        form="simple/simple",
    )


def _cheap_signatures(size: int) -> Message:
    """Many fields, of which ten are looked at."""
    one = sign(letter(), Sealer(DOMAIN, kind="2048", selector="s0")).fields[0]
    return _with(*[one] * max(1, size // len(one[1])))._replace(signatures=10)


def _lengths(size: int) -> Message:
    """Ten signatures, each with an l= of its own."""
    body = of_size(WORDS, size)
    mail = Mail(_HEAD, body)
    made = [_sign(mail, 10, [b"from"], l=str(size // 10 * at)).fields[at - 1] for at in range(1, 11)]
    return Message((*made, *_HEAD), body, _sign(mail, 10, [b"from"]).zone, 10)


def _large_keys(size: int) -> Message:
    return _sign(Mail(_HEAD, of_size(WORDS, size)), 10, [b"from"], kind="8192")


SIGNATURES: Final[dict[str, Callable[[int], Message]]] = {
    "h= of one name": lambda size: _listed(size, 1, lambda _: b"x"),
    "h= of one name, ten times": lambda size: _listed(size, 10, lambda _: b"x"),
    "h= of distinct names, ten times": lambda size: _listed(size, 10, lambda at: b"x%04d" % at),
    "h= of `from`": lambda size: _listed(size, 10, lambda _: b"from"),
    "h= of colons": _tags(lambda size: b"v=1; a=rsa-sha256; d=a.example; s=s; bh=AA==; b=AA==; h=" + b":" * size),
    "200 names, ten times": _200_names,
    "200 names of folds, both forms": _200_names_both,
    "a folded Subject, simple, ten times": _simple_folds,
    "a tag of letters, ten times": _tag(lambda size: "a" * size, 10),
    "a tag of blanks, ten times": _tag(lambda size: "a " * (size // 2), 10),
    "b= of blanks": _tags(
        lambda size: b"v=1; a=rsa-sha256; d=author.example; s=s; bh=AA==; h=from; b=" + of_size(b"A ", size), 10
    ),
    "bh= of letters": _tags(
        lambda size: b"v=1; a=rsa-sha256; d=author.example; s=s; h=from; b=AA==; bh=" + of_size(b"AAAA", size), 10
    ),
    "d= of labels": _tags(
        lambda size: b"v=1; a=rsa-sha256; s=s; h=from; b=AA==; bh=AA==; d=" + of_size(b"a.", size), 10
    ),
    "semicolons": _tags(lambda size: b";" * size, 10),
    "tags": _tags(_distinct, 1),
    "tags, ten times": _tags(_distinct, 10),
    "signatures": _cheap_signatures,
    "lengths": _lengths,
    "8192-bit keys": _large_keys,
    "names of U-labels": _u_label_signatures,
}


# --- ARC ---


def _chain(count: int) -> Callable[[int], Message]:
    """A good chain; the Subject that all sets sign has the size."""

    def made(size: int) -> Message:
        mail = Mail((*_HEAD[:2], (b"Subject", b" " + of_size(b"word  ", size)), *_HEAD[3:]), b"Hello.\r\n")
        sealers = [Sealer("list.example", kind="2048", selector=f"s{number}") for number in range(count)]
        for sealer in sealers:
            mail = seal(mail, sealer)
        zone = {sealer.name: {"TXT": [sealer.record]} for sealer in sealers}
        return Message(mail.fields, mail.body, zone, 2 * count)

    return made


def _chain_of_large_sets(size: int) -> Message:
    mail = Mail(_HEAD, b"Hello.\r\n")
    sealers = [Sealer("list.example", kind="2048", selector=f"s{number}") for number in range(10)]
    for sealer in sealers:
        mail = seal(mail, sealer, results=b" a.example; dmarc=pass (" + of_size(b"word \t", size // 10) + b")")
    zone = {sealer.name: {"TXT": [sealer.record]} for sealer in sealers}
    return Message(mail.fields, mail.body, zone, 20)


def _arc_results(start: bytes, unit: bytes) -> Callable[[int], Message]:
    """Ten sets whose ARC-Authentication-Results are hard to read."""

    def made(size: int) -> Message:
        return _with(
            *[(b"ARC-Authentication-Results", start + of_size(unit, size // 10)) for _ in range(10)],
            *[(b"ARC-Seal", b" i=%d; cv=none" % at) for at in range(1, 11)],
        )

    return made


ARC: Final[dict[str, Callable[[int], Message]]] = {
    "ten good sets": _chain(10),
    "ten sets of large fields": _chain_of_large_sets,
    "fields": _many(b"ARC-Seal", b" i=1; a=rsa-sha256; cv=none; d=a.example; s=s; b=AA=="),
    "comments": _arc_results(b" ", b"()"),
    "nested comments": _arc_results(b" ", b"((((()))))"),
    "tags": lambda size: _with(*[(b"ARC-Seal", b" i=%d; " % at + _distinct(size // 10)) for at in range(1, 11)]),
}


# --- what the DNS says ---


def _record(name: str, text: Callable[[int], bytes], signatures: int = 0) -> Callable[[int], Message]:
    return lambda size: Message(_HEAD, zone={name: {"TXT": [text(size)]}}, signatures=signatures)


def _key(text: Callable[[int], bytes]) -> Callable[[int], Message]:
    def made(size: int) -> Message:
        mail = plain(0, 10)
        name = {each: {"TXT": [b"v=DKIM1; " + text(size // 10)]} for each in mail.zone}
        return mail._replace(zone=name)

    return made


def _spf(unit: bytes, end: bytes = b" -all") -> Callable[[int], Message]:
    return _record(DOMAIN, lambda size: b"v=spf1" + of_size(unit, size - 12) + end)


def _includes(size: int) -> Message:
    """As many records as SPF follows, all of them long."""
    names = [f"i{at}.author.example" for at in range(8)]
    zone = {name: {"TXT": [b"v=spf1" + of_size(b" ip4:10.0.0.1", size // 8 - 20)]} for name in names}
    lead = b"v=spf1" + b"".join(b" include:" + name.encode() for name in names) + b" -all"
    return Message(_HEAD, zone={DOMAIN: {"TXT": [lead]}, **zone})


def client_names(macros: int) -> Callable[[int], Message]:
    """A record that leads to itself ten times, each with so many `%{p}`; of ten names the last leads to the client."""

    def made(size: int) -> Message:
        other = [f"10.0.{at // 250}.{at % 250}" for at in range(max(1, min(111, size // 120)))]
        hosts = [f"p{at}.author.example" for at in range(10)]
        unit = b"%{p}" * macros
        record = b"v=spf1 a:" + unit + b".a.example redirect=" + unit + b".r.example"
        zone: dict[str, dict[str, list[Any]]] = {host: {"A": other} for host in hosts}
        zone[hosts[-1]] = {"A": [*other, "192.0.2.1"]}
        zone["1.2.0.192.in-addr.arpa"] = {"PTR": [f"{host}." for host in hosts]}
        zone[fitting(hosts[-1] * macros + ".a.example")] = {"A": ["203.0.113.9"]}
        zone[fitting(hosts[-1] * macros + ".r.example")] = zone[DOMAIN] = {"TXT": [record]}
        return Message(_HEAD, zone=zone)

    return made


def _texts(name: str, text: bytes) -> Callable[[int], Message]:
    """Many records at one name."""

    def made(size: int) -> Message:
        signed = plain(0, 1)
        records = [text % at for at in range(max(2, min(size, 40_000) // (len(text) + 14)))]
        return signed._replace(zone={**signed.zone, name: {"TXT": records}})

    return made


RECORDS: Final[dict[str, Callable[[int], Message]]] = {
    "SPF: ip4 terms": _spf(b" ip4:10.0.0.1"),
    "SPF: shortest terms": _spf(b" a"),
    "SPF: unknown modifiers": _spf(b" x=y"),
    "SPF: blanks": _spf(b" "),
    "SPF: macros": _spf(b" exists:%{l1r+-}.%{d2}.a.example"),
    "SPF: long includes": _includes,
    "SPF: the client's names": client_names(97),
    "SPF: many records": _texts(DOMAIN, b"v=spf1 a:%d.example"),
    "DMARC: tags": _record("_dmarc.author.example", lambda size: b"v=DMARC1; p=none; " + _distinct(size - 20)),
    "DMARC: addresses": _record(
        "_dmarc.author.example", lambda size: b"v=DMARC1; p=none; rua=" + of_size(b"mailto:a@b,", size - 24)
    ),
    "DMARC: semicolons": _record("_dmarc.author.example", lambda size: b"v=DMARC1; p=none; " + b";" * (size - 20)),
    "DMARC: many records": _texts("_dmarc.author.example", b"v=DMARC1; p=none; x=%d"),
    "keys: letters": _key(lambda size: b"p=" + b"A" * size),
    "keys: tags": _key(_distinct),
    "keys: h= of colons": _key(lambda size: b"p=AAAA; h=" + b":" * size),
    "keys: many records": _texts("s0._domainkey.author.example", b"v=DKIM1; p=%d"),
}


# --- bodies ---


def _body(text: Callable[[int], bytes]) -> Callable[[int], Message]:
    """One good signature of each canonicalisation."""

    def made(size: int) -> Message:
        body = text(size)
        found = digests(body)
        signers = [Sealer(DOMAIN, kind="2048", selector=f"s{number}") for number in range(2)]
        signed = [
            sign(Mail(_HEAD, b""), signer, form=f"{canon}/{canon}", bh=b64encode(found[canon]).decode()).fields[0]
            for signer, canon in zip(signers, found, strict=True)
        ]
        zone = {signer.name: {"TXT": [signer.record]} for signer in signers}
        return Message((*signed, *_HEAD), body, zone, 2)

    return made


def digests(body: bytes) -> dict[str, bytes]:
    """By our own hasher, as the tests' reference is not made for bodies like these."""
    hasher = BodyHasher([BodyDigest(canon) for canon in Canon])
    hasher.feed(body)
    return {each.canon.value: found.digest for each, found in hasher.finish().items()}


def _random_body(choice: list[bytes], weights: list[int] | None = None) -> Callable[[int], Message]:
    mixed = b"".join(_RANDOM.choices(choice, weights, k=60_000))
    return _body(lambda size: of_size(mixed, size))


BODIES: Final[dict[str, Callable[[int], Message]]] = {
    **{
        repr(unit)[1:]: _body(lambda size, unit=unit: of_size(unit, size))  # type: ignore[misc]
        for unit in (
            b" ", b"\t", b"\r\n", b" x", b"  x", b"x  ", b"   x", b"\t\t", b"\tx\t", b"\t\r\n", b" \r\n", b"x \r\n",
            b"  \r\n", b"\r", b"\n", b"x\r", b"\r\r\n", b"\n\r\n", b" \r", b"x\r\n\r\n", b"\0", b"\xff", b"a\tb ",
        )
    },
    "runs of 80 blanks": _body(lambda size: of_size(b" \t" * 40 + b"x\r\n", size)),
    "long lines of blanks": _body(lambda size: of_size(b" " * 70_000 + b"x", size)),
    "empty lines that count": _body(lambda size: of_size(b"\r\n" * 40_000 + b"x", size)),
    "random blanks and letters": _random_body([b" ", b"x"]),
    "random white space": _random_body([b" ", b"\t", b"\r", b"\n", b"\r\n", b"x", b"  "]),
    "every octet and blanks": _random_body([b"  ", bytes(range(256))], [40, 1]),
}  # fmt: skip
GROUPS: Final = {
    "header": HEADER,
    "Unicode": UNICODE, "A-R": RESULTS, "From": FROM, "DKIM": SIGNATURES, "ARC": ARC, "DNS": RECORDS, "body": BODIES,
}  # fmt: skip
