"""record – read a DMARC Policy Record from one TXT record (RFC 9989 §4.8).

`parse` never raises, and its time is linear. A TXT record that begins with `v=DMARC1` is a DMARC record; any mistake
after that costs at most its own tag (RFC 9989 §4.8). A record without a usable policy is found too, but DMARC is not
applied (RFC 9989 §4.10.1). A tag that is given twice with different values is a mistake, since the RFC does not say
which one counts. `pct`, `rf` and `ri` are unknown tags now.

Raises     nothing
Not here   the values of a record (policy_record), where records are looked for (checks.dmarc.tree_walk)
"""

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Final

from mailvet import ports
from mailvet.policy_record import Policy, PolicyRecord, Psd

_WSP: Final = " \t"
_LONGEST_RECORD: Final = 4096  # octets: longer records are not read
_LONGEST_CACHED: Final = 1024  # octets: longer records are read anew each time, so that the cache stays small
_VERSION: Final = re.compile(rb"[vV][ \t]*=[ \t]*DMARC1[ \t]*(?:;|\Z)")  # RFC 9989 §4.8: %s"DMARC1"
_SIZE: Final = re.compile(r"![0-9]+[kmgtKMGT]?\Z")  # RFC 9989 §4.8: obs-dmarc-report-size
_URI: Final = re.compile(  # RFC 3986 Appendix A, without the comma and the exclamation mark
    r"[A-Za-z][A-Za-z0-9+.-]*:(?:[A-Za-z0-9._~:/?#\[\]@$&'()*+;=-]|%[0-9A-Fa-f]{2})+"
)
_FAILURE_OPTIONS: Final = frozenset("01ds")


def is_record(record: ports.Record) -> bool:
    """Return whether a TXT record is a DMARC Policy Record."""
    return isinstance(record, bytes) and _VERSION.match(record) is not None


def parse(record: ports.Record) -> PolicyRecord | None:
    """Return the DMARC Policy Record in a TXT record; None: it is a record of something else."""
    if not isinstance(record, bytes) or not is_record(record):
        return None
    if len(record) > _LONGEST_RECORD:
        return PolicyRecord(p=None, problem=f"the record has over {_LONGEST_RECORD} octets")
    return _cached(record) if len(record) <= _LONGEST_CACHED else _read(record)


@lru_cache(maxsize=4096)
def _cached(record: bytes) -> PolicyRecord:
    return _read(record)


def _read(record: bytes) -> PolicyRecord:
    tags, problems = _tags(record.decode("latin-1"))
    rua, ruf = _uris(tags.get("rua", "")), _uris(tags.get("ruf", ""))
    p = _policy(tags.get("p"))
    sp, np = _policy(tags.get("sp")), _policy(tags.get("np"))
    wrong = [name for name, value in (("p", p), ("sp", sp), ("np", np)) if value is None and name in tags]
    problems += [f"{name}= is not none, quarantine or reject" for name in wrong]
    if p is None or wrong:  # RFC 9989 §4.10.1: with somewhere to report to it is p=none, else nothing applies
        p = Policy.NONE if rua else None
        problems.append("no valid policy: " + ("p=none" if rua else "without a valid rua= DMARC does not apply"))
    if p is None or wrong:  # a missing p= alone is "as if it included p=none" and leaves the others (RFC 9989 §4.7)
        sp = np = None
    return PolicyRecord(
        p=p,
        sp=sp,
        np=np,
        psd=_psd(tags.get("psd", "u")),
        testing=tags.get("t", "n").lower() == "y",
        strict_dkim=tags.get("adkim", "r").lower() == "s",
        strict_spf=tags.get("aspf", "r").lower() == "s",
        rua=rua,
        ruf=ruf,
        fo=_failure_options(tags.get("fo", "0")) if ruf else ("0",),  # RFC 9989 §4.7: ignored without ruf=
        problem="; ".join(problems),
    )


def _tags(text: str) -> tuple[Mapping[str, str], list[str]]:
    """Return the tags after the version, by lower-case name, and the problems found.

    A tag given twice with different values has the value "", which is valid for no tag.
    """
    tags: dict[str, str] = {}
    twice: set[str] = set()
    for part in text.split(";")[1:]:
        name, equals, value = part.partition("=")
        name, value = name.strip(_WSP).lower(), value.strip(_WSP)
        if not equals or not name.isascii() or not name.isalpha():  # RFC 9989 §4.8: dmarc-tag
            continue
        if tags.setdefault(name, value) != value:
            twice.add(name)
    tags.update(dict.fromkeys(twice, ""))
    return tags, [f"{name}= is given twice" for name in _KNOWN if name in twice]


_KNOWN: Final = ("p", "sp", "np", "psd", "t", "adkim", "aspf", "rua", "ruf", "fo")
_POLICIES: Final = {policy.value: policy for policy in Policy}
_PSDS: Final = {psd.value: psd for psd in Psd}


def _policy(value: str | None) -> Policy | None:
    return None if value is None else _POLICIES.get(value.lower())  # RFC 5234 §2.3: literals in any case


def _psd(value: str) -> Psd:
    return _PSDS.get(value.lower(), Psd.UNKNOWN)


def _uris(value: str) -> tuple[str, ...]:
    """Return the valid URIs of a list; a bad one costs only itself (RFC 9990 §3.5)."""
    stripped = (_SIZE.sub("", part.strip(_WSP)) for part in value.split(","))
    return tuple(uri for uri in stripped if _URI.fullmatch(uri) is not None)


def _failure_options(value: str) -> tuple[str, ...]:
    options = tuple(option.strip(_WSP).lower() for option in value.split(":"))
    valid = (
        _FAILURE_OPTIONS.issuperset(options) and len(set(options)) == len(options) and not {"0", "1"}.issubset(options)
    )
    return options if valid else ("0",)
