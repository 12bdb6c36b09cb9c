"""conformance – run the suites and write what came of it into docs/conformance.md.

    .venv/bin/python scripts/conformance.py

Every row is counted from a test run made now; nothing is written that was not run.

Raises     CalledProcessError where a suite cannot be run at all
"""

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "conformance.md"
START, END = "<!-- suites -->", "<!-- /suites -->"
# what, where it comes from, and how pytest is told to run it
SUITES = (
    ("SPF, RFC 7208", "openspf.org suite, 203 cases", ["tests/conformance/test_spf_suite.py"]),
    (
        "SPF, RFC 7208, grammar and order of evaluation",
        "ours, beside the ABNF",
        ["tests/checks/spf/test_grammar.py", "tests/checks/spf/test_order.py"],
    ),
    ("ARC validation, RFC 8617", "ValiMail arc_test_suite, 171 cases", ["tests/conformance/test_arc_suite.py"]),
    ("ARC, hardening and dkimpy's opinion", "ours", ["tests", "-k", "test_arc and not test_arc_suite"]),
    ("DMARC, RFC 9989, appendix B and the walk", "ours, from the RFC", ["tests", "-k", "test_dmarc"]),
    (
        "DKIM, RFC 6376, 8301, 8463",
        "ours, and RFC 8463 appendix A",
        ["tests", "-k", "test_dkim or test_bodyhash or test_canonical or test_taglist or test_openssl"],
    ),
    ("DKIM beside OpenDKIM", "ours: 2,240 messages", ["tests/conformance/test_opendkim_differential.py"]),
    ("Hostile mail is linear in its size", "ours", ["tests/session/test_hostile.py"]),
    ("Fuzzing: the corpus, and mutations of it", "ours", ["tests/fuzz/test_corpus.py"]),
    (
        "Authors and forged fields",
        "ours; espoofer's 22 attacks written anew",
        ["tests", "-k", "test_author or test_address or test_authresults or test_edits"],
    ),
    (
        "What other programs read in our field",
        "SpamAssassin, mailauth, authres, models of mail programs, Sieve",
        ["tests/header/test_readers.py", "tests/docs/test_recipes.py"],
    ),
    (
        "What a session does; any function raises",
        "ours",
        ["tests/session/test_session.py", "tests/session/test_exceptions.py"],
    ),
    ("A real Postfix, DNS and milter socket", "ours; espoofer's attacks end to end", ["tests/e2e"]),
)


def run(arguments: list[str]) -> dict[str, int]:
    """How many tests passed, failed and were skipped."""
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        "-n",
        "2",
        "--dist",
        "loadfile",
        *arguments,
    ]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    last = done.stdout.strip().rsplit("\n", 1)[-1]
    counts = {word: int(number) for number, word in re.findall(r"(\d+) (passed|failed|skipped|error)", last)}
    if not counts:
        raise subprocess.CalledProcessError(done.returncode, done.args, done.stdout[-2000:])
    return counts


def table() -> str:
    lines = ["| What | Source | Passed | Failed | Repeat with |", "|---|---|---|---|---|"]
    for what, source, arguments in SUITES:
        counts = run(arguments)
        failed = counts.get("failed", 0) + counts.get("error", 0)
        command = " ".join(f'"{part}"' if " " in part else part for part in arguments)
        lines.append(f"| {what} | {source} | {counts.get('passed', 0)} | {failed} | `pytest {command}` |")
        print(lines[-1], flush=True)
    return "\n".join(lines)


def main() -> int:
    head, _, rest = PAGE.read_text("utf-8").partition(START)
    _, _, tail = rest.partition(END)
    PAGE.write_text(f"{head}{START}\n{table()}\n{END}{tail}", "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
