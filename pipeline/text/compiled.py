"""The one way features and training are compiled to machine code."""

from collections.abc import Callable
from typing import Any, TypeVar, cast

from numba import njit

_Function = TypeVar("_Function", bound=Callable[..., Any])


def compiled(function: _Function) -> _Function:
    """The function compiled on its first call, without the interpreter's lock and with strict IEEE arithmetic.

    The machine code is kept beside the source or in the user's cache; where neither can be written, each process
    compiles for itself.
    """
    return _compiled(function, inline="never")


def inlined(function: _Function) -> _Function:
    """As `compiled`, and copied into its callers.

    For the few small functions that run for every n-gram, where a call would cost more than the work.
    """
    return _compiled(function, inline="always")


def _compiled(function: _Function, inline: str) -> _Function:
    options = {"nogil": True, "fastmath": False, "error_model": "numpy", "inline": inline}
    try:
        return cast("_Function", njit(cache=True, **options)(function))
    except RuntimeError:
        # numba looks for a place to write when a function is decorated, and raises where there is none.
        return cast("_Function", njit(**options)(function))
