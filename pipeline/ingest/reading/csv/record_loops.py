"""The two compiled loops over delimited text: measuring records, and copying the fields of sound ones."""

import numpy as np

from pipeline.ingest.reading.csv.dialect import CR, LF, SPACE
from pipeline.ingest.reading.csv.runs import copy_run, pattern, run_end
from pipeline.ingest.reading.csv.verdicts import (
    BAD_ENCODING,
    BAD_QUOTING,
    LONG_ROW,
    RECORD_TOO_LONG,
    SHORT_ROW,
    SOUND,
    UNTERMINATED_QUOTE,
)
from pipeline.ingest.reading.text.utf8 import valid_utf8
from storage.compiled import STRIDE, Buffer, copy_stride, kernel

#: In the place of a field's length: an escape or a doubled quote stands in it.
WRITTEN_OTHERWISE = -1


@kernel
def count_ends(data: Buffer, cr_ends: bool) -> int:
    """How many line feeds, and with `cr_ends` carriage returns, `data` holds: no fewer than the records that end."""
    count = 0
    for i in range(data.shape[0]):
        count += data[i] == LF
    if cr_ends:
        for i in range(data.shape[0]):
            count += data[i] == CR
    return count


@kernel
def measure(  # noqa: C901 - one compiled loop
    data: Buffer,
    marks: Buffer,
    columns: int,
    longest: int,
    check: bool,
    starts: Buffer,
    ends: Buffer,
    fields: Buffer,
    verdicts: Buffer,
    loose: Buffer,
    lengths: Buffer,
    column_bytes: Buffer,
) -> int:
    """How many records `data` holds; their facts are written to the arrays, as `Records` describes them.

    Records are judged against `columns` fields and `longest` bytes; with `check`, those that are not UTF-8 are told
    apart. Each array has room for every record; `column_bytes` has one place a column and is added to.
    """
    size = data.shape[0]
    delimiter, quote, escape = marks[0], marks[1], marks[2]
    cr_ends, skip_spaces = marks[3] == 1, marks[4] == 1
    line_feed = pattern(LF, LF)
    delimiters = pattern(delimiter, LF)
    quotes = pattern(quote, LF)
    escapes = pattern(escape, quote)
    third = pattern(escape, CR if cr_ends else LF)
    # With an escape and bare carriage returns there is no room left for quotes: they are not noted as loose.
    fourth = pattern(CR if cr_ends and escape >= 0 else quote, LF)
    text_bytes = np.zeros(columns, dtype=np.int64)
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
            verbatim = True
            while skip_spaces and i < size and data[i] == SPACE:
                i += 1
            begin = i
            escaped = False
            plain = True
            if i < size and data[i] == quote:
                i += 1
                plain = False
                while True:
                    run = i
                    i = run_end(data, i, size, quotes, escapes, quotes, escapes)
                    length += i - run
                    if i < size and data[i] == escape:
                        verbatim = False
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
                        verbatim = False
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
                    i = run_end(data, i, size, line_feed, delimiters, third, fourth)
                    length += i - run
                    if i < size and data[i] == quote:
                        loose_quote = True
                        i += 1
                        length += 1
                        continue
                    if i < size and data[i] == escape:
                        escaped = True
                        verbatim = False
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
                text_bytes[field] = length
                lengths[field, found] = length if verbatim else WRITTEN_OTHERWISE
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
                column_bytes[column] += text_bytes[column]
    return found


@kernel
def fill(  # noqa: C901 - one compiled loop
    data: Buffer,
    words: Buffer,
    marks: Buffer,
    starts: Buffer,
    ends: Buffer,
    verdicts: Buffer,
    lengths: Buffer,
    bases: Buffer,
    text: Buffer,
    text_words: Buffer,
    offsets: Buffer,
) -> None:
    """The fields of sound records, unquoted, in `text`, and where they end in `offsets`, shape (columns, records + 1).

    The text of each column starts at its place in `bases`, and has room for one stride more than it needs.
    """
    delimiter, quote, escape, skip_spaces = marks[0], marks[1], marks[2], marks[4] == 1
    line_feed = pattern(LF, LF)
    delimiters = pattern(delimiter, LF)
    quotes = pattern(quote, LF)
    escapes = pattern(escape, quote)
    third = pattern(escape, LF)
    fourth = pattern(CR if marks[3] == 1 else LF, LF)
    size = data.shape[0]
    source, target = np.uint64(data.ctypes.data), np.uint64(text.ctypes.data)
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
            while skip_spaces and i < end and data[i] == SPACE:
                i += 1
            quoted = i < end and data[i] == quote
            if quoted:
                i += 1
            length = np.int64(lengths[column, row])
            # By whole strides, where there are bytes behind the field to make up the last one.
            if length >= 0 and i + length + STRIDE <= size:
                for k in range(0, length, STRIDE):
                    copy_stride(source + np.uint64(i + k), target + np.uint64(out + k))
                i += length + (2 if quoted else 1)
                offsets[column, row + 1] = out + length - bases[column]
                continue
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
