"""postconf – what this host's Postfix says about itself, if there is one.

Raises     nothing: without Postfix, or where it does not answer, there is nothing to say
Not here   what to make of it (config.warnings)
"""

import os
import shutil
import subprocess

_PATIENCE = 5.0  # seconds
_SYSTEM = "/usr/sbin:/usr/local/sbin"  # not in every user's $PATH


def mynetworks() -> str:
    """The networks that Postfix calls its own, with all $names expanded; "" if nobody can tell."""
    command = shutil.which("postconf", path=f"{os.environ.get('PATH', '')}:{_SYSTEM}")
    if command is None:
        return ""
    try:
        done = subprocess.run(
            [command, "-xh", "mynetworks"], check=True, capture_output=True, timeout=_PATIENCE, stdin=subprocess.DEVNULL
        )
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout.decode("utf-8", "replace").strip()
