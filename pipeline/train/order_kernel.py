"""Long orders by compiled loops, for workers: a driver, which orders few things, loads no compiler for that."""

import numpy as np
import numpy.typing as npt

from pipeline.train.order import keys
from storage.compiled import kernel


def shuffled_rows(count: int, *seeds: int) -> npt.NDArray[np.int64]:
    """What `pipeline.train.order.shuffled` gives, in a tenth of its time."""
    return _sorted_places(keys(count, *seeds))


@kernel
def _sorted_places(numbers: npt.NDArray[np.uint64]) -> npt.NDArray[np.int64]:
    """The places of the numbers, that of the smallest first: what `numpy.argsort` gives where no two are equal.

    They should be spread evenly over all numbers of 64 bits: they are dealt out by their highest bits, about one a
    drawer, so that few are out of order afterwards, and those by little.
    """
    count = len(numbers)
    wide = 1
    while (1 << wide) < count:
        wide += 1
    shift = np.uint64(64 - wide)
    drawers = np.zeros(1 << wide, np.int32)
    for item in range(np.uint64(count)):
        drawers[numbers[item] >> shift] += 1
    total = np.int32(0)
    for drawer in range(np.uint64(1 << wide)):
        held = drawers[drawer]
        drawers[drawer] = total
        total += held
    places = np.empty(count, np.int64)
    for item in range(np.uint64(count)):
        drawer = numbers[item] >> shift
        places[np.uint64(drawers[drawer])] = item
        drawers[drawer] += np.int32(1)
    for right in range(1, count):
        place = places[right]
        number = numbers[place]
        left = right - 1
        while left >= 0 and numbers[places[left]] > number:
            places[left + 1] = places[left]
            left -= 1
        places[left + 1] = place
    return places
