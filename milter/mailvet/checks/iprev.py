"""iprev – check whether a name of the client's address leads back to that address (RFC 8601 §3).

`check` returns the verdict; `ahead` asks the same questions without waiting.

Raises     nothing
Not here   which client is checked (session)
"""

from functools import lru_cache
from typing import Final

from mailvet.ports import Answer, Lookups, RecordType, Status, Unavailable, all_secure
from mailvet.syntax import ip
from mailvet.verdict import IprevResult, IprevVerdict

_MOST_NAMES: Final = 10  # RFC 8601 §3: "Verifiers SHOULD limit the number of PTR records"


def check(address: str, lookups: Lookups) -> IprevVerdict:
    """Return the verdict on the client with this address."""
    questions = _questions(address)
    if questions is None:
        return IprevVerdict(
            result=IprevResult.PERMERROR, address=address, problem="the address of the client is not known"
        )
    reverse, kind, canonical = questions
    try:
        pointers = lookups.ask(reverse, RecordType.PTR)
    except Unavailable as e:
        return IprevVerdict(result=IprevResult.TEMPERROR, address=canonical, problem=str(e))
    if pointers.status is not Status.FOUND:
        return IprevVerdict(
            result=IprevResult.PERMERROR, address=canonical, secure=pointers.secure, problem="no PTR record"
        )
    trouble, secure = "", pointers.secure
    for name in pointers.records[:_MOST_NAMES]:
        try:
            forward = lookups.ask(str(name), kind)
        except Unavailable as e:
            trouble = str(e)
            continue
        if canonical in forward.records:
            way_back = all_secure((pointers.secure, forward.secure))
            return IprevVerdict(result=IprevResult.PASS, address=canonical, name=str(name), secure=way_back)
        secure = all_secure((secure, forward.secure))
    if trouble:  # the name that could not be looked up might have been the one
        return IprevVerdict(result=IprevResult.TEMPERROR, address=canonical, problem=trouble)
    names = ", ".join(map(str, pointers.records[:3]))
    return IprevVerdict(
        result=IprevResult.FAIL, address=canonical, secure=secure, problem=f"{names} does not lead back"
    )


def ahead(address: str, lookups: Lookups) -> None:
    """Ask, without waiting, for the names of the client, and once they are there, for their addresses."""
    questions = _questions(address)
    if questions is None:
        return
    reverse, kind, _ = questions

    def forward(answer: Answer) -> None:
        for name in answer.records[:_MOST_NAMES]:
            lookups.ahead(str(name), kind)

    lookups.ahead(reverse, RecordType.PTR, forward)


@lru_cache(maxsize=4096)
def _questions(address: str) -> tuple[str, RecordType, str] | None:
    """Return the reverse name, the type of the forward question, and the canonical text of an address.

    None: it is not an IP address.
    """
    parsed = ip.parse(address)
    if parsed is None:
        return None
    return parsed.reverse_pointer, RecordType.A if parsed.version == 4 else RecordType.AAAA, str(parsed)
