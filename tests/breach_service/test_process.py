"""The process as a whole: how it starts and ends, its socket, and what leaves it."""

import hashlib
import socket
import threading
import time
from pathlib import Path

import pytest

from lab.breachprocess import ANN, ask, hibp_process, prefix
from lab.hibp_server import HibpServer
from lab.wait import until
from mailvet.checks.breach import wire
from mailvet.checks.breach.wire import Question, Urgency
from mailvet.verdict import BreachResult

LISTED = BreachResult.LISTED


@pytest.mark.parametrize(
    ("more", "log"),
    [
        ({"proxy": "http://proxy:31:28"}, "nobody is asked: breach.url, breach.api or breach.proxy"),
        ({"api_key_file": "/nonexistent/key"}, "nobody is asked: /nonexistent/key"),
        ({"ca_file": "/nonexistent/ca"}, "nobody is asked"),
        pytest.param(
            {"store": "postgresql+psycopg://u@h:abc/x"}, "nobody is asked: the port in the URL", id="a port in letters"
        ),
        pytest.param(
            {"store": "sqlite:////x.db?timeout=abc"}, "nobody is asked: the URL has a parameter", id="a bad parameter"
        ),
    ],
)
def test_what_is_not_set_up_is_said_and_unknown(
    tmp_path: Path, hibp: HibpServer, more: dict[str, str], log: str
) -> None:
    with hibp_process(tmp_path, hibp, **more) as breach_process:
        assert log in breach_process.log
        assert breach_process.client().ask(ANN, 1.0).problem == "the source is not set up"
    assert hibp.requests == []


def test_nothing_but_prefixes_and_verdicts_under_a_key(tmp_path: Path, hibp: HibpServer) -> None:
    people = [f"person{number}@signed.example" for number in range(20)]
    with hibp_process(tmp_path, hibp) as breach_process:
        client = breach_process.client()
        for person in people:
            ask(client, person)
    assert [len(asked) for asked in hibp.ranges] == [6] * 20
    assert sorted(hibp.ranges) == sorted(map(prefix, people))
    kept = b"".join(path.read_bytes() for path in tmp_path.glob("breach.[djlt]*"))
    requests = "".join(f"{request.path}{request.headers}" for request in hibp.requests).upper()
    for person in people:
        hashed = hashlib.sha1(person.encode()).hexdigest().upper()
        assert person.encode() not in kept
        assert bytes.fromhex(hashed) not in kept
        assert hashed[:6].encode() not in kept
        assert hashed[6:12] not in requests


def test_what_is_not_a_question_is_ignored_and_others_are_answered(tmp_path: Path, hibp: HibpServer) -> None:
    with hibp_process(tmp_path, hibp) as breach_process:
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as rude:
            rude.connect(str(breach_process.socket))
            for junk in (b"x", b"n" + b"1" * 19, b"n" + b"1" * 21, b"z" + b"1" * 20, b"n" * 2000):
                rude.send(junk)
            assert ask(breach_process.client(), ANN).result is LISTED
        assert breach_process.socket.stat().st_mode & 0o777 == 0o600


def test_a_worker_that_does_not_read_holds_up_nobody(tmp_path: Path, hibp: HibpServer) -> None:
    with hibp_process(tmp_path, hibp) as breach_process:
        ask(breach_process.client(), ANN)
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as deaf:
            deaf.connect(str(breach_process.socket))
            for _ in range(3000):
                deaf.send(wire.encode_question(Question(Urgency.NOW, hashlib.sha1(ANN.encode()).digest())))
            assert ask(breach_process.client(), ANN).result is LISTED
            until(lambda: breach_process.counters.get("answers dropped", 0) > 100)


def test_the_process_starts_no_threads_that_keep_it_from_ending(tmp_path: Path, hibp: HibpServer) -> None:
    hibp.pause = 5.0
    breach_process = hibp_process(tmp_path, hibp, timeout="20s")
    breach_process.start()
    threading.Thread(target=breach_process.client().ask, args=(ANN, 1.0), daemon=True).start()
    time.sleep(0.2)
    started = time.monotonic()
    assert breach_process.stop() == 0
    assert time.monotonic() - started < 4.0  # sooner than the answer


def test_told_to_stop_with_questions_queued_it_logs_no_bug(tmp_path: Path, hibp: HibpServer) -> None:
    hibp.pause = 0.05
    breach_process = hibp_process(tmp_path, hibp)
    breach_process.start()
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as worker:
        worker.connect(str(breach_process.socket))
        for number in range(500):
            digest = hashlib.sha1(b"%d" % number).digest()
            worker.send(wire.encode_question(Question(Urgency.NOW, digest)))
        until(lambda: breach_process.counters.get("asked", 0) > 0)
        for number in range(150):
            digest = hashlib.sha1(b"later %d" % number).digest()
            worker.send(wire.encode_question(Question(Urgency.NOW, digest)))
        assert breach_process.stop() == 0
    assert "bug" not in breach_process.log
    assert "Traceback" not in breach_process.log
    assert "exception was never" not in breach_process.log
