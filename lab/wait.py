"""wait – waits for what another process or thread is about to do, on a machine that may be slow.

Raises     AssertionError where it has not happened in time
"""

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def until(holds: Callable[[], T | None], seconds: float = 30.0) -> T:
    """Call `holds` every 20 ms, and return the first value that is true."""
    deadline = time.monotonic() + seconds
    while not (value := holds()):
        assert time.monotonic() < deadline, "it has not happened in time"
        time.sleep(0.02)
    return value
