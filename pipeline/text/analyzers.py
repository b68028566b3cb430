"""Compiled analyzers: a document's UTF-8 bytes become units that lie one after the other in a buffer.

Each writes a normalised copy of the document into `buffer`, the bounds of its units (words or characters) into
`starts` and `ends`, and the first unit of each run into `runs`. An n-gram is n units of one run in a row, and is the
span of `buffer` from the first unit's start to the last one's end, so that hashing never has to join pieces.

`buffer`, `starts`, `ends` and `runs` must hold ``3 * (end - start) + 3`` items.
"""

import numpy as np
import numpy.typing as npt

from pipeline.text.unicode_tables import IDEOGRAPH, PUNCTUATION, SPACE, WORD
from pipeline.text.utf8 import CASELESS_FIRST, CASELESS_LAST, point_at, width_at
from storage.compiled import kernel

Bytes = npt.NDArray[np.uint8]
Bounds = npt.NDArray[np.int32]

_BLANK = 0x20


@kernel
def _copied(buffer: Bytes, at: int, text: Bytes, position: int, width: int) -> int:
    for offset in range(width):
        buffer[at + offset] = text[position + offset]
    return at + width


@kernel
def word_units(
    text: Bytes,
    start: int,
    end: int,
    kinds: Bytes,
    buffer: Bytes,
    starts: Bounds,
    ends: Bounds,
    runs: Bounds,
    shortest: int,
) -> tuple[int, int]:
    r"""Units and runs of words of so many characters at least, joined by one space in one run.

    Those of two and more are scikit-learn's default tokens, ``(?u)\b\w\w+\b``.
    """
    at = 0
    units = 0
    position = start
    while position < end:
        token = at
        characters = 0
        while position < end:
            byte = text[position]
            if byte < 0x80:
                if not kinds[byte] & WORD:
                    break
                buffer[at] = byte
                at += 1
                position += 1
            else:
                width = width_at(text, position, end)
                if not kinds[point_at(text, position, width)] & WORD:
                    break
                at = _copied(buffer, at, text, position, width)
                position += width
            characters += 1
        if characters >= shortest:
            starts[units] = token
            ends[units] = at
            units += 1
            buffer[at] = _BLANK
            at += 1
        else:
            at = token
        if position < end:
            position += width_at(text, position, end)
    runs[0] = 0
    runs[1] = units
    return units, 1


@kernel
def char_units(
    text: Bytes, start: int, end: int, kinds: Bytes, buffer: Bytes, starts: Bounds, ends: Bounds, runs: Bounds
) -> tuple[int, int]:
    """Units and runs of scikit-learn's ``analyzer="char"``: characters, two or more spaces as one blank."""
    at = 0
    units = 0
    position = start
    while position < end:
        byte = text[position]
        starts[units] = at
        if CASELESS_FIRST <= byte <= CASELESS_LAST and position + 3 <= end:
            buffer[at] = byte
            buffer[at + 1] = text[position + 1]
            buffer[at + 2] = text[position + 2]
            at += 3
            ends[units] = at
            units += 1
            position += 3
            continue
        width = width_at(text, position, end)
        after = position + width
        if kinds[point_at(text, position, width)] & SPACE:
            spaces = 1
            while after < end:
                next_width = width_at(text, after, end)
                if not kinds[point_at(text, after, next_width)] & SPACE:
                    break
                after += next_width
                spaces += 1
            if spaces > 1:
                buffer[at] = _BLANK
                at += 1
            else:
                at = _copied(buffer, at, text, position, width)
        else:
            at = _copied(buffer, at, text, position, width)
        ends[units] = at
        units += 1
        position = after
    runs[0] = 0
    runs[1] = units
    return units, 1


@kernel
def _blank_unit(buffer: Bytes, at: int, starts: Bounds, ends: Bounds, unit: int) -> int:
    buffer[at] = _BLANK
    starts[unit] = at
    ends[unit] = at + 1
    return at + 1


@kernel
def char_wb_units(
    text: Bytes, start: int, end: int, kinds: Bytes, buffer: Bytes, starts: Bounds, ends: Bounds, runs: Bounds
) -> tuple[int, int]:
    """Units and runs of scikit-learn's ``analyzer="char_wb"``: a run a word, with a blank before and after it."""
    at = 0
    units = 0
    words = 0
    position = start
    while position < end:
        width = width_at(text, position, end)
        if kinds[point_at(text, position, width)] & SPACE:
            position += width
            continue
        runs[words] = units
        words += 1
        at = _blank_unit(buffer, at, starts, ends, units)
        units += 1
        while position < end:
            width = width_at(text, position, end)
            if kinds[point_at(text, position, width)] & SPACE:
                break
            starts[units] = at
            at = _copied(buffer, at, text, position, width)
            ends[units] = at
            units += 1
            position += width
        at = _blank_unit(buffer, at, starts, ends, units)
        units += 1
    runs[words] = units
    return units, words


@kernel
def _lone_ideograph(text: Bytes, position: int, end: int, kinds: Bytes, between: int) -> bool:
    """Whether an ideograph starts at `position` and what lies between runs, or the end, follows it."""
    width = width_at(text, position, end)
    if not kinds[point_at(text, position, width)] & IDEOGRAPH:
        return False
    after = position + width
    return after >= end or kinds[point_at(text, after, width_at(text, after, end))] & between != 0


@kernel
def _has_word(text: Bytes, start: int, end: int, kinds: Bytes) -> bool:
    position = start
    while position < end:
        width = width_at(text, position, end)
        if kinds[point_at(text, position, width)] & WORD:
            return True
        position += width
    return False


@kernel
def _append_words(
    text: Bytes,
    start: int,
    end: int,
    kinds: Bytes,
    buffer: Bytes,
    starts: Bounds,
    ends: Bounds,
    runs: Bounds,
    units: int,
    count: int,
) -> tuple[int, int]:
    """Units and runs after one run was added for each word of three or more characters that are no ideographs."""
    at = int(ends[units - 1])
    position = start
    while position < end:
        token = at
        characters = 0
        while position < end:
            width = width_at(text, position, end)
            kind = kinds[point_at(text, position, width)]
            if kind & IDEOGRAPH or not kind & WORD:
                break
            at = _copied(buffer, at, text, position, width)
            position += width
            characters += 1
        if characters >= 3:
            starts[units] = token
            ends[units] = at
            units += 1
            count += 1
            runs[count] = units
        else:
            at = token
        if position < end:
            position += width_at(text, position, end)
    return units, count


@kernel
def chinese_units(
    text: Bytes,
    start: int,
    end: int,
    kinds: Bytes,
    buffer: Bytes,
    starts: Bounds,
    ends: Bounds,
    runs: Bounds,
    keep_punctuation: bool,
) -> tuple[int, int]:
    """Units and runs for text without spaces between words.

    A run is a stretch between spaces and punctuation, or between spaces alone where punctuation is kept, with a blank
    before and after it; its characters are the units, as in `char_wb_units`. Ideographs spaced out one by one are one
    run, which punctuation ends. A word or number of three or more characters of another script is a run, and a unit,
    of its own. A text without any letter, digit or ideograph has no units.
    """
    if not _has_word(text, start, end, kinds):
        return 0, 0
    between = SPACE if keep_punctuation else SPACE | PUNCTUATION
    at = 0
    units = 0
    count = 0
    after_lone = False
    position = start
    while position < end:
        width = width_at(text, position, end)
        kind = kinds[point_at(text, position, width)]
        if kind & between:
            after_lone &= kind & SPACE != 0
            position += width
            continue
        lone = _lone_ideograph(text, position, end, kinds, between)
        if lone and after_lone:
            # The run goes on: its closing blank is taken back.
            units -= 1
            at -= 1
        else:
            runs[count] = units
            count += 1
            at = _blank_unit(buffer, at, starts, ends, units)
            units += 1
        after_lone = lone
        while position < end:
            width = width_at(text, position, end)
            if kinds[point_at(text, position, width)] & between:
                break
            starts[units] = at
            at = _copied(buffer, at, text, position, width)
            ends[units] = at
            units += 1
            position += width
        at = _blank_unit(buffer, at, starts, ends, units)
        units += 1
    runs[count] = units
    return _append_words(text, start, end, kinds, buffer, starts, ends, runs, units, count)
