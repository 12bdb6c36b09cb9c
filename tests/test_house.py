"""The house keeps its own rules: who may import whom, how long a room may be, what may not stand in a file."""

import ast
import itertools
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

import milter
from lab.daemon import environment
from lab.paths import REPO

PACKAGE = REPO / "milter" / "mailvet"
ROOMS = {
    ".".join(file.relative_to(PACKAGE).with_suffix("").parts).removesuffix("__init__").rstrip("."): file
    for file in sorted(PACKAGE.rglob("*.py"))
}
TREES = {room: ast.parse(file.read_text("utf-8")) for room, file in ROOMS.items()}

# Folders, lowest first. A module imports from its own folder or from one that stands before it.
FOLDERS = (
    "",  # the vocabulary
    "syntax", "header",
    "checks", "checks.spf", "checks.dkim", "checks.arc", "checks.dmarc", "checks.breach",
    "policy", "session",
    "dns", "observe", "store", "config", "breach_service",
    "assembly",  # one file
    "daemon", "commands",
)  # fmt: skip
FIRST_EDGE = FOLDERS.index("dns")
MAY_SHARE = {("checks.arc", "checks.dkim")}  # of the checks, whose canonical forms and keys are the same
DISTRIBUTIONS = {"dkim": "dkimpy", "dns": "dnspython", "milter": "pymilter", "spf": "pyspf"}  # else named as imported
PAGES = sorted([*REPO.glob("*.md"), *REPO.glob("docs/*.md"), *REPO.glob("conf/*.md")])
# Not socket: syntax may use inet_pton; nor random: a source of chance may be handed in
WORLDLY = {
    "asyncio", "ftplib", "http", "io", "logging", "multiprocessing", "os", "pathlib", "secrets", "select", "selectors",
    "shutil", "signal", "smtplib", "sqlite3", "ssl", "subprocess", "sys", "tempfile", "time",
}  # fmt: skip
LONGEST_FILE, LONGEST_FUNCTION = 250, 60  # the aim is 150 and 40

# What mailvet goes by, and what it must not go by any more
RFCS = {
    1035, 1468, 2045, 2047, 2231, 2308, 2781, 2919, 3492, 3501, 3834, 3986, 4007, 4291, 5234, 5321, 5322, 5424, 5452,
    5890, 5892, 5952, 6008, 6376, 6532, 6604, 6672, 6840, 6854, 6891, 7208, 7372, 7505, 7766, 8017, 8020, 8301, 8463,
    8601, 8616, 8617, 9110, 9619, 9989, 9990,
}  # fmt: skip
OBSOLETE = {821, 822, 1891, 2821, 2822, 4408, 4871, 5451, 5672, 7001, 7410, 7489, 7601, 9091}


def folder(room: str) -> str:
    if ROOMS[room].name == "__init__.py":
        return room
    return {"__main__": "commands", "assembly": "assembly"}.get(room, room.rpartition(".")[0])


def is_edge(room: str) -> bool:
    """Does it speak to the world: a foreign library, files, processes, the clock?"""
    tops = {name.split(".")[0] for name in imported(TREES[room])}
    return bool(foreign(room) or tops & WORLDLY)


def imported(tree: ast.AST) -> Iterator[str]:
    """Dotted names; of `from a import b` both a.b, since b may be a room."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, "relative import"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def rooms_imported(room: str) -> set[str]:
    found = set()
    for name in imported(TREES[room]):
        if name.split(".")[0] == "mailvet":
            inner = name.removeprefix("mailvet").lstrip(".")
            while inner and inner not in ROOMS:  # a name within a room
                inner = inner.rpartition(".")[0]
            found.add(inner)
    return found


def foreign(room: str) -> set[str]:
    tops = {name.split(".")[0] for name in imported(TREES[room])}
    return tops - sys.stdlib_module_names - {"mailvet"}


def committed() -> list[Path]:
    if not (REPO / ".git").exists():
        pytest.skip("not a git checkout")
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=REPO, check=True, capture_output=True).stdout
    return [REPO / name for name in listed.decode().split("\0") if name and (REPO / name).is_file()]


def cited(file: Path) -> set[int]:
    return {int(number) for number in re.findall(r"\bRFC ?(\d+)", file.read_text("utf-8", "replace"))}


EVERY_ROOM = pytest.mark.parametrize("room", [pytest.param(room, id=room or "mailvet") for room in ROOMS])


def test_each_folder_stands_in_the_order() -> None:
    assert {folder(room) for room in ROOMS} == set(FOLDERS)


@EVERY_ROOM
def test_imports_point_left(room: str) -> None:
    place = FOLDERS.index(folder(room))
    assert [other for other in rooms_imported(room) if FOLDERS.index(folder(other)) > place] == []


@EVERY_ROOM
def test_checks_do_not_know_each_other(room: str) -> None:
    ours = folder(room)
    others = {folder(other) for other in rooms_imported(room)} - {ours, "checks"}
    if ours.startswith("checks."):
        assert [other for other in others if other.startswith("checks.") and (ours, other) not in MAY_SHARE] == []


def test_no_room_imports_itself_by_way_of_others() -> None:
    left = {room: rooms_imported(room) - {room} for room in ROOMS}
    while done := [room for room, others in left.items() if not others & left.keys()]:
        for room in done:
            del left[room]
    assert not left


@EVERY_ROOM
def test_what_decides_does_not_reach_for_the_world(room: str) -> None:
    if FOLDERS.index(folder(room)) < FIRST_EDGE and not is_edge(room):
        assert [other for other in rooms_imported(room) if is_edge(other)] == []


def test_few_files_below_the_edges_speak_to_the_world() -> None:
    below = {room for room in ROOMS if FOLDERS.index(folder(room)) < FIRST_EDGE}
    assert {room for room in below if is_edge(room)} == {
        "checks.dkim.dkimpy", "checks.dkim.openssl", "checks.spf.pyspf",
    }  # fmt: skip


def test_each_foreign_library_has_one_door() -> None:
    doors = {
        library: {room for room in ROOMS if library in foreign(room)} for room in ROOMS for library in foreign(room)
    }
    assert all(folder(room) == "store" for room in doors.pop("sqlalchemy"))  # each table is declared by its store
    assert {library: rooms for library, rooms in doors.items() if len(rooms) > 1} == {}


@EVERY_ROOM
def test_libmilter_is_for_the_daemon_alone(room: str) -> None:
    if folder(room) != "daemon":
        assert not {"daemon.callbacks", "daemon.libmilter"} & rooms_imported(room)


@EVERY_ROOM
def test_a_room_can_be_taken_in(room: str) -> None:
    lines = ROOMS[room].read_text("utf-8").splitlines()
    functions = [node for node in ast.walk(TREES[room]) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    assert len(lines) <= LONGEST_FILE
    assert [f.name for f in functions if (f.end_lineno or 0) - f.lineno >= LONGEST_FUNCTION] == []


@EVERY_ROOM
def test_a_room_says_what_it_is(room: str) -> None:
    docstring = ast.get_docstring(TREES[room])
    if ROOMS[room].read_text("utf-8").strip():
        assert docstring
        assert docstring.startswith(f"{room.rpartition('.')[2]} – " if room else "mailvet ")


@EVERY_ROOM
def test_rfcs_are_those_we_go_by(room: str) -> None:
    assert cited(ROOMS[room]) <= RFCS


def test_no_file_cites_an_rfc_that_was_replaced() -> None:
    others = REPO / "tests" / "suites"
    assert [str(file) for file in committed() if others not in file.parents and cited(file) & OBSOLETE] == []


@EVERY_ROOM
def test_only_the_command_line_prints(room: str) -> None:
    calls = [node.func for node in ast.walk(TREES[room]) if isinstance(node, ast.Call)]
    if folder(room) != "commands":
        assert not any(isinstance(function, ast.Name) and function.id == "print" for function in calls)


def test_importing_a_room_opens_reads_and_reserves_nothing() -> None:
    rooms = [f"mailvet.{room}".rstrip(".") for room in ROOMS if room != "__main__"]  # which runs the command line
    run = [sys.executable, "-m", "lab.importing", *rooms]
    assert subprocess.run(run, env=environment(), capture_output=True, check=True, text=True).stdout == ""


def test_the_c_extension_is_not_hidden_by_our_directory() -> None:
    assert milter.__file__ is not None  # a namespace package would have none


@pytest.mark.parametrize(
    "what",
    [
        pytest.param(r"/(?:work|root|home)/\w", id="a path of one machine"),
        pytest.param(r"(?:py)pi\.|python(?:hosted)|--(?:extra-)?index-url|--find(?:-links)", id="a package index"),
        pytest.param(r"^(?:<{7}|>{7}) ", id="a merge conflict"),
    ],
)
def test_no_committed_file_has(what: str) -> None:
    pattern = re.compile(what, re.MULTILINE)
    texts = {file: file.read_text("utf-8", "replace") for file in committed()}
    assert [str(file) for file, text in texts.items() if pattern.search(text)] == []


def locked(name: str) -> dict[str, str]:
    """Name and version of each requirement; each has hashes."""
    text = (REPO / name).read_text("utf-8").replace("\\\n", " ")
    lines = [line.split() for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    assert all(any(word.startswith("--hash=sha256:") for word in words) for words in lines)
    return dict(words[0].split("==") for words in lines)


def project() -> dict:
    return tomllib.loads((REPO / "pyproject.toml").read_text("utf-8"))["project"]


def bare(requirement: str) -> str:
    return re.split(r"[\[<>=;]", requirement)[0].lower().replace("_", "-")


def test_locks_have_what_the_project_asks_for() -> None:
    run, develop = (
        {bare(name): version for name, version in locked(file).items()}
        for file in ("requirements.txt", "requirements-dev.txt")
    )
    assert {bare(wanted) for wanted in project()["dependencies"]} <= run.keys()
    assert {bare(wanted) for wanted in project()["optional-dependencies"]["dev"]} <= develop.keys()
    assert run.items() <= develop.items()


def test_each_dependency_has_its_reason() -> None:
    reasons = (REPO / "docs" / "dependencies.md").read_text("utf-8").lower().replace("_", "-")
    wanted = itertools.chain(project()["dependencies"], project()["optional-dependencies"]["dev"])
    assert [name for name in map(bare, wanted) if name not in reasons and not name.startswith("types-")] == []


def test_each_dependency_is_imported_where_we_say() -> None:
    table = (REPO / "docs" / "dependencies.md").read_text("utf-8").splitlines()
    rows = {cells[1].strip().lower(): cells[3] for line in table if len(cells := line.split("|")) == 5}
    said = {(room, library): rows[DISTRIBUTIONS.get(library, library)] for room in ROOMS for library in foreign(room)}
    assert [key for key, where in said.items() if f"`{key[0].replace('.', '/')}.py`" not in where] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    links = re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text("utf-8"))
    assert [link for link in links if not (page.parent / link).exists()] == []
