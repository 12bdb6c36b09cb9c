"""What README.md and docs/postfix.md tell people to type about Postfix, typed: by a shell, with Postfix's own postconf.

Replaced are paths, the port and two commands (systemctl, postfix); main.cf and master.cf are of the test's own.
"""

import contextlib
import os
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from socketserver import BaseRequestHandler, ThreadingTCPServer
from tempfile import TemporaryDirectory

import pytest

from lab.daemon import command, environment
from lab.postfix import free_port
from paths import REPO
from patience import until

README, PAGE = REPO / "README.md", REPO / "docs" / "postfix.md"
pytestmark = pytest.mark.skipif(
    shutil.which("postconf", path="/usr/sbin:/usr/bin") is None, reason="Postfix is not installed"
)
WATCHED = ("smtpd_milters", "non_smtpd_milters", "smtpd_forbid_bare_newline")


def lines(page: Path, *words: str) -> str:
    """The one block of shell lines with all of these words."""
    (found,) = [
        block
        for block in re.findall(r"^```sh\n(.*?)^```$", page.read_text("utf-8"), re.MULTILINE | re.DOTALL)
        if all(word in block for word in words)
    ]
    return str(found)


ADD = lines(README, "systemctl is-active", "postconf -e")
(BACK,) = re.findall(r"^The way back: `(.+)`$", README.read_text("utf-8"), re.MULTILINE)
UNINSTALL = lines(PAGE, "for list in", "sed")
WITHOUT_OPENDMARC = lines(PAGE, "8893")
BESIDE = lines(PAGE, "default_action=accept")


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    """Of a mailvet that runs."""
    number = free_port()
    with TemporaryDirectory() as name:
        config = Path(name) / "mailvet.toml"
        config.write_text(f'[milter]\nlisten = "inet:{number}@127.0.0.1"\nworkers = 1\n[metrics]\nlisten = ""\n')
        log = Path(name) / "log"
        with log.open("wb") as output:
            arguments = command("serve", "--config", str(config))
            process = subprocess.Popen(arguments, env=environment(), stdout=output, stderr=output)
        try:
            until(lambda: "started" in log.read_text())
            yield number
        finally:
            process.terminate()
            process.wait(40)


class Host:
    """A Postfix configuration and stand-ins for what would change the machine."""

    def __init__(self, directory: Path, main: str, port: int) -> None:
        self._directory, self._port = directory, port
        self._main = directory / "main.cf"
        self._main.write_text(main)
        (directory / "master.cf").write_text("smtp inet n - y - - smtpd\n")
        (directory / "bin").mkdir()
        self.active = True
        # Postfix waits for a file that was changed this second
        self._stub("postconf", f'touch -d @1 {self._main}\nexec /usr/sbin/postconf "$@"')
        self._stub("postfix", f'echo "$*" >>{directory}/postfix.log')

    def _stub(self, name: str, script: str) -> None:
        file = self._directory / "bin" / name
        file.write_text(f"#!/bin/sh\n{script}\n")
        file.chmod(0o755)

    def type(self, text: str) -> "subprocess.CompletedProcess[str]":
        self._stub("systemctl", "echo active" if self.active else "echo inactive; exit 3")
        text = text.replace("/opt/mailvet/bin/python", sys.executable).replace("8899", str(self._port))
        text = text.replace("/etc/mailvet", str(self._directory)).replace(
            "/etc/opendkim", f"{self._directory}/opendkim"
        )
        path = f"{self._directory}/bin:{os.environ['PATH']}:/usr/sbin"
        here = {**os.environ, "PATH": path, "MAIL_CONFIG": str(self._directory)}
        return subprocess.run(["sh", "-c", text], check=False, capture_output=True, text=True, env=here, timeout=60)

    @property
    def main(self) -> str:
        return self._main.read_text()

    def values(self) -> list[str]:
        """Of what is watched, with single blanks."""
        done = self.type("postconf -h " + " ".join(WATCHED))
        return [" ".join(line.split()).replace(str(self._port), "8899") for line in done.stdout.splitlines()]

    @property
    def told(self) -> str:
        file = self._directory / "postfix.log"
        return file.read_text() if file.exists() else ""


US = "{ inet:127.0.0.1:8899, default_action=tempfail }"


@pytest.mark.parametrize(
    ("main", "after"),
    [
        pytest.param("", [US, US, "normalize"], id="a Postfix without milters"),
        pytest.param(
            "smtpd_milters = inet:localhost:8891, unix:/run/rspamd.sock\nnon_smtpd_milters = $smtpd_milters\n",
            [f"{US} inet:localhost:8891, unix:/run/rspamd.sock", "$smtpd_milters", "normalize"],
            id="others stay, behind",
        ),
        pytest.param(
            "signer = inet:localhost:8891\nsmtpd_milters = $signer,\n  { inet:127.0.0.1:11332, connect_timeout=5s }\n",
            [f"{US} $signer, {{ inet:127.0.0.1:11332, connect_timeout=5s }}", US, "normalize"],
            id="names stay names, braces stay, on several lines",
        ),
        pytest.param(
            "non_smtpd_milters = inet:localhost:8891\n",
            [US, f"{US} inet:localhost:8891", "normalize"],
            id="the signer of local mail stays",
        ),
        pytest.param(
            "smtpd_milters = inet:127.0.0.1:8899\n",
            ["inet:127.0.0.1:8899", US, "normalize"],
            id="there already, as written by hand",
        ),
        pytest.param("smtpd_forbid_bare_newline = reject\n", [US, US, "reject"], id="what is stricter stays"),
    ],
)
def test_mailvet_is_added_in_front_of_what_is_there(tmp_path: Path, port: int, main: str, after: list[str]) -> None:
    host = Host(tmp_path, main.replace("8899", str(port)), port)
    before = host.values()
    done = host.type(ADD)
    assert done.returncode == 0, done.stderr
    assert host.values() == after
    assert host.told == "check\nreload\n"
    shown = done.stdout.splitlines()
    assert shown[0] == "active"
    assert len(shown) == 1 + 2 * len(WATCHED)  # before and after
    first = host.main
    assert host.type(ADD).returncode == 0
    assert host.main == first  # not twice
    assert host.type(BACK).returncode == 0
    assert host.values() == before
    assert host.told.splitlines()[-1] == "reload"


class _Deaf(BaseRequestHandler):
    def handle(self) -> None:
        self.request.recv(100)
        self.request.sendall(b"220 mail.example ESMTP\r\n")


@contextlib.contextmanager
def another_server() -> Iterator[int]:
    with ThreadingTCPServer(("127.0.0.1", 0), _Deaf) as server:
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        yield server.server_address[1]
        server.shutdown()


@pytest.mark.parametrize(
    "why",
    [
        pytest.param("inactive", id="the unit is not running"),
        pytest.param("nobody", id="nobody listens"),
        pytest.param("another", id="another program listens"),
    ],
)
def test_nothing_is_done_to_postfix_unless_mailvet_answers(tmp_path: Path, port: int, why: str) -> None:
    with another_server() as other:
        number = {"inactive": port, "nobody": free_port(), "another": other}[why]
        host = Host(tmp_path, "smtpd_milters = inet:localhost:8891\n", number)
        host.active = why != "inactive"
        done = host.type(ADD)
    assert done.returncode != 0
    assert done.stderr or "inactive" in done.stdout  # it is said what is wrong
    assert host.main == "smtpd_milters = inet:localhost:8891\n"
    assert (host.told, list(tmp_path.glob("postfix-before"))) == ("", [])


@pytest.mark.parametrize(
    ("opendkim", "added"),
    [
        pytest.param("Mode\t\ts\n", True, id="it only signs"),
        pytest.param("Mode sv\nKeepAuthResults yes\n", True, id="it keeps fields of its name"),
        pytest.param("Mode sv\n", False, id="it verifies"),
        pytest.param("#Mode s\n", False, id="it verifies, by default"),
    ],
)
def test_nothing_is_done_to_postfix_while_opendkim_would_remove_our_field(
    tmp_path: Path, port: int, opendkim: str, added: bool
) -> None:
    host = Host(tmp_path, "", port)
    (tmp_path / "opendkim.conf").write_text(opendkim)
    assert (host.type(ADD).returncode == 0) == added
    assert (host.values()[0] == US) == added


def test_beside_the_old_chain_mailvet_is_last(tmp_path: Path) -> None:
    host = Host(tmp_path, "smtpd_milters = inet:localhost:8891, inet:localhost:8893\n", 8899)
    assert host.type(BESIDE).returncode == 0
    assert host.values()[0] == "inet:localhost:8891, inet:localhost:8893 " + US.replace("tempfail", "accept")


def test_a_step_that_fails_ends_the_block(tmp_path: Path, port: int) -> None:
    host = Host(tmp_path, "", port)
    (tmp_path / "bin" / "postfix").write_text(f"#!/bin/sh\necho $1 >>{tmp_path}/postfix.log\nexit 1\n")
    assert host.type(ADD).returncode != 0
    assert host.told == "check\n"


def test_uninstalling_leaves_the_milters_that_came_later(tmp_path: Path, port: int) -> None:
    host = Host(tmp_path, "smtpd_milters = inet:localhost:8891\n", port)
    assert host.type(ADD).returncode == 0
    assert host.type('postconf -e "smtpd_milters = $(postconf -h smtpd_milters), inet:localhost:11332"').returncode == 0
    assert host.type(UNINSTALL).returncode == 0
    assert host.values() == ["inet:localhost:8891, inet:localhost:11332", "", "normalize"]


@pytest.mark.parametrize(
    "main", ["inet:localhost:8891, inet:localhost:8893", "inet:localhost:8893,inet:localhost:8891"]
)
def test_opendmarc_is_taken_out_by_itself(tmp_path: Path, main: str) -> None:
    host = Host(tmp_path, f"smtpd_milters = {US}, {main}\n", 8899)
    assert host.type(WITHOUT_OPENDMARC).returncode == 0
    assert host.type("postconf -h smtpd_milters").stdout.replace(",", " ").split() == [
        *US.replace(",", " ").split(), "inet:localhost:8891"
    ]  # fmt: skip


def test_the_lines_for_main_cf_are_a_configuration(tmp_path: Path) -> None:
    (tmp_path / "main.cf").write_text((REPO / "conf" / "postfix-main.cf").read_text())
    (tmp_path / "master.cf").write_text("")
    done = subprocess.run(
        ["/usr/sbin/postconf", "-c", str(tmp_path), "-n"], check=False, capture_output=True, text=True, timeout=60
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert f"smtpd_milters = {US}" in done.stdout.splitlines()
