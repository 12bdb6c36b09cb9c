"""pyspf – SPF by the library of that name; the only file that imports it.

`SpfChecker` judges HELO and MAIL FROM of a client by RFC 7208, and remembers what it found unless DNS
trouble or the sender itself has shaped it. Of the library only the evaluation is used: not its resolver,
its caches, its explanations, or its best guesses. Threads may share one checker.

Raises     nothing: what surprises the library is temperror
Not here   which clients are checked (session), what follows (dmarc, disposition)
"""

import re
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final

import spf

from mailvet import spf_limits, spf_terms
from mailvet.ports import Kind, Lookups, Record, Unavailable, all_secure
from mailvet.spf_identity import Client, client, covers, fqdn, sender
from mailvet.spf_memo import Memo
from mailvet.text import loggable
from mailvet.verdict import SpfIdentity, SpfResult, SpfVerdict

_NOTES: Final = 5  # kept with a verdict
_END: Final = 80  # more than any label or macro
_MODIFIER = re.compile(r"(?<= )(?:redirect|exp)=", re.IGNORECASE)  # the library knows them in lower case only
_NO_PARTS = re.compile(r"(?<!%)%\{[A-Za-z]0++(?![0-9])")  # "%%" is no macro
_DETAIL = re.compile(r": | for ")  # what the library adds to its own words: a term, or a name after expansion
_ASKABLE = re.compile(r"[ -\[\]-~]+")  # printable, and nothing a resolver takes for an escape
_NO_DOMAIN = {
    SpfIdentity.HELO: "HELO is not a fully qualified domain name",
    SpfIdentity.MAILFROM: "MAIL FROM is not an address with a fully qualified domain name",
}


class SpfChecker:
    """RFC 7208 check_host(), with a memory of what it found."""

    def __init__(self, clock: Callable[[], float] = time.monotonic, size: int = 8_000) -> None:
        self._memo = Memo(clock, size)

    def known(self, address: str, domain: str, identity: SpfIdentity) -> bool:
        """Would a check now ask nothing?"""
        name = fqdn(domain)
        return not name or self._memo.recall(address, name, identity) is not None

    def check_helo(self, address: str, helo: str, lookups: Lookups, receiver: str) -> SpfVerdict:
        """RFC 7208 §2.3"""
        return self._check(address, ("postmaster", fqdn(helo)), SpfIdentity.HELO, helo, lookups, receiver)

    def check_mail_from(self, address: str, helo: str, mail_from: str, lookups: Lookups, receiver: str) -> SpfVerdict:
        """RFC 7208 §2.4: a null reverse-path stands for postmaster@HELO."""
        claimed = (sender(mail_from) or ("", "")) if mail_from else ("postmaster", fqdn(helo))
        return self._check(address, claimed, SpfIdentity.MAILFROM, helo, lookups, receiver)

    def _check(
        self, address: str, claimed: tuple[str, str], identity: SpfIdentity, helo: str, lookups: Lookups, receiver: str
    ) -> SpfVerdict:
        local, domain = claimed
        if not domain:
            return SpfVerdict(result=SpfResult.NONE, identity=identity, domain="", problem=_NO_DOMAIN[identity])
        recalled = self._memo.recall(address, domain, identity)
        if recalled is not None:
            return recalled
        who = client(address)
        if who is None:  # nothing the sender could be blamed for
            problem = "the address of the client is not known"
            return SpfVerdict(result=SpfResult.TEMPERROR, identity=identity, domain=domain, problem=problem)
        started = self._memo.now()
        query = _Query(who, local, domain, helo, receiver, lookups)
        verdict = query.verdict(identity)
        if query.repeatable and verdict.result is not SpfResult.TEMPERROR:
            self._memo.keep(address, domain, verdict, started, query.ttl)
        return verdict


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
        self.personal = False  # names may hold the sender's local part, which is not to be told
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
            if self.personal:
                problem = _DETAIL.split(problem)[0]
            if self.ptr_trouble is not None and result is not SpfResult.PASS:
                raise self.ptr_trouble
            if result not in (SpfResult.PERMERROR, SpfResult.NONE):
                mechanism = loggable(self.mechanism or "")
        except Unavailable as e:
            result, problem = SpfResult.TEMPERROR, str(e)
            if self.personal:
                problem = f"{e.kind} of a name with macros: {e.trouble}"
        except Exception as e:  # the library met something it was not made for
            result, problem = SpfResult.TEMPERROR, f"internal error: {type(e).__name__}"
        if result is SpfResult.NONE:
            problem = "no SPF record"
        elif result is SpfResult.PASS:
            notes = self._weak_spots()
        return SpfVerdict(
            result=result,
            identity=identity,
            domain=self.o,
            mechanism=mechanism,
            secure=all_secure(self.answers_secure),
            problem=loggable(problem),
            notes=notes,
        )

    def _weak_spots(self) -> tuple[str, ...]:
        every = (note for record in self.passing for note in spf_terms.notes(record.encode(), self.who.text))
        return tuple(dict.fromkeys(map(loggable, every)))[:_NOTES]

    def dns(self, name: str, qtype: str, cnames: Any = None, ignore_void: bool = False) -> tuple[Any, ...]:
        """Every question of the library comes through here."""
        name = spf_limits.fitting(name.removesuffix("."))
        records: tuple[Record, ...] = ()
        if _ASKABLE.fullmatch(name):
            self.asked += 1
            if self.asked > spf_limits.QUESTIONS:
                raise spf.PermError(f"More than {spf_limits.QUESTIONS} DNS questions")
            answer = self.ask(name.lower(), Kind(qtype))
            records = answer.records
            self.ttl = min(self.ttl, answer.ttl)
            self.answers_secure.add(answer.secure)
        if not records:
            # RFC 7208 §4.6.4 limits the *terms* with void look-ups; `lookups` is the number of the current one.
            self.voids.add(self.lookups)
            if len(self.voids) > spf_limits.VOIDS:
                raise spf.PermError(f"More than {spf_limits.VOIDS} void lookups")
        return records

    def dns_txt(self, domainname: str, rr: str = "TXT", ignore_void: bool = False) -> tuple[Any, ...]:
        return self.dns(domainname, rr)

    def dns_mx(self, domainname: str) -> Iterator[str]:
        """Addresses of the exchanges, looked up one by one: the first that matches is the last that is asked."""
        exchanges = sorted(self.dns(domainname, "MX"))
        if len(exchanges) > spf.MAX_MX:  # RFC 7208 §4.6.4
            raise spf.PermError(f"More than {spf.MAX_MX} MX records returned")
        return (address for _, name in exchanges for address in self.dns_a(name, self.A))

    def validated_ptrs(self) -> list[str]:
        """RFC 7208 §5.5: DNS trouble is not a match here. But nobody may get less than pass because of it."""
        names: list[str] = []
        try:
            names.extend(self.dns_ptr(self.i)[: spf.MAX_PTR])
        except Unavailable as e:
            self.ptr_trouble, self.repeatable = e, False
        return [name for name in names if self._leads_back(name)]

    def _leads_back(self, name: str) -> bool:
        try:
            return self.cidrmatch(self.dns_a(name, self.A), self.cidrmax)
        except Unavailable as e:
            self.ptr_trouble, self.repeatable = e, False
            return False

    def cidrmatch(self, ipaddrs: Iterable[str], n: int) -> bool:
        return any(covers(address, n, self.who) for address in ipaddrs)

    def get_explanation(self, spec: str) -> None:
        """Nobody is told, so nothing is asked."""

    def check0(self, record: str | None, recursion: int) -> tuple[str, int, str]:
        """Evaluate one record: the domain's own, or one it leads to."""
        if record:
            refusal = spf_limits.refusal(record)
            if refusal:
                raise spf.PermError(refusal)
            if _NO_PARTS.search(record):  # RFC 7208 §7.3: "the value MUST be nonzero"; the library takes all parts
                raise spf.PermError("A macro of no parts")
            if spf_limits.asks_for_sender(record):
                self.repeatable, self.personal = False, True
            record = _MODIFIER.sub(lambda found: found[0].lower(), record)
        found: tuple[str, int, str] = super().check0(record, recursion)
        if found[0] != "pass":
            self.passing.clear()
        elif record:
            self.passing.append(record)
        return found

    def expand_domain(self, arg: str) -> str:
        """RFC 7208 §7.1: the end decides whether it is a domain-spec; so only the end is searched."""
        if spf.RE_TOPLAB.split(arg[-_END:])[-1]:
            raise spf.PermError("Invalid domain found (use FQDN)", arg)
        expanded: str = self.expand(arg)
        return expanded
