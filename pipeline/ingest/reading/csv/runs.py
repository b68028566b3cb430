"""Runs of ordinary bytes, many at a time: where the next marked byte is, and copying up to it.

Comparing eight bytes in one word with a pattern, and the position of the lowest match, are exact for the lowest match
(Warren, "Hacker's Delight", 6-1); borrows can only raise false alarms above a true one.
"""

import numpy as np
import numpy.typing as npt

from storage.compiled import STRIDE, Buffer, bytes_within, copy_stride, inlined, kernel, lowest_bit

WORD = 8
_ONES = np.uint64(0x0101010101010101)
_TOPS = np.uint64(0x8080808080808080)
_ONE = np.uint64(1)
_BLANKS = np.uint64(0x2020202020202020)
_TOP_BYTE = np.uint64(56)


def words_of(data: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint64]:
    """A view of every eight consecutive bytes as one little-endian word, shape (max(bytes - 7, 0),)."""
    size = max(data.size - WORD + 1, 0)
    return np.ndarray(shape=(size,), dtype="<u8", buffer=data.data, strides=(1,)) if size else _NO_WORDS


_SPARE = np.zeros(WORD + 1, dtype=np.uint8)
#: Of the same (unaligned) array type as any other view, so that loops are compiled once.
_NO_WORDS: npt.NDArray[np.uint64] = np.ndarray(shape=(2,), dtype="<u8", buffer=_SPARE.data, strides=(1,))[:0]


@kernel
def pattern(mark: int, otherwise: int) -> int:
    """A word of eight times the byte `mark`, or `otherwise` where `mark` is negative."""
    byte = mark if mark >= 0 else otherwise
    return np.uint64(byte) * _ONES  # type: ignore[return-value]


@kernel
def _matches(word: Buffer, first: Buffer, second: Buffer, third: Buffer, fourth: Buffer) -> Buffer:
    a = word ^ first
    b = word ^ second
    c = word ^ third
    d = word ^ fourth
    return (((a - _ONES) & ~a) | ((b - _ONES) & ~b) | ((c - _ONES) & ~c) | ((d - _ONES) & ~d)) & _TOPS


@kernel
def _lowest(matches: Buffer) -> Buffer:
    return np.int64((((matches - _ONE) & _ONES) * _ONES) >> _TOP_BYTE) - 1


@kernel
def lowest_match(word: Buffer, first: Buffer, second: Buffer) -> int:
    """How many bytes of the word stand before one of the two patterns or a control character; `WORD` for all."""
    a = word ^ first
    b = word ^ second
    # The least byte that a control character is not, eight times.
    found = (((a - _ONES) & ~a) | ((b - _ONES) & ~b) | ((word - _BLANKS) & ~word)) & _TOPS
    return int(_lowest(found & (~found + _ONE))) if found else WORD


@inlined
def stride_at(data: Buffer, i: Buffer, edge: Buffer) -> Buffer:
    """The address of the `STRIDE` bytes from `i` on; `edge` (that many bytes) holds the last ones, and zeros behind."""
    if i + STRIDE <= len(data):
        return np.uint64(data.ctypes.data) + np.uint64(i)
    for j in range(STRIDE):
        edge[j] = data[i + j] if i + j < len(data) else 0
    return np.uint64(edge.ctypes.data)


@kernel
def find_byte(data: Buffer, i: int, wanted: int) -> int:
    """The first place from `i` on of the byte of the pattern `wanted`; the end of `data` if there is none."""
    size = data.shape[0]
    at, byte = np.uint64(data.ctypes.data), np.uint8(wanted)
    while i + STRIDE <= size:
        found = bytes_within(at + np.uint64(i), byte, byte)
        if found:
            return int(i + np.int64(lowest_bit(found)))
        i += STRIDE
    while i < size and data[i] != byte:
        i += 1
    return i


@kernel
def run_end(data: Buffer, i: int, stop: int, first: int, second: int, third: int, fourth: int) -> int:
    """The first place from `i` on, below `stop`, of a byte of one of the four patterns; `stop` if there is none."""
    start = np.uint64(data.ctypes.data)
    a, b, c, d = np.uint8(first), np.uint8(second), np.uint8(third), np.uint8(fourth)
    while i + STRIDE <= stop:
        at = start + np.uint64(i)
        found = bytes_within(at, a, a) | bytes_within(at, b, b) | bytes_within(at, c, c) | bytes_within(at, d, d)
        if found:
            return int(i + np.int64(lowest_bit(found)))
        i += STRIDE
    while i < stop and data[i] != a and data[i] != b and data[i] != c and data[i] != d:
        i += 1
    return i


@kernel
def copy_run(
    data: Buffer,
    words: Buffer,
    i: int,
    stop: int,
    first: int,
    second: int,
    third: int,
    fourth: int,
    text: Buffer,
    text_words: Buffer,
    out: int,
) -> int:
    """Like `run_end`, copying the run to ``text[out:]``; up to seven bytes behind it are overwritten."""
    while i + WORD <= stop:
        word = words[i]
        text_words[out] = word
        matches = _matches(word, first, second, third, fourth)
        if matches:
            return int(i + _lowest(matches & (~matches + _ONE)))
        i += WORD
        out += WORD
    while i < stop:
        byte = np.uint64(data[i]) * _ONES
        if byte in (first, second, third, fourth):
            return i
        text[out] = data[i]
        i += 1
        out += 1
    return i


@kernel
def copied(data: Buffer, start: Buffer, stop: Buffer, out: Buffer, at: Buffer) -> Buffer:
    """The place in `out` behind the bytes ``data[start:stop]``, which are copied to ``out[at:]``.

    Up to `STRIDE` bytes behind that place are overwritten where `out` has them: it is to be filled from front to back.
    """
    source, target = np.uint64(data.ctypes.data), np.uint64(out.ctypes.data)
    shift = at - start
    while start < stop and start + STRIDE <= len(data) and start + shift + STRIDE <= len(out):
        copy_stride(source + np.uint64(start), target + np.uint64(start + shift))
        start += STRIDE
    for i in range(start, stop):
        out[i + shift] = data[i]
    return stop + shift
