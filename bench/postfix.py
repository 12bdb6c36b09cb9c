"""postfix – a Postfix instance of the benchmark's own: own directories, one high port, mail is thrown away.

Raises     CalledProcessError, TimeoutError
"""

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

PORT = 20025
MAIN = """
compatibility_level = 3.6
queue_directory = {directory}/queue
data_directory = {directory}/data
mail_owner = postfix
setgid_group = postdrop
maillog_file = {directory}/mail.log
maillog_file_prefixes = {directory}
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
myhostname = mx.rcpt.example
mydestination =
local_recipient_maps =
relay_domains = rcpt.example
relay_transport = discard
default_transport = discard
alias_maps =
alias_database =
mynetworks = 192.0.2.255/32
smtpd_authorized_xclient_hosts = 127.0.0.1
smtpd_recipient_restrictions = reject_unauth_destination
smtpd_client_connection_count_limit = 0
smtpd_client_connection_rate_limit = 0
smtpd_peername_lookup = no
message_size_limit = 104857600
mailbox_size_limit = 0
smtpd_milters = {milters}
milter_protocol = 6
milter_default_action = tempfail
"""
MASTER = """
{port}      inet  n       -       n       -       64      smtpd
pickup      unix  n       -       n       60      1       pickup
cleanup     unix  n       -       n       -       0       cleanup
qmgr        unix  n       -       n       300     1       qmgr
rewrite     unix  -       -       n       -       -       trivial-rewrite
bounce      unix  -       -       n       -       0       bounce
defer       unix  -       -       n       -       0       bounce
anvil       unix  -       -       n       -       1       anvil
discard     unix  -       -       n       -       -       discard
postlog     unix-dgram n  -       n       -       1       postlogd
"""


@contextmanager
def running(directory: Path, milters: list[Path]) -> Iterator[int]:
    """Start it with these milters, in order; yields its port."""
    shutil.rmtree(directory, ignore_errors=True)
    config = directory / "etc"
    for part in (config, directory / "queue", directory / "data"):
        part.mkdir(parents=True)
    shutil.chown(directory / "data", "postfix")
    names = " ".join(f"unix:{milter}" for milter in milters)
    (config / "main.cf").write_text(MAIN.format(directory=directory, milters=names))
    (config / "master.cf").write_text(MASTER.format(port=f"127.0.0.1:{PORT}"))
    command = ["postfix", "-c", str(config)]
    environment = {**os.environ, "MAIL_CONFIG": str(config)}
    subprocess.run([*command, "start"], check=True, env=environment, capture_output=True)
    try:
        _await_port()
        yield PORT
    finally:
        subprocess.run([*command, "stop"], check=False, env=environment, capture_output=True)


def _await_port() -> None:
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        try:
            with socket.create_connection(("127.0.0.1", PORT), 1):
                return
        except OSError:
            time.sleep(0.1)
    raise TimeoutError("Postfix did not come up")
