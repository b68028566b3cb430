"""MurmurHash3 (x64, 128 bits) over Arrow text buffers, compiled.

The algorithm is Austin Appleby's public-domain MurmurHash3_x64_128 with a 128-bit seed instead of a 32-bit one, so that
the hash of one column can go on from the hash of the column before it.
"""

from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from numba import uint64

from pipeline.ingest.kernel import kernel

_C1 = np.uint64(0x87C37B91114253D5)
_C2 = np.uint64(0x4CF5AD432745937F)
_M1 = np.uint64(0xFF51AFD7ED558CCD)
_M2 = np.uint64(0xC4CEB9FE1A85EC53)
_ADD1 = np.uint64(0x52DCE729)
_ADD2 = np.uint64(0x38495AB5)
#: Where keys of no column yet start.
SEED = (0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9)
#: Tells null from the empty text.
_NULL = np.uint64(0x6E756C6C6E756C6C)


@kernel
def _rotated(x: Any, r: Any) -> Any:
    return (x << uint64(r)) | (x >> uint64(64 - r))


@kernel
def mixed(x: Any) -> Any:
    """The 64-bit finalizer of MurmurHash3: every bit of `x` bears on every bit of the result."""
    x ^= x >> uint64(33)
    x *= _M1
    x ^= x >> uint64(33)
    x *= _M2
    return x ^ (x >> uint64(33))


@kernel
def _word(data: Any, i: Any) -> Any:
    """Eight bytes from `i` on as a little-endian number, whatever the machine's own order."""
    return (
        uint64(data[i])
        | (uint64(data[i + uint64(1)]) << uint64(8))
        | (uint64(data[i + uint64(2)]) << uint64(16))
        | (uint64(data[i + uint64(3)]) << uint64(24))
        | (uint64(data[i + uint64(4)]) << uint64(32))
        | (uint64(data[i + uint64(5)]) << uint64(40))
        | (uint64(data[i + uint64(6)]) << uint64(48))
        | (uint64(data[i + uint64(7)]) << uint64(56))
    )


@kernel
def _tail(data: Any, start: Any, stop: Any) -> Any:
    """Up to eight bytes as a little-endian number."""
    word = uint64(0)
    shift = uint64(0)
    i = start
    while i < stop:
        word |= uint64(data[i]) << shift
        shift += uint64(8)
        i += uint64(1)
    return word


@kernel
def murmur128(data: Any, start: Any, stop: Any, h1: Any, h2: Any) -> Any:
    """The two halves of the hash of ``data[start:stop]`` from the state ``(h1, h2)``."""
    i, length = start, stop - start
    while i + uint64(16) <= stop:
        k1, k2 = _word(data, i), _word(data, i + uint64(8))
        h1 ^= _rotated(k1 * _C1, 31) * _C2
        h1 = (_rotated(h1, 27) + h2) * uint64(5) + _ADD1
        h2 ^= _rotated(k2 * _C2, 33) * _C1
        h2 = (_rotated(h2, 31) + h1) * uint64(5) + _ADD2
        i += uint64(16)
    middle = min(i + uint64(8), stop)
    if middle < stop:
        h2 ^= _rotated(_tail(data, middle, stop) * _C2, 33) * _C1
    if i < middle:
        h1 ^= _rotated(_tail(data, i, middle) * _C1, 31) * _C2
    h1 ^= length
    h2 ^= length
    h1 += h2
    h2 += h1
    h1, h2 = mixed(h1), mixed(h2)
    h1 += h2
    return h1, h2 + h1


@kernel
def _hash_rows(data: Any, offsets: Any, valid: Any, keys: Any) -> None:
    for row in range(len(valid)):
        h1, h2 = keys[row, 0], keys[row, 1]
        if valid[row]:
            h1, h2 = murmur128(data, uint64(offsets[row]), uint64(offsets[row + 1]), h1, h2)
        else:
            h1, h2 = mixed(h1 ^ _NULL), mixed(h2 + _NULL)
        keys[row, 0], keys[row, 1] = h1, h2


def text_buffers(texts: pa.Array) -> tuple[npt.NDArray[np.uint8], npt.NDArray[Any], npt.NDArray[np.bool_]]:
    """Views of a text array: bytes, offsets of shape (rows + 1,) into them, and which rows are valid."""
    wide = pa.types.is_large_string(texts.type) or pa.types.is_large_binary(texts.type)
    kind = np.int64 if wide else np.int32
    _, offsets, data = texts.buffers()
    count = len(texts)
    if offsets is None or offsets.size == 0:
        return np.zeros(0, np.uint8), np.zeros(count + 1, kind), np.zeros(count, np.bool_)
    first = texts.offset * np.dtype(kind).itemsize
    at = np.frombuffer(offsets, kind, count + 1, first)
    content = np.frombuffer(data, np.uint8) if data is not None and data.size else np.zeros(0, np.uint8)
    return content, at, np.asarray(pc.is_valid(texts))


def extend_keys(keys: npt.NDArray[np.uint64], texts: pa.ChunkedArray) -> None:
    """Each row's key (shape (rows, 2)) goes on, in place, from what it was to include the row's text."""
    start = 0
    for chunk in texts.chunks:
        stop = start + len(chunk)
        _hash_rows(*text_buffers(chunk), keys[start:stop])
        start = stop
