"""reverse_path – MAIL FROM's address as a value, read once where it enters.

What cannot be read with certainty has no domain, and then nothing is asked of the DNS: RFC 7208 §4.3 wants "none"
for it, and a domain guessed from it would be one the sender chose for us.

Raises     nothing
Not here   addresses in header fields, which are read more strictly (address)
"""

import re
from typing import Final

from mailvet.message import ReversePath
from mailvet.syntax.domain import host_name
from mailvet.values import Domain

AT_SIGNS: Final = frozenset("@＠﹫")  # to some readers the wide and the small one are one as well
_LONGEST_PATH: Final = 1000  # characters; RFC 5321 §4.5.3.1.3 allows a path 256
# Laxer than an address in a header: the local part decides nothing here, and odd ones send mail every day.
_LOCAL: Final = re.compile(r'[^\x00-\x1f\x7f"(),:;<>@\[\]\\]*+|"(?:[^\x00-\x1f\x7f"\\]|\\[ -~])*+"')
_PLAIN_AT: Final = dict.fromkeys(map(ord, AT_SIGNS), "@")


def parse(text: str) -> ReversePath:
    """Return the address of MAIL FROM, which the MTA gives with or without angle brackets."""
    path = text.strip()
    if path.startswith("<") and path.endswith(">"):
        path = path[1:-1]
    if not path:
        return ReversePath()
    found = _split(path)
    if found is None:
        return ReversePath(text=path, shown=domain_of(path))
    local, domain = found
    return ReversePath(text=path, local=local, domain=domain, shown=domain_of(path))


def _split(path: str) -> tuple[str, Domain] | None:
    """Return local part and domain, or None where they cannot be told apart with certainty."""
    if len(path) > _LONGEST_PATH:
        return None
    if path.startswith("@") and ":" in path:  # RFC 5321 §4.1.1.3: a source route is accepted and ignored
        route, _, path = path.partition(":")
        if not all(hop.startswith("@") and host_name(hop[1:]) for hop in route.split(",")):
            return None
    local, _, written = path.rpartition("@")
    domain = host_name(written)
    if domain is None or _LOCAL.fullmatch(local) is None:
        return None
    return local, domain


def domain_of(path: str) -> str:
    """Return what follows the last "@", as written; "" without one, or if the path ends in a quoted string."""
    _, at, domain = path.translate(_PLAIN_AT).rpartition("@")
    routed = ":" in domain and not domain.startswith("[")  # <@relay.example:ann>
    return domain if at and '"' not in domain and not routed else ""
