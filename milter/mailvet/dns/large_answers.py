"""large_answers – an answer of very many records, made small enough to be read: each takes dnspython 25 µs.

A set that was cut is not the set: which records a server puts first changes from answer to answer, and so would
the verdict. Of TXT records those that can matter are chosen: policies, and enough to see that there are several.
There is no choosing among addresses, names and exchanges.

Raises     ValueError, IndexError, struct.error: this is not to be read
Not here   reading (dnspython)
"""

import struct
from typing import Final

from mailvet.checks.dmarc import record as dmarc_record
from mailvet.checks.spf import grammar as spf_grammar
from mailvet.ports import RecordType

_MOST_READ: Final = 112  # of a section
_MOST_SKIMMED: Final = 1000  # each takes up to 4 µs
_SEVERAL: Final = 2  # of a kind: more change no verdict
_TXT: Final = 16
_IN: Final = 1
FILLER: Final = 0xFF00  # a type for private use, to stand in the place of what is left out
_FIXED: Final = struct.Struct("!HHIH")  # RFC 1035 §4.1.3: type, class, TTL, length
_SHORTEST: Final = 1 + _FIXED.size


def thinned(data: bytes, kind: RecordType) -> bytes:
    """The same message, with as many answers as can be read."""
    answers, authority, additional = struct.unpack_from("!HHH", data, 6)
    if authority + additional > _MOST_READ or answers > _MOST_SKIMMED:
        raise ValueError("more than anybody has to say")
    if answers <= _MOST_READ:
        return data
    if kind is not RecordType.TXT:
        raise ValueError("a set that was cut is not the set")
    return _chosen(data, answers)


def is_whole(data: bytes) -> bool:
    """Are there as many records as it says, and nothing more? Of one question."""
    return _end(data) == len(data)


def goes_on(data: bytes) -> bool:
    """Is what stands behind the last record another one, of class IN, that was not counted? Padding is not. Of one
    question."""
    try:
        rdtype, rdclass, _, _ = _FIXED.unpack_from(data, _behind_name(data, _end(data)))
    except (IndexError, struct.error):
        return False
    return bool(rdtype) and rdclass == _IN


def _end(data: bytes) -> int:
    """Where the last record that is counted ends."""
    at = _behind_name(data, 12) + 4
    for _ in range(sum(struct.unpack_from("!HHH", data, 6))):
        at = _behind_name(data, at) + _FIXED.size
        at += _FIXED.unpack_from(data, at - _FIXED.size)[3]
    return at


def _chosen(data: bytes, answers: int) -> bytes:
    """Each run of records that are left out becomes one that means nothing: names point to where others stand."""
    thin, kept = bytearray(data), dict[tuple[bytes, bool, bool], set[bytes]]()
    count, run = 0, -1  # records so far; where the run began that we are in
    at = _behind_name(data, 12) + 4
    for _ in range(answers):
        start, at = at, _behind_name(data, at)
        rdtype, _, _, length = _FIXED.unpack_from(data, at)
        owner, rdata = data[start:at], data[at + _FIXED.size : at + _FIXED.size + length]
        at += _FIXED.size + length
        alike = kept.setdefault(_sort(owner, rdata), set()) if rdtype == _TXT else set[bytes]()
        if len(alike) < _SEVERAL and rdata not in alike:
            alike.add(rdata)
            count, run = count + 1, -1
            continue
        if run < 0:
            count, run = count + 1, start  # a filler
        thin[run : run + _SHORTEST] = b"\0" + _FIXED.pack(FILLER, 1, 0, at - run - _SHORTEST)
    if count > _MOST_READ or at > len(data):
        raise ValueError("more than can be read")
    struct.pack_into("!H", thin, 6, count)
    return bytes(thin)


def _behind_name(data: bytes, at: int) -> int:
    """RFC 1035 §4.1.4: labels, until the root or a pointer."""
    while 0 < data[at] < 64:
        at += 1 + data[at]
    return at + (2 if data[at] else 1)


def _sort(owner: bytes, rdata: bytes) -> tuple[bytes, bool, bool]:
    """Records of one owner that are policies of the same kind, or no policies, are of one sort."""
    if rdata[:1] != b"\0" and rdata[1:2] not in b"vV":
        return owner, False, False
    text, at = b"", 0
    while at < len(rdata):
        text += rdata[at + 1 : at + 1 + rdata[at]]
        at += 1 + rdata[at]
    return owner, spf_grammar.is_record(text), dmarc_record.is_record(text)
