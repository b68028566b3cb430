"""Words that are left out of a text before its n-grams are made: the table that compiled code looks them up in."""

from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from pipeline.text.murmur import murmur3_32
from storage.compiled import inlined, kernel

Bytes = npt.NDArray[np.uint8]
Bounds = npt.NDArray[np.int32]

_BLANK = 0x20
#: Slots of the table for each word, so that nearly every other word meets an empty one at once.
_SLOTS = 8


class StopTable(NamedTuple):
    """Words by their hash, with open addressing.

    Attributes
    ----------
    slots
        A word's number plus one, or 0, shape (a power of two,); none where there are no words.
    bounds
        Where each word starts in `letters`, and where the last one ends.
    letters
        The words' UTF-8 bytes.
    """

    slots: Bounds
    bounds: Bounds
    letters: Bytes


@lru_cache(maxsize=8)
def stop_table(words: Sequence[str]) -> StopTable:
    """The table of these words, which are a tuple."""
    encoded = [word.encode() for word in words]
    bounds = np.cumsum([0, *map(len, encoded)], dtype=np.int32)
    # Hashing reads up to four bytes after a word.
    letters = np.frombuffer(b"".join(encoded) + bytes(4), np.uint8)
    size = 1 << (_SLOTS * len(encoded) - 1).bit_length() if encoded else 0
    slots = np.zeros(size, np.int32)
    _fill(slots, bounds, letters)
    for array in (slots, bounds):
        array.setflags(write=False)
    return StopTable(slots, bounds, letters)


@kernel
def _fill(slots: Bounds, bounds: Bounds, letters: Bytes) -> None:
    mask = np.uint32(len(slots) - 1)
    for word in range(len(bounds) - 1):
        slot = murmur3_32(letters, bounds[word], bounds[word + 1]) & mask
        while slots[slot]:
            slot = (slot + np.uint32(1)) & mask
        slots[slot] = word + 1


@inlined
def _is_stop_word(buffer: Bytes, start: int, end: int, stops: StopTable) -> bool:
    mask = np.uint32(len(stops.slots) - 1)
    slot = murmur3_32(buffer, start, end) & mask
    while stops.slots[slot]:
        first = stops.bounds[stops.slots[slot] - 1]
        if stops.bounds[stops.slots[slot]] - first == end - start:
            same = True
            for at in range(end - start):
                same &= buffer[start + at] == stops.letters[first + at]
            if same:
                return True
        slot = (slot + np.uint32(1)) & mask
    return False


@kernel
def drop_stop_words(buffer: Bytes, starts: Bounds, ends: Bounds, runs: Bounds, stops: StopTable) -> None:
    """Takes the stop words out of a document's only run of words; those that stay move together."""
    kept = 0
    at = 0
    for unit in range(runs[1]):
        start, end = starts[unit], ends[unit]
        if _is_stop_word(buffer, start, end, stops):
            continue
        for position in range(start, end):
            buffer[at + position - start] = buffer[position]
        starts[kept] = at
        at += end - start
        ends[kept] = at
        buffer[at] = _BLANK
        at += 1
        kept += 1
    runs[1] = kept
