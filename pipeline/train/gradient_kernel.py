"""The compiled loops of full-batch logistic regression: loss and gradient of rows, and arithmetic in a fixed order."""

import numpy as np
import numpy.typing as npt

from pipeline.text.portable_math import portable_exp, portable_log
from storage.compiled import inlined, kernel

Doubles = npt.NDArray[np.float64]

_TINY = 1e-300
#: Sums that are added up side by side, so that none waits for the one before.
_SUMS = 256
#: The column of two classes.
_ONLY = np.uint64(0)


@inlined
def _score(
    first: int,
    last: int,
    indices: npt.NDArray[np.int32],
    values: npt.NDArray[np.float32],
    weights: Doubles,
    intercept: Doubles,
    scores: Doubles,
) -> None:
    """`scores` holds the row's scores afterwards."""
    if len(scores) == 1:
        total = intercept[0]
        for item in range(np.uint64(first), np.uint64(last)):
            total += np.float64(values[item]) * weights[np.uint64(indices[item]), _ONLY]
        scores[0] = total
        return
    scores[:] = intercept
    for item in range(first, last):
        value = np.float64(values[item])
        for column in range(len(scores)):
            scores[column] += value * weights[indices[item], column]


@kernel
def add_gradient(
    bounds: npt.NDArray[np.int64],
    indices: npt.NDArray[np.int32],
    values: npt.NDArray[np.float32],
    targets: npt.NDArray[np.int32],
    row_weights: Doubles,
    weights: Doubles,
    intercept: Doubles,
    gradient: Doubles,
    intercept_gradient: Doubles,
) -> float:
    """The summed negative log-likelihood of the rows, whose gradient is added to the last two arrays.

    Parameters
    ----------
    bounds, indices, values
        The rows as CSR.
    targets, row_weights
        Each row's class number, and how much it counts.
    weights, intercept
        Shapes (features, columns) and (columns,); one column for two classes, the log-odds of the second.
    gradient, intercept_gradient
        Of the same shapes.
    """
    columns = weights.shape[1]
    scores = np.empty(columns, np.float64)
    loss = 0.0
    for row in range(len(bounds) - 1):
        _score(bounds[row], bounds[row + 1], indices, values, weights, intercept, scores)
        weight = row_weights[row]
        loss += weight * _slopes(scores, columns, targets[row])
        for column in range(columns):
            scores[column] *= weight
            intercept_gradient[column] += scores[column]
        if columns == 1:
            for item in range(np.uint64(bounds[row]), np.uint64(bounds[row + 1])):
                gradient[np.uint64(indices[item]), _ONLY] += np.float64(values[item]) * scores[0]
            continue
        for item in range(bounds[row], bounds[row + 1]):
            value = np.float64(values[item])
            for column in range(columns):
                gradient[indices[item], column] += value * scores[column]
    return loss


@kernel
def add_curvature(
    bounds: npt.NDArray[np.int64],
    indices: npt.NDArray[np.int32],
    values: npt.NDArray[np.float32],
    targets: npt.NDArray[np.int32],
    row_weights: Doubles,
    weights: Doubles,
    intercept: Doubles,
    curvature: Doubles,
    intercept_curvature: Doubles,
) -> float:
    """As `add_gradient`, but adds the loss's second derivative by each weight alone, and by each intercept."""
    columns = weights.shape[1]
    scores = np.empty(columns, np.float64)
    loss = 0.0
    for row in range(len(bounds) - 1):
        _score(bounds[row], bounds[row + 1], indices, values, weights, intercept, scores)
        weight = row_weights[row]
        loss += weight * _slopes(scores, columns, targets[row])
        for column in range(columns):
            # The slope is the chance, less one for the row's own class.
            chance = abs(scores[column])
            scores[column] = weight * chance * (1.0 - chance)
            intercept_curvature[column] += scores[column]
        for item in range(bounds[row], bounds[row + 1]):
            square = np.float64(values[item]) * np.float64(values[item])
            for column in range(columns):
                curvature[indices[item], column] += square * scores[column]
    return loss


@kernel
def _slopes(scores: Doubles, columns: int, target: int) -> float:
    """The row's loss; `scores` becomes the loss's derivative by each score."""
    if columns == 1:
        # ln(1 + exp(-m)) without overflow, m the margin by which the row is right.
        margin = scores[0] if target == 1 else -scores[0]
        small = portable_exp(-abs(margin))
        loss = portable_log(1.0 + small) + max(-margin, 0.0)
        wrong = small / (1.0 + small) if margin > 0 else 1.0 / (1.0 + small)
        scores[0] = -wrong if target == 1 else wrong
        return float(loss)
    highest = scores.max()
    total = 0.0
    aim = scores[target] - highest
    for column in range(columns):
        scores[column] = portable_exp(scores[column] - highest)
        total += scores[column]
    for column in range(columns):
        scores[column] /= total
    scores[target] -= 1.0
    return float(portable_log(max(total, _TINY)) - aim)


@kernel
def dot(left: Doubles, right: Doubles) -> float:
    """The sum of products of two flat arrays, in a fixed order: of every `_SUMS`th item, then of these sums."""
    sums = np.zeros(_SUMS, np.float64)
    last = len(left) - len(left) % _SUMS
    for at in range(0, last, _SUMS):
        for item in range(_SUMS):
            sums[item] += left[at + item] * right[at + item]
    for item in range(len(left) - last):
        sums[item] += left[last + item] * right[last + item]
    return float(sums.sum())


@kernel
def add_scaled(target: Doubles, factor: float, other: Doubles, left: Doubles) -> float:
    """Adds ``factor * other`` to `target`, item by item; the answer is ``dot(left, target)`` of what it is then."""
    sums = np.zeros(_SUMS, np.float64)
    last = len(target) - len(target) % _SUMS
    for at in range(0, last, _SUMS):
        for item in range(_SUMS):
            target[at + item] += factor * other[at + item]
            sums[item] += left[at + item] * target[at + item]
    for item in range(len(target) - last):
        target[last + item] += factor * other[last + item]
        sums[item] += left[last + item] * target[last + item]
    return float(sums.sum())
