"""conftest – the lab, once for the whole run, since Postfix and three daemons take seconds to come up."""

from collections.abc import Iterator

import pytest

from lab import postfix, trouble, world
from lab.whole import Lab


@pytest.fixture(scope="session")
def lab() -> Iterator[Lab]:
    if reason := postfix.missing():
        pytest.skip(reason)
    with Lab(world.zone() | trouble.zone() | world.attackers(), spare=("spare", "corpus", "breach")) as running:
        yield running
