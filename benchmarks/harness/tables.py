"""Results for people: Markdown tables that a terminal shows as well."""

from collections.abc import Iterator, Sequence
from typing import Any

from benchmarks.harness.contender import OURS
from benchmarks.harness.figures import CPU, PEAK, Measured
from benchmarks.harness.targets import Verdict


def case_table(measured: Measured) -> str:
    """A row a contender: seconds with their spread, rates, CPU, peak memory, the ratio to textmill, other measures."""
    extra = sorted({name for one in measured.rounds for sample in one.values() for name in sample.measures})
    units = list(measured.work)
    head = ["contender", "seconds (least to most)", *(f"{_unit(unit)}/s" for unit in units), "CPU s", "peak MB"]
    rows = [[*head, f"times {OURS}", *extra]]
    rows += [_row(measured, contender, units, extra) for contender in measured.contenders]
    return markdown(rows[0], rows[1:])


def markdown(head: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    """A Markdown table; all columns but the first are set to the right."""
    lines = ["| " + " | ".join(map(str, row)) + " |" for row in [head, *rows]]
    return "\n".join([lines[0], "|" + "---|" + "---:|" * (len(head) - 1), *lines[1:]])


def verdict_lines(verdicts: Sequence[Verdict]) -> Iterator[str]:
    """A line a target."""
    for one in verdicts:
        found = "" if one.figure is None else f": {one.figure:.4g}"
        issue = "" if one.issue is None else f"issue {one.issue}, "
        yield f"{one.word:12} {one.claim} ({issue}wanted {one.wanted}){found}"


def _row(measured: Measured, contender: str, units: Sequence[str], extra: Sequence[str]) -> list[str]:
    seconds = measured.spread(contender)
    rates = [measured.work[unit] / _scale(unit) / seconds.median for unit in units]
    ratio = measured.ratio(contender, OURS).median if OURS in measured.contenders else float("nan")
    return [
        contender,
        f"{_seconds(seconds.median)} ({_seconds(seconds.least)} to {_seconds(seconds.most)})",
        *(f"{rate:,.4g}" for rate in rates),
        _seconds(measured.spread(contender, CPU).median),
        f"{measured.spread(contender, PEAK).median / 1e6:,.0f}",
        f"{ratio:.2f}",
        *(_extra(measured, contender, name) for name in extra),
    ]


def _seconds(seconds: float) -> str:
    """Two digits after the point, or as many as tell something of a short time."""
    return f"{seconds:.2f}" if seconds >= 1 else f"{seconds:.3g}"


def _extra(measured: Measured, contender: str, name: str) -> str:
    if any(name not in one[contender].measures for one in measured.rounds):
        return ""
    return f"{measured.spread(contender, name).median:.4g}"


def _unit(unit: str) -> str:
    return "MB" if unit == "bytes" else unit


def _scale(unit: str) -> float:
    return 1e6 if unit == "bytes" else 1.0
