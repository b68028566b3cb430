"""The compiled loops that merge lanes, coordinate by coordinate."""

import numpy as np
import numpy.typing as npt

from storage.compiled import kernel

Floats = npt.NDArray[np.float32]
Doubles = npt.NDArray[np.float64]


@kernel
def add_lane(sums: Doubles, before: Floats, squares: Floats, weights: Floats) -> None:
    """Adds a lane to `sums`.

    Parameters
    ----------
    sums
        Squared gradients since the epoch began, weights times these, and these times themselves, shape
        (3, coordinates).
    before
        Sums of squared gradients when the epoch began, flat.
    squares, weights
        Those at its end, and the lane's weights, flat.
    """
    for at in range(len(before)):
        gained = np.float64(squares[at]) - np.float64(before[at])
        sums[0, at] += gained
        sums[1, at] += gained * np.float64(weights[at])
        sums[2, at] += gained * gained


@kernel
def merge_lanes(sums: Doubles, squares: Floats, weights: Floats, touched: npt.NDArray[np.bool_]) -> None:
    """`squares` and `weights`, of before, are those of the lanes together where a lane has touched the coordinate.

    Steps shrink by what a lane has seen of a coordinate, not by what all have: each moved on its own.
    """
    for at in range(len(squares)):
        gained = sums[0, at]
        touched[at] = gained > 0
        if gained > 0:
            weights[at] = np.float32(sums[1, at] / gained)
            squares[at] = np.float32(np.float64(squares[at]) + sums[2, at] / gained)
