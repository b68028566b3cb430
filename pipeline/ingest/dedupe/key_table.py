"""A set of 128-bit keys in memory, numbered in the order in which they come."""

from typing import Any

import numpy as np
import numpy.typing as npt

from storage.compiled import kernel


@kernel
def _find(slots: Any, known_hi: Any, known_lo: Any, hi: Any, lo: Any) -> Any:
    """The slot of a key: it holds the key's number, or -1 where the key is new."""
    mask = np.uint64(len(slots) - 1)
    slot = lo & mask
    while slots[slot] >= 0 and (known_hi[slots[slot]] != hi or known_lo[slots[slot]] != lo):
        slot = (slot + np.uint64(1)) & mask
    return slot


@kernel
def _add_all(slots: Any, known_hi: Any, known_lo: Any, count: Any, hi: Any, lo: Any, numbers: Any) -> Any:
    for i in range(len(hi)):
        slot = _find(slots, known_hi, known_lo, hi[i], lo[i])
        if slots[slot] < 0:
            slots[slot] = count
            known_hi[count], known_lo[count] = hi[i], lo[i]
            count += 1
        numbers[i] = slots[slot]
    return count


@kernel
def _find_all(slots: Any, known_hi: Any, known_lo: Any, hi: Any, lo: Any, numbers: Any) -> None:
    for i in range(len(hi)):
        numbers[i] = slots[_find(slots, known_hi, known_lo, hi[i], lo[i])]


class KeyTable:
    """Keys by the order in which they first came.

    Its memory grows with the different keys, and not with how often they come.
    """

    def __init__(self) -> None:
        self._hi = np.empty(0, np.uint64)
        self._lo = np.empty(0, np.uint64)
        self._slots = np.full(16, -1, np.int64)
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def add(self, records: npt.NDArray[Any]) -> npt.NDArray[np.int64]:
        """The number of each record's key (fields ``hi`` and ``lo``); new keys are numbered on from the last."""
        self._make_room(self._count + len(records))
        numbers = np.empty(len(records), np.int64)
        keys = np.ascontiguousarray(records["hi"]), np.ascontiguousarray(records["lo"])
        self._count = _add_all(self._slots, self._hi, self._lo, self._count, *keys, numbers)
        return numbers

    def find(self, records: npt.NDArray[Any]) -> npt.NDArray[np.int64]:
        """The number of each record's key, -1 for those that were never added."""
        numbers = np.empty(len(records), np.int64)
        keys = np.ascontiguousarray(records["hi"]), np.ascontiguousarray(records["lo"])
        _find_all(self._slots, self._hi, self._lo, *keys, numbers)
        return numbers

    def _make_room(self, keys: int) -> None:
        if keys > len(self._hi):
            more = np.empty(max(keys, 2 * len(self._hi)) - len(self._hi), np.uint64)
            self._hi, self._lo = np.concatenate([self._hi, more]), np.concatenate([self._lo, more])
        if 2 * keys > len(self._slots):
            self._slots = np.full(1 << (2 * keys - 1).bit_length(), -1, np.int64)
            known = self._hi[: self._count], self._lo[: self._count]
            numbers = np.empty(self._count, np.int64)
            _add_all(self._slots, self._hi, self._lo, 0, known[0].copy(), known[1].copy(), numbers)
