"""output – writes what a command found to standard output.

Raises     SystemExit, where it cannot be written
Not here   mistakes of the person at the keyboard, which go to standard error (observe.logs.complain)
"""

import os
import sys

from mailvet.observe.logs import complain


def say(text: str) -> None:
    """Write all of the text to standard output. If that fails, the command has failed, with status 2."""
    try:
        sys.stdout.write(text)
        sys.stdout.flush()
    except OSError as e:
        complain(f"standard output: {e.strerror}")
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # Python writes what is left once more at exit
        raise SystemExit(2) from e
