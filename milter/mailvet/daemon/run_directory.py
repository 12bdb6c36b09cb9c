"""run_directory – the directory in which the processes of one daemon share counters and sockets.

It is removed when the daemon ends; what a killed daemon left behind is removed by the next one. Each directory is
locked for as long as a process of its daemon lives, since process ids mean nothing in another container.

Raises     OSError from `create`
Not here   what is in it (observe.counters, breach_service.process)
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
_LEAST_AGE: Final = 60.0  # seconds until one without a lock is taken for abandoned: it may not be locked yet


def create() -> Path:
    """Make a directory that is locked until the last process forked from this one has ended. Raises OSError.

    Abandoned ones are removed first.
    """
    _remove_abandoned(Path(tempfile.gettempdir()))
    made = Path(tempfile.mkdtemp(prefix=_PREFIX))
    fcntl.flock(os.open(made, os.O_RDONLY | os.O_DIRECTORY), fcntl.LOCK_EX | fcntl.LOCK_NB)
    return made


def _remove_abandoned(place: Path) -> None:
    for left in place.glob(f"{_PREFIX}*"):
        with contextlib.suppress(OSError):
            descriptor = os.open(left, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
            try:
                status = os.fstat(descriptor)
                if status.st_uid == os.geteuid() and status.st_mtime < time.time() - _LEAST_AGE:
                    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    shutil.rmtree(left, ignore_errors=True)
            finally:
                os.close(descriptor)
