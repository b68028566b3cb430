"""Shingle sets: the runs of words or characters that a text is compared by."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.ingest.dedupe.murmur import text_buffers
from pipeline.ingest.dedupe.tokens import AUTO, CHARACTERS, CLASSES, WORDS, decided, shingle_hash, tokenize
from pipeline.ingest.dedupe_config import NearConfig
from pipeline.ingest.operations.operation import plain_texts
from storage.compiled import kernel

_MODES = {"auto": AUTO, "words": WORDS, "characters": CHARACTERS}


@dataclass(frozen=True, slots=True, kw_only=True)
class ShingleSets:
    """The shingle set of each text.

    Attributes
    ----------
    offsets
        Shape (texts + 1,), int64: where each set starts in `values`.
    values
        The 64-bit hashes of the shingles, each set ascending and without repeats.
    """

    offsets: npt.NDArray[np.int64]
    values: npt.NDArray[np.uint64]


@kernel
def shingles_of(tokens: Any, mode: Any, words: Any, characters: Any) -> Any:
    """How many shingles so many tokens make, and of how many tokens each; a short text is one shingle."""
    size = min(characters if mode == CHARACTERS else words, tokens)
    return (tokens - size + 1 if tokens > 0 else 0), size


@kernel
def _fill_sets(
    data: Any, offsets: Any, valid: Any, mode: Any, words: Any, characters: Any, classes: Any, starts: Any, out: Any
) -> Any:
    used = 0
    longest = 0
    for row in range(len(valid)):
        longest = max(longest, offsets[row + 1] - offsets[row])
    hashes = np.empty(longest + 1, np.uint64)
    for row in range(len(valid)):
        starts[row] = used
        if not valid[row]:
            continue
        start, stop = offsets[row], offsets[row + 1]
        how = decided(data, start, stop, mode, classes)
        count, size = shingles_of(tokenize(data, start, stop, how, classes, hashes), how, words, characters)
        for i in range(count):
            out[used + i] = shingle_hash(hashes, i, size)
        out[used : used + count].sort()
        last = used
        for i in range(used, used + count):
            if i == used or out[i] != out[last - 1]:
                out[last] = out[i]
                last += 1
        used = last
    starts[len(valid)] = used
    return used


def prepared(texts: pa.ChunkedArray) -> pa.Array:
    """The texts as the kernels read them: one plain array, in lower case."""
    return pc.utf8_lower(plain_texts(texts).combine_chunks())


def settings_of(near: NearConfig) -> tuple[int, int, int]:
    """The numbers that the kernels take: how to cut, words a shingle, characters a shingle."""
    return _MODES[near.shingles], near.words, near.characters


def shingle_sets(texts: pa.ChunkedArray, near: NearConfig) -> ShingleSets:
    """The shingle set of each text; null, and a text without letters or digits, has none.

    Examples
    --------
    >>> sets = shingle_sets(pa.chunked_array([["one two three four", "one two"]]), NearConfig())
    >>> sets.offsets.tolist()
    [0, 2, 3]
    """
    data, offsets, valid = text_buffers(prepared(texts))
    starts = np.empty(len(valid) + 1, np.int64)
    values = np.empty(int(offsets[-1] - offsets[0]) + 1, np.uint64)
    used = _fill_sets(data, offsets.astype(np.int64), valid, *settings_of(near), CLASSES, starts, values)
    return ShingleSets(offsets=starts, values=values[:used].copy())
