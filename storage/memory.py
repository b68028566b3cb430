"""Memory for what comes and goes with each block of rows."""

from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa


def new_array(shape: int | tuple[int, ...], kind: npt.DTypeLike) -> npt.NDArray[Any]:
    """An array with any values in it, from Arrow's memory pool: blocks that come and go reuse its pages.

    NumPy gives what is large back to the system at once, and pages that the system clears for the next block cost more
    than filling them.
    """
    dtype = np.dtype(kind)
    size = int(np.prod(shape)) * dtype.itemsize
    return np.frombuffer(pa.allocate_buffer(size), np.uint8).view(dtype).reshape(shape)


def zeros(shape: int | tuple[int, ...], kind: npt.DTypeLike) -> npt.NDArray[Any]:
    """As `new_array`, of zeros."""
    array = new_array(shape, kind)
    array.fill(0)
    return array
