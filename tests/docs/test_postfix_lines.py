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
from lab.paths import REPO
from lab.postfix import free_port
from lab.wait import until

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


ADD, REMOVE, SHOW = "sh scripts/postfix.sh add", "sh scripts/postfix.sh remove", "sh scripts/postfix.sh show"
BY_HAND = lines(PAGE, "postconf -e", "smtpd_forbid_bare_newline")
UNINSTALL = lines(PAGE, "scripts/postfix.sh remove", "systemctl disable")
UPGRADE = lines(PAGE, "git pull")
HEADER_CHECKS = lines(PAGE, "header_checks")
(OWN_MILTERS,) = re.findall(r"^smtp inet .* smtpd\n +-o .*\n", PAGE.read_text("utf-8"), re.MULTILINE)
WITHOUT_OPENDMARC = lines(PAGE, "8893")
BESIDE = lines(PAGE, "default_action=accept")


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    """Of a mailvet that runs."""
    number = free_port()
    with daemon(f"inet:{number}@127.0.0.1"):
        yield number


@contextlib.contextmanager
def daemon(listen: str) -> Iterator[None]:
    with TemporaryDirectory() as name:
        config = Path(name) / "mailvet.toml"
        config.write_text(f'[milter]\nlisten = "{listen}"\nworkers = 1\n[metrics]\nlisten = ""\n')
        log = Path(name) / "log"
        with log.open("wb") as output:
            arguments = command("serve", "--config", str(config))
            process = subprocess.Popen(arguments, env=environment(), stdout=output, stderr=output)
        try:
            until(lambda: "started" in log.read_text())
            yield
        finally:
            process.terminate()
            process.wait(40)


class Host:
    """A Postfix configuration, the repository's script, and stand-ins for what would change the machine."""

    def __init__(self, directory: Path, main: str, port: int, master: str = "smtp inet n - y - - smtpd\n") -> None:
        self._directory, self._port = directory, port
        self._main = directory / "main.cf"
        self._main.write_text(main.replace("8899", str(port)))
        (directory / "master.cf").write_text(master.replace("8899", str(port)))
        (directory / "bin").mkdir()
        # Postfix waits for a file that was changed this second
        self.stub("postconf", f'touch -d @1 {self._main}\nexec /usr/sbin/postconf "$@"')
        self.stub("postfix", f'echo "$*" >>{directory}/postfix.log')
        self.stub("systemctl", f'echo "systemctl $*" >>{directory}/postfix.log')
        self.stub("rm", 'case $* in */etc/*) ;; *) exec /bin/rm "$@" ;; esac')
        self.stub("id", "echo 0")
        self.listens(f"inet:{port}@127.0.0.1")
        (directory / "scripts").mkdir()
        (directory / "scripts" / "postfix.sh").write_text(self._here((REPO / "scripts" / "postfix.sh").read_text()))

    def stub(self, name: str, script: str) -> None:
        file = self._directory / "bin" / name
        file.write_text(f"#!/bin/sh\n{script}\n")
        file.chmod(0o755)

    def listens(self, listen: str) -> None:
        """What mailvet.toml says."""
        config = self._directory / "mailvet.toml"
        config.write_text(f'[milter]\nlisten = "{listen}"\n')
        (self._directory / "bin" / "mailvet").unlink(missing_ok=True)
        self.stub("mailvet", f'exec {sys.executable} -m mailvet "$@" --config {config}')

    def _here(self, text: str) -> str:
        for place in ("/etc/mailvet", "/usr/local/src/mailvet"):
            text = text.replace(place, str(self._directory))
        text = text.replace("8899", str(self._port))
        return text.replace("/etc/opend", f"{self._directory}/opend")

    def type(self, text: str) -> "subprocess.CompletedProcess[str]":
        path = f"{self._directory}/bin:{os.environ['PATH']}:/usr/sbin"
        here = {**environment(), "PATH": path, "MAIL_CONFIG": str(self._directory)}
        return subprocess.run(
            ["sh", "-c", self._here(text)],
            cwd=self._directory, check=False, capture_output=True, text=True, env=here, timeout=60,
        )  # fmt: skip

    @property
    def record(self) -> Path:
        return self._directory / "postfix-before"

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


PLAIN = "inet:127.0.0.1:8899"
ACCEPT = US.replace("tempfail", "accept")
LISTS = pytest.mark.parametrize(
    ("main", "after"),
    [
        pytest.param("", [US, US, "normalize"], id="a Postfix without milters"),
        pytest.param(
            "smtpd_milters = inet:localhost:8891, unix:/run/rspamd.sock\nnon_smtpd_milters = $smtpd_milters\n",
            [f"{US} inet:localhost:8891, unix:/run/rspamd.sock", "$smtpd_milters", "normalize"],
            id="others stay, behind",
        ),
        pytest.param(
            "smtpd_milters = $non_smtpd_milters\nnon_smtpd_milters = inet:localhost:8891\n",
            ["$non_smtpd_milters", f"{US} inet:localhost:8891", "normalize"],
            id="the other list named the other way round",
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
        pytest.param("smtpd_forbid_bare_newline = reject\n", [US, US, "reject"], id="what is stricter stays"),
    ],
)


@LISTS
def test_mailvet_is_added_in_front_of_what_is_there_and_taken_out_again(
    tmp_path: Path, port: int, main: str, after: list[str]
) -> None:
    host = Host(tmp_path, main, port)
    before = host.values()
    done = host.type(ADD)
    assert (done.returncode, done.stderr) == (0, "")
    assert host.values() == after
    assert host.told == "check\nstatus\nreload\n"
    shown = done.stdout.splitlines()
    assert [line for line in shown if line.endswith(":")] == ["Before:", "Now:"]
    assert len(shown) == 2 + 2 * len(WATCHED)
    assert host.record.read_text().splitlines() == shown[1 : 1 + len(WATCHED)]
    first = host.main
    assert host.type(ADD).returncode == 0
    assert host.main == first  # not twice
    done = host.type(REMOVE)
    assert (done.returncode, done.stderr) == (0, "")
    assert host.values() == [*before[:2], after[2]]  # what closes SMTP smuggling stays
    assert host.told.splitlines()[-1] == "reload"
    assert not host.record.exists()


@pytest.mark.parametrize(
    ("was", "now"),
    [
        pytest.param(PLAIN, PLAIN, id="written by hand, and as it should be"),
        pytest.param(f"inet:localhost:8891, {US}", f"{US} inet:localhost:8891", id="last"),
        pytest.param(f"{ACCEPT} inet:localhost:8891", f"{US} inet:localhost:8891", id="with another default_action"),
        pytest.param(
            f"inet:localhost:8891 {{ {PLAIN}, connect_timeout=9s, default_action=accept }}",
            f"{{ {PLAIN}, connect_timeout=9s, default_action=tempfail }} inet:localhost:8891",
            id="its other options stay",
        ),
        pytest.param(f"{PLAIN}, inet:x:1, inet:localhost:8899", f"{US} inet:x:1", id="twice, under two names"),
        pytest.param(f"unix:mailvet/mailvet.sock {PLAIN}", US, id="also where it used to listen"),
        pytest.param("inet:192.0.2.1:8899", f"{US} inet:192.0.2.1:8899", id="another host's port is another milter"),
    ],
)
def test_mailvet_is_in_the_list_once_and_first_and_with_tempfail(tmp_path: Path, port: int, was: str, now: str) -> None:
    host = Host(tmp_path, f"smtpd_milters = {was}\n", port)
    assert host.type(ADD).returncode == 0
    assert host.values()[0] == now


def test_milter_default_action_counts_for_an_entry_without_one(tmp_path: Path, port: int) -> None:
    host = Host(tmp_path, f"milter_default_action = accept\nsmtpd_milters = {PLAIN}\n", port)
    assert host.type(ADD).returncode == 0
    assert host.values()[0] == US


@pytest.mark.parametrize(
    "spelling",
    [
        US,
        PLAIN,
        "{inet:127.0.0.1:8899}",
        "inet:localhost:8899",
        "inet:LOCALHOST:8899",
        "inet:[127.0.0.1]:8899",
        "inet:[::1]:8899",
        "{ inet:localhost:8899 default_action=accept }",
        "unix:mailvet/mailvet.sock",
        "{ unix:/var/spool/postfix/mailvet/mailvet.sock, default_action=tempfail }",
        "unix:/run/mailvet/mailvet.sock",
        f"{PLAIN} {US}",
    ],
)
@pytest.mark.parametrize("recorded", [None, "", "smtpd_milters = inet:old:1\n"], ids=["no record", "empty", "old"])
def test_mailvet_is_taken_out_however_it_is_spelled(tmp_path: Path, spelling: str, recorded: str | None) -> None:
    """Whatever was recorded: later changes of the operator's stay, and mailvet may be gone already."""
    main = f"smtpd_milters = inet:a:1, {spelling}, {{ inet:b:2, x=y }}\nnon_smtpd_milters = {spelling}\n"
    host = Host(tmp_path, main + "smtpd_forbid_bare_newline = normalize\n", 8899)
    host.stub("mailvet", "exit 127")
    if recorded is not None:
        host.record.write_text(recorded)
    assert host.type(REMOVE).returncode == 0
    assert host.values() == ["inet:a:1, { inet:b:2, x=y }", "", "normalize"]


@pytest.mark.parametrize(
    ("main", "master", "where"),
    [
        pytest.param("us = inet:127.0.0.1:8899\nsmtpd_milters = $us\n", "", "smtpd_milters in main.cf", id="by a name"),
        pytest.param(
            f"smtpd_milters = {PLAIN}\n",
            "smtp inet n - y - - smtpd -o smtpd_milters=inet:127.0.0.1:8899\n",
            "smtp/inet/smtpd_milters in master.cf",
            id="in master.cf",
        ),
    ],
)
def test_the_unit_runs_on_while_postfix_asks_it(tmp_path: Path, main: str, master: str, where: str) -> None:
    host = Host(tmp_path, main, 8899, master)
    done = host.type(UNINSTALL)
    assert done.returncode == 1
    assert f"Postfix still asks mailvet, by {where}: " in done.stderr
    assert "systemctl" not in host.told


def test_a_list_that_takes_mailvet_from_another_parameter_is_left_alone(tmp_path: Path, port: int) -> None:
    main = f"ours = inet:127.0.0.1:{port}\nsmtpd_milters = inet:a:1 $ours\n"
    host = Host(tmp_path, main, port)
    done = host.type(ADD)
    assert done.returncode == 1
    assert "smtpd_milters takes mailvet from another parameter" in done.stderr
    assert host.main == main


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
    ("why", "said"),
    [
        pytest.param("nobody", "(Connection refused)", id="nobody listens"),
        pytest.param("another", "(what answers is no milter)", id="another program listens"),
    ],
)
def test_nothing_is_done_to_postfix_unless_mailvet_answers(tmp_path: Path, why: str, said: str) -> None:
    with another_server() as other:
        host = Host(tmp_path, "smtpd_milters = inet:localhost:8891\n", other if why == "another" else free_port())
        done = host.type(ADD)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("postfix.sh: mailvet does not answer at inet:127.0.0.1:")
    assert said in done.stderr
    assert done.stderr.count("\n") == 1
    untouched(host, "smtpd_milters = inet:localhost:8891\n")


def untouched(host: Host, main: str) -> None:
    assert host.main == main
    assert host.told == ""
    assert list(host.record.parent.glob("postfix-before*")) == []


def test_whoever_is_not_root_is_told_so(tmp_path: Path, port: int) -> None:
    host = Host(tmp_path, "", port)
    host.stub("id", "echo 1000")
    for line in (ADD, REMOVE):
        done = host.type(line)
        assert (done.returncode, done.stdout) == (1, "")
        assert done.stderr == "postfix.sh: run this as root: it changes Postfix's main.cf.\n"
    untouched(host, "")
    assert host.type(SHOW).returncode == 0


def test_a_mistake_in_main_cf_leaves_nothing_behind(tmp_path: Path, port: int) -> None:
    host = Host(tmp_path, "smtpd_milters\n", port)
    done = host.type(ADD)
    assert done.returncode == 1
    assert "missing '='" in done.stderr
    untouched(host, "smtpd_milters\n")
    (tmp_path / "main.cf").write_text("")
    assert host.type(ADD).returncode == 0
    assert host.record.read_text().splitlines()[0].strip() == "smtpd_milters ="


def test_a_mistake_that_postfix_check_finds_leaves_nothing_behind(tmp_path: Path, port: int) -> None:
    host = Host(tmp_path, "", port)
    host.stub("postfix", "exit 1")
    assert host.type(ADD).returncode == 1
    untouched(host, "")


def test_an_empty_record_is_none(tmp_path: Path, port: int) -> None:
    host = Host(tmp_path, "smtpd_milters = inet:a:1\n", port)
    host.record.write_text("")
    assert host.type(ADD).returncode == 0
    assert host.record.read_text().startswith("smtpd_milters = inet:a:1\n")


def test_a_postfix_that_does_not_run_is_configured_all_the_same(tmp_path: Path, port: int) -> None:
    host = Host(tmp_path, "", port)
    host.stub("postfix", "[ $1 = check ]")
    done = host.type(ADD)
    assert done.returncode == 0
    assert "Postfix is not running" in done.stdout
    assert host.values()[0] == US


@pytest.mark.skipif(os.geteuid() != 0, reason="asks as Postfix's account")
def test_a_unix_socket_has_to_let_postfix_in(tmp_path: Path) -> None:
    with TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        socket = Path(name) / "mailvet.sock"
        with daemon(f"unix:{socket}"):
            socket.chmod(0o600)
            host = Host(tmp_path, f"queue_directory = {name}\n", 8899)
            host.listens(f"unix:{socket}")
            done = host.type(ADD)
            assert done.returncode == 1
            assert "mailvet does not answer at unix:mailvet.sock (Permission denied)" in done.stderr
            socket.chmod(0o666)
            assert host.type(ADD).returncode == 0
            assert host.values()[0] == "{ unix:mailvet.sock, default_action=tempfail }"
            assert host.type(REMOVE).returncode == 0
            assert host.values()[0] == ""


def test_a_chrooted_smtpd_has_to_reach_the_socket(tmp_path: Path) -> None:
    host = Host(tmp_path, "", 8899)
    host.listens("unix:/run/mailvet/mailvet.sock")
    done = host.type(ADD)
    assert done.returncode == 1
    assert "does not reach unix:/run/mailvet/mailvet.sock (docs/postfix.md, A unix socket)" in done.stderr
    untouched(host, "")


@pytest.mark.parametrize(
    ("listen", "milter"),
    [
        ("inet:8899", "inet:127.0.0.1:8899"),
        ("inet:8899@0.0.0.0", "inet:127.0.0.1:8899"),
        ("inet:8899@192.0.2.1", "inet:192.0.2.1:8899"),
        ("inet6:8899", "inet:127.0.0.1:8899"),
        ("inet6:8899@2001:db8::1", "inet:[2001:db8::1]:8899"),
        ("unix:/run/m/m.sock", "unix:/run/m/m.sock"),
    ],
)
def test_mailvet_is_asked_where_it_listens(tmp_path: Path, listen: str, milter: str) -> None:
    host = Host(tmp_path, "", 8899)
    host.listens(listen)
    host.stub("python3", 'cat >/dev/null; echo "asked $2"; exit 1')
    assert f"(asked {milter})" in host.type(SHOW).stdout


SIGNER = "smtpd_milters = inet:localhost:8891\n"


@pytest.mark.parametrize(
    ("opendkim", "main", "problem"),
    [
        pytest.param("Mode\t\ts\n", SIGNER, "", id="it only signs"),
        pytest.param("mode s # sign only\n", SIGNER, "", id="in another case and with a comment"),
        pytest.param("Mode sv\nkeepauthresults Yes\n", SIGNER, "", id="it keeps fields of its name"),
        pytest.param("Mode sv\n", "smtpd_milters = inet:localhost:11332\n", "", id="it is not in the lists"),
        pytest.param("Mode sv\nSocket inet:9999@localhost\n", SIGNER, "", id="another milter has the usual port"),
        pytest.param("Mode sv\n", SIGNER, "Mode sv", id="it verifies"),
        pytest.param("#Mode s\n", SIGNER, "Mode sv, the default", id="it verifies, by default"),
        pytest.param("Mode v\n", "non_smtpd_milters = unix:opendkim/opendkim.sock\n", "Mode v", id="known by name"),
        pytest.param("Mode sv\nSocket inet:9999@localhost\n", "smtpd_milters = inet:127.0.0.1:9999\n", "Mode sv",
                     id="known by its port"),
        pytest.param("Socket local:/var/spool/postfix/private/dkim\n", "smtpd_milters = unix:private/dkim\n",
                     "Mode sv, the default", id="known by its socket"),
    ],
)  # fmt: skip
def test_nothing_is_done_to_postfix_while_opendkim_would_remove_our_field(
    tmp_path: Path, port: int, opendkim: str, main: str, problem: str
) -> None:
    host = Host(tmp_path, main, port)
    (tmp_path / "opendkim.conf").write_text(opendkim)
    done = host.type(ADD)
    assert (done.returncode, done.stderr != "") == ((1, True) if problem else (0, False))
    if problem:
        assert f"OpenDKIM verifies ({problem}) and would remove mailvet's field" in done.stderr
        assert "systemctl restart opendkim" in done.stderr
        untouched(host, main)


def test_opendkim_has_to_be_restarted_after_a_change(tmp_path: Path, port: int) -> None:
    host = Host(tmp_path, SIGNER, port)
    pid = tmp_path / "opendkim.pid"
    (tmp_path / "opendkim.conf").write_text(f"Mode s\nPidFile {pid}\n")
    pid.write_text("1")
    os.utime(pid, (1, 1))
    done = host.type(ADD)
    assert done.returncode == 1
    assert "opendkim.conf was changed after OpenDKIM was started: systemctl restart opendkim." in done.stderr
    os.utime(pid)
    assert host.type(ADD).returncode == 0


@pytest.mark.parametrize(
    ("main", "master", "said"),
    [
        pytest.param(
            "smtpd_milters = inet:a:1 $non_smtpd_milters\n",
            "",
            "smtpd_milters: mailvet is not the first",
            id="behind another, through the other list",
        ),
        pytest.param(
            "",
            "smtpd pass - - y - - smtpd -o smtpd_milters=\n",
            "smtpd/pass has smtpd_milters of its own",
            id="postscreen's smtpd",
        ),
        pytest.param("smtpd_milters = inet:localhost:8893\n", "", "OpenDMARC is in the lists", id="OpenDMARC by port"),
        pytest.param("smtpd_milters = unix:opendmarc/opendmarc.sock\n", "", "OpenDMARC is in", id="OpenDMARC by name"),
        pytest.param(
            "",
            "smtp inet n - y - - smtpd -o smtpd_milters=inet:a:1\n",
            "smtp/inet has smtpd_milters of its own",
            id="port 25 has milters of its own",
        ),
        pytest.param(
            "",
            "submission inet n - y - - smtpd -o smtpd_milters=\n",
            "submission/inet has smtpd_milters of its own",
            id="submission has none",
        ),
        pytest.param(
            "",
            "smtp inet n - y - - smtpd -o receive_override_options=no_milters\n",
            "smtp/inet has no_milters",
            id="no_milters on a public port",
        ),
        pytest.param("content_filter = smtp-amavis:[127.0.0.1]:10024\n", "", "content_filter is in use", id="amavis"),
        pytest.param(
            "",
            "smtp inet n - y - - smtpd -o content_filter=spamassassin\n",
            "content_filter is in use (spamassassin)",
            id="a filter in master.cf",
        ),
        pytest.param(
            "",
            "smtp inet n - y - - smtpd -o smtpd_proxy_filter=127.0.0.1:10024\n",
            "smtpd_proxy_filter is not supported",
            id="a filter before the queue",
        ),
    ],
)
def test_what_is_in_its_way_is_said(tmp_path: Path, port: int, main: str, master: str, said: str) -> None:
    host = Host(tmp_path, main, port, master)
    done = host.type(ADD)
    assert done.returncode == 0
    assert [said in line for line in done.stderr.splitlines()] == [True], done.stderr
    page = PAGE.read_text("utf-8")
    for title in re.findall(r"docs/postfix\.md, ([^)]*)\)", done.stderr):
        assert re.search(rf"^## {title}", page, re.MULTILINE)
    assert said in host.type(SHOW).stderr


@pytest.mark.parametrize(
    "master",
    [
        "127.0.0.1:10025 inet n - y - - smtpd -o smtpd_milters= -o receive_override_options=no_milters\n",
        "smtp inet n - y - - smtpd -o smtpd_milters=inet:127.0.0.1:8899,inet:a:1\n",
        "smtp inet n - y - - smtpd -o { smtpd_milters = $non_smtpd_milters inet:a:1 }\n",
        OWN_MILTERS,
    ],
)
def test_what_is_not_in_its_way_is_not_said(tmp_path: Path, port: int, master: str) -> None:
    assert Host(tmp_path, "", port, master).type(ADD).stderr == ""


@pytest.mark.parametrize(
    ("main", "after"),
    [
        pytest.param("", [US, US, "normalize"], id="a Postfix without milters"),
        pytest.param(SIGNER, [f"{US} inet:localhost:8891", US, "normalize"], id="others stay, behind"),
    ],
)
def test_the_lines_for_those_who_edit_by_hand_do_the_same(tmp_path: Path, main: str, after: list[str]) -> None:
    host = Host(tmp_path, main, 8899)
    assert host.type(BY_HAND).returncode == 0
    assert host.values() == after
    assert host.told == "check\nreload\n"


def test_beside_the_old_chain_mailvet_is_last(tmp_path: Path, port: int) -> None:
    host = Host(tmp_path, "smtpd_milters = inet:localhost:8891, inet:localhost:8893\n", port)
    assert host.type(BESIDE).returncode == 0
    assert host.values()[0] == "inet:localhost:8891, inet:localhost:8893 " + ACCEPT
    (tmp_path / "opendkim.conf").write_text("Mode s\n")
    assert host.type(ADD).returncode == 0  # and in front, once it is trusted
    assert host.values()[0] == f"{US} inet:localhost:8891, inet:localhost:8893"


def test_uninstalling_leaves_the_milters_that_came_later(tmp_path: Path, port: int) -> None:
    host = Host(tmp_path, "smtpd_milters = inet:localhost:8891\n", port)
    assert host.type(ADD).returncode == 0
    assert host.type('postconf -e "smtpd_milters = $(postconf -h smtpd_milters), inet:localhost:11332"').returncode == 0
    assert host.type(UNINSTALL).returncode == 0
    assert host.values() == ["inet:localhost:8891, inet:localhost:11332", "", "normalize"]
    assert host.told.splitlines()[-3:] == ["reload", "systemctl disable --now mailvet", "systemctl daemon-reload"]


@pytest.mark.parametrize(
    ("line", "refused"),
    [("From: a@b.example", False), ("From : a@b.example", False), ("From  : a@b.example", True), ("X: a  : b", False)],
)
def test_blanks_before_the_colon_are_refused(tmp_path: Path, line: str, refused: bool) -> None:
    host = Host(tmp_path, "", 8899)
    assert host.type(HEADER_CHECKS).returncode == 0
    found = host.type(f'postmap -q "{line}" "$(postconf -h header_checks)"')
    assert ("REJECT blanks before the colon" in found.stdout) == refused, found.stderr


def test_an_upgrade_remembers_the_version_before_and_can_be_repeated(tmp_path: Path) -> None:
    host, source, copy = Host(tmp_path, "", 8899), tmp_path / "source", tmp_path / "copy"
    (steps,) = re.findall(r"^(old=.*?)^/opt", UPGRADE, re.MULTILINE | re.DOTALL)
    steps = f"set -e\ncd {copy}\n{steps}"
    begin = "git init -q -b main; git config user.email a@b.example; git config user.name a"
    commit = f"cd {source} && git commit -q --allow-empty -m x && git rev-parse HEAD"
    assert host.type(f"mkdir {source} && cd {source} && {begin}").returncode == 0
    first = host.type(commit).stdout
    assert host.type(f"git clone -q {source} {copy} && {steps}").returncode == 0
    before = tmp_path / "version-before"
    assert not before.exists()  # nothing new
    second = host.type(commit).stdout
    assert host.type(steps).returncode == 0
    assert host.type(steps).returncode == 0
    assert before.read_text() == first
    assert host.type(f'cd {copy} && git checkout -q "$(cat {before})"').returncode == 0
    host.type(commit)
    assert host.type(steps).returncode == 0
    assert before.read_text() == first  # the one that ran, and not `second`
    assert second != first


def test_the_readme_calls_the_script() -> None:
    text = README.read_text("utf-8")
    assert "sh /usr/local/src/mailvet/scripts/postfix.sh add\n" in text
    assert "sh /usr/local/src/mailvet/scripts/postfix.sh remove" in text


def test_the_readme_installs_with_the_python_of_debian() -> None:
    """Root's PATH may have another one first, for which nothing was installed."""
    text = README.read_text("utf-8")
    assert "\n/usr/bin/python3 -m venv /opt/mailvet\n" in text


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
