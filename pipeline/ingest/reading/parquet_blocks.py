"""A piece of a Parquet file as a frame."""

from typing import Any

import numpy as np
import numpy.typing as npt
import orjson
import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.errors import SourceError
from pipeline.ingest.reading.csv.verdicts import BAD_ENCODING, REASONS
from pipeline.ingest.reading.files.bytes_in import open_bytes
from pipeline.ingest.reading.framing import frame_of
from pipeline.ingest.reading.parquet_files import CURE, first_line, read_type
from pipeline.ingest.reading.source_plan import Piece


def read_parquet(piece: Piece) -> pa.Table:
    """The frame of a piece of Parquet: one row for each of its rows, in order, at its row number.

    Raises
    ------
    SourceError
        If the rows cannot be read: the file is damaged or has changed since it was planned.
    """
    names = [name for name in piece.file.columns if any(output.source == name for output in piece.columns)]
    try:
        table = _rows(piece, names)
    except (pa.ArrowException, OSError) as error:
        raise SourceError(
            piece.file.told, f"rows {piece.start} to {piece.stop} cannot be read ({first_line(error)})", CURE
        ) from error
    rows = piece.stop - piece.start
    broken = np.zeros(rows, dtype=np.bool_)
    found: dict[str, pa.Array] = {}
    for name in names:
        found[name], bad = _plain(table[name])
        broken |= bad
    reasons = {int(row): REASONS[BAD_ENCODING] for row in np.flatnonzero(broken)}
    positions = np.arange(piece.start, piece.stop, dtype=np.int64)
    return frame_of(piece, found, positions, reasons, lambda row: _shown(table.slice(row, 1)))


def _rows(piece: Piece, names: list[str]) -> pa.Table:
    wanted = piece.stop - piece.start
    with open_bytes(piece.file.data_path) as raw, pq.ParquetFile(raw) as file:
        table = file.read_row_groups(list(range(*piece.row_groups)), columns=names, use_threads=False)
    if table.num_rows != wanted:
        raise OSError(f"{table.num_rows} rows instead of {wanted}, as when it was planned")
    return table if names else pa.table({"": pa.nulls(wanted)})


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
    """One row in words; text that is none is shown as the bytes it is, times as Arrow spells them."""
    return str({name: _spelled(row[name])[0].as_py() for name in row.column_names})


def _spelled(column: pa.ChunkedArray) -> pa.ChunkedArray:
    if pa.types.is_string(column.type):
        return column.cast(pa.large_binary())
    # Python has no words for nanoseconds and for years beyond 9999.
    return column.cast(pa.string()) if pa.types.is_timestamp(column.type) or pa.types.is_date(column.type) else column
