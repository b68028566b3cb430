"""The part of the page on larger clusters: forecasts beside runs, the plan, and what answers each limit."""

from collections.abc import Iterator, Mapping
from typing import Any

from benchmarks.harness.tables import markdown
from benchmarks.plots import log_lines
from benchmarks.scaling.plan import STORAGE_BYTES_S

_WHAT = f"""A discrete-event model of workers, scheduler, driver, storage and commit (`benchmarks/scaling/simulate.py`
says what it leaves out). Block, scheduler, driver and commit costs are measured on this machine; that each worker has a
core to itself, and that the storage gives {STORAGE_BYTES_S / 1e9:g} GB/s to all of them together, is assumed.
"""


#: What a run can be limited by -> what the design does about it.
ANSWERS: Mapping[str, str] = {
    "workers": "More workers: blocks need nothing of each other, and what they answer is added up in trees of fixed "
    "fan-in, so that nobody adds up more than a few answers at a time.",
    "driver": "Several blocks in one task, each with its own checkpoint (`cluster.execute.batch_for`), and larger "
    "blocks: driver and scheduler pay by the task.",
    "scheduler": "As for the driver: fewer and larger tasks.",
    "storage": "A faster storage. Input is read twice, to find where records begin and to parse them, and never passed "
    "between workers; what is written is compressed.",
    "commit": "One commit a run, whatever the number of its files: workers write them aside, one entry names them all.",
    "start": "Nothing to be had from more workers: the input is small.",
}


def plan_body(facts: Mapping[str, Any]) -> Iterator[str]:
    """Forecasts of runs that the model had not seen, then the plan."""
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
    yield "### Forecasts of runs that the model was not fitted to\n"
    yield markdown(("input", "block", "workers", "seconds", "forecast", "error"), checked) + "\n"
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
    found = dict.fromkeys(one[f"{way}_bottleneck"] for one in facts["plan"] for way in ("alone", "batched"))
    yield "### What answers each limit\n"
    yield "".join(f"- **{limit}**: {ANSWERS[limit]}\n" for limit in found)


def plan_plot(facts: Mapping[str, Any]) -> str:
    """Hours over workers, a line for each size of input."""
    lines: dict[str, list[tuple[float, float]]] = {}
    for one in facts["plan"]:
        lines.setdefault(_size(one["size_bytes"]), []).append((one["workers"], one["batched"]["seconds"]))
    return log_lines("How long a job would take", "workers", "seconds", lines)


def _size(size: int) -> str:
    return f"{size / 1e15:g} PB" if size >= 10**15 else f"{size / 1e12:g} TB"


def _time(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:,.1f} h"
