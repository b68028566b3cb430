"""Pictures of a model's quality: from its evaluation to lines in a square, which the template draws as SVG."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from textmill.report.units import count, score

#: Sides of the square that lines are drawn in, and the room around it for words.
SIDE, MARGIN = 220.0, 34.0
#: Labels whose curves are drawn, the weakest.
_MOST_LINES = 5

Points = Sequence[tuple[float, float]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A line by its name, its points as SVG writes them, and its number in the order of colours."""

    name: str
    points: str
    tone: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Plot:
    """A picture with its words; `diagonal` marks where perfect, or worthless, answers would be."""

    title: str
    about: str
    x_name: str
    y_name: str
    x_ends: tuple[str, str]
    y_ends: tuple[str, str]
    lines: tuple[Line, ...]
    diagonal: bool


def plots(evaluation: Mapping[str, Any]) -> list[Plot]:
    """The pictures that an evaluation has facts for, best known first."""
    made = [
        _curves(evaluation, "roc", "roc_auc"),
        _curves(evaluation, "precision_recall", "average_precision"),
        _reliability(evaluation),
        _learning_curve(evaluation),
        _course(evaluation),
    ]
    return [plot for plot in made if plot is not None]


def _curves(evaluation: Mapping[str, Any], kind: str, area: str) -> Plot | None:
    found = [one for one in evaluation.get("curves") or () if one[kind] and one[area] is not None]
    if len(found) == 2 and kind == "roc":
        # The curve of one of two labels is the other's, seen from the other side.
        found = found[1:]
    weakest = sorted(found, key=lambda one: (one[area], one["label"]))[:_MOST_LINES]
    if not weakest:
        return None
    more = f", the weakest {len(weakest)} of {len(found)} labels" if len(found) > len(weakest) else ""
    names = {
        "roc": ("ROC", f"Rows found against false alarms as the threshold falls{more}.", "false alarms", "found"),
        "precision_recall": ("Precision and recall", f"As the threshold falls{more}.", "recall", "precision"),
    }
    title, about, x_name, y_name = names[kind]
    lines = [
        _line(f"{one['label']} {score(one[area])}", one[kind], (0, 1), (0, 1), tone) for tone, one in enumerate(weakest)
    ]
    return _plot(title, about, (x_name, y_name), ("0", "1"), ("0", "1"), lines, diagonal=kind == "roc")


def _reliability(evaluation: Mapping[str, Any]) -> Plot | None:
    bins = (evaluation.get("calibration") or {}).get("bins") or ()
    if not bins:
        return None
    points = [(each["confidence"], each["accuracy"]) for each in bins]
    error = evaluation["calibration"]["expected_error"]
    line = _line(f"expected error {score(error)}", points, (0, 1), (0, 1), 0)
    about = "How often the likeliest label is right at the probability it is given; the diagonal is honest."
    return _plot("Calibration", about, ("probability", "right"), ("0", "1"), ("0", "1"), [line], diagonal=True)


def _learning_curve(evaluation: Mapping[str, Any]) -> Plot | None:
    points = [(math.log2(each["rows"]), each["accuracy"]) for each in evaluation.get("learning_curve") or ()]
    if len(points) < 2:
        return None
    x_range, y_range = _range([x for x, _ in points]), _range([y for _, y in points])
    ends = count(2 ** x_range[0]), count(2 ** x_range[1])
    line = _line(f"after all rows {score(points[-1][1])}", points, x_range, y_range, 0)
    about = "Accuracy after one pass over so many rows: a line that still rises says that more rows would help."
    tall = score(y_range[0]), score(y_range[1])
    return _plot("Learning curve", about, ("rows", "accuracy"), ends, tall, [line], diagonal=False)


def _course(evaluation: Mapping[str, Any]) -> Plot | None:
    epochs: Sequence[Any] = evaluation.get("course") or ()
    if len(epochs) < 2:
        return None
    lines = {"rows before they are learned": [(one["epoch"], one["loss"]) for one in epochs]}
    if epochs[0]["validation_loss"] is not None:
        lines["rows set aside"] = [(one["epoch"], one["validation_loss"]) for one in epochs]
    x_range = (1.0, float(epochs[-1]["epoch"]))
    y_range = _range([y for points in lines.values() for _, y in points])
    drawn = [_line(name, points, x_range, y_range, tone) for tone, (name, points) in enumerate(lines.items())]
    ends, tall = ("1", count(x_range[1])), (score(y_range[0]), score(y_range[1]))
    return _plot("Loss by epoch", "Mean log loss.", ("epoch", "loss"), ends, tall, drawn, diagonal=False)


def _plot(
    title: str,
    about: str,
    names: tuple[str, str],
    x_ends: tuple[str, str],
    y_ends: tuple[str, str],
    lines: Sequence[Line],
    *,
    diagonal: bool,
) -> Plot:
    return Plot(
        title=title, about=about, x_name=names[0], y_name=names[1], x_ends=x_ends, y_ends=y_ends, lines=tuple(lines),
        diagonal=diagonal,
    )  # fmt: skip


def _line(name: str, points: Points, x_range: tuple[float, float], y_range: tuple[float, float], tone: int) -> Line:
    placed = ((SIDE * _part(x, x_range), SIDE * (1 - _part(y, y_range))) for x, y in points if math.isfinite(x + y))
    return Line(name=name, points=" ".join(f"{x:.1f},{y:.1f}" for x, y in placed), tone=tone)


def _part(value: float, ends: tuple[float, float]) -> float:
    return min(max((value - ends[0]) / ((ends[1] - ends[0]) or 1.0), 0.0), 1.0)


def _range(values: Sequence[float]) -> tuple[float, float]:
    return min(values), max(values)
