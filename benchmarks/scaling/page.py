"""The part of the page on scaling: forecasts beside runs, the plan, and the graph without work."""

from collections.abc import Iterator, Mapping
from typing import Any

from benchmarks.harness.tables import markdown
from benchmarks.plots import log_lines
from benchmarks.scaling.graph import GraphCost, told
from benchmarks.scaling.plan import STORAGE_BYTES_S

_WHAT = f"""A discrete-event model of workers, scheduler, driver, storage and commit (`benchmarks/scaling/simulate.py`
says what it leaves out). Block, scheduler, driver and commit costs are measured on this machine; that each worker has a
core to itself, and that the storage gives {STORAGE_BYTES_S / 1e9:g} GB/s to all of them together, is assumed.
"""


def plan_section(facts: Mapping[str, Any]) -> Iterator[str]:
    """Forecasts of runs that the model had not seen, then the plan."""
    yield "## Scaling\n"
    yield "    python -m benchmarks.scaling.suite --json docs/benchmarks/runs/scaling-plan.json\n"
    yield _WHAT
    checked = [
        (
            f"{shape['size_bytes'] / 1e6:g} MB",
            f"{shape['block_bytes'] / 1e6:g} MB",
            shape["workers"],
            f"{sum(one['run']['stages'].values()) + one['run']['rest_s']:.1f}",
            f"{one['forecast']['seconds']:.1f}",
            f"{one['error']:+.0%}",
        )
        for one in facts["checked"]
        for shape in [one["run"]["shape"]]
    ]
    worst = max(abs(one["error"]) for one in facts["checked"])
    yield "### Forecasts of runs that the model was not fitted to\n"
    yield markdown(("input", "block", "workers", "seconds", "forecast", "error"), checked) + "\n"
    yield f"{'PASS' if worst <= 0.15 else 'FALLS SHORT'}: the worst is {worst:.0%} off; the target is 15 %.\n"
    yield "### From 4 to 10,000 workers\n"
    rows = [
        (
            _size(one["size_bytes"]),
            f"{one['workers']:,}",
            f"{one['blocks']:,} of {one['block_bytes'] / 1e6:g} MB",
            _time(one["alone"]["seconds"]),
            one["alone_bottleneck"],
            one["batch"],
            _time(one["batched"]["seconds"]),
            one["batched_bottleneck"],
        )
        for one in facts["plan"]
    ]
    head = ("input", "workers", "blocks", "one a task", "limited by", "blocks a task", "takes", "limited by")
    yield markdown(head, rows) + "\n"
    yield "![plan](benchmarks/plan.svg)\n"


def plan_plot(facts: Mapping[str, Any]) -> str:
    """Hours over workers, a line for each size of input."""
    lines: dict[str, list[tuple[float, float]]] = {}
    for one in facts["plan"]:
        lines.setdefault(_size(one["size_bytes"]), []).append((one["workers"], one["batched"]["seconds"]))
    return log_lines("How long a job would take", "workers", "seconds", lines)


def graph_section(facts: Mapping[str, Any]) -> Iterator[str]:
    """What graphs without work cost."""
    yield "### A graph without work, for real\n"
    blocks = " ".join(str(one["blocks"]) for one in facts["costs"])
    yield f"    python -m benchmarks.scaling.graph --blocks {blocks}\n"
    yield "".join(f"- {told(GraphCost(**one))}.\n" for one in facts["costs"])


def _size(size: int) -> str:
    return f"{size / 1e15:g} PB" if size >= 10**15 else f"{size / 1e12:g} TB"


def _time(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:,.1f} h"
