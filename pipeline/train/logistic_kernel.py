"""The compiled loops of online logistic regression: one pass over rows, scores, probabilities.

All that is known of a feature lies side by side, so that a row touches few cache lines.
All arithmetic is in a fixed order and in float32, or float64 where it is summed up, without fused or reordered
operations: the same rows in the same order give the same bits on every machine.
"""

from collections.abc import Callable
from functools import cache

import numpy as np
import numpy.typing as npt

from pipeline.text.portable_math import portable_exp, portable_log
from storage.compiled import LINE_BYTES, inlined, kernel, prefetch

_Floats = npt.NDArray[np.float32]
_Doubles = npt.NDArray[np.float64]
_Ints = npt.NDArray[np.int32]
_Longs = npt.NDArray[np.int64]

_TINY = 1e-30
#: Where things are in what is known of a feature.
_CLOCK, _WEIGHTS = np.uint64(0), np.uint64(2)
#: With so many columns at most, a row's arithmetic is about too few neighbours unless they are brought together.
_FEW = 7
#: Numbers that processors do at once, or half as many.
_LANES, _ONE = np.uint64(8), np.uint64(1)
#: So many rows before it is learned, a row is asked for.
_ROWS_AHEAD = 3


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


def new_state(features: int, columns: int, first_square: float) -> _Floats:
    """What is known of features that were never seen, shape (features, 2 + 2 * columns).

    All that is known of a feature lies together, since it is asked for together: the clock when it was last seen
    (an int64 in the place of two numbers), its weights, and the sums of their squared gradients.
    """
    state = np.zeros((features, 2 + 2 * columns), np.float32)
    state[:, 2 + columns :] = first_square
    return state


def clocks_of(state: _Floats) -> _Longs:
    """The same memory as int64, shape (features, 1 + columns): the first column is the clocks."""
    return state.view(np.int64)


@inlined
def _foresee_row(bounds: _Longs, indices: _Ints, values: _Floats, order: _Longs, at: int) -> None:
    """Nothing; the row in `order` that comes `_ROWS_AHEAD` after this one is on its way."""
    size = np.uint64(4)
    if at + _ROWS_AHEAD < len(order):
        row = order[at + _ROWS_AHEAD]
        indices_at, values_at = np.uint64(indices.ctypes.data), np.uint64(values.ctypes.data)
        for offset in range(np.uint64(bounds[row]) * size, np.uint64(bounds[row + 1]) * size, LINE_BYTES):
            prefetch(indices_at + offset)
            prefetch(values_at + offset)


@inlined
def _foresee_feature(columns: np.uint64, indices: _Ints, item: np.uint64, state: _Floats) -> None:
    """Nothing; what is known of an item's feature is on its way."""
    width = np.uint64(8) * (columns + _ONE)
    first = np.uint64(state.ctypes.data) + np.uint64(indices[item]) * width
    for offset in range(np.uint64(0), width, LINE_BYTES):
        prefetch(first + offset)


@inlined
def _gather(
    columns: np.uint64,
    indices: _Ints,
    first: np.uint64,
    size: np.uint64,
    clock: int,
    state: _Floats,
    clocks: _Longs,
    weights: _Floats,
    squares: _Floats,
    ages: _Doubles,
    slopes: _Floats,
) -> np.uint64:
    """How many places of the last four arrays one row takes, which hold what is known of its features, and slopes of 0.

    Each feature has as many places as there are columns. Places behind the last one make the number a multiple of
    `_LANES`, since a processor does the rest of a loop one by one; what is learned there is nothing. The features have
    been seen now.
    """
    at = np.uint64(0)
    for item in range(first, first + size):
        feature = np.uint64(indices[item])
        age = np.float64(clock - clocks[feature, _CLOCK])
        clocks[feature, _CLOCK] = clock
        for column in range(columns):
            weights[at] = state[feature, _WEIGHTS + column]
            squares[at] = state[feature, _WEIGHTS + columns + column]
            ages[at] = age
            at += _ONE
    places = (at + _LANES - _ONE) & ~(_LANES - _ONE)
    for place in range(at, places):
        weights[place] = 0.0
        squares[place] = 1.0
        ages[place] = 0.0
        slopes[place] = 0.0
    return places


@inlined
def _scatter(
    columns: np.uint64,
    indices: _Ints,
    first: np.uint64,
    size: np.uint64,
    state: _Floats,
    weights: _Floats,
    squares: _Floats,
) -> None:
    """`state` holds the row's weights and sums of squared gradients."""
    at = np.uint64(0)
    for item in range(first, first + size):
        feature = np.uint64(indices[item])
        for column in range(columns):
            state[feature, _WEIGHTS + column] = weights[at]
            state[feature, _WEIGHTS + columns + column] = squares[at]
            at += _ONE


@inlined
def _score(
    columns: np.uint64,
    indices: _Ints,
    values: _Floats,
    first: np.uint64,
    size: np.uint64,
    next_first: np.uint64,
    next_end: np.uint64,
    state: _Floats,
    weights: _Floats,
    scores: _Floats,
) -> None:
    """Adds what the row's features say to `scores`, in order; what is known of the next row's features is asked for.

    Each sum waits for the one before, which leaves time to ask item by item: a processor waits for no more than some
    tens of lines at once.
    """
    last = np.uint64(len(indices) - 1)
    for item in range(next_first + size, next_end):
        _foresee_feature(columns, indices, np.uint64(item), state)
    if columns == _ONE:
        total = scores[0]
        for item in range(size):
            # Beyond the next row's end are features of another row: to ask for them does no harm.
            _foresee_feature(columns, indices, np.uint64(min(next_first + item, last)), state)
            total += values[first + item] * weights[item]
        scores[0] = total
        return
    at = np.uint64(0)
    for item in range(size):
        _foresee_feature(columns, indices, np.uint64(min(next_first + item, last)), state)
        value = values[first + item]
        for column in range(columns):
            scores[column] += value * weights[at + column]
        at += columns


@inlined
def _find_slopes(
    columns: np.uint64, values: _Floats, first: np.uint64, size: np.uint64, gradient: _Floats, slopes: _Floats
) -> None:
    """`slopes` holds the loss's gradient by each of the row's weights; `gradient` is that by each score."""
    if columns == _ONE:
        only = gradient[0]
        for item in range(size):
            slopes[item] = only * values[first + item]
        return
    at = np.uint64(0)
    for item in range(first, first + size):
        value = values[item]
        for column in range(columns):
            slopes[at + column] = gradient[column] * value
        at += columns


@kernel
def _longest(bounds: _Longs) -> int:
    """Items of the longest row."""
    longest = 0
    for row in range(len(bounds) - 1):
        longest = max(longest, bounds[row + 1] - bounds[row])
    return longest


@inlined
def _learn_few(
    columns: np.uint64,
    bounds: _Longs,
    indices: _Ints,
    values: _Floats,
    targets: _Ints,
    row_weights: _Floats,
    order: _Longs,
    state: _Floats,
    clocks: _Longs,
    intercept: _Floats,
    intercept_squares: _Floats,
    clock: int,
    rate: np.float32,
    l2: float,
    l1: float,
) -> float:
    """As `learning` says, for so many columns.

    What is known of a row's features is copied side by side first, and back in the end: the arithmetic in between is
    about neighbouring numbers, which a processor does many at a time.
    """
    room = np.uint64(_longest(bounds)) * columns + _LANES
    weights, squares = np.empty(room, np.float32), np.empty(room, np.float32)
    slopes, ages = np.empty(room, np.float32), np.empty(room, np.float64)
    scores = np.empty(columns, np.float32)
    one = np.float32(1.0)
    loss = 0.0
    for at in range(len(order)):
        _foresee_row(bounds, indices, values, order, at)
        row = order[at]
        clock += 1
        first = np.uint64(bounds[row])
        size = np.uint64(bounds[row + 1]) - first
        following = order[min(at + 1, len(order) - 1)]
        next_first, next_end = np.uint64(bounds[following]), np.uint64(bounds[following + 1])
        places = _gather(columns, indices, first, size, clock, state, clocks, weights, squares, ages, slopes)
        for place in range(places):
            pull = np.float32(ages[place] * l2 * rate)
            weights[place] = weights[place] / (one + pull / np.sqrt(squares[place]))
        if l1 > 0:
            for place in range(places):
                cut = np.float32(ages[place] * l1 * rate)
                weights[place] = _cut_off(weights[place], cut / np.sqrt(squares[place]))
        scores[:] = intercept
        _score(columns, indices, values, first, size, next_first, next_end, state, weights, scores)
        loss += _softmax(scores, len(scores), targets[row], row_weights[row])
        for column in range(columns):
            slope = scores[column]
            intercept_squares[column] += slope * slope
            intercept[column] -= rate * slope / np.sqrt(intercept_squares[column])
        _find_slopes(columns, values, first, size, scores, slopes)
        for place in range(places):
            square = squares[place] + slopes[place] * slopes[place]
            squares[place] = square
            weights[place] -= rate * slopes[place] / np.sqrt(square)
        _scatter(columns, indices, first, size, state, weights, squares)
    return loss


@kernel
def _learn_many(
    bounds: _Longs,
    indices: _Ints,
    values: _Floats,
    targets: _Ints,
    row_weights: _Floats,
    order: _Longs,
    state: _Floats,
    clocks: _Longs,
    intercept: _Floats,
    intercept_squares: _Floats,
    clock: int,
    rate: np.float32,
    l2: float,
    l1: float,
) -> float:
    """As `learning` says, for so many columns that those of one feature are enough neighbours."""
    columns = len(intercept)
    scores = np.empty(columns, np.float32)
    one = np.float32(1.0)
    loss = 0.0
    for at in range(len(order)):
        _foresee_row(bounds, indices, values, order, at)
        row, following = order[at], order[min(at + 1, len(order) - 1)]
        for item in range(np.uint64(bounds[following]), np.uint64(bounds[following + 1])):
            _foresee_feature(np.uint64(columns), indices, np.uint64(item), state)
        clock += 1
        scores[:] = intercept
        for item in range(bounds[row], bounds[row + 1]):
            feature = indices[item]
            value = values[item]
            pull = np.float32((clock - clocks[feature, 0]) * l2 * rate)
            cut = np.float32((clock - clocks[feature, 0]) * l1 * rate)
            clocks[feature, 0] = clock
            weights = state[feature, 2 : 2 + columns]
            squares = state[feature, 2 + columns :]
            for column in range(columns):
                root = np.sqrt(squares[column])
                shrunk = weights[column] / (one + pull / root)
                if cut > 0:
                    shrunk = _cut_off(shrunk, cut / root)
                weights[column] = shrunk
                scores[column] += value * shrunk
        loss += _softmax(scores, columns, targets[row], row_weights[row])
        for column in range(columns):
            slope = scores[column]
            intercept_squares[column] += slope * slope
            intercept[column] -= rate * slope / np.sqrt(intercept_squares[column])
        for item in range(bounds[row], bounds[row + 1]):
            value = values[item]
            weights = state[indices[item], 2 : 2 + columns]
            squares = state[indices[item], 2 + columns :]
            for column in range(columns):
                slope = scores[column] * value
                square = squares[column] + slope * slope
                squares[column] = square
                weights[column] -= rate * slope / np.sqrt(square)
    return loss


@cache
def learning(columns: int) -> Callable[..., float]:
    """The kernel for so many columns, compiled when it is first called.

    It answers the summed loss of the rows, each taken before the row is learned from.

    Each weight has its own step, ``rate / sqrt(sum of its squared gradients)`` (Duchi, Hazan, Singer 2011, section 5).
    The pull towards zero of all steps since a feature was last seen is taken at once when it is seen again; that of
    `l1` cuts a weight off at zero (Langford, Li, Zhang 2009, section 3).

    Its parameters
    --------------
    bounds, indices, values
        The rows as CSR; no row holds a feature twice.
    targets, row_weights
        Each row's class number and weight.
    order
        In which rows are learned.
    state, clocks
        What is known of each feature, as `new_state` lays it out, seen as two types of numbers; changed in place.
    intercept, intercept_squares
        Shape (columns,); changed in place.
    clock
        Rows learned before these.
    rate, l2, l1
        Step size, and strengths of the two pulls for each row.
    """
    if columns > _FEW:
        return _learn_many
    few = np.uint64(columns)

    def learn(
        bounds: _Longs,
        indices: _Ints,
        values: _Floats,
        targets: _Ints,
        row_weights: _Floats,
        order: _Longs,
        state: _Floats,
        clocks: _Longs,
        intercept: _Floats,
        intercept_squares: _Floats,
        clock: int,
        rate: np.float32,
        l2: float,
        l1: float,
    ) -> float:
        # The compiler makes loops over columns vanish, since it knows how many there are.
        return _learn_few(
            few,
            bounds,
            indices,
            values,
            targets,
            row_weights,
            order,
            state,
            clocks,
            intercept,
            intercept_squares,
            clock,
            rate,
            l2,
            l1,
        )

    return kernel(learn)


@kernel
def settled(state: _Floats, clocks: _Longs, clock: int, rate: np.float32, l2: float, l1: float) -> _Floats:
    """The weights with the pull of all steps since each feature was last seen, shape (features, columns)."""
    columns = state.shape[1] // 2 - 1
    result = np.empty((len(state), columns), np.float32)
    one = np.float32(1.0)
    for feature in range(len(state)):
        pull = np.float32((clock - clocks[feature, 0]) * l2 * rate)
        cut = np.float32((clock - clocks[feature, 0]) * l1 * rate)
        for column in range(columns):
            root = np.sqrt(state[feature, 2 + columns + column])
            shrunk = state[feature, 2 + column] / (one + pull / root)
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
