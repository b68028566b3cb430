"""Calibration: what is done to a model's scores or probabilities so that they mean what they say.

Temperature scaling multiplies all scores by one number (Guo, Pleiss, Sun, Weinberger 2017). The others map each label's
log-odds to a probability and scale the labels' sum to one (Zadrozny and Elkan 2002): Platt scaling along a logistic
curve (Platt 1999), isotonic regression along the share of rows seen at each probability, kept rising.
"""

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from pipeline.text.hashing import read_only
from pipeline.text.portable_math import portable_exp
from pipeline.train.logistic_kernel import probabilities
from pipeline.train.score_bins import log_odds
from storage.compiled import kernel

Method = Literal["temperature", "platt", "isotonic"]
Doubles = npt.NDArray[np.float64]
Floats = npt.NDArray[np.float32]


@kernel
def _interpolated(odds: Doubles, places: Doubles, values: Doubles, result: Doubles) -> None:
    last = len(places) - 1
    for row in range(len(odds)):
        at = np.searchsorted(places, odds[row])
        if at == 0:
            result[row] = values[0]
        elif at > last:
            result[row] = values[last]
        else:
            share = (odds[row] - places[at - 1]) / (places[at] - places[at - 1])
            result[row] = values[at - 1] + share * (values[at] - values[at - 1])


@kernel
def _logistic(odds: Doubles, slope: float, shift: float, result: Doubles) -> None:
    for row in range(len(odds)):
        result[row] = 1.0 / (1.0 + portable_exp(-(slope * odds[row] + shift)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibration:
    """A fitted calibration.

    Attributes
    ----------
    method
        "temperature", "platt" or "isotonic".
    scale
        What scores are multiplied by, one over the temperature.
    lines
        For "platt": what each label's log-odds are multiplied by, and what is added, for those of its probability.
    steps
        For "isotonic": each label's log-odds, rising, and the probability at each.
    """

    method: Method
    scale: float = 1.0
    lines: tuple[tuple[float, float], ...] = ()
    steps: tuple[tuple[tuple[float, float], ...], ...] = ()

    def chances(self, scores: Floats) -> Doubles:
        """Probabilities of all labels from raw scores, shape (rows, labels)."""
        if self.method == "temperature":
            return probabilities(read_only(scores * np.float32(self.scale)))
        odds = log_odds(read_only(probabilities(read_only(scores))))
        result = np.empty_like(odds)
        for label, (slope, shift) in enumerate(self.lines):
            _logistic(read_only(odds[:, label]), slope, shift, result[:, label])
        for label, steps in enumerate(self.steps):
            places, values = np.array(steps, np.float64).T
            _interpolated(read_only(odds[:, label]), read_only(places), read_only(values), result[:, label])
        sums = result.sum(axis=1, keepdims=True)
        # Where no label was ever right at such scores, all are alike.
        return np.where(sums > 0, result / np.where(sums > 0, sums, 1.0), 1.0 / result.shape[1])

    def to_dict(self) -> dict[str, Any]:
        """A plain dict for JSON."""
        facts = {"method": self.method, "scale": self.scale, "steps": [[list(p) for p in one] for one in self.steps]}
        return facts | ({"lines": [list(line) for line in self.lines]} if self.lines else {})

    @classmethod
    def from_dict(cls, facts: dict[str, Any]) -> "Calibration":
        """The calibration that `to_dict` told of."""
        steps = tuple(tuple((float(x), float(y)) for x, y in one) for one in facts["steps"])
        lines = tuple((float(slope), float(shift)) for slope, shift in facts.get("lines", ()))
        return cls(method=facts["method"], scale=float(facts["scale"]), lines=lines, steps=steps)
