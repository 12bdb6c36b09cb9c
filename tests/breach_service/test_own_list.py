"""The operator's own list: read, read again, refused."""

import asyncio
import hashlib
import os
from pathlib import Path

import pytest

from lab.breachprocess import ANN, BEN, CLEAN, BreachProcess, ask, own_list_process
from lab.daemon import scratch
from lab.hibp_server import TODAY
from lab.wait import until
from mailvet.breach_service.own_list import OwnList, parse
from mailvet.breach_service.runtime import Runtime
from mailvet.values import Problem
from mailvet.verdict import BreachResult

LISTED, NOT_LISTED = BreachResult.LISTED, BreachResult.NOT_LISTED

LIST = f"""# our incident of May
{ANN.upper()}
{hashlib.sha1(BEN.encode()).hexdigest()}:17   2026-05   passwords,stealer-log
third@signed.example 2026-04
"""


def test_a_list_of_ones_own(tmp_path: Path) -> None:
    with own_list_process(tmp_path, LIST) as breach_process:
        client = breach_process.client()
        first = ask(client, ANN)
        assert (first.result, first.source, first.classes) == (LISTED, "local", ("incident",))
        assert first.newest == TODAY.isoformat()[:7]
        second = ask(client, BEN)
        assert (second.newest, second.classes) == ("2026-05", ("passwords", "stealer-log"))
        assert ask(client, "third@signed.example").newest == "2026-04"
        assert ask(client, CLEAN).result is NOT_LISTED


def test_a_list_that_changes_is_read_again(tmp_path: Path) -> None:
    with own_list_process(tmp_path, LIST) as breach_process:
        client = breach_process.client()
        assert ask(client, CLEAN).result is NOT_LISTED
        (tmp_path / "list").write_text(LIST + CLEAN + "\n")
        until(lambda: client.ask(CLEAN, 1.0).result is LISTED)
        (tmp_path / "list").write_text("not an address\n")
        until(lambda: "line 1 is not an address" in breach_process.log)
        assert client.ask(CLEAN, 1.0).result is LISTED  # the one before stays
        (tmp_path / "list").write_text("")
        until(lambda: client.ask(CLEAN, 1.0).result is NOT_LISTED)


def test_a_list_that_is_missing_is_unknown(tmp_path: Path) -> None:
    (tmp_path / "x").mkdir()
    breach_process = BreachProcess(tmp_path, {"source": "file", "file": str(tmp_path / "list")})
    with breach_process:
        client = breach_process.client()
        assert client.ask(ANN, 1.0).problem == "there is no list"
        (tmp_path / "list").write_text(ANN)
        assert ask(client, ANN).result is LISTED
        assert breach_process.log.count("No such file") == 1


@pytest.mark.skipif(os.geteuid() != 0, reason="root alone can be another user")
def test_a_list_that_may_not_be_read_is_read_when_it_may(tmp_path: Path) -> None:
    """Neither its time nor its size changes."""
    said: list[str] = []
    with scratch() as directory:
        file = Path(directory, "list")
        file.write_text(ANN)
        own_list = OwnList(file, lambda: None, Runtime(say=said.append))
        for mode in (0o600, 0o644):
            file.chmod(mode)
            os.seteuid(65534)
            try:
                asyncio.run(own_list.reload())
                asyncio.run(own_list.reload())
            finally:
                os.seteuid(0)
    assert said == [f"{file}: Permission denied"]
    assert own_list.counts == {"lists refused": 1, "lists read": 1}


def test_a_list_that_cannot_be_looked_at_is_said_once(tmp_path: Path) -> None:
    said: list[str] = []
    (tmp_path / "file").write_text("")
    own_list = OwnList(tmp_path / "file" / "list", lambda: None, Runtime(say=said.append))
    for _ in range(3):
        asyncio.run(own_list.reload())
    assert said == [f"{tmp_path}/file/list: Not a directory"]


def test_a_list_may_begin_with_a_byte_order_mark(tmp_path: Path) -> None:
    said: list[str] = []
    (tmp_path / "list").write_text(ANN, "utf-8-sig")
    own_list = OwnList(tmp_path / "list", lambda: None, Runtime(say=said.append))
    asyncio.run(own_list.reload())
    assert (said, own_list.counts) == ([], {"lists read": 1})


@pytest.mark.parametrize(
    "entry", [f"{ANN} 2０26-05", f"<{ANN}>", f"{ANN},2026-05", f"{ANN};", "@signed.example", f"Ann <{ANN}>"]
)
def test_an_entry_that_is_not_an_address_is_refused(entry: str) -> None:
    found = parse([ANN, entry], "2026-05")
    assert isinstance(found, Problem)
    assert "line 2 is not an address" in found.text
