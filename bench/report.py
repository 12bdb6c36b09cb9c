"""report – writes the measurements into docs/performance.md, as tables and a plot.

Raises     OSError
"""

import math
import os
import platform
import statistics
from dataclasses import dataclass, field
from pathlib import Path

from bench.milter_load import Measured
from bench.strain import BODY_SIZES, Strain

COLUMNS = (("cpu", 3), ("per_second", 0), ("median", 1), ("p99", 1), ("peak_rss", 0))
COLOURS = {"OpenDKIM": "#b45309", "OpenDMARC": "#7c3aed", "mailvet": "#047857"}


@dataclass
class Results:
    warm: dict[str, list[Measured]] = field(default_factory=dict)  # by milter, one a round
    postfix: dict[str, list[Measured]] = field(default_factory=dict)  # "chain", "mailvet", "none"
    cold: dict[str, Measured] = field(default_factory=dict)
    questions: dict[str, float] = field(default_factory=dict)  # DNS questions per message, cold
    ahead: tuple[float, float] = (0, 0)  # mailvet's questions in the cold run, and those nobody needed
    sizes: dict[str, list[tuple[int, Measured]]] = field(default_factory=dict)
    strain: Strain = field(default_factory=Strain)
    profile: str = ""


def _median(runs: list[Measured], what: str) -> float:
    return float(statistics.median(getattr(run, what) for run in runs))


def table(results: Results) -> str:
    """Markdown: one row a milter, the chain, and mailvet's ratio to the chain."""
    lines = [
        "| | CPU ms/msg | msg/s | p50 ms | p99 ms | peak RSS MiB | cold ms/msg | questions | Postfix msg/s |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for name, runs in results.warm.items():
        through = f"{_median(results.postfix[name], 'per_second'):.0f}" if name in results.postfix else ""
        cold = f"{results.cold[name].mean:.0f}" if name in results.cold else ""
        asked = f"{results.questions[name]:.1f}" if name in results.questions else ""
        cells = (f"{_median(runs, what):.{digits}f}" for what, digits in COLUMNS)
        lines.append(f"| {name} | {' | '.join(cells)} | {cold} | {asked} | {through} |")
    cpu_chain = sum(_median(results.warm[name], "cpu") for name in ("OpenDKIM", "OpenDMARC"))
    cold_chain = sum(results.cold[name].mean for name in ("OpenDKIM", "OpenDMARC"))
    asked_chain = sum(results.questions[name] for name in ("OpenDKIM", "OpenDMARC"))
    through_chain = _median(results.postfix["chain"], "per_second")
    lines.append(
        f"| chain of both | {cpu_chain:.3f} | | | | | {cold_chain:.0f} | {asked_chain:.1f} | {through_chain:.0f} |"
    )
    ours = _median(results.warm["mailvet"], "cpu")
    through_ours = _median(results.postfix["mailvet"], "per_second")
    lines.append(
        f"| **mailvet ÷ chain** | **{ours / cpu_chain:.2f}** | | | | "
        f"| **{results.cold['mailvet'].mean / cold_chain:.2f}** "
        f"| {results.questions['mailvet'] / asked_chain:.2f} | **{through_ours / through_chain:.2f}** |"
    )
    lines.append(f"| Postfix without a milter | | | | | | | | {_median(results.postfix['none'], 'per_second'):.0f} |")
    return "\n".join(lines)


def ahead(asked: float, unused: float) -> str:
    """Markdown: what asking ahead costs."""
    share = unused / max(1, asked - unused)
    return (
        f"Of mailvet's {asked:.0f} questions in the cold run {unused:.0f} were asked ahead for nothing: "
        f"{share:.1%} more than without asking ahead."
    )


def bodies(strain: Strain) -> str:
    """Markdown: CPU of a message by what its body is made of."""
    sizes = " | ".join(f"{size / 1000:,.0f} kB" for size in BODY_SIZES)
    lines = [f"| body | {sizes} | at most |", "|---|" + "---|" * (len(BODY_SIZES) + 1)]
    plain = strain.bodies["plain text"]
    for name, found in strain.bodies.items():
        cells = " | ".join(f"{cpu:.1f} ms" for cpu in found)
        worst = max(cpu / base for cpu, base in zip(found, plain, strict=True))
        lines.append(f"| {name} | {cells} | {worst:.2f} × plain text |")
    return "\n".join(lines)


def steady(strain: Strain) -> str:
    """Markdown: idle connections, huge mail, a killed worker."""
    assert strain.killed
    without, with_them = strain.idle
    before, half, peak = strain.huge_rss
    sent = strain.killed.messages + sum(strain.killed.errors.values())
    others = ", ".join(f"{number} × {code}" for code, number in sorted(strain.killed.errors.items())) or "none"
    return "\n".join(
        [
            f"- {strain.idle_count} idle connections: {strain.idle_cpu[1]:.1f} ms CPU per second while nothing happens,"
            f" {strain.idle_cpu[0]:.1f} ms without them; "
            f"a message costs {with_them:.3f} ms with them, {without:.3f} ms without (medians of rounds in turn).",
            f"- {strain.huge} side by side in {strain.huge_seconds:.0f} s: the largest process had "
            f"{before:.0f} MiB before, {half:.0f} MiB half way, {peak:.0f} MiB at most.",
            f"- One worker killed (`kill -9`) under load through Postfix: of {sent} messages {strain.killed.messages} "
            f"were answered 250 and {strain.delivered} came out at the far end; other answers: {others}. "
            f"Workers before {strain.workers[0]}, afterwards {strain.workers[1]}.",
        ]
    )


def write(results: Results, source: Path, target: Path) -> str:
    """Fill the marked places of performance.md and draw the plot beside it; returns what was filled in."""
    target.mkdir(exist_ok=True)
    cores = f"{os.cpu_count()} cores ({platform.machine()})"
    parts = {
        "table": f"Measured with `make bench` on {cores}, Python {platform.python_version()}.\n\n{table(results)}",
        "bodies": bodies(results.strain),
        "ahead": ahead(*results.ahead),
        "steady": steady(results.strain),
        "profile": results.profile,
    }
    text = (source / "performance.md").read_text("utf-8")
    for mark, content in parts.items():
        start, end = f"<!-- {mark} -->", f"<!-- /{mark} -->"
        head, _, rest = text.partition(start)
        text = f"{head}{start}\n{content}\n{end}{rest.partition(end)[2]}"
    (target / "performance.md").write_text(text, "utf-8")
    (target / "performance.svg").write_text(plot(results.sizes), "utf-8")
    return "\n\n".join(parts.values())


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
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
        'font-family="sans-serif" font-size="12">',
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
    legend = "message size (CPU a message, log-log)"
    parts.append(f'<text x="{width / 2}" y="{height - 8}" text-anchor="middle">{legend}</text></svg>')
    return "\n".join(parts)
