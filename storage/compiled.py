"""The one way to machine code: like `numba.njit`, but the type checker keeps the signatures."""

from collections.abc import Callable
from typing import Any, TypeAlias, TypeVar, cast

import numba
import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

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


def _prefetch(_typing: Any, _address: Any) -> Any:
    def call(_context: Any, builder: Any, _signature: Any, arguments: Any) -> None:
        number, pointer = ir.IntType(32), ir.IntType(8).as_pointer()
        kind = ir.FunctionType(ir.VoidType(), [pointer, number, number, number])
        function = builder.module.declare_intrinsic("llvm.prefetch", [pointer], kind)
        # To read, into the nearest cache, data.
        builder.call(function, [builder.inttoptr(arguments[0], pointer), number(0), number(3), number(1)])

    return types.void(types.uintp), call


#: Asks, inside a compiled loop, for the cache line at an address (uint64) that is needed soon, without waiting for it.
#: Processors foresee neighbours alone: work on rows in a shuffled order would otherwise wait for memory half the time.
prefetch: Callable[[Any], None] = intrinsic(_prefetch)
#: Bytes from one `prefetch` to the next.
LINE_BYTES = np.uint64(64)


def _compiled(function: Kernel, inline: str) -> Kernel:
    options = {"nogil": True, "fastmath": False, "error_model": "numpy", "inline": inline}
    try:
        return cast("Kernel", numba.njit(cache=True, **options)(function))
    except RuntimeError:
        # numba looks for a place to write when a function is decorated, and raises where there is none.
        return cast("Kernel", numba.njit(**options)(function))
