"""alignment – are two domains one organization's? (RFC 9989 §4.10.2)

Questions are asked only where the names do not settle it: an identifier that equals the author domain is
aligned, and one that is not below the author's organizational domain is not, since an organizational
domain stands at or above its name.

Raises     nothing: what DNS does not tell is kept in `unsure`
Not here   which identifiers count, and what follows (dmarc)
"""

from dataclasses import dataclass, field

from mailvet.checks.dmarc.tree_walk import Discovery, discover
from mailvet.ports import Ask, Unavailable


@dataclass(slots=True)
class Alignment:
    """Compares identifiers with one author domain, and remembers what it took."""

    author: str
    ask: Ask
    walks: dict[str, Discovery] = field(default_factory=dict)
    compared: list[str] = field(default_factory=list)
    unsure: list[str] = field(default_factory=list)  # what might have been an aligned pass
    secure: list[bool | None] = field(default_factory=list)

    def aligned(self, method: str, domain: str, strict: bool) -> bool:
        """An identifier that passed. What DNS does not tell makes it unsure, not unaligned."""
        try:
            aligned, how = self._compare(domain, strict)
        except Unavailable as e:
            self.compared.append(f"{method} {domain} ~ {self.author}: could not find out ({e})")
            self.unsure.append(f"the organizational domain of {method} {domain} could not be found ({e})")
            return False
        self.compared.append(f"{method} {domain} ~ {self.author} ({how}): {'' if aligned else 'not '}aligned")
        return aligned

    def might_be(self, method: str, domain: str, strict: bool, problem: str) -> None:
        """An identifier that DNS trouble kept from passing or failing: would it have been aligned?"""
        try:
            if domain and not self._compare(domain, strict)[0]:
                return
        except Unavailable:
            pass  # then it might
        self.unsure.append(f"{method} {domain} could not be checked" + (f" ({problem})" if problem else ""))

    def _compare(self, domain: str, strict: bool) -> tuple[bool, str]:
        author = self.author
        if domain == author:
            return True, "identical"
        if strict:
            return False, "strict"  # RFC 9989 §4.10.2: a simple string comparison
        if domain.rpartition(".")[2] != author.rpartition(".")[2]:
            return False, "relaxed: nothing in common"
        theirs = self._organization(author)
        if domain != theirs and not domain.endswith("." + theirs):
            return False, f"relaxed: not below {theirs}"
        ours = self._organization(domain)
        return ours == theirs, f"relaxed: {ours} and {theirs}"

    def _organization(self, domain: str) -> str:
        walk = self.walks.get(domain)
        if walk is None:
            walk = self.walks[domain] = discover(domain, self.ask)
            self.secure.append(walk.secure)
        return walk.organizational_domain
