"""transaction – the state of one message while it arrives.

It is made at MAIL FROM and dropped at the end of the message. The body is hashed as it streams and not kept.

From the first field that is over limits.header_fields or limits.header_bytes, only fields are kept that may have to be
removed, or that may count as authors, by their name. `dropped` counts all from there on, kept or not; if there are any,
DKIM and ARC are not verified. `beyond` has those in which a From field or one of ours may be hidden: header.edits and
checks.author search them.

Raises     nothing
Not here   verdicts (verify); what may hide a field (header.disguise)
"""

from mailvet.checks.arc import check as arc
from mailvet.checks.dkim import check as dkim
from mailvet.checks.dkim.body_hash import BodyHasher
from mailvet.header import disguise
from mailvet.message import Envelope, Headers
from mailvet.ports import Lookups
from mailvet.settings import LimitSettings
from mailvet.syntax import received
from mailvet.text import loggable

_MOST_ANOMALIES = 20
_HIDDEN = (b"from", b"authentication-results", b"sender-breach-info")
_MOST_AUTHORS = 100  # fields over the limits that may count as authors; two show that there is no single one


class Transaction:
    """The state of one message while it arrives. verify and prefetch read its attributes."""

    __slots__ = (
        "_authors", "_bytes", "_fields", "address", "anomalies", "beyond", "body_octets", "candidates", "chain",
        "dropped", "envelope", "exempt", "hasher", "headers", "helo", "lookups",
    )  # fmt: skip

    def __init__(self, envelope: Envelope, exempt: bool, limits: LimitSettings, lookups: Lookups) -> None:
        self.envelope = envelope
        self.exempt = exempt  # from a trusted network or authenticated: nothing is checked
        self.lookups = lookups
        self.address = envelope.address  # of the client that is judged: behind our relay, not the relay
        self.helo = envelope.helo
        self.headers = Headers()
        self.dropped = 0  # how many fields were over the limits; once one is, all that follow are
        self.beyond = Headers()  # dropped fields that may hide a line some readers take for a field of its own; bounded
        self.body_octets = 0
        self.candidates: list[dkim.Candidate] = []
        self.chain: arc.Chain | None = None
        self.hasher: BodyHasher | None = None
        self.anomalies: list[str] = []
        self._fields, self._bytes = limits.header_fields, limits.header_bytes
        self._authors = _MOST_AUTHORS

    def add(self, name: bytes, value: bytes) -> bytes:
        """Add a header field. Return its lower-case name, or b"" if it was over the limits and not kept."""
        headers = self.headers
        if self.dropped or len(headers.fields) >= self._fields or headers.size + len(value) > self._bytes:
            self.dropped += 1
            lower = name.lower()
            if self.beyond.size <= self._bytes and disguise.may_hide(name, value, self.beyond, _HIDDEN):
                self.beyond.add(name, value)
            # now only fields that may have to be removed, or that may count as authors, are kept
            if b"from" in lower:
                self._authors -= 1
                if self._authors < 0:
                    return b""
            elif b"authentication" not in lower and b"breach" not in lower:
                return b""
        return headers.add(name, value)

    def look_behind(self, hop: received.Hop | None) -> None:
        """Judge the client `hop` from which our relay took the message. None: its Received field does not tell it."""
        self.address, self.helo = (hop.address, hop.helo) if hop is not None else ("", "")
        if hop is None:
            self.anomalies.append("behind our relay, but no Received field tells the client")

    def add_signature(self, value: bytes, limits: LimitSettings) -> dkim.Candidate | None:
        """Parse the DKIM-Signature that was just added. Return None if it will not be verified."""
        if self.dropped or len(self.candidates) >= limits.signatures:
            return None
        found = dkim.candidate(len(self.headers.fields) - 1, value, limits)
        self.candidates.append(found)
        return found

    def end_of_headers(self, limits: LimitSettings) -> None:
        """Parse the ARC chain, and start the body hashes that it and the signatures need."""
        if self.dropped:
            return
        self.chain = arc.prepare(self.headers, limits)
        digests = {candidate.digest for candidate in self.candidates if candidate.digest is not None}
        digests.update(self.chain.digests)
        self.hasher = BodyHasher(digests) if digests else None

    def body(self, chunk: bytes) -> None:
        self.body_octets += len(chunk)
        if self.hasher is not None:
            self.hasher.feed(chunk)

    def skipped(self, name: bytes) -> None:
        """Add a field whose name is not UTF-8: libmilter could not show it to us, and its value is lost.

        No signature can cover it, but a lenient reader may take it for a From field or one of ours.
        """
        self.add(name, b"")
        if len(self.anomalies) < _MOST_ANOMALIES:
            self.anomalies.append(f"header field with an 8-bit name: {loggable(name)}")
