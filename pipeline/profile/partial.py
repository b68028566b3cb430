"""What some rows of a version are like: one sketch a column, all of which merge."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from pipeline import frame
from pipeline.ingest.operations.operation import is_text
from pipeline.ingest.stage_block import added_counts, counted
from pipeline.profile.languages import languages_of
from pipeline.profile.sketches import Bins, Distinct, Frequent, Sampled, exact_sum, number_keys
from pipeline.profile.texts import script_counts, token_counts
from storage.cell_hash import cell_hashes, column_seeds
from storage.scan import Span, read_spans

#: Different values and tokens that are counted; values longer than this many characters are not.
VALUES, TOKENS = 1024, 4096
_LONGEST_VALUE = 100
#: Rows shown as examples, and characters shown of each of their texts.
EXAMPLES, _SHOWN = 5, 300
_BATCH_ROWS = 65_536
_REPLACEMENT = "\ufffd"
EPOCH = date(1970, 1, 1)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ColumnSketch:
    """What a column holds.

    Attributes
    ----------
    nulls
        How many.
    distinct
        The different values, nulls aside.
    low, high
        The least and greatest number or time; None where there is none.
    total
        The finite numbers' `exact_sum`; of texts that of their lengths.
    odd
        Numbers that are infinite or none.
    bins
        Numbers, or lengths of texts in characters, by `number_keys`; times by days since 1970.
    values
        The most frequent values of columns other than fractions and times.
    tokens
        The most frequent tokens of texts.
    scripts
        Texts by what they are written in.
    languages
        The languages of a sample of the texts.
    replaced
        Texts with replacement characters.
    """

    nulls: int = 0
    distinct: Distinct = field(default_factory=Distinct)
    low: Any = None
    high: Any = None
    total: int = 0
    odd: int = 0
    bins: Bins = field(default_factory=Bins)
    values: Frequent = field(default_factory=lambda: Frequent(room=VALUES))
    tokens: Frequent = field(default_factory=lambda: Frequent(room=TOKENS))
    scripts: Mapping[str, int] = field(default_factory=dict)
    languages: Sampled = field(default_factory=Sampled)
    replaced: int = 0

    def merge(self, other: "ColumnSketch") -> "ColumnSketch":
        """Of the rows of both."""
        return ColumnSketch(
            nulls=self.nulls + other.nulls,
            distinct=self.distinct.merge(other.distinct),
            low=min((one.low for one in (self, other) if one.low is not None), default=None),
            high=max((one.high for one in (self, other) if one.high is not None), default=None),
            total=self.total + other.total,
            odd=self.odd + other.odd,
            bins=self.bins.merge(other.bins),
            values=self.values.merge(other.values),
            tokens=self.tokens.merge(other.tokens),
            scripts=added_counts([self.scripts, other.scripts]),
            languages=self.languages.merge(other.languages),
            replaced=self.replaced + other.replaced,
        )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Partial:
    """What rows are like.

    Attributes
    ----------
    rows
        How many.
    columns
        By name, all columns of the version.
    content
        The different rows.
    examples
        Rows with the smallest hashes of their content, each after its hash, ascending.
    """

    rows: int = 0
    columns: Mapping[str, ColumnSketch] = field(default_factory=dict)
    content: Distinct = field(default_factory=Distinct)
    examples: tuple[tuple[int, Mapping[str, Any]], ...] = ()

    def merge(self, other: "Partial") -> "Partial":
        """Of the rows of both."""
        names = dict.fromkeys([*self.columns, *other.columns])
        none = ColumnSketch()
        examples = dict([*self.examples, *other.examples])
        return Partial(
            rows=self.rows + other.rows,
            columns={name: self.columns.get(name, none).merge(other.columns.get(name, none)) for name in names},
            content=self.content.merge(other.content),
            examples=tuple(sorted(examples.items(), key=lambda item: item[0])[:EXAMPLES]),
        )

    @property
    def progress_rows(self) -> int:
        """Rows done with it, for whoever shows progress."""
        return self.rows


def merged(parts: Sequence[Partial]) -> Partial:
    """Of the rows of all, merged in their order."""
    total = Partial()
    for part in parts:
        total = total.merge(part)
    return total


def profile_spans(spans: Sequence[Span], schema: pa.Schema) -> Partial:
    """What the rows of these spans are like; columns that a file lacks are null there."""
    table = read_spans(spans, [name for name in schema.names if name not in frame.SYSTEM_COLUMNS], schema=schema)
    return merged([profile_batch(batch) for batch in table.to_batches(max_chunksize=_BATCH_ROWS)])


def profile_batch(batch: pa.RecordBatch) -> Partial:
    """What the rows of a batch of content columns are like."""
    names = batch.schema.names
    hashes = [cell_hashes(column, column_seeds(name))[:, 0] for name, column in zip(names, batch.columns, strict=True)]
    rows = sum(hashes, np.zeros(batch.num_rows, np.uint64))
    columns = {name: _profile_column(batch[name], own, rows) for name, own in zip(names, hashes, strict=True)}
    return Partial(
        rows=batch.num_rows, columns=columns, content=Distinct.of(rows), examples=_examples(batch, rows)
    )  # fmt: skip


def _profile_column(column: pa.Array, hashes: npt.NDArray[np.uint64], rows: npt.NDArray[np.uint64]) -> ColumnSketch:
    valid = np.asarray(column.is_valid())
    some = column.drop_null()
    facts: dict[str, Any] = {"nulls": column.null_count, "distinct": Distinct.of(hashes[valid])}
    kind = column.type
    if is_text(kind):
        facts |= _text_facts(some)
        facts["languages"] = Sampled.of(rows[valid], lambda places: languages_of(some.take(pa.array(places))))
    elif pa.types.is_temporal(kind):
        facts |= _time_facts(some)
    elif pa.types.is_boolean(kind):
        facts["values"] = frequent_values(some)
    elif pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind):
        facts |= _number_facts(some)
    return ColumnSketch(**facts)


def _text_facts(some: pa.Array) -> dict[str, Any]:
    texts = some.cast(pa.large_string())
    lengths = pc.utf8_length(texts)
    sizes = np.asarray(lengths).astype(np.float64)
    return {
        "low": int(sizes.min()) if len(sizes) else None,
        "high": int(sizes.max()) if len(sizes) else None,
        "total": exact_sum(sizes),
        "bins": Bins.of(number_keys(sizes)),
        "values": frequent_values(texts),
        "tokens": Frequent.of(token_counts(texts), TOKENS),
        "scripts": script_counts(texts),
        "replaced": pc.sum(pc.match_substring(texts, _REPLACEMENT), min_count=0).as_py(),
    }


def _time_facts(some: pa.Array) -> dict[str, Any]:
    ends = pc.min_max(some).as_py()
    if not (pa.types.is_timestamp(some.type) or pa.types.is_date(some.type)):
        return {"low": ends["min"], "high": ends["max"]}
    days = pc.floor_temporal(some, unit="day").cast(pa.date32(), safe=False).cast(pa.int32())
    return {"low": ends["min"], "high": ends["max"], "bins": Bins.of(np.asarray(days).astype(np.int64))}


def _number_facts(some: pa.Array) -> dict[str, Any]:
    # Arrow casts a decimal to a double that need not be the nearest one; by way of its digits it is.
    exact = some.cast(pa.string()) if pa.types.is_decimal(some.type) else some
    numbers = np.asarray(exact.cast(pa.float64(), safe=False))
    finite = np.isfinite(numbers)
    real = some.filter(pa.array(finite)) if not finite.all() else some
    ends = pc.min_max(real).as_py()
    facts = {
        "low": ends["min"],
        "high": ends["max"],
        "total": exact_sum(numbers[finite]),
        "odd": int((~finite).sum()),
        "bins": Bins.of(number_keys(numbers[finite])),
    }
    return {**facts, "values": frequent_values(some)} if pa.types.is_integer(some.type) else facts


def has_values(kind: pa.DataType) -> bool:
    """Whether the frequent values of a column of this type are counted: texts, whole numbers and truth values."""
    return is_text(kind) or pa.types.is_integer(kind) or pa.types.is_boolean(kind)


def frequent_values(some: pa.Array) -> Frequent:
    """The most frequent values as texts; those that are long, and nulls, left out."""
    texts = some.cast(pa.large_string())
    short = texts.filter(pc.less_equal(pc.utf8_length(texts), _LONGEST_VALUE))
    return Frequent.of(counted(pa.chunked_array([short])), VALUES)


def _examples(batch: pa.RecordBatch, hashes: npt.NDArray[np.uint64]) -> tuple[tuple[int, dict[str, Any]], ...]:
    smallest, places = np.unique(hashes, return_index=True)
    rows = batch.take(pa.array(places[:EXAMPLES])).to_pylist()
    cut = [{name: value[:_SHOWN] if isinstance(value, str) else value for name, value in row.items()} for row in rows]
    return tuple(zip(smallest[:EXAMPLES].tolist(), cut, strict=True))


def day_of(key: int) -> date:
    """The day of a bin of times."""
    return EPOCH + timedelta(days=key)
