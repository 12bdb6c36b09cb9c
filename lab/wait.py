"""Waiting for what another process or thread is about to do, on a machine that may be slow."""

import time
from collections.abc import Callable
from typing import Any


def until(holds: Callable[[], Any], seconds: float = 30.0) -> Any:
    """The first true value."""
    deadline = time.monotonic() + seconds
    while not (value := holds()):
        assert time.monotonic() < deadline, "it has not come to pass"
        time.sleep(0.02)
    return value
