"""supervisor: children that die come back, later each time; stopping ends all of them."""

import itertools
import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from lab.paths import REPO

SCRIPT = """
import errno, itertools, os, signal, sys, threading, time
from mailvet.daemon.supervisor import Child, Supervisor

def say(*words):  # in one write, so that the lines of several processes do not mix
    os.write(1, (" ".join(map(str, words)) + "\\n").encode())

def steady():
    say("up", os.getpid())
    signal.pause()

def retiring():
    signal.signal(signal.SIGUSR2, lambda *_: time.sleep(0.3) or os._exit(0))
    steady()

def lingering():
    signal.signal(signal.SIGUSR2, signal.SIG_IGN)
    steady()

def deaf():
    signal.signal(signal.SIGUSR2, signal.SIG_IGN)
    stubborn()

def stubborn():
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    say("up", os.getpid())
    while True:
        time.sleep(1)

def crashing():
    say("crash", round(time.monotonic(), 3))
    os._exit(3)

def buggy():
    raise ValueError("a bug")

def mute():
    raise ValueError("a bug that cannot be logged")

def leaving():
    sys.exit(7)

real_fork, forks = os.fork, itertools.count()
def fork():  # there is no room for one more than $FORKS at first
    if next(forks) == int(os.environ.get("FORKS", -1)):
        raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))
    supervisor, pid = os.getpid(), real_fork()
    if not pid and "ORPHAN" in os.environ:  # the supervisor is killed before its child has done anything
        os.kill(supervisor, signal.SIGKILL)
        while os.getppid() == supervisor:
            time.sleep(0.01)
    return pid
os.fork = fork

kinds = {kind.__name__: kind for kind in (steady, stubborn, crashing, retiring, lingering, deaf, buggy, mute, leaving)}
children = [
    Child(
        name=name,
        run=kinds[name],
        grace=float(os.environ.get("GRACE", 0.5)),
        retire_signal=signal.SIGUSR2 if name in ("retiring", "lingering", "deaf") else None,
    )
    for name in sys.argv[1:]
]

class Watcher:
    def ready(self):
        say("ready", os.getpid())

    def changed(self, children):
        pass

    def died(self, name, pid, status):
        say("died", name, os.waitstatus_to_exitcode(status))

    def crashed(self, name, error):
        if name == "mute":
            raise OSError("the log is full")
        say("bug", name, repr(error))

    def start_failed(self, name, reason):
        say("unable", name, reason)

    def reload(self):
        say("reload")
        return os.environ.get("RELOAD") != "no"

    def retired(self, pid):
        say("retired", pid)

    def cut_short(self, name, pid, how):
        say("hurried", pid, how)

    def stopping(self):
        say("stopping")

Supervisor(children, Watcher()).run()
say("ended", threading.active_count())
"""


def start(*names: str, **more: str) -> subprocess.Popen[str]:
    environment = {**os.environ, "PYTHONPATH": str(REPO / "milter"), **more}
    return subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(SCRIPT), *names], stdout=subprocess.PIPE, text=True, env=environment
    )


def lines_until(process: subprocess.Popen[str], start: str, count: int = 1) -> list[str]:
    assert process.stdout is not None
    lines: list[str] = []
    while sum(line.startswith(start) for line in lines) < count:
        line = process.stdout.readline()
        assert line, f"ended before {start!r}: {lines}"
        lines.append(line.strip())
    return lines


def stop(process: subprocess.Popen[str]) -> str:
    process.terminate()
    rest, _ = process.communicate(timeout=10)
    assert process.returncode == 0
    return rest


def test_a_killed_child_is_replaced_and_the_others_stay() -> None:
    process = start("steady", "steady")
    lines = lines_until(process, "up", 2)
    victim = int(next(line for line in lines if line.startswith("up")).split()[1])
    os.kill(victim, signal.SIGKILL)
    assert lines_until(process, "up")[-2] == "died steady -9"
    assert "ended 1" in stop(process)


def test_a_child_that_always_crashes_is_started_later_each_time() -> None:
    process = start("crashing")
    times = [float(line.split()[1]) for line in lines_until(process, "crash", 4) if line.startswith("crash")]
    waits = [after - before for before, after in itertools.pairwise(times)]
    assert all(wait >= least for wait, least in zip(waits, (0.1, 0.2, 0.4), strict=True))
    stop(process)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        pytest.param("buggy", ["bug buggy ValueError('a bug')", "died buggy 1"], id="an exception is reported"),
        pytest.param("mute", ["died mute 1"], id="one that cannot be reported ends the child all the same"),
        pytest.param("leaving", ["died leaving 7"], id="a child that meant to end keeps its status"),
    ],
)
def test_a_child_that_dies_of_an_exception_leaves_the_reason(name: str, said: list[str]) -> None:
    process = start(name)
    assert [line for line in lines_until(process, "died") if not line.startswith("ready")] == said
    assert "ended 1" in stop(process)


def test_where_there_is_no_room_for_a_process_the_supervisor_stays_and_tries_again() -> None:
    process = start("steady", "steady", FORKS="2")
    (victim, _) = (line.split()[1] for line in lines_until(process, "up", 2) if line.startswith("up"))
    os.kill(int(victim), signal.SIGKILL)
    assert lines_until(process, "unable")[-2:] == ["died steady -9", "unable steady Resource temporarily unavailable"]
    lines_until(process, "up")
    assert "ended 1" in stop(process)


def test_a_child_that_does_not_end_is_killed_after_its_grace() -> None:
    process = start("stubborn")
    lines_until(process, "up")
    began = time.monotonic()
    assert "ended" in stop(process)
    assert 0.4 < time.monotonic() - began < 5


def test_a_hangup_starts_successors_before_the_old_ones_end_and_leaves_the_others_alone() -> None:
    process = start("retiring", "steady")
    lines = lines_until(process, "up", 2)
    process.send_signal(signal.SIGHUP)
    after = [line for line in lines_until(process, "retired") if not line.startswith("ready")]
    assert [line.split()[0] for line in after] == ["reload", "up", "retired"]
    assert after[2].split()[1] in {line.split()[1] for line in lines if line.startswith("up")}
    rest = stop(process)
    assert "died" not in rest
    assert "ended" in rest


def hang_up(process: subprocess.Popen[str], times: int) -> list[str]:
    """Each time wait for the successor; everything that was said."""
    lines: list[str] = []
    for _ in range(times):
        process.send_signal(signal.SIGHUP)
        lines += lines_until(process, "up")
    return lines


def alive(lines: list[str]) -> list[int]:
    """Of all that came up."""
    pids = [int(line.split()[1]) for line in lines if line.startswith("up")]
    return [pid for pid in pids if Path(f"/proc/{pid}/cmdline").exists() and Path(f"/proc/{pid}/cmdline").read_bytes()]


def test_of_those_that_would_stay_for_their_clients_the_older_are_told_to_end() -> None:
    process = start("lingering", GRACE="60")
    lines = lines_until(process, "up") + hang_up(process, 10)
    lines += lines_until(process, "retired", 8 - sum(line.startswith("retired") for line in lines))
    assert len(alive(lines)) == 3  # the youngest, and the two before it
    assert sum("told to finish" in line for line in lines) == 8
    assert not any("killed" in line for line in lines)
    assert "ended" in stop(process)


def test_one_that_does_not_end_though_it_was_told_to_is_killed_after_its_grace() -> None:
    process = start("deaf", GRACE="0.5")
    first = lines_until(process, "up")[-1].split()[1]
    lines = hang_up(process, 3)
    lines += lines_until(process, "retired", 1 - sum(line.startswith("retired") for line in lines))
    said = [line for line in lines if line.startswith(("hurried", "retired"))]
    assert [line.split(maxsplit=2)[:2] for line in said] == [["hurried", first], ["hurried", first], ["retired", first]]
    assert "killed" in said[1]
    stop(process)


def test_however_often_it_is_told_to_reload_only_a_few_of_those_that_do_not_end_are_left() -> None:
    process = start("deaf", GRACE="60")
    lines = lines_until(process, "up") + hang_up(process, 10)
    lines += lines_until(process, "retired", 6 - sum(line.startswith("retired") for line in lines))
    assert len(alive(lines)) == 5  # one at work, four that retire
    assert sum("killed" in line for line in lines) == 6
    process.send_signal(signal.SIGTERM)
    for pid in alive(lines):  # the grace is long
        os.kill(pid, signal.SIGKILL)
    process.communicate(timeout=20)


def test_a_hangup_for_which_there_is_no_room_is_not_forgotten() -> None:
    process = start("retiring", "steady", FORKS="2")
    lines = lines_until(process, "up", 2)
    process.send_signal(signal.SIGHUP)
    after = lines_until(process, "retired")
    assert [line.split()[0] for line in after if line.split()[0] != "ready"] == ["reload", "unable", "up", "retired"]
    assert after[-1].split()[1] in {line.split()[1] for line in lines if line.startswith("up")}
    assert "died" not in stop(process)


def test_a_hangup_with_nothing_new_changes_nothing() -> None:
    process = start("retiring", RELOAD="no")
    lines_until(process, "up")
    process.send_signal(signal.SIGHUP)
    assert lines_until(process, "reload")[-1] == "reload"
    assert "up" not in stop(process)


def test_told_to_stop_those_that_retire_end_too() -> None:
    process = start("retiring")
    (old,) = (line.split()[1] for line in lines_until(process, "up") if line.startswith("up"))
    process.send_signal(signal.SIGHUP)
    lines_until(process, "up")
    stop(process)
    assert not Path(f"/proc/{old}").exists()


def test_children_do_not_outlive_a_killed_supervisor() -> None:
    process = start("steady")
    lines = lines_until(process, "up")
    child = int(lines[-1].split()[1])
    process.kill()
    process.wait()
    for _ in range(100):
        if not Path(f"/proc/{child}").exists() or "Z" in Path(f"/proc/{child}/stat").read_text().split()[2]:
            return
        time.sleep(0.05)
    raise AssertionError(f"child {child} is still there")


def test_a_child_whose_supervisor_is_gone_before_it_begins_does_not_begin() -> None:
    process = start("steady", ORPHAN="yes")
    said, _ = process.communicate(timeout=60)  # until the child, which has the pipe too, has ended
    assert "up" not in said
