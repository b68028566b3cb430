"""The analyzers of `pipeline.text.analyzers` for documents of ASCII alone, without a branch for each byte.

They give the same units. A pass that the compiler turns into vector instructions lower-cases and sorts bytes into kinds;
the pass that copies writes every byte and moves on only past those that stay, since a processor that guesses wrong
where the next word ends loses more time than the word takes.
"""

import numpy as np
import numpy.typing as npt

from pipeline.text.compiled import compiled

Bytes = npt.NDArray[np.uint8]
Bounds = npt.NDArray[np.int32]

_BLANK = np.uint8(0x20)
_ONE, _ZERO = np.uint8(1), np.uint8(0)


@compiled
def is_ascii(text: Bytes, start: int, end: int) -> bool:
    """Whether all bytes of ``text[start:end]`` are below 0x80."""
    seen = _ZERO
    for position in range(np.uint64(start), np.uint64(end)):
        seen |= text[position]
    return seen < 0x80


@compiled
def ascii_words(
    text: Bytes,
    start: int,
    end: int,
    lowercase: bool,
    lowered: Bytes,
    flags: Bytes,
    buffer: Bytes,
    starts: Bounds,
    ends: Bounds,
    runs: Bounds,
) -> int:
    """How many runs there are, as `word_units` has them; `flags` must hold three bytes more than the document."""
    size = end - start
    fold = np.uint8(0x20) if lowercase else _ZERO
    flags[0] = 0
    for place in range(np.uint64(size)):
        byte = text[np.uint64(start) + place]
        folded = byte | np.uint8(0x20)
        letter = np.uint8(np.uint8(folded - np.uint8(97)) < np.uint8(26))
        flags[place + np.uint64(1)] = letter | (np.uint8(byte - np.uint8(48)) < np.uint8(10)) | (byte == np.uint8(95))
        lowered[place] = byte | np.uint8(letter * fold)
    flags[size + 1] = 0
    flags[size + 2] = 0
    lowered[size] = _BLANK
    at = np.uint64(0)
    units = np.uint64(0)
    before = _ZERO
    kept_before = _ZERO
    here = flags[1] if size > 0 else _ZERO
    for place in range(np.uint64(size + 1)):
        after = flags[place + np.uint64(2)]
        # A character alone is no token; a token takes one blank along.
        kept = np.uint8(here & (before | after))
        buffer[at] = lowered[place] if kept else _BLANK
        ends[units] = at
        units += np.uint64(kept_before & (kept ^ _ONE))
        at += np.uint64(kept | kept_before)
        before = here
        here = after
        kept_before = kept
    starts[0] = 0
    for unit in range(np.uint64(1), units):
        starts[unit] = ends[unit - np.uint64(1)] + 1
    runs[0] = 0
    runs[1] = units
    return 1


@compiled
def ascii_chars(
    text: Bytes,
    start: int,
    end: int,
    lowercase: bool,
    within_words: bool,
    flags: Bytes,
    buffer: Bytes,
    starts: Bounds,
    ends: Bounds,
    runs: Bounds,
) -> int:
    """How many runs there are, as `char_units` has them, or `char_wb_units` where `within_words`."""
    size = end - start
    for place in range(np.uint64(size)):
        byte = text[np.uint64(start) + place]
        control = (np.uint8(byte - np.uint8(9)) < np.uint8(5)) | (np.uint8(byte - np.uint8(28)) < np.uint8(4))
        flags[place] = control | (byte == _BLANK)
    flags[size] = 1
    if within_words:
        at, count = _padded(text, start, size, flags, buffer, runs)
    else:
        at, count = _joined(text, start, size, flags, buffer, runs)
    for unit in range(np.uint64(at)):
        starts[unit] = unit
        ends[unit] = unit + np.uint64(1)
    if lowercase:
        for unit in range(np.uint64(at)):
            byte = buffer[unit]
            buffer[unit] = byte | np.uint8(0x20) if np.uint8(byte - np.uint8(65)) < np.uint8(26) else byte
    return count


@compiled
def _padded(text: Bytes, start: int, size: int, flags: Bytes, buffer: Bytes, runs: Bounds) -> tuple[int, int]:
    """Bytes and runs written: each word with a blank before and after it."""
    at = np.uint64(1)
    count = np.uint64(0)
    runs[0] = 0
    buffer[0] = _BLANK
    word_before = _ZERO
    for place in range(np.uint64(size + 1)):
        space = flags[place]
        closes = space & word_before
        buffer[at] = _BLANK if space else text[np.uint64(start) + place]
        buffer[at + np.uint64(1)] = _BLANK
        runs[count + np.uint64(1)] = at + np.uint64(1)
        # The blank that closes a word, and the one before the next word.
        at += np.uint64(space ^ _ONE) + np.uint64(closes) + np.uint64(closes)
        count += np.uint64(closes)
        word_before = space ^ _ONE
    return np.int64(at - np.uint64(1)), np.int64(count)


@compiled
def _joined(text: Bytes, start: int, size: int, flags: Bytes, buffer: Bytes, runs: Bounds) -> tuple[int, int]:
    """Bytes and runs written: the text with two or more spaces as one blank."""
    at = np.uint64(0)
    space_before = _ZERO
    for place in range(np.uint64(size)):
        space = flags[place]
        repeated = space & space_before
        at -= np.uint64(repeated)
        buffer[at] = _BLANK if repeated else text[np.uint64(start) + place]
        at += np.uint64(1)
        space_before = space
    runs[0] = 0
    runs[1] = at
    return np.int64(at), 1
