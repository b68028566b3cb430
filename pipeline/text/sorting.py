"""Sorting and adding up the keys of one document, compiled.

A key holds a bucket in its lower 31 bits; the top bit says that the n-gram counts minus one.
"""

import numpy as np
import numpy.typing as npt

from storage.compiled import inlined, kernel

Keys = npt.NDArray[np.uint32]
Counts = npt.NDArray[np.int32]

#: The top bit of a key says that the n-gram counts minus one; the rest is its bucket.
MINUS = np.uint32(0x80000000)
BUCKET = np.uint32(0x7FFFFFFF)

#: Up to so many keys are dealt out into many places at once; more are sorted digit by digit.
_DEALT = 2048
#: Places that keys are counted in: at least four times `_DEALT`.
PLACES = 8192
_DIGIT_BITS = 11
#: The most that a byte counts to.
_BYTE = 255
_EACH_BYTE = np.uint64(0x0101010101010101)


@inlined
def _width(count: int, bits: int, least: int) -> int:
    """How many of the highest bits of a key name its drawer, at least so many where it has them."""
    # About four drawers a key: then few keys are out of order, and those by little.
    wide = least
    while (1 << wide) < 4 * count:
        wide += 1
    return min(wide, bits)


@inlined
def _dealt(keys: Keys, spare: Keys, count: int, bits: int, places: Counts) -> None:
    wide = _width(count, bits, 2)
    shift = np.uint32(bits - wide)
    size = np.uint64(1 << wide)
    for place in range(size):
        places[place] = 0
    for item in range(np.uint64(count)):
        places[np.uint64((keys[item] & BUCKET) >> shift)] += 1
    total = 0
    for place in range(size):
        held = places[place]
        places[place] = total
        total += held
    for item in range(np.uint64(count)):
        drawer = np.uint64((keys[item] & BUCKET) >> shift)
        spare[np.uint64(places[drawer])] = keys[item]
        places[drawer] += 1
    _put_in_order(spare, count)


@inlined
def _dealt_by_bytes(keys: Keys, spare: Keys, count: int, bits: int, places: Counts) -> None:
    """As `_dealt`, for at most `_BYTE` keys, and at least eight drawers: eight counts at a time are added up."""
    wide = _width(count, bits, 3)
    shift = np.uint32(bits - wide)
    counts, words = places.view(np.uint8), places.view(np.uint64)
    size = np.uint64(1 << wide) >> np.uint64(3)
    for word in range(size):
        words[word] = 0
    for item in range(np.uint64(count)):
        counts[np.uint64((keys[item] & BUCKET) >> shift)] += np.uint8(1)
    total = np.uint64(0)
    for word in range(size):
        # Each byte of the product is the sum of those below it and itself.
        sums = words[word] * _EACH_BYTE
        words[word] = (sums << np.uint64(8)) + total * _EACH_BYTE
        total += sums >> np.uint64(56)
    for item in range(np.uint64(count)):
        drawer = np.uint64((keys[item] & BUCKET) >> shift)
        place = counts[drawer]
        spare[np.uint64(place)] = keys[item]
        counts[drawer] = place + np.uint8(1)
    _put_in_order(spare, count)


@inlined
def _put_in_order(spare: Keys, count: int) -> None:
    for right in range(1, count):
        key = spare[right]
        left = right - 1
        while left >= 0 and (spare[left] & BUCKET) > (key & BUCKET):
            spare[left + 1] = spare[left]
            left -= 1
        spare[left + 1] = key


@kernel
def _by_digits(keys: Keys, spare: Keys, count: int, bits: int, places: Counts) -> None:
    # Least significant digit first; the sign travels along. The time does not depend on the keys.
    digits = np.uint32((1 << _DIGIT_BITS) - 1)
    for first in range(0, bits, _DIGIT_BITS):
        shift = np.uint32(first)
        places[: 1 << _DIGIT_BITS] = 0
        for item in range(np.uint64(count)):
            places[np.uint64(((keys[item] & BUCKET) >> shift) & digits)] += 1
        total = 0
        for digit in range(1 << _DIGIT_BITS):
            held = places[digit]
            places[digit] = total
            total += held
        for item in range(np.uint64(count)):
            drawer = np.uint64(((keys[item] & BUCKET) >> shift) & digits)
            spare[np.uint64(places[drawer])] = keys[item]
            places[drawer] += 1
        keys, spare = spare, keys
    if ((bits + _DIGIT_BITS - 1) // _DIGIT_BITS) % 2 == 0:
        spare[:count] = keys[:count]


@inlined
def sort_keys(keys: Keys, spare: Keys, count: int, bits: int, places: Counts) -> None:
    """`spare` holds the first `count` keys sorted by bucket afterwards; `keys` holds nothing of use.

    Parameters
    ----------
    keys, spare
        Of the same length, at least `count`.
    bits
        There are ``2**bits`` buckets.
    places
        Room for `PLACES` counts.
    """
    if count <= _BYTE and bits >= 3:
        _dealt_by_bytes(keys, spare, count, bits, places)
    elif count <= _DEALT:
        _dealt(keys, spare, count, bits, places)
    else:
        _by_digits(keys, spare, count, bits, places)


@inlined
def add_up(keys: Keys, count: int, indices: Counts, values: npt.NDArray[np.float32], at: int) -> int:
    """Where the next row goes after the sums of sorted keys were written as one row."""
    if count == 0:
        return at
    place = np.uint64(at)
    bucket = keys[0] & BUCKET
    total = np.int32(0)
    for item in range(np.uint64(count)):
        key = keys[item]
        here = key & BUCKET
        other = here != bucket
        place += np.uint64(other)
        total = np.int32((np.int32(0) if other else total) + np.int32(1) - np.int32(2) * np.int32(key >> np.uint32(31)))
        indices[place] = here
        values[place] = total
        bucket = here
    return int(np.int64(place)) + 1
