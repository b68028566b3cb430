"""Delimited text to columns: records measured in one pass, then their fields written straight into Arrow buffers.

The first pass knows every rule of the dialect and gives each record a verdict; the second only copies the fields of
sound records, whose shape is known by then, into buffers of exactly the right size.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pipeline.ingest.bytes_in import new_bytes
from pipeline.ingest.dialect import CR, LF, Dialect
from pipeline.ingest.kernel import Buffer, kernel
from pipeline.ingest.runs import WORD, copy_run, pattern, run_end, words_of
from pipeline.ingest.utf8 import is_utf8, valid_utf8

#: Verdicts on a record; the first that holds, from the highest down, is the one it gets.
SOUND, SHORT_ROW, LONG_ROW, BAD_QUOTING, UNTERMINATED_QUOTE, RECORD_TOO_LONG, BAD_ENCODING = range(7)
REASONS = (
    "",
    "short_row",
    "long_row",
    "bad_quoting",
    "unterminated_quote",
    "record_too_long",
    "bad_encoding",
)


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
    """

    starts: npt.NDArray[np.int64]
    ends: npt.NDArray[np.int64]
    fields: npt.NDArray[np.int64]
    verdicts: npt.NDArray[np.uint8]
    column_bytes: npt.NDArray[np.int64]
    loose_quotes: npt.NDArray[np.bool_]


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
    most = int(_count_ends(data, dialect.cr_ends)) + 1
    starts = np.empty(most, dtype=np.int64)
    ends = np.empty(most, dtype=np.int64)
    fields = np.empty(most, dtype=np.int64)
    verdicts = np.empty(most, dtype=np.uint8)
    loose = np.empty(most, dtype=np.bool_)
    column_bytes = np.zeros(columns, dtype=np.int64)
    found = int(
        _measure(
            data, words_of(data), marks, columns, longest, check, starts, ends, fields, verdicts, loose, column_bytes
        )
    )
    return Records(
        starts=starts[:found].copy(),
        ends=ends[:found].copy(),
        fields=fields[:found].copy(),
        verdicts=verdicts[:found].copy(),
        column_bytes=column_bytes,
        loose_quotes=loose[:found].copy(),
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
    # Copying goes by words, so that each column's text needs room for one word behind it.
    bases = np.concatenate([[0], np.cumsum(records.column_bytes + WORD)]).astype(np.int64)
    text = new_bytes(int(bases[-1]) + WORD)
    offsets = np.zeros((columns, rows + 1), dtype=np.int32)
    _fill(
        data,
        words_of(data),
        dialect.marks,
        records.starts,
        records.ends,
        records.verdicts,
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


@kernel
def _count_ends(data: Buffer, cr_ends: bool) -> int:
    count = 0
    for i in range(data.shape[0]):
        count += data[i] == LF
    if cr_ends:
        for i in range(data.shape[0]):
            count += data[i] == CR
    return count


@kernel
def _measure(  # noqa: C901 - one compiled loop
    data: Buffer,
    words: Buffer,
    marks: Buffer,
    columns: int,
    longest: int,
    check: bool,
    starts: Buffer,
    ends: Buffer,
    fields: Buffer,
    verdicts: Buffer,
    loose: Buffer,
    column_bytes: Buffer,
) -> int:
    size = data.shape[0]
    delimiter, quote, escape = marks[0], marks[1], marks[2]
    cr_ends = marks[3] == 1
    line_feed = pattern(LF, LF)
    delimiters = pattern(delimiter, LF)
    quotes = pattern(quote, LF)
    escapes = pattern(escape, quote)
    third = pattern(escape, CR if cr_ends else LF)
    # With an escape and bare carriage returns there is no room left for quotes: they are not noted as loose.
    fourth = pattern(CR if cr_ends and escape >= 0 else quote, LF)
    lengths = np.zeros(columns, dtype=np.int64)
    found = 0
    i = 0
    while i < size:
        # A blank line: nothing but carriage returns before the line feed.
        k = i
        while k < size and data[k] == CR:
            k += 1
        if k == size or data[k] == LF:
            i = k + 1
            continue
        start = k if cr_ends else i
        i = start
        end = size
        field = 0
        quoting = SOUND
        loose_quote = False
        more = True
        while more:
            length = 0
            begin = i
            escaped = False
            plain = True
            if i < size and data[i] == quote:
                i += 1
                plain = False
                while True:
                    run = i
                    i = run_end(data, words, i, size, quotes, escapes, quotes, escapes)
                    length += i - run
                    if i < size and data[i] == escape:
                        i += 1
                        if i < size:
                            i += 1
                            length += 1
                            continue
                    if i == size:
                        quoting = UNTERMINATED_QUOTE
                        break
                    i += 1
                    if i < size and data[i] == quote:
                        i += 1
                        length += 1
                        continue
                    break
                # Behind the closing quote: a delimiter, a line end, or what should not be there.
                k = i
                while k < size and data[k] == CR:
                    k += 1
                if k == size or data[k] == LF or (k > i and cr_ends):
                    end = i
                    more = False
                    i = (i if cr_ends else k) + 1
                elif data[i] == delimiter:
                    i += 1
                else:
                    plain = True
                    quoting = BAD_QUOTING
                    begin = i
                    if data[i] == escape:
                        i += 1
                        length += 1
            if plain and quoting != UNTERMINATED_QUOTE:
                while True:
                    run = i
                    i = run_end(data, words, i, size, line_feed, delimiters, third, fourth)
                    length += i - run
                    if i < size and data[i] == quote:
                        loose_quote = True
                        i += 1
                        length += 1
                        continue
                    if i < size and data[i] == escape:
                        escaped = True
                        i += 1
                        if i < size:
                            i += 1
                            length += 1
                        continue
                    break
                if i < size and data[i] == delimiter:
                    i += 1
                else:
                    end = i
                    if not escaped:
                        while end > begin and data[end - 1] == CR:
                            end -= 1
                            length -= 1
                    i += 1
                    more = False
            if quoting == UNTERMINATED_QUOTE:
                end = size
                more = False
            if field < columns:
                lengths[field] = length
            field += 1
        verdict = SOUND
        if field < columns:
            verdict = SHORT_ROW
        elif field > columns:
            verdict = LONG_ROW
        if quoting != SOUND:
            verdict = quoting
        if end - start > longest:
            verdict = RECORD_TOO_LONG
        elif check and not valid_utf8(data, start, end):
            verdict = BAD_ENCODING
        starts[found] = start
        ends[found] = end
        fields[found] = field
        verdicts[found] = verdict
        loose[found] = loose_quote
        found += 1
        if verdict == SOUND:
            for column in range(columns):
                column_bytes[column] += lengths[column]
    return found


@kernel
def _fill(  # noqa: C901 - one compiled loop
    data: Buffer,
    words: Buffer,
    marks: Buffer,
    starts: Buffer,
    ends: Buffer,
    verdicts: Buffer,
    bases: Buffer,
    text: Buffer,
    text_words: Buffer,
    offsets: Buffer,
) -> None:
    delimiter, quote, escape = marks[0], marks[1], marks[2]
    line_feed = pattern(LF, LF)
    delimiters = pattern(delimiter, LF)
    quotes = pattern(quote, LF)
    escapes = pattern(escape, quote)
    third = pattern(escape, LF)
    fourth = pattern(CR if marks[3] == 1 else LF, LF)
    columns = offsets.shape[0]
    for row in range(starts.shape[0]):
        if verdicts[row] != SOUND:
            for column in range(columns):
                offsets[column, row + 1] = offsets[column, row]
            continue
        i = starts[row]
        end = ends[row]
        for column in range(columns):
            out = bases[column] + offsets[column, row]
            quoted = i < end and data[i] == quote
            if quoted:
                i += 1
            while True:
                run = i
                if quoted:
                    i = copy_run(data, words, i, end, quotes, escapes, quotes, escapes, text, text_words, out)
                else:
                    i = copy_run(data, words, i, end, line_feed, delimiters, third, fourth, text, text_words, out)
                out += i - run
                if i < end and data[i] == escape:
                    i += 1
                elif quoted:
                    i += 1
                    if i == end or data[i] != quote:
                        break
                else:
                    break
                # The byte behind an escape, or the second of two quotes, is text.
                if i < end:
                    text[out] = data[i]
                    out += 1
                    i += 1
            i += 1
            offsets[column, row + 1] = out - bases[column]
