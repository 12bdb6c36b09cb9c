"""profile – finds out where a message's time goes in mailvet, by sampling its workers under load with py-spy.

Workers are not stopped for a sample, since libmilter ends when its poll is interrupted.
Only what runs in Python is seen, with the C functions it calls (hashes, RSA, sockets); libmilter's own
work and the kernel's between two callbacks is the rest of the CPU time.

Raises     OSError, CalledProcessError
"""

import collections
import re
import subprocess
import sys
import threading
from pathlib import Path

from bench import milter_load
from bench.milter_load import cpu_seconds

_RATE = 250  # samples a second
_WAITING = {("daemon/libmilter.py", "run")}  # the main thread, in libmilter's own loop
_FRAME = re.compile(r"^(?P<function>.+?) \((?P<file>[^()]+?)(?::\d+)?\)$")


def take(jobs: list[tuple[bytes, dict[str, object]]], socket: str, pid: int, seconds: int, scratch: Path) -> str:
    """Return a Markdown table of the modules and the functions with the largest shares."""
    spy = Path(sys.executable).with_name("py-spy")
    if not spy.exists():
        return "py-spy is not installed: no profile."
    raw = scratch / "profile.txt"
    stop = threading.Event()
    done: list[int] = []

    def load() -> None:
        while not stop.is_set():
            done.append(milter_load.drive(jobs, socket, [pid], 200, 16).messages)

    loader = threading.Thread(target=load)
    loader.start()
    before = cpu_seconds([pid])
    try:
        command = [str(spy), "record", "--subprocesses", "--nonblocking", "--format", "raw", "--rate", str(_RATE)]
        subprocess.run(
            [*command, "--duration", str(seconds), "--output", str(raw), "--pid", str(pid)],
            check=True,
            capture_output=True,
            timeout=seconds + 30,
        )
    finally:
        stop.set()
        loader.join()
    return _markdown(raw.read_text("utf-8"), cpu_seconds([pid]) - before, sum(done))


def _markdown(raw: str, cpu: float, messages: int) -> str:
    modules: collections.Counter[str] = collections.Counter()
    functions: collections.Counter[tuple[str, str]] = collections.Counter()
    total = 0
    for line in raw.splitlines():
        stack, _, count = line.rpartition(" ")
        frames = [frame for text in stack.split(";") if (frame := _FRAME.match(text))]
        ours = next((frame for frame in reversed(frames) if "mailvet/" in frame["file"]), None)
        if ours is None or (ours["file"].rpartition("mailvet/")[2], ours["function"]) in _WAITING:
            continue
        total += int(count)
        module = ours["file"].rpartition("mailvet/")[2]
        modules[module] += int(count)
        functions[(module, ours["function"])] += int(count)
    if not total:
        return "The profiler saw nothing."
    lines = [
        f"{total} samples; {messages} messages took {cpu:.1f} s of CPU.",
        "",
        "| module | share | | function | share |",
        "|---|---|---|---|---|",
    ]
    tops = zip(modules.most_common(14), functions.most_common(14), strict=False)
    for (module, seen), ((where, function), hits) in tops:
        lines.append(f"| {module} | {seen / total:.0%} | | {where}: `{function}` | {hits / total:.0%} |")
    return "\n".join(lines)
