"""One Parquet file of a dataset: how it is encoded and what is known of it once written."""

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pyarrow.types as pt

from storage.encodings import CountingFile, choose_encodings, writer_options
from storage.files import written_aside
from storage.places import Place, opened, place_at
from storage.schema import to_stored
from storage.statistics import nulls_note

ROW_GROUP_BYTES = 8 << 20
ROW_GROUP_ROWS = (16, 131_072)
_READ_BYTES = 4 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class StagedPart:
    """A Parquet file written aside, waiting to be committed.

    Attributes
    ----------
    path
        Where it lies.
    rows
        Rows in it.
    bytes
        Its size.
    sha256
        Hex SHA-256 of its bytes.
    """

    path: str
    rows: int
    bytes: int
    sha256: str


class _HashingFile(CountingFile):
    """A binary file that hashes what passes: Parquet is written from front to back, so one pass is enough."""

    def __init__(self, file: BinaryIO) -> None:
        super().__init__()
        self._file = file
        self._hash = hashlib.sha256()

    def write(self, data: Any) -> int:
        self._hash.update(data)
        self._file.write(data)
        return super().write(data)

    def flush(self) -> None:
        self._file.flush()

    def close(self) -> None:
        self.flush()

    def hexdigest(self) -> str:
        return self._hash.hexdigest()


def _content_bytes(column: pa.ChunkedArray) -> int:
    # By content alone, so that chunking and padding never move a row group's edge.
    if _leaks_text(column.type):
        return int(pc.sum(pc.binary_length(column)).as_py() or 0)
    cell_bytes: int = max(1, column.type.bit_width // 8)
    return len(column) * cell_bytes


def row_group_rows(table: pa.Table) -> int:
    """Rows a row group so that one takes about 8 MB decoded: what a reader of a few rows must read, and hold."""
    least, most = ROW_GROUP_ROWS
    if table.num_rows == 0:
        return most
    row_bytes: int = max(1, sum(map(_content_bytes, table.columns)) // table.num_rows)
    return max(least, min(most, ROW_GROUP_BYTES // row_bytes))


def _leaks_text(kind: pa.DataType) -> bool:
    return bool(pt.is_string(kind) or pt.is_binary(kind))


def _is_measured(field: pa.Field, shown: Sequence[str]) -> bool:
    # The bounds of floating numbers leave NaN out, which is above all numbers to DuckDB: it would skip such rows.
    return field.name in shown or not (_leaks_text(field.type) or pt.is_floating(field.type))


def write_part(table: pa.Table, path: Path) -> StagedPart:
    """The record of `table` written to `path` as Parquet, whole and synced or not at all.

    Types become those of `storage.schema.stored_type`; text columns get no statistics, which would repeat content
    in the clear, and floating numbers none, since engines do not agree on NaN. The same table gives the same bytes.

    Raises
    ------
    SchemaMismatchError
        If a column cannot be stored.
    DiskFullError, StoreNotWritableError
        If the file cannot be written; nothing is left behind.
    """
    stored = to_stored(table).combine_chunks()
    with written_aside(path) as file:
        sink = _HashingFile(file)
        with pq.ParquetWriter(sink, stored.schema, **_encoding(stored, ())) as writer:
            writer.write_table(stored, row_group_size=row_group_rows(stored))
            writer.add_key_value_metadata(nulls_note(_nulls_of(stored)))
    return StagedPart(path=str(path), rows=stored.num_rows, bytes=sink.bytes, sha256=sink.hexdigest())


def _encoding(stored: pa.Table, shown: Sequence[str]) -> dict[str, Any]:
    """How a file that starts with these rows is written."""
    measured = [field.name for field in stored.schema if _is_measured(field, shown)]
    chosen = writer_options(choose_encodings(stored))
    return {**chosen, "write_statistics": measured or False, "store_schema": False}


def _nulls_of(table: pa.Table) -> dict[str, int]:
    return {name: table[name].null_count for name in table.column_names}


def write_batches(
    batches: Iterable[pa.RecordBatch], schema: pa.Schema, path: Path, *, shown: Sequence[str] = ()
) -> StagedPart:
    """As `write_part`, of rows that come in batches; one row group is in memory at a time.

    Parameters
    ----------
    schema
        Of the batches: types as `storage.schema.stored_schema` gives them.
    shown
        Text columns whose least and greatest values may be told, because someone asked to sort by them.

    Raises
    ------
    DiskFullError, StoreNotWritableError
        If the file cannot be written; nothing is left behind.
    """
    groups = _row_groups(batches, schema)
    first = next(groups, schema.empty_table())
    rows = first.num_rows
    with written_aside(path) as file:
        sink = _HashingFile(file)
        with pq.ParquetWriter(sink, schema, **_encoding(first, shown)) as writer:
            writer.write_table(first, row_group_size=max(1, first.num_rows))
            nulls = Counter(_nulls_of(first))
            for group in groups:
                writer.write_table(group, row_group_size=group.num_rows)
                nulls.update(_nulls_of(group))
                rows += group.num_rows
            writer.add_key_value_metadata(nulls_note(nulls))
    return StagedPart(path=str(path), rows=rows, bytes=sink.bytes, sha256=sink.hexdigest())


def _row_groups(batches: Iterable[pa.RecordBatch], schema: pa.Schema) -> Iterator[pa.Table]:
    waiting: list[pa.RecordBatch] = []
    rows = size = 0
    for batch in batches:
        waiting.append(batch)
        rows += batch.num_rows
        size += batch_bytes(batch)
        if rows >= ROW_GROUP_ROWS[1] or size >= ROW_GROUP_BYTES:
            yield pa.Table.from_batches(waiting, schema=schema).combine_chunks()
            waiting, rows, size = [], 0, 0
    if rows:
        yield pa.Table.from_batches(waiting, schema=schema).combine_chunks()


def batch_bytes(batch: pa.RecordBatch) -> int:
    """What the batch's content takes: by content alone, never by padding."""
    return sum(_content_bytes(pa.chunked_array([column])) for column in batch.columns)


@contextmanager
def open_parquet(path: Place | str) -> Iterator[pq.ParquetFile]:
    """A Parquet file open for reading.

    Raises
    ------
    FileNotFoundError
        If it is not there.
    pyarrow.ArrowInvalid
        If it is no Parquet file, or was cut short.
    """
    place = place_at(path) if isinstance(path, str) else path
    if isinstance(place, Path):
        with pq.ParquetFile(place, pre_buffer=False) as parquet:
            yield parquet
    else:
        # Column chunks that lie side by side come in one request.
        with opened(place) as file, pq.ParquetFile(file, pre_buffer=True) as parquet:
            yield parquet


def footer(path: Place | str) -> pq.FileMetaData:
    """The file's footer; raises `pyarrow.ArrowInvalid` where the file is no Parquet file or was cut short."""
    with open_parquet(path) as parquet:
        return parquet.metadata


def sha256_of(path: Place) -> str:
    """Hex SHA-256 of a file's bytes, read in a stream."""
    digest = hashlib.sha256()
    with opened(path) as file:
        while block := file.read(_READ_BYTES):
            digest.update(block)
    return digest.hexdigest()
