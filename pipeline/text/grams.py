"""The compiled heart of hashing: documents in, counted buckets out, sorted within each row."""

import numpy as np
import numpy.typing as npt

from pipeline.text.analyzers import char_units, char_wb_units, chinese_units, word_units
from pipeline.text.ascii_units import ascii_chars, ascii_words, is_ascii
from pipeline.text.murmur import murmur3_32, murmur3_end, murmur3_short, murmur3_step
from pipeline.text.sorting import PLACES, add_up, sort_keys
from pipeline.text.stop_words import StopTable, drop_stop_words
from pipeline.text.utf8 import is_lower, lower_into
from storage.compiled import inlined, kernel, load_word

Bytes = npt.NDArray[np.uint8]
Bounds = npt.NDArray[np.int32]
Keys = npt.NDArray[np.uint32]
Values = npt.NDArray[np.float32]
Parts = npt.NDArray[np.uint32]

_EIGHT, _SIXTEEN = np.uint64(8), np.uint64(16)
#: Masks of those of the first eight, and of the second eight bytes that are among the first 0 to 16.
_LOW_BYTES = np.array([(1 << 8 * min(count, 8)) - 1 for count in range(17)], np.uint64)
_HIGH_BYTES = np.array([(1 << 8 * max(count - 8, 0)) - 1 for count in range(17)], np.uint64)

#: Those from `CHINESE_CODE` on have no way of their own for documents of ASCII alone.
WORD_CODE, CHAR_CODE, CHAR_WB_CODE, CHINESE_CODE, CHINESE_WORD_CODE, CHINESE_MARKS_CODE = 0, 1, 2, 3, 4, 5


@inlined
def _signed(state: np.uint32, mask: np.uint32) -> np.uint32:
    """A hash as a key: its absolute value as a signed number, cut to the width, and its sign."""
    sign = state >> np.uint32(31)
    negative = np.uint32(0) - sign
    return (np.uint32((state ^ negative) + sign) & mask) | (sign << np.uint32(31))


@inlined
def key_of(buffer: Bytes, start: int, end: int, mask: np.uint32) -> np.uint32:
    """Bucket and sign of one n-gram: the absolute value of its signed hash, cut to the width, and the hash's sign."""
    return _signed(murmur3_32(buffer, start, end), mask)


@kernel
def scratch(offsets: npt.NDArray[np.int64]) -> tuple[Bytes, Bytes, Bytes, Bounds, Bounds, Bounds]:
    """Room for the longest document: its lower case, its bytes' kinds, its units' bytes, their bounds, the runs."""
    longest = 0
    for row in range(len(offsets) - 1):
        longest = max(longest, offsets[row + 1] - offsets[row])
    lowered = np.empty(longest * 3 // 2 + 3, np.uint8)
    # Bytes are looked at 64 at a time, and hashing reads up to sixteen from where an n-gram starts.
    room = 3 * len(lowered) + 64
    flags = np.empty(longest + 1, np.uint8)
    units = (np.empty(room, np.int32), np.empty(room, np.int32), np.empty(room, np.int32))
    return lowered, flags, np.zeros(room, np.uint8), units[0], units[1], units[2]


@inlined
def units_of(
    start: int,
    end: int,
    text: Bytes,
    analyzer: int,
    lowercase: bool,
    lower: npt.NDArray[np.uint32],
    kinds: Bytes,
    lowered: Bytes,
    flags: Bytes,
    buffer: Bytes,
    starts: Bounds,
    ends: Bounds,
    runs: Bounds,
) -> int:
    """How many runs the document ``text[start:end]`` has, its units written to the scratch arrays."""
    if analyzer < CHINESE_CODE and is_ascii(text, start, end):
        if analyzer == WORD_CODE:
            return ascii_words(text, start, end, lowercase, buffer, starts, ends, runs)
        return ascii_chars(
            text, start, end, lowercase, analyzer == CHAR_WB_CODE, lowered, flags, buffer, starts, ends, runs
        )
    if lowercase and not is_lower(text, start, end):
        end = lower_into(lowered, text, start, end, lower, kinds)
        return _units(lowered, 0, end, analyzer, kinds, buffer, starts, ends, runs)
    return _units(text, start, end, analyzer, kinds, buffer, starts, ends, runs)


@kernel
def _units(
    text: Bytes,
    start: int,
    end: int,
    analyzer: int,
    kinds: Bytes,
    buffer: Bytes,
    starts: Bounds,
    ends: Bounds,
    runs: Bounds,
) -> int:
    if analyzer in (WORD_CODE, CHINESE_WORD_CODE):
        shortest = 2 if analyzer == WORD_CODE else 1
        return word_units(text, start, end, kinds, buffer, starts, ends, runs, shortest)[1]
    if analyzer == CHAR_CODE:
        return char_units(text, start, end, kinds, buffer, starts, ends, runs)[1]
    if analyzer == CHAR_WB_CODE:
        return char_wb_units(text, start, end, kinds, buffer, starts, ends, runs)[1]
    keep = analyzer == CHINESE_MARKS_CODE
    return chinese_units(text, start, end, kinds, buffer, starts, ends, runs, keep)[1]


@inlined
def unit_keys(
    keys: Keys, buffer: Bytes, starts: Bounds, ends: Bounds, units: int, parts: Parts, mask: np.uint32
) -> None:
    """One key for each of the first `units` units by itself; `parts` is room for five numbers of each."""
    base = np.uint64(buffer.ctypes.data)
    first, second, third, fourth, lengths = parts[0], parts[1], parts[2], parts[3], parts[4]
    longest = np.uint64(0)
    for unit in range(np.uint64(units)):
        at = base + np.uint64(starts[unit])
        length = base + np.uint64(ends[unit]) - at
        held = min(length, _SIXTEEN)
        low = load_word(at) & _LOW_BYTES[held]
        high = load_word(at + _EIGHT) & _HIGH_BYTES[held]
        first[unit] = low
        second[unit] = low >> np.uint64(32)
        third[unit] = high
        fourth[unit] = high >> np.uint64(32)
        lengths[unit] = length
        longest = max(longest, length)
    for unit in range(np.uint64(units)):
        keys[unit] = _signed(murmur3_short(first[unit], second[unit], third[unit], fourth[unit], lengths[unit]), mask)
    if longest > _SIXTEEN:
        for unit in range(np.uint64(units)):
            if lengths[unit] > np.uint32(_SIXTEEN):
                keys[unit] = key_of(buffer, starts[unit], ends[unit], mask)


@inlined
def _run_length(first: int, last: int, low: int, high: int, whole: bool) -> int:
    """How many n-grams a run of units has; `whole`: a run shorter than `low` counts once."""
    size = last - first
    if size < low:
        return 1 if whole and size > 0 else 0
    # All units start one of each length, but for those too near to the end.
    longest = min(high, size)
    lengths = longest - low + 1
    return lengths * (size + 1) - lengths * (low + longest) // 2


@inlined
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
    place = np.uint64(at)
    end = np.uint64(last)
    shortest = np.uint64(low - 1)
    for unit in range(np.uint64(first), np.uint64(max(first, last - low + 1))):
        begin = np.uint64(starts[unit])
        position = begin
        state = np.uint32(0)
        # The longer n-grams go on where the shorter ones stopped: the hash of their common bytes is taken once.
        for final in range(unit + shortest, min(end, unit + np.uint64(high))):
            stop = np.uint64(ends[final])
            while position + np.uint64(4) <= stop:
                state = murmur3_step(state, buffer, position)
                position += np.uint64(4)
            keys[place] = _signed(murmur3_end(state, buffer, position, stop, np.uint32(stop - begin)), mask)
            place += np.uint64(1)
    return int(np.int64(place))


@inlined
def gram_count(runs: Bounds, run_count: int, low: int, high: int, whole: bool) -> int:
    """How many n-grams the document in the scratch arrays has."""
    count = 0
    for run in range(run_count):
        count += _run_length(runs[run], runs[run + 1], low, high, whole)
    return count


@inlined
def document_keys(
    keys: Keys,
    buffer: Bytes,
    starts: Bounds,
    ends: Bounds,
    runs: Bounds,
    run_count: int,
    low: int,
    high: int,
    whole: bool,
    mask: np.uint32,
) -> int:
    """How many keys were written: one for each n-gram of the document in the scratch arrays."""
    count = 0
    for run in range(run_count):
        count = _gram_keys(keys, count, buffer, starts, ends, runs[run], runs[run + 1], low, high, whole, mask)
    return count


@kernel
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
    left_out: StopTable,
    first: int,
    bounds: npt.NDArray[np.int64],
    indices: Bounds,
    values: Values,
) -> int:
    """How many documents are hashed: all, or those before one for which there is no room left.

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
    left_out
        Words that are left out.
    first
        The first document to hash; those before it are hashed already.
    bounds, indices, values
        Where the parts of the CSR matrix go: row bounds, shape (documents + 1,), sorted bucket numbers, sums of signs.
        ``bounds[first]`` says how many items are taken.
    """
    lowered, flags, buffer, starts, ends, runs = scratch(offsets)
    keys = np.empty(256, np.uint32)
    spare = np.empty(256, np.uint32)
    parts = np.empty((5, 256), np.uint32)
    places = np.empty(PLACES, np.int32)
    mask = np.uint32((1 << bits) - 1)
    whole = analyzer == CHAR_WB_CODE

    at = bounds[first]
    for row in range(first, len(offsets) - 1):
        run_count = units_of(
            offsets[row],
            offsets[row + 1],
            text,
            analyzer,
            lowercase,
            lower,
            kinds,
            lowered,
            flags,
            buffer,
            starts,
            ends,
            runs,
        )
        if len(left_out.slots):
            drop_stop_words(buffer, starts, ends, runs, left_out)
        most = gram_count(runs, run_count, low, high, whole)
        if at + most > len(indices):
            return row
        if most > len(keys):
            keys = np.empty(2 * most, np.uint32)
            spare = np.empty(2 * most, np.uint32)
            parts = np.empty((5, 2 * most), np.uint32)
        if high == 1:
            count = most
            unit_keys(keys, buffer, starts, ends, count, parts, mask)
        else:
            count = document_keys(keys, buffer, starts, ends, runs, run_count, low, high, whole, mask)
        sort_keys(keys, spare, count, bits, places)
        at = add_up(spare, count, indices, values, at)
        bounds[row + 1] = at
    return len(offsets) - 1
