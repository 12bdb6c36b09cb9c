"""serve – `mailvet serve`: the daemon, in the foreground.

Raises     nothing
Not here   the daemon (daemon.serve), arguments (cli)
"""

import argparse
import functools

from mailvet.config import load as config
from mailvet.daemon.serve import serve
from mailvet.settings import Settings


def run(arguments: argparse.Namespace, settings: Settings) -> int:
    """Run the daemon until it is told to stop, and return its exit status. SIGHUP reads the same file again."""
    file = arguments.config
    return serve(settings, functools.partial(config.load, file), lambda current: config.doubtful(current, file))
