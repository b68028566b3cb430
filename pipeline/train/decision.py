"""Which label a text gets from its probabilities, where that is not simply the likeliest."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Doubles = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """Thresholds of probability.

    Attributes
    ----------
    thresholds
        One a label, in the order of the model's labels. A text gets the label whose probability is the largest multiple
        of its threshold.
    single
        The number of the one label that has a threshold, where only one has: a text gets it from there on, and else the
        likeliest of the others.
    undecided
        Whether a text gets no label where none reaches its threshold.
    expected
        What the thresholds gave on the rows that validate: label -> "precision", "recall", "f1", and "threshold".
    """

    thresholds: tuple[float, ...]
    undecided: bool
    expected: Mapping[str, Mapping[str, float]]
    single: int | None = None

    def labels(self, chances: Doubles) -> npt.NDArray[np.int64]:
        """Each row's label number, -1 for none, shape (rows,)."""
        if self.single is not None:
            others = chances.copy()
            others[:, self.single] = -1.0
            given = chances[:, self.single] >= self.thresholds[self.single]
            best: npt.NDArray[np.int64] = np.where(given, self.single, others.argmax(axis=1)).astype(np.int64)
            return best
        multiples = chances / np.array(self.thresholds)
        best = multiples.argmax(axis=1).astype(np.int64)
        if self.undecided:
            best[multiples[np.arange(len(best)), best] < 1.0] = -1
        return best

    def to_dict(self) -> dict[str, Any]:
        """A plain dict for JSON."""
        return {
            "thresholds": list(self.thresholds),
            "undecided": self.undecided,
            "single": self.single,
            "expected": {label: dict(facts) for label, facts in self.expected.items()},
        }

    @classmethod
    def from_dict(cls, facts: Mapping[str, Any]) -> "Decision":
        """The decision that `to_dict` told of."""
        return cls(
            thresholds=tuple(map(float, facts["thresholds"])),
            undecided=facts["undecided"],
            single=facts["single"],
            expected=facts["expected"],
        )
