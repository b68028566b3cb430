"""A profile as one HTML page, and the words that page and terminal share."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any

from storage.files import write_atomic
from textmill.report import units
from textmill.report.page import environment

Facts = Mapping[str, Any]

_PICTURE_WIDTH = 260.0
_SHOWN_LANGUAGES = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class ColumnLine:
    """A column's facts in words: numbers, times, or the lengths of texts."""

    name: str
    type: str
    nulls: int
    distinct: str
    least: str
    most: str
    mean: str
    quantiles: Mapping[str, str]

    def quantile(self, part: str) -> str:
        """What this share of the values does not exceed; empty where there is none."""
        return self.quantiles.get(part, "")


def about(distinct: Facts) -> str:
    """How many different ones, with the error where it is an estimate.

    Examples
    --------
    >>> about({"count": 1200, "exact": True, "standard_error": 0.0})
    '1,200'
    >>> about({"count": 51200, "exact": False, "standard_error": 0.0082})
    '51,200 ± 0.8 %'
    """
    told = units.count(distinct["count"])
    return told if distinct["exact"] else f"{told} ± {100 * distinct['standard_error']:.1f} %"


def columns_of(facts: Facts) -> list[ColumnLine]:
    """The columns in words, in order."""
    return [_line(column) for column in facts["columns"]]


def _line(column: Facts) -> ColumnLine:
    spread = column.get("length") or column.get("number") or column.get("time") or {}
    return ColumnLine(
        name=column["column"],
        type=column["type"],
        nulls=column["nulls"],
        distinct=about(column["distinct"]),
        least=_number(spread.get("min")),
        most=_number(spread.get("max")),
        mean=_number(spread.get("mean")),
        quantiles={
            part: _number(value) for part, value in (spread.get("quantiles") or spread.get("days") or {}).items()
        },
    )


def _number(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, datetime):
        # The type tells whether it is in UTC.
        return value.replace(tzinfo=None).isoformat(sep=" ", timespec="seconds")
    if isinstance(value, date) or not isinstance(value, (int, float)):
        return str(value)
    return f"{value:,}" if isinstance(value, int) else f"{value:,.6g}"


def label_table(facts: Facts) -> tuple[list[int], list[tuple[str, list[float]]]]:
    """Numbers of versions, oldest first, and each label's shares of the labelled rows in them, most frequent first."""
    series = facts["versions"][::-1]
    totals = [sum(one["labels"].values()) for one in series]
    labels = dict.fromkeys(label for one in facts["versions"] for label in one["labels"])
    shares = [
        (label, [one["labels"].get(label, 0) / max(total, 1) for one, total in zip(series, totals, strict=True)])
        for label in labels
    ]
    return [one["version"] for one in series], shares


def languages(column: Facts) -> list[tuple[str, float]]:
    """The shares of a column's languages, most frequent first, the rare ones together; empty where none are told.

    Examples
    --------
    >>> languages({"languages": {"shares": {"de": 0.25, "en": 0.75}}})
    [('en', 0.75), ('de', 0.25)]
    """
    shares = (column.get("languages") or {}).get("shares") or {}
    order = sorted(shares.items(), key=lambda item: (-item[1], item[0]))
    rest = sum(part for _, part in order[_SHOWN_LANGUAGES:])
    return [*order[:_SHOWN_LANGUAGES], *([("other", rest)] if rest else [])]


def _box(column: Facts) -> dict[str, float] | None:
    """Where the quantiles lie in a picture from the least to the most; None where there is nothing to draw."""
    spread = column.get("length") or column.get("number") or {}
    quantiles = spread.get("quantiles") or {}
    if not quantiles:
        return None
    # The extremes would leave no room for the rest: the picture goes from 1 % to 99 %.
    low, high = quantiles["0.01"], quantiles["0.99"]
    if not high > low:
        return None
    return {part: _PICTURE_WIDTH * ((value - low) / (high - low)) for part, value in quantiles.items()}


def render_profile_page(facts: Facts) -> str:
    """The page as HTML text; no text in the data can act as markup.

    Parameters
    ----------
    facts
        What `pipeline.profile.profile.profile_version` returns.
    """
    versions, labels = label_table(facts) if facts["versions"] else ([], [])
    context = {
        "facts": facts,
        "distinct_rows": about(facts["distinct_rows"]),
        "columns": [
            (line, column, _box(column)) for line, column in zip(columns_of(facts), facts["columns"], strict=True)
        ],
        "width": _PICTURE_WIDTH,
        "versions": versions,
        "labels": labels,
        "languages": languages,
    }
    return environment().get_template("profile.html").render(context)


def write_profile_page(facts: Facts, path: str | Path) -> Path:
    """Where the page lies once it is written; its directory is made where missing.

    Raises
    ------
    OSError
        If it cannot be written; an earlier page stays as it was.
    """
    path = Path(path)
    write_atomic(path, render_profile_page(facts).encode())
    return path
