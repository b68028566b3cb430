"""The analyzers of `pipeline.text.analyzers` for documents of ASCII alone, without a branch for each byte.

They give the same units. A pass that the compiler turns into vector instructions lower-cases and sorts bytes into
kinds; the pass that copies writes every byte and moves on only past those that stay, since a processor that guesses
wrong where the next word ends loses more time than the word takes.
"""

import numpy as np
import numpy.typing as npt

from storage.compiled import bit_count, bytes_within, inlined, load_word, lowest_bit, store_word

Bytes = npt.NDArray[np.uint8]
Bounds = npt.NDArray[np.int32]

_BLANK = np.uint8(0x20)
_ONE, _ZERO = np.uint8(1), np.uint8(0)
_WORD_BITS = np.uint64(64)
#: Edges of words that are written without a look at how many there are.
_AT_ONCE = np.uint64(8)


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
    buffer: Bytes,
    starts: Bounds,
    ends: Bounds,
    runs: Bounds,
) -> int:
    """How many runs there are, as `word_units` has them; `buffer` must hold 64 bytes more than the document."""
    size = end - start
    _lowered(text, start, size, lowercase, buffer)
    # Until the runs are known, their place serves for the edges.
    units = _tokens(_edges(size, buffer, runs), runs, buffer, starts, ends)
    runs[0] = 0
    runs[1] = units
    return 1


@inlined
def _lowered(text: Bytes, start: int, size: int, lowercase: bool, buffer: Bytes) -> None:
    """`buffer` holds the document in lower case, and zeros behind it."""
    fold = np.uint8(0x20) if lowercase else _ZERO
    first = np.uint64(start)
    for place in range(np.uint64(size)):
        byte = text[first + place]
        buffer[place] = byte | np.uint8(np.uint8(np.uint8(byte - np.uint8(65)) < np.uint8(26)) * fold)
    for place in range(np.uint64(size), np.uint64(size) + _WORD_BITS):
        buffer[place] = 0


@inlined
def _edges(size: int, buffer: Bytes, edges: Bounds) -> int:
    """How many edges of words there are, and where: the start of each, and its end.

    An edge is where one of two neighbours may be in a word, and the other may not.
    """
    base = np.uint64(buffer.ctypes.data)
    count = np.uint64(0)
    before = np.uint64(0)
    for first in range(np.uint64(0), np.uint64(size + 1), _WORD_BITS):
        at = base + first
        letters = bytes_within(at, np.uint8(97), np.uint8(122)) | bytes_within(at, np.uint8(65), np.uint8(90))
        others = bytes_within(at, np.uint8(48), np.uint8(57)) | bytes_within(at, np.uint8(95), np.uint8(95))
        bits = letters | others
        turns = bits ^ ((bits << np.uint64(1)) | before)
        before = bits >> np.uint64(63)
        # A few at a time, with some that are written over: how many there are is hard for a processor to foresee.
        total = count + bit_count(turns)
        while count < total:
            for place in range(_AT_ONCE):
                edges[count + place] = first + lowest_bit(turns)
                turns &= turns - np.uint64(1)
            count += _AT_ONCE
        count = total
    return int(np.int64(count))


@inlined
def _tokens(count: int, edges: Bounds, buffer: Bytes, starts: Bounds, ends: Bounds) -> int:
    """How many tokens there are; they come to lie one after the other in `buffer`, with a blank after each."""
    base = np.uint64(buffer.ctypes.data)
    at = np.uint64(0)
    units = np.uint64(0)
    for word in range(np.uint64(count) >> np.uint64(1)):
        first = np.uint64(edges[np.uint64(2) * word])
        length = np.uint64(edges[np.uint64(2) * word + np.uint64(1)]) - first
        if length < np.uint64(2):
            continue
        if at != first:
            _moved(base + at, base + first, length)
        starts[units] = at
        at += length
        ends[units] = at
        units += np.uint64(1)
        buffer[at] = _BLANK
        at += np.uint64(1)
    return int(np.int64(units))


@inlined
def _moved(target: np.uint64, source: np.uint64, length: np.uint64) -> None:
    """Nothing; so many bytes are copied to an address before their own, eight at a time, and none beyond them."""
    done = np.uint64(0)
    while done + np.uint64(8) < length:
        store_word(target + done, load_word(source + done))
        done += np.uint64(8)
    mask = ~np.uint64(0) >> (_WORD_BITS - np.uint64(8) * (length - done))
    kept = load_word(target + done) & ~mask
    store_word(target + done, kept | (load_word(source + done) & mask))


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
