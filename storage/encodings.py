"""How each column of a Parquet file is encoded and compressed: as takes the least room for a sample of its values.

Nothing is guessed from types or names: a few thousand rows are written in each of a few ways, and a dearer way has to
be smaller by some percent than a cheaper one. The same rows give the same choice. All ways are in the Parquet format
since 2.6 (2018): DuckDB, Polars, Spark and pandas read them.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pyarrow.types as pt

PLAIN, DICTIONARY, DELTA, SPLIT = "PLAIN", "DICTIONARY", "DELTA_BINARY_PACKED", "BYTE_STREAM_SPLIT"
_OTHERS = (DELTA, SPLIT)
_WORTH = 0.05
#: Level 3 makes text a tenth smaller and takes half as much time again: compression is a quarter of reading in.
_FAST = 1
#: Rows tried, in slices spread over all of them: what lies side by side stays so. Of fewer rows nothing is learned.
_SLICES, _SLICE_ROWS = 8, 512
_FEW_ROWS = 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Encoding:
    """How a column is written.

    Attributes
    ----------
    values
        How values become bytes.
    level
        Of zstd; None for no compression.
    """

    values: str = PLAIN
    level: int | None = _FAST


def choose_encodings(table: pa.Table) -> dict[str, Encoding]:
    """Column -> how it is written, for a file that starts with these rows."""
    if table.num_rows < _FEW_ROWS:
        return {name: Encoding(values=DICTIONARY if _repeats(table[name]) else PLAIN) for name in table.column_names}
    sample = _sample(table)
    return {name: _smallest(sample.select([name])) for name in table.column_names}


def writer_options(encodings: Mapping[str, Encoding]) -> dict[str, Any]:
    """What `pyarrow.parquet.ParquetWriter` is to be told."""
    dictionaries = [name for name, one in encodings.items() if one.values == DICTIONARY]
    return {
        "compression": {name: "none" if one.level is None else "zstd" for name, one in encodings.items()},
        "compression_level": {name: one.level for name, one in encodings.items() if one.level is not None} or None,
        "use_dictionary": dictionaries or False,
        "column_encoding": {name: one.values for name, one in encodings.items() if one.values in (DELTA, SPLIT)}
        or None,
    }


def _sample(table: pa.Table) -> pa.Table:
    if table.num_rows <= _SLICES * _SLICE_ROWS:
        return table
    last = table.num_rows - _SLICE_ROWS
    starts = [last * number // (_SLICES - 1) for number in range(_SLICES)]
    return pa.concat_tables([table.slice(start, _SLICE_ROWS) for start in starts]).combine_chunks()


def _smallest(column: pa.Table) -> Encoding:
    best, *ways = _ways(column)
    if not ways:
        return best
    least = _size(column, best)
    for one in ways:
        size = _size(column, one)
        if size < least * (1 - _WORTH):
            best, least = one, size
    return best


def _ways(column: pa.Table) -> Iterator[Encoding]:
    """What is best for readers first."""
    kind, repeats = column.schema.types[0], _repeats(column.column(0))
    if repeats and (pt.is_string(kind) or pt.is_binary(kind)):
        # Readers take a value that comes back once: smaller still it is seldom.
        yield Encoding(values=DICTIONARY)
        return
    yield Encoding(level=None)
    yield Encoding()
    if pt.is_integer(kind) or pt.is_timestamp(kind) or pt.is_date(kind):
        yield Encoding(values=DELTA)
    elif pt.is_floating(kind):
        yield Encoding(values=SPLIT)
    if repeats:
        yield Encoding(values=DICTIONARY)


def _repeats(column: pa.ChunkedArray) -> bool:
    distinct: int = pc.count_distinct(column, mode="all").as_py()
    return distinct <= len(column) // 2


def _size(column: pa.Table, encoding: Encoding) -> int:
    sink = CountingFile()
    options = writer_options(dict.fromkeys(column.column_names, encoding))
    with pq.ParquetWriter(sink, column.schema, write_statistics=False, store_schema=False, **options) as writer:
        writer.write_table(column)
    return sink.bytes


class CountingFile:
    """A binary file that only counts what is written to it, with all that Arrow asks of a file."""

    closed = False

    def __init__(self) -> None:
        self.bytes = 0

    def write(self, data: Any) -> int:
        """The bytes that were taken."""
        size: int = memoryview(data).nbytes
        self.bytes += size
        return size

    def tell(self) -> int:
        """The bytes taken so far."""
        return self.bytes

    def flush(self) -> None:
        """Nothing."""

    def close(self) -> None:
        """Nothing."""

    def readable(self) -> bool:
        """False."""
        return False

    def writable(self) -> bool:
        """True."""
        return True

    def seekable(self) -> bool:
        """False."""
        return False


@dataclass(frozen=True, slots=True, kw_only=True)
class ColumnLayout:
    """How a column of a version is stored.

    Attributes
    ----------
    column
        Its name.
    encodings
        How values become bytes, in the footers' words, sorted.
    compressions
        The codecs, sorted.
    stored_bytes, encoded_bytes
        What it takes, and would take without compression.
    """

    column: str
    encodings: tuple[str, ...]
    compressions: tuple[str, ...]
    stored_bytes: int
    encoded_bytes: int


def column_layouts(footers: Sequence[pq.FileMetaData]) -> list[ColumnLayout]:
    """How the columns of these files are stored, in the order in which they come."""
    found: dict[str, ColumnLayout] = {}
    for footer in footers:
        for group in range(footer.num_row_groups):
            for place in range(footer.num_columns):
                chunk = footer.row_group(group).column(place)
                name = chunk.path_in_schema
                one = found.get(name) or ColumnLayout(
                    column=name, encodings=(), compressions=(), stored_bytes=0, encoded_bytes=0
                )
                # Levels of nulls are runs, and a dictionary's own page is plain: neither tells of the values.
                used = {each for each in chunk.encodings if each not in ("RLE", "BIT_PACKED")}
                if "RLE_DICTIONARY" in used or "PLAIN_DICTIONARY" in used:
                    used = {DICTIONARY}
                found[name] = ColumnLayout(
                    column=name,
                    encodings=tuple(sorted({*one.encodings, *used})),
                    compressions=tuple(sorted({*one.compressions, str(chunk.compression)})),
                    stored_bytes=one.stored_bytes + chunk.total_compressed_size,
                    encoded_bytes=one.encoded_bytes + chunk.total_uncompressed_size,
                )
    return list(found.values())
