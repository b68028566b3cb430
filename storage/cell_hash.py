"""128-bit hashes of Arrow cells, straight from the buffers.

The text hash is MurmurHash3_x64_128 (Austin Appleby, public domain) over the UTF-8 bytes, seeded with the column's
name; fixed-width values go through its finaliser. They tell contents apart; they are no defence against someone who
makes collisions on purpose.
"""

import hashlib
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.types as pt

from storage.compiled import kernel
from storage.errors import SchemaMismatchError
from storage.memory import zeros
from storage.murmur import mixed, murmur128, rotated
from storage.schema import stored_type

Words = npt.NDArray[np.uint64]


@kernel
def add_spans(data: Any, offsets: Any, valid: Any, seeds: Any, sums: Any) -> None:
    """MurmurHash3_x64_128 of each span ``data[offsets[i]:offsets[i + 1]]`` is added to `sums`; nothing where not valid.

    Parameters
    ----------
    data
        uint8, shape (bytes,).
    offsets
        int32 or int64, shape (n + 1,).
    valid
        bool, shape (n,).
    seeds
        uint64, shape (2,): the starting state.
    sums
        uint64, shape (n, 2).
    """
    for row in range(valid.shape[0]):
        if valid[row]:
            h1, h2 = murmur128(data, np.uint64(offsets[row]), np.uint64(offsets[row + 1]), seeds[0], seeds[1])
            sums[row, 0] += h1
            sums[row, 1] += h2


@kernel
def add_words(words: Any, valid: Any, seeds: Any, sums: Any) -> None:
    """Hashes of 64-bit values (uint64, shape (n,)) are added to the rows of `sums`, shape (n, 2), where valid."""
    for row in range(words.shape[0]):
        if valid[row]:
            h1 = mixed(words[row] + seeds[0])
            h2 = mixed(rotated(words[row], 32) ^ seeds[1] ^ h1)
            sums[row, 0] += h1 + h2
            sums[row, 1] += h2


def column_seeds(name: str) -> Words:
    """The starting state for the cells of a column of this name, shape (2,)."""
    return np.frombuffer(hashlib.blake2b(name.encode(), digest_size=16).digest(), "<u8")


def cell_hashes(array: pa.Array, seeds: Words) -> Words:
    """128-bit hashes of the cells, shape (n, 2); zeros for nulls.

    Equal values have equal hashes in every encoding of them (dictionary, large, any integer width).

    Raises
    ------
    SchemaMismatchError
        If cells of this type cannot be stored.
    """
    sums = np.zeros((len(array), 2), np.uint64)
    add_cell_hashes(array, seeds, sums)
    return sums


def column_hashes(column: pa.ChunkedArray, name: str) -> Words:
    """The hashes of all cells of a column of this name, shape (n, 2)."""
    sums = zeros((len(column), 2), np.uint64)
    seeds, start = column_seeds(name), 0
    for chunk in column.chunks:
        add_cell_hashes(chunk, seeds, sums[start : start + len(chunk)])
        start += len(chunk)
    return sums


def add_cell_hashes(array: pa.Array, seeds: Words, sums: Words) -> None:
    """Nothing; the cells' hashes, as `cell_hashes` gives them, are added to `sums`, shape (n, 2)."""
    kind = array.type
    if pt.is_dictionary(kind):
        _add_dictionary(array, seeds, sums)
        return
    if len(array) == 0 or pt.is_null(kind):
        return
    stored = stored_type(kind)
    if stored is None:
        raise SchemaMismatchError("fingerprint", f"no hash for cells of type {kind}", "Convert the column first.")
    valid = np.asarray(array.is_valid())
    if pt.is_string(stored) or pt.is_binary(stored):
        _add_spans(array, valid, seeds, sums)
        return
    plain = array.cast(stored)
    if pt.is_decimal(stored):
        spans = np.arange(plain.offset, plain.offset + len(plain) + 1) * 16
        add_spans(np.frombuffer(plain.buffers()[1], np.uint8), spans, valid, seeds, sums)
    else:
        add_words(_words(plain), valid, seeds, sums)


def _add_dictionary(array: pa.DictionaryArray, seeds: Words, sums: Words) -> None:
    if len(array.dictionary) == 0:
        return
    known: Words = cell_hashes(array.dictionary, seeds)
    hashes: Words = known[np.asarray(array.indices.fill_null(0))]
    hashes[np.asarray(array.indices.is_null())] = 0
    sums += hashes


def _add_spans(array: pa.Array, valid: npt.NDArray[np.bool_], seeds: Words, sums: Words) -> None:
    kind = array.type
    if not (pt.is_string(kind) or pt.is_large_string(kind) or pt.is_binary(kind) or pt.is_large_binary(kind)):
        array = array.cast(pa.large_string() if pt.is_string_view(kind) else pa.large_binary())
        kind = array.type
    wide = pt.is_large_string(kind) or pt.is_large_binary(kind)
    _, offset_buffer, data_buffer = array.buffers()
    offsets = np.frombuffer(offset_buffer, np.int64 if wide else np.int32)
    offsets = offsets[array.offset : array.offset + len(array) + 1]
    data = np.frombuffer(data_buffer, np.uint8) if data_buffer is not None else np.zeros(0, np.uint8)
    add_spans(data, offsets, valid, seeds, sums)


def _words(array: pa.Array) -> Words:
    # Values under nulls are whatever lies in the buffer; the kernels skip them.
    array = array.cast(pa.int8()) if pt.is_boolean(array.type) else array
    span = slice(array.offset, array.offset + len(array))
    if pt.is_floating(array.type):
        floats = np.frombuffer(array.buffers()[1], f"f{array.type.bit_width // 8}")[span].astype(np.float64)
        floats[np.isnan(floats)] = np.nan  # one NaN, whatever its payload
        return floats.view(np.uint64)
    whole = np.frombuffer(array.buffers()[1], f"i{array.type.bit_width // 8}")[span]
    return whole.astype(np.int64).view(np.uint64)
