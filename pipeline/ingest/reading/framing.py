"""From the columns a reader found to a frame: renamed, cast, with each row's place and fate."""

from collections.abc import Callable, Mapping

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.frame import SOURCE_TYPE, frame_schema
from pipeline.ingest.reading.columns.casting import cast_text
from pipeline.ingest.reading.columns.column_types import parse_type
from pipeline.ingest.reading.source_plan import OutputColumn, Piece
from pipeline.ledger import REJECTED


def frame_of(
    piece: Piece,
    found: Mapping[str, pa.Array],
    positions: npt.NDArray[np.int64],
    reasons: Mapping[int, str],
    record: Callable[[int], str],
) -> pa.Table:
    """The frame of a piece.

    Parameters
    ----------
    piece
        The piece that was read.
    found
        The file's own columns by their names there, each of shape (rows,).
    positions
        Where each record starts in its source, shape (rows,).
    reasons
        Why a record is rejected, by row; a value that cannot be cast rejects its row as well, where nothing did yet.
    record
        The record's text, by row; asked for rejected ones only.
    """
    rows = positions.size
    rejected = dict(reasons)
    content = []
    for output, field in zip(piece.columns, piece.schema, strict=True):
        column, bad = _content(output, field.type, found, rows, piece.null_words)
        content.append(column)
        for row in np.flatnonzero(bad):
            rejected.setdefault(int(row), f"cast_{output.name}")
    source = pa.DictionaryArray.from_arrays(pa.repeat(pa.scalar(0, pa.int32()), rows), [piece.file.name])
    system = [
        source.cast(SOURCE_TYPE),
        pa.array(positions, pa.int64()),
        _sparse_text(dict.fromkeys(rejected, REJECTED), rows),
        _sparse_text(rejected, rows),
        _sparse_text({row: record(row) for row in rejected}, rows),
    ]
    return pa.table([*content, *system], schema=frame_schema(piece.schema))


def _content(
    output: OutputColumn,
    target: pa.DataType,
    found: Mapping[str, pa.Array],
    rows: int,
    null_words: tuple[str, ...],
) -> tuple[pa.Array, npt.NDArray[np.bool_]]:
    if output.source is None or output.source not in found:
        column = pa.repeat(pa.scalar(output.constant, pa.string()), rows)
    else:
        column = found[output.source]
    if null_words and pa.types.is_string(column.type):
        words = pc.is_in(column, pa.array(null_words, pa.string()))
        column = pc.if_else(words, pa.scalar(None, pa.string()), column)
    if column.type == target:
        return column, np.zeros(rows, dtype=np.bool_)
    if output.type is not None:
        return cast_text(as_text(column), parse_type(output.type))
    return (as_text(column) if target == pa.string() else column.cast(target)), np.zeros(rows, dtype=np.bool_)


def as_text(column: pa.Array) -> pa.Array:
    """The column as text, values spelled as Arrow spells them."""
    return column if pa.types.is_string(column.type) else column.cast(pa.string())


def _sparse_text(texts: Mapping[int, str], rows: int) -> pa.Array:
    if not texts:
        return pa.nulls(rows, pa.string())
    values: list[str | None] = [None] * rows
    for row, text in texts.items():
        values[row] = text
    return pa.array(values, pa.string())
