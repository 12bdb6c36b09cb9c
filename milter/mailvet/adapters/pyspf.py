"""pyspf – SPF by the library of that name; the only file that imports it.

`SpfChecker` judges HELO and MAIL FROM of a client by RFC 7208. Its verdicts are kept for as long as the
DNS answers they rest on, because a sender's messages come in crowds; one that cannot be reached again
from address and domain alone (a macro asks for the local part or HELO), or that DNS trouble has shaped,
is not. The library's own resolver, caches, explanations and best guesses are not used. Threads may share
one checker.

Raises     nothing: what surprises the library is temperror
Not here   which clients are checked (session), what follows (dmarc, disposition)
"""

import re
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from typing import Any, Final, NamedTuple

import spf

from mailvet import spf_terms
from mailvet.ports import Answer, Kind, Lookups, Record, Unavailable
from mailvet.spf_identity import Client, client, covers, fqdn, sender
from mailvet.text import loggable
from mailvet.verdict import SpfIdentity, SpfResult, SpfVerdict

_VOIDS: Final = 2  # RFC 7208 §4.6.4
_QUESTIONS: Final = 30  # RFC 7208 §11.1: ten mx terms alone could ask 110, and the message has others to ask
_LONGEST_TERM: Final = 512  # no domain is longer, and the library's patterns are quadratic in a term
_MACROS: Final = 64  # of one record; each costs the length of what it stands for
_SENDER_MACRO = re.compile(r"%\{[slhSLH]")  # RFC 7208 §7.2: what address and domain do not decide
_ASKABLE = re.compile(r"[ -\[\]-~]+")  # printable, and nothing a resolver takes for an escape
_NO_DOMAIN = {
    SpfIdentity.HELO: "HELO is not a fully qualified domain name",
    SpfIdentity.MAILFROM: "MAIL FROM is not an address with a fully qualified domain name",
}


class _Kept(NamedTuple):
    until: float
    verdict: SpfVerdict


class SpfChecker:
    """RFC 7208 check_host(), with a memory of what it found."""

    def __init__(self, clock: Callable[[], float] = time.monotonic, size: int = 10_000) -> None:
        self._clock = clock
        self._size = size
        self._memo: dict[tuple[str, str], _Kept] = {}
        self._writing = threading.Lock()

    def known(self, address: str, domain: str, identity: SpfIdentity) -> bool:
        """Would a check now ask nothing?"""
        name = fqdn(domain)
        return not name or self._recall(address, name, identity) is not None

    def check_helo(self, address: str, helo: str, lookups: Lookups, receiver: str) -> SpfVerdict:
        """RFC 7208 §2.3"""
        return self._check(address, ("postmaster", fqdn(helo)), SpfIdentity.HELO, helo, lookups, receiver)

    def check_mail_from(
        self, address: str, helo: str, mail_from: str, lookups: Lookups, receiver: str
    ) -> SpfVerdict:
        """RFC 7208 §2.4: a null reverse-path stands for postmaster@HELO."""
        claimed = (sender(mail_from) or ("", "")) if mail_from else ("postmaster", fqdn(helo))
        return self._check(address, claimed, SpfIdentity.MAILFROM, helo, lookups, receiver)

    def _check(
        self, address: str, claimed: tuple[str, str], identity: SpfIdentity, helo: str, lookups: Lookups, receiver: str
    ) -> SpfVerdict:
        local, domain = claimed
        if not domain:
            return SpfVerdict(result=SpfResult.NONE, identity=identity, domain="", problem=_NO_DOMAIN[identity])
        recalled = self._recall(address, domain, identity)
        if recalled is not None:
            return recalled
        who = client(address)
        if who is None:  # nothing the sender could be blamed for
            problem = "the client's address is not known"
            return SpfVerdict(result=SpfResult.TEMPERROR, identity=identity, domain=domain, problem=problem)
        started = self._clock()
        query = _Query(who, local, domain, helo, receiver, lookups)
        verdict = query.verdict(identity)
        if query.repeatable and verdict.result is not SpfResult.TEMPERROR:
            self._keep((address, domain), _Kept(started + query.ttl, verdict))
        return verdict

    def _recall(self, address: str, domain: str, identity: SpfIdentity) -> SpfVerdict | None:
        kept = self._memo.get((address, domain))
        if kept is None or kept.until <= self._clock():
            return None
        # Without macros for it, check_host() does not look at the sender: both identities agree.
        return kept.verdict if kept.verdict.identity is identity else replace(kept.verdict, identity=identity)

    def _keep(self, key: tuple[str, str], kept: _Kept) -> None:
        with self._writing:
            self._memo.pop(key, None)
            while len(self._memo) >= self._size:
                del self._memo[next(iter(self._memo))]  # the oldest
            self._memo[key] = kept


class _Query(spf.query):  # type: ignore[misc]  # the library has no types
    """One evaluation. What is overridden asks our resolver, bounds the work, and notes what the verdict rests on."""

    def __init__(self, who: Client, local: str, domain: str, helo: str, receiver: str, lookups: Lookups) -> None:
        super().__init__(who.text, f"postmaster@{domain}", helo[:255], receiver=receiver)
        # RFC 8616 §4: what is not ASCII matches no name; lower-casing could even make ASCII of it.
        self.l = local if local.isascii() else "".join(c if c.isascii() else "\x80" for c in local)
        self.s = f"{self.l}@{domain}"
        self.who = who
        self.ask = lookups.ask
        self.ttl = float("inf")
        self.repeatable = True
        self.asked = 0
        self.voids: set[int] = set()
        self.answers_secure: set[bool | None] = set()
        self.passing: list[str] = []
        self.ptr_trouble: Unavailable | None = None

    def verdict(self, identity: SpfIdentity) -> SpfVerdict:
        """Evaluate. Total."""
        mechanism = ""
        notes: tuple[str, ...] = ()
        try:
            word, _, text = self.check()
            result = SpfResult(word)
            problem = text.removeprefix("SPF Permanent Error: ") if result is SpfResult.PERMERROR else ""
            if self.ptr_trouble is not None and result is not SpfResult.PASS:
                raise self.ptr_trouble
            if result not in (SpfResult.PERMERROR, SpfResult.NONE):
                mechanism = loggable(self.mechanism or "")
        except Unavailable as e:
            result, problem = SpfResult.TEMPERROR, str(e)
        except Exception as e:  # the library met something it was not made for
            result, problem = SpfResult.TEMPERROR, f"internal error: {type(e).__name__}"
        if result is SpfResult.NONE:
            problem = "no SPF record"
        elif result is SpfResult.PASS:
            every = (note for record in self.passing for note in spf_terms.notes(record.encode(), self.who.text))
            notes = tuple(dict.fromkeys(map(loggable, every)))
        return SpfVerdict(
            result=result,
            identity=identity,
            domain=self.o,
            mechanism=mechanism,
            secure=_together(self.answers_secure),
            problem=loggable(problem),
            notes=notes,
        )

    def dns(self, name: str, qtype: str, cnames: Any = None, ignore_void: bool = False) -> tuple[Any, ...]:
        """Every question of the library comes through here."""
        name = _fitting(name.removesuffix("."))
        records: tuple[Record, ...] = ()
        if _ASKABLE.fullmatch(name):
            self.asked += 1
            if self.asked > _QUESTIONS:
                raise spf.PermError(f"More than {_QUESTIONS} DNS questions")
            records = self._seen(self.ask(name.lower(), Kind(qtype)))
        if not records:
            # RFC 7208 §4.6.4 limits the *terms* with void look-ups; `lookups` is the number of the current one.
            self.voids.add(self.lookups)
            if len(self.voids) > _VOIDS:
                raise spf.PermError(f"More than {_VOIDS} void lookups")
        return records

    def _seen(self, answer: Answer) -> tuple[Record, ...]:
        self.ttl = min(self.ttl, answer.ttl)
        self.answers_secure.add(answer.secure)
        return answer.records

    def dns_txt(self, domainname: str, rr: str = "TXT", ignore_void: bool = False) -> tuple[Any, ...]:
        return self.dns(domainname, rr)

    def dns_mx(self, domainname: str) -> Iterator[str]:
        """Addresses of the exchanges, looked up one by one: the first that matches is the last that is asked."""
        exchanges = sorted(self.dns(domainname, "MX"))
        if len(exchanges) > spf.MAX_MX:  # RFC 7208 §4.6.4
            raise spf.PermError(f"More than {spf.MAX_MX} MX records returned")
        return (address for _, name in exchanges for address in self.dns_a(name, self.A))

    def validated_ptrs(self) -> list[str]:
        """RFC 7208 §5.5: DNS trouble is no match here. But nobody may get less than pass by it."""
        names: list[str] = []
        try:
            names.extend(self.dns_ptr(self.i)[: spf.MAX_PTR])
        except Unavailable as e:
            self.ptr_trouble = e
        return [name for name in names if self._leads_back(name)]

    def _leads_back(self, name: str) -> bool:
        try:
            return self.cidrmatch(self.dns_a(name, self.A), self.cidrmax)
        except Unavailable as e:
            self.ptr_trouble = e
            return False

    def cidrmatch(self, ipaddrs: Iterable[str], n: int) -> bool:
        return any(covers(address, n, self.who) for address in ipaddrs)

    def get_explanation(self, spec: str) -> None:
        """Nobody is told, so nothing is asked."""

    def check0(self, record: str | None, recursion: int) -> tuple[str, int, str]:
        """Evaluate one record: the domain's own, or one it leads to."""
        if record:
            self._admit(record)
        found: tuple[str, int, str] = super().check0(record, recursion)
        if found[0] != "pass":
            self.passing.clear()
        elif record:
            self.passing.append(record)
        return found

    def _admit(self, record: str) -> None:
        if len(record) > spf_terms.LONGEST or max(map(len, record.split(" "))) > _LONGEST_TERM:
            raise spf.PermError("The record or a term of it is too long (limit)")
        if "%" in record:
            if record.count("%") > _MACROS:
                raise spf.PermError("Too many macros (limit)")
            self.repeatable = self.repeatable and _SENDER_MACRO.search(record) is None


def _fitting(name: str) -> str:
    """RFC 7208 §7.3: labels go from the left until 253 characters are left."""
    if len(name) <= 253:
        return name
    tail = name[-254:]
    return tail.partition(".")[2]


def _together(secure: set[bool | None]) -> bool | None:
    """All answers were secure, one was not, or that is not known."""
    if False in secure:
        return False
    return None if None in secure or not secure else True
