"""runtime – the clocks, the random numbers and the operator's log, which tests replace by their own.

Raises     nothing
Not here   waiting: what sleeps or waits uses asyncio or threading itself
"""

import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Runtime:
    """What the breach process takes from its surroundings."""

    say: Callable[[str], None]  # writes a line for the operator
    monotonic: Callable[[], float] = time.monotonic  # seconds, for waiting
    wall_clock: Callable[[], float] = time.time  # seconds since 1970, for what is stored
    rng: random.Random = field(default_factory=random.SystemRandom)

    def now(self) -> datetime:
        """Return the present in UTC."""
        return datetime.fromtimestamp(self.wall_clock(), UTC)

    def today(self) -> date:
        """Return the present day in UTC."""
        return self.now().date()
