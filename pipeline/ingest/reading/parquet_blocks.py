"""Parquet files by row groups: what they hold, how they are cut, and a block of one as a frame."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import orjson
import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.errors import SourceError
from pipeline.ingest.reading.csv.verdicts import BAD_ENCODING, REASONS
from pipeline.ingest.reading.files.bytes_in import open_bytes
from pipeline.ingest.reading.files.opening import OpenedFile
from pipeline.ingest.reading.framing import frame_of
from pipeline.ingest.reading.source_plan import Block

_CURE = "Write it again, or take it out of [source] files; nothing was committed."
_BATCH_ROWS = 1 << 16


@dataclass(frozen=True, slots=True, kw_only=True)
class RowSpan:
    """Rows that one task reads.

    Attributes
    ----------
    start, stop
        Row numbers in the file.
    first_group, last_group
        The row groups that hold them, last exclusive.
    bytes
        About how much data it is, unpacked.
    """

    start: int
    stop: int
    first_group: int
    last_group: int
    bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ParquetFacts:
    """What a Parquet file's footer tells.

    Attributes
    ----------
    columns
        Column names.
    kinds
        The type each column is read as, by name.
    rows
        Row count.
    spans
        How the rows are cut.
    """

    columns: tuple[str, ...]
    kinds: dict[str, pa.DataType]
    rows: int
    spans: tuple[RowSpan, ...]


def parquet_facts(opened: OpenedFile, block_bytes: int) -> ParquetFacts | SourceError:
    """What the footer tells; the error, not raised, if the file is broken, so that all broken files can be named."""
    if opened.data_bytes == 0:
        return SourceError(opened.name, "not a complete Parquet file (0 bytes)", _CURE)
    try:
        with open_bytes(opened.data_path) as raw, pq.ParquetFile(raw) as file:
            schema = file.schema_arrow
            groups = [
                (file.metadata.row_group(i).num_rows, file.metadata.row_group(i).total_byte_size)
                for i in range(file.metadata.num_row_groups)
            ]
    except (pa.ArrowException, OSError) as error:
        return SourceError(opened.name, f"not a complete Parquet file ({_first_line(error)})", _CURE)
    return ParquetFacts(
        columns=tuple(schema.names),
        kinds={field.name: read_type(field.type) for field in schema},
        rows=sum(rows for rows, _ in groups),
        spans=tuple(row_spans(groups, block_bytes)),
    )


def row_spans(groups: list[tuple[int, int]], block_bytes: int) -> list[RowSpan]:
    """Row groups of (rows, bytes) gathered, or cut, into spans of about `block_bytes`, in row order."""
    spans: list[RowSpan] = []
    row = 0
    for number, (rows, size) in enumerate(groups):
        pieces = max(1, min(rows, -(-size // (2 * block_bytes)))) if rows else 0
        for piece in range(pieces):
            start, stop = row + rows * piece // pieces, row + rows * (piece + 1) // pieces
            last = spans[-1] if spans else None
            if last is not None and pieces == 1 and last.stop == row and last.bytes + size <= block_bytes:
                spans[-1] = RowSpan(
                    start=last.start,
                    stop=stop,
                    first_group=last.first_group,
                    last_group=number + 1,
                    bytes=last.bytes + size,
                )
            else:
                spans.append(
                    RowSpan(
                        start=start, stop=stop, first_group=number, last_group=number + 1, bytes=max(1, size // pieces)
                    )
                )
        row += rows
    return spans


def read_type(kind: pa.DataType) -> pa.DataType:
    """The type that a Parquet column is read as: its own, except that everything text-like or nested is text."""
    if pa.types.is_dictionary(kind):
        return read_type(kind.value_type)
    keeps = (
        pa.types.is_integer(kind)
        or pa.types.is_floating(kind)
        or pa.types.is_boolean(kind)
        or pa.types.is_decimal128(kind)
        or pa.types.is_date32(kind)
        or pa.types.is_timestamp(kind)
        or pa.types.is_null(kind)
    )
    return kind if keeps else pa.string()


def read_parquet(block: Block) -> pa.Table:
    """The frame of a Parquet block: one row for each of its rows, in order, at its row number.

    Raises
    ------
    SourceError
        If the rows cannot be read: the file is damaged or has changed since it was planned.
    """
    names = [name for name in block.file.columns if any(output.source == name for output in block.columns)]
    try:
        table = _rows(block, names)
    except (pa.ArrowException, OSError) as error:
        raise SourceError(
            block.file.name, f"rows {block.start} to {block.stop} cannot be read ({_first_line(error)})", _CURE
        ) from error
    rows = block.stop - block.start
    broken = np.zeros(rows, dtype=np.bool_)
    found: dict[str, pa.Array] = {}
    for name in names:
        found[name], bad = _plain(table[name])
        broken |= bad
    reasons = {int(row): REASONS[BAD_ENCODING] for row in np.flatnonzero(broken)}
    positions = np.arange(block.start, block.stop, dtype=np.int64)
    return frame_of(block, found, positions, reasons, lambda row: _shown(table.slice(row, 1)))


def _rows(block: Block, names: list[str]) -> pa.Table:
    first, last = block.row_groups
    with open_bytes(block.file.data_path) as raw, pq.ParquetFile(raw) as file:
        before = sum(file.metadata.row_group(i).num_rows for i in range(first))
        schema = pa.schema([file.schema_arrow.field(name) for name in names])
        skip, wanted = block.start - before, block.stop - block.start
        batches = []
        for batch in file.iter_batches(_BATCH_ROWS, row_groups=list(range(first, last)), columns=names):
            piece = batch.slice(min(skip, batch.num_rows), wanted)
            skip -= min(skip, batch.num_rows)
            wanted -= piece.num_rows
            batches.append(piece)
            if wanted == 0:
                break
    if wanted:
        raise OSError(f"{wanted} rows fewer than when it was planned")
    if not names:
        return pa.table({"": pa.nulls(block.stop - block.start)})
    return pa.Table.from_batches(batches, schema=batches[0].schema if batches else schema)


def _plain(column: pa.ChunkedArray) -> tuple[pa.Array, npt.NDArray[np.bool_]]:
    """The column as its `read_type`, and which rows hold bytes that are no text."""
    kind = column.type
    if pa.types.is_dictionary(kind):
        column, kind = column.cast(kind.value_type), kind.value_type
    none_bad = np.zeros(len(column), dtype=np.bool_)
    if not pa.types.is_binary(kind) and not pa.types.is_large_binary(kind) and read_type(kind) != pa.string():
        return _whole(column), none_bad
    if pa.types.is_nested(kind):
        return pa.array([_json(value) for value in column.to_pylist()], pa.string()), none_bad
    if not _is_text_like(kind):
        return _whole(column.cast(pa.string())), none_bad
    raw = _whole(column.cast(pa.large_binary()).cast(pa.binary()))
    text = raw.view(pa.string())
    try:
        text.validate(full=True)
    except pa.ArrowInvalid:
        bad = np.array([value is not None and not _is_utf8(value) for value in raw.to_pylist()], dtype=np.bool_)
        return _blanked(raw, bad), bad
    return text, none_bad


def _blanked(raw: pa.Array, bad: npt.NDArray[np.bool_]) -> pa.Array:
    return pa.array(
        [
            None if broken or value is None else value.decode()
            for value, broken in zip(raw.to_pylist(), bad, strict=True)
        ],
        pa.string(),
    )


def _is_text_like(kind: pa.DataType) -> bool:
    return any(
        test(kind)
        for test in (
            pa.types.is_string,
            pa.types.is_large_string,
            pa.types.is_binary,
            pa.types.is_large_binary,
            pa.types.is_fixed_size_binary,
        )
    )


def _whole(column: pa.ChunkedArray) -> pa.Array:
    joined = column.combine_chunks()
    return joined if isinstance(joined, pa.Array) else pa.concat_arrays(joined.chunks)


def _is_utf8(value: bytes) -> bool:
    try:
        value.decode()
    except UnicodeDecodeError:
        return False
    return True


def _json(value: Any) -> str | None:
    return None if value is None else orjson.dumps(value, default=str).decode()


def _shown(row: pa.Table) -> str:
    """One row in words; text that is none is shown as the bytes it is."""
    values = {
        name: (row[name].cast(pa.large_binary()) if pa.types.is_string(row[name].type) else row[name])[0].as_py()
        for name in row.column_names
    }
    return str(values)


def _first_line(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
