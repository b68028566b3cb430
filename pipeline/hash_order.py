"""The order of hashes: numbers that are spread evenly need not be compared with each other to be sorted."""

from typing import Any

import numpy as np
import numpy.typing as npt

from storage.compiled import kernel
from storage.memory import new_array

#: Numbers that are moved by more places than so many each, on average, are not spread evenly.
_MOST_MOVES = 16
#: What records are copied by.
_WORD = np.dtype("<u4")


def order_of(hashes: npt.NDArray[np.uint64]) -> npt.NDArray[np.int64]:
    """What ``numpy.argsort(hashes, kind="stable")`` gives, in a fifth of its time where 64 bits are spread evenly."""
    places = new_array(len(hashes), np.int64)
    return places if _sorted_by_drawers(hashes, places) else np.argsort(hashes, kind="stable")


def in_order(records: npt.NDArray[Any], order: npt.NDArray[np.int64]) -> npt.NDArray[Any]:
    """``records[order]``, for records of whole words of 32 bits."""
    taken = new_array(len(order), records.dtype)
    _copy(_words(np.ascontiguousarray(records)), _words(taken), order)
    return taken


def _words(records: npt.NDArray[Any]) -> npt.NDArray[np.uint32]:
    return records.view(_WORD).reshape(-1, records.dtype.itemsize // _WORD.itemsize)


@kernel
def _sorted_by_drawers(numbers: Any, places: Any) -> bool:
    """Whether `places` are those of the numbers, that of the smallest first; equal numbers stay in their order.

    Numbers are dealt out by their highest bits, about one a drawer, so that few are out of order afterwards, and those
    by little. Given up where they are out of order by much.
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
    for item in range(np.uint64(count)):
        drawer = numbers[item] >> shift
        places[np.uint64(drawers[drawer])] = item
        drawers[drawer] += np.int32(1)
    moves = 0
    for right in range(1, count):
        place = places[right]
        number = numbers[place]
        left = right - 1
        while left >= 0 and numbers[places[left]] > number:
            places[left + 1] = places[left]
            left -= 1
        places[left + 1] = place
        moves += right - 1 - left
        if moves > _MOST_MOVES * count:
            return False
    return True


@kernel
def _copy(words: Any, taken: Any, order: Any) -> None:
    width = np.uint64(words.shape[1])
    for number in range(np.uint64(len(order))):
        record = np.uint64(order[number])
        for word in range(width):
            taken[number, word] = words[record, word]
