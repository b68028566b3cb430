"""Records that a stray quote had swallowed, set free: a stray quote costs its line, not the lines behind it."""

from dataclasses import replace

import numpy as np
import numpy.typing as npt

from pipeline.ingest.reading.csv.dialect import LF, Dialect
from pipeline.ingest.reading.csv.tokenizer import Records, find_records
from pipeline.ingest.reading.csv.verdicts import BAD_QUOTING, SOUND, UNTERMINATED_QUOTE

#: So many sound records behind a quote that never closes say that it was a stray one.
_SOUND_BEHIND_OPEN_END = 3
#: Among so many records, nearly all of them sound are enough; a text of so many lines that look like rows is none.
_MANY = 10
_NEARLY_ALL = 0.9
_MOST_STRAYS = 20


def set_strays_apart(data: npt.NDArray[np.uint8], dialect: Dialect, records: Records, *, depth: int = 0) -> Records:
    """The records, those that a stray quote had swallowed set free.

    A quote that opens a field and was never meant to takes everything up to the next quote into its record. Where the
    lines behind the first one are sound records by themselves, without any loose quote, the first line alone is
    rejected. Otherwise the record stays whole: its lines may be one text with quotes inside.

    Parameters
    ----------
    data, dialect, records
        What the records were found in, how, and what was found.
    depth
        How many stray quotes before this one are being set apart; there is an end to it.
    """
    suspects = np.flatnonzero((records.verdicts == BAD_QUOTING) | (records.verdicts == UNTERMINATED_QUOTE))
    pieces: list[Records] = []
    done = 0
    for row in suspects:
        apart = _apart(data, dialect, records, int(row), depth)
        if apart is not None:
            pieces += [records.part(done, int(row)), apart]
            done = int(row) + 1
    return _joined([*pieces, records.part(done, records.starts.size)], records.column_bytes) if pieces else records


def _apart(data: npt.NDArray[np.uint8], dialect: Dialect, records: Records, row: int, depth: int) -> Records | None:
    start, end = int(records.starts[row]), int(records.ends[row])
    line_feeds = np.flatnonzero(data[start:end] == LF)
    width = records.column_bytes.size
    if line_feeds.size == 0 or width < 2 or depth == _MOST_STRAYS:
        return None
    behind = start + int(line_feeds[0]) + 1
    found = find_records(data[behind:end], dialect, width, longest=end)
    found = set_strays_apart(data[behind:end], dialect, found, depth=depth + 1)
    sound = (found.verdicts == SOUND) & ~found.loose_quotes
    needed = 1 if records.verdicts[row] == BAD_QUOTING else _SOUND_BEHIND_OPEN_END
    if not (sound.size >= needed and (sound.all() or (sound.size >= _MANY and sound.mean() >= _NEARLY_ALL))):
        return None
    first = records.part(row, row + 1)
    stray = replace(first, ends=np.array([behind - 1], dtype=np.int64))
    rest = replace(found, starts=found.starts + behind, ends=found.ends + behind)
    return _joined([stray, rest], np.zeros_like(found.column_bytes))


def _joined(parts: list[Records], column_bytes: npt.NDArray[np.int64]) -> Records:
    """All parts in order; their text bytes by column are added to `column_bytes`."""
    return Records(
        starts=np.concatenate([part.starts for part in parts]),
        ends=np.concatenate([part.ends for part in parts]),
        fields=np.concatenate([part.fields for part in parts]),
        verdicts=np.concatenate([part.verdicts for part in parts]),
        loose_quotes=np.concatenate([part.loose_quotes for part in parts]),
        lengths=np.concatenate([part.lengths for part in parts], axis=1),
        column_bytes=sum((part.column_bytes for part in parts), start=column_bytes),
    )
