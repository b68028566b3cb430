"""A piece of delimited text, or of plain lines, as a frame."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.ingest.dedupe.murmur import text_buffers
from pipeline.ingest.reading.csv.dialect import LINES
from pipeline.ingest.reading.csv.strays import set_strays_apart
from pipeline.ingest.reading.csv.tokenizer import Records, find_records, text_columns
from pipeline.ingest.reading.csv.verdicts import REASONS, REPEATED_HEADER, SOUND
from pipeline.ingest.reading.files.bytes_in import read_range
from pipeline.ingest.reading.framing import frame_of
from pipeline.ingest.reading.source_plan import Piece
from pipeline.ingest.reading.text.transcoding import STAND_IN

#: A carriage return and a line feed behind the longest record that is read.
_LINE_END_BYTES = 2
_SHOWN_BYTES = 1 << 20


def read_csv(piece: Piece) -> pa.Table:
    """The frame of a piece of delimited text or lines: one row for each record, in order."""
    dialect = piece.file.dialect or LINES
    stop = min(piece.stop, piece.start + piece.longest + _LINE_END_BYTES) if piece.too_long else piece.stop
    data = read_range(piece.file.data_path, piece.start, stop)
    records = find_records(data, dialect, len(piece.file.columns), longest=piece.longest)
    records = set_strays_apart(data, dialect, records)
    columns = text_columns(data, dialect, records)
    if data.size and not data.all():
        columns = [without_nuls(column) for column in columns]
    if dialect.joined:
        columns = [pc.replace_substring(column, STAND_IN, dialect.joined) for column in columns]
    again = repeats(piece.file.header, columns)
    reasons = {int(row): REPEATED_HEADER for row in np.flatnonzero(again)}
    reasons |= {int(row): REASONS[records.verdicts[row]] for row in np.flatnonzero(records.verdicts != SOUND)}
    found = dict(zip(piece.file.columns, columns, strict=True))
    positions = source_positions(piece, records.starts)

    def record(row: int) -> str:
        text = record_text(data, records, row)
        return text.replace(STAND_IN, dialect.joined) if dialect.joined else text

    return frame_of(piece, found, positions, reasons, record)


def repeats(header: Sequence[str], columns: Sequence[pa.Array]) -> npt.NDArray[np.bool_]:
    """Which rows are the header once more, as in files that were put together from several; none without a header.

    Parameters
    ----------
    header
        Its fields.
    columns
        The columns below it, each of shape (rows,).
    """
    again = np.zeros(len(columns[0]) if columns else 0, np.bool_)
    if len(header) < 2 or len(header) != len(columns) or not all(header):
        return again
    # Hardly any other row has fields as long as all of these.
    alike = ~again
    for name, column in zip(header[1:], columns[1:], strict=True):
        alike &= np.diff(text_buffers(column)[1]) == len(name.encode())
    places = np.flatnonzero(alike)
    if not places.size:
        return again
    columns = [column.take(pa.array(places)) for column in columns]
    # Each of the files may have had a byte order mark, and then a quote that no longer comes first.
    first = header[0].strip("\ufeff").strip('"')
    rows = pc.is_in(columns[0], pa.array([header[0], first, f"\ufeff{first}", f'\ufeff"{first}"']))
    for name, column in zip(header[1:], columns[1:], strict=True):
        rows = pc.and_(rows, pc.equal(column, name).fill_null(False))
    again[places] = np.asarray(rows)
    return again


def source_positions(piece: Piece, starts: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Raw positions in the source of records that start at `starts` in the piece, shape (records,)."""
    offsets = starts + piece.start
    return piece.file.lines.raw_offsets(offsets) if piece.file.lines is not None else offsets


def without_nuls(column: pa.Array) -> pa.Array:
    """The text without NUL characters; what is left empty is null."""
    stripped = pc.replace_substring(column, "\0", "")
    return pc.if_else(pc.equal(pc.binary_length(stripped), 0), pa.scalar(None, pa.string()), stripped)


def record_text(data: npt.NDArray[np.uint8], records: Records, row: int) -> str:
    """The record as it stands in the source; what is no text shows as U+FFFD, what is very long is cut."""
    start, end = int(records.starts[row]), int(records.ends[row])
    raw = data[start : min(end, start + _SHOWN_BYTES)].tobytes()
    return raw.decode("utf-8", "replace")
