"""The compiled loops of online logistic regression: one pass over rows, scores, probabilities.

Weights are stored feature by feature, all classes of a feature side by side, so that a row touches few cache lines.
All arithmetic is in a fixed order and in float32, or float64 where it is summed up, without fused or reordered
operations: the same rows in the same order give the same bits on every machine.
"""

import numpy as np
import numpy.typing as npt

from pipeline.text.portable_math import portable_exp, portable_log
from storage.compiled import inlined, kernel

_Floats = npt.NDArray[np.float32]
_Ints = npt.NDArray[np.int32]
_Longs = npt.NDArray[np.int64]

_TINY = 1e-30


@kernel
def _softmax(scores: _Floats, count: int, target: int, weight: np.float32) -> float:
    """The row's loss; `scores` becomes the loss's gradient by each score.

    With one column, that is the log-odds of the second of two classes.
    """
    if count == 1:
        second = 1.0 / (1.0 + portable_exp(-np.float64(scores[0])))
        chance = second if target == 1 else 1.0 - second
        scores[0] = weight * np.float32(second - target)
        return float(-weight * portable_log(max(chance, _TINY)))
    highest = scores[0]
    for column in range(1, count):
        highest = max(highest, scores[column])
    total = 0.0
    for column in range(count):
        exponential = portable_exp(np.float64(scores[column] - highest))
        scores[column] = exponential
        total += exponential
    chance = np.float64(scores[target]) / total
    for column in range(count):
        scores[column] = weight * np.float32(np.float64(scores[column]) / total)
    scores[target] -= weight
    return float(-weight * portable_log(max(chance, _TINY)))


@inlined
def _cut_off(weight: np.float32, cut: np.float32) -> np.float32:
    """The weight nearer to zero by `cut`, at most at zero."""
    return np.float32(max(weight - cut, np.float32(0.0)) if weight > 0 else min(weight + cut, np.float32(0.0)))


@kernel
def learn_rows(
    bounds: _Longs,
    indices: _Ints,
    values: _Floats,
    targets: _Ints,
    row_weights: _Floats,
    order: _Longs,
    weights: _Floats,
    squares: _Floats,
    seen: _Longs,
    intercept: _Floats,
    intercept_squares: _Floats,
    clock: int,
    rate: np.float32,
    l2: float,
    l1: float,
) -> float:
    """The summed loss of the rows, each taken before the row is learned from.

    Each weight has its own step, ``rate / sqrt(sum of its squared gradients)`` (Duchi, Hazan, Singer 2011, section 5).
    The pull towards zero of all steps since a feature was last seen is taken at once when it is seen again; that of
    `l1` cuts a weight off at zero (Langford, Li, Zhang 2009, section 3).

    Parameters
    ----------
    bounds, indices, values
        The rows as CSR.
    targets, row_weights
        Each row's class number and weight.
    order
        In which rows are learned.
    weights, squares
        Weights and sums of squared gradients, shape (features, columns); changed in place.
    seen
        The clock when each feature was last seen, shape (features,); changed in place.
    intercept, intercept_squares
        Shape (columns,); changed in place.
    clock
        Rows learned before these.
    rate, l2, l1
        Step size, and strengths of the two pulls for each row.
    """
    columns = weights.shape[1]
    scores = np.empty(columns, np.float32)
    one = np.float32(1.0)
    loss = 0.0
    for row in order:
        clock += 1
        scores[:] = intercept
        for item in range(bounds[row], bounds[row + 1]):
            feature = indices[item]
            value = values[item]
            pull = np.float32((clock - seen[feature]) * l2 * rate)
            cut = np.float32((clock - seen[feature]) * l1 * rate)
            seen[feature] = clock
            for column in range(columns):
                root = np.sqrt(squares[feature, column])
                shrunk = weights[feature, column] / (one + pull / root)
                if cut > 0:
                    shrunk = _cut_off(shrunk, cut / root)
                weights[feature, column] = shrunk
                scores[column] += value * shrunk
        loss += _softmax(scores, columns, targets[row], row_weights[row])
        for column in range(columns):
            slope = scores[column]
            intercept_squares[column] += slope * slope
            intercept[column] -= rate * slope / np.sqrt(intercept_squares[column])
        for item in range(bounds[row], bounds[row + 1]):
            feature = indices[item]
            value = values[item]
            for column in range(columns):
                slope = scores[column] * value
                square = squares[feature, column] + slope * slope
                squares[feature, column] = square
                weights[feature, column] -= rate * slope / np.sqrt(square)
    return loss


@kernel
def settled(
    weights: _Floats, squares: _Floats, seen: _Longs, clock: int, rate: np.float32, l2: float, l1: float
) -> _Floats:
    """The weights with the pull of all steps since each feature was last seen, shape (features, columns)."""
    result = np.empty_like(weights)
    one = np.float32(1.0)
    for feature in range(weights.shape[0]):
        pull = np.float32((clock - seen[feature]) * l2 * rate)
        cut = np.float32((clock - seen[feature]) * l1 * rate)
        for column in range(weights.shape[1]):
            root = np.sqrt(squares[feature, column])
            shrunk = weights[feature, column] / (one + pull / root)
            result[feature, column] = _cut_off(shrunk, cut / root) if cut > 0 else shrunk
    return result


@kernel
def row_scores(bounds: _Longs, indices: _Ints, values: _Floats, weights: _Floats, intercept: _Floats) -> _Floats:
    """Each row's scores, shape (rows, columns)."""
    rows = len(bounds) - 1
    columns = weights.shape[1]
    scores = np.empty((rows, columns), np.float32)
    for row in range(rows):
        scores[row] = intercept
        for item in range(bounds[row], bounds[row + 1]):
            feature = indices[item]
            value = values[item]
            for column in range(columns):
                scores[row, column] += value * weights[feature, column]
    return scores


@kernel
def probabilities(scores: _Floats) -> npt.NDArray[np.float64]:
    """Each row's probabilities of all classes, shape (rows, classes); one column of scores means two classes."""
    rows, columns = scores.shape
    if columns == 1:
        pairs = np.empty((rows, 2), np.float64)
        for row in range(rows):
            second = 1.0 / (1.0 + portable_exp(-np.float64(scores[row, 0])))
            pairs[row, 0] = 1.0 - second
            pairs[row, 1] = second
        return pairs
    result = np.empty((rows, columns), np.float64)
    for row in range(rows):
        highest = scores[row].max()
        total = 0.0
        for column in range(columns):
            result[row, column] = portable_exp(np.float64(scores[row, column] - highest))
            total += result[row, column]
        for column in range(columns):
            result[row, column] /= total
    return result
