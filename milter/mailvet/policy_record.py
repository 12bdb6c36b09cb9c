"""policy_record – the values of a DMARC Policy Record (RFC 9989 §4.7): what a domain owner asks of receivers.

Raises     nothing
Not here   reading a TXT record (checks.dmarc.record), finding it (checks.dmarc.tree_walk), the verdict (verdict)
"""

from dataclasses import dataclass
from enum import StrEnum


class Policy(StrEnum):  # RFC 9989 §4.7
    NONE = "none"
    QUARANTINE = "quarantine"
    REJECT = "reject"


class Psd(StrEnum):  # RFC 9989 §4.7
    YES = "y"  # a public suffix: organizations begin one label below
    NO = "n"  # an organizational domain, whatever stands above
    UNKNOWN = "u"  # the walk decides


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyRecord:
    """What a domain owner published, with the RFC's defaults. `p` is None where DMARC processing does not apply."""

    p: Policy | None
    sp: Policy | None = None  # None: not published, p applies
    np: Policy | None = None  # None: not published, sp applies
    psd: Psd = Psd.UNKNOWN
    testing: bool = False  # t=y
    strict_dkim: bool = False  # adkim=s
    strict_spf: bool = False  # aspf=s
    rua: tuple[str, ...] = ()  # valid URIs, without the obsolete size
    ruf: tuple[str, ...] = ()
    fo: tuple[str, ...] = ("0",)
    problem: str = ""  # for people: what was ignored, and why
