"""What compiled loops can ask of the processor."""

import numpy as np

from storage.compiled import LINE_BYTES, kernel, prefetch


@kernel
def _sum_foreseen(values, ahead):
    total = 0.0
    start = np.uint64(values.ctypes.data)
    for item in range(len(values)):
        prefetch(start + np.uint64(item + ahead) * LINE_BYTES)
        total += values[item]
    return total


def test_a_prefetch_changes_nothing_even_beyond_the_memory_of_the_process():
    values = np.arange(1_000, dtype=np.float64)
    assert _sum_foreseen(values, 0) == values.sum()
    assert _sum_foreseen(values, 1 << 40) == values.sum()
