"""All rows of a version in a new order, so that filters can leave files out: sorted, z-ordered, or partitioned.

DuckDB sorts, spilling to disk beyond its memory. Rows that compare equal keep their order, so that the same version
arranged in the same way gives the same rows in the same order.

A z-order interleaves the bits of each column's rank (Morton, "A computer oriented geodetic data base", 1966): rows that
lie near each other in all of the columns lie near each other in the files. Ranks are taken against quantiles of a
sample that depends on the rows alone.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.types as pt

from storage.arranging.plan import Arrangement
from storage.edits.landing import Edit, Placed
from storage.edits.matching import Database
from storage.errors import SchemaMismatchError
from storage.fingerprint import Fingerprint
from storage.history import Head
from storage.parquet import StagedPart, batch_bytes, write_batches
from storage.query import Relations
from storage.sql_text import FILE, ROW, quoted, rows_with_places
from storage.versions import Snapshot

#: More partitions than this are a mistake.
MOST_PARTITIONS = 5_000
_PART = "_textmill_part"
_RANK_BITS = 10
_SAMPLE_ROWS = 20_000
_BY_TIME = re.compile(r"\s*(year|month|day)\s*\(\s*(.+?)\s*\)\s*", re.IGNORECASE)


def partition_term(text: str, schema: pa.Schema) -> tuple[str, str]:
    """SQL for what a partition is named by, and the column in it.

    Raises
    ------
    SchemaMismatchError
        If there is no such column, or it is no date or time where one is needed.
    """
    match = _BY_TIME.fullmatch(text)
    name = match[2] if match else text
    _require_column(name, schema)
    if match is None:
        return quoted(name), name
    kind = schema.field(name).type
    if not (pt.is_date(kind) or pt.is_timestamp(kind)):
        raise SchemaMismatchError(
            f"partition {text!r}", f"{name!r} is {kind}, no date or time", "Choose a column of dates or times."
        )
    return f"date_trunc('{match[1].lower()}', {quoted(name)})", name


def _require_column(name: str, schema: pa.Schema) -> None:
    if name not in schema.names:
        raise SchemaMismatchError("arrangement", f"there is no column {name!r}", f"Columns: {', '.join(schema.names)}.")


def require_arrangement(arrangement: Arrangement, schema: pa.Schema) -> tuple[str, ...]:
    """The text columns whose least and greatest values it makes known.

    Raises
    ------
    SchemaMismatchError
        If it names a column that is not there.
    """
    named = [*arrangement.sort, *arrangement.z_order]
    for name in named:
        _require_column(name, schema)
    named += [partition_term(text, schema)[1] for text in arrangement.partition]
    return tuple(dict.fromkeys(name for name in named if pt.is_string(schema.field(name).type)))


@dataclass(slots=True, kw_only=True)
class Sorting:
    """Works out the edits that put all rows in a new order.

    Attributes
    ----------
    arrangement
        How files are wanted.
    staging, cache
        Where files are written aside, and where sorting spills.
    memory_bytes
        What sorting may hold in memory.
    """

    arrangement: Arrangement
    staging: Path
    cache: Path
    memory_bytes: int

    def work_out(self, base: Head, snapshot: Snapshot) -> Edit:
        """The edit of a version.

        Raises
        ------
        SchemaMismatchError
            If a column to arrange by is not there, or there are too many partitions.
        """
        shown = require_arrangement(self.arrangement, snapshot.schema)
        paths = [file.path for file in snapshot.files]
        rows = rows_with_places(snapshot.schema, paths)
        relations = Relations(views={}, tables={}, files=paths, names=[])
        with Database(relations, self.cache, self.memory_bytes) as database:
            terms = [partition_term(text, snapshot.schema)[0] for text in self.arrangement.partition]
            _require_few(database, rows, terms, self.arrangement.partition)
            cut = _Parts(
                database.batches(self._query(database, rows, terms, snapshot.schema)),
                snapshot.schema,
                self.arrangement.target_bytes,
            )
            parts = cut.written(self.staging, shown)
        return Edit(
            fingerprint=base.fingerprint or Fingerprint.empty(),
            schema=snapshot.schema,
            adds=tuple(Placed(part=part) for part in parts),
            changes={"merged": len(paths), "rewritten": len(parts)},
            fates=base.fates,
            data_change=False,
            replace=True,
            arranged=self.arrangement.to_dict(shown),
            shown=shown,
        )

    def _query(self, database: Database, rows: str, terms: Sequence[str], schema: pa.Schema) -> str:
        order = [*terms, *map(quoted, self.arrangement.sort)]
        if self.arrangement.z_order:
            rows, rank = _z_ordered(database, rows, self.arrangement.z_order)
            order.append(rank)
        order += [quoted(FILE), quoted(ROW)]
        part = f"hash({', '.join(terms)})" if terms else "0::UBIGINT"
        columns = ", ".join(map(quoted, schema.names))
        return f"SELECT {columns}, {part} AS {quoted(_PART)} FROM ({rows}) ORDER BY {', '.join(order)}"  # noqa: S608


def _require_few(database: Database, rows: str, terms: Sequence[str], told: Sequence[str]) -> None:
    if not terms:
        return
    query = f"SELECT count(*) FROM (SELECT DISTINCT {', '.join(terms)} FROM ({rows}))"  # noqa: S608 - quoted
    found = int(database.table(query).column(0)[0].as_py())
    if found > MOST_PARTITIONS:
        raise SchemaMismatchError(
            f"partition {', '.join(told)}",
            f"{found:,} different values would make as many files, {MOST_PARTITIONS:,} are sensible",
            "Choose a column with fewer values, month(...) or year(...), or sort by it.",
        )


def _z_ordered(database: Database, rows: str, columns: Sequence[str]) -> tuple[str, str]:
    """The rows with the rank of each column beside them, and the term to sort by."""
    total = int(database.table(f"SELECT count(*) FROM ({rows})").column(0)[0].as_py())  # noqa: S608 - own text
    every = max(1, total // _SAMPLE_ROWS)
    ranks = []
    for index, name in enumerate(columns):
        column = quoted(name)
        # A systematic sample: its rows are chosen by their places, never by chance.
        sample = f"SELECT {column} AS v FROM ({rows}) WHERE {column} IS NOT NULL AND {quoted(ROW)} % {every} = 0"  # noqa: S608
        buckets = f"SELECT v, ntile({1 << _RANK_BITS}) OVER (ORDER BY v) AS bucket FROM ({sample})"  # noqa: S608
        bounds = f"SELECT v AS low, max(bucket) - 1 AS rank FROM ({buckets}) GROUP BY v"  # noqa: S608 - own text
        rank = f"_textmill_rank_{index}"
        rows = (
            f"SELECT r.*, coalesce(b.rank, 0) AS {rank} FROM ({rows}) r "  # noqa: S608 - quoted
            f"ASOF LEFT JOIN ({bounds}) b ON r.{column} >= b.low"
        )
        ranks.append(rank)
    bits = [
        f"((({rank} >> {bit}) & 1) << {bit * len(ranks) + place})"
        for bit in range(_RANK_BITS)
        for place, rank in enumerate(ranks)
    ]
    return rows, f"({' | '.join(bits)})"


class _Parts:
    """A stream of sorted rows cut into files of their size, a new one with each new partition."""

    def __init__(self, batches: Iterator[pa.RecordBatch], schema: pa.Schema, target_bytes: int) -> None:
        # Pieces are small against a file, so that files come out near their size.
        most = max(1, target_bytes // 8)
        self._pieces = (piece for batch in batches for piece in _one_partition_each(batch, schema, most))
        self._schema, self._target_bytes = schema, target_bytes
        self._ahead: tuple[int, pa.RecordBatch] | None = None
        self._size = 0
        # Decoded bytes for each byte of a file: guessed at first, then as the last file had it.
        self._ratio = 3.0

    def written(self, staging: Path, shown: Sequence[str]) -> list[StagedPart]:
        """The files, one row group in memory at a time."""
        parts: list[StagedPart] = []
        while self._more():
            staged = staging / f"sorted-{len(parts):06d}.parquet"
            parts.append(write_batches(self._part(), self._schema, staged, shown=shown))
            self._ratio = max(1.0, self._size / parts[-1].bytes)
        return parts

    def _more(self) -> bool:
        if self._ahead is None:
            self._ahead = next(self._pieces, None)
        return self._ahead is not None

    def _part(self) -> Iterator[pa.RecordBatch]:
        self._size = 0
        partition = None
        while self._size < self._ratio * self._target_bytes and self._more() and self._ahead is not None:
            mark, rows = self._ahead
            if partition not in (None, mark):
                return
            partition, self._ahead = mark, None
            self._size += batch_bytes(rows)
            yield rows


def _one_partition_each(
    batch: pa.RecordBatch, schema: pa.Schema, most_bytes: int
) -> Iterator[tuple[int, pa.RecordBatch]]:
    marks = batch.column(_PART)
    columns = [batch.column(field.name).cast(field.type) for field in schema]
    rows = pa.RecordBatch.from_arrays(columns, schema=schema)
    start = 0
    for stop in [*_ends(marks), batch.num_rows]:
        while start < stop:
            piece = rows.slice(start, stop - start)
            fitting = piece.num_rows * most_bytes // max(1, batch_bytes(piece))
            piece = piece.slice(0, max(1, fitting))
            yield marks[start].as_py(), piece
            start += piece.num_rows


def _ends(marks: pa.Array) -> Iterator[int]:
    if len(marks) > 1:
        changed = pc.not_equal(marks.slice(1), marks.slice(0, len(marks) - 1))
        yield from (index + 1 for index in pc.indices_nonzero(changed).to_pylist())
