"""A block of delimited text, or of plain lines, as a frame."""

from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.ingest.bytes_in import read_range
from pipeline.ingest.dialect import LF, LINES, Dialect
from pipeline.ingest.framing import frame_of
from pipeline.ingest.source_plan import Block
from pipeline.ingest.tokenizer import Records, find_records, text_columns
from pipeline.ingest.verdicts import BAD_QUOTING, REASONS, SOUND, UNTERMINATED_QUOTE

#: A carriage return and a line feed behind the longest record that is read.
_LINE_END_BYTES = 2
_SHOWN_BYTES = 1 << 20
#: So many sound records behind a quote that never closes say that it was a stray one.
_SOUND_BEHIND_STRAY = 3


def read_csv(block: Block) -> pa.Table:
    """The frame of a csv or lines block: one row for each record, in order."""
    dialect = block.file.dialect or LINES
    stop = min(block.stop, block.start + block.longest + _LINE_END_BYTES) if block.too_long else block.stop
    data = read_range(block.file.data_path, block.start, stop)
    records = find_records(data, dialect, len(block.file.columns), longest=block.longest)
    records = set_strays_apart(data, dialect, records)
    columns = text_columns(data, dialect, records)
    if data.size and not data.all():
        columns = [without_nuls(column) for column in columns]
    reasons = {int(row): REASONS[records.verdicts[row]] for row in np.flatnonzero(records.verdicts != SOUND)}
    found = dict(zip(block.file.columns, columns, strict=True))
    positions = source_positions(block, records.starts)
    return frame_of(block, found, positions, reasons, lambda row: record_text(data, records, row))


def source_positions(block: Block, starts: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Raw positions in the source of records that start at `starts` in the block, shape (records,)."""
    offsets = starts + block.start
    return block.file.lines.raw_offsets(offsets) if block.file.lines is not None else offsets


def without_nuls(column: pa.Array) -> pa.Array:
    """The text without NUL characters; what is left empty is null."""
    stripped = pc.replace_substring(column, "\0", "")
    return pc.if_else(pc.equal(pc.binary_length(stripped), 0), pa.scalar(None, pa.string()), stripped)


def record_text(data: npt.NDArray[np.uint8], records: Records, row: int) -> str:
    """The record as it stands in the source; what is no text shows as U+FFFD, what is very long is cut."""
    start, end = int(records.starts[row]), int(records.ends[row])
    raw = data[start : min(end, start + _SHOWN_BYTES)].tobytes()
    return raw.decode("utf-8", "replace")


def set_strays_apart(data: npt.NDArray[np.uint8], dialect: Dialect, records: Records) -> Records:
    """The records, those that a stray quote had swallowed set free.

    A quote that opens a field and was never meant to takes everything up to the next quote into its record. Where all
    lines behind the first one are sound records by themselves, without any loose quote, the first line alone is
    rejected. Otherwise the record stays whole: its lines may be one text with quotes inside.
    """
    suspects = np.flatnonzero((records.verdicts == BAD_QUOTING) | (records.verdicts == UNTERMINATED_QUOTE))
    pieces: list[Records] = []
    done = 0
    for row in suspects:
        apart = _apart(data, dialect, records, int(row))
        if apart is not None:
            pieces += [_part(records, done, int(row)), apart]
            done = int(row) + 1
    return _joined([*pieces, _part(records, done, records.starts.size)], records.column_bytes) if pieces else records


def _apart(data: npt.NDArray[np.uint8], dialect: Dialect, records: Records, row: int) -> Records | None:
    start, end = int(records.starts[row]), int(records.ends[row])
    line_feeds = np.flatnonzero(data[start:end] == LF)
    if line_feeds.size == 0:
        return None
    behind = start + int(line_feeds[0]) + 1
    width = records.column_bytes.size
    found = find_records(data[behind:end], dialect, width, longest=end)
    needed = 1 if records.verdicts[row] == BAD_QUOTING else _SOUND_BEHIND_STRAY
    clean = bool((found.verdicts == SOUND).all()) and not found.loose_quotes.any()
    if width < 2 or found.starts.size < needed or not clean:
        return None
    first = _part(records, row, row + 1)
    stray = replace(first, ends=np.array([behind - 1], dtype=np.int64))
    rest = replace(found, starts=found.starts + behind, ends=found.ends + behind)
    return _joined([stray, rest], np.zeros_like(found.column_bytes))


def _part(records: Records, start: int, stop: int) -> Records:
    return replace(
        records,
        starts=records.starts[start:stop],
        ends=records.ends[start:stop],
        fields=records.fields[start:stop],
        verdicts=records.verdicts[start:stop],
        loose_quotes=records.loose_quotes[start:stop],
        column_bytes=np.zeros_like(records.column_bytes),
    )


def _joined(parts: list[Records], column_bytes: npt.NDArray[np.int64]) -> Records:
    """All parts in order; their text bytes by column are added to `column_bytes`."""
    return Records(
        starts=np.concatenate([part.starts for part in parts]),
        ends=np.concatenate([part.ends for part in parts]),
        fields=np.concatenate([part.fields for part in parts]),
        verdicts=np.concatenate([part.verdicts for part in parts]),
        loose_quotes=np.concatenate([part.loose_quotes for part in parts]),
        column_bytes=sum((part.column_bytes for part in parts), start=column_bytes),
    )
