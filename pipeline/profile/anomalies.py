"""What is odd about a version, in sentences."""

from collections.abc import Iterator, Mapping
from typing import Any

from pipeline.ingest.drift import measure_drift
from pipeline.ingest.drift_config import DriftConfig, DriftLimit
from pipeline.ingest.profile import Profile

#: A label with fewer rows is hardly learned; fewer values tell nothing about being unique.
_FEW_ROWS, _FEW_VALUES = 20, 100
_NEARLY_UNIQUE, _MANY_DUPLICATES = 0.98, 0.01
#: A text is extreme that has at least so many characters and is so many times as long as 99 % of all.
_EXTREME_LENGTH, _EXTREME_TIMES = 1000, 20
_IDENTIFIER_LENGTH = 64
#: Smaller moves since the version before are not told; nor, for labels, any that chance alone may make.
_MOVES = DriftConfig(nulls=DriftLimit(limit=0.05), labels=DriftLimit(limit=0.02))

Against = tuple[int, int, Mapping[str, int]]


def told(facts: Mapping[str, Any], nulls: Mapping[str, int], against: Against | None) -> list[str]:
    """The sentences, the most telling kinds first.

    Parameters
    ----------
    facts
        The profile without them.
    nulls
        Nulls by column.
    against
        Number, rows and nulls by column of the version before; None where there is none.
    """
    found = [*_drift(facts, nulls, against)] if against is not None else []
    for column in facts["columns"]:
        found += _column(column, facts["rows"])
    found += _labels(facts)
    repeated = 1 - facts["distinct_rows"]["count"] / facts["rows"] if facts["rows"] else 0.0
    if repeated > max(_MANY_DUPLICATES, 3 * facts["distinct_rows"]["standard_error"]):
        found.append(f"{repeated:.1%} of the rows repeat another row in all columns")
    return found


def _drift(facts: Mapping[str, Any], nulls: Mapping[str, int], against: Against) -> Iterator[str]:
    number, rows, nulls_before = against
    series = facts["versions"]
    # Counts that are not exact would let labels seem to move.
    compared = len(series) > 1 and not series[0]["label_count_error"] and not series[1]["label_count_error"]
    labels = (series[1]["labels"], series[0]["labels"]) if compared else ({}, {})
    then = Profile(rows=rows, nulls=nulls_before, labels=labels[0])
    now = Profile(rows=facts["rows"], nulls=nulls, labels=labels[1])
    for drift in measure_drift(then, now, facts["rows"], _MOVES):
        yield f"{drift.what}: {drift.then} in version {number}, {drift.now} now"


def _column(column: Mapping[str, Any], rows: int) -> Iterator[str]:
    name, valid = column["column"], rows - column["nulls"]
    distinct = column["distinct"]
    if rows and not valid:
        yield f'column "{name}" is null in every row'
    elif valid > 1 and distinct["exact"] and distinct["count"] == 1:
        yield f'column "{name}" has one value in all rows that have any'
    length = column.get("length")
    named = length is None or (length["max"] or 0) <= _IDENTIFIER_LENGTH
    counts = "float" not in column["type"] and "double" not in column["type"] and "time" not in column
    if valid >= _FEW_VALUES and named and counts and distinct["count"] >= _NEARLY_UNIQUE * valid:
        yield f'column "{name}" is nearly unique ({_about(distinct)} values in {valid:,} rows): it may be an identifier'
    if length and length["quantiles"]:
        usual = length["quantiles"]["0.99"]
        if length["max"] >= max(_EXTREME_LENGTH, _EXTREME_TIMES * usual):
            yield (
                f'column "{name}": its longest text has {length["max"]:,} characters, '
                f"99 % of the texts have at most {usual:,.0f}"
            )
    if column.get("replaced"):
        yield f'column "{name}": {_texts(column["replaced"])} with replacement characters (U+FFFD)'
    if column.get("not_finite"):
        yield f'column "{name}": {column["not_finite"]:,} of its numbers are infinite or not a number'


def _labels(facts: Mapping[str, Any]) -> Iterator[str]:
    if facts["versions"] and not facts["versions"][0]["label_count_error"]:
        for label, count in facts["versions"][0]["labels"].items():
            if count < _FEW_ROWS:
                yield f'label "{label}" has only {count} {"row" if count == 1 else "rows"}'


def _about(distinct: Mapping[str, Any]) -> str:
    return f"{distinct['count']:,}" if distinct["exact"] else f"about {distinct['count']:,}"


def _texts(count: int) -> str:
    return f"{count:,} {'text' if count == 1 else 'texts'}"
