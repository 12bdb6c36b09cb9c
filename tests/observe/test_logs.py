"""logs, log_output: whole lines while somebody reads them; a reader that hangs holds up nobody."""

import fcntl
import os
import pty
import socket
import termios
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from mailvet.observe.logs import Log
from mailvet.settings import LogSettings

Ends = tuple[int, Callable[[], bytes]]  # where to write; what can be read there now
TEXT = LogSettings(format="text")


def drain(descriptor: int) -> bytes:
    os.set_blocking(descriptor, False)
    found = b""
    while True:
        try:
            more = os.read(descriptor, 65536)
        except BlockingIOError:
            return found
        if not more:
            return found
        found += more


@contextmanager
def pipe() -> Iterator[Ends]:
    reader, writer = os.pipe()
    fcntl.fcntl(writer, fcntl.F_SETPIPE_SZ, 8192)
    yield writer, lambda: drain(reader)
    os.close(reader)
    os.close(writer)


@contextmanager
def stream() -> Iterator[Ends]:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        yield theirs.fileno(), lambda: drain(ours.fileno())


@contextmanager
def terminal() -> Iterator[Ends]:
    reader, writer = pty.openpty()
    attributes = termios.tcgetattr(writer)
    attributes[1] &= ~termios.OPOST
    termios.tcsetattr(writer, termios.TCSANOW, attributes)
    yield writer, lambda: drain(reader)
    os.close(reader)
    os.close(writer)


@pytest.fixture(params=[pipe, stream, terminal, "another user's pipe"], ids=lambda p: getattr(p, "__name__", p))
def ends(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Ends]:
    kind = request.param
    if kind == "another user's pipe":
        opened = os.open

        def refuse(path: str, *more: int) -> int:
            if str(path).startswith("/proc/self/fd/"):
                raise PermissionError
            return opened(path, *more)

        monkeypatch.setattr(os, "open", refuse)
        kind = pipe
    with kind() as both:
        yield both


def test_a_reader_that_hangs_costs_lines_and_no_time(ends: Ends) -> None:
    writer, read = ends
    flags = fcntl.fcntl(writer, fcntl.F_GETFL)
    log = Log(TEXT, writer)
    written = 0
    while not log.dropped:  # for ever, where it waits
        log.say("info", "test", number=written)
        written += 1
    for number in range(9):
        log.say("info", "test", number=written + number)
    assert fcntl.fcntl(writer, fcntl.F_GETFL) == flags  # they are shared with whoever started us
    assert log.dropped == 10
    assert read().count(b"event=test") == written - 1
    log.say("info", "test", number="behind")
    log.say("info", "test", number="after")
    behind, lost, after = read().decode().strip().splitlines()
    assert behind.endswith("event=test number=behind")
    assert lost.endswith(" warning event=log dropped=10")
    assert after.endswith("event=test number=after")


def test_lines_longer_than_what_a_pipe_takes_at_once_arrive_whole_or_cut_and_the_next_is_a_line(ends: Ends) -> None:
    writer, read = ends
    log = Log(TEXT, writer)
    while not log.dropped:
        log.say("info", "test", text="x" * 3000)
    read()
    log.say("info", "test", text="behind")
    assert read().decode().splitlines()[-2].endswith("event=test text=behind")


def test_a_reader_that_went_away_is_no_error() -> None:
    reader, writer = os.pipe()
    log = Log(TEXT, writer)
    os.close(reader)
    log.say("info", "test")
    assert log.dropped == 0
    os.close(writer)
    Log(TEXT, writer).say("info", "test")


def test_a_file_gets_the_lines_of_several_logs(tmp_path: Path) -> None:
    with (tmp_path / "log").open("wb") as file:
        for log in (Log(TEXT, file.fileno()), Log(TEXT, file.fileno())):
            log.say("info", "test")
    assert (tmp_path / "log").read_text().count("event=test\n") == 2


def test_a_bug_names_the_message_it_belongs_to(capfd: pytest.CaptureFixture[str]) -> None:
    Log(TEXT).report_bug("spf", ValueError(), "4XYZ")
    assert "event=bug where=spf id=4XYZ error=ValueError()" in capfd.readouterr().err
