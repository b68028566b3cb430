"""What a text is made of for comparison: words, or characters where a script writes no blanks between words.

Which characters count is fixed here by code point ranges instead of being asked of Python or Arrow, so that it is the
same in every version of Unicode that they may know.
"""

from typing import Any

import numpy as np

from storage.compiled import kernel
from storage.murmur import mixed

#: How to cut texts into tokens.
AUTO, WORDS, CHARACTERS = 0, 1, 2

#: Code points that belong to no token: white space, punctuation, controls, marks without width (first, last).
_OUTSIDE = np.array(
    [
        (0x00, 0x2F),
        (0x3A, 0x40),
        (0x5B, 0x60),
        (0x7B, 0xA9),
        (0xAB, 0xB4),
        (0xB6, 0xB9),
        (0xBB, 0xBF),
        (0xD7, 0xD7),
        (0xF7, 0xF7),
        (0x2000, 0x20CF),
        (0x2190, 0x24FF),
        (0x2500, 0x25FF),
        (0x2768, 0x2775),
        (0x2900, 0x2BFF),
        (0x2E00, 0x2E7F),
        (0x3000, 0x3004),
        (0x3008, 0x3020),
        (0x3030, 0x3030),
        (0x303D, 0x303F),
        (0xFE00, 0xFE6F),
        (0xFEFF, 0xFEFF),
        (0xFF00, 0xFF0F),
        (0xFF1A, 0xFF20),
        (0xFF3B, 0xFF40),
        (0xFF5B, 0xFF65),
        (0xFFE0, 0xFFFF),
    ],
    np.int64,
)
#: Scripts that write no blanks between words, and emoji: each character is a token by itself (first, last).
_ALONE = np.array(
    [
        (0x0E00, 0x0EFF),
        (0x1000, 0x109F),
        (0x1780, 0x17FF),
        (0x2600, 0x2767),
        (0x2776, 0x28FF),
        (0x2E80, 0x2FFF),
        (0x3005, 0x3007),
        (0x3021, 0x302F),
        (0x3031, 0x303C),
        (0x3040, 0x31FF),
        (0x3400, 0x4DBF),
        (0x4E00, 0xA4CF),
        (0xF900, 0xFAFF),
        (0xFF66, 0xFF9F),
        (0x1F000, 0x1FAFF),
        (0x20000, 0x3FFFF),
    ],
    np.int64,
)
OUTSIDE, INSIDE, ALONE = 0, 1, 2


def _classes() -> Any:
    classes = np.full(0x110000, INSIDE, np.uint8)
    for ranges, value in ((_OUTSIDE, OUTSIDE), (_ALONE, ALONE)):
        for first, last in ranges:
            classes[first : last + 1] = value
    return classes


#: The class of every code point, shape (0x110000,), uint8.
CLASSES = _classes()
_FNV = np.uint64(0x100000001B3)
_START = np.uint64(0xCBF29CE484222325)
_ORDER = np.uint64(0x9E3779B97F4A7C15)


@kernel
def point_at(data: Any, i: Any) -> Any:
    """The code point that starts at `i` of valid UTF-8, and how many bytes it takes."""
    first = np.int64(data[i])
    if first < 0x80:
        return first, 1
    if first < 0xE0:
        return ((first & 0x1F) << 6) | (np.int64(data[i + 1]) & 0x3F), 2
    if first < 0xF0:
        middle = (np.int64(data[i + 1]) & 0x3F) << 6
        return ((first & 0x0F) << 12) | middle | (np.int64(data[i + 2]) & 0x3F), 3
    middle = ((np.int64(data[i + 1]) & 0x3F) << 12) | ((np.int64(data[i + 2]) & 0x3F) << 6)
    return ((first & 0x07) << 18) | middle | (np.int64(data[i + 3]) & 0x3F), 4


@kernel
def decided(data: Any, start: Any, stop: Any, mode: Any, classes: Any) -> Any:
    """`mode`, or for AUTO the one that suits the text: CHARACTERS where half of its characters stand alone."""
    if mode != AUTO:
        return mode
    inside = alone = 0
    i = start
    while i < stop:
        point, width = point_at(data, i)
        if classes[point] == INSIDE:
            inside += 1
        elif classes[point] == ALONE:
            alone += 1
        i += width
    return CHARACTERS if alone >= inside and alone > 0 else WORDS


@kernel
def tokenize(data: Any, start: Any, stop: Any, mode: Any, classes: Any, hashes: Any) -> Any:
    """How many tokens ``data[start:stop]`` has; their hashes are written to the front of `hashes`."""
    count = 0
    open_word = False
    value = _START
    i = start
    while i < stop:
        point, width = point_at(data, i)
        kind = classes[point]
        single = kind == ALONE or (kind == INSIDE and mode == CHARACTERS)
        if open_word and (kind == OUTSIDE or single):
            hashes[count] = mixed(value)
            count += 1
            open_word = False
        if kind != OUTSIDE:
            if not open_word:
                value = _START
            for j in range(i, i + width):
                value = (value ^ np.uint64(data[j])) * _FNV
            if single:
                hashes[count] = mixed(value)
                count += 1
            else:
                open_word = True
        i += width
    if open_word:
        hashes[count] = mixed(value)
        count += 1
    return count


@kernel
def shingle_hash(hashes: Any, first: Any, size: Any) -> Any:
    """The hash of `size` tokens in order."""
    value = np.uint64(size)
    for j in range(first, first + size):
        value = (value ^ hashes[j]) * _ORDER
        value ^= value >> np.uint64(29)
    return mixed(value)
