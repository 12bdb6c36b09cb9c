"""breach_scene – a mailvet of the lab that looks senders up, and the HIBP look-alike it asks.

    with flagging(lab, {"ann@signed.example": ["Fresh"]}) as (hibp, daemon):   # behind Postfix's port "breach"

Raises     RuntimeError, AssertionError if it does not come up
"""

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from lab.breachprocess import toml
from lab.daemon import Daemon
from lab.hibp_server import HibpServer
from lab.mail_system import TRUSTED, Lab
from lab.wait import until


@contextlib.contextmanager
def flagging(
    lab: Lab, listed: Mapping[str, Sequence[str]], *, workers: int = 1, **more: Any
) -> Iterator[tuple[HibpServer, Daemon]]:
    """Start both. The lab has to have `spare=("breach",)`; `more` goes into the section [breach]."""
    with TemporaryDirectory(prefix="mailvet-breach-") as directory, HibpServer(Path(directory), listed) as hibp:
        settings = hibp.settings() | {"enabled": True, "wait": "2s", "rpm": 600} | more
        text = f'[trust]\nnetworks = ["{TRUSTED}"]\n[breach]\n{toml(settings)}'
        text += f'[store]\nurl = "sqlite:///{directory}/store.db"\n'
        with lab.daemon("breach", text, workers=workers) as daemon:
            until(lambda: "state=ready" in daemon.log)
            until(lambda: any(request.path.endswith("/breaches") for request in hibp.requests))
            yield hibp, daemon
