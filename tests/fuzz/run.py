"""run – the targets for a while: `python -m tests.fuzz.run [--seconds N] [--grow DIR] [target ...]`.

Coverage-guided by atheris where it is installed (`pip install atheris`), by plain mutation where it is not.
Starts from corpus/<target>. An input that a target does not survive is kept as crash-* and ends with
status 1: put it into the corpus, and it is a test (test_corpus.py). `--grow` keeps what reached new code.
"""

import argparse
import random
import re
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

CORPUS = Path(__file__).parent / "corpus"
_LONGEST = 8192
_WORDS = re.compile(rb"[A-Za-z0-9_.-]{2,24}[=:]?|[^A-Za-z0-9\s]")
_EXECUTIONS = re.compile(r"stat::number_of_executed_units:\s+(\d+)")
_ODD = (
    b"\0", b"\r", b"\n ", b"\r\n", b"\t", b"\xff", b"\xc3\xbc", b"(", b")", b'"', b"\\", b"<", b">", b"@", b",", b";",
    b":", b"=", b"=?utf-8?q?", b"?=", b"%{i}", b"xn--", b"\xe2\x80\xae", b"[", b"]", b"99999999999", b"-1",
)  # fmt: skip


def seeds(target: str) -> list[bytes]:
    return [file.read_bytes() for file in sorted((CORPUS / target).iterdir())]


def words(target: str) -> list[bytes]:
    return sorted({word for seed in seeds(target) for word in _WORDS.findall(seed)} | set(_ODD))


def mutated(pool: list[bytes], tokens: list[bytes], chance: random.Random) -> bytes:
    """One of the pool with some of it cut, doubled, swapped with another's, or with a word put in."""
    data = chance.choice(pool)
    for _ in range(chance.choice((1, 1, 2, 3, 5, 8))):
        at, to = sorted(chance.randrange(len(data) + 1) for _ in range(2))
        other = chance.choice(pool)
        begin = chance.randrange(len(other) + 1)
        piece = chance.choice(
            (b"", data[at:to] * 2, chance.choice(tokens), other[begin : begin + 64], chance.randbytes(2))
        )
        short = at + min(to - at, chance.randrange(9))
        data = data[:at] + piece + data[chance.choice((at, short, to)) :]
    return data[:_LONGEST]


def crash(target: str, data: bytes) -> Path:
    file = Path(f"crash-{target}-{sha256(data).hexdigest()[:12]}")
    file.write_bytes(data)
    return file


def plainly(target: str, run: Callable[[bytes], None], seconds: float, seed: int) -> int:
    """Without coverage; the count of executions."""
    pool, tokens, chance = seeds(target), words(target), random.Random(seed)
    count, until = 0, time.monotonic() + seconds
    while time.monotonic() < until:
        data = mutated(pool, tokens, chance)
        try:
            run(data)
        except Exception:
            traceback.print_exc()
            sys.exit(f"{target}: kept as {crash(target, data)}")
        count += 1
    return count


def guided(target: str, seconds: int, grow: Path) -> int:
    """In a process of its own, since libFuzzer ends the process; the count of executions."""
    grow.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile("w", suffix=".dict") as dictionary:
        for word in words(target):
            dictionary.write('"' + "".join(f"\\x{octet:02X}" for octet in word) + '"\n')
        dictionary.flush()
        options = [
            f"-max_total_time={seconds}", f"-max_len={_LONGEST}", f"-dict={dictionary.name}", "-print_final_stats=1",
            "-timeout=10", "-rss_limit_mb=2048", f"-artifact_prefix=crash-{target}-",
        ]  # fmt: skip
        command = [
            sys.executable,
            "-m",
            "tests.fuzz.run",
            "--inside",
            target,
            *options,
            str(grow),
            str(CORPUS / target),
        ]
        ended = subprocess.run(command, capture_output=True, text=True, errors="replace", timeout=seconds + 120)
    found = _EXECUTIONS.search(ended.stderr)
    if ended.returncode or found is None:
        trace, last = ended.stderr.partition("INFO:")[0], ended.stderr.rstrip().splitlines()[-5:]
        sys.exit("\n".join([ended.stdout, trace, *last, f"{target}: see crash-{target}-*"]))
    return int(found[1])


def inside(target: str, options: list[str]) -> None:
    """The process that libFuzzer takes over. What is imported here is instrumented."""
    import atheris

    with atheris.instrument_imports(include=["mailvet", "dkim", "spf"]):
        from tests.fuzz.targets import TARGETS
    atheris.Setup([sys.argv[0], *options], TARGETS[target])
    atheris.Fuzz()


def have_atheris() -> bool:
    return subprocess.run([sys.executable, "-c", "import atheris"], capture_output=True).returncode == 0


def main() -> None:
    if sys.argv[1:2] == ["--inside"]:
        inside(sys.argv[2], sys.argv[3:])
        return
    from tests.fuzz.targets import TARGETS

    reader = argparse.ArgumentParser(description="Fuzz mailvet; each target gets the same share of the time.")
    reader.add_argument("targets", nargs="*", metavar="target", help=", ".join(TARGETS))
    reader.add_argument("--seconds", type=int, default=60, help="for each target (60)")
    reader.add_argument("--grow", type=Path, help="directory that keeps what reached new code, for the next run")
    reader.add_argument("--plain", action="store_true", help="mutation without coverage, even if atheris is there")
    reader.add_argument("--seed", type=int, default=0, help="of the plain mutations")
    asked = reader.parse_args()
    unknown = set(asked.targets) - TARGETS.keys()
    if unknown:
        reader.error(f"no such target: {', '.join(sorted(unknown))}")
    coverage = not asked.plain and have_atheris()
    print("coverage-guided" if coverage else "plain mutation", flush=True)
    total = 0
    with tempfile.TemporaryDirectory() as scratch:
        for target in asked.targets or TARGETS:
            if coverage:
                count = guided(target, asked.seconds, (asked.grow or Path(scratch)) / target)
            else:
                count = plainly(target, TARGETS[target], asked.seconds, asked.seed)
            total += count
            print(f"{target:10} {count:>12,} executions", flush=True)
    print(f"{'all':10} {total:>12,} executions, nothing found")


if __name__ == "__main__":
    main()
