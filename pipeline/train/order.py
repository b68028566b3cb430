"""Orders and parts that depend on numbers alone: the same in every version of every library."""

from collections.abc import Sequence
from itertools import pairwise
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from pipeline.hash_order import order_of

_Item = TypeVar("_Item")


def mixed(values: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    """Each value scrambled one to one (the finaliser of SplitMix64; Steele, Lea, Flood 2014), same shape."""
    with np.errstate(over="ignore"):
        values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return values ^ (values >> np.uint64(31))


def keys(count: int, *seeds: int) -> npt.NDArray[np.uint64]:
    """Random-looking numbers that depend on `seeds` alone, shape (count,)."""
    state = np.zeros(1, np.uint64)
    with np.errstate(over="ignore"):
        for seed in seeds:
            state = mixed(state + np.uint64(seed) + np.uint64(0x9E3779B97F4A7C15))
        return mixed(state + np.arange(1, count + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15))


def shuffled(count: int, *seeds: int) -> npt.NDArray[np.int64]:
    """The numbers from 0 to `count` - 1 in an order that depends on `seeds` alone, shape (count,)."""
    # No two keys are equal, so that every way of sorting gives the same order, the fastest too.
    return np.argsort(keys(count, *seeds)).astype(np.int64, copy=False)


def shuffled_rows(count: int, *seeds: int) -> npt.NDArray[np.int64]:
    """What `shuffled` gives, by compiled code, which is loaded for many rows and not for few blocks."""
    return order_of(keys(count, *seeds))


def even_parts(items: Sequence[_Item], count: int) -> list[Sequence[_Item]]:
    """The items in order in so many parts that differ by one item at most; the last, if any, is a larger one.

    What the last item stands for is often less than what others do.

    Examples
    --------
    >>> even_parts("abcdefg", 3)
    ['ab', 'cd', 'efg']
    """
    bounds = [len(items) * number // count for number in range(count + 1)]
    return [items[start:stop] for start, stop in pairwise(bounds)]
