"""run – `make bench`: mailvet beside OpenDKIM and OpenDMARC, same machine, corpus and DNS, in turn.

    python -m bench.run [--rounds N] [--quick]

Runs itself again in a mount and network namespace of its own (root is needed), so that peers which read
the system's resolver ask the one of the benchmark, and nothing leaves the machine. Writes the table, the
plot and the profile to docs/.

Raises     what the parts raise
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from bench import corpus, milter_load, peers, postfix, resolvers, smtp_load
from bench.milter_load import Measured
from bench.report import Results, write

CHAIN = ("OpenDKIM", "OpenDMARC")
SLOWER = ("dkimpy-milter",)
CONNECTIONS = 16
COLD_MILLISECONDS = 40
SIZES = (1_000, 10_000, 100_000, 1_000_000, 10_000_000, 50_000_000)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--quick", action="store_true", help="a tenth of the messages: does it run at all?")
    arguments = parser.parse_args()
    if os.environ.get("MAILVET_BENCH") != "inside":
        return _isolated(sys.argv[1:])
    with tempfile.TemporaryDirectory(prefix="mailvet-bench-") as scratch:
        results = _measure(Path(scratch), arguments.rounds, 10 if arguments.quick else 1)
    print(write(results, Path(__file__).parents[1] / "docs"))
    return 0


def _isolated(arguments: Sequence[str]) -> int:
    if os.geteuid() != 0:
        print("make bench needs root: it uses a network namespace of its own", file=sys.stderr)
        return 2
    inner = f"ip link set lo up && exec {sys.executable} -m bench.run {' '.join(arguments)}"
    environment = {**os.environ, "MAILVET_BENCH": "inside"}
    return subprocess.run(["unshare", "--mount", "--net", "sh", "-c", inner], env=environment, check=False).returncode


def _own_resolv_conf(scratch: Path) -> None:
    ours = scratch / "resolv.conf"
    ours.write_text("nameserver 127.0.0.1\noptions timeout:2 attempts:2\n")
    subprocess.run(["mount", "--bind", str(ours), str(Path("/etc/resolv.conf").resolve())], check=True)


def _measure(scratch: Path, rounds: int, less: int) -> Results:
    scratch.chmod(0o755)  # Postfix has to reach the sockets
    _own_resolv_conf(scratch)
    mail = scratch / "corpus"
    corpus.make(mail, messages=600 // less)
    jobs = milter_load.load(mail)
    results = Results()
    names = [*CHAIN, "mailvet", *(SLOWER if os.environ.get("BENCH_ALL") else ())]
    with resolvers.authority(scratch, mail):
        with resolvers.warm(scratch):
            for _ in range(rounds):
                for name in names:
                    with peers.running(name, scratch) as milter:
                        socket = str(milter.socket)
                        milter_load.drive(jobs, socket, [milter.pid], 300 // less, CONNECTIONS)
                        run = milter_load.drive(jobs, socket, [milter.pid], 2000 // less, CONNECTIONS)
                    results.warm.setdefault(name, []).append(run)
                    print(f"{name}: {run.cpu:.3f} ms CPU a message, {run.per_second:.0f}/s {run.errors or ''}", flush=True)
                for label, chain in (("chain", CHAIN), ("mailvet", ("mailvet",)), ("none", ())):
                    run = _through_postfix(scratch, chain, jobs, 1500 // less)
                    results.postfix.setdefault(label, []).append(run)
                    print(f"Postfix with {label}: {run.per_second:.0f}/s {run.errors or ''}", flush=True)
            _sizes(scratch, results, less)
        _cold(scratch, jobs, results, 80 // less)
    return results


def _through_postfix(scratch: Path, chain: Sequence[str], jobs: list[tuple[bytes, dict[str, object]]], count: int) -> Measured:
    with ExitStack() as stack:
        milters = [stack.enter_context(peers.running(name, scratch)) for name in chain]
        port = stack.enter_context(postfix.running(scratch / "postfix", [milter.socket for milter in milters]))
        smtp_load.drive(jobs, "127.0.0.1", port, count // 5, CONNECTIONS)
        return smtp_load.drive(jobs, "127.0.0.1", port, count, CONNECTIONS)


def _sizes(scratch: Path, results: Results, less: int) -> None:
    """CPU against the size of a message."""
    for size in SIZES:
        mail = scratch / f"size-{size}"
        corpus.make(mail, messages=4, senders=8, size=size)
        jobs = milter_load.load(mail)
        count = max(4, min(400, 40_000_000 // size) // less)
        for name in (*CHAIN, "mailvet"):
            with peers.running(name, scratch) as milter:
                milter_load.drive(jobs, str(milter.socket), [milter.pid], 4, 1)
                run = milter_load.drive(jobs, str(milter.socket), [milter.pid], count, 4)
            results.sizes.setdefault(name, []).append((size, run))
        shutil.rmtree(mail)


def _cold(scratch: Path, jobs: list[tuple[bytes, dict[str, object]]], results: Results, count: int) -> None:
    """One message after the other, as Postfix speaks, with a resolver that is far away and has nothing cached."""
    for name in (*CHAIN, "mailvet"):
        with resolvers.cold(COLD_MILLISECONDS) as server, peers.running(name, scratch) as milter:
            run = milter_load.drive(jobs, str(milter.socket), [milter.pid], count, 1, lockstep=True)
            server.terminate()
            results.questions[name] = int(server.communicate()[0] or 0) / count
        results.cold[name] = run
        print(f"{name} cold: {run.mean:.0f} ms a message, {results.questions[name]:.1f} questions", flush=True)


if __name__ == "__main__":
    sys.exit(main())
