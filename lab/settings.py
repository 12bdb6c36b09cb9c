"""settings – values of the configuration made by hand, from the texts that mailvet.toml would have."""

from typing import Any, Final

from mailvet.config import written
from mailvet.settings import Settings
from mailvet.values import Address, Domain, Endpoint, Network, Problem, Written


def networks(*texts: str) -> tuple[Written[Network], ...]:
    """For trust.networks and trust.relays."""
    return tuple(_read(Written[Network], text) for text in texts)


def name_servers(*texts: str) -> tuple[Written[Endpoint], ...]:
    """For dns.nameservers."""
    return tuple(_read(Written[Endpoint], text) for text in texts)


def addresses(*texts: str) -> tuple[Written[Address], ...]:
    """For dns.trusted."""
    return tuple(_read(Written[Address], text) for text in texts)


def domains(*texts: str) -> tuple[Written[Domain], ...]:
    """For trust.sealers, and any other list of domains."""
    return tuple(_read(Written[Domain], text) for text in texts)


def _read(kind: Any, text: str) -> Any:
    found = written.read(kind, text)
    assert not isinstance(found, Problem), found.text
    return found


EVERYTHING: Final = Settings()  # with each method that is off by default switched on: none so far
