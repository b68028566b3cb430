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

from storage.compiled import inlined, kernel
from storage.errors import SchemaMismatchError
from storage.schema import stored_type

Words = npt.NDArray[np.uint64]

_C1 = np.uint64(0x87C37B91114253D5)
_C2 = np.uint64(0x4CF5AD432745937F)
_F1 = np.uint64(0xFF51AFD7ED558CCD)
_F2 = np.uint64(0xC4CEB9FE1A85EC53)
_N1 = np.uint64(0x52DCE729)
_N2 = np.uint64(0x38495AB5)
_FIVE = np.uint64(5)


@inlined
def _rotl(word: Any, bits: int) -> Any:
    return (word << np.uint64(bits)) | (word >> np.uint64(64 - bits))


@inlined
def mix(word: Any) -> Any:
    """The word with every input bit spread over all output bits (a bijection)."""
    word ^= word >> np.uint64(33)
    word *= _F1
    word ^= word >> np.uint64(33)
    word *= _F2
    return word ^ (word >> np.uint64(33))


@inlined
def _load(data: Any, start: int, count: int) -> Any:
    word = np.uint64(0)
    for index in range(count):
        word |= np.uint64(data[start + index]) << np.uint64(8 * index)
    return word


@inlined
def _load8(data: Any, start: int) -> Any:
    return (
        np.uint64(data[start])
        | np.uint64(data[start + 1]) << np.uint64(8)
        | np.uint64(data[start + 2]) << np.uint64(16)
        | np.uint64(data[start + 3]) << np.uint64(24)
        | np.uint64(data[start + 4]) << np.uint64(32)
        | np.uint64(data[start + 5]) << np.uint64(40)
        | np.uint64(data[start + 6]) << np.uint64(48)
        | np.uint64(data[start + 7]) << np.uint64(56)
    )


@kernel
def hash_spans(data: Any, offsets: Any, valid: Any, seeds: Any) -> Words:
    """MurmurHash3_x64_128 of each span ``data[offsets[i]:offsets[i + 1]]``; zeros where not valid.

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

    Returns
    -------
    uint64, shape (n, 2).
    """
    count = valid.shape[0]
    out = np.zeros((count, 2), np.uint64)
    for row in range(count):
        if not valid[row]:
            continue
        start, end = int(offsets[row]), int(offsets[row + 1])
        h1, h2 = seeds[0], seeds[1]
        at = start
        while at + 16 <= end:
            h1 ^= _rotl(_load8(data, at) * _C1, 31) * _C2
            h1 = (_rotl(h1, 27) + h2) * _FIVE + _N1
            h2 ^= _rotl(_load8(data, at + 8) * _C2, 33) * _C1
            h2 = (_rotl(h2, 31) + h1) * _FIVE + _N2
            at += 16
        rest = end - at
        if rest > 8:
            h2 ^= _rotl(_load(data, at + 8, rest - 8) * _C2, 33) * _C1
        if rest > 0:
            h1 ^= _rotl(_load(data, at, min(rest, 8)) * _C1, 31) * _C2
        length = np.uint64(end - start)
        h1 ^= length
        h2 ^= length
        h1 += h2
        h2 += h1
        h1, h2 = mix(h1), mix(h2)
        h1 += h2
        h2 += h1
        out[row, 0], out[row, 1] = h1, h2
    return out


@kernel
def hash_words(words: Any, valid: Any, seeds: Any) -> Words:
    """Hashes of 64-bit values (uint64, shape (n,)), shape (n, 2); zeros where not valid."""
    count = words.shape[0]
    out = np.zeros((count, 2), np.uint64)
    for row in range(count):
        if valid[row]:
            h1 = mix(words[row] + seeds[0])
            h2 = mix(_rotl(words[row], 32) ^ seeds[1] ^ h1)
            out[row, 0], out[row, 1] = h1 + h2, h2
    return out


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
    kind = array.type
    if pt.is_dictionary(kind):
        return _dictionary_hashes(array, seeds)
    if len(array) == 0 or pt.is_null(kind):
        return np.zeros((len(array), 2), np.uint64)
    stored = stored_type(kind)
    if stored is None:
        raise SchemaMismatchError("fingerprint", f"no hash for cells of type {kind}", "Convert the column first.")
    valid = np.asarray(array.is_valid())
    if pt.is_string(stored) or pt.is_binary(stored):
        return _span_hashes(array, valid, seeds)
    plain = array.cast(stored)
    if pt.is_decimal(stored):
        spans = np.arange(plain.offset, plain.offset + len(plain) + 1) * 16
        return hash_spans(np.frombuffer(plain.buffers()[1], np.uint8), spans, valid, seeds)
    return hash_words(_words(plain), valid, seeds)


def _dictionary_hashes(array: pa.DictionaryArray, seeds: Words) -> Words:
    if len(array.dictionary) == 0:
        return np.zeros((len(array), 2), np.uint64)
    known: Words = cell_hashes(array.dictionary, seeds)
    hashes: Words = known[np.asarray(array.indices.fill_null(0))]
    hashes[np.asarray(array.indices.is_null())] = 0
    return hashes


def _span_hashes(array: pa.Array, valid: npt.NDArray[np.bool_], seeds: Words) -> Words:
    kind = array.type
    if not (pt.is_string(kind) or pt.is_large_string(kind) or pt.is_binary(kind) or pt.is_large_binary(kind)):
        array = array.cast(pa.large_string() if pt.is_string_view(kind) else pa.large_binary())
        kind = array.type
    wide = pt.is_large_string(kind) or pt.is_large_binary(kind)
    _, offset_buffer, data_buffer = array.buffers()
    offsets = np.frombuffer(offset_buffer, np.int64 if wide else np.int32)
    offsets = offsets[array.offset : array.offset + len(array) + 1]
    data = np.frombuffer(data_buffer, np.uint8) if data_buffer is not None else np.zeros(0, np.uint8)
    return hash_spans(data, offsets, valid, seeds)


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
