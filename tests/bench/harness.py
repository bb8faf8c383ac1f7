"""Honest timing: one thread, variants in turn in one run, medians; a table, and exit code 1 when a floor is missed."""

import platform
import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from statistics import median

from fflabels_cli.memory import keep_freed_memory

keep_freed_memory()  # as the commands do


@dataclass
class Row:
    """One claim: what was measured, against what, and what is owed (floor) and aimed at (goal)."""

    what: str
    measured: str
    holds: bool | None = None
    floor: str = "–"
    goal: str = "–"


def alternate(
    variants: dict[str, Callable[[], object]], rounds: int, calls: dict[str, int] | None = None
) -> dict[str, float]:
    """Return the median seconds a call of each variant, run in turn after one warm-up.

    ``calls``: how many calls in a row a variant's turn consists of (1), so that what takes microseconds is timed as it
    runs in a loop, not as it runs after another variant has emptied the caches.
    """
    times: dict[str, list[float]] = {name: [] for name in variants}
    for k in range(rounds + 1):
        for name, run in variants.items():
            count = (calls or {}).get(name, 1)
            begin = time.perf_counter()
            for _ in range(count):
                run()
            if k:
                times[name].append((time.perf_counter() - begin) / count)
    return {name: median(values) for name, values in times.items()}


def once(run: Callable[[], object]) -> float:
    """Return the seconds of a single run, for what takes long."""
    begin = time.perf_counter()
    run()
    return time.perf_counter() - begin


def device() -> str:
    """Return the processor and the versions that the figures belong to."""
    model = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        names = [
            line.split(":", 1)[1].strip() for line in cpuinfo.read_text().splitlines() if line.startswith("model name")
        ]
        model = names[0] if names else model
    parts = [f"{model}, one thread", f"Python {platform.python_version()}"]
    for package in ("fflabels", "numpy", "scipy", "scikit-image", "torch"):
        try:
            parts.append(f"{package} {version(package)}")
        except PackageNotFoundError:
            parts.append(f"{package} absent")
    return "; ".join(parts)


def write(title: str, rows: list[Row], notes: list[str], path: Path, command: str) -> bool:
    """Write the table as Markdown, print it, and return whether every floor holds."""
    marks = {True: "yes", False: "**no**", None: "–"}
    lines = [
        f"# {title}",
        "",
        f"`{command}` on {device()}.",
        "",
        "*Floor*: what `make bench` requires; *held*: whether it was met; *goal*: what we aim at.",
        "",
        "| what | measured | floor | held | goal |",
        "|---|---|---|---|---|",
    ]
    lines += [f"| {r.what} | {r.measured} | {r.floor} | {marks[r.holds]} | {r.goal} |" for r in rows]
    lines += ["", *(f"- {note}" for note in notes), ""]
    text = "\n".join(lines)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    print(text)
    return all(row.holds is not False for row in rows)
