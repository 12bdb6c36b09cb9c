"""The Makefile: what a target needs is looked for once and first, and who is not root is told so first."""

import shutil
import subprocess

import pytest

from lab.paths import REPO


def planned(target: str, *, root: bool) -> list[str]:
    """What `make` would run, line by line."""
    if shutil.which("make") is None:
        pytest.skip("make is not installed")
    command = ["make", "--dry-run", "--no-print-directory", target, f"ROOT={'0' if root else ''}"]
    return subprocess.run(command, cwd=REPO, check=True, capture_output=True, text=True).stdout.splitlines()


@pytest.mark.parametrize("root", [True, False])
@pytest.mark.parametrize("target", ["build", "demo", "test", "lint", "bench", "conformance"])
def test_packages_are_looked_for_once_and_first(target: str, root: bool) -> None:
    lines = [line for line in planned(target, root=root) if line != ":" and not line.startswith("echo")]
    assert [at for at, line in enumerate(lines) if "debian-packages.sh" in line] == [0]


@pytest.mark.parametrize("target", ["demo", "test", "bench"])
def test_whoever_is_not_root_is_told_first(target: str) -> None:
    assert planned(target, root=False)[0].startswith('echo "Not root: ')
    assert not any("Not root" in line for line in planned(target, root=True))


def test_the_demo_wants_postfix_of_root_alone() -> None:
    assert " postfix" in planned("demo", root=True)[1]
    assert " postfix" not in planned("demo", root=False)[1]
