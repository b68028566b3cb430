"""Parquet files by row groups: what they hold, and how they are cut."""

from dataclasses import dataclass, replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.errors import SourceError
from pipeline.ingest.reading.files.bytes_in import open_bytes
from pipeline.ingest.reading.files.opening import OpenedFile

CURE = "Write it again, or take it out of [source] files; nothing was committed."
#: A row group beyond so many blocks is cut; smaller ones are read in one task.
_MOST_BLOCKS = 2
_BUFFER_BYTES = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class RowSpan:
    """Whole row groups that are read together.

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
    opened
        The file; where its row groups were too large, with a copy in smaller ones as its data.
    columns
        Column names.
    kinds
        The type each column is read as, by name.
    rows
        Row count.
    spans
        How the rows are cut.
    """

    opened: OpenedFile
    columns: tuple[str, ...]
    kinds: dict[str, pa.DataType]
    rows: int
    spans: tuple[RowSpan, ...]


def parquet_facts(opened: OpenedFile, block_bytes: int, scratch: Path) -> ParquetFacts | SourceError:
    """What the footer tells; the error, not raised, if the file is broken, so that all broken files can be named.

    A row group can only be decoded from its start. So that no row is decoded twice, a file with a row group of
    several blocks is copied once into `scratch`, in row groups of one block each.
    """
    if opened.data_bytes == 0:
        return SourceError(opened.told, "not a complete Parquet file (0 bytes)", CURE)
    try:
        with open_bytes(opened.data_path) as raw, pq.ParquetFile(raw) as file:
            schema, groups = file.schema_arrow, _groups(file)
        if max((size for _, size in groups), default=0) > _MOST_BLOCKS * block_bytes:
            opened, groups = _regrouped(opened, groups, block_bytes, scratch)
    except (pa.ArrowException, OSError) as error:
        return SourceError(opened.told, f"not a complete Parquet file ({first_line(error)})", CURE)
    twice = sorted({name for name in schema.names if schema.names.count(name) > 1})
    if twice:
        return SourceError(
            opened.told, f"it has several columns called {twice[0]!r}", "Give each column a name of its own."
        )
    return ParquetFacts(
        opened=opened,
        columns=tuple(schema.names),
        kinds={field.name: read_type(field.type) for field in schema},
        rows=sum(rows for rows, _ in groups),
        spans=tuple(row_spans(groups, block_bytes)),
    )


def row_spans(groups: list[tuple[int, int]], block_bytes: int) -> list[RowSpan]:
    """Row groups of (rows, bytes) gathered into spans of at most `block_bytes`, or of one group, in row order."""
    spans: list[RowSpan] = []
    row = 0
    for number, (rows, size) in enumerate(groups):
        last = spans[-1] if spans else None
        if last is not None and last.bytes + size <= block_bytes:
            spans[-1] = replace(last, stop=row + rows, last_group=number + 1, bytes=last.bytes + size)
        elif rows:
            spans.append(
                RowSpan(start=row, stop=row + rows, first_group=number, last_group=number + 1, bytes=max(1, size))
            )
        row += rows
    return spans


def read_type(kind: pa.DataType) -> pa.DataType:
    """The type that a Parquet column is read as: its own, except that everything text-like or nested is text.

    Times are in microseconds, as in the store.
    """
    if pa.types.is_dictionary(kind):
        return read_type(kind.value_type)
    if pa.types.is_timestamp(kind):
        return pa.timestamp("us", kind.tz)
    keeps = (
        pa.types.is_integer(kind)
        or pa.types.is_floating(kind)
        or pa.types.is_boolean(kind)
        or pa.types.is_decimal128(kind)
        or pa.types.is_date32(kind)
        or pa.types.is_null(kind)
    )
    return kind if keeps else pa.string()


def first_line(error: BaseException) -> str:
    """The first line of what `error` says; the name of its kind if it says nothing."""
    return (str(error).splitlines() or [type(error).__name__])[0]


def _groups(file: pq.ParquetFile) -> list[tuple[int, int]]:
    """Rows and unpacked bytes of each row group."""
    groups = [file.metadata.row_group(number) for number in range(file.metadata.num_row_groups)]
    return [(group.num_rows, group.total_byte_size) for group in groups]


def _regrouped(
    opened: OpenedFile, groups: list[tuple[int, int]], block_bytes: int, scratch: Path
) -> tuple[OpenedFile, list[tuple[int, int]]]:
    """The file with a copy in row groups of about a block each as its data, and those groups."""
    scratch.mkdir(parents=True, exist_ok=True)
    target = scratch / f"{opened.index:06d}.parquet"
    aside = target.with_name(target.name + ".part")
    rows_a_group = max(1, min(rows * block_bytes // size for rows, size in groups if rows and size))
    with (
        open_bytes(opened.data_path) as raw,
        pq.ParquetFile(raw, buffer_size=_BUFFER_BYTES, pre_buffer=False) as file,
        pq.ParquetWriter(aside, file.schema_arrow, compression="lz4", write_statistics=False) as writer,
    ):
        for batch in file.iter_batches(rows_a_group):
            writer.write_batch(batch)
    aside.replace(target)
    with pq.ParquetFile(target) as file:
        return replace(opened, data_path=str(target), data_bytes=target.stat().st_size), _groups(file)
