"""run – measures mailvet, OpenDKIM and OpenDMARC in turn, with the same machine, corpus and DNS (`make bench`).

    python -m bench.run [--rounds N] [--quick]

It runs itself again in mount, network and process namespaces of its own (root is needed), so that peers which read the
system's resolver ask the one of the benchmark, nothing leaves the machine, and nothing is left running. It writes the
tables, the plot and the profile to docs/.

Raises     OSError, CalledProcessError where a part does not start
"""

import argparse
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from bench import corpus, milter_load, peers, profile, resolvers, smtp_load, strain
from bench.milter_load import Measured
from bench.report import Results, write
from lab.postfix import Postfix

CHAIN = ("OpenDKIM", "OpenDMARC")
OTHERS = ("dkimpy-milter", "rspamd")  # with BENCH_ALL=1, where installed
CONNECTIONS = 16
COLD_MILLISECONDS = 40
SIZES = (1_000, 10_000, 100_000, 1_000_000, 10_000_000, 50_000_000)
PACKAGES = {
    "nsd": "nsd",
    "unbound": "unbound",
    "postfix": "postfix",
    "opendkim": "opendkim",
    "opendmarc": "opendmarc",
    "unshare": "util-linux",
    "ip": "iproute2",
}
ROOT = Path(__file__).parents[1]

Jobs = list[tuple[bytes, dict[str, Any]]]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--quick", action="store_true", help="a tenth of the messages, one round, docs/ left alone")
    arguments = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    scratch = os.environ.get("MAILVET_BENCH")
    if not scratch:
        return _isolated(sys.argv[1:])
    try:
        run = _Bench(Path(scratch), 10 if arguments.quick else 1)
        results = run.measure(1 if arguments.quick else arguments.rounds)
    except (Unfit, TimeoutError) as e:
        print(f"bench: {e}", file=sys.stderr)
        return 1
    print(write(results, ROOT / "docs", Path(scratch) / "docs" if arguments.quick else ROOT / "docs"))
    return 0


class Unfit(Exception):
    """The results cannot be used, since a milter did not do its work."""


def _isolated(arguments: Sequence[str]) -> int:
    missing = sorted(package for program, package in PACKAGES.items() if not shutil.which(program, path=_path()))
    if missing:
        print(f"bench: missing; apt-get install -y --no-install-recommends {' '.join(missing)}", file=sys.stderr)
        return 2
    if os.geteuid() != 0:
        print("bench: needs root, since it works in a network namespace of its own", file=sys.stderr)
        return 2
    with tempfile.TemporaryDirectory(prefix="mailvet-bench-", ignore_cleanup_errors=True) as scratch:
        Path(scratch).chmod(0o755)  # Postfix has to reach the sockets
        environment = {**os.environ, "PATH": _path(), "MAILVET_BENCH": scratch, "TMPDIR": scratch}
        spaces = ["unshare", "--mount", "--net", "--pid", "--fork", "--kill-child", "--mount-proc"]
        inner = f'ip link set lo up && ip addr add {resolvers.ADDRESS}/32 dev lo && "$@"; exit $?'
        command = [*spaces, "sh", "-c", inner, "sh", sys.executable, "-m", "bench.run", *arguments]
        return subprocess.run(command, env=environment, cwd=ROOT, check=False).returncode


def _path() -> str:
    return os.environ.get("PATH", "/usr/bin:/bin") + ":/usr/sbin:/sbin"


class _Bench:
    """One run: its directory and its senders. It sends 1/`less` of the messages of a full run."""

    def __init__(self, scratch: Path, less: int) -> None:
        self.scratch, self.less = scratch, less
        self.results = Results()
        self.world = corpus.World(random.Random(1))
        self.names = [*CHAIN, "mailvet"]
        if os.environ.get("BENCH_ALL"):
            for name in OTHERS:
                if peers.available(name):
                    self.names.append(name)
                else:
                    print(f"{name} is not installed (apt-get install -y {name}): left out", flush=True)

    def measure(self, rounds: int) -> Results:
        ours = self.scratch / "resolv.conf"
        ours.write_text(f"nameserver {resolvers.ADDRESS}\noptions timeout:2 attempts:2\n")
        subprocess.run(["mount", "--bind", str(ours), str(Path("/etc/resolv.conf").resolve())], check=True)
        mail = self.scratch / "corpus"
        corpus.make(mail, self.world, messages=600 // self.less)
        jobs = milter_load.load(mail)
        with resolvers.authority(self.scratch, mail):
            with resolvers.warm(self.scratch):
                for _ in range(rounds):
                    self._warm(jobs)
                    self._postfix(jobs)
                self._sizes()
                self._strain(jobs)
            self._cold(jobs)
        return self.results

    def _warm(self, jobs: Jobs) -> None:
        for name in self.names:
            if name in OTHERS and name in self.results.warm:
                continue  # slow: once is enough
            with peers.running(name, self.scratch) as milter:
                socket = str(milter.socket)
                milter_load.drive(jobs, socket, [milter.pid], 600 // self.less, CONNECTIONS)
                run = milter_load.drive(jobs, socket, [milter.pid], 2000 // self.less, CONNECTIONS)
            _check(name, run)
            self.results.warm.setdefault(name, []).append(run)
            _say(f"{name}: {run.cpu:.3f} ms CPU a message, {run.per_second:.0f}/s {run.errors or ''}")

    def _postfix(self, jobs: Jobs) -> None:
        for label, chain in (("chain", CHAIN), ("mailvet", ("mailvet",)), ("none", ())):
            with ExitStack() as stack:
                mta, _ = self._mta(stack, chain)
                smtp_load.drive(jobs, mta.ports["smtpd"], 300 // self.less, CONNECTIONS)
                run = smtp_load.drive(jobs, mta.ports["smtpd"], 1500 // self.less, CONNECTIONS)
            self.results.postfix.setdefault(label, []).append(run)
            _say(f"Postfix with {label}: {run.per_second:.0f}/s {run.errors or ''}")

    def _mta(self, stack: ExitStack, chain: Sequence[str]) -> tuple[Postfix, list[peers.Milter]]:
        """Start these milters, and a Postfix that asks them in order and throws the mail away."""
        milters = [stack.enter_context(peers.running(name, self.scratch)) for name in chain]
        sockets = [milter.socket for milter in milters]
        return stack.enter_context(Postfix({"smtpd": sockets})), milters

    def _sizes(self) -> None:
        """Measure CPU time by the size of a message."""
        for size in SIZES:
            corpus.make(self.scratch / f"size-{size}", self.world, messages=2 if size > 5_000_000 else 8, size=size)
        for name in (*CHAIN, "mailvet"):
            with peers.running(name, self.scratch) as milter:
                for size in SIZES:
                    jobs = milter_load.load(self.scratch / f"size-{size}")
                    count = max(2, min(400, 40_000_000 // size) // self.less)
                    milter_load.drive(jobs, str(milter.socket), [milter.pid], 2, 1)
                    run = milter_load.drive(jobs, str(milter.socket), [milter.pid], count, 2)
                    self.results.sizes.setdefault(name, []).append((size, run))
            _say(f"{name} by size: " + ", ".join(f"{s:,}: {run.cpu:.2f} ms" for s, run in self.results.sizes[name]))
        for size in SIZES:
            shutil.rmtree(self.scratch / f"size-{size}")

    def _strain(self, jobs: Jobs) -> None:
        found, signed = self.results.strain, self.world.twice_signed()
        steps: tuple[Callable[[str, int], None], ...] = (
            lambda socket, pid: strain.huge(found, socket, pid, signed, 50_000_000 // self.less),
            lambda socket, pid: found.bodies.update(strain.bodies(socket, pid, signed)),
            lambda socket, pid: strain.idle(found, jobs, socket, pid, 2000 // self.less),
        )
        with peers.running("mailvet", self.scratch) as milter:
            milter_load.drive(jobs, str(milter.socket), [milter.pid], 600, CONNECTIONS)
            for step in steps:
                step(str(milter.socket), milter.pid)
            seconds = max(2, 20 // self.less)
            self.results.profile = profile.take(jobs, str(milter.socket), milter.pid, seconds, self.scratch)
        with ExitStack() as stack:
            mta, (milter,) = self._mta(stack, ("mailvet",))
            smtp_load.drive(jobs, mta.ports["smtpd"], 50, CONNECTIONS)
            strain.killed(found, jobs, mta, milter.pid, 600)
        _say(f"{found.huge}: {found.huge_rss} MiB; bodies {found.bodies}; killed a worker: {found.killed}")

    def _cold(self, jobs: Jobs) -> None:
        """Send messages one by one, as Postfix does, with a resolver that is far away and has an empty cache."""
        count = 80 // self.less
        for name in self.names:
            with resolvers.cold(COLD_MILLISECONDS) as server, peers.running(name, self.scratch) as milter:
                run = milter_load.drive(jobs, str(milter.socket), [milter.pid], count, 1, lockstep=True)
                if name == "mailvet":
                    self.results.ahead = peers.dns_counter("questions"), peers.dns_counter("unused")
                server.terminate()
                self.results.questions[name] = int(server.communicate(timeout=10)[0] or 0) / count
            _check(name, run)
            self.results.cold[name] = run
            _say(f"{name} cold: {run.mean:.0f} ms a message, {self.results.questions[name]:.1f} questions")


def _check(name: str, run: Measured) -> None:
    least = 0.8 if name == "dkimpy-milter" else 0.9  # it says nothing of mail without a signature
    if run.verified <= least:
        raise Unfit(
            f"{name} gave only {run.verified:.0%} of the messages an Authentication-Results field: {run.errors}"
        )


def _say(line: str) -> None:
    print(line, flush=True)


if __name__ == "__main__":
    sys.exit(main())
