"""White space found and removed by compiled scans that touch only the rows that need it.

White space are the characters of the Unicode property White_Space: all are one byte (ASCII), C2 85, C2 A0, or three
bytes that begin with E1, E2 or E3.
"""

from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pipeline.ingest.dedupe.murmur import text_buffers
from pipeline.ingest.operations.splice import Rows
from pipeline.ingest.reading.csv.runs import copied, stride_at
from storage.compiled import STRIDE, bytes_within, inlined, kernel, lowest_bit
from storage.memory import new_array

_TAB, _RETURN, _BLANK = np.uint8(9), np.uint8(13), np.uint8(32)
_ONE, _LAST_BIT = np.uint64(1), np.uint64(STRIDE - 1)
_LAST, _LAST_TWO = _ONE << _LAST_BIT, np.uint64(3) << (_LAST_BIT - _ONE)
_80, _81, _C2, _E1, _E2, _E3 = (np.uint8(byte) for byte in (0x80, 0x81, 0xC2, 0xE1, 0xE2, 0xE3))


@kernel
def _is_wide(a: Any, b: Any, c: Any) -> Any:
    """Whether three bytes are a white space character."""
    if a == 0xE2:
        if b == 0x80:
            return (c >= 0x80 and c <= 0x8A) or c == 0xA8 or c == 0xA9 or c == 0xAF
        return b == 0x81 and c == 0x9F
    return (a == 0xE1 and b == 0x9A and c == 0x80) or (a == 0xE3 and b == 0x80 and c == 0x80)


@inlined
def _plain(byte: Any) -> Any:
    """Whether a byte is not, and does not begin, white space."""
    return (byte > _BLANK) & ((byte < _C2) | (byte > _E3))


@kernel
def white_at(data: Any, i: Any, stop: Any) -> Any:
    """How many bytes the white space character that begins at `i` takes; 0 where there is none."""
    a = data[i]
    if a <= 32:
        return 1 if a == 32 or (a >= 9 and a <= 13) else 0
    if a < 0xC2 or a > 0xE3:
        return 0
    if a == 0xC2:
        return 2 if i + 1 < stop and (data[i + 1] == 0x85 or data[i + 1] == 0xA0) else 0
    if a < 0xE1 or i + 2 >= stop:
        return 0
    return 3 if _is_wide(a, data[i + 1], data[i + 2]) else 0


@kernel
def white_before(data: Any, start: Any, i: Any) -> Any:
    """How many bytes the white space character that ends before `i` takes; 0 where there is none."""
    c = data[i - 1]
    if c <= 32:
        return 1 if c == 32 or (c >= 9 and c <= 13) else 0
    if c < 0x80 or c >= 0xC0:
        return 0
    if i - 2 >= start and data[i - 2] == 0xC2:
        return 2 if c == 0x85 or c == 0xA0 else 0
    return 3 if i - 3 >= start and _is_wide(data[i - 3], data[i - 2], c) else 0


@inlined
def _is_trim(data: Any, start: Any, stop: Any) -> Any:
    """Whether a text surely has no white space at an end: where it ends in ASCII, or in U+4000 to U+FFFF."""
    # No character of fewer than three bytes begins with such a byte.
    last, lead = data[stop - 1], data[max(start, stop - 3)]
    return _plain(data[start]) & (((last > _BLANK) & (last < _80)) | ((last >= _80) & (lead > _E3)))


@kernel
def _trim(data: Any, offsets: Any, wanted: Any, rows: Any, starts: Any, stops: Any) -> Any:
    count = 0
    for row in range(len(wanted)):
        first, last = offsets[row], offsets[row + 1]
        if first == last or not wanted[row] or _is_trim(data, first, last):
            continue
        start, stop = first, last
        width = white_at(data, start, stop)
        while width:
            start += width
            width = white_at(data, start, stop) if start < stop else 0
        width = white_before(data, start, stop) if start < stop else 0
        while width:
            stop -= width
            width = white_before(data, start, stop) if start < stop else 0
        if start != first or stop != last:
            rows[count], starts[count], stops[count] = row, start, stop
            count += 1
    return count


def trimmed(texts: pa.Array, wanted: npt.NDArray[np.bool_]) -> Rows:
    """The texts among those `wanted` that have white space at an end, without it."""
    data, offsets, valid = text_buffers(texts)
    rows, starts, stops = (new_array(len(valid), np.int64) for _ in range(3))
    count = _trim(data, offsets, valid & wanted, rows, starts, stops)
    return Rows(rows[:count], data, starts[:count], stops[:count])


@inlined
def _suspects(at: Any, blank_before: Any) -> Any:
    """Which bytes of a stride may begin white space other than a single blank; and which are blanks.

    The last of the bytes that were looked at before is a blank where `blank_before` is 1. A byte may be suspected in
    vain where what follows it lies behind the stride.
    """
    blanks = bytes_within(at, _BLANK, _BLANK)
    next_low, next_least = bytes_within(at, _80, _81) >> _ONE, bytes_within(at, _80, _80) >> _ONE
    found = bytes_within(at, _TAB, _RETURN) | (blanks & ((blanks << _ONE) | blank_before))
    found |= bytes_within(at, _C2, _C2) | bytes_within(at, _E1, _E1)
    found |= bytes_within(at, _E2, _E2) & (next_low | _LAST)
    found |= bytes_within(at, _E3, _E3) & (next_least | _LAST) & ((next_least >> _ONE) | _LAST_TWO)
    return found, blanks


@kernel
def _is_break(data: Any, i: Any, width: Any) -> Any:
    """Whether a white space character ends a line."""
    a = data[i]
    if width == 1:
        return a >= 10 and a <= 13
    if width == 2:
        return data[i + 1] == 0x85
    return a == 0xE2 and data[i + 1] == 0x80 and (data[i + 2] == 0xA8 or data[i + 2] == 0xA9)


@kernel
def _run(data: Any, i: Any, stop: Any) -> Any:
    """Where the run of white space at `i` ends, and whether it holds the end of a line."""
    broken = False
    width = white_at(data, i, stop)
    while width:
        broken |= _is_break(data, i, width)
        i += width
        width = white_at(data, i, stop) if i < stop else 0
    return i, broken


@kernel
def _is_uneven(data: Any, start: Any, at: Any, stop: Any, keep_lines: Any) -> Any:
    """Whether what is at `at` in the text ``data[start:stop]`` is white space that is not as it should be."""
    if not white_at(data, at, stop):
        return False
    if at > start and white_before(data, start, at):
        return True
    end, broken = _run(data, at, stop)
    return end - at > 1 or data[at] != (10 if broken and keep_lines else 32)


@kernel
def _find_runs(data: Any, offsets: Any, wanted: Any, keep_lines: Any, rows: Any) -> Any:
    """How many rows have white space that is not as it should be; which ones is written to `rows`."""
    edge = np.empty(STRIDE, np.uint8)
    count = row = 0
    last = offsets[len(offsets) - 1]
    blank_before = np.uint64(0)
    for i in range(offsets[0], last, STRIDE):
        bits, blanks = _suspects(stride_at(data, i, edge), blank_before)
        blank_before = blanks >> _LAST_BIT
        while bits:
            at = i + np.int64(lowest_bit(bits))
            bits &= bits - _ONE
            if at >= last:
                break
            while offsets[row + 1] <= at:
                row += 1
            if not wanted[row] or (count and rows[count - 1] == row):
                continue
            if _is_uneven(data, offsets[row], at, offsets[row + 1], keep_lines):
                rows[count] = row
                count += 1
    return count


@kernel
def _collapse(
    data: Any,
    offsets: Any,
    rows: Any,
    keep_lines: Any,
    out: Any,
    starts: Any,
    stops: Any,
) -> None:
    edge = np.empty(STRIDE, np.uint8)
    used = 0
    for k in range(len(rows)):
        starts[k] = used
        done, stop = np.int64(offsets[rows[k]]), np.int64(offsets[rows[k] + 1])
        blank_before = np.uint64(0)
        for i in range(done, stop, STRIDE):
            bits, blanks = _suspects(stride_at(data, i, edge), blank_before)
            blank_before = blanks >> _LAST_BIT
            while bits:
                at = i + np.int64(lowest_bit(bits))
                bits &= bits - _ONE
                if at >= stop:
                    break
                if at < done or not white_at(data, at, stop):
                    continue
                # All that a run can begin with besides is one blank.
                at -= at > done and data[at - 1] == _BLANK
                used = copied(data, done, at, out, used)
                done, broken = _run(data, at, stop)
                out[used] = 10 if broken and keep_lines else 32
                used += 1
        used = copied(data, done, stop, out, used)
        stops[k] = used


def collapsed(texts: pa.Array, wanted: npt.NDArray[np.bool_], *, keep_lines: bool) -> Rows:
    """The texts among those `wanted` whose runs of white space are not single blanks, with single blanks.

    With `keep_lines`, a run that holds the end of a line becomes a single line feed.
    """
    data, offsets, valid = text_buffers(texts)
    rows = new_array(len(valid), np.int64)
    rows = rows[: _find_runs(data, offsets, valid & wanted, keep_lines, rows)]
    out = new_array(int((offsets[rows + 1] - offsets[rows]).astype(np.int64).sum()), np.uint8)
    starts, stops = np.empty(len(rows), np.int64), np.empty(len(rows), np.int64)
    _collapse(data, offsets, rows, keep_lines, out, starts, stops)
    return Rows(rows, out, starts, stops)
