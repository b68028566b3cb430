"""The one way to machine code: like `numba.njit`, but the type checker keeps the signatures."""

from collections.abc import Callable
from typing import Any, TypeAlias, TypeVar, cast

import numba

#: An array inside a compiled loop: its item type is the business of the compiler, not of the type checker.
Buffer: TypeAlias = Any
Kernel = TypeVar("Kernel", bound=Callable[..., Any])


def kernel(function: Kernel) -> Kernel:
    """The function compiled on its first call, without the interpreter's lock and with strict IEEE arithmetic.

    The machine code is kept beside the source or in the user's cache; where neither can be written, each process
    compiles for itself. A division by zero gives what NumPy gives, and raises nothing.
    """
    return _compiled(function, inline="never")


def inlined(function: Kernel) -> Kernel:
    """As `kernel`, and copied into its callers.

    For the few small functions that run for every byte or n-gram, where a call would cost more than the work.
    """
    return _compiled(function, inline="always")


def _compiled(function: Kernel, inline: str) -> Kernel:
    options = {"nogil": True, "fastmath": False, "error_model": "numpy", "inline": inline}
    try:
        return cast("Kernel", numba.njit(cache=True, **options)(function))
    except RuntimeError:
        # numba looks for a place to write when a function is decorated, and raises where there is none.
        return cast("Kernel", numba.njit(**options)(function))
