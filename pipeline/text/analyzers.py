"""Compiled analyzers: a document's UTF-8 bytes become units that lie one after the other in a buffer.

Each writes a normalised copy of the document into `buffer`, the bounds of its units (words or characters) into
`starts` and `ends`, and the first unit of each run into `runs`. An n-gram is n units of one run in a row, and is the
span of `buffer` from the first unit's start to the last one's end, so that hashing never has to join pieces.

`buffer` must hold ``2 * (end - start) + 2`` bytes more than the longest document, `starts`, `ends` and `runs` as many
items.
"""

import numpy as np
import numpy.typing as npt

from pipeline.text.compiled import compiled
from pipeline.text.unicode_tables import IDEOGRAPH, SPACE, WORD
from pipeline.text.utf8 import point_at, width_at

Bytes = npt.NDArray[np.uint8]
Bounds = npt.NDArray[np.int32]

_BLANK = 0x20


@compiled
def _copied(buffer: Bytes, at: int, text: Bytes, position: int, width: int) -> int:
    for offset in range(width):
        buffer[at + offset] = text[position + offset]
    return at + width


@compiled
def word_units(
    text: Bytes, start: int, end: int, kinds: Bytes, buffer: Bytes, starts: Bounds, ends: Bounds, runs: Bounds
) -> tuple[int, int]:
    r"""Units and runs of scikit-learn's default tokens, ``(?u)\b\w\w+\b``, joined by one space in one run."""
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
        if characters >= 2:
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


@compiled
def char_units(
    text: Bytes, start: int, end: int, kinds: Bytes, buffer: Bytes, starts: Bounds, ends: Bounds, runs: Bounds
) -> tuple[int, int]:
    """Units and runs of scikit-learn's ``analyzer="char"``: characters, two or more spaces as one blank."""
    at = 0
    units = 0
    position = start
    while position < end:
        width = width_at(text, position, end)
        starts[units] = at
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


@compiled
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
        buffer[at] = _BLANK
        starts[units] = at
        at += 1
        ends[units] = at
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
        buffer[at] = _BLANK
        starts[units] = at
        at += 1
        ends[units] = at
        units += 1
    runs[words] = units
    return units, words


@compiled
def chinese_units(
    text: Bytes, start: int, end: int, kinds: Bytes, buffer: Bytes, starts: Bounds, ends: Bounds, runs: Bounds
) -> tuple[int, int]:
    """Units and runs for text without spaces between words.

    A character of Han, kana, Hangul and the like is a unit; so is a whole word or number of other scripts. Space
    between units is skipped, other characters end the run.
    """
    at = 0
    units = 0
    count = 0
    runs[0] = 0
    position = start
    in_word = False
    while position < end:
        width = width_at(text, position, end)
        kind = kinds[point_at(text, position, width)]
        if kind & IDEOGRAPH or (kind & WORD and not in_word):
            if kind & IDEOGRAPH == 0 and units > runs[count] and at > 0:
                # Two words side by side need a blank between them, or they would read as one.
                buffer[at] = _BLANK
                at += 1
            starts[units] = at
            at = _copied(buffer, at, text, position, width)
            ends[units] = at
            units += 1
        elif kind & WORD:
            at = _copied(buffer, at, text, position, width)
            ends[units - 1] = at
        elif not kind & SPACE and units > runs[count]:
            count += 1
            runs[count] = units
        in_word = kind & WORD != 0 and kind & IDEOGRAPH == 0
        position += width
    if units > runs[count]:
        count += 1
        runs[count] = units
    return units, count
