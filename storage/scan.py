"""Reading rows of a version: by file, by position, in streams of bounded memory."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import chain

import pyarrow as pa
import pyarrow.parquet as pq

from storage.errors import StoreDamagedError, VersionNotFoundError
from storage.fingerprint import Fingerprint, fingerprint_of
from storage.history import Head, require_files
from storage.layout import DatasetLayout
from storage.parquet import open_parquet
from storage.schema import content_schema, fit, selected
from storage.table import file_actions, listed_files, open_table, table_schema
from storage.versions import DataFile, Snapshot

__all__ = [
    "DataFile",
    "Snapshot",
    "Span",
    "cut",
    "file_schema",
    "footer_of",
    "iter_file",
    "iter_rows",
    "read_blocks",
    "read_span",
    "read_spans",
    "snapshot_of",
    "spans_of",
]

BATCH_ROWS = 16_384


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """Rows ``start <= row < stop`` of one file."""

    file: DataFile
    start: int
    stop: int

    @property
    def rows(self) -> int:
        """How many rows it spans."""
        return self.stop - self.start


def snapshot_of(layout: DatasetLayout, head: Head) -> Snapshot:
    """The columns and files of a version.

    Raises
    ------
    VersionVacuumedError
        If a vacuum gave its files up.
    StoreDamagedError
        If the log cannot be read.
    """
    return snapshot_and_bounds(layout, head)[0]


def snapshot_and_bounds(layout: DatasetLayout, head: Head) -> tuple[Snapshot, pa.Table]:
    """As `snapshot_of`, and what the log tells of each file, see `storage.table.file_actions`."""
    require_files(layout, head.version)
    table = open_table(layout, head.version.number)
    actions = file_actions(table)
    snapshot = Snapshot(
        version=head.version,
        schema=table_schema(table),
        files=listed_files(layout, actions),
        uniform=head.uniform,
    )
    return snapshot, actions


def cut(snapshot: Snapshot, block_rows: int) -> tuple[tuple[Span, ...], ...]:
    """The version's rows re-cut by global position into blocks of `block_rows` rows (the last may be shorter).

    It depends on the order of rows alone, never on how they are spread over files.
    """
    blocks: list[tuple[Span, ...]] = []
    block: list[Span] = []
    room = block_rows
    for file in snapshot.files:
        start = 0
        while start < file.rows:
            stop = min(file.rows, start + room)
            block.append(Span(file=file, start=start, stop=stop))
            room -= stop - start
            start = stop
            if room == 0:
                blocks.append(tuple(block))
                block, room = [], block_rows
    return (*blocks, tuple(block)) if block else tuple(blocks)


def spans_of(file: DataFile, most_bytes: int) -> tuple[Span, ...]:
    """The file's rows in equal spans that take about `most_bytes` of the file each, or less."""
    spans = max(1, min(file.rows, -(-file.bytes // most_bytes)))
    rows = max(1, -(-file.rows // spans))
    return tuple(Span(file=file, start=start, stop=min(start + rows, file.rows)) for start in range(0, file.rows, rows))


@contextmanager
def _opened(file: DataFile) -> Iterator[pq.ParquetFile]:
    try:
        with open_parquet(file.path) as parquet:
            yield parquet
    except FileNotFoundError as error:
        raise VersionNotFoundError(
            file.path,
            "the file is gone",
            "A vacuum may have removed it: open the version again, or run `textmill verify`.",
        ) from error
    except (pa.ArrowInvalid, OSError) as error:
        raise StoreDamagedError(
            file.path, f"the file cannot be read ({error})", "Run `textmill verify` to see all damage."
        ) from error


def _batches(span: Span, schema: pa.Schema, batch_rows: int) -> Iterator[pa.RecordBatch]:
    with _opened(span.file) as parquet:
        held = [name for name in schema.names if name in parquet.schema_arrow.names]
        at = 0
        for group in range(parquet.num_row_groups):
            size = parquet.metadata.row_group(group).num_rows
            first, last = max(span.start - at, 0), min(span.stop - at, size)
            at += size
            if first >= last:
                continue
            table = parquet.read_row_group(group, columns=held, use_threads=False)
            # A file may hold none of the columns, yet it has rows.
            table = table if held else pa.table({"": pa.nulls(size)})
            yield from fit(table.slice(first, last - first), schema).to_batches(max_chunksize=batch_rows)


def read_span(
    file: DataFile,
    start: int,
    stop: int,
    columns: Sequence[str] | None = None,
    *,
    schema: pa.Schema | None = None,
) -> pa.Table:
    """Rows ``start <= row < stop`` of a file; only the row groups they lie in are read.

    Parameters
    ----------
    columns
        Which, in this order; all for None.
    schema
        The version's columns: those that the file lacks are read as nulls. Without it the file's own.

    Raises
    ------
    SchemaMismatchError
        If a column is not there.
    StoreDamagedError, VersionNotFoundError
        If the file cannot be read, or is gone.
    """
    wanted = selected(schema if schema is not None else file_schema(file), columns)
    return pa.Table.from_batches(
        _batches(Span(file=file, start=start, stop=stop), wanted, max(1, stop - start)), schema=wanted
    )


def footer_of(file: DataFile) -> pq.FileMetaData:
    """A file's footer; raises `StoreDamagedError` or `VersionNotFoundError` where it cannot be read, or is gone."""
    with _opened(file) as parquet:
        return parquet.metadata


def file_schema(file: DataFile) -> pa.Schema:
    """The columns of a file."""
    with _opened(file) as parquet:
        return parquet.schema_arrow


def read_spans(spans: Sequence[Span], columns: Sequence[str] | None = None, *, schema: pa.Schema) -> pa.Table:
    """The rows of several spans one after the other, with the columns as in `read_span`."""
    wanted = selected(schema, columns)
    return pa.concat_tables(
        [wanted.empty_table()]
        + [read_span(span.file, span.start, span.stop, wanted.names, schema=schema) for span in spans]
    )


def read_blocks(
    blocks: Sequence[Sequence[Span]], columns: Sequence[str] | None = None, *, schema: pa.Schema
) -> Iterator[pa.Table]:
    """The rows of each block, as `read_spans` gives them.

    A row group that neighbours share is read once; a block and a row group are in memory at a time.
    """
    wanted = selected(schema, columns)
    batches = chain.from_iterable(_batches(span, wanted, max(1, span.rows)) for span in _joined(blocks))
    batch = next(batches, None)
    for spans in blocks:
        missing = sum(span.rows for span in spans)
        taken = []
        while missing and batch is not None:
            taken.append(batch.slice(0, missing))
            missing -= taken[-1].num_rows
            batch = batch.slice(taken[-1].num_rows)
            if batch.num_rows == 0:
                batch = next(batches, None)
        yield pa.Table.from_batches(taken, schema=wanted)


def _joined(blocks: Sequence[Sequence[Span]]) -> list[Span]:
    """The spans of all blocks, with neighbours in one file made one."""
    joined: list[Span] = []
    for span in chain.from_iterable(blocks):
        last = joined[-1] if joined else None
        if last is not None and last.file == span.file and last.stop == span.start:
            joined[-1] = replace(last, stop=span.stop)
        else:
            joined.append(span)
    return joined


def iter_file(file: DataFile, schema: pa.Schema, *, batch_rows: int = BATCH_ROWS) -> Iterator[pa.RecordBatch]:
    """A file's rows in order with the columns of `schema` (nulls where it lacks one), as in `iter_rows`."""
    return _batches(Span(file=file, start=0, stop=file.rows), schema, batch_rows)


def iter_rows(
    snapshot: Snapshot, columns: Sequence[str] | None = None, *, batch_rows: int = BATCH_ROWS
) -> Iterator[pa.RecordBatch]:
    """All rows of a version in order, in batches of at most `batch_rows`; one row group is in memory at a time.

    Raises
    ------
    SchemaMismatchError
        If a column is not there.
    StoreDamagedError, VersionNotFoundError
        If a file cannot be read, or is gone.
    """
    wanted = selected(snapshot.schema, columns)
    for file in snapshot.files:
        yield from _batches(Span(file=file, start=0, stop=file.rows), wanted, batch_rows)


def measured(layout: DatasetLayout, head: Head) -> Head:
    """The version with its fingerprint computed from its rows: for one that another program wrote."""
    snapshot = snapshot_of(layout, head)
    content = content_schema(snapshot.schema)
    mark = Fingerprint.empty()
    for batch in iter_rows(snapshot, content.names):
        mark = mark.merge(fingerprint_of(pa.Table.from_batches([batch]), content.names))
    version = replace(head.version, fingerprint=mark.digest(content))
    return replace(head, version=version, fingerprint=mark)
