"""report – the measurements as a table and a plot.

Raises     OSError
"""

import math
import os
import platform
import statistics
from dataclasses import dataclass, field
from pathlib import Path

from bench.milter_load import Measured

COLOURS = {"OpenDKIM": "#b45309", "OpenDMARC": "#7c3aed", "mailvet": "#047857"}


@dataclass
class Results:
    warm: dict[str, list[Measured]] = field(default_factory=dict)  # by milter, one a round
    postfix: dict[str, list[Measured]] = field(default_factory=dict)  # "chain", "mailvet", "none"
    cold: dict[str, Measured] = field(default_factory=dict)
    questions: dict[str, float] = field(default_factory=dict)  # DNS questions a message, cold
    sizes: dict[str, list[tuple[int, Measured]]] = field(default_factory=dict)


def _median(runs: list[Measured], what: str) -> float:
    return statistics.median(getattr(run, what) for run in runs)


def table(results: Results) -> str:
    """Markdown: one row a milter, the chain, and mailvet's ratio to the chain."""
    lines = [
        "| | CPU ms/msg | msg/s | p50 ms | p99 ms | peak RSS MiB | cold ms/msg | DNS questions | through Postfix msg/s |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for name, runs in results.warm.items():
        through = f"{_median(results.postfix[name], 'per_second'):.0f}" if name in results.postfix else ""
        cold = f"{results.cold[name].mean:.0f}" if name in results.cold else ""
        asked = f"{results.questions[name]:.1f}" if name in results.questions else ""
        lines.append(
            f"| {name} | {_median(runs, 'cpu'):.3f} | {_median(runs, 'per_second'):.0f} | {_median(runs, 'median'):.1f} "
            f"| {_median(runs, 'p99'):.1f} | {_median(runs, 'peak_rss'):.0f} | {cold} | {asked} | {through} |"
        )
    cpu = sum(_median(results.warm[name], "cpu") for name in ("OpenDKIM", "OpenDMARC"))
    cold_chain = sum(results.cold[name].mean for name in ("OpenDKIM", "OpenDMARC"))
    asked_chain = sum(results.questions[name] for name in ("OpenDKIM", "OpenDMARC"))
    through_chain = _median(results.postfix["chain"], "per_second")
    lines.append(f"| chain of both | {cpu:.3f} | | | | | {cold_chain:.0f} | {asked_chain:.1f} | {through_chain:.0f} |")
    ours = _median(results.warm["mailvet"], "cpu")
    through = _median(results.postfix["mailvet"], "per_second")
    lines.append(
        f"| **mailvet ÷ chain** | **{ours / cpu:.2f}** | | | | | **{results.cold['mailvet'].mean / cold_chain:.2f}** "
        f"| {results.questions['mailvet'] / asked_chain:.2f} | **{through / through_chain:.2f}** |"
    )
    lines.append(f"| Postfix without a milter | | | | | | | | {_median(results.postfix['none'], 'per_second'):.0f} |")
    return "\n".join(lines)


def write(results: Results, docs: Path) -> str:
    """Put the table between the marks in docs/performance.md and the plot beside it; returns the table."""
    page = docs / "performance.md"
    text = page.read_text("utf-8")
    start, end = "<!-- table -->", "<!-- /table -->"
    head, _, rest = text.partition(start)
    _, _, tail = rest.partition(end)
    machine = f"Measured with `make bench` on {os.cpu_count()} cores ({platform.machine()}), Python {platform.python_version()}."
    found = table(results)
    page.write_text(f"{head}{start}\n{machine}\n\n{found}\n{end}{tail}", "utf-8")
    (docs / "performance.svg").write_text(plot(results.sizes), "utf-8")
    return found


def plot(sizes: dict[str, list[tuple[int, Measured]]]) -> str:
    """CPU milliseconds a message against its size, both logarithmic, as SVG."""
    width, height, left, bottom = 640, 400, 70, 50
    values = [run.cpu for runs in sizes.values() for _, run in runs if run.cpu > 0]
    low, high = math.floor(math.log10(min(values))), math.ceil(math.log10(max(values)))

    def x(size: float) -> float:
        return left + (math.log10(size) - 3) / 4.7 * (width - left - 20)

    def y(cpu: float) -> float:
        return height - bottom - (math.log10(max(cpu, 10**low)) - low) / (high - low) * (height - bottom - 20)

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" font-family="sans-serif" font-size="12">',
        f'<rect width="{width}" height="{height}" fill="white"/>',
    ]
    for power in range(low, high + 1):
        parts.append(f'<path d="M{left} {y(10**power):.1f}H{width - 20}" stroke="#ddd"/>')
        parts.append(f'<text x="{left - 8}" y="{y(10**power) + 4:.1f}" text-anchor="end">{10**power:g} ms</text>')
    for size, label in ((1e3, "1 kB"), (1e4, "10 kB"), (1e5, "100 kB"), (1e6, "1 MB"), (1e7, "10 MB"), (5e7, "50 MB")):
        parts.append(f'<text x="{x(size):.1f}" y="{height - bottom + 18}" text-anchor="middle">{label}</text>')
    for row, (name, runs) in enumerate(sizes.items()):
        points = " ".join(f"{x(size):.1f},{y(run.cpu):.1f}" for size, run in runs)
        parts.append(f'<polyline points="{points}" fill="none" stroke="{COLOURS[name]}" stroke-width="2"/>')
        parts.append(f'<text x="{left + 12}" y="{36 + 18 * row}" fill="{COLOURS[name]}">{name}</text>')
    parts.append(f'<text x="{width / 2}" y="{height - 8}" text-anchor="middle">message size (CPU a message, log-log)</text></svg>')
    return "\n".join(parts)
