"""The filter for texts that repeat themselves, compiled.

The measures are those of J. Rae et al. (2021), "Scaling Language Models: Methods, Analysis & Insights from Training
Gopher", appendix A.1.1: shares of repeated lines, of the most frequent short run of words, and of repeated long runs.
"""

from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from pydantic import Field

from pipeline.ingest.dedupe.murmur import text_buffers
from pipeline.ingest.dedupe.tokens import AUTO, CLASSES, decided, shingle_hash, tokenize
from pipeline.ingest.operations.filters import TextFilter
from storage.compiled import kernel
from storage.murmur import mixed

_FNV = np.uint64(0x100000001B3)


@kernel
def _line_share(data: Any, start: Any, stop: Any, hashes: Any) -> Any:
    """The share of lines, not counting empty ones, that repeat an earlier line."""
    count = 0
    value, length = np.uint64(0), 0
    for i in range(start, stop + 1):
        if i == stop or data[i] == 10:
            if length > 0:
                hashes[count] = mixed(value)
                count += 1
            value, length = np.uint64(0), 0
        elif data[i] > 32:
            value = (value ^ np.uint64(data[i])) * _FNV
            length += 1
    return _repeats(hashes, count) / count if count > 0 else 0.0


@kernel
def _repeats(hashes: Any, count: Any) -> Any:
    hashes[:count].sort()
    repeats = 0
    for i in range(1, count):
        if hashes[i] == hashes[i - 1]:
            repeats += 1
    return repeats


@kernel
def _top_share(tokens: Any, count: Any, size: Any, grams: Any) -> Any:
    """The share of tokens in the most frequent run of `size` tokens; 0 where no run comes twice."""
    total = count - size + 1
    if total < 2:
        return 0.0
    for i in range(total):
        grams[i] = shingle_hash(tokens, i, size)
    grams[:total].sort()
    best = same = 1
    for i in range(1, total):
        same = same + 1 if grams[i] == grams[i - 1] else 1
        best = max(best, same)
    return min(1.0, best * size / count) if best > 1 else 0.0


@kernel
def _repeated_share(tokens: Any, count: Any, size: Any, slots: Any) -> Any:
    """The share of tokens in runs of `size` tokens that came before, each token counted once."""
    if count <= size:
        return 0.0
    room = np.uint64(16)
    while room < np.uint64(2 * count):
        room *= np.uint64(2)
    slots[:room] = np.uint64(0)
    repeated = 0
    i = 0
    while i + size <= count:
        gram = shingle_hash(tokens, i, size) | np.uint64(1)
        slot = (gram >> np.uint64(1)) & (room - np.uint64(1))
        while slots[slot] != np.uint64(0) and slots[slot] != gram:
            slot = (slot + np.uint64(1)) & (room - np.uint64(1))
        if slots[slot] == gram:
            repeated += size
            i += size
        else:
            slots[slot] = gram
            i += 1
    return repeated / count


@kernel
def _measure(data: Any, offsets: Any, valid: Any, classes: Any, top: Any, long: Any, out: Any) -> None:
    longest = 0
    for row in range(len(valid)):
        longest = max(longest, offsets[row + 1] - offsets[row])
    tokens, work = np.empty(longest + 2, np.uint64), np.empty(4 * longest + 32, np.uint64)
    for row in range(len(valid)):
        if not valid[row]:
            continue
        start, stop = offsets[row], offsets[row + 1]
        out[row, 0] = _line_share(data, start, stop, work)
        count = tokenize(data, start, stop, decided(data, start, stop, AUTO, classes), classes, tokens)
        for i in range(len(top)):
            out[row, 1 + i] = _top_share(tokens, count, top[i], work)
        for i in range(len(long)):
            out[row, 1 + len(top) + i] = _repeated_share(tokens, count, long[i], work)


#: Lengths of short runs whose most frequent one is looked at, and of long runs that must not come again.
TOP, LONG = (2, 3, 4), (5, 6, 7, 8, 9, 10)
_LIMITS = (0.30, 0.20, 0.18, 0.16, 0.15, 0.14, 0.13, 0.12, 0.11, 0.10)


def repetition(texts: pa.ChunkedArray) -> npt.NDArray[np.float64]:
    """How much each text repeats itself.

    Returns
    -------
    numpy.ndarray
        Shape (texts, 10): the share of lines that repeat an earlier one; for 2, 3 and 4 tokens the share of tokens in
        the most frequent run; for 5 to 10 tokens the share of tokens in runs that came before. Null repeats nothing.
        Tokens are words, or characters where a text is written without blanks.
    """
    data, offsets, valid = text_buffers(texts.combine_chunks())
    out = np.zeros((len(valid), len(_LIMITS)))
    _measure(data, offsets.astype(np.int64), valid, CLASSES, np.array(TOP), np.array(LONG), out)
    return out


class FilterRepetition(TextFilter):
    """Leave out texts that repeat themselves: the same line, phrase or passage over and over (Rae et al. 2021).

    A text goes if more than 30 % of its lines repeat an earlier line, if its most frequent run of 2, 3 or 4 words makes
    more than 20, 18 or 16 % of it, or if runs of 5 to 10 words that came before make more than 15 to 10 % of it.
    Characters count as words in texts without blanks.

        op = "filter_repetition"
    """

    op: Literal["filter_repetition"] = "filter_repetition"
    tolerance: float = Field(default=1.0, gt=0)
    """A factor for all limits: 2 lets texts repeat themselves twice as much."""
    min_words: int = Field(default=20, ge=1)
    """Texts of fewer words are never left out: in a short text a word said twice is no repetition."""

    def select_texts(self, texts: pa.ChunkedArray) -> npt.NDArray[np.bool_]:
        """Texts beyond one of the limits."""
        shares = repetition(texts)
        selected = (shares > np.array(_LIMITS) * self.tolerance).any(axis=1)
        return np.asarray(selected & (token_counts(texts) >= self.min_words), dtype=np.bool_)


@kernel
def _token_counts(data: Any, offsets: Any, valid: Any, classes: Any, out: Any) -> None:
    longest = 0
    for row in range(len(valid)):
        longest = max(longest, offsets[row + 1] - offsets[row])
    tokens = np.empty(longest + 2, np.uint64)
    for row in range(len(valid)):
        if valid[row]:
            start, stop = offsets[row], offsets[row + 1]
            out[row] = tokenize(data, start, stop, decided(data, start, stop, AUTO, classes), classes, tokens)


def token_counts(texts: pa.ChunkedArray) -> npt.NDArray[np.int64]:
    """How many words each text has, or characters where it is written without blanks; null has none."""
    data, offsets, valid = text_buffers(texts.combine_chunks())
    out = np.zeros(len(valid), np.int64)
    _token_counts(data, offsets.astype(np.int64), valid, CLASSES, out)
    return out
