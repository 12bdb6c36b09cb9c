"""trust – which of a chain's sealers may testify about the message's DMARC, and what that sealer says.

A chain says who handled the message, not that they were honest (RFC 8617 §9.4). So policy is told only what a sealer
says whom the operator trusts, and not every one of those:
- From the newest set down, there is an unbroken run of sets by trusted sealers. Its lowest sealer testifies, who took
  the message into trusted hands. Every sealer above may have changed everything, so each of them has to be trusted
  (§9: each answers for what it emitted). That no unknown host came between two of them follows from the upper one's
  cv=pass: it saw the lower one's message signature verify, or would have had to write cv=fail.
- The testimony counts for the author domain it names, if that is still the author domain.
- A key in test mode (t=y) cannot testify (RFC 6376 §3.6.1): its set ends the run as an untrusted sealer's does.
- In the whole run, each message signature has to cover From, and the whole body: else its set may have been put on
  another message. The chain itself allows that; the validation suite wants an empty h= to pass.

Raises     nothing
Not here   whether the chain holds (checks.arc.check); what policy makes of the testimony (policy.disposition)
"""

from collections.abc import Collection
from typing import NamedTuple

from mailvet.checks import author
from mailvet.checks.arc.fields import SignedBy
from mailvet.checks.arc.sets import ArcSet
from mailvet.checks.author import Author
from mailvet.header import auth_results_parser
from mailvet.message import Headers
from mailvet.syntax.domain import to_alabel
from mailvet.values import Domain, Problem


class Testimony(NamedTuple):
    """What a trusted sealer saw."""

    sealer: Domain
    dmarc: str  # "dmarc=pass", or with another result


def trusted_testimony(
    sets: tuple[ArcSet, ...],
    headers: Headers,
    trusted: frozenset[str],
    testing: Collection[SignedBy] = (),
) -> Testimony | None:
    """Return what the trusted sealer that counts says of the author domain's DMARC; None: no such sealer says anything.

    `trusted`: domains of sealers; `testing`: the signatures whose keys are in test mode.
    """
    names = {to_alabel(name) for name in trusted}
    lowest = None
    for each in reversed(sets):
        covers = b"from" in each.message.names and each.message.digest.length is None
        if each.seal.domain not in names or not covers or each.seal in testing or each.message.by in testing:
            break
        lowest = each
    found = author.find(headers.values(b"from"), headers)  # also: there is but one From, and it is signed
    if lowest is None or not isinstance(found, Author):
        return None
    parsed = auth_results_parser.parse(headers.fields[lowest.results_at].value[lowest.payload_from :])
    if isinstance(parsed, Problem):
        return None
    results = [result for result in parsed.results if result.method == "dmarc"]
    if len(results) != 1:
        return None
    about = [to_alabel(value) for name, value in results[0].properties if name == "header.from"]
    return Testimony(lowest.seal.domain, f"dmarc={results[0].result}") if about == [found.domain] else None
