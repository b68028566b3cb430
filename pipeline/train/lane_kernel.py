"""The compiled loops that merge lanes, coordinate by coordinate."""

import numpy as np
import numpy.typing as npt

from storage.compiled import kernel

Floats = npt.NDArray[np.float32]
Doubles = npt.NDArray[np.float64]


@kernel
def add_lane(sums: Doubles, before: Floats, lane: Floats) -> None:
    """Adds a lane to `sums`.

    Parameters
    ----------
    sums
        Squared gradients since the epoch began, weights times these, and these times themselves, shape
        (3, coordinates, columns).
    before
        Sums of squared gradients when the epoch began, shape (coordinates, columns).
    lane
        Those at its end, and the weights, shape (2, coordinates, columns).
    """
    for row in range(before.shape[0]):
        for column in range(before.shape[1]):
            gained = np.float64(lane[0, row, column]) - np.float64(before[row, column])
            sums[0, row, column] += gained
            sums[1, row, column] += gained * np.float64(lane[1, row, column])
            sums[2, row, column] += gained * gained


@kernel
def merge_lanes(sums: Doubles, squares: Floats, weights: Floats) -> npt.NDArray[np.bool_]:
    """Whether a lane has touched a coordinate; `squares` and `weights`, of before, are those of the lanes together.

    Steps shrink by what a lane has seen of a coordinate, not by what all have: each moved on its own.
    """
    touched = np.zeros(len(squares), np.bool_)
    for row in range(squares.shape[0]):
        for column in range(squares.shape[1]):
            gained = sums[0, row, column]
            if gained > 0:
                touched[row] = True
                weights[row, column] = np.float32(sums[1, row, column] / gained)
                squares[row, column] = np.float32(np.float64(squares[row, column]) + sums[2, row, column] / gained)
    return touched
