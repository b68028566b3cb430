"""Hashes of texts that do not see case, punctuation or spacing, compiled."""

import numpy as np
import numpy.typing as npt

from pipeline.text.murmur import murmur_64a
from pipeline.text.unicode_tables import WORD
from pipeline.text.utf8 import is_lower, lower_into, point_at, width_at
from storage.compiled import kernel

Bytes = npt.NDArray[np.uint8]

_BLANK = 0x20


@kernel
def _words_into(out: Bytes, text: Bytes, start: int, end: int, kinds: Bytes) -> int:
    """How many bytes the words of ``text[start:end]`` take, with one blank between two, written to `out`."""
    at = 0
    position = start
    inside = False
    while position < end:
        byte = text[position]
        if byte < 0x80:
            if kinds[byte] & WORD:
                if not inside and at > 0:
                    out[at] = _BLANK
                    at += 1
                out[at] = byte
                at += 1
                inside = True
            else:
                inside = False
            position += 1
            continue
        width = width_at(text, position, end)
        if kinds[point_at(text, position, width)] & WORD:
            if not inside and at > 0:
                out[at] = _BLANK
                at += 1
            for offset in range(width):
                out[at + offset] = text[position + offset]
            at += width
            inside = True
        else:
            inside = False
        position += width
    return at


@kernel
def normal_hashes(
    offsets: npt.NDArray[np.int64], text: Bytes, lower: npt.NDArray[np.uint32], kinds: Bytes, seed: np.uint64
) -> npt.NDArray[np.uint64]:
    """MurmurHash64A of each document's normal form, shape (documents,), uint64.

    Parameters
    ----------
    offsets
        Where each document starts in `text`, and where the last one ends, shape (documents + 1,).
    text
        UTF-8 bytes.
    lower, kinds
        Of `UnicodeTables`.
    seed
        Of the hash.
    """
    count = len(offsets) - 1
    longest = 0
    for row in range(count):
        longest = max(longest, offsets[row + 1] - offsets[row])
    lowered = np.empty(longest * 3 // 2 + 3, np.uint8)
    words = np.empty(len(lowered) + 8, np.uint8)
    hashes = np.empty(count, np.uint64)
    for row in range(count):
        start, end = offsets[row], offsets[row + 1]
        source = text
        if not is_lower(text, start, end):
            end = lower_into(lowered, text, start, end, lower, kinds)
            start = 0
            source = lowered
        size = _words_into(words, source, start, end, kinds)
        if size > 0:
            hashes[row] = murmur_64a(words, 0, size, seed)
        else:
            hashes[row] = murmur_64a(source, start, end, seed)
    return hashes
