"""The look-alike of Have I Been Pwned that most of these tests ask."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from lab.breachprocess import ANN, BEN
from lab.hibp_server import HibpServer


@pytest.fixture
def hibp(tmp_path: Path) -> Iterator[HibpServer]:
    with HibpServer(tmp_path, {ANN: ["Fresh"], BEN: ["SpamList", "Ancient"]}) as running:
        yield running
