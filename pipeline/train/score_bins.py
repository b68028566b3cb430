"""Probabilities of each label counted in bins: what ROC, precision and calibration are made from, block by block.

Curves from bins are those of scores rounded to 1/32 in log-odds: areas are right to about two thousandths, and memory
does not depend on how many rows there are.
"""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline.text.hashing import read_only
from pipeline.text.portable_math import portable_exp, portable_log
from storage.compiled import kernel

Longs = npt.NDArray[np.int64]
Doubles = npt.NDArray[np.float64]

#: Bins of log-odds, their width, and where the first ends that has a lower edge.
BINS, _PER_UNIT, _REACH = 1024, 32, 16
#: Bins of the likeliest label's probability, for calibration.
CONFIDENCES = 15
_LEAST = 1e-12
#: Points of a curve that are kept for a picture.
_POINTS = 60


@kernel
def log_odds(chances: Doubles) -> Doubles:
    """The log-odds of probabilities, shape (rows, labels), within about 27.6 of zero."""
    result = np.empty(chances.shape, np.float64)
    for row in range(chances.shape[0]):
        for column in range(chances.shape[1]):
            chance = min(max(chances[row, column], _LEAST), 1.0 - _LEAST)
            result[row, column] = portable_log(chance / (1.0 - chance))
    return result


@kernel
def _count_scores(odds: Doubles, targets: Longs, positives: Longs, negatives: Longs) -> None:
    for row in range(odds.shape[0]):
        for column in range(odds.shape[1]):
            place = min(max(math.floor((odds[row, column] + _REACH) * _PER_UNIT), 0), BINS - 1)
            if targets[row] == column:
                positives[column, place] += 1
            else:
                negatives[column, place] += 1


@kernel
def _count_confidence(chances: Doubles, targets: Longs, counts: Longs, sums: Doubles) -> float:
    """The summed Brier score."""
    brier = 0.0
    for row in range(chances.shape[0]):
        best = 0
        known = 0.0
        for column in range(chances.shape[1]):
            if chances[row, column] > chances[row, best]:
                best = column
            truth = 1.0 if targets[row] == column else 0.0
            known += truth
            brier += (chances[row, column] - truth) ** 2
        brier += 1.0 - known
        place = min(int(chances[row, best] * CONFIDENCES), CONFIDENCES - 1)
        counts[place, 0] += 1
        counts[place, 1] += 1 if targets[row] == best else 0
        sums[place] += chances[row, best]
    return brier


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ScoreBins:
    """Rows by label and bin of the label's log-odds.

    Attributes
    ----------
    positives, negatives
        Rows that have the label, and those that do not, shape (labels, BINS).
    confidence
        By bin of the likeliest label's probability: rows, and those where it is right, shape (CONFIDENCES, 2).
    confidence_sums
        Summed probability of the likeliest label by bin, shape (CONFIDENCES,).
    brier
        Summed squared distance of the probabilities from the truth.
    """

    positives: Longs
    negatives: Longs
    confidence: Longs
    confidence_sums: Doubles
    brier: float

    @classmethod
    def empty(cls, labels: int) -> "ScoreBins":
        """The bins of no rows."""
        return cls(
            positives=np.zeros((labels, BINS), np.int64),
            negatives=np.zeros((labels, BINS), np.int64),
            confidence=np.zeros((CONFIDENCES, 2), np.int64),
            confidence_sums=np.zeros(CONFIDENCES, np.float64),
            brier=0.0,
        )

    @classmethod
    def of(cls, chances: Doubles, targets: Longs) -> "ScoreBins":
        """The bins of these rows.

        Parameters
        ----------
        chances
            Probabilities, shape (rows, labels).
        targets
            Each row's label number, -1 for a label that the model does not know, shape (rows,).
        """
        bins = cls.empty(chances.shape[1])
        parts = read_only(chances), read_only(targets.astype(np.int64))
        _count_scores(read_only(log_odds(parts[0])), parts[1], bins.positives, bins.negatives)
        brier = _count_confidence(*parts, bins.confidence, bins.confidence_sums)
        return cls(
            positives=bins.positives,
            negatives=bins.negatives,
            confidence=bins.confidence,
            confidence_sums=bins.confidence_sums,
            brier=brier,
        )

    def merge(self, other: "ScoreBins") -> "ScoreBins":
        """The bins of the rows of both; merge in a fixed order, since some sums are floats."""
        return ScoreBins(
            positives=self.positives + other.positives,
            negatives=self.negatives + other.negatives,
            confidence=self.confidence + other.confidence,
            confidence_sums=self.confidence_sums + other.confidence_sums,
            brier=self.brier + other.brier,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Curves:
    """How one label is told from all others as its threshold falls.

    Attributes
    ----------
    roc_auc
        Area under the ROC curve; None where all rows have the label, or none.
    average_precision
        Precision averaged over the recall gained; None where no row has the label.
    roc
        False positive rate and recall, rising, a few dozen points.
    precision_recall
        Recall and precision, recall rising, likewise.
    """

    label: str
    roc_auc: float | None
    average_precision: float | None
    roc: tuple[tuple[float, float], ...]
    precision_recall: tuple[tuple[float, float], ...]

    def to_dict(self) -> dict[str, Any]:
        """A plain dict for JSON."""
        return {
            "label": self.label,
            "roc_auc": self.roc_auc,
            "average_precision": self.average_precision,
            "roc": [list(point) for point in self.roc],
            "precision_recall": [list(point) for point in self.precision_recall],
        }


def curves_of(bins: ScoreBins, place: int, label: str) -> Curves:
    """The curves of the label at `place`."""
    # From the highest score down; a bin's rows pass the threshold together.
    hits = np.cumsum(bins.positives[place][::-1])
    alarms = np.cumsum(bins.negatives[place][::-1])
    positives, negatives = int(hits[-1]), int(alarms[-1])
    used = np.flatnonzero(np.diff(hits + alarms, prepend=0))
    hits, alarms = hits[used], alarms[used]
    recall = np.concatenate([[0.0], hits / positives]) if positives else np.zeros(len(used) + 1)
    fall_out = np.concatenate([[0.0], alarms / negatives]) if negatives else np.zeros(len(used) + 1)
    precision = hits / (hits + alarms)
    both = positives > 0 and negatives > 0
    area = float(np.sum(np.diff(fall_out) * (recall[1:] + recall[:-1]) / 2)) if both else None
    average = float(np.sum(np.diff(recall) * precision)) if positives else None
    kept = _spread(recall, fall_out)
    return Curves(
        label=label,
        roc_auc=area,
        average_precision=average,
        roc=tuple((float(fall_out[at]), float(recall[at])) for at in kept) if both else (),
        precision_recall=tuple((float(recall[at]), float(precision[at - 1])) for at in kept if at) if positives else (),
    )


def _spread(recall: Doubles, fall_out: Doubles) -> list[int]:
    """Places of points that are some way from one another along the curve, with both ends."""
    way = np.concatenate([[0.0], np.cumsum(np.abs(np.diff(recall)) + np.abs(np.diff(fall_out)))])
    steps = (way / max(way[-1], 1e-9) * _POINTS).astype(np.int64)
    return sorted({*np.flatnonzero(np.diff(steps, prepend=-1)).tolist(), len(way) - 1})


def calibration_figures(bins: ScoreBins) -> dict[str, Any]:
    """How far probabilities are from shares: "expected_error", "brier", and "bins" with rows in them.

    The expected calibration error is the mean distance of the likeliest label's probability from the share of rows
    where it is right, over equal bins of probability (Naeini, Cooper, Hauskrecht 2015).
    """
    rows = int(bins.confidence[:, 0].sum())
    found = [
        {
            "rows": int(count),
            "confidence": float(bins.confidence_sums[place]) / int(count),
            "accuracy": int(right) / int(count),
        }
        for place, (count, right) in enumerate(bins.confidence)
        if count
    ]
    error = sum(each["rows"] * abs(each["confidence"] - each["accuracy"]) for each in found) / rows if rows else 0.0
    return {"expected_error": error, "brier": bins.brier / rows if rows else 0.0, "bins": found}


def edge_chance(place: int) -> float:
    """The probability at the lower edge of a bin; 0 for the first."""
    return 0.0 if place == 0 else 1.0 / (1.0 + portable_exp(_REACH - place / _PER_UNIT))


def centre_odds() -> Doubles:
    """The log-odds in the middle of each bin, shape (BINS,)."""
    return (np.arange(BINS) + 0.5) / _PER_UNIT - _REACH
