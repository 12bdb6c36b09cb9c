"""resolvers – starts the DNS of a benchmark run: NSD serves the zone, and Unbound caches it unless the run is cold.

The caller has a network and mount namespace of its own, and with it port 53 on loopback and /etc/resolv.conf.

Raises     CalledProcessError
"""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

# Of the caching or far resolver. Not 127.0.0.1: libunbound, which Debian links OpenDKIM with, asks no server there
# unless it has a configuration file, and OpenDKIM 2.11 with one reads it again in each message and crashes.
ADDRESS = "10.53.53.53"
NSD = """
server:
  ip-address: 127.0.0.1@5300
  username: ""
  zonesdir: "{corpus}"
  pidfile: "{directory}/nsd.pid"
  logfile: "{directory}/nsd.log"
  database: ""
  xfrdfile: "{directory}/xfrd.state"
  zonelistfile: "{directory}/zone.list"
  cookie-secret-file: ""
  server-count: 1
remote-control:
  control-enable: no
zone:
  name: "example"
  zonefile: "zone.db"
"""
UNBOUND = """
server:
  interface: {address}@53
  port: 53
  access-control: {address}/32 allow
  access-control: 127.0.0.0/8 allow
  do-not-query-localhost: no
  username: ""
  chroot: ""
  directory: "{directory}"
  pidfile: "{directory}/unbound.pid"
  logfile: "{directory}/unbound.log"
  use-syslog: no
  module-config: "iterator"
  local-zone: "example." nodefault
  local-zone: "test." static
  local-zone: "com." static
  local-zone: "org." static
  local-zone: "net." static
remote-control:
  control-enable: no
stub-zone:
  name: "example."
  stub-addr: 127.0.0.1@5300
"""


@contextmanager
def _daemon(command: list[str], pidfile: Path) -> Iterator[None]:
    subprocess.run(command, check=True, capture_output=True)
    time.sleep(0.5)
    pid = int(pidfile.read_text())
    try:
        yield
    finally:
        os.kill(pid, signal.SIGTERM)
        time.sleep(0.3)


@contextmanager
def authority(directory: Path, corpus: Path) -> Iterator[None]:
    """NSD on ADDRESS, port 5300 with the corpus' zone."""
    config = directory / "nsd.conf"
    config.write_text(NSD.format(directory=directory, corpus=corpus))
    with _daemon(["nsd", "-c", str(config)], directory / "nsd.pid"):
        yield


@contextmanager
def warm(directory: Path) -> Iterator[None]:
    """Unbound on ADDRESS, port 53."""
    config = directory / "unbound.conf"
    config.write_text(UNBOUND.format(directory=directory, address=ADDRESS))
    with _daemon(["unbound", "-c", str(config)], directory / "unbound.pid"):
        yield


@contextmanager
def cold(milliseconds: float) -> Iterator["subprocess.Popen[str]"]:
    """A resolver on ADDRESS, port 53 that caches nothing and is so far away; its output is the number of questions."""
    process = subprocess.Popen(
        [sys.executable, "-m", "bench.cold_dns", f"{ADDRESS}:53", str(milliseconds)], stdout=subprocess.PIPE, text=True
    )
    time.sleep(1.0)
    try:
        yield process
    finally:
        process.terminate()
        process.wait(5)
