"""postconf – what this host's Postfix says about itself, if there is one.

Raises     nothing: without Postfix, or if it does not answer, the result is empty
Not here   what follows from it (config.warnings)
"""

import os
import shutil
import subprocess

_TIMEOUT = 5.0  # seconds
_SYSTEM_PATH = "/usr/sbin:/usr/local/sbin"  # not in every user's $PATH


def mynetworks() -> str:
    """Return the networks that Postfix calls its own, with all $names expanded; "" if they cannot be found out."""
    command = shutil.which("postconf", path=f"{os.environ.get('PATH', '')}:{_SYSTEM_PATH}")
    if command is None:
        return ""
    try:
        done = subprocess.run(
            [command, "-xh", "mynetworks"],
            check=True,
            capture_output=True,
            timeout=_TIMEOUT,
            stdin=subprocess.DEVNULL,
        )
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout.decode("utf-8", "replace").strip()
