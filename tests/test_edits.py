"""edits: what a sender wrote in our name is gone, everything else is as it was, on a model of Postfix."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from forged import BEHIND_CR, FORGED, FORGED_BY_NAME, HARMLESS, HARMLESS_LONG, OWN_ID
from mailvet.edits import plan, scrub
from mailvet.outcome import Delete, Insert
from mta import RECEIVED, Field, PostfixHeaders, fields

OWN = frozenset((OWN_ID, "mx.xn--bcher-kva.example"))
BREACH = "Sender-Breach-Info"
OURS = (
    Insert(0, BREACH, " mx.example.org; result=listed"),
    Insert(0, "Authentication-Results", " mx.example.org; dmarc=fail header.from=bank.example"),
)
WRITTEN = [(insert.name.encode(), insert.value.encode()) for insert in reversed(OURS)]
PLAIN: list[Field] = [(b"From", b" a@example.org"), (b"Subject", b" hello"), (b"Received", b" from b by c")]


def after(message: list[Field], trusted: frozenset[str] = frozenset()) -> list[Field]:
    model = PostfixHeaders(message)
    model.apply(plan(scrub(model.shown(), OWN, trusted, BREACH), OURS))
    return model.all


@pytest.mark.parametrize("raw", FORGED, ids=list(FORGED_BY_NAME))
def test_a_forged_field_goes(raw: bytes) -> None:
    assert after([PLAIN[0], fields(raw), PLAIN[1]]) == [*WRITTEN, RECEIVED, PLAIN[0], PLAIN[1]]


@pytest.mark.parametrize("raw", BEHIND_CR)
def test_a_field_behind_a_bare_cr_goes(raw: bytes) -> None:
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
    assert scrub(headers, OWN, frozenset(), BREACH) == (Delete(name.decode("utf-8", "replace"), 1),)


def test_only_the_ids_that_may_stay_stay() -> None:
    message = [fields(b"Authentication-Results: relay.example.org; spf=pass"), fields(FORGED[0])]
    own = OWN | {"relay.example.org"}
    kept = scrub(PostfixHeaders(message).shown(), own, frozenset(("relay.example.org",)), BREACH)
    assert kept == (Delete("Authentication-Results", 2),)
    assert len(scrub(PostfixHeaders(message).shown(), own, frozenset(), BREACH)) == 2


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
    removed = scrub(PostfixHeaders(message).shown(), OWN, frozenset(), BREACH)
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
    scrub(PostfixHeaders(message).shown(), OWN, frozenset(), BREACH)


def test_a_header_full_of_forgeries_is_cheap() -> None:
    message = [fields(FORGED[number % len(FORGED)]) for number in range(5000)]
    removed = scrub(PostfixHeaders(message).shown(), OWN, frozenset(), BREACH)
    assert len(removed) == 5000


def test_other_fields_are_read_up_to_a_limit_and_then_removed() -> None:
    message = [fields(b"Authentication-Results: other.example; none" + b" " * 15_000)] * 3
    assert scrub(PostfixHeaders(message).shown(), OWN, frozenset(), BREACH) == (Delete("Authentication-Results", 3),)
