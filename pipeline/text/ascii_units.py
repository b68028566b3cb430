"""The analyzers of `pipeline.text.analyzers` for documents of ASCII alone, without a branch for each byte.

They give the same units. A pass that the compiler turns into vector instructions lower-cases and sorts bytes into
kinds; the pass that copies writes every byte and moves on only past those that stay, since a processor that guesses
wrong where the next word ends loses more time than the word takes.
"""

import numpy as np
import numpy.typing as npt

from storage.compiled import inlined

Bytes = npt.NDArray[np.uint8]
Bounds = npt.NDArray[np.int32]

_BLANK = np.uint8(0x20)
_ONE, _ZERO = np.uint8(1), np.uint8(0)


@inlined
def is_ascii(text: Bytes, start: int, end: int) -> bool:
    """Whether all bytes of ``text[start:end]`` are below 0x80."""
    seen = _ZERO
    for position in range(np.uint64(start), np.uint64(end)):
        seen |= text[position]
    return bool(seen < 0x80)


@inlined
def _either(condition: np.uint8, one: np.uint8, other: np.uint8) -> np.uint8:
    """`one` where the condition is 1, `other` where it is 0, without a branch."""
    mask = np.uint8(_ZERO - condition)
    return np.uint8((one & mask) | (other & ~mask))


@inlined
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
    _sorted_words(text, start, size, lowercase, lowered, flags)
    units = _token_ends(size, lowered, flags, buffer, ends)
    starts[0] = 0
    for unit in range(np.uint64(1), np.uint64(max(units, 1))):
        starts[unit] = ends[unit - np.uint64(1)] + 1
    runs[0] = 0
    runs[1] = units
    return 1


@inlined
def _sorted_words(text: Bytes, start: int, size: int, lowercase: bool, lowered: Bytes, flags: Bytes) -> None:
    """`lowered` holds the document in lower case; ``flags[i + 1]`` says whether byte i may be in a word."""
    fold = np.uint8(0x20) if lowercase else _ZERO
    first = np.uint64(start)
    flags[0] = 0
    for place in range(np.uint64(size)):
        byte = text[first + place]
        folded = byte | np.uint8(0x20)
        letter = np.uint8(np.uint8(folded - np.uint8(97)) < np.uint8(26))
        flags[place + np.uint64(1)] = letter | (np.uint8(byte - np.uint8(48)) < np.uint8(10)) | (byte == np.uint8(95))
        lowered[place] = byte | np.uint8(letter * fold)
    flags[size + 1] = 0
    flags[size + 2] = 0
    lowered[size] = _BLANK


@inlined
def _token_ends(size: int, lowered: Bytes, flags: Bytes, buffer: Bytes, ends: Bounds) -> int:
    """How many tokens there are, written one after the other with a blank after each, and where each ends."""
    at = np.uint64(0)
    units = np.uint64(0)
    before = _ZERO
    kept_before = _ZERO
    here = flags[1]
    for place in range(np.uint64(size + 1)):
        after = flags[place + np.uint64(2)]
        # A character alone is no token; a token takes one blank along.
        kept = np.uint8(here & (before | after))
        buffer[at] = _either(kept, lowered[place], _BLANK)
        ends[units] = at
        units += np.uint64(kept_before & (kept ^ _ONE))
        at += np.uint64(kept | kept_before)
        before = here
        here = after
        kept_before = kept
    return int(np.int64(units))


@inlined
def ascii_chars(
    text: Bytes,
    start: int,
    end: int,
    lowercase: bool,
    within_words: bool,
    lowered: Bytes,
    flags: Bytes,
    buffer: Bytes,
    starts: Bounds,
    ends: Bounds,
    runs: Bounds,
) -> int:
    """How many runs there are, as `char_units` has them, or `char_wb_units` where `within_words`."""
    size = end - start
    _sorted_spaces(text, start, size, lowercase, lowered, flags)
    if within_words:
        at, count = _padded(size, lowered, flags, buffer, runs)
    else:
        at, count = _joined(size, lowered, flags, buffer, runs)
    for unit in range(np.uint64(at)):
        starts[unit] = unit
        ends[unit] = unit + np.uint64(1)
    return count


@inlined
def _sorted_spaces(text: Bytes, start: int, size: int, lowercase: bool, lowered: Bytes, flags: Bytes) -> None:
    """`lowered` holds the document in lower case; ``flags[i]`` says whether byte i is a space, the end too."""
    fold = np.uint8(0x20) if lowercase else _ZERO
    first = np.uint64(start)
    for place in range(np.uint64(size)):
        byte = text[first + place]
        control = (np.uint8(byte - np.uint8(9)) < np.uint8(5)) | (np.uint8(byte - np.uint8(28)) < np.uint8(4))
        flags[place] = control | (byte == _BLANK)
        lowered[place] = byte | np.uint8(np.uint8(np.uint8(byte - np.uint8(65)) < np.uint8(26)) * fold)
    flags[size] = 1
    lowered[size] = _BLANK


@inlined
def _padded(size: int, lowered: Bytes, flags: Bytes, buffer: Bytes, runs: Bounds) -> tuple[int, int]:
    """Bytes and runs written: each word with a blank before and after it."""
    at = np.uint64(1)
    count = np.uint64(0)
    runs[0] = 0
    buffer[0] = _BLANK
    word_before = _ZERO
    for place in range(np.uint64(size + 1)):
        space = flags[place]
        closes = space & word_before
        buffer[at] = _either(space, _BLANK, lowered[place])
        buffer[at + np.uint64(1)] = _BLANK
        runs[count + np.uint64(1)] = at + np.uint64(1)
        # The blank that closes a word, and the one before the next word.
        at += np.uint64(space ^ _ONE) + np.uint64(closes) + np.uint64(closes)
        count += np.uint64(closes)
        word_before = space ^ _ONE
    return int(np.int64(at - np.uint64(1))), int(np.int64(count))


@inlined
def _joined(size: int, lowered: Bytes, flags: Bytes, buffer: Bytes, runs: Bounds) -> tuple[int, int]:
    """Bytes and runs written: the text with two or more spaces as one blank."""
    at = np.uint64(0)
    space_before = _ZERO
    for place in range(np.uint64(size)):
        space = flags[place]
        repeated = space & space_before
        at -= np.uint64(repeated)
        buffer[at] = _either(repeated, _BLANK, lowered[place])
        at += np.uint64(1)
        space_before = space
    runs[0] = 0
    runs[1] = at
    return int(np.int64(at)), 1
