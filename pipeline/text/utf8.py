"""Compiled reading, writing and lower-casing of UTF-8."""

import numpy as np
import numpy.typing as npt

from pipeline.text.unicode_tables import CAPITAL_SIGMA, CASE_IGNORABLE, CASED, DOTTED_CAPITAL_I
from storage.compiled import kernel

Bytes = npt.NDArray[np.uint8]

_REPLACEMENT = 0xFFFD
_SMALL_SIGMA, _FINAL_SIGMA = 0x3C3, 0x3C2
_SMALL_I, _DOT_ABOVE = 0x69, 0x307

#: First bytes of the code points from U+4000 to U+9FFF, nearly all Han: three bytes each, none with case, none a space.
CASELESS_FIRST, CASELESS_LAST = 0xE4, 0xE9


@kernel
def width_at(text: Bytes, position: int, end: int) -> int:
    """Bytes of the code point that starts at `position`; 1 where the text ends within it."""
    byte = text[position]
    width = 1
    if byte >= 0xF0:
        width = 4
    elif byte >= 0xE0:
        width = 3
    elif byte >= 0xC0:
        width = 2
    return width if position + width <= end else 1


@kernel
def point_at(text: Bytes, position: int, width: int) -> np.int64:
    """The code point of `width` bytes at `position`; U+FFFD for a byte that is none."""
    first = np.int64(text[position])
    if width == 1:
        return first if first < 0x80 else np.int64(_REPLACEMENT)
    point = first & (0x7F >> width)
    for offset in range(1, width):
        point = (point << 6) | (np.int64(text[position + offset]) & 0x3F)
    return point if point <= 0x10FFFF else np.int64(_REPLACEMENT)


@kernel
def put_point(out: Bytes, at: int, point: int | np.int64) -> int:
    """Where the next byte goes after `point` was written as UTF-8 from `at`."""
    if point < 0x80:
        out[at] = point
        return at + 1
    if point < 0x800:
        out[at] = 0xC0 | (point >> 6)
        out[at + 1] = 0x80 | (point & 0x3F)
        return at + 2
    if point < 0x10000:
        out[at] = 0xE0 | (point >> 12)
        out[at + 1] = 0x80 | ((point >> 6) & 0x3F)
        out[at + 2] = 0x80 | (point & 0x3F)
        return at + 3
    out[at] = 0xF0 | (point >> 18)
    out[at + 1] = 0x80 | ((point >> 12) & 0x3F)
    out[at + 2] = 0x80 | ((point >> 6) & 0x3F)
    out[at + 3] = 0x80 | (point & 0x3F)
    return at + 4


@kernel
def _sigma_is_final(text: Bytes, start: int, end: int, position: int, kinds: Bytes) -> bool:
    # Python's str.lower (Unicode's Final_Sigma): a cased letter before, none after, ignorable ones skipped.
    before = position
    while before > start:
        before -= 1
        while before > start and (text[before] & 0xC0) == 0x80:
            before -= 1
        kind = kinds[point_at(text, before, width_at(text, before, end))]
        if not kind & CASE_IGNORABLE:
            if not kind & CASED:
                return False
            break
        if before == start:
            return False
    if before == position:
        return False
    after = position + 2
    while after < end:
        width = width_at(text, after, end)
        kind = kinds[point_at(text, after, width)]
        if not kind & CASE_IGNORABLE:
            return not kind & CASED
        after += width
    return True


@kernel
def is_lower(text: Bytes, start: int, end: int) -> bool:
    """Whether lower-casing surely leaves ``text[start:end]`` as it is; a quick look, which may be too careful.

    Quick to tell are ASCII, U+3000 to U+9FFF, and U+F000 to U+FFFF, where only full-width letters have case.
    """
    cased = np.uint8(0)
    for position in range(np.uint64(start), np.uint64(end)):
        byte = text[position]
        cased |= np.uint8(byte - np.uint8(0x41)) < np.uint8(26)
        first = byte >= np.uint8(0xC0)
        caseless = (np.uint8(byte - np.uint8(0xE3)) <= np.uint8(CASELESS_LAST - 0xE3)) | (byte == np.uint8(0xEF))
        cased |= first & (not caseless)
    for position in range(np.uint64(start + 2), np.uint64(max(end, start + 2))):
        wide = (text[position - np.uint64(2)] == np.uint8(0xEF)) & (text[position - np.uint64(1)] == np.uint8(0xBC))
        cased |= wide & (np.uint8(text[position] - np.uint8(0xA1)) < np.uint8(26))
    return bool(cased == 0)


@kernel
def lower_into(out: Bytes, text: Bytes, start: int, end: int, lower: npt.NDArray[np.uint32], kinds: Bytes) -> int:
    """How many bytes the lower case of ``text[start:end]`` takes, written to the front of `out`.

    `out` must hold ``3 * (end - start) // 2 + 1`` bytes: the lower case of no code point is longer than that.
    """
    at = 0
    position = start
    while position < end:
        byte = text[position]
        if byte < 0x80:
            out[at] = byte + 32 if 65 <= byte <= 90 else byte
            at += 1
            position += 1
            continue
        if CASELESS_FIRST <= byte <= CASELESS_LAST and position + 3 <= end:
            out[at] = byte
            out[at + 1] = text[position + 1]
            out[at + 2] = text[position + 2]
            at += 3
            position += 3
            continue
        width = width_at(text, position, end)
        point = point_at(text, position, width)
        if point == CAPITAL_SIGMA:
            final = _sigma_is_final(text, start, end, position, kinds)
            at = put_point(out, at, _FINAL_SIGMA if final else _SMALL_SIGMA)
        elif point == DOTTED_CAPITAL_I:
            at = put_point(out, at, _SMALL_I)
            at = put_point(out, at, _DOT_ABOVE)
        else:
            at = put_point(out, at, np.int64(lower[point]))
        position += width
    return at
