"""trust – whose word about a message's DMARC counts, among the sealers of a chain that holds.

A chain says who had the message, not that they were honest (RFC 8617 §9.4), so policy hears only sealers
that the operator trusts, and no single one of them:
- It is the word of the lowest sealer of the unbroken run of trusted ones at the top, who took the message
  into trusted hands. Whoever stands above a sealer may have changed everything, so the newest has to be
  trusted as well, and everyone between (§9: each answers for what he emitted). That nobody in the dark
  came between two of them is what the upper one's cv=pass says: he saw the lower one's message signature
  verify, or he would have had to write cv=fail.
- It counts for the author it names, if that is still the author.
- A key in test mode (t=y) speaks for nobody (RFC 6376 §3.6.1): its set ends the run like a stranger's.
- In the whole run each message signature has to cover From and the body without l=: else its set may have
  been put on another message. The chain itself allows that; its validation suite wants an empty h= to pass.

Raises     nothing
Not here   whether the chain holds (arc); what policy makes of the word (disposition)
"""

from collections.abc import Collection
from typing import Final, NamedTuple

from mailvet.checks import author
from mailvet.checks.arc.fields import SignedBy
from mailvet.checks.arc.sets import ArcSet
from mailvet.checks.author import Author
from mailvet.header import auth_results_parser as authresults_parse
from mailvet.message import Headers
from mailvet.syntax.domain import to_alabel


class Word(NamedTuple):
    sealer: str
    said: str  # "dmarc=pass", or another result


NONE: Final = Word("", "")


def word(
    sets: tuple[ArcSet, ...],
    headers: Headers,
    trusted: frozenset[str],
    testing: Collection[SignedBy] = (),
) -> Word:
    """What the trusted sealer that counts said of the author's DMARC. `testing`: whose keys are in test mode."""
    names = {to_alabel(name) for name in trusted}
    lowest = None
    for each in reversed(sets):
        covers = b"from" in each.message.names and each.message.digest.length is None
        if each.seal.domain not in names or not covers or each.seal in testing or each.message.by in testing:
            break
        lowest = each
    found = author.find(headers.values(b"from"), headers)  # also: there is but one From, and it is signed
    if lowest is None or not isinstance(found, Author):
        return NONE
    parsed = authresults_parse.parse(headers.fields[lowest.results_at].value[lowest.payload_from :])
    said = [result for result in parsed.results if result.method == "dmarc"] if parsed is not None else []
    if len(said) != 1:
        return NONE
    about = [to_alabel(value) for name, value in said[0].properties if name == "header.from"]
    return Word(lowest.seal.domain, f"dmarc={said[0].result}") if about == [found.domain] else NONE
