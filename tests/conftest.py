"""conftest – the lab, once for the whole run, since Postfix and three daemons take seconds to come up."""

from collections.abc import Iterator

import pytest

from lab import dns_trouble, postfix, world
from lab.mail_system import Lab


@pytest.fixture(scope="session")
def lab() -> Iterator[Lab]:
    if reason := postfix.missing():
        pytest.skip(reason)
    with Lab(world.zone() | dns_trouble.zone() | world.attackers(), spare=("spare", "corpus", "breach")) as running:
        yield running
