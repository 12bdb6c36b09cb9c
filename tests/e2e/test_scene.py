"""The example in lab's docstring: a private end-to-end scene."""

import textwrap
from pathlib import Path
from typing import Any

import lab
from lab import world
from lab.daemon import Daemon, scratch
from lab.dnsserver import DnsServer
from lab.milterclient import MilterClient
from lab.wait import until


def test_the_example_runs_as_it_stands() -> None:
    assert lab.__doc__ is not None
    example = textwrap.dedent(lab.__doc__[lab.__doc__.index("    with scratch()") :].partition("\n\n")[0])
    known: dict[str, Any] = {
        each.__name__: each for each in (Path, Daemon, scratch, DnsServer, MilterClient, until)
    } | {"world": world}
    exec(example, known)
    assert "dmarc=pass" in known["answer"].inserted[0][2]
