"""How the compiled loops of this package are compiled: without the interpreter lock, cached where that is possible."""

from collections.abc import Callable
from typing import Any, TypeAlias, TypeVar

import numba

#: An array inside a compiled loop: its item type is the business of the compiler, not of the type checker.
Buffer: TypeAlias = Any
Loop = TypeVar("Loop", bound=Callable[..., Any])


def kernel(loop: Loop) -> Loop:
    """The compiled form of `loop`, compiled at its first call and kept on disk for the next process.

    Where neither the package's folder nor the user's cache folder can be written, each process compiles for itself.
    """
    try:
        compiled: Loop = numba.njit(nogil=True, cache=True)(loop)
    except RuntimeError:
        # numba looks for a place to write when the function is decorated, and raises when there is none.
        compiled = numba.njit(nogil=True)(loop)
    return compiled
