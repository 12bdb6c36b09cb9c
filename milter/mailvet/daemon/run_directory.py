"""run_directory – the directory in which the processes of one daemon share counters and sockets; gone when they are.

Those that a killed daemon left behind are removed by the next one. Each is locked for as long as a process of its
daemon lives, since process ids mean nothing in another container.

Raises     OSError from `fresh`
Not here   what is in it (metrics, breach_service.process)
"""

import contextlib
import fcntl
import os
import shutil
import tempfile
import time
from pathlib import Path
from typing import Final

_PREFIX: Final = "mailvet-run-"
_YOUNG: Final = 60.0  # seconds: it may not be locked yet


def fresh() -> Path:
    """A new one, locked until the last process that is forked from this one has ended. Raises OSError."""
    _tidy(Path(tempfile.gettempdir()))
    made = Path(tempfile.mkdtemp(prefix=_PREFIX))
    fcntl.flock(os.open(made, os.O_RDONLY | os.O_DIRECTORY), fcntl.LOCK_EX | fcntl.LOCK_NB)
    return made


def _tidy(place: Path) -> None:
    for left in place.glob(f"{_PREFIX}*"):
        with contextlib.suppress(OSError):
            descriptor = os.open(left, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
            try:
                status = os.fstat(descriptor)
                if status.st_uid == os.geteuid() and status.st_mtime < time.time() - _YOUNG:
                    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    shutil.rmtree(left, ignore_errors=True)
            finally:
                os.close(descriptor)
