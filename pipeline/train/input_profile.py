"""What a model sees of its input: labels given, lengths, n-grams it knows; how far that has moved since training."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import sparse

Longs = npt.NDArray[np.int64]

#: Bins of lengths: two for each doubling of a text's distinct n-grams.
LENGTHS = 40
#: How far shares may move (population stability index, beyond what chance makes of so few rows), and how far the share
#: of unknown n-grams may rise.
SHIFT_LIMIT, UNSEEN_LIMIT = 0.2, 0.1


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class InputProfile:
    """Counts over rows that a model was given.

    Attributes
    ----------
    labels
        Rows by label given, and as the last those that got none, shape (labels + 1,).
    lengths
        Rows by number of distinct n-grams, two bins a doubling, shape (LENGTHS,).
    grams, unseen
        Distinct n-grams of all rows together, and those in no training row.
    """

    labels: Longs
    lengths: Longs
    grams: int
    unseen: int

    @classmethod
    def empty(cls, labels: int) -> "InputProfile":
        """The profile of no rows."""
        return cls(labels=np.zeros(labels + 1, np.int64), lengths=np.zeros(LENGTHS, np.int64), grams=0, unseen=0)

    @classmethod
    def of(cls, hashed: sparse.csr_matrix, known: int, decided: Longs, labels: int) -> "InputProfile":
        """The profile of these rows.

        Parameters
        ----------
        hashed
            Hashed counts, shape (rows, buckets).
        known
            How many of their items are in buckets that the model knows.
        decided
            Each row's label number, -1 for none.
        labels
            How many labels there are.
        """
        sizes = np.diff(hashed.indptr).astype(np.int64)
        # Whole numbers alone decide: the logarithm of a square is compared with powers of two.
        places = np.where(sizes > 0, np.searchsorted(_EDGES, sizes * sizes, side="right"), 0)
        return cls(
            labels=np.bincount(np.where(decided < 0, labels, decided), minlength=labels + 1).astype(np.int64),
            lengths=np.bincount(np.minimum(places, LENGTHS - 1), minlength=LENGTHS).astype(np.int64),
            grams=int(hashed.indptr[-1]),
            unseen=int(hashed.indptr[-1]) - known,
        )

    def merge(self, other: "InputProfile") -> "InputProfile":
        """The profile of the rows of both."""
        return InputProfile(
            labels=self.labels + other.labels,
            lengths=self.lengths + other.lengths,
            grams=self.grams + other.grams,
            unseen=self.unseen + other.unseen,
        )

    @property
    def rows(self) -> int:
        """How many rows there are."""
        return int(self.labels.sum())

    @property
    def unseen_share(self) -> float:
        """The share of n-grams that are in no training row."""
        return self.unseen / self.grams if self.grams else 0.0

    @property
    def median_length(self) -> float:
        """About how many distinct n-grams a row in the middle has."""
        middle = int(np.searchsorted(np.cumsum(self.lengths), self.rows / 2)) if self.rows else 0
        return 0.0 if middle == 0 else math.sqrt(2.0 ** (middle - 0.5))

    def to_dict(self) -> dict[str, Any]:
        """A plain dict for JSON."""
        return {
            "labels": self.labels.tolist(),
            "lengths": self.lengths.tolist(),
            "grams": self.grams,
            "unseen": self.unseen,
        }

    @classmethod
    def from_dict(cls, facts: Mapping[str, Any]) -> "InputProfile":
        """The profile that `to_dict` told of."""
        labels, lengths = (np.array(facts[name], np.int64) for name in ("labels", "lengths"))
        return cls(labels=labels, lengths=lengths, grams=int(facts["grams"]), unseen=int(facts["unseen"]))


_EDGES = 2 ** np.arange(LENGTHS, dtype=np.int64)


@dataclass(frozen=True, slots=True, kw_only=True)
class InputDrift:
    """How one measure stands beside training.

    Attributes
    ----------
    measure
        "labels", "lengths" or "unseen".
    change
        The population stability index of shares, or the rise of a share.
    limit
        The most it may be.
    then, now
        The measure in words, on the rows that tested and on the input.
    """

    measure: str
    change: float
    limit: float
    then: str
    now: str

    @property
    def moved(self) -> bool:
        """Whether it is beyond its limit."""
        return self.change > self.limit

    def to_dict(self) -> dict[str, Any]:
        """A plain dict for JSON."""
        facts = {
            "measure": self.measure,
            "change": self.change,
            "limit": self.limit,
            "then": self.then,
            "now": self.now,
        }
        return {**facts, "moved": self.moved}

    def __str__(self) -> str:
        return (
            f"drift in {self.measure}: {self.then} when the model was tested, {self.now} now "
            f"(change {self.change:.3f}, limit {self.limit:.3f})"
        )


def measure_input(then: InputProfile, now: InputProfile, labels: Sequence[str]) -> list[InputDrift]:
    """How the input's labels, lengths and unknown n-grams stand beside those of the rows that tested.

    The population stability index sums (p - q) ln(p / q) over shares; of few rows chance alone makes it about
    (bins - 1) (1 / rows + 1 / rows), which is added to its limit.
    """
    if not then.rows or not now.rows:
        return []
    named = [*labels, "none"]
    return [
        InputDrift(
            measure="labels",
            change=_stability(then.labels, now.labels),
            limit=_limit(then.labels, now.labels),
            then=_shares(then.labels, named),
            now=_shares(now.labels, named),
        ),
        InputDrift(
            measure="lengths",
            change=_stability(then.lengths, now.lengths),
            limit=_limit(then.lengths, now.lengths),
            then=f"about {then.median_length:.0f} n-grams",
            now=f"about {now.median_length:.0f} n-grams",
        ),
        InputDrift(
            measure="unseen",
            change=now.unseen_share - then.unseen_share,
            limit=UNSEEN_LIMIT,
            then=f"{then.unseen_share:.1%} of n-grams unknown",
            now=f"{now.unseen_share:.1%} of n-grams unknown",
        ),
    ]


def _smoothed(counts: Longs, used: npt.NDArray[np.bool_]) -> npt.NDArray[np.float64]:
    kept = counts[used] + 0.5
    return np.asarray(kept / kept.sum())


def _stability(then: Longs, now: Longs) -> float:
    used = (then + now) > 0
    before, after = _smoothed(then, used), _smoothed(now, used)
    return float(np.sum((after - before) * np.log(after / before)))


def _limit(then: Longs, now: Longs) -> float:
    bins = int(((then + now) > 0).sum())
    return SHIFT_LIMIT + (bins - 1) * (1 / int(then.sum()) + 1 / int(now.sum()))


def _shares(counts: Longs, names: Sequence[str]) -> str:
    order = np.argsort(-counts, kind="stable")[:3]
    return ", ".join(f"{names[at]} {counts[at] / counts.sum():.1%}" for at in order.tolist() if counts[at])
