"""keys – the public key that a signature names, fetched and fit for use; or why there is none.

Raises     nothing: DNS trouble is `temperror`
Not here   a record's syntax (checks.dkim.key_record); arithmetic (checks.dkim.openssl); what was signed (dkim, arc)
"""

from collections.abc import Callable
from dataclasses import dataclass

from mailvet.checks.dkim import key_record as keyrecord
from mailvet.checks.dkim.key_record import KeyRecord
from mailvet.checks.dkim.tag_values import ParseTags
from mailvet.ports import Ask, PublicKey, RecordType, Status, Unavailable
from mailvet.settings import DkimSettings, LimitSettings
from mailvet.verdict import DkimResult

LoadKey = Callable[[str, bytes], PublicKey | str]


@dataclass(frozen=True, slots=True)
class Tools:
    """What judging the signatures of DKIM and ARC takes, besides the message."""

    parse_tags: ParseTags
    load_key: LoadKey
    limits: LimitSettings
    settings: DkimSettings
    parse_record: ParseTags | None = None  # of key records; None: the same


@dataclass(frozen=True, slots=True)
class FoundKey:
    """A key, or the result and the reason why there is none."""

    key: PublicKey | None = None
    record: KeyRecord | None = None
    result: DkimResult = DkimResult.PERMERROR
    problem: str = ""
    secure: bool | None = None


def fetch(name: str, key_type: str, ask: Ask, tools: Tools) -> FoundKey:
    """The key at this name, fit for sha256 signatures of mail; total."""
    try:
        answer = ask(name, RecordType.TXT)
    except Unavailable as e:
        return FoundKey(result=DkimResult.TEMPERROR, problem=f"key not available: {e}")
    if answer.status is not Status.FOUND:
        return FoundKey(problem="no key", secure=answer.secure)
    records = [record for record in answer.records if isinstance(record, bytes)]
    if len(records) != 1:  # RFC 6376 §3.6.2.2: undefined; refuse to pick
        return FoundKey(problem="several key records", secure=answer.secure)
    if len(records[0]) > tools.limits.key_record:
        return FoundKey(problem=f"key record over {tools.limits.key_record} octets (limit)", secure=answer.secure)
    if records[0].count(b";") > tools.limits.tags:
        return FoundKey(problem=f"key record of over {tools.limits.tags} tags (limit)", secure=answer.secure)
    record = keyrecord.parse(records[0], tools.parse_record or tools.parse_tags)
    if isinstance(record, str):
        return FoundKey(problem=f"bad key record: {record}", secure=answer.secure)
    key = _usable(record, key_type, tools)
    if isinstance(key, str):
        return FoundKey(problem=key, secure=answer.secure)
    return FoundKey(key, record, secure=answer.secure)


def _usable(record: KeyRecord, key_type: str, tools: Tools) -> PublicKey | str:
    if not record.data:
        return "key revoked"
    if record.key_type != key_type:
        return "the key is of another type than the signature"
    if record.hashes is not None and b"sha256" not in record.hashes:
        return "h= of the key does not allow sha256"
    if not record.services & {b"*", b"email"}:
        return "s= of the key is not for mail"
    key = tools.load_key(key_type, record.data)
    if isinstance(key, str) or key_type != "rsa":
        return key
    if key.bits < tools.limits.rsa_min_bits:  # RFC 8301 §3.2
        return f"{key.bits}-bit key is too small"
    if key.bits > tools.limits.rsa_max_bits:
        return f"{key.bits}-bit key is too large (limit)"
    return key
