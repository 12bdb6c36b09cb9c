"""The body's canonical forms, however it is cut, against a plain reference, the RFC's examples and dkimpy."""

import re
from base64 import b64encode
from hashlib import sha256

import pytest
from dkim.canonicalization import CanonicalizationPolicy
from hypothesis import example, given, settings, strategies as st

from mailvet.checks.dkim.body_hash import BodyDigest, BodyHash, BodyHasher, Canon

SIMPLE, RELAXED = BodyDigest(Canon.SIMPLE), BodyDigest(Canon.RELAXED)
EMPTY_SIMPLE = "frcCV1k9oG9oKj3dpUqdJg1PxRT2RSN/XKdLCPjaYaY="  # RFC 6376 §3.4.3
EMPTY_RELAXED = "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="  # RFC 6376 §3.4.4


def reference(canon: Canon, body: bytes) -> bytes:
    """RFC 6376 §3.4.3 and §3.4.4 line by line, with no thought of speed. Only CRLF ends a line."""
    lines = body.split(b"\r\n")
    if canon is Canon.RELAXED:
        lines = [collapsed(line) for line in lines]
    while lines and not lines[-1]:
        lines.pop()
    if not lines:
        return b"\r\n" if canon is Canon.SIMPLE else b""
    return b"".join(line + b"\r\n" for line in lines)


def collapsed(line: bytes) -> bytes:
    done = b""
    for at in range(len(line)):
        octet = line[at : at + 1]
        blank = octet in (b" ", b"\t")
        if not (blank and done.endswith(b" ")):
            done += b" " if blank else octet
    return done.removesuffix(b" ")


def hashed(body: bytes, *wanted: BodyDigest, chunk: int = 1 << 20) -> dict[BodyDigest, BodyHash]:
    hasher = BodyHasher(wanted)
    for start in range(0, len(body), chunk):
        hasher.feed(body[start : start + chunk])
    return hasher.finish()


def expected(canonical: bytes, length: int | None = None) -> BodyHash:
    part = canonical if length is None else canonical[:length]
    return BodyHash(sha256(part).digest(), len(part), len(canonical))


BODY = st.lists(
    st.sampled_from([b" ", b"\t", b"\r", b"\n", b"\r\n", b"x", b"  ", b" " * 300, b"\r\n" * 5]), max_size=40
)


@settings(max_examples=600)
@given(BODY.map(b"".join), st.lists(st.integers(0, 60), max_size=20), st.lists(st.integers(0, 80), max_size=3))
@example(b"x\r\n\n\r\n", [1], [])
@example(b"x \r", [2], [])
@example(b" \r\n", [1, 2], [0])
def test_any_body_cut_anywhere_is_what_the_reference_says(body: bytes, cuts: list[int], lengths: list[int]) -> None:
    wanted = [BodyDigest(canon, length) for canon in Canon for length in (None, *lengths)]
    hasher = BodyHasher(wanted)
    rest = body
    for cut in cuts:
        hasher.feed(rest[:cut])
        rest = rest[cut:]
    hasher.feed(rest)
    assert hasher.finish() == {each: expected(reference(each.canon, body), each.length) for each in wanted}


@settings(max_examples=300)
@given(BODY.map(b"".join), st.sampled_from([1, 2, 3, 256, 257]))
def test_chunks_of_one_size(body: bytes, size: int) -> None:
    found = hashed(body, SIMPLE, RELAXED, chunk=size)
    assert found == {each: expected(reference(each.canon, body)) for each in (SIMPLE, RELAXED)}


@settings(max_examples=300)
@given(st.lists(st.sampled_from([b" ", b"\t", b"\r\n", b"x", b"y z"]), max_size=30).map(b"".join))
def test_dkimpy_agrees_where_lines_end_as_they_should(body: bytes) -> None:
    """Its forms: a last line without CRLF keeps its trailing blank there, so bodies are given their CRLF."""
    body = body + b"\r\n" if body else b""
    for canon in Canon:
        policy = CanonicalizationPolicy.from_c_value(b"simple/" + canon.value.encode())
        assert hashed(body, BodyDigest(canon))[BodyDigest(canon)] == expected(policy.canonicalize_body(body))


@pytest.mark.parametrize(
    ("body", "simple", "relaxed"),
    [
        pytest.param(b" C \r\nD \t E\r\n\r\n\r\n", b" C \r\nD \t E\r\n", b" C\r\nD E\r\n", id="RFC 6376 §3.4.5"),
        pytest.param(b"", b"\r\n", b"", id="an empty body"),
        pytest.param(b"\r\n\r\n", b"\r\n", b"", id="empty lines only"),
        pytest.param(b" \t\r\n \r\n", b" \t\r\n \r\n", b"", id="blank lines only"),
        pytest.param(b"x", b"x\r\n", b"x\r\n", id="no CRLF at the end"),
        pytest.param(b"x ", b"x \r\n", b"x\r\n", id="a blank at the end, no CRLF"),
        pytest.param(b"x\r", b"x\r\r\n", b"x\r\r\n", id="a lone CR at the end"),
        pytest.param(b"x\n\n", b"x\n\n\r\n", b"x\n\n\r\n", id="lone LFs are no line ends"),
        pytest.param(b"x \n", b"x \n\r\n", b"x \n\r\n", id="a blank before a lone LF stays"),
        pytest.param(b"a\r\n\r\n\r\nb\r\n", b"a\r\n\r\n\r\nb\r\n", b"a\r\n\r\n\r\nb\r\n", id="empty lines inside"),
        pytest.param(b"\0\xff  \xe4", b"\0\xff  \xe4\r\n", b"\0\xff \xe4\r\n", id="any octets"),
    ],
)
@pytest.mark.parametrize("chunk", [1, 2, 1000])
def test_forms(body: bytes, simple: bytes, relaxed: bytes, chunk: int) -> None:
    assert hashed(body, SIMPLE, RELAXED, chunk=chunk) == {SIMPLE: expected(simple), RELAXED: expected(relaxed)}


def test_the_hashes_of_nothing_are_the_rfcs() -> None:
    found = hashed(b"", SIMPLE, RELAXED)
    assert [b64encode(found[each].digest).decode() for each in (SIMPLE, RELAXED)] == [EMPTY_SIMPLE, EMPTY_RELAXED]


@pytest.mark.parametrize("unit", [b" ", b"\t", b"\r", b"\n", b"\r\n", b" x", b"  x", b"\t\r\n", b" \r\n", b"x\r\n\n"])
@pytest.mark.parametrize("chunk", [65_535, 65_536, 1_000_000])
def test_long_runs_over_chunk_borders(unit: bytes, chunk: int) -> None:
    body = unit * (200_001 // len(unit)) + b"end\r\n"
    found = hashed(body, SIMPLE, RELAXED, chunk=chunk)
    assert found[SIMPLE] == expected(body)
    relaxed = b"\r\n".join(re.sub(rb"[ \t]+", b" ", line).removesuffix(b" ") for line in body.split(b"\r\n"))
    assert found[RELAXED] == expected(relaxed)


def test_empty_lines_held_back_are_counted_not_kept() -> None:
    hasher = BodyHasher([SIMPLE])
    for _ in range(1000):
        hasher.feed(b"\r\n" * 32_768)
    assert hasher.finish()[SIMPLE] == expected(b"\r\n")


@pytest.mark.parametrize("length", [0, 1, 5, 6, 7, 8, 100, 10**76 - 1])
def test_lengths(length: int) -> None:
    partial = BodyDigest(Canon.SIMPLE, length)
    found = hashed(b"abcd\r\nef", SIMPLE, partial, chunk=3)
    assert found[partial] == expected(b"abcd\r\nef\r\n", length)
    assert found[SIMPLE] == expected(b"abcd\r\nef\r\n")


def test_nothing_wanted_is_nothing_found() -> None:
    assert hashed(b"x") == {}
