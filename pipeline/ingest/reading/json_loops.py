"""The compiled loops over JSON lines: where the members of plain objects are, and their texts.

An object is plain where all its values are texts, numbers without an exponent, true, false or null, and its keys are
known and free of escapes. Whatever is not plain, or not well formed, is left to a parser that knows all of JSON.
"""

import numpy as np

from pipeline.ingest.reading.csv.runs import WORD, copy_run, lowest_match, pattern
from storage.compiled import Buffer, inlined, kernel

QUOTE, BACKSLASH, SLASH, COLON, COMMA, OPEN, CLOSE = (ord(mark) for mark in '"\\/:,{}')
MINUS, POINT, ZERO, NINE, LOWER_U = (ord(mark) for mark in "-.09u")
#: A missing value, or null.
NOTHING = -1
_LONGEST_NUMBER = 300
_HIGH, _LOW, _SURROGATES_END = 0xD800, 0xDC00, 0xE000
#: What an escape of one letter means, by letter; 0 for no such escape.
ESCAPES = np.zeros(256, dtype=np.uint8)
for _letter, _meaning in zip('"\\/bfnrt', '"\\/\b\f\n\r\t', strict=True):
    ESCAPES[ord(_letter)] = ord(_meaning)


@inlined
def _is_space(byte: Buffer) -> Buffer:
    return byte in (32, 9, 13, 10)


@kernel
def _behind_space(data: Buffer, i: int, end: int) -> int:
    while i < end and _is_space(data[i]):
        i += 1
    return i


@kernel
def _hex4(data: Buffer, i: int, end: int) -> int:
    """The number that four hexadecimal digits from `i` on spell; -1 where there are not four."""
    if i + 4 > end:
        return -1
    value = 0
    for k in range(i, i + 4):
        byte = data[k]
        if 48 <= byte <= 57:
            digit = byte - 48
        elif 65 <= byte <= 70:
            digit = byte - 55
        elif 97 <= byte <= 102:
            digit = byte - 87
        else:
            return -1
        value = value * 16 + digit
    return value


@kernel
def _point_at(data: Buffer, i: int, end: int) -> tuple[int, int]:
    """The code point that the escapes spell whose first digit is at `i`, and where they end; -1 for none."""
    point = _hex4(data, i, end)
    if point < _HIGH or point >= _SURROGATES_END:
        return point, i + 4
    if point >= _LOW or i + 10 > end or data[i + 4] != BACKSLASH or data[i + 5] != LOWER_U:
        return -1, i
    low = _hex4(data, i + 6, end)
    if low < _LOW or low >= _SURROGATES_END:
        return -1, i
    return 0x10000 + ((point - _HIGH) << 10) + (low - _LOW), i + 10


@kernel
def _text_end(data: Buffer, words: Buffer, i: int, end: int, escapes: Buffer) -> int:
    """Where the text from `i` on ends, at its quote; -1 where it is broken or holds a NUL."""
    quotes, slashes = pattern(QUOTE, 0), pattern(BACKSLASH, 0)
    while True:
        while i + WORD <= end:
            match = lowest_match(words[i], quotes, slashes)
            i += match
            if match < WORD:
                break
        while i < end and data[i] != QUOTE and data[i] != BACKSLASH and data[i] >= 32:
            i += 1
        if i >= end or data[i] < 32:
            return -1
        if data[i] == QUOTE:
            return i
        i += 1
        if i < end and data[i] == LOWER_U:
            point, i = _point_at(data, i + 1, end)
            if point <= 0:
                return -1
        elif i < end and escapes[data[i]] != 0:
            i += 1
        else:
            return -1


@kernel
def _number_end(data: Buffer, i: int, end: int) -> int:
    """Where the number from `i` on ends; -1 for what is no plain one."""
    begin = i
    i += data[i] == MINUS
    if i >= end or data[i] < ZERO or data[i] > NINE or (i > begin and data[i] == ZERO):
        return -1
    zero = data[i] == ZERO
    i += 1
    while not zero and i < end and ZERO <= data[i] <= NINE:
        i += 1
    if i < end and data[i] == POINT:
        digits = i + 1
        i = digits
        while i < end and ZERO <= data[i] <= NINE:
            i += 1
        if i == digits:
            return -1
    # Behind it only what may follow a value: an exponent, or another digit behind a zero, is met as a fault there.
    return int(i) if i - begin <= _LONGEST_NUMBER else -1


@kernel
def _word_end(data: Buffer, i: int, end: int) -> int:
    """Where true, false or null, which `i` may begin, ends; -1 for anything else."""
    for word in (b"true", b"false", b"null"):
        size = len(word)
        if i + size <= end:
            same = True
            for k in range(size):
                same &= data[i + k] == word[k]
            if same:
                return i + size
    return -1


@kernel
def _column_of(data: Buffer, start: int, stop: int, keys: Buffer, key_ends: Buffer, guess: int) -> int:
    """Which key ``data[start:stop]`` is, looked for from `guess` on; -1 for none."""
    count = key_ends.shape[0] - 1
    for turn in range(count):
        column = (guess + turn) % count
        first = key_ends[column]
        if key_ends[column + 1] - first == stop - start:
            same = True
            for k in range(stop - start):
                same &= data[start + k] == keys[first + k]
            if same:
                return int(column)
    return -1


@kernel
def _parse(  # noqa: C901 - one grammar
    data: Buffer, words: Buffer, i: int, end: int, keys: Buffer, key_ends: Buffer, escapes: Buffer, spans: Buffer
) -> bool:
    """Whether ``data[i:end]`` is a plain object; where its values lie is written to `spans`, shape (keys, 2)."""
    i = _behind_space(data, i, end)
    if i >= end or data[i] != OPEN:
        return False
    i = _behind_space(data, i + 1, end)
    more = not (i < end and data[i] == CLOSE)
    if not more:
        i += 1
    guess = 0
    while more:
        if i >= end or data[i] != QUOTE:
            return False
        key = i + 1
        i = key
        while i < end and data[i] != QUOTE and data[i] != BACKSLASH and data[i] >= 32:
            i += 1
        if i >= end or data[i] != QUOTE:
            return False
        column = _column_of(data, key, i, keys, key_ends, guess)
        if column < 0:
            return False
        guess = column + 1
        i = _behind_space(data, i + 1, end)
        if i >= end or data[i] != COLON:
            return False
        i = _behind_space(data, i + 1, end)
        if i >= end:
            return False
        begin = i
        if data[i] == QUOTE:
            begin = i + 1
            stop = _text_end(data, words, begin, end, escapes)
            i = stop + 1
        elif data[i] == MINUS or ZERO <= data[i] <= NINE:
            stop = i = _number_end(data, i, end)
        else:
            stop = i = _word_end(data, i, end)
            if stop >= 0 and data[begin] == 110:
                begin = NOTHING
        if stop < 0:
            return False
        spans[column, 0], spans[column, 1] = begin, stop if begin >= 0 else NOTHING
        i = _behind_space(data, i, end)
        if i >= end:
            return False
        more = data[i] == COMMA
        if not more and data[i] != CLOSE:
            return False
        i = _behind_space(data, i + 1, end) if more else i + 1
    return _behind_space(data, i, end) == end


@kernel
def find_members(
    data: Buffer,
    words: Buffer,
    starts: Buffer,
    ends: Buffer,
    wanted: Buffer,
    keys: Buffer,
    key_ends: Buffer,
    escapes: Buffer,
    spans: Buffer,
    plain: Buffer,
) -> None:
    """Which of the `wanted` lines are plain objects, in `plain`, and where their values lie.

    `spans` has the shape (lines, keys, 2): first byte and behind the last; `NOTHING` for no value, and for all of a
    line that is not plain.
    """
    for row in range(starts.shape[0]):
        spans[row] = NOTHING
        plain[row] = wanted[row] and _parse(data, words, starts[row], ends[row], keys, key_ends, escapes, spans[row])
        if not plain[row]:
            spans[row] = NOTHING


@kernel
def first_strange(
    data: Buffer,
    words: Buffer,
    starts: Buffer,
    ends: Buffer,
    wanted: Buffer,
    keys: Buffer,
    key_ends: Buffer,
    escapes: Buffer,
    row: int,
) -> int:
    """The first of the `wanted` lines from `row` on that is no plain object of these keys; their number for none."""
    spans = np.empty((key_ends.shape[0] - 1, 2), np.int64)
    while row < starts.shape[0]:
        if wanted[row] and not _parse(data, words, starts[row], ends[row], keys, key_ends, escapes, spans):
            return row
        row += 1
    return row


@kernel
def _write_point(point: int, text: Buffer, out: int) -> int:
    """Where the UTF-8 form of a code point, written at `out`, ends."""
    if point < 0x80:
        text[out] = point
        return out + 1
    if point < 0x800:
        text[out] = 0xC0 | (point >> 6)
    else:
        if point < 0x10000:
            text[out] = 0xE0 | (point >> 12)
        else:
            text[out] = 0xF0 | (point >> 18)
            out += 1
            text[out] = 0x80 | ((point >> 12) & 63)
        out += 1
        text[out] = 0x80 | ((point >> 6) & 63)
    text[out + 1] = 0x80 | (point & 63)
    return out + 2


@kernel
def fill_texts(
    data: Buffer,
    words: Buffer,
    extra: Buffer,
    spans: Buffer,
    escapes: Buffer,
    text: Buffer,
    text_words: Buffer,
    offsets: Buffer,
    valid: Buffer,
) -> None:
    """The texts of one column, unescaped, in `text`, where they end in `offsets`, and which there are in `valid`.

    Spans beyond the end of `data` lie in `extra`, as they are. `text` has room for one word more than it needs.
    """
    slashes = pattern(BACKSLASH, 0)
    size = data.shape[0]
    out = 0
    for row in range(spans.shape[0]):
        i, stop = spans[row, 0], spans[row, 1]
        valid[row] = i >= 0
        if i >= size:
            for k in range(i - size, stop - size):
                text[out] = extra[k]
                out += 1
        elif i >= 0:
            while i < stop:
                run = i
                i = copy_run(data, words, i, stop, slashes, slashes, slashes, slashes, text, text_words, out)
                out += i - run
                if i < stop and data[i + 1] == LOWER_U:
                    point, i = _point_at(data, i + 2, stop)
                    out = _write_point(point, text, out)
                elif i < stop:
                    text[out] = escapes[data[i + 1]]
                    out += 1
                    i += 2
        offsets[row + 1] = out
