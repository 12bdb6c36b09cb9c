"""conformance – runs the suites and writes their counts into docs/conformance.md.

    .venv/bin/python scripts/conformance.py

Every count comes from a run of the tests made now.

Raises     CalledProcessError where a suite cannot be run at all
"""

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "conformance.md"
START, END = "<!-- suites -->", "<!-- /suites -->"
# what, where it comes from, and pytest's arguments
SUITES = (
    ("SPF, RFC 7208", "openspf.org suite, 203 cases", ["tests/conformance/test_spf_suite.py"]),
    (
        "SPF, RFC 7208, grammar and order of evaluation",
        "ours, beside the ABNF",
        ["tests/checks/spf/test_grammar.py", "tests/checks/spf/test_order.py"],
    ),
    ("ARC validation, RFC 8617", "ValiMail arc_test_suite, 171 cases", ["tests/conformance/test_arc_suite.py"]),
    (
        "ARC, hardening and dkimpy's opinion",
        "ours",
        ["tests/checks/arc", "tests/conformance/test_arc_differential.py", "tests/e2e/test_arc_policy.py"],
    ),
    ("DMARC, RFC 9989, appendix B and the walk", "ours, from the RFC", ["tests/checks/dmarc"]),
    (
        "DKIM, RFC 6376, 8301, 8463",
        "ours, and RFC 8463 appendix A",
        ["tests/checks/dkim", "tests/conformance/test_dkim_rfc.py", "tests/conformance/test_dkim_differential.py"],
    ),
    ("DKIM beside OpenDKIM", "ours: 2,240 messages", ["tests/conformance/test_opendkim_differential.py"]),
    ("Hostile mail is linear in its size", "ours", ["tests/session/test_hostile.py"]),
    ("Fuzzing: the corpus, and mutations of it", "ours", ["tests/fuzz/test_corpus.py"]),
    (
        "Authors and forged fields",
        "ours; espoofer's 22 attacks written anew",
        [
            "tests/checks/test_author.py",
            "tests/syntax/test_address.py",
            "tests/header/test_auth_results.py",
            "tests/header/test_edits.py",
        ],
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
    """Return how many tests passed, failed and were skipped."""
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-n", "2", "--dist", "loadfile"]
    command += arguments
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
        lines.append(f"| {what} | {source} | {counts.get('passed', 0)} | {failed} | `pytest {' '.join(arguments)}` |")
        print(lines[-1], flush=True)
    return "\n".join(lines)


def main() -> int:
    head, _, rest = PAGE.read_text("utf-8").partition(START)
    _, _, tail = rest.partition(END)
    PAGE.write_text(f"{head}{START}\n{table()}\n{END}{tail}", "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
