"""L-BFGS for smooth convex functions, to the same bits wherever it runs.

SciPy's version leaves its sums to a linear algebra library whose order depends on the number of cores. This one is
Nocedal
and Wright, "Numerical Optimization" (2006): the two-loop recursion (algorithm 7.4) and a line search for the strong
Wolfe conditions (algorithms 3.5 and 3.6, with bisection instead of interpolation).
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pipeline.train.gradient_kernel import add_scaled, dot

Doubles = npt.NDArray[np.float64]
Function = Callable[[Doubles], tuple[float, Doubles]]

_SUFFICIENT, _CURVATURE = 1e-4, 0.9
_TRIES = 30


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Minimum:
    """Where a search ended.

    Attributes
    ----------
    point
        The best point found.
    value
        The function there.
    iterations, evaluations
        Steps taken, and how often the function was computed.
    converged
        Whether the search ended because it was near enough.
    """

    point: Doubles
    value: float
    iterations: int
    evaluations: int
    converged: bool


@dataclass(slots=True)
class _Pair:
    step: Doubles
    change: Doubles
    product: float


def minimize(
    function: Function,
    start: Doubles,
    near: Callable[[Doubles, Doubles], bool],
    *,
    iterations: int,
    memory: int = 10,
) -> Minimum:
    """The minimum of a convex function.

    Parameters
    ----------
    function
        From a flat point to its value and gradient.
    start
        Where to begin.
    near
        From a point and its gradient to whether it is near enough to the minimum.
    iterations
        Steps at most.
    memory
        Pairs of steps and changes of the gradient that are remembered.
    """
    point = start.copy()
    value, gradient = function(point)
    evaluations = 1
    pairs: list[_Pair] = []
    for iteration in range(iterations):
        if near(point, gradient):
            return Minimum(point=point, value=value, iterations=iteration, evaluations=evaluations, converged=True)
        direction = _direction(gradient, pairs)
        first = 1.0 if pairs else 1.0 / max(1.0, np.sqrt(dot(gradient, gradient)))
        found = _line_search(function, point, value, gradient, direction, first)
        evaluations += found.evaluations
        if found.value >= value:
            # Nothing better can be told from here in double precision.
            return Minimum(point=point, value=value, iterations=iteration, evaluations=evaluations, converged=False)
        step, change = found.point - point, found.gradient - gradient
        product = dot(step, change)
        if product > 0:
            pairs = (
                [*pairs[-(memory - 1) :], _Pair(step, change, product)]
                if memory > 1
                else [_Pair(step, change, product)]
            )
        point, value, gradient = found.point, found.value, found.gradient
    return Minimum(
        point=point, value=value, iterations=iterations, evaluations=evaluations, converged=near(point, gradient)
    )


def _direction(gradient: Doubles, pairs: list[_Pair]) -> Doubles:
    direction = -gradient
    if not pairs:
        return direction
    newest = pairs[-1]
    # Each step of a loop leaves the product that the next one begins with: the direction is read once for both.
    product = dot(newest.step, direction)
    shares = []
    for pair, then in zip(pairs[::-1], [*(older.step for older in pairs[-2::-1]), pairs[0].change], strict=True):
        shares.append(product / pair.product)
        product = add_scaled(direction, -shares[-1], pair.change, then)
    curvature = newest.product / dot(newest.change, newest.change)
    direction *= curvature
    product *= curvature
    for pair, share, then in zip(
        pairs, reversed(shares), [*(newer.change for newer in pairs[1:]), gradient], strict=True
    ):
        product = add_scaled(direction, share - product / pair.product, pair.step, then)
    return direction


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Found:
    point: Doubles
    value: float
    gradient: Doubles
    evaluations: int


def _line_search(
    function: Function, point: Doubles, value: float, gradient: Doubles, direction: Doubles, length: float
) -> _Found:
    """A point along `direction` with enough descent and little slope left, or the best one seen."""
    slope = dot(gradient, direction)
    low, high = 0.0, np.inf
    best = _Found(point=point, value=value, gradient=gradient, evaluations=0)
    for tried in range(1, _TRIES + 1):
        there = point + length * direction
        value_there, gradient_there = function(there)
        slope_there = dot(gradient_there, direction)
        enough = value_there <= value + _SUFFICIENT * length * slope
        found = _Found(point=there, value=value_there, gradient=gradient_there, evaluations=tried)
        if value_there < best.value:
            best = found
        if enough and abs(slope_there) <= -_CURVATURE * slope:
            return found
        if not enough or slope_there > 0:
            high = length
        else:
            low = length
        length = 2.0 * length if high == np.inf else (low + high) / 2.0
    return _Found(point=best.point, value=best.value, gradient=best.gradient, evaluations=_TRIES)
