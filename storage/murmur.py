"""MurmurHash3 (x64, 128 bits), compiled.

The algorithm is Austin Appleby's public-domain MurmurHash3_x64_128 (github.com/aappleby/smhasher) with a 128-bit seed
instead of a 32-bit one, so that the hash of one cell can go on from the hash of the cell before it. It tells contents
apart; it is no defence against someone who makes collisions on purpose.
"""

from typing import Any

import numpy as np

from storage.compiled import inlined, kernel

_C1 = np.uint64(0x87C37B91114253D5)
_C2 = np.uint64(0x4CF5AD432745937F)
_M1 = np.uint64(0xFF51AFD7ED558CCD)
_M2 = np.uint64(0xC4CEB9FE1A85EC53)
_ADD1 = np.uint64(0x52DCE729)
_ADD2 = np.uint64(0x38495AB5)
_FIVE = np.uint64(5)
_BLOCK = np.uint64(16)
_HALF = np.uint64(8)


@inlined
def rotated(word: Any, bits: int) -> Any:
    """The word (uint64) with its bits moved up by so many places, those that leave coming in below."""
    return (word << np.uint64(bits)) | (word >> np.uint64(64 - bits))


@inlined
def mixed(word: Any) -> Any:
    """MurmurHash3's 64-bit finalizer, a bijection: every bit of `word` bears on every bit of the result."""
    word ^= word >> np.uint64(33)
    word *= _M1
    word ^= word >> np.uint64(33)
    word *= _M2
    return word ^ (word >> np.uint64(33))


@inlined
def _word(data: Any, at: Any) -> Any:
    """Eight bytes from `at` on as a little-endian number, whatever the machine's own order."""
    return (
        np.uint64(data[at])
        | (np.uint64(data[at + np.uint64(1)]) << np.uint64(8))
        | (np.uint64(data[at + np.uint64(2)]) << np.uint64(16))
        | (np.uint64(data[at + np.uint64(3)]) << np.uint64(24))
        | (np.uint64(data[at + np.uint64(4)]) << np.uint64(32))
        | (np.uint64(data[at + np.uint64(5)]) << np.uint64(40))
        | (np.uint64(data[at + np.uint64(6)]) << np.uint64(48))
        | (np.uint64(data[at + np.uint64(7)]) << np.uint64(56))
    )


@inlined
def _tail(data: Any, start: Any, stop: Any) -> Any:
    """One to eight bytes as a little-endian number."""
    if stop >= _HALF:
        # The last of them and what stands before them, in one word, are read at once.
        return _word(data, stop - _HALF) >> ((_HALF - (stop - start)) << np.uint64(3))
    word = np.uint64(0)
    shift = np.uint64(0)
    at = start
    while at < stop:
        word |= np.uint64(data[at]) << shift
        shift += np.uint64(8)
        at += np.uint64(1)
    return word


@kernel
def murmur128(data: Any, start: Any, stop: Any, h1: Any, h2: Any) -> Any:
    """The two halves (uint64) of the hash of ``data[start:stop]`` from the state ``(h1, h2)``; all uint64."""
    at, length = start, stop - start
    while at + _BLOCK <= stop:
        h1 ^= rotated(_word(data, at) * _C1, 31) * _C2
        h1 = (rotated(h1, 27) + h2) * _FIVE + _ADD1
        h2 ^= rotated(_word(data, at + _HALF) * _C2, 33) * _C1
        h2 = (rotated(h2, 31) + h1) * _FIVE + _ADD2
        at += _BLOCK
    middle = min(at + _HALF, stop)
    if middle < stop:
        h2 ^= rotated(_tail(data, middle, stop) * _C2, 33) * _C1
    if at < middle:
        h1 ^= rotated(_tail(data, at, middle) * _C1, 31) * _C2
    h1 ^= length
    h2 ^= length
    h1 += h2
    h2 += h1
    h1, h2 = mixed(h1), mixed(h2)
    h1 += h2
    return h1, h2 + h1
