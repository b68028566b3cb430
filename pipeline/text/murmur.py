"""MurmurHash3 (32 bit, for features) and MurmurHash64A (for content) over byte spans, compiled.

Both are Austin Appleby's public-domain functions (github.com/aappleby/smhasher); the first is what scikit-learn's
hashing uses, with seed 0.
"""

import numpy as np
import numpy.typing as npt

from storage.compiled import inlined, kernel

Bytes = npt.NDArray[np.uint8]

_C1, _C2 = np.uint32(0xCC9E2D51), np.uint32(0x1B873593)
_M64 = np.uint64(0xC6A4A7935BD1E995)
_R64 = np.uint64(47)


@inlined
def _word32(text: Bytes, position: np.uint64) -> np.uint32:
    return (
        np.uint32(text[position])
        | (np.uint32(text[position + np.uint64(1)]) << np.uint32(8))
        | (np.uint32(text[position + np.uint64(2)]) << np.uint32(16))
        | (np.uint32(text[position + np.uint64(3)]) << np.uint32(24))
    )


@inlined
def _scrambled(word: np.uint32) -> np.uint32:
    word = np.uint32(word * _C1)
    word = np.uint32((word << np.uint32(15)) | (word >> np.uint32(17)))
    return np.uint32(word * _C2)


@inlined
def _stirred(state: np.uint32) -> np.uint32:
    state = np.uint32((state << np.uint32(13)) | (state >> np.uint32(19)))
    return np.uint32(state * np.uint32(5) + np.uint32(0xE6546B64))


@inlined
def _finished(state: np.uint32, length: np.uint32) -> np.uint32:
    state ^= length
    state = np.uint32((state ^ (state >> np.uint32(16))) * np.uint32(0x85EBCA6B))
    state = np.uint32((state ^ (state >> np.uint32(13))) * np.uint32(0xC2B2AE35))
    return state ^ (state >> np.uint32(16))


@inlined
def murmur3_step(state: np.uint32, text: Bytes, position: np.uint64) -> np.uint32:
    """MurmurHash3's state after the four bytes from `position` on; it starts as 0."""
    return _stirred(state ^ _scrambled(_word32(text, position)))


@inlined
def _after_part(state: np.uint32, part: np.uint32, whole: np.bool_) -> np.uint32:
    """The state after a part of four bytes, or after the last bytes of all, with zeros behind them; no branch."""
    state ^= _scrambled(part)
    return _stirred(state) if whole else state


@inlined
def murmur3_short(
    first: np.uint32, second: np.uint32, third: np.uint32, fourth: np.uint32, length: np.uint32
) -> np.uint32:
    """MurmurHash3_x86_32 with seed 0 of at most sixteen bytes, a uint32.

    They are given as four parts with zeros behind them. Lengths decide no branch, so that a loop over this does many at
    a time.
    """
    parts = length >> np.uint32(2)
    state = _after_part(np.uint32(0), first, parts > np.uint32(0))
    state = _after_part(state, second, parts > np.uint32(1))
    state = _after_part(state, third, parts > np.uint32(2))
    state = _after_part(state, fourth, parts > np.uint32(3))
    return _finished(state, length)


@inlined
def murmur3_end(state: np.uint32, text: Bytes, position: np.uint64, stop: np.uint64, length: np.uint32) -> np.uint32:
    """MurmurHash3_x86_32 with seed 0 of `length` bytes that end at `stop`, a uint32.

    `state` is that of all whole steps, `position` where they end, at most three bytes before `stop`. `text` must go on
    for four more bytes after `position`; what the surplus ones hold does not matter.
    """
    # The last 0 to 3 bytes, cut out of a whole word; none of them leaves the state as it is.
    rest = np.uint32((np.uint64(1) << (np.uint64(8) * (stop - position))) - np.uint64(1))
    return _finished(state ^ _scrambled(_word32(text, position) & rest), length)


@inlined
def murmur3_32(text: Bytes, start: int, end: int) -> np.uint32:
    """MurmurHash3_x86_32 of ``text[start:end]`` with seed 0, a uint32.

    `text` must go on for four more bytes after `end`; what they hold does not matter.
    """
    position = np.uint64(start)
    stop = np.uint64(end)
    state = np.uint32(0)
    while position + np.uint64(4) <= stop:
        state = murmur3_step(state, text, position)
        position += np.uint64(4)
    return murmur3_end(state, text, position, stop, np.uint32(end - start))


@kernel
def murmur_64a(text: Bytes, start: int, end: int, seed: np.uint64) -> np.uint64:
    """MurmurHash64A of ``text[start:end]`` with a uint64 seed, a uint64."""
    position = np.uint64(start)
    stop = np.uint64(end)
    state = np.uint64(seed) ^ (np.uint64(end - start) * _M64)
    while position + np.uint64(8) <= stop:
        low = np.uint64(_word32(text, position))
        word = low | (np.uint64(_word32(text, position + np.uint64(4))) << np.uint64(32))
        word *= _M64
        word ^= word >> _R64
        state = (state ^ (word * _M64)) * _M64
        position += np.uint64(8)
    if position < stop:
        tail = np.uint64(0)
        shift = np.uint64(0)
        while position < stop:
            tail |= np.uint64(text[position]) << shift
            shift += np.uint64(8)
            position += np.uint64(1)
        state = (state ^ tail) * _M64
    state = (state ^ (state >> _R64)) * _M64
    return state ^ (state >> _R64)


@kernel
def content_hashes(offsets: npt.NDArray[np.int64], text: Bytes, seed: np.uint64) -> npt.NDArray[np.uint64]:
    """MurmurHash64A of each document, shape (documents,), uint64."""
    count = len(offsets) - 1
    hashes = np.empty(count, np.uint64)
    for row in range(count):
        hashes[row] = murmur_64a(text, offsets[row], offsets[row + 1], seed)
    return hashes
