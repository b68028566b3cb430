"""The profile of a version: what its columns hold, how it stands beside earlier versions, and what is odd about it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa
from dask import delayed

from pipeline import frame
from pipeline.execute import Execute
from pipeline.ingest.operations.operation import is_text
from pipeline.profile.anomalies import told
from pipeline.profile.partial import (
    VALUES,
    ColumnSketch,
    Partial,
    day_of,
    frequent_values,
    has_values,
    merged,
    profile_spans,
)
from pipeline.profile.sketches import DISTINCT_ERROR, QUANTILE_ERROR, Frequent, Sampled, mean_of, number_of
from storage.scan import Span, read_spans, spans_of
from storage.versions import DataFile, Snapshot

QUANTILES = (0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99)
#: Parquet bytes of one task; partials merged at once; the most partials that come back to be merged here.
_BLOCK_BYTES, _FAN_IN, _MOST_ROOTS = 16_000_000, 8, 64
#: A version with no more bytes than this is not worth the start of a cluster.
SMALL_BYTES = 2 * _BLOCK_BYTES


@dataclass(frozen=True, slots=True, kw_only=True)
class Counted:
    """Rows, nulls by column, and labels of a file of an earlier version."""

    rows: int = 0
    nulls: Mapping[str, int] = field(default_factory=dict)
    labels: Frequent = field(default_factory=lambda: Frequent(room=VALUES))

    def merge(self, other: "Counted") -> "Counted":
        """Of the rows of both; a column that one lacks is null in all its rows."""
        names = dict.fromkeys([*self.nulls, *other.nulls])
        return Counted(
            rows=self.rows + other.rows,
            nulls={name: self.nulls.get(name, self.rows) + other.nulls.get(name, other.rows) for name in names},
            labels=self.labels.merge(other.labels),
        )

    @property
    def progress_rows(self) -> int:
        """Rows done with it, for whoever shows progress."""
        return self.rows


def profile_version(
    snapshot: Snapshot, earlier: Sequence[Snapshot], execute: Execute, *, label: str = "label", top: int = 20
) -> dict[str, Any]:
    """The profile for JSON, the same for any number of workers.

    Parameters
    ----------
    snapshot
        The version.
    earlier
        Versions before it, newest first, whose labels are shown beside its own; the first is the one that nulls and
        labels are compared with.
    execute
        Runs the tasks.
    label
        The column with the labels; nothing is said of labels where there is none.
    top
        How many values and tokens of a column are told.
    """
    blocks = _blocks(snapshot.files)
    nodes = [delayed(profile_spans, pure=False)(block, snapshot.schema) for block in blocks]
    sizes = [sum(span.file.bytes * span.rows // max(1, span.file.rows) for span in block) for block in blocks]
    # The tree depends on the version's files alone, and no process ever holds more than a few partials.
    while len(nodes) > _MOST_ROOTS:
        nodes = [delayed(merged, pure=False)(nodes[at : at + _FAN_IN]) for at in range(0, len(nodes), _FAN_IN)]
        sizes = [sum(sizes[at : at + _FAN_IN]) for at in range(0, len(sizes), _FAN_IN)]
    whole = merged(execute("profile", nodes, sizes=sizes)) if nodes else Partial()
    before = _count_earlier(earlier, label, execute)
    content = [column for column in snapshot.schema if column.name not in frame.SYSTEM_COLUMNS]
    facts: dict[str, Any] = {
        "dataset": snapshot.version.dataset,
        "version": snapshot.version.number,
        "fingerprint": snapshot.version.fingerprint,
        "rows": whole.rows,
        "distinct_rows": _distinct(whole.content.count, whole.content.is_exact, whole.rows),
        "columns": [
            _column_facts(column, whole.columns.get(column.name, ColumnSketch()), whole.rows, top) for column in content
        ],
        "label": label if _is_label(snapshot.schema, label) else None,
        "versions": [],
        "examples": [dict(row) for _, row in whole.examples],
    }
    if facts["label"]:
        now = Counted(rows=whole.rows, labels=_labels_of(whole, label))
        series = [(snapshot.version.number, now), *((one.version.number, counts) for one, counts in before)]
        facts["versions"] = [
            {"version": number, "rows": one.rows, "labels": _ordered(one.labels), "label_count_error": one.labels.error}
            for number, one in series
        ]
    nulls = {name: sketch.nulls for name, sketch in whole.columns.items()}
    against = (before[0][0].version.number, before[0][1].rows, before[0][1].nulls) if before else None
    facts["anomalies"] = told(facts, nulls, against)
    return facts


def _labels_of(whole: Partial, label: str) -> Frequent:
    return whole.columns[label].values if label in whole.columns else Frequent(room=VALUES)


def _ordered(labels: Frequent) -> dict[str, int]:
    return {one["value"]: one["count"] for one in labels.top(len(labels.counts))}


def _blocks(files: Sequence[DataFile]) -> list[tuple[Span, ...]]:
    """The rows of the files in blocks of about `_BLOCK_BYTES`: several small files each, or a part of a large one."""
    blocks: list[tuple[Span, ...]] = []
    block: list[Span] = []
    room = _BLOCK_BYTES
    for file in files:
        for span in spans_of(file, _BLOCK_BYTES):
            size = file.bytes * span.rows // max(1, file.rows)
            if block and size > room:
                blocks.append(tuple(block))
                block, room = [], _BLOCK_BYTES
            block.append(span)
            room -= size
    return [*blocks, tuple(block)] if block else blocks


def _count_earlier(earlier: Sequence[Snapshot], label: str, execute: Execute) -> list[tuple[Snapshot, Counted]]:
    """Each version's counts; a file that several versions have is read once."""
    plan: dict[str, tuple[DataFile, pa.Schema, tuple[str, ...]]] = {}
    for number, one in enumerate(earlier):
        names = [name for name in one.schema.names if name not in frame.SYSTEM_COLUMNS]
        columns = tuple(names if number == 0 else [name for name in names if name == label])
        for file in one.files:
            plan.setdefault(file.path, (file, one.schema, columns))
    tasks = [delayed(count_file, pure=False)(*each, label) for each in plan.values()]
    counts = execute("earlier", tasks, sizes=[file.bytes for file, _, _ in plan.values()]) if tasks else []
    by_file = dict(zip(plan, counts, strict=True))
    found = []
    for one in earlier:
        total = Counted()
        for file in one.files:
            total = total.merge(by_file[file.path])
        found.append((one, total))
    return found


def count_file(file: DataFile, schema: pa.Schema, columns: Sequence[str], label: str) -> Counted:
    """Rows, nulls of these columns, and labels of a file; nulls where the file lacks a column."""
    total = Counted()
    for span in spans_of(file, _BLOCK_BYTES):
        table = read_spans([span], columns, schema=schema) if columns else None
        part = Counted(
            rows=span.rows,
            nulls={name: table[name].null_count for name in columns} if table is not None else {},
            labels=_labels_in(table, label) if table is not None else Frequent(room=VALUES),
        )
        total = total.merge(part)
    return total


def _labels_in(table: pa.Table, label: str) -> Frequent:
    if not _is_label(table.schema, label):
        return Frequent(room=VALUES)
    return frequent_values(table[label].combine_chunks())


def _is_label(schema: pa.Schema, name: str) -> bool:
    return name in schema.names and has_values(schema.field(name).type)


def _distinct(count: int, exact: bool, most: int) -> dict[str, Any]:
    return {"count": min(count, most), "exact": exact, "standard_error": 0.0 if exact else DISTINCT_ERROR}


def _column_facts(column: pa.Field, sketch: ColumnSketch, rows: int, top: int) -> dict[str, Any]:
    valid = rows - sketch.nulls
    facts: dict[str, Any] = {
        "column": column.name,
        "type": str(column.type),
        "nulls": sketch.nulls,
        "null_share": sketch.nulls / rows if rows else 0.0,
        "distinct": _distinct(sketch.distinct.count, sketch.distinct.is_exact, valid),
    }
    facts["duplicate_share"] = 1 - facts["distinct"]["count"] / valid if valid else 0.0
    if is_text(column.type):
        facts["length"] = _range(sketch, valid)
        facts["scripts"] = {script: count / valid for script, count in sketch.scripts.items()}
        facts["replaced"] = sketch.replaced
        if not sketch.distinct.is_exact or sketch.distinct.count > top:
            # Of a few values, the values themselves tell more.
            facts["tokens"] = {"top": sketch.tokens.top(top), "count_error": sketch.tokens.error}
            facts["languages"] = _languages(sketch.languages)
    elif pa.types.is_temporal(column.type):
        days = {str(share): day_of(sketch.bins.at(share)) for share in QUANTILES} if len(sketch.bins.keys) else {}
        facts["time"] = {"min": sketch.low, "max": sketch.high, "days": days}
    elif not (pa.types.is_boolean(column.type) or pa.types.is_binary(column.type)):
        facts["number"] = _range(sketch, valid - sketch.odd)
        facts["not_finite"] = sketch.odd
    facts["values"] = {"top": sketch.values.top(top), "count_error": sketch.values.error}
    return facts


def _languages(sample: Sampled) -> dict[str, Any]:
    rows = sum(sample.counts.values())
    return {
        "shares": {language: count / rows for language, count in sample.counts.items()},
        "rows": rows,
        "exact": not sample.level,
        "standard_error": sample.standard_error,
    }


def _range(sketch: ColumnSketch, count: int) -> dict[str, Any]:
    if not count:
        return {"min": None, "max": None, "mean": None, "quantiles": {}, "relative_error": QUANTILE_ERROR}
    low, high = sketch.low, sketch.high
    quantiles = {str(share): min(max(number_of(sketch.bins.at(share)), float(low)), float(high)) for share in QUANTILES}
    mean = mean_of(sketch.total, count)
    return {"min": low, "max": high, "mean": mean, "quantiles": quantiles, "relative_error": QUANTILE_ERROR}
