"""durations – durations as mailvet.toml has them: "500ms", "2s", "7d".

Raises     nothing
Not here   which keys are durations (settings), their ranges (config.rules)
"""

import math
import re
from decimal import Decimal
from typing import Final

_UNITS: Final = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_DURATION: Final = re.compile(r"([0-9]+(?:\.[0-9]+)?)(ms|s|m|h|d)")


def read(text: str) -> float | None:
    """Return the seconds that "500ms", "2s", "1.5m", "1h" or "7d" means; None if it is not a duration."""
    match = _DURATION.fullmatch(text)
    seconds = float(match[1]) * _UNITS[match[2]] if match else math.inf
    return seconds if math.isfinite(seconds) else None


def in_seconds(seconds: float) -> str:
    """Return the text that `read` makes exactly this number of: "0.00005s"."""
    return f"{Decimal(repr(seconds)):f}".removesuffix(".0") + "s"


def in_units(seconds: float) -> str:
    """Return the same in the largest unit of which it is a whole number: "50ms", "1h", "30d"."""
    for unit, factor in reversed(_UNITS.items()):
        text = f"{seconds / factor:.0f}{unit}"
        if seconds and read(text) == seconds:
            return text
    return in_seconds(seconds)
