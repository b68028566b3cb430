"""The report as one HTML page: styles, pictures and text in a single file that opens anywhere, offline."""

import json
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from cluster.secrets import redacted_facts
from storage.files import write_atomic
from textmill.report import charts, facts, plots, units
from textmill.report.facts import Result

#: Rows shown before the rest is folded away.
_MOST_SOURCES = 24
_MOST_OPEN_LABELS = 6
_MOST_MISTAKES = 12


@cache
def environment() -> Environment:
    """What renders templates: nothing in a value can act as markup."""
    environment = Environment(
        loader=PackageLoader("textmill.report", ""),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "count": units.count,
        "counted": units.counted,
        "size": units.size,
        "duration": units.duration,
        "score": units.score,
        "visible": units.visible,
    }
    environment.globals["share"] = units.share
    return environment


def render_page(result: Result, *, store: str | None = None) -> str:
    """The page as HTML text.

    Parameters
    ----------
    result
        A run as `RunResult.to_dict()` gives it; what it lacks is left out. No text in it can act as markup.
    store
        What the proposed commands give to ``--store``; see `textmill.report.facts.next_commands`.
    """
    return environment().get_template("run.html").render(_context(redacted_facts(result), store))


def write_page(result: Result, path: str | Path, *, store: str | None = None) -> Path:
    """Where the page lies once it is written; its directory is made where missing.

    Raises
    ------
    OSError
        If it cannot be written; an earlier page stays as it was.
    """
    path = Path(path)
    write_atomic(path, render_page(result, store=store).encode())
    return path


def _context(result: Result, store: str | None) -> dict[str, Any]:
    matrix = facts.confusion(result)
    portions = facts.portions(result)
    classes = matrix.classes() if matrix else []
    sources = list(result.get("sources") or ())
    phases = facts.phase_seconds(result)
    evaluation = result.get("evaluation") or {}
    thresholds = evaluation.get("thresholds") or {}
    return {
        "name": result.get("name") or "run",
        "job": result.get("job") or "",
        "state": result.get("state") or "",
        "error": units.visible_lines(result.get("error") or ""),
        "started_at": result.get("started_at") or "",
        "warnings": result.get("warnings") or (),
        "ledger": result.get("ledger") or {},
        "portions": portions,
        "fates": facts.fate_totals(result),
        "flow": charts.flow(portions),
        "sources": sources[:_MOST_SOURCES],
        "more_sources": sources[_MOST_SOURCES:],
        "input_bytes": facts.input_bytes(result),
        "operations": result.get("operations") or (),
        "dataset": result.get("dataset"),
        "labels": facts.label_shares(result),
        "model": result.get("model"),
        "metrics": result.get("metrics") or {},
        "majority_share": matrix.majority_share if matrix else None,
        "heat_map": charts.heat_map(matrix) if matrix else None,
        "more_metrics": facts.more_metrics(result),
        "plots": plots.plots(evaluation),
        "plot_side": plots.SIDE,
        "plot_margin": plots.MARGIN,
        "thresholds": thresholds.get("expected") or {},
        "may_be_undecided": thresholds.get("undecided", False),
        "classes": sorted(classes, key=lambda each: (each.f1, each.label)),
        "mistakes": matrix.mistakes(_MOST_MISTAKES) if matrix else [],
        "features": _feature_bars(result),
        "open_labels": _MOST_OPEN_LABELS,
        "phases": phases,
        "phase_total": sum(seconds for _, seconds in phases),
        "stages": facts.stage_seconds(result),
        "total_seconds": (result.get("seconds") or {}).get("total") or 0.0,
        "peak_memory_bytes": result.get("peak_memory_bytes") or 0,
        "workers": result.get("workers") or 0,
        "settings": units.visible_lines(json.dumps(result.get("settings") or {}, ensure_ascii=False, indent=2)),
        "versions": result.get("versions") or {},
        "places": facts.places(result),
        "commands": facts.next_commands(result, store=store),
    }


def _feature_bars(result: Result) -> list[tuple[str, list[tuple[str, float, float]]]]:
    """Label, then its n-grams with weight and length of bar (0 to 1, of the heaviest of all labels)."""
    features = result.get("top_features") or {}
    heaviest = max((abs(weight) for weighted in features.values() for _, weight in weighted), default=0.0) or 1.0
    return [
        (label, [(ngram, weight, abs(weight) / heaviest) for ngram, weight in weighted])
        for label, weighted in features.items()
    ]
