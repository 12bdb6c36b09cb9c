"""audit – look up every pinned dependency in a vulnerability database (OSV), by pip-audit and from the lock files.

    python -m scripts.audit [--service URL]

Exit status: 0 where nothing is known, and where the database cannot be reached, which is printed in capitals;
1 where a vulnerability is known; 2 where pip-audit itself fails, as with a lock file that it cannot read.
Names and versions of the dependencies leave this host, nothing else.

Raises     nothing
"""

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
LOCKS = ("requirements-dev.txt", "requirements-build.txt", "requirements-fuzz.txt")  # dev has all of run time
_SECONDS = 10
# Names in pip-audit's last words where the network or the service failed and the lock files did not
_UNREACHABLE = ("requests.exceptions.", "ServiceError", "Could not connect")


def run(service: str = "") -> tuple[int, str]:
    """Return the exit status, and the lines to print."""
    with tempfile.TemporaryDirectory(prefix="mailvet-audit-") as scratch:
        report = Path(scratch) / "report.json"
        command = [sys.executable, "-m", "pip_audit", "--vulnerability-service", "osv", "--require-hashes"]
        command += ["--disable-pip", "--progress-spinner", "off", "--cache-dir", scratch, "--timeout", str(_SECONDS)]
        command += ["--format", "json", "--output", str(report)]
        command += [word for lock in LOCKS for word in ("--requirement", str(ROOT / lock))]
        command += ["--osv-url", service] if service else []
        done = subprocess.run(command, check=False, capture_output=True, text=True)
        if report.exists():
            return _judge(json.loads(report.read_text("utf-8"))["dependencies"])
    last = done.stderr.strip().rpartition("\n")[2]
    if any(name in done.stderr for name in _UNREACHABLE):
        return 0, f"Dependency audit: NOT DONE, since the vulnerability database could not be reached ({last})"
    return 2, f"Dependency audit: pip-audit failed\n{done.stderr}"


def _judge(dependencies: list[dict[str, Any]]) -> tuple[int, str]:
    found = [line for each in dependencies for line in _lines(each)]
    if found:
        return 1, "\n".join([*found, f"Dependency audit: {len(found)} known vulnerabilities"])
    return 0, f"Dependency audit: {len(dependencies)} pinned packages, no known vulnerability"


def _lines(dependency: dict[str, Any]) -> Iterator[str]:
    for known in dependency.get("vulns", ()):
        mended = ", ".join(known["fix_versions"]) or "no version yet"
        yield f"{dependency['name']} {dependency['version']}: {known['id']}, fixed in {mended}: {known['description']}"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--service", default="", help="URL of an OSV query API, instead of the public one")
    status, text = run(parser.parse_args().service)
    print(text)
    return status


if __name__ == "__main__":
    sys.exit(main())
