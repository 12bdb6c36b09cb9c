"""postfix – a throw-away Postfix with directories and ports of its own: one smtpd for each milter or chain of milters.

    with Postfix({"mark": Path("/…/mark.sock"), "bare": ()}, mailbox.port) as postfix:
        postfix.ports["mark"]

Needs root, as Postfix's master does. Clients on loopback may give another address and name by XCLIENT. No other
Postfix of the machine is touched.

Raises     CalledProcessError, RuntimeError, TimeoutError
"""

import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Self

DOMAIN = "rcpt.example"
_MAIN = """
compatibility_level = 3.6
queue_directory = {root}/queue
data_directory = {root}/data
mail_owner = postfix
setgid_group = postdrop
maillog_file = {root}/mail.log
maillog_file_prefixes = {root}
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
myhostname = mx.example.org
mydestination =
local_recipient_maps =
relay_domains = {domain}
relay_transport = {transport}
alias_maps =
alias_database =
mynetworks = 192.0.2.255/32
smtpd_authorized_xclient_hosts = 127.0.0.1
smtpd_recipient_restrictions = reject_unauth_destination
smtpd_client_connection_count_limit = 0
smtpd_client_connection_rate_limit = 0
smtpd_peername_lookup = no
smtpd_hard_error_limit = 1000
local_header_rewrite_clients =
message_size_limit = 62914560
mailbox_size_limit = 0
milter_protocol = 6
milter_default_action = tempfail
"""
_MASTER = """
pickup      unix  n       -       n       60      1       pickup
cleanup     unix  n       -       n       -       0       cleanup
qmgr        unix  n       -       n       300     1       qmgr
rewrite     unix  -       -       n       -       -       trivial-rewrite
bounce      unix  -       -       n       -       0       bounce
defer       unix  -       -       n       -       0       bounce
trace       unix  -       -       n       -       0       bounce
verify      unix  -       -       n       -       1       verify
anvil       unix  -       -       n       -       1       anvil
showq       unix  n       -       n       -       -       showq
error       unix  -       -       n       -       -       error
retry       unix  -       -       n       -       -       error
lmtp        unix  -       -       n       -       -       lmtp
smtp        unix  -       -       n       -       -       smtp
discard     unix  -       -       n       -       -       discard
postlog     unix-dgram n  -       n       -       1       postlogd
"""


def missing() -> str:
    """Why Postfix cannot be run here; "" if it can."""
    if shutil.which("postfix", path="/usr/sbin:/usr/bin") is None:
        return "Postfix is not installed"
    return "" if os.geteuid() == 0 else "Postfix can only be started by root"


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
        return port


class Postfix:
    def __init__(
        self,
        milters: Mapping[str, Path | Sequence[Path]],
        mailbox_port: int | None = None,
        options: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        """Prepare an smtpd for each name in `milters`, which has the sockets in the order in which they are asked.

        Accepted mail goes by LMTP to the mailbox's port; without one it is thrown away. `options` has more for a
        single smtpd, "-o ..." as in master.cf, by its name; under "main.cf", more lines for that file.
        """
        self.ports = {name: free_port() for name in milters}
        self._milters = {name: (found,) if isinstance(found, Path) else found for name, found in milters.items()}
        self._transport = "discard" if mailbox_port is None else f"lmtp:inet:127.0.0.1:{mailbox_port}"
        self._options = options
        self._root = Path()

    def __enter__(self) -> Self:
        self._root = Path(tempfile.mkdtemp(prefix="mailvet-postfix-"))
        try:
            self._configure()
            self._postfix("start")
            for port in self.ports.values():
                _await(port)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._postfix("stop", check=False)
        shutil.rmtree(self._root, ignore_errors=True)

    def _configure(self) -> None:
        self._root.chmod(0o755)
        for name in ("etc", "queue", "data"):
            (self._root / name).mkdir()
        shutil.chown(self._root / "data", "postfix")
        main = _MAIN.format(root=self._root, domain=DOMAIN, transport=self._transport)
        (self._root / "etc/main.cf").write_text(main + self._options.get("main.cf", ""))
        services = "".join(
            f"127.0.0.1:{port} inet n - n - 64 smtpd"
            f" -o smtpd_milters={','.join(f'unix:{socket}' for socket in self._milters[name])}"
            f" {self._options.get(name, '')}\n"
            for name, port in self.ports.items()
        )
        (self._root / "etc/master.cf").write_text(services + _MASTER)

    def _postfix(self, command: str, *, check: bool = True) -> None:
        arguments = ["/usr/sbin/postfix", "-c", str(self._root / "etc"), command]
        done = subprocess.run(arguments, check=False, env=self.environment, capture_output=True, timeout=60)
        if check and done.returncode:
            raise RuntimeError(f"postfix {command}: {done.stderr.decode()}")

    @property
    def environment(self) -> dict[str, str]:
        return {**os.environ, "MAIL_CONFIG": str(self._root / "etc")}

    @property
    def log_file(self) -> Path:
        return self._root / "mail.log"

    @property
    def log(self) -> str:
        return self.log_file.read_text("utf-8", "replace")

    def sendmail(self, mail_from: str, recipient: str, message: bytes) -> None:
        """As a program on this host sends mail, without SMTP."""
        command = ["/usr/sbin/sendmail", "-C", str(self._root / "etc"), "-f", mail_from, recipient]
        unix = message.replace(b"\r\n", b"\n")
        subprocess.run(command, check=True, env=self.environment, input=unix, capture_output=True, timeout=60)

    def held(self, queue_id: str) -> bytes | None:
        """A message in the hold queue as it would be delivered; None if it is not there."""
        if not (self._root / "queue/hold" / queue_id).exists():
            return None
        command = ["/usr/sbin/postcat", "-c", str(self._root / "etc"), "-hbq", queue_id]
        done = subprocess.run(command, check=True, env=self.environment, capture_output=True, timeout=20)
        return done.stdout.replace(b"\n", b"\r\n")

    def queued(self, queue_id: str) -> bytes:
        """A queue file as postcat(1) prints it to a person."""
        command = ["/usr/sbin/postcat", "-c", str(self._root / "etc"), "-q", queue_id]
        return subprocess.run(command, check=True, env=self.environment, capture_output=True, timeout=20).stdout


def _await(port: int) -> None:
    deadline = time.monotonic() + 60
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            if time.monotonic() > deadline:
                raise TimeoutError("Postfix did not come up") from None
            time.sleep(0.05)
