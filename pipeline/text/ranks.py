"""Which numbers are members of a set, and which member each is: one bit a number, and one sum for every 64 of them.

After Jacobson, "Space-efficient Static Trees and Graphs" (FOCS 1989), section 2. The set of a million buckets takes
256 KiB, which lie in a processor's nearer caches, where a table with a place for each bucket would not.
"""

import numpy as np
import numpy.typing as npt

from storage.compiled import bit_count, inlined

#: Shape (numbers / 64, 2): 64 numbers, the lowest bit the first of them, and how many members come before these.
Ranks = npt.NDArray[np.uint64]

_WORD_BITS = 64
_SHIFT, _LOW, _ONE = np.uint64(6), np.uint64(63), np.uint64(1)
_BITS, _BEFORE = np.uint64(0), np.uint64(1)


def ranks_of(members: npt.NDArray[np.int32], width: int) -> Ranks:
    """The ranks of a set.

    Parameters
    ----------
    members
        Its members, ascending.
    width
        All of them are below it.

    Examples
    --------
    >>> ranks_of(np.array([0, 2, 65], np.int32), 128).tolist()
    [[5, 0], [2, 2]]
    """
    flags = np.zeros(-(-width // _WORD_BITS) * _WORD_BITS, np.uint8)
    flags[members] = 1
    bits = np.packbits(flags, bitorder="little").view("<u8")
    counts = np.bitwise_count(bits).astype(np.uint64)
    return np.stack([bits, np.cumsum(counts) - counts], axis=1).astype(np.uint64)


def count_members(ranks: Ranks, numbers: npt.NDArray[np.int32]) -> int:
    """How many of the numbers are members."""
    wide = numbers.astype(np.uint64)
    return int(((ranks[wide >> _SHIFT, 0] >> (wide & _LOW)) & _ONE).sum())


@inlined
def is_member(ranks: Ranks, number: np.uint64) -> np.uint64:
    """1 for a member, 0 for any other number, inside a compiled loop."""
    return np.uint64((ranks[number >> _SHIFT, _BITS] >> (number & _LOW)) & _ONE)


@inlined
def rank(ranks: Ranks, number: np.uint64) -> np.uint64:
    """How many members are below a number, inside a compiled loop: the place of a member among all."""
    word = number >> _SHIFT
    below = (_ONE << (number & _LOW)) - _ONE
    return np.uint64(ranks[word, _BEFORE] + bit_count(ranks[word, _BITS] & below))
