"""Delimited text to columns: records measured in one pass, then their fields written straight into Arrow buffers.

The first pass knows every rule of the dialect and gives each record a verdict; the second only copies the fields of
sound records, whose shape is known by then, into buffers of exactly the right size.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pipeline.ingest.reading.csv.dialect import Dialect
from pipeline.ingest.reading.csv.record_loops import count_ends, fill, measure
from pipeline.ingest.reading.csv.runs import words_of
from pipeline.ingest.reading.text.utf8 import is_utf8
from storage.compiled import STRIDE
from storage.memory import new_array


@dataclass(frozen=True, slots=True, kw_only=True)
class Records:
    """The records of one stretch of delimited text.

    Attributes
    ----------
    starts, ends
        Offsets of each record's first byte and of the byte after its last (line end not included), shape (records,).
    fields
        How many fields each record has, shape (records,).
    verdicts
        `SOUND` or why the record is not, shape (records,).
    column_bytes
        Text bytes of the sound records by column, shape (columns,).
    loose_quotes
        Whether each record has a quote inside an unquoted field, shape (records,).
    lengths
        Text bytes of each field of the sound records, shape (columns, records); `WRITTEN_OTHERWISE` where the bytes in
        between the field's ends are not its text.
    """

    starts: npt.NDArray[np.int64]
    ends: npt.NDArray[np.int64]
    fields: npt.NDArray[np.int64]
    verdicts: npt.NDArray[np.uint8]
    column_bytes: npt.NDArray[np.int64]
    loose_quotes: npt.NDArray[np.bool_]
    lengths: npt.NDArray[np.int32]

    def part(self, start: int, stop: int) -> "Records":
        """The records from `start` to before `stop`; their text bytes by column are not known."""
        return Records(
            starts=self.starts[start:stop],
            ends=self.ends[start:stop],
            fields=self.fields[start:stop],
            verdicts=self.verdicts[start:stop],
            column_bytes=np.zeros_like(self.column_bytes),
            loose_quotes=self.loose_quotes[start:stop],
            lengths=self.lengths[:, start:stop],
        )


def find_records(
    data: npt.NDArray[np.uint8], dialect: Dialect, columns: int, *, longest: int, checked: bool = False
) -> Records:
    """The records of `data`, in order; blank lines are none.

    Parameters
    ----------
    data
        Shape (bytes,), beginning at a record's start and ending at a record's end or the file's.
    dialect
        The dialect.
    columns
        How many fields a sound record has.
    longest
        Bytes a record may have.
    checked
        Whether `data` is known to be UTF-8.
    """
    check = not checked and not is_utf8(data)
    marks = dialect.marks
    # Never touched beyond the records found: an upper bound costs address space only.
    most = int(count_ends(data, dialect.cr_ends)) + 1
    starts = new_array(most, np.int64)
    ends = new_array(most, np.int64)
    fields = new_array(most, np.int64)
    verdicts = new_array(most, np.uint8)
    loose = new_array(most, np.bool_)
    lengths = new_array((columns, most), np.int32)
    column_bytes = np.zeros(columns, dtype=np.int64)
    found = int(
        measure(
            data,
            marks,
            columns,
            longest,
            check,
            starts,
            ends,
            fields,
            verdicts,
            loose,
            lengths,
            column_bytes,
        )
    )
    return Records(
        starts=starts[:found],
        ends=ends[:found],
        fields=fields[:found],
        verdicts=verdicts[:found],
        column_bytes=column_bytes,
        loose_quotes=loose[:found],
        lengths=lengths[:, :found],
    )


def text_columns(data: npt.NDArray[np.uint8], dialect: Dialect, records: Records) -> list[pa.Array]:
    """One text array a column, each of as many rows as `records`; empty fields and unsound records are null.

    Parameters
    ----------
    data, dialect
        What `records` was found in, and how.
    records
        What `find_records` answered.
    """
    rows, columns = records.starts.size, records.column_bytes.size
    # Copying goes by strides, so that each column's text needs room for one stride behind it.
    bases = np.concatenate([[0], np.cumsum(records.column_bytes + STRIDE)]).astype(np.int64)
    text = new_array(int(bases[-1]) + STRIDE, np.uint8)
    offsets = new_array((columns, rows + 1), np.int32)
    offsets[:, 0] = 0
    fill(
        data,
        words_of(data),
        dialect.marks,
        records.starts,
        records.ends,
        records.verdicts,
        records.lengths,
        bases,
        text,
        words_of(text),
        offsets,
    )
    arrays = []
    for column in range(columns):
        filled = np.diff(offsets[column]) > 0
        nulls = int(rows - np.count_nonzero(filled))
        validity = pa.py_buffer(np.packbits(filled, bitorder="little")) if nulls else None
        values = pa.py_buffer(text[bases[column] : bases[column] + records.column_bytes[column]])
        arrays.append(
            pa.Array.from_buffers(pa.string(), rows, [validity, pa.py_buffer(offsets[column]), values], nulls)
        )
    return arrays
