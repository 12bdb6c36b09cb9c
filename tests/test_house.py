"""The rules that a machine can check: who may import whom, how long a file may be, which words are banned."""

import ast
import functools
import itertools
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import lab
import milter
from lab.daemon import environment
from lab.paths import REPO
from scripts import conformance

PACKAGE = REPO / "milter" / "mailvet"
MODULES = {  # by dotted name inside the package; a folder's __init__.py by the name of the folder
    ".".join(file.relative_to(PACKAGE).with_suffix("").parts).removesuffix("__init__").rstrip("."): file
    for file in sorted(PACKAGE.rglob("*.py"))
}
TREES = {module: ast.parse(file.read_text("utf-8")) for module, file in MODULES.items()}
HELPERS = [file for folder in ("lab", "bench", "scripts") for file in sorted((REPO / folder).rglob("*.py"))]

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
WHERE_SHARED = {"sqlalchemy": "store"}  # each table is declared by the file that uses it
TESTS_BESIDE = {"conformance", "docs", "e2e", "fuzz"}  # folders of tests that are not folders of the package
TESTS_AT_THE_TOP = {"test_house.py", "test_make.py", "test_text.py", "test_verdict.py"}
PAGES = sorted([*REPO.glob("*.md"), *REPO.glob("docs/*.md"), *REPO.glob("conf/**/*.md")])
ARCHITECTURE, STANDARDS = REPO / "docs" / "architecture.md", REPO / "docs" / "standards.md"
# Not socket: syntax may use inet_pton; nor random: a source of chance may be handed in
WORLDLY = {
    "asyncio", "ftplib", "http", "io", "logging", "multiprocessing", "os", "pathlib", "secrets", "select", "selectors",
    "shutil", "signal", "smtplib", "sqlite3", "ssl", "subprocess", "sys", "tempfile", "time",
}  # fmt: skip
LONGEST_FILE, LONGEST_FUNCTION, MOST_PARAMETERS = 250, 60, 5  # the aim is 150 and 40
PUBLIC_IN_SPITE_OF_IT = {"_asdict", "_exit", "_fields", "_getframe", "_make", "_replace", "_Environ"}  # of Python

# Words that a reader took for their opposite, or had to decode
BANNED = {
    "fields go": r"\bfields (?:still )?go\b(?! (?:on|through|to|out|by|into))",  # "are removed"
    "(limit)": r"\(limit\)",  # name the key: "(limits.from_bytes)"
    "what is no X": r"\b(?:what|that) (?:is|are) no [a-z]+",  # "anything but an X"
    "that is none": r"\b(?:that|which) (?:is|are|was) none\b",  # "not an X"
}


def folder(module: str) -> str:
    if MODULES[module].name == "__init__.py":
        return module
    return {"__main__": "commands", "assembly": "assembly"}.get(module, module.rpartition(".")[0])


@functools.cache
def is_edge(module: str) -> bool:
    """Tell whether it speaks to the world: a foreign library, files, processes, the clock."""
    tops = {name.split(".")[0] for name in imported(TREES[module])}
    return bool(foreign(module) or tops & WORLDLY)


def imported(tree: ast.AST) -> Iterator[str]:
    """Yield dotted names; of `from a import b` a.b, since b may be a module."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, "relative import"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


@functools.cache
def modules_imported(module: str) -> frozenset[str]:
    found = set()
    for name in imported(TREES[module]):
        if name.split(".")[0] == "mailvet":
            inner = name.removeprefix("mailvet").lstrip(".")
            while inner and inner not in MODULES:  # a name within a module
                inner = inner.rpartition(".")[0]
            found.add(inner)
    return frozenset(found)


@functools.cache
def foreign(module: str) -> frozenset[str]:
    tops = {name.split(".")[0] for name in imported(TREES[module])}
    return frozenset(tops - sys.stdlib_module_names - {"mailvet"})


def functions(tree: ast.AST) -> list[ast.FunctionDef | ast.AsyncFunctionDef]:
    return [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]


def committed() -> list[Path]:
    if not (REPO / ".git").exists():
        pytest.skip("not a git checkout")
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=REPO, check=True, capture_output=True).stdout
    return [REPO / name for name in listed.decode().split("\0") if name and (REPO / name).is_file()]


def cited(file: Path) -> set[int]:
    return {int(number) for number in re.findall(r"\bRFC ?(\d+)", file.read_text("utf-8", "replace"))}


EVERY_MODULE = pytest.mark.parametrize("module", [pytest.param(module, id=module or "mailvet") for module in MODULES])


# --- imports ---


def test_each_folder_stands_in_the_order() -> None:
    assert {folder(module) for module in MODULES} == set(FOLDERS)


@EVERY_MODULE
def test_imports_point_left(module: str) -> None:
    place = FOLDERS.index(folder(module))
    assert [other for other in modules_imported(module) if FOLDERS.index(folder(other)) > place] == []


@EVERY_MODULE
def test_checks_do_not_know_each_other(module: str) -> None:
    ours = folder(module)
    others = {folder(other) for other in modules_imported(module)} - {ours, "checks"}
    if ours.startswith("checks."):
        assert [other for other in others if other.startswith("checks.") and (ours, other) not in MAY_SHARE] == []


def test_no_module_imports_itself_by_way_of_others() -> None:
    left = {module: modules_imported(module) - {module} for module in MODULES}
    while done := [module for module, others in left.items() if not others & left.keys()]:
        for module in done:
            del left[module]
    assert not left


@EVERY_MODULE
def test_what_decides_does_not_reach_for_the_world(module: str) -> None:
    if FOLDERS.index(folder(module)) < FIRST_EDGE and not is_edge(module):
        assert [other for other in modules_imported(module) if is_edge(other)] == []


def test_few_files_below_the_edges_speak_to_the_world_and_assembly_alone_imports_them() -> None:
    edges = {module for module in MODULES if FOLDERS.index(folder(module)) < FIRST_EDGE and is_edge(module)}
    assert edges == {"checks.dkim.dkimpy", "checks.dkim.openssl", "checks.spf.pyspf"}
    assert {module for module in MODULES if edges & modules_imported(module)} == {"assembly"}


def test_each_foreign_library_is_imported_in_one_place() -> None:
    places = {
        library: {module for module in MODULES if library in foreign(module)}
        for module in MODULES
        for library in foreign(module)
    }
    for library, home in WHERE_SHARED.items():
        assert {folder(module) for module in places.pop(library)} == {home}
    assert {library: modules for library, modules in places.items() if len(modules) > 1} == {}


@EVERY_MODULE
def test_libmilter_is_for_the_daemon_alone(module: str) -> None:
    loads_libmilter = {other for other in MODULES if "milter" in foreign(other)}
    if folder(module) != "daemon":
        assert modules_imported(module) & loads_libmilter == set()


def test_helpers_import_no_tests_and_lab_no_bench() -> None:
    for file in HELPERS:
        tops = {name.split(".")[0] for name in imported(ast.parse(file.read_text("utf-8")))}
        forbidden = {"tests"} if REPO / "lab" not in file.parents else {"tests", "bench", "scripts"}
        assert tops & forbidden == set(), file


@EVERY_MODULE
def test_private_names_stay_in_their_file(module: str) -> None:
    assert private_names_of_others(TREES[module]) == []


@pytest.mark.parametrize("file", HELPERS, ids=lambda file: str(file.relative_to(REPO)))
def test_private_names_stay_in_the_file_of_a_helper(file: Path) -> None:
    assert private_names_of_others(ast.parse(file.read_text("utf-8"))) == []


def private_names_of_others(tree: ast.Module) -> list[str]:
    """Return the underscore names that are imported, or used and nowhere made in this file."""
    made = set(PUBLIC_IN_SPITE_OF_IT)
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            made.add(node.name)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            made.add(node.id)
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
            made.add(node.attr)
    used = [node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)]
    used += [name.rpartition(".")[2] for name in imported(tree) if not name.startswith("__future__")]
    return [name for name in used if name.startswith("_") and not name.startswith("__") and name not in made]


def test_a_module_goes_by_words_of_its_own_path() -> None:
    """`check as dkim` and `record as dmarc_record` say what they are; `tag_list as taglist` is an old name."""
    files = [*MODULES.values(), *HELPERS, *(REPO / "tests").rglob("*.py")]
    found = [f"{file.relative_to(REPO)}: {each}" for file in files for each in aliases(ast.parse(file.read_text()))]
    assert found == []


def aliases(tree: ast.AST) -> Iterator[str]:
    """Yield the imports that give a module of ours a name with a word that is not in its path."""
    for node in ast.walk(tree):
        for alias in node.names if isinstance(node, ast.ImportFrom) else ():
            path = f"{node.module}.{alias.name}" if isinstance(node, ast.ImportFrom) else ""
            is_ours = any(
                (root / path.replace(".", "/")).with_suffix(".py").exists() for root in (REPO / "milter", REPO)
            )
            words = set(re.split(r"[._]", path))
            known = words | {word[:1] for word in words}  # `verdict as v` keeps the rows of a table short
            if is_ours and alias.asname and not set(alias.asname.split("_")) <= known:
                yield f"{path} as {alias.asname}"


def test_importing_a_module_opens_reads_and_reserves_nothing() -> None:
    modules = [f"mailvet.{module}".rstrip(".") for module in MODULES if module != "__main__"]  # the command line
    run = [sys.executable, "-m", "lab.importing", *modules]
    assert subprocess.run(run, env=environment(), capture_output=True, check=True, text=True).stdout == ""


# --- sizes, docstrings, printing ---


@EVERY_MODULE
def test_a_module_can_be_taken_in(module: str) -> None:
    assert len(MODULES[module].read_text("utf-8").splitlines()) <= LONGEST_FILE
    lengths = {function.name: (function.end_lineno or 0) - function.lineno + 1 for function in functions(TREES[module])}
    assert {name: length for name, length in lengths.items() if length > LONGEST_FUNCTION} == {}


@EVERY_MODULE
def test_what_travels_together_is_a_value(module: str) -> None:
    counts = {f"{function.name}:{function.lineno}": len(parameters(function)) for function in functions(TREES[module])}
    assert {name: count for name, count in counts.items() if count > MOST_PARAMETERS} == {}


def parameters(function: ast.FunctionDef | ast.AsyncFunctionDef) -> list[str]:
    """Return the names of its parameters; self and cls are not counted, `*names` and `**names` are."""
    given = function.args
    found = [*given.posonlyargs, *given.args, *given.kwonlyargs]
    names = [each.arg for each in found] + [each.arg for each in (given.vararg, given.kwarg) if each is not None]
    return names[1:] if names[:1] in (["self"], ["cls"]) else names


@EVERY_MODULE
def test_a_module_says_what_it_is(module: str) -> None:
    docstring = ast.get_docstring(TREES[module])
    if MODULES[module].read_text("utf-8").strip():
        assert docstring
        assert docstring.startswith(f"{module.rpartition('.')[2]} – " if module else "mailvet ")


@pytest.mark.parametrize("name", [name for name in MODULES if name and MODULES[name].name == "__init__.py"])
def test_a_folder_has_no_code_of_its_own(name: str) -> None:
    assert len(TREES[name].body) == 1  # the docstring


@EVERY_MODULE
def test_only_the_command_line_prints(module: str) -> None:
    calls = [node.func for node in ast.walk(TREES[module]) if isinstance(node, ast.Call)]
    if folder(module) != "commands":
        assert not any(isinstance(function, ast.Name) and function.id == "print" for function in calls)


def test_the_index_of_lab_names_every_helper() -> None:
    index = lab.__doc__ or ""
    helpers = {file.stem for file in (REPO / "lab").glob("*.py")} - {"__init__"}
    assert [name for name in sorted(helpers) if not re.search(rf"\b{name}\b", index)] == []


def test_the_c_extension_is_not_hidden_by_our_directory() -> None:
    assert milter.__file__ is not None  # a namespace package would have none


# --- tests ---


def test_each_test_stands_in_a_folder_of_the_package_or_in_one_of_a_few_others() -> None:
    files = {file.relative_to(REPO / "tests") for file in (REPO / "tests").rglob("test_*.py")}
    places = {file.parent.as_posix().replace("/", ".") for file in files if len(file.parts) > 1}
    assert {file.name for file in files if len(file.parts) == 1} == TESTS_AT_THE_TOP
    assert places - set(FOLDERS) - TESTS_BESIDE == set()


@pytest.mark.parametrize("name", [name for name in FOLDERS[1:FIRST_EDGE] if name != "checks"])
def test_each_folder_of_what_decides_has_tests(name: str) -> None:
    assert list((REPO / "tests").joinpath(*name.split(".")).glob("test_*.py"))


# --- standards ---


def listed(part: str) -> set[int]:
    """Return the numbers in the first column of a table of docs/standards.md."""
    rows = re.findall(r"^\| ([\d, ]+) \|", part, re.MULTILINE)
    return {int(number) for row in rows for number in row.split(",")}


STANDARDS_IN_USE, REPLACED = (listed(part) for part in STANDARDS.read_text("utf-8").split("## Replaced"))
CITING = [*MODULES.values(), REPO / "conf" / "mailvet.toml", *(page for page in PAGES if page.parent != REPO)]


@pytest.mark.parametrize("file", CITING, ids=lambda file: str(file.relative_to(REPO)))
def test_an_rfc_that_is_cited_stands_in_the_table(file: Path) -> None:
    assert cited(file) - STANDARDS_IN_USE == set()


def test_an_rfc_in_the_table_is_cited() -> None:
    assert STANDARDS_IN_USE - {number for file in CITING for number in cited(file)} == set()


def test_no_file_cites_an_rfc_that_was_replaced() -> None:
    assert {4408, 4871, 7489, 7601} <= REPLACED
    others = REPO / "tests" / "suites"
    assert [str(file) for file in committed() if others not in file.parents and cited(file) & REPLACED] == []


# --- words, and what may stand in no file ---


@pytest.mark.parametrize("pattern", BANNED.values(), ids=BANNED.keys())
def test_words_that_had_to_be_decoded_are_gone(pattern: str) -> None:
    """In the package, its configuration and the pages, but for the CHANGELOG, which tells what was."""
    banned = re.compile(pattern, re.IGNORECASE)
    files = [*MODULES.values(), *HELPERS, *PAGES, *(REPO / "conf").rglob("*.toml"), *(REPO / "conf").rglob("*.cf")]
    found = [
        f"{file.relative_to(REPO)}:{number}: {line.strip()[:100]}"
        for file in files
        if file.name != "CHANGELOG.md"
        for number, line in enumerate(file.read_text("utf-8").splitlines(), 1)
        if banned.search(line)
    ]
    assert found == []


@pytest.mark.parametrize(
    "what",
    [
        pytest.param(r"/(?:work|root|home)/\w", id="a path of one machine"),
        pytest.param(r"(?:py)pi\.|python(?:hosted)|--(?:extra-)?index-url|--find(?:-links)", id="a package index"),
        pytest.param(r"^(?:<{7}|>{7}) ", id="a merge conflict"),
        pytest.param(r"sys\.(?:path)\b\W*(?:\.|\[|=)", id="a change of the import path"),
    ],
)
def test_no_committed_file_has(what: str) -> None:
    pattern = re.compile(what, re.MULTILINE)
    texts = {file: file.read_text("utf-8", "replace") for file in committed()}
    assert [str(file) for file, text in texts.items() if pattern.search(text)] == []


# --- dependencies ---


def locked(name: str) -> dict[str, str]:
    """Return name and version of each requirement; each has hashes."""
    text = (REPO / name).read_text("utf-8").replace("\\\n", " ")
    lines = [line.split() for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    assert all(any(word.startswith("--hash=sha256:") for word in words) for words in lines)
    return dict(words[0].split("==") for words in lines)


def project() -> dict[str, Any]:
    table: dict[str, Any] = tomllib.loads((REPO / "pyproject.toml").read_text("utf-8"))["project"]
    return table


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
    said = {
        (module, library): rows[DISTRIBUTIONS.get(library, library)]
        for module in MODULES
        for library in foreign(module)
    }
    assert [key for key, where in said.items() if f"`{key[0].replace('.', '/')}.py`" not in where] == []


# --- pages ---


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    links = re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text("utf-8"))
    assert [link for link in links if not (page.parent / link).exists()] == []


@pytest.mark.parametrize("page", [page for page in PAGES if page.name != "CHANGELOG.md"], ids=lambda page: page.name)
def test_files_that_a_page_names_exist(page: Path) -> None:
    """In code spans: files of ours by their path in the repository, or in the package, and pytest's arguments."""
    words = [word for span in re.findall(r"`([^`\n]+)`", page.read_text("utf-8")) for word in span.split()]
    ours = ("bench/", "conf/", "docs/", "lab/", "milter/", "scripts/", "systemd/", "tests/")
    files = [word.partition("::")[0].rstrip(",;:") for word in words if word.startswith(ours) or word.endswith(".py")]
    named = [file for file in files if not re.search(r"[*{<$=]|N\.", file)]
    assert [file for file in named if not (REPO / file).exists() and not (PACKAGE / file).exists()] == []


def test_the_page_on_conformance_has_the_commands_of_its_script() -> None:
    page = (REPO / "docs" / "conformance.md").read_text("utf-8")
    rows = {(cells[1].strip(), cells[5].strip()) for line in page.splitlines() if len(cells := line.split("|")) == 7}
    rows = {row for row in rows if row[1].startswith("`pytest ")}
    assert rows == {(what, f"`pytest {' '.join(arguments)}`") for what, _, arguments in conformance.SUITES}


def test_the_architecture_names_every_folder_and_no_other() -> None:
    text = ARCHITECTURE.read_text("utf-8")
    wanted = [name.replace(".", "/") + "/" for name in FOLDERS[1:] if name != "assembly"]
    assert [name for name in wanted if f"`{name}`" not in text] == []
    named = re.findall(r"`(\w[\w/]*/)`", text)
    assert [name for name in named if not (REPO / name).is_dir() and not (PACKAGE / name).is_dir()] == []
