"""check – the DMARC verdict on one message (RFC 9989).

`check` first asks the DNS (gather), then evaluates the answers (evaluate). A message without a single author domain is
`permerror`, never `none`: a sender must not get around a policy by breaking the From field.

Raises     nothing
Not here   the questions (checks.dmarc.gather), the verdict (checks.dmarc.evaluate)
"""

from collections.abc import Sequence

from mailvet.checks.author import Author, NoAuthor
from mailvet.checks.dmarc.evaluate import evaluate
from mailvet.checks.dmarc.gather import gather
from mailvet.ports import Ask
from mailvet.verdict import DkimVerdict, DmarcResult, DmarcVerdict, SpfVerdict


def check(author: Author | NoAuthor, spf: SpfVerdict, dkim: Sequence[DkimVerdict], ask: Ask) -> DmarcVerdict:
    """Return the DMARC verdict on a message; `spf` is the verdict on MAIL FROM (RFC 9989 §4.4.2)."""
    if isinstance(author, NoAuthor):
        return DmarcVerdict(result=DmarcResult.PERMERROR, problem=author.problem)
    return evaluate(gather(author.domain, spf, dkim, ask), spf, dkim)
