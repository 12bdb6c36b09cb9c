"""case – one judged message as a frozen value: who sent it, what was found out, what was decided, what it cost.

The session makes it at the end of a message; the worker hands it to its listeners, such as the log and the counters.
It has no subject and no body, and the fields of this class have no local part of an address unless
`log.local_parts` is set. Reasons and problems inside may have one, which `text.domains_only` removes; so may the names
of questions, where a sender's SPF record asks for it with %{l} or %{s}.

Raises     nothing
Not here   how it is made (session.account); what is made of it (observe)
"""

from collections.abc import Callable
from dataclasses import dataclass

from mailvet.outcome import Delete, Disposition, Edit
from mailvet.ports import Question
from mailvet.verdict import Report


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One judged message: its report, what is done with it, who sent it, what it cost."""

    report: Report  # every verdict, with what it was judged by
    disposition: Disposition
    edits: tuple[Edit, ...] = ()  # in the order that is safe to apply
    queue_id: str = ""  # Postfix's
    time: float = 0.0  # of the decision, in seconds since 1970
    client: str = ""  # the address of the client that was judged; "": not known
    helo: str = ""  # a domain or an address literal; "?" for anything else
    mail_from: str = ""  # the domain of MAIL FROM, as written
    size: int = 0  # octets of header fields and body
    questions: tuple[Question, ...] = ()  # asked of the DNS, in order, with answers; only with `Engine.keep_questions`
    asked: int = 0  # how many had to be sent
    milliseconds: float = 0.0  # the end of the message waited so long for us

    @property
    def removed(self) -> int:
        """Return how many header fields are removed."""
        return sum(isinstance(edit, Delete) for edit in self.edits)


Listener = Callable[[Case], None]
"""Gets each Case when the edits are sent and before the MTA has the reply, so it must not wait; the reply stands if it
raises."""
