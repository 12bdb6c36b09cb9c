"""body_hash – the hashes of a body's canonical forms, made while the body streams; none of it is kept.

`BodyHasher` is told which digests are wanted, is fed the body in chunks cut anywhere, and returns all digests at the
end. Work is linear in the octets, whatever they are: searches and arithmetic on whole chunks, no regular expressions,
and no loop whose length the sender chooses beyond the chunk.

Raises     nothing
Not here   which digests a message needs (checks.dkim.signature, checks.arc.check); runs of white space
           (checks.dkim.white_space)
"""

import hashlib
from collections.abc import Iterable
from enum import StrEnum
from typing import Final, NamedTuple, Protocol

from mailvet.checks.dkim.white_space import collapse_white_space


class Canon(StrEnum):
    """A canonicalisation algorithm (RFC 6376 §3.4), of header or body."""

    SIMPLE = "simple"
    RELAXED = "relaxed"


class BodyDigest(NamedTuple):
    """A body hash that is wanted; signatures with equal ones share it. Always SHA-256 (RFC 8301 §3.1)."""

    canon: Canon
    length: int | None = None  # l=, octets of the canonical body; None: all of it


class BodyHash(NamedTuple):
    """The hash of a canonical body, or of its first octets."""

    digest: bytes
    hashed: int  # octets that went in
    total: int  # octets of the whole canonical body


_CRLF: Final = b"\r\n"
_EMPTY_LINES: Final = _CRLF * 32_769  # hashed at a time, once something follows the empty lines that were held back
_TRAILING_CRLFS: Final = tuple(_CRLF * pairs for pairs in (16_384, 512, 16, 1))  # by which they are counted
_LONGEST_PIECE: Final = 16_384  # octets hashed at a time: with larger pieces, allocation doubles the cost per octet


class _Stream:
    """The hash of the octets of one canonical form; empty lines at the end are held back.

    The body is hashed once, however many lengths are wanted: the digest of a shorter one is taken on the way.
    """

    __slots__ = ("_cuts", "_done", "_empty_lines", "_hash", "_total", "_wanted")

    def __init__(self, wanted: Iterable[BodyDigest]) -> None:
        self._wanted = tuple(wanted)
        self._cuts = sorted({length for _, length in self._wanted if length is not None}, reverse=True)
        self._done: dict[int, bytes] = {}
        self._hash = hashlib.sha256()
        self._total = 0
        self._empty_lines = 0  # CRLFs held back: they count only if something follows (RFC 6376 §3.4.3)

    def put(self, data: bytes) -> None:
        """Hash canonical octets, in which CR and LF of a line end are not separated."""
        kept = len(data)
        if data.endswith(_CRLF):
            for ends in _TRAILING_CRLFS:
                while data.endswith(ends, 0, kept):
                    kept -= len(ends)
        if kept:
            if self._empty_lines:
                self._flush()
            self._emit(data[:kept])
        self._empty_lines += (len(data) - kept) // 2

    def _flush(self) -> None:
        left, self._empty_lines = self._empty_lines * 2, 0
        while left > 0:
            self._emit(_EMPTY_LINES[:left])
            left -= len(_EMPTY_LINES)

    def _emit(self, data: bytes) -> None:
        while self._cuts and self._cuts[-1] <= self._total + len(data):
            cut = self._cuts.pop()
            self._hash.update(data[: cut - self._total])
            data = data[cut - self._total :]
            self._total = cut
            self._done[cut] = self._hash.digest()
        self._hash.update(data)
        self._total += len(data)

    def end(self, *, empty_is_empty: bool) -> dict[BodyDigest, BodyHash]:
        """Return the digests. The body ends in exactly one CRLF (RFC 6376 §3.4.3, §3.4.4), or is empty."""
        if self._total or not empty_is_empty:
            self._emit(_CRLF)
        whole, total = self._hash.digest(), self._total
        found = {}
        for each in self._wanted:
            hashed = total if each.length is None else min(each.length, total)
            digest = whole if each.length is None else self._done.get(each.length, whole)
            found[each] = BodyHash(digest, hashed, total)
        return found


class _Form(Protocol):
    def feed(self, chunk: bytes) -> None: ...

    def finish(self) -> dict[BodyDigest, BodyHash]: ...


class _Simple:
    """The simple form (RFC 6376 §3.4.3): only the empty lines at the end are changed."""

    __slots__ = ("_held", "_stream")

    def __init__(self, wanted: Iterable[BodyDigest]) -> None:
        self._stream = _Stream(wanted)
        self._held = b""  # a CR at the end of a chunk: its LF may be in the next

    def feed(self, chunk: bytes) -> None:
        if self._held:
            chunk, self._held = self._held + chunk, b""
        if chunk.endswith(b"\r"):
            chunk, self._held = chunk[:-1], b"\r"
        self._stream.put(chunk)

    def finish(self) -> dict[BodyDigest, BodyHash]:
        self._stream.put(self._held)
        return self._stream.end(empty_is_empty=False)


class _Relaxed:
    """The relaxed form (RFC 6376 §3.4.4): runs of white space become one space, none stays at the end of a line."""

    __slots__ = ("_held", "_stream")

    def __init__(self, wanted: Iterable[BodyDigest]) -> None:
        self._stream = _Stream(wanted)
        self._held = b""  # white space and CR at the end of a chunk: what becomes of them depends on what follows

    def feed(self, chunk: bytes) -> None:
        if self._held:
            chunk, self._held = self._held + chunk, b""
        end = len(chunk)
        if chunk.endswith(b"\r"):
            end -= 1
        text = chunk[:end].rstrip(b" \t")
        if len(text) < end:
            self._held = b" " + chunk[end:]
            chunk = text
        elif end < len(chunk):
            self._held = b"\r"
            chunk = text
        self._stream.put(collapse_white_space(chunk))

    def finish(self) -> dict[BodyDigest, BodyHash]:
        # white space at the end of the body is at the end of a line too; a bare CR is not a line end
        self._stream.put(b"" if self._held == b" " else self._held)
        return self._stream.end(empty_is_empty=True)


class BodyHasher:
    """Makes the wanted digests of one body: `feed` the chunks, then `finish` once."""

    __slots__ = ("_forms",)

    def __init__(self, wanted: Iterable[BodyDigest]) -> None:
        by_canon: dict[Canon, set[BodyDigest]] = {}
        for each in wanted:
            by_canon.setdefault(each.canon, set()).add(each)
        self._forms: list[_Form] = [
            _Simple(digests) if canon is Canon.SIMPLE else _Relaxed(digests) for canon, digests in by_canon.items()
        ]

    def feed(self, chunk: bytes) -> None:
        """Take the next octets of the body, with their line ends as on the wire."""
        if len(chunk) > _LONGEST_PIECE:
            for at in range(0, len(chunk), _LONGEST_PIECE):
                self.feed(chunk[at : at + _LONGEST_PIECE])
            return
        for form in self._forms:
            form.feed(chunk)

    def finish(self) -> dict[BodyDigest, BodyHash]:
        """Return the wanted digests; to be called once, after the last chunk."""
        return {digest: body for form in self._forms for digest, body in form.finish().items()}
