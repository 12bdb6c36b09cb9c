"""large_answers – an answer of very many records, made small enough for dnspython, which takes 25 µs for each.

The first records of an answer cannot stand for all of it: servers change their order from answer to answer, and the
verdict would change with it. Of TXT records those that can matter are chosen: policies, and enough of each kind to see
that there are several. Addresses, names and mail exchangers all matter, so there the answer is refused.

Raises     ValueError, IndexError, struct.error, from all functions but `goes_on`: the answer cannot be read
Not here   reading records (dnspython)
"""

import struct
from typing import Final

from mailvet.checks.dmarc import record as dmarc_record
from mailvet.checks.spf import grammar as spf_grammar
from mailvet.ports import RecordType

_MOST_READ: Final = 112  # records of a section
_MOST_SKIMMED: Final = 1000  # records; each takes up to 4 µs
_SEVERAL: Final = 2  # records of a kind: more change no verdict
_TXT: Final = 16
_IN: Final = 1
FILLER: Final = 0xFF00  # a type for private use: a record that stands for those left out
_RECORD_HEADER: Final = struct.Struct("!HHIH")  # RFC 1035 §4.1.3: type, class, TTL, length
_SHORTEST_RECORD: Final = 1 + _RECORD_HEADER.size


def thinned(data: bytes, kind: RecordType) -> bytes:
    """Return the same message with as many answers as can be read. Raises ValueError if none may be left out."""
    answers, authority, additional = struct.unpack_from("!HHH", data, 6)
    if authority + additional > _MOST_READ or answers > _MOST_SKIMMED:
        raise ValueError("too many records to choose from")
    if answers <= _MOST_READ:
        return data
    if kind is not RecordType.TXT:
        raise ValueError("no record may be left out")
    return _chosen(data, answers)


def is_whole(data: bytes) -> bool:
    """Return whether a message with one question ends after its last counted record."""
    return _end(data) == len(data)


def goes_on(data: bytes) -> bool:
    """Return whether an uncounted record of class IN follows the last counted one of a message with one question.

    Padding does not look like such a record.
    """
    try:
        rdtype, rdclass, _, _ = _RECORD_HEADER.unpack_from(data, _behind_name(data, _end(data)))
    except (IndexError, struct.error):
        return False
    return bool(rdtype) and rdclass == _IN


def _end(data: bytes) -> int:
    """Return the offset behind the last counted record."""
    at = _behind_name(data, 12) + 4
    for _ in range(sum(struct.unpack_from("!HHH", data, 6))):
        at = _behind_name(data, at) + _RECORD_HEADER.size
        at += _RECORD_HEADER.unpack_from(data, at - _RECORD_HEADER.size)[3]
    return at


def _chosen(data: bytes, answers: int) -> bytes:
    """Return the message with each run of records that are left out as one filler of the same length: names point to
    offsets, which must stay."""
    thin, kept = bytearray(data), dict[tuple[bytes, bool, bool], set[bytes]]()
    count, run = 0, -1  # records so far; offset of the run of left-out records, or -1
    at = _behind_name(data, 12) + 4
    for _ in range(answers):
        start, at = at, _behind_name(data, at)
        rdtype, _, _, length = _RECORD_HEADER.unpack_from(data, at)
        owner, rdata = data[start:at], data[at + _RECORD_HEADER.size : at + _RECORD_HEADER.size + length]
        at += _RECORD_HEADER.size + length
        alike = kept.setdefault(_kind_of(owner, rdata), set()) if rdtype == _TXT else set[bytes]()
        if len(alike) < _SEVERAL and rdata not in alike:
            alike.add(rdata)
            count, run = count + 1, -1
            continue
        if run < 0:
            count, run = count + 1, start  # a filler
        thin[run : run + _SHORTEST_RECORD] = b"\0" + _RECORD_HEADER.pack(FILLER, 1, 0, at - run - _SHORTEST_RECORD)
    if count > _MOST_READ or at > len(data):
        raise ValueError("too many records that matter")
    struct.pack_into("!H", thin, 6, count)
    return bytes(thin)


def _behind_name(data: bytes, at: int) -> int:
    """Return the offset behind a name: its labels end with the root or a pointer (RFC 1035 §4.1.4)."""
    while 0 < data[at] < 64:
        at += 1 + data[at]
    return at + (2 if data[at] else 1)


def _kind_of(owner: bytes, rdata: bytes) -> tuple[bytes, bool, bool]:
    """Return the kind of a TXT record: its owner, and whether it is an SPF or a DMARC policy."""
    if rdata[:1] != b"\0" and rdata[1:2] not in b"vV":
        return owner, False, False
    text, at = b"", 0
    while at < len(rdata):
        text += rdata[at + 1 : at + 1 + rdata[at]]
        at += 1 + rdata[at]
    return owner, spf_grammar.is_record(text), dmarc_record.is_record(text)
