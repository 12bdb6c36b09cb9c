"""What surrounds the daemon: who reads its log, its successor on the same socket, its limits, what one before left."""

import fcntl
import os
import re
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from lab import world
from lab.daemon import Daemon, command, environment, scratch
from lab.milterclient import MilterClient
from lab.postfix import free_port
from lab.wait import until

UNTRUSTED = "[trust]\nnetworks = []\n"
LETTER = world.letter("<a@signed.example>")
SIGPIPE = 1 << (signal.SIGPIPE - 1)


def nobody() -> str:
    return f"127.0.0.1:{free_port()}"


@contextmanager
def alone(directory: str, name: str = "alone", more: str = UNTRUSTED, **rest: object) -> Iterator[Daemon]:
    with Daemon(Path(directory), name, nobody(), more, **rest) as daemon:  # type: ignore[arg-type]
        yield daemon


def accepts(path: Path) -> bool:
    with MilterClient(path) as client:
        client.connect(world.STRANGER)
        return client.message(b"a@signed.example", LETTER).accepted


class Logged:
    """A daemon whose standard error is what the test says."""

    def __init__(self, directory: Path, stderr: int) -> None:
        self.port = free_port()
        self.socket = Daemon(directory, "logged", nobody(), UNTRUSTED, metrics=f"127.0.0.1:{self.port}").socket
        self.config = directory / "logged.toml"
        arguments = command("serve", "--config", str(self.config))
        here = environment() | {"TMPDIR": str(directory)}
        self.process = subprocess.Popen(arguments, env=here, stderr=stderr, stdout=subprocess.DEVNULL)

    def children(self) -> list[int]:
        pid = self.process.pid
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]

    def __enter__(self) -> "Logged":
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.wait()


def ignored(pid: int) -> int:
    """Signals, as bits (proc(5))."""
    (line,) = (line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("SigIgn:"))
    return int(line.split()[1], 16)


def read_until(descriptor: int, word: bytes) -> bytes:
    found = b""
    while word not in found:
        more = os.read(descriptor, 4096)
        assert more, found
        found += more
    return found


def ends(kind: str) -> tuple[int, int]:
    if kind == "pipe":
        reader, writer = os.pipe()
        fcntl.fcntl(writer, fcntl.F_SETPIPE_SZ, 4096)
        return reader, writer
    ours, theirs = socket.socketpair()
    theirs.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
    return ours.detach(), theirs.detach()


@pytest.mark.parametrize("kind", ["pipe", "socket"])
def test_a_log_that_nobody_reads_stops_neither_mail_nor_a_reload_nor_the_end(kind: str) -> None:
    reader, writer = ends(kind)
    with scratch() as directory, Logged(Path(directory), writer) as daemon:
        read_until(reader, b"started")
        flags = fcntl.fcntl(writer, fcntl.F_GETFL)
        messages(daemon, 40)
        until(lambda: lost(daemon))
        said = [drain(reader)]
        messages(daemon, 1)

        def reported() -> bool:
            said.append(drain(reader))
            return b" event=log dropped=" in b"".join(said)

        until(reported)
        messages(daemon, 40)
        old = daemon.children()[0]
        daemon.process.send_signal(signal.SIGHUP)
        until(lambda: old not in daemon.children())
        messages(daemon, 1)
        assert fcntl.fcntl(writer, fcntl.F_GETFL) == flags  # they are shared with whoever started it
        daemon.process.terminate()
        assert daemon.process.wait(30) == 0
    os.close(reader)
    os.close(writer)


def messages(daemon: Logged, number: int) -> None:
    with MilterClient(daemon.socket) as client:
        client.connect(world.STRANGER)
        for _ in range(number):
            assert client.message(b"a@signed.example", LETTER).accepted


def lost(daemon: Logged) -> float:
    """Lines, as Prometheus reads them."""
    with socket.create_connection(("127.0.0.1", daemon.port), 30) as connection:
        connection.sendall(b"GET /metrics HTTP/1.0\r\n\r\n")
        with connection.makefile("rb") as file:
            found = re.search(rb"^mailvet_log_dropped_total (\S+)", file.read(), re.M)
    return float(found[1]) if found else 0.0


def drain(reader: int) -> bytes:
    found = b""
    os.set_blocking(reader, False)
    try:
        while more := os.read(reader, 65536):
            found += more
    except BlockingIOError:
        os.set_blocking(reader, True)
    return found


def test_told_to_stop_it_ends_though_nobody_reads_the_log() -> None:
    reader, writer = ends("pipe")
    with scratch() as directory, Logged(Path(directory), writer) as daemon:
        read_until(reader, b"started")
        os.write(writer, bytes(4096))
        daemon.process.terminate()
        assert daemon.process.wait(30) == 0
    os.close(reader)
    os.close(writer)


def test_a_reader_of_the_log_that_goes_away_ends_nothing() -> None:
    reader, writer = os.pipe()
    with scratch() as directory, Logged(Path(directory), writer) as daemon:
        os.close(writer)
        read_until(reader, b"started")
        old = daemon.children()[0]
        assert all(ignored(pid) & SIGPIPE for pid in (daemon.process.pid, *daemon.children()))
        os.close(reader)
        daemon.process.send_signal(signal.SIGHUP)
        until(lambda: daemon.process.poll() is not None or old not in daemon.children())
        assert daemon.process.poll() is None
        assert accepts(daemon.socket)
        daemon.process.terminate()
        assert daemon.process.wait(30) == 0


PROGRAM = """
import errno, os, pathlib, sys
from mailvet.commands import cli; from mailvet.config import load as config

flag, fork, load = pathlib.Path(sys.argv.pop(1)), os.fork, config.load

def no_fork():
    if flag.exists():
        raise OSError(errno.EAGAIN, os.strerror(errno.EAGAIN))
    return fork()

def no_load(file):
    if flag.exists() and flag.read_text():
        raise KeyError("injected")
    return load(file)

os.fork, config.load = no_fork, no_load
sys.exit(cli.main())
"""


@pytest.mark.parametrize(
    ("flag", "says"),
    [
        pytest.param("", "event=reload problem=", id="no room for the process that asks whether servers validate"),
        pytest.param("load", "event=bug where=reload", id="a bug in reading the configuration"),
    ],
)
def test_a_reload_that_cannot_be_carried_out_changes_nothing(flag: str, says: str) -> None:
    with scratch() as directory:
        file = Path(directory) / "flag"
        with alone(directory, program=("-c", PROGRAM, str(file))) as daemon:
            (worker,) = daemon.workers
            file.write_text(flag)
            text = daemon._config.read_text()
            daemon._config.write_text(text.replace("[dns]", '[dns]\nrequire_validation = "refuse"'))
            process = daemon._process
            assert process is not None
            process.send_signal(signal.SIGHUP)
            until(lambda: says in daemon.log or process.poll() is not None)
            assert says in daemon.log
            assert daemon.workers == [worker]
            assert accepts(daemon.socket)


def test_one_that_ends_leaves_its_successor_the_socket() -> None:
    with scratch() as directory, alone(directory) as first:
        with MilterClient(first.socket) as client:
            client.connect(world.STRANGER)
            client.step(b"M", b"<a@signed.example>\0")  # it has to wait for this message
            first.tell_to_stop()
            until(lambda: not answers(first.socket))
            second = Daemon(Path(directory), "second", nobody(), UNTRUSTED)
            second._config.write_text(second._config.read_text().replace(str(second.socket), str(first.socket)))
            second.socket = first.socket
            with second:
                assert client.message(b"a@signed.example", LETTER).accepted
                assert first.stop() == 0
                assert accepts(first.socket)
        assert not first.socket.exists()


def answers(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as probe:
        return probe.connect_ex(str(path)) == 0


def test_of_several_that_start_at_once_one_gets_the_socket() -> None:
    with scratch() as directory:
        (Path(directory) / "config.toml").write_text(
            f'[milter]\nlisten = "unix:{directory}/x.sock"\nworkers = 1\n[metrics]\nlisten = ""\n'
        )
        run = command("serve", "--config", f"{directory}/config.toml")
        here = environment() | {"TMPDIR": directory}
        several = [subprocess.Popen(run, env=here, stderr=subprocess.PIPE) for _ in range(3)]
        until(lambda: sum(each.poll() is None for each in several) == 1)
        (one,) = (each for each in several if each.poll() is None)
        for other in several:
            if other is not one:
                said = other.communicate()[1].decode()
                assert "another process" in said
                assert said.count("\n") == 1
        until(lambda: answers(Path(directory, "x.sock")))
        one.terminate()
        one.communicate(timeout=30)
        assert sorted(os.listdir(directory)) == ["config.toml"]


def test_one_that_is_about_to_take_the_socket_keeps_others_out() -> None:
    with scratch() as directory:
        Path(directory, "config.toml").write_text(f'[milter]\nlisten = "unix:{directory}/x.sock"\n')
        run = command("serve", "--config", f"{directory}/config.toml")
        held = os.open(directory, os.O_RDONLY)
        fcntl.flock(held, fcntl.LOCK_EX)
        done = subprocess.run(run, env=environment(), capture_output=True, timeout=30, check=False)
        os.close(held)
        assert done.returncode == 1
        assert done.stderr.decode() == (
            f"mailvet: cannot listen on unix:{directory}/x.sock: another process is about to\n"
        )


def test_where_there_are_too_few_descriptors_it_says_so() -> None:
    with scratch() as directory:
        Path(directory, "config.toml").write_text(f'[milter]\nlisten = "unix:{directory}/x.sock"\n')
        run = ["prlimit", "--nofile=24", *command("serve", "--config", f"{directory}/config.toml")]
        done = subprocess.run(run, env=environment(), capture_output=True, timeout=30, check=False)
        assert done.returncode == 2
        assert done.stderr.decode().startswith("mailvet: no more than 24 open files are allowed")
        assert done.stderr.count(b"\n") == 1


def test_with_as_few_descriptors_as_it_starts_with_a_message_is_judged() -> None:
    with scratch() as directory:
        daemon = Daemon(Path(directory), "alone", nobody(), UNTRUSTED)
        run = ["prlimit", "--nofile=32", *command("serve", "--config", str(daemon._config))]
        with (
            (Path(directory) / "log").open("wb") as log,
            subprocess.Popen(run, env=environment() | {"TMPDIR": directory}, stderr=log) as process,
        ):
            until(lambda: answers(daemon.socket))
            assert accepts(daemon.socket)
            process.terminate()
            assert process.wait(30) == 0
        assert "event=descriptors" not in (Path(directory) / "log").read_text()


def runs(directory: str) -> list[Path]:
    return sorted(Path(directory).glob("mailvet-run-*"))


def test_what_a_killed_one_left_behind_is_removed_by_the_next_and_what_is_in_use_stays() -> None:
    with scratch() as directory, alone(directory, "first") as first, alone(directory, "killed") as killed:
        workers = killed.workers
        killed.kill()
        until(lambda: not any(Path(f"/proc/{pid}/cmdline").exists() for pid in workers))
        left = runs(directory)
        assert len(left) == 2
        long_ago = time.time() - 3600
        for each in left:
            os.utime(each, (long_ago, long_ago))
        with alone(directory, "third"):
            assert len(runs(directory)) == 2
            assert len(set(runs(directory)) & set(left)) == 1
            assert accepts(first.socket)
        assert first.stop() == 0
        assert runs(directory) == []
