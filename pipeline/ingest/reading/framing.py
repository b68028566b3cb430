"""From the columns a reader found to a frame: renamed, cast, with each row's place and fate."""

from collections.abc import Callable, Mapping
from datetime import date

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.frame import SOURCE_TYPE, frame_schema
from pipeline.ingest.reading.columns.casting import cast_text
from pipeline.ingest.reading.columns.column_types import parse_type
from pipeline.ingest.reading.source_plan import OutputColumn, Piece
from pipeline.ledger import REJECTED

_EPOCH = date(1970, 1, 1).toordinal()
_FIRST_DAY, _LAST_DAY = date.min.toordinal() - _EPOCH, date.max.toordinal() - _EPOCH
_DAY_MICROSECONDS = 86_400_000_000


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
    if output.type is not None and column.type != target:
        return cast_text(as_text(column), parse_type(output.type))
    if pa.types.is_timestamp(target) or pa.types.is_date32(target):
        return _within_calendar(column, target)
    none_bad = np.zeros(rows, dtype=np.bool_)
    return (as_text(column) if target == pa.string() else column.cast(target)), none_bad


def _within_calendar(column: pa.Array, target: pa.DataType) -> tuple[pa.Array, npt.NDArray[np.bool_]]:
    """The column as days or microseconds, and which rows hold what these cannot say exactly, or no day of a calendar.

    Such rows are null in the column.
    """
    found = column.cast(target, safe=False)
    count = found.view(pa.int64() if pa.types.is_timestamp(target) else pa.int32()).cast(pa.int64())
    a_day = _DAY_MICROSECONDS if pa.types.is_timestamp(target) else 1
    known = pc.and_(pc.less_equal(_FIRST_DAY * a_day, count), pc.less(count, (_LAST_DAY + 1) * a_day))
    exact = pc.and_(known, pc.equal(found.cast(column.type, safe=False), column))
    bad = np.asarray(pc.invert(exact).fill_null(False))
    return (pc.if_else(exact, found, pa.scalar(None, target)) if bad.any() else found), bad


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
