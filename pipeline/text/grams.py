"""The compiled heart of hashing: documents in, counted buckets out, sorted within each row."""

import numpy as np
import numpy.typing as npt

from pipeline.text.analyzers import char_units, char_wb_units, chinese_units, word_units
from pipeline.text.compiled import compiled, inlined
from pipeline.text.murmur import murmur3_32
from pipeline.text.utf8 import lower_into

Bytes = npt.NDArray[np.uint8]
Bounds = npt.NDArray[np.int32]
Keys = npt.NDArray[np.uint32]

WORD_CODE, CHAR_CODE, CHAR_WB_CODE, CHINESE_CODE = 0, 1, 2, 3

#: The top bit of a key says that the n-gram counts minus one; the rest is its bucket.
MINUS = np.uint32(0x80000000)
BUCKET = np.uint32(0x7FFFFFFF)
_FEW = 24


@inlined
def key_of(buffer: Bytes, start: int, end: int, mask: np.uint32) -> np.uint32:
    """Bucket and sign of one n-gram: the absolute value of its signed hash, cut to the width, and the hash's sign."""
    state = murmur3_32(buffer, start, end)
    if state & MINUS:
        return ((np.uint32(0) - state) & mask) | MINUS
    return state & mask


@compiled
def _sort_few(keys: Keys, count: int) -> None:
    for right in range(1, count):
        key = keys[right]
        left = right - 1
        while left >= 0 and (keys[left] & BUCKET) > (key & BUCKET):
            keys[left + 1] = keys[left]
            left -= 1
        keys[left + 1] = key


@compiled
def _sort_many(keys: Keys, spare: Keys, count: int, bits: int) -> None:
    # Least significant digit first, eight bits at a time; the sign travels along.
    places = np.empty(256, np.int64)
    for shift in range(0, bits, 8):
        places[:] = 0
        for item in range(count):
            places[((keys[item] & BUCKET) >> shift) & 0xFF] += 1
        total = 0
        for digit in range(256):
            size = places[digit]
            places[digit] = total
            total += size
        for item in range(count):
            digit = ((keys[item] & BUCKET) >> shift) & 0xFF
            spare[places[digit]] = keys[item]
            places[digit] += 1
        for item in range(count):
            keys[item] = spare[item]


@compiled
def scratch(offsets: npt.NDArray[np.int64]) -> tuple[Bytes, Bytes, Bounds, Bounds, Bounds]:
    """Room for the longest document: its lower case, its units' bytes, their starts and ends, the runs."""
    longest = 0
    for row in range(len(offsets) - 1):
        longest = max(longest, offsets[row + 1] - offsets[row])
    lowered = np.empty(longest * 3 // 2 + 2, np.uint8)
    # Hashing reads up to three bytes after an n-gram.
    room = 3 * len(lowered) + 8
    units = (np.empty(room, np.int32), np.empty(room, np.int32), np.empty(room, np.int32))
    return lowered, np.zeros(room, np.uint8), units[0], units[1], units[2]


@compiled
def units_of(
    start: int,
    end: int,
    text: Bytes,
    analyzer: int,
    lowercase: bool,
    lower: npt.NDArray[np.uint32],
    kinds: Bytes,
    lowered: Bytes,
    buffer: Bytes,
    starts: Bounds,
    ends: Bounds,
    runs: Bounds,
) -> int:
    """How many runs the document ``text[start:end]`` has, its units written to the scratch arrays."""
    if lowercase:
        end = lower_into(lowered, text, start, end, lower, kinds)
        start = 0
        text = lowered
    if analyzer == WORD_CODE:
        return word_units(text, start, end, kinds, buffer, starts, ends, runs)[1]
    if analyzer == CHAR_CODE:
        return char_units(text, start, end, kinds, buffer, starts, ends, runs)[1]
    if analyzer == CHAR_WB_CODE:
        return char_wb_units(text, start, end, kinds, buffer, starts, ends, runs)[1]
    return chinese_units(text, start, end, kinds, buffer, starts, ends, runs)[1]


@compiled
def _run_length(first: int, last: int, low: int, high: int, whole: bool) -> int:
    """How many n-grams a run of units has; `whole`: a run shorter than `low` counts once."""
    size = last - first
    if whole and size < low:
        return 1 if size > 0 else 0
    count = 0
    for length in range(low, min(high, size) + 1):
        count += size - length + 1
    return count


@compiled
def _gram_keys(
    keys: Keys,
    at: int,
    buffer: Bytes,
    starts: Bounds,
    ends: Bounds,
    first: int,
    last: int,
    low: int,
    high: int,
    whole: bool,
    mask: np.uint32,
) -> int:
    """Where the next key goes after those of the run's n-grams."""
    size = last - first
    if whole and 0 < size < low:
        keys[at] = key_of(buffer, starts[first], ends[last - 1], mask)
        return at + 1
    for length in range(low, min(high, size) + 1):
        for unit in range(first, last - length + 1):
            keys[at] = key_of(buffer, starts[unit], ends[unit + length - 1], mask)
            at += 1
    return at


@compiled
def _counted(keys: Keys, count: int, indices: Bounds, values: npt.NDArray[np.float32], at: int) -> int:
    """Where the next row goes after the sums of sorted keys were written as one row."""
    item = 0
    while item < count:
        bucket = keys[item] & BUCKET
        total = 0
        while item < count and (keys[item] & BUCKET) == bucket:
            total += -1 if keys[item] & MINUS else 1
            item += 1
        indices[at] = bucket
        values[at] = total
        at += 1
    return at


@compiled
def hash_documents(
    offsets: npt.NDArray[np.int64],
    text: Bytes,
    analyzer: int,
    low: int,
    high: int,
    bits: int,
    lowercase: bool,
    lower: npt.NDArray[np.uint32],
    kinds: Bytes,
) -> tuple[npt.NDArray[np.int64], Bounds, npt.NDArray[np.float32]]:
    """The CSR parts of hashed, signed n-gram counts: row bounds, sorted bucket numbers, values.

    Parameters
    ----------
    offsets
        Where each document starts in `text`, and where the last one ends, shape (documents + 1,).
    text
        UTF-8 bytes.
    analyzer
        One of the ``_CODE`` constants.
    low, high
        Lengths of n-grams.
    bits
        There are ``2**bits`` buckets.
    lowercase
        Whether to lower-case first.
    lower, kinds
        Of `UnicodeTables`.
    """
    documents = len(offsets) - 1
    lowered, buffer, starts, ends, runs = scratch(offsets)
    keys = np.empty(256, np.uint32)
    spare = np.empty(256, np.uint32)
    mask = np.uint32((1 << bits) - 1)
    whole = analyzer == CHAR_WB_CODE

    bounds = np.zeros(documents + 1, np.int64)
    indices = np.empty(1024 + len(text) // 4, np.int32)
    values = np.empty(len(indices), np.float32)
    at = 0
    for row in range(documents):
        run_count = units_of(
            offsets[row], offsets[row + 1], text, analyzer, lowercase, lower, kinds, lowered, buffer, starts, ends, runs
        )
        most = 0
        for run in range(run_count):
            most += _run_length(runs[run], runs[run + 1], low, high, whole)
        if most > len(keys):
            keys = np.empty(2 * most, np.uint32)
            spare = np.empty(2 * most, np.uint32)
        count = 0
        for run in range(run_count):
            count = _gram_keys(keys, count, buffer, starts, ends, runs[run], runs[run + 1], low, high, whole, mask)
        if count <= _FEW:
            _sort_few(keys, count)
        else:
            _sort_many(keys, spare, count, bits)
        if at + count > len(indices):
            wider = 2 * (at + count)
            new_indices = np.empty(wider, np.int32)
            new_indices[:at] = indices[:at]
            indices = new_indices
            new_values = np.empty(wider, np.float32)
            new_values[:at] = values[:at]
            values = new_values
        at = _counted(keys, count, indices, values, at)
        bounds[row + 1] = at
    return bounds, indices[:at].copy(), values[:at].copy()
