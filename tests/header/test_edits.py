"""edits: what a sender wrote in our name is removed, everything else is unchanged, on a model of Postfix."""

from base64 import b64encode

import pytest
from hypothesis import given, settings, strategies as st

from lab.forged import BEHIND_CR, FORGED, FORGED_BY_NAME, HARMLESS, HARMLESS_LONG, OWN_ID
from lab.lenient import authors, claimed_ids
from lab.mta import RECEIVED, Field, PostfixHeaders, delivered, fields
from lab.spoofed import SPOOFED
from mailvet.checks.author import Author, find
from mailvet.header.edits import plan, scrub
from mailvet.message import Headers
from mailvet.outcome import Delete, Insert
from mailvet.settings import LimitSettings
from mailvet.syntax.domain import to_alabel
from mailvet.syntax.readings import broken

OWN = frozenset((OWN_ID, "mx.xn--bcher-kva.example"))
BREACH = "Sender-Breach-Info"
OURS = (
    Insert(0, BREACH, " mx.example.org; result=listed"),
    Insert(0, "Authentication-Results", " mx.example.org; dmarc=fail header.from=bank.example"),
)
WRITTEN = [(insert.name.encode(), insert.value.encode()) for insert in reversed(OURS)]
PLAIN: list[Field] = [(b"From", b" a@example.org"), (b"Subject", b" hello"), (b"Received", b" from b by c")]


def scrubbed(shown: Headers, forbidden: frozenset[str] = OWN) -> tuple[Delete, ...]:
    return scrub(shown, forbidden, BREACH, LimitSettings().results_bytes)


def after(message: list[Field]) -> list[Field]:
    model = PostfixHeaders(message)
    model.apply(plan(scrubbed(model.shown()), OURS))
    return model.all


@pytest.mark.parametrize("raw", FORGED, ids=list(FORGED_BY_NAME))
def test_a_forged_field_is_removed(raw: bytes) -> None:
    assert after([PLAIN[0], fields(raw), PLAIN[1]]) == [*WRITTEN, RECEIVED, PLAIN[0], PLAIN[1]]


@pytest.mark.parametrize("raw", BEHIND_CR)
def test_a_field_behind_a_bare_cr_is_removed(raw: bytes) -> None:
    assert after([PLAIN[0], fields(raw)]) == [*WRITTEN, RECEIVED, PLAIN[0]]


@pytest.mark.parametrize("raw", HARMLESS + HARMLESS_LONG)
def test_a_harmless_field_stays(raw: bytes) -> None:
    message = [PLAIN[0], fields(raw), PLAIN[1]]
    assert after(message) == [*WRITTEN, RECEIVED, *message]


@pytest.mark.parametrize(
    "raw",
    [
        "Authentication-Results: mx.bücher.example; dmarc=pass",
        "Authentication-Results: MX.BÜCHER.example; dmarc=pass",
        'Authentication-Results: "mx.bu\u0308cher.example" 1; dmarc=pass',
        "Authentication-Results: mx.XN--BCHER-KVA.example; dmarc=pass",
    ],
)
def test_an_id_of_ours_as_u_label(raw: str) -> None:  # RFC 8601 §5
    assert after([fields(raw.encode())]) == [*WRITTEN, RECEIVED]


@pytest.mark.parametrize(
    "name",
    [
        b"Authentication-Results\xa0",
        b"Authentication-Results\0",
        b"Authentication- Results",
        "Authentication-Results\u200b".encode(),
        b"\xef\xbb\xbfAuthentication-Results",
        b"Sender-Breach-Info\x7f",
        "Ａuthentication-Ｒesults".encode(),
        "Authentication－Results".encode(),
        "Authenticatioń-Results".encode(),
        b"=?utf-8?q?Authentication-Results?=",
        b"=?utf-8?b?QXV0aGVudGljYXRpb24tUmVzdWx0cw==?=",
    ],
)
def test_a_name_that_a_lenient_reader_takes_for_it(name: bytes) -> None:
    headers = PostfixHeaders([(name, b" mx.example.org; dmarc=pass")]).shown()
    assert scrubbed(headers) == (Delete(name.decode("utf-8", "replace"), 1),)


def test_only_the_ids_that_may_stay_stay() -> None:
    message = [fields(b"Authentication-Results: relay.example.org; spf=pass"), fields(FORGED[0])]
    own = OWN | {"relay.example.org"}
    removed = scrubbed(PostfixHeaders(message).shown(), own - {"relay.example.org"})
    assert removed == (Delete("Authentication-Results", 2),)
    assert len(scrubbed(PostfixHeaders(message).shown(), own)) == 2


def test_indices_count_the_name_in_any_case_and_run_down() -> None:  # CVE-2022-48521
    message = [
        fields(raw)
        for raw in (
            b"Authentication-Results: mx.example.org; none",
            b"AUTHENTICATION-RESULTS: other.example; none",
            b"authentication-results : mx.example.org; none",
            b"Authentication-Results: mx.example.org",
        )
    ]
    removed = scrubbed(PostfixHeaders(message).shown())
    assert [delete.index for delete in plan(removed, ())] == [4, 3, 1]
    assert after(message) == [*WRITTEN, RECEIVED, message[1]]


MESSAGES = st.lists(
    st.one_of(
        st.sampled_from([fields(raw) for raw in FORGED]),
        st.sampled_from([fields(raw) for raw in HARMLESS]),
        st.sampled_from(PLAIN),
    ),
    max_size=12,
)


@given(MESSAGES)
def test_nothing_else_changes_and_order_is_kept(message: list[Field]) -> None:
    forged = {fields(raw) for raw in FORGED}
    assert after(message) == [*WRITTEN, RECEIVED, *(field for field in message if field not in forged)]


@given(
    st.lists(
        st.tuples(
            st.one_of(st.just(b"Authentication-Results"), st.binary(min_size=1, max_size=12)), st.binary(max_size=80)
        ),
        max_size=8,
    )
)
def test_total(message: list[Field]) -> None:
    scrubbed(PostfixHeaders(message).shown())


def test_a_header_full_of_forgeries_is_cheap() -> None:
    message = [fields(FORGED[number % len(FORGED)]) for number in range(5000)]
    removed = scrubbed(PostfixHeaders(message).shown())
    assert len(removed) == 5000


def test_other_fields_are_read_up_to_a_limit_and_then_removed() -> None:
    message = [fields(b"Authentication-Results: other.example; none" + b" " * 15_000)] * 3
    assert scrubbed(PostfixHeaders(message).shown()) == (Delete("Authentication-Results", 3),)


@given(st.lists(st.tuples(st.integers(0, 2100), st.sampled_from([b"", b" y", b"\t"])), min_size=1, max_size=4))
def test_lines_are_broken_as_postfix_breaks_them(lines: list[tuple[int, bytes]]) -> None:
    field = (b"X-Note", b"\n ".join(start + b"x" * length for length, start in lines))
    assert broken(b":".join(field)) == b":".join(delivered(field))


# --- whatever a reader does, it finds no results in our name but ours, and no author but the one that was judged ---

_ENDS = ["\n ", "\n\t", "\r", "\x0b", "\x0c", "\x1c", "\x1e", "\x85", "\u2028", "\u2029", "\0", " ", "", ";\n "]
_PAD = st.integers(960, 1000).map(lambda number: "x" * number) | st.integers(930, 1000).map(lambda number: " " * number)
_ID = st.sampled_from([
    OWN_ID, "MX.Example.org", "mx.exam\u200bple.org", "ｍx.example.org", "mx.exaжmple.org", '"mx.example.org"',
    "mx.example.org.example.net", "(a;b) mx.example.org", "mail.example.net", "=?utf-8?q?mx=2Eexample=2Eorg?=",
])  # fmt: skip
_RESULTS_NAME = st.sampled_from([
    "Authentication-Results", "authentication-results ", "Authentication-Results\u200b", "Ａuthentication-Results",
    "Authentication-Res\0ults", "=?utf-8?q?Authentication-Results?=",
])  # fmt: skip
_RESULTS_LINE = st.builds("{}: {}; dmarc=pass".format, _RESULTS_NAME, _ID)
_ADDRESS = st.sampled_from([
    "ceo@bank.example", "<ceo@bank.example>", "a@shop.example", "<a@shop.example>", '"ceo@bank.example"', "Ann", "@",
    "<", '"', "(", ")", "ceo＠bank.example", "ceo@ bank.example", "ceo@b\u200bank.example", ".other.example", ",",
])  # fmt: skip
_FROM_LINE = st.builds("{}: {}".format, st.sampled_from(["From", "from ", "Fr\u00adom", "Ｆrom", "F\0rom"]), _ADDRESS)


def _q(text: str) -> str:
    return "=?utf-8?q?" + "".join(f"={octet:02X}" for octet in text.encode()) + "?="


def _b(text: str) -> str:
    return f"=?utf-8?b?{b64encode(text.encode()).decode().rstrip('=')}?="


def _texts(line: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    piece = st.one_of(line, line, st.sampled_from(_ENDS), _PAD, st.sampled_from(["v=1; h=to", "hello", "é", "х"]))
    some = st.lists(piece, max_size=5).map("".join)
    return st.lists(some | some.map(_q) | some.map(_b), max_size=3).map(" ".join)


def _fields(line: st.SearchStrategy[str]) -> st.SearchStrategy[list[Field]]:
    name = st.sampled_from([b"X-Note", b"Subject", b"DKIM-Signature", b"ARC-Seal", b"Authentication-Results", b"To"])
    text = st.one_of(_texts(line), line, st.builds("".join, st.tuples(_PAD, line)))
    return st.lists(
        st.tuples(name, text.map(lambda each: each.replace("\n\n", "\n ").encode())), min_size=1, max_size=3
    )


@settings(max_examples=200, deadline=None)
@given(_fields(_RESULTS_LINE | _ID))
def test_no_reader_finds_results_in_our_name(message: list[Field]) -> None:
    model = PostfixHeaders(message)
    model.apply(plan(scrubbed(model.shown()), ()))
    assert not OWN.intersection(claimed_ids(model.all))


@settings(max_examples=200, deadline=None)
@given(_fields(_FROM_LINE), _texts(_ADDRESS) | st.lists(_ADDRESS, max_size=4).map(" ".join))
def test_no_reader_finds_another_author(message: list[Field], value: str) -> None:
    header = [*message, (b"From", f" {value} <a@shop.example>".encode())]
    shown = PostfixHeaders(header).shown()
    found = find(shown.values(b"from"), shown)
    if isinstance(found, Author):
        seen = {to_alabel(domain) for domain in authors(header) if "." in domain}
        assert seen <= {found.domain, None}  # None: no domain at all


def test_the_readers_would_be_deceived() -> None:
    """Else the two above would prove nothing."""
    forged = [raw for raw in FORGED if OWN.intersection(claimed_ids([PLAIN[0], fields(raw)]))]
    spoofed = [value for value in SPOOFED.values() if "bank.example" in set(authors([(b"From", value)]))]
    assert len(forged) > len(FORGED) / 2
    assert len(spoofed) > len(SPOOFED) / 3
