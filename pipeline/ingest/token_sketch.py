"""Which tokens texts hold, and how often, in a few kilobytes that merge."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pipeline.ingest.dedupe.murmur import text_buffers
from pipeline.ingest.dedupe.shingles import prepared
from pipeline.ingest.dedupe.tokens import AUTO, CLASSES, decided, tokenize
from storage.compiled import kernel

#: Different tokens that a sketch holds: those with the smallest hashes.
SKETCH_TOKENS = 4096
_WHOLE = 2**64
#: Bytes of text looked at before the tokens found are counted.
_BATCH_BYTES = 4_000_000


def _none() -> npt.NDArray[np.uint64]:
    return np.empty(0, np.uint64)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class TokenSketch:
    """The different tokens with the smallest hashes, each with its exact count (a bottom-k sketch).

    A token among the smallest of all is among the smallest of every part that it occurs in, so that merging loses
    none of its occurrences (E. Cohen and H. Kaplan, "Summarizing data using bottom-k sketches", PODC 2007).

    Attributes
    ----------
    total
        All tokens, each as often as it occurs.
    hashes
        Ascending, uint64, at most `SKETCH_TOKENS`.
    counts
        How often each occurs, uint64.
    """

    total: int = 0
    hashes: npt.NDArray[np.uint64] = field(default_factory=_none)
    counts: npt.NDArray[np.uint64] = field(default_factory=_none)

    @property
    def bound(self) -> int:
        """All tokens with hashes below this are in the sketch."""
        return _WHOLE if len(self.hashes) < SKETCH_TOKENS else int(self.hashes[-1]) + 1

    def merge(self, other: "TokenSketch") -> "TokenSketch":
        """The sketch of both inputs together."""
        hashes, places = np.unique(np.concatenate([self.hashes, other.hashes]), return_inverse=True)
        counts = np.zeros(len(hashes), np.uint64)
        np.add.at(counts, places, np.concatenate([self.counts, other.counts]))
        return TokenSketch(total=self.total + other.total, hashes=hashes[:SKETCH_TOKENS], counts=counts[:SKETCH_TOKENS])

    def share_of_new(self, earlier: "TokenSketch") -> float:
        """The share of tokens, counted as often as they occur, that `earlier` does not have; 0 of no tokens.

        Exact where both have less than `SKETCH_TOKENS` different tokens, else an estimate without bias.
        """
        if not self.total:
            return 0.0
        bound = min(self.bound, earlier.bound)
        seen = np.array([int(value) < bound for value in self.hashes], np.bool_)
        new = seen & ~np.isin(self.hashes, earlier.hashes)
        return min(1.0, float(self.counts[new].sum()) * (_WHOLE / bound) / self.total)


@kernel
def _small_tokens(data: Any, offsets: Any, valid: Any, classes: Any, bound: Any, out: Any) -> Any:
    """How many tokens the texts have, and how many of them with hashes up to `bound` were written to `out`."""
    longest = 0
    for row in range(len(valid)):
        longest = max(longest, offsets[row + 1] - offsets[row])
    hashes = np.empty(longest + 1, np.uint64)
    total = used = 0
    for row in range(len(valid)):
        if valid[row]:
            start, stop = offsets[row], offsets[row + 1]
            count = tokenize(data, start, stop, decided(data, start, stop, AUTO, classes), classes, hashes)
            total += count
            for i in range(count):
                if hashes[i] <= np.uint64(bound):
                    out[used] = hashes[i]
                    used += 1
    return total, used


def sketch_tokens(texts: pa.ChunkedArray) -> TokenSketch:
    """The sketch of the texts, in lower case; null has no tokens."""
    sketch = TokenSketch()
    data, offsets, valid = text_buffers(prepared(texts))
    offsets = offsets.astype(np.int64)
    start = 0
    while start < len(valid):
        stop = max(start + 1, int(np.searchsorted(offsets, offsets[start] + _BATCH_BYTES, side="right")) - 1)
        out = np.empty(int(offsets[stop] - offsets[start]) + 1, np.uint64)
        batch = offsets[start : stop + 1], valid[start:stop]
        total, used = _small_tokens(data, *batch, CLASSES, np.uint64(sketch.bound - 1), out)
        hashes, counts = np.unique(out[:used], return_counts=True)
        more = TokenSketch(total=total, hashes=hashes[:SKETCH_TOKENS], counts=counts[:SKETCH_TOKENS].astype(np.uint64))
        sketch = sketch.merge(more)
        start = stop
    return sketch
