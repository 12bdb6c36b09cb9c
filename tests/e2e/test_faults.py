"""What happens when a worker is killed, the daemon is told to stop, cannot start, or is kept waiting."""

import functools
import itertools
import os
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from lab import world
from lab.daemon import Daemon, command, environment, scratch
from lab.dnsserver import DnsServer
from lab.letter import Letter
from lab.mail_system import Lab
from lab.milterclient import MilterClient
from lab.postfix import free_port
from lab.wait import until

UNTRUSTED = "[trust]\nnetworks = []\n"
PASSING = world.signed(world.letter("<a@signed.example>"), b"signed.example")


@contextmanager
def spare(lab: Lab, workers: int = 1) -> Iterator[Daemon]:
    with lab.daemon("spare", UNTRUSTED, workers=workers) as daemon:
        yield daemon


def are_reaped(daemon: Daemon, before: frozenset[int]) -> bool:
    return before.isdisjoint(daemon.workers)


@pytest.mark.parametrize("workers", [1, 2])
def test_a_killed_worker_is_replaced(lab: Lab, workers: int) -> None:
    with spare(lab, workers) as daemon:
        for _ in range(2):
            until(lambda: len(daemon.workers) == workers)
            before = frozenset(daemon.workers)
            daemon.kill_workers()
            letter = lab.letter(lab.send("spare", mail_from="a@signed.example", message=PASSING))
            assert letter.verdict("dmarc") == "pass"
            until(functools.partial(are_reaped, daemon, before))
        assert "died" in daemon.log


def test_each_worker_keeps_to_a_cpu_of_its_own(lab: Lab) -> None:
    cpus = os.sched_getaffinity(0)
    with spare(lab, workers=len(cpus)) as daemon:
        until(lambda: {os.sched_getscheduler(pid) for pid in daemon.workers} == {os.SCHED_BATCH})
        taken = [os.sched_getaffinity(pid) for pid in daemon.workers]
    assert all(len(each) == 1 for each in taken)
    assert set().union(*taken) == cpus


def test_a_worker_that_is_stopped_for_a_while_goes_on(lab: Lab) -> None:
    with spare(lab) as daemon:
        before = daemon.workers
        daemon.signal_workers(signal.SIGSTOP)
        time.sleep(2.5)  # longer than it waits between two looks at its counters
        daemon.signal_workers(signal.SIGCONT)
        letter = lab.letter(lab.send("spare", mail_from="a@signed.example", message=PASSING))
        assert letter.verdict("dmarc") == "pass"
        time.sleep(0.5)
        assert daemon.workers == before
        assert "died" not in daemon.log


def test_a_message_whose_worker_is_killed_is_deferred_and_not_lost(lab: Lab) -> None:
    with spare(lab) as daemon, lab.client("spare") as client:
        recipient = lab.recipient()
        assert client.begin("a@signed.example", recipient).code == 354
        daemon.kill_workers()
        assert client.finish(PASSING).code == 451
        assert lab.mailbox.waiting(recipient) == 0
        letter = lab.letter(lab.send("spare", mail_from="a@signed.example", message=PASSING))
        assert letter.verdict("dmarc") == "pass"


def test_told_to_stop_it_finishes_the_message_in_progress(lab: Lab) -> None:
    recipient = lab.recipient()
    with lab.daemon("spare", UNTRUSTED) as daemon, lab.client("spare") as client:
        assert client.begin("a@signed.example", recipient).code == 354
        half = len(PASSING) // 2
        client.push(PASSING[:half])
        told = time.monotonic()
        daemon.tell_to_stop()
        time.sleep(0.5)
        assert lab.send("spare", mail_from="a@signed.example", message=PASSING).reply.code == 451  # at once
        assert time.monotonic() - told < 15  # the message in progress is not waited for, nor a connection
        client.push(PASSING[half:])
        assert client.say(b".").code == 250
        assert daemon.stop() == 0
    assert Letter(lab.mailbox.take(recipient)).verdict("dmarc") == "pass"


@pytest.mark.parametrize("workers", [1, 2])
def test_a_reload_changes_what_new_connections_get_and_refuses_nobody(lab: Lab, workers: int) -> None:
    with spare(lab, workers) as daemon:
        old = daemon.workers
        with lab.client("spare") as client:
            assert client.send("a@signed.example", lab.recipient(), PASSING).code == 250
            for before, name in itertools.pairwise(("mx.example.org", "mx2.example.org", "mx3.example.org")):
                daemon.reload(before, name)
                time.sleep(1)  # the old ones are about to be told
                for _ in range(10):
                    letter = lab.letter(lab.send("spare", mail_from="a@signed.example", message=PASSING))
                    assert letter.top.startswith(f"Authentication-Results: {name};")
            recipient = lab.recipient()  # on the connection of before
            assert client.send("a@signed.example", recipient, PASSING).code == 250
            assert Letter(lab.mailbox.take(recipient)).verdict("dmarc") == "pass"
        until(lambda: len(daemon.workers) == workers)
        assert not set(old) & set(daemon.workers)
        assert "died" not in daemon.log
        assert daemon.log.count("authserv_id=mx3.example.org") == 1


def test_a_reload_with_a_mistake_changes_nothing(lab: Lab) -> None:
    with spare(lab) as daemon:
        workers = daemon.workers
        daemon.reload("timeout", "timeuot")
        assert 'dns.timeuot: unknown key; did you mean \\"timeout\\"?' in daemon.log
        assert lab.letter(lab.send("spare", mail_from="a@signed.example", message=PASSING)).verdict("dmarc") == "pass"
        assert daemon.workers == workers


def test_what_only_a_restart_changes_is_said(lab: Lab) -> None:
    with spare(lab) as daemon:
        daemon.reload("workers = 1", "workers = 2")
        assert "only a restart changes [milter]" in daemon.log
        assert lab.letter(lab.send("spare", mail_from="a@signed.example", message=PASSING)).verdict("dmarc") == "pass"


def test_told_to_stop_it_leaves_nothing_behind() -> None:
    with scratch() as directory:
        with Daemon(Path(directory), "alone", f"127.0.0.1:{free_port()}", UNTRUSTED, workers=2) as daemon:
            workers = daemon.workers
            assert len(workers) == 2
            assert daemon.stop() == 0
        assert sorted(file.name for file in Path(directory).iterdir()) == ["alone.log", "alone.toml"]
        assert not any(Path(f"/proc/{pid}").exists() for pid in workers)


def test_told_to_stop_while_it_starts_it_leaves_nothing_behind() -> None:
    with scratch() as directory:
        daemon = Daemon(Path(directory), "alone", f"127.0.0.1:{free_port()}", UNTRUSTED)
        arguments = command("serve", "--config", str(Path(directory) / "alone.toml"))
        process = subprocess.Popen(arguments, env=environment() | {"TMPDIR": directory}, stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + 60
        while not daemon.socket.exists() and time.monotonic() < deadline:
            time.sleep(0.001)
        process.terminate()
        assert process.wait(30) == 0
        assert [file.name for file in Path(directory).iterdir()] == ["alone.toml"]


def test_workers_do_not_outlive_their_supervisor_and_the_next_one_starts(lab: Lab) -> None:
    with spare(lab) as daemon:
        workers = daemon.workers
        daemon.kill()
        until(lambda: not any(_runs(pid) for pid in workers))
        assert daemon.socket.exists()
        assert lab.send("spare", mail_from="a@signed.example", message=PASSING).reply.code == 451
    with spare(lab):  # over the socket that was left
        assert lab.letter(lab.send("spare", mail_from="a@signed.example", message=PASSING)).verdict("dmarc") == "pass"


def _runs(pid: int) -> bool:
    """A zombie, which waits for its new parent, does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def refused(config: str | Path, status: int = 2) -> str:
    """Start with this configuration; what it says before it ends. 2: only a person can help (mailvet.service); 1: the
    next attempt may succeed."""
    with scratch() as directory:
        file = config if isinstance(config, Path) else Path(directory) / "mailvet.toml"
        if isinstance(config, str):
            file.write_text(config)
        arguments = command("serve", "--config", str(file))
        done = subprocess.run(arguments, env=environment(), capture_output=True, timeout=30, check=False)
    assert done.returncode == status
    return done.stderr.decode()


def one_line(text: str) -> str:
    assert text.startswith("mailvet: ")
    assert text.count("\n") == 1
    return text


def test_a_unix_socket_in_use(lab: Lab) -> None:
    path = lab.daemons["mark"].socket
    assert "another process does" in one_line(refused(f'[milter]\nlisten = "unix:{path}"\n', 1))
    assert lab.letter(lab.send("mark", mail_from="", message=PASSING)).verdict("dmarc") == "pass"


def test_a_port_in_use() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        listen = f"inet:{other.getsockname()[1]}@127.0.0.1"
        assert listen in one_line(refused(f'[milter]\nlisten = "{listen}"\n', 1))


@pytest.mark.parametrize(
    ("listen", "why", "status"),
    [
        pytest.param(
            "unix:/nonexistent/x.sock", "No such file or directory", 1, id="a directory that is not there yet"
        ),
        pytest.param(f"unix:{__file__}", "Address already in use", 2, id="a file that is no socket"),
        pytest.param(f"unix:{__file__}/x.sock", "Not a directory", 2, id="a directory that is none"),
        pytest.param("inet:8899@192.0.2.1", "Cannot assign", 1, id="an address this host does not have yet"),
        pytest.param("inet:8899@nowhere.invalid", "ame or service", 1, id="a name without an address yet"),
    ],
)
def test_a_socket_that_cannot_be(listen: str, why: str, status: int) -> None:
    assert why in one_line(refused(f'[milter]\nlisten = "{listen}"\n', status))


def test_a_port_that_becomes_free() -> None:
    with scratch() as directory, socket.create_server(("127.0.0.1", 0)) as other:
        file = Path(directory) / "mailvet.toml"
        port = other.getsockname()[1]
        file.write_text(f'[milter]\nlisten = "inet:{port}@127.0.0.1"\n[metrics]\nlisten = ""\n')
        arguments = command("serve", "--config", str(file))
        threading.Timer(1.0, other.close).start()
        with subprocess.Popen(arguments, env=environment(), stderr=subprocess.PIPE) as process:
            assert process.stderr is not None
            assert b"started" in process.stderr.readline()
            process.terminate()
            assert process.wait(20) == 0


def test_a_mistake_in_the_configuration() -> None:
    assert "mailvet.toml:2: dns.timeuot" in one_line(refused('[dns]\ntimeuot = "2s"\n'))


def test_a_configuration_that_is_not_there() -> None:
    assert "no such file" in one_line(refused(Path("/nonexistent/mailvet.toml")))


def test_a_configuration_that_cannot_be_read(tmp_path: Path) -> None:
    assert "cannot be read" in one_line(refused(tmp_path))  # a directory


def test_name_servers_that_are_away_are_a_warning() -> None:
    with scratch() as directory:
        daemon = Daemon(Path(directory), "alone", f"127.0.0.1:{free_port()}", UNTRUSTED)
        with daemon, MilterClient(daemon.socket) as client:
            client.connect(world.HOST)
            answer = client.message(b"a@signed.example", PASSING)
            assert answer.accepted
            results = answer.inserted[0][2]
            for verdict in ("iprev=temperror", "spf=temperror", "dkim=temperror", "dmarc=temperror"):
                assert verdict in results
            until(lambda: " warning event=resolver" in daemon.log)


def test_slow_name_servers_of_a_spoofer_use_up_no_time_of_the_policy() -> None:
    """RFC 9989 §5.3.6 lets a message off whose policy cannot be applied: nobody may bring that about."""
    zone = world.zone()
    for at in range(8):  # 0.9 s each, where one question has 1 s and all have 6
        record = f"v=spf1 include:i{at + 1}.slow.example ?all"
        zone[f"i{at}.slow.example"] = {"TXT": [record], "delay": 0.9}
    spoof = world.signed(world.letter("<a@bank.example>"), b"signed.example")
    with scratch() as directory, DnsServer(zone) as server:
        daemon = Daemon(Path(directory), "alone", server.address, UNTRUSTED)
        with daemon, MilterClient(daemon.socket) as client:
            client.connect(world.STRANGER)
            results = client.message(b"a@i0.slow.example", spoof).inserted[0][2]
    assert "spf=temperror" in results
    assert "dkim=pass" in results
    assert "dmarc=fail (mx.example.org, p:reject" in results
