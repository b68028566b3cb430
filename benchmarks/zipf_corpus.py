"""The generated corpus that speed and quality of training are measured on.

Its parameters were chosen before any learner saw it, and stay as they are. Documents are words drawn from a Zipf
distribution, lower-case ASCII with one blank between, so that every program sees the same tokens. A document's log-odds
are `SCALE` times the sum of its words' meanings over the root of its length; its label is drawn from these odds.
`SCALE` was solved for a best possible accuracy of 0.73: the mean of the likelier label's chance, which no learner
enters into.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

TRAIN_ROWS, TEST_ROWS = 300_000, 30_000
SEED = 20_251_125
WORDS = 200_000
EXPONENT = 1.0
#: Words of a document: log-normal with this median and spread, at least `LEAST_WORDS`.
MEDIAN_WORDS, SPREAD, LEAST_WORDS = 85.0, 0.55, 3
#: The share of words that mean anything; the others' meaning is zero.
MEANING_SHARE = 0.2
SCALE = 3.758
CHUNK_ROWS = 30_000
LABELS = ("no", "yes")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Chunk:
    """Some documents: their texts, labels (0 or 1), and the chance of label 1 that the label was drawn from."""

    texts: pa.Array
    labels: npt.NDArray[np.int64]
    chances: npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Rows:
    """Documents that train and that test."""

    train: Chunk
    test: Chunk


def words(rng: np.random.Generator) -> npt.NDArray[np.object_]:
    """Distinct words, the most frequent first: two letters and more, rare words longer, as in natural text."""
    longest = np.array([4, 7, 10])
    found: dict[str, None] = {}
    while len(found) < WORDS:
        level = int(len(found) >= 100) + int(len(found) >= 5_000)
        length = int(rng.integers(max(2, longest[level] - 3), longest[level] + 1))
        found.setdefault("".join(map(chr, rng.integers(97, 123, length))))
    return np.array(list(found), dtype=object)


def chunks(rows: int, *, scale: float = SCALE, seed: int = SEED) -> Iterator[Chunk]:
    """`rows` documents, `CHUNK_ROWS` at a time: the same for the same seed."""
    rng = np.random.default_rng(seed)
    known = pa.array(words(rng).tolist())
    cumulative = np.cumsum(1.0 / np.arange(1, WORDS + 1) ** EXPONENT)
    cumulative /= cumulative[-1]
    meaning = np.where(rng.random(WORDS) < MEANING_SHARE, rng.normal(size=WORDS), 0.0)
    for first in range(0, rows, CHUNK_ROWS):
        count = min(CHUNK_ROWS, rows - first)
        lengths = np.maximum(LEAST_WORDS, MEDIAN_WORDS * np.exp(SPREAD * rng.normal(size=count))).astype(np.int64)
        ends = np.cumsum(lengths)
        drawn = np.minimum(np.searchsorted(cumulative, rng.random(int(ends[-1]))), WORDS - 1)
        sums = np.add.reduceat(meaning[drawn], ends - lengths)
        chances = 1 / (1 + np.exp(-scale * sums / np.sqrt(lengths)))
        bounds = pa.array(np.concatenate([[0], ends]).astype(np.int32))
        texts = pc.binary_join(pa.ListArray.from_arrays(bounds, known.take(pa.array(drawn))), " ")
        labels = (rng.random(count) < chances).astype(np.int64)
        yield Chunk(texts=texts, labels=labels, chances=chances)


def zipf_rows(train: int = TRAIN_ROWS, test: int = TEST_ROWS) -> Rows:
    """The corpus: documents that train, then documents that test."""
    parts = list(chunks(train + test))
    texts = pa.chunked_array([part.texts for part in parts]).cast(pa.large_string()).combine_chunks()
    labels = np.concatenate([part.labels for part in parts])
    chances = np.concatenate([part.chances for part in parts])
    cut = slice(0, train), slice(train, None)
    one, other = (
        Chunk(texts=texts[side.start : side.stop], labels=labels[side], chances=chances[side]) for side in cut
    )
    return Rows(train=one, test=other)


def best_accuracy(chances: npt.NDArray[np.float64]) -> float:
    """The accuracy of whoever knows the chances: nobody can be better."""
    return float(np.maximum(chances, 1 - chances).mean())
