"""Keys of rows: hashes of Arrow texts, that of one column going on from that of the column before."""

from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from storage.compiled import kernel
from storage.murmur import mixed, murmur128

#: Where keys of no column yet start.
SEED = (0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9)
#: Tells null from the empty text.
_NULL = np.uint64(0x6E756C6C6E756C6C)


@kernel
def _hash_rows(data: Any, offsets: Any, valid: Any, keys: Any) -> None:
    for row in range(len(valid)):
        h1, h2 = keys[row, 0], keys[row, 1]
        if valid[row]:
            h1, h2 = murmur128(data, np.uint64(offsets[row]), np.uint64(offsets[row + 1]), h1, h2)
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
    return content, at, valid_rows(texts)


def valid_rows(array: pa.Array) -> npt.NDArray[np.bool_]:
    """Which rows are not null, shape (rows,)."""
    bits, count = array.buffers()[0], len(array)
    if array.null_count == 0 or bits is None:
        return np.full(count, array.null_count == 0)
    # Arrow turns them into bytes one by one.
    first = array.offset // 8
    unpacked = np.unpackbits(np.frombuffer(bits, np.uint8)[first:], bitorder="little").view(np.bool_)
    return unpacked[array.offset - 8 * first :][:count]


def extend_keys(keys: npt.NDArray[np.uint64], texts: pa.ChunkedArray) -> None:
    """Each row's key (shape (rows, 2)) goes on, in place, from what it was to include the row's text."""
    start = 0
    for chunk in texts.chunks:
        stop = start + len(chunk)
        _hash_rows(*text_buffers(chunk), keys[start:stop])
        start = stop
