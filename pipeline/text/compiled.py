"""The one way this project compiles a function to machine code."""

from collections.abc import Callable
from typing import TypeVar, cast

from numba import njit

_Function = TypeVar("_Function", bound=Callable[..., object])

#: Compiles on first call, remembers the result beside the source, lets go of the interpreter's lock while it runs, and
#: keeps strict IEEE arithmetic, so that every machine computes the same bits.
compiled = cast(
    "Callable[[_Function], _Function]",
    njit(cache=True, nogil=True, fastmath=False, error_model="numpy"),
)

#: As `compiled`, and copied into its callers: for the few small functions that run for every n-gram, where a call would
#: cost more than the work.
inlined = cast(
    "Callable[[_Function], _Function]",
    njit(cache=True, nogil=True, fastmath=False, error_model="numpy", inline="always"),
)
