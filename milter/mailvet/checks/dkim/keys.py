"""keys – the public key that a signature names: fetched, parsed, and fit for use; or the reason why not.

`KeyParser` turns the octets of a key record into a key and is shared by all messages; `KeyReader` asks DNS for the
records on behalf of one message.

Raises     nothing: DNS trouble is `temperror`
Not here   a record's syntax (checks.dkim.key_record); arithmetic (checks.dkim.openssl); what was signed (check)
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from mailvet.checks.dkim import key_record
from mailvet.checks.dkim.key_record import KeyRecord
from mailvet.checks.dkim.tag_list import ParseTags
from mailvet.ports import Ask, PublicKey, RecordType, Status, Unavailable
from mailvet.settings import LimitSettings
from mailvet.values import Problem
from mailvet.verdict import DkimResult

LoadKey = Callable[[str, bytes], PublicKey | Problem]  # k= and the decoded p= of a record


@dataclass(frozen=True, slots=True)
class KeyParser:
    """Turns a key record into a public key, within the limits. The two functions are foreign libraries' (assembly)."""

    parse_tags: ParseTags  # of key records
    load: LoadKey
    limits: LimitSettings

    def parse(self, octets: bytes, key_type: str) -> tuple[PublicKey, KeyRecord] | Problem:
        """Return the key in a record, fit for sha256 signatures of mail, and the record; or why it is not usable.

        `key_type` is the one that the signature needs: "rsa" or "ed25519".
        """
        if len(octets) > self.limits.key_record:
            return Problem(f"key record over {self.limits.key_record} octets (limits.key_record)")
        if octets.count(b";") > self.limits.tags:
            return Problem(f"key record of over {self.limits.tags} tags (limits.tags)")
        record = key_record.parse(octets, self.parse_tags)
        if isinstance(record, Problem):
            return Problem(f"bad key record: {record.text}")
        key = self._usable(record, key_type)
        return key if isinstance(key, Problem) else (key, record)

    def _usable(self, record: KeyRecord, key_type: str) -> PublicKey | Problem:
        if not record.data:
            return Problem("key revoked")
        if record.key_type != key_type:
            return Problem("the key is of another type than the signature")
        if record.hashes is not None and b"sha256" not in record.hashes:
            return Problem("h= of the key does not allow sha256")
        if not record.services & {b"*", b"email"}:
            return Problem("s= of the key is not for mail")
        key = self.load(key_type, record.data)
        if isinstance(key, Problem) or key_type != "rsa":
            return key
        if key.bits < self.limits.rsa_min_bits:  # RFC 8301 §3.2
            return Problem(f"{key.bits}-bit key is too small")
        if key.bits > self.limits.rsa_max_bits:
            return Problem(f"{key.bits}-bit key is too large (limits.rsa_max_bits)")
        return key


class FoundKey(NamedTuple):
    """A key and its record; or the result that a signature gets without one, and the reason."""

    key: PublicKey | None = None
    record: KeyRecord | None = None
    result: DkimResult = DkimResult.PERMERROR
    problem: str = ""
    secure: bool | None = None  # the answer was DNSSEC-validated; None: not known


class KeyReader(NamedTuple):
    """Fetches the keys that one message's signatures name."""

    ask: Ask
    parser: KeyParser

    def fetch(self, name: str, key_type: str) -> FoundKey:
        """Return the key of this type ("rsa" or "ed25519") that is published at this name."""
        try:
            answer = self.ask(name, RecordType.TXT)
        except Unavailable as e:
            return FoundKey(result=DkimResult.TEMPERROR, problem=f"key not available: {e}")
        if answer.status is not Status.FOUND:
            return FoundKey(problem="no key", secure=answer.secure)
        records = [record for record in answer.records if isinstance(record, bytes)]
        if len(records) != 1:  # RFC 6376 §3.6.2.2: undefined; refuse to pick
            return FoundKey(problem="several key records", secure=answer.secure)
        found = self.parser.parse(records[0], key_type)
        if isinstance(found, Problem):
            return FoundKey(problem=found.text, secure=answer.secure)
        key, record = found
        return FoundKey(key, record, secure=answer.secure)
