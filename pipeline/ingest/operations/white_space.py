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
from storage.compiled import inlined, kernel

#: Bytes looked at in one go by the compiled scans: a loop over so many becomes vector instructions.
_STRIDE = 64
#: Comparisons with constants of the bytes' own type become vector instructions; with others they would be widened.
_TAB, _RETURN, _BLANK = np.uint8(9), np.uint8(13), np.uint8(32)
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


@kernel
def _trim(data: Any, offsets: Any, wanted: Any, rows: Any, starts: Any, stops: Any) -> Any:
    count = 0
    for row in range(len(wanted)):
        first, last = offsets[row], offsets[row + 1]
        if first == last or not wanted[row]:
            continue
        start, stop = first, last
        width = 0 if _plain(data[start]) else white_at(data, start, stop)
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
    rows, starts, stops = (np.empty(len(valid), np.int64) for _ in range(3))
    count = _trim(data, offsets, valid & wanted, rows, starts, stops)
    return Rows(rows[:count], data, starts[:count], stops[:count])


@kernel
def _suspect(window: Any) -> Any:
    """Whether a stretch of bytes may hold white space other than a single blank.

    `window` begins one byte before the stretch and goes on for two after it.
    """
    found = False
    for j in range(_STRIDE):
        before, a, b, c = window[j], window[j + 1], window[j + 2], window[j + 3]
        found |= (
            ((a >= _TAB) & (a <= _RETURN))
            | ((a == _BLANK) & (before == _BLANK))
            | (a == _C2)
            | (a == _E1)
            | ((a == _E2) & (b <= _81))
            | ((a == _E3) & (b == _80) & (c == _80))
        )
    return found


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
def _has_runs(data: Any, start: Any, stop: Any, keep_lines: Any) -> Any:
    """Whether a text holds white space that is not as it should be."""
    i = start
    while i < stop:
        # Most bytes are decided here, without a call that takes the array along.
        if _plain(data[i]) or (data[i] == 32 and i + 1 < stop and _plain(data[i + 1])):
            i += 1
        elif white_at(data, i, stop):
            end, broken = _run(data, i, stop)
            if end - i > 1 or data[i] != (10 if broken and keep_lines else 32):
                return True
            i = end
        else:
            i += 1
    return False


@kernel
def _find_runs(data: Any, offsets: Any, wanted: Any, keep_lines: Any, rows: Any) -> Any:
    """How many rows have white space that is not as it should be; which ones is written to `rows`."""
    count = row = 0
    first, last = offsets[0], offsets[len(offsets) - 1]
    i = first
    while i < last:
        # Near the ends of the buffer there is no room for a window.
        inside = i > 0 and i + _STRIDE + 2 <= len(data)
        if not inside or _suspect(data[i - 1 : i + _STRIDE + 2]):
            end = min(i + _STRIDE, last)
            while row < len(wanted) and offsets[row + 1] <= i:
                row += 1
            while row < len(wanted) and offsets[row] < end:
                if wanted[row] and _has_runs(data, offsets[row], offsets[row + 1], keep_lines):
                    rows[count] = row
                    count += 1
                row += 1
        i += _STRIDE
    return count


@kernel
def _collapse(data: Any, offsets: Any, rows: Any, keep_lines: Any, out: Any, starts: Any, stops: Any) -> Any:
    used = 0
    for k in range(len(rows)):
        starts[k] = used
        i, stop = offsets[rows[k]], offsets[rows[k] + 1]
        while i < stop:
            if _plain(data[i]) or (data[i] == 32 and i + 1 < stop and _plain(data[i + 1])):
                out[used] = data[i]
                i += 1
            elif white_at(data, i, stop):
                i, broken = _run(data, i, stop)
                out[used] = 10 if broken and keep_lines else 32
            else:
                out[used] = data[i]
                i += 1
            used += 1
        stops[k] = used


def collapsed(texts: pa.Array, wanted: npt.NDArray[np.bool_], *, keep_lines: bool) -> Rows:
    """The texts among those `wanted` whose runs of white space are not single blanks, with single blanks.

    With `keep_lines`, a run that holds the end of a line becomes a single line feed.
    """
    data, offsets, valid = text_buffers(texts)
    rows = np.empty(len(valid), np.int64)
    rows = rows[: _find_runs(data, offsets, valid & wanted, keep_lines, rows)]
    out = np.empty(int((offsets[rows + 1] - offsets[rows]).astype(np.int64).sum()), np.uint8)
    starts, stops = np.empty(len(rows), np.int64), np.empty(len(rows), np.int64)
    _collapse(data, offsets, rows, keep_lines, out, starts, stops)
    return Rows(rows, out, starts, stops)
