"""The one way kernels are compiled here: like `numba.njit`, but the type checker keeps their signature."""

from collections.abc import Callable
from typing import Any, TypeVar, cast

import numba

Kernel = TypeVar("Kernel", bound=Callable[..., Any])


def kernel(function: Kernel) -> Kernel:
    """The function compiled without the GIL, its machine code cached on disk where some folder can be written."""
    try:
        return cast(Kernel, numba.njit(cache=True, nogil=True)(function))
    except RuntimeError:  # a read-only installation and no home: compiled anew in each process
        return cast(Kernel, numba.njit(nogil=True)(function))


def inlined(function: Kernel) -> Kernel:
    """The function compiled into the kernels that call it."""
    return cast(Kernel, numba.njit(inline="always")(function))
