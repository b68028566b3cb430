"""The one way to machine code: like `numba.njit`, but the type checker keeps the signatures.

numba is loaded, and code is compiled, on the first call in a process: it takes longer to load than many commands take
that call no kernel.
"""

from collections.abc import Callable
from functools import partial, update_wrapper
from threading import RLock
from typing import Any, TypeAlias, TypeVar, cast

import numpy as np

#: An array inside a compiled loop: its item type is the business of the compiler, not of the type checker.
Buffer: TypeAlias = Any
#: Bytes that `bytes_within` looks at, one a bit of its answer, and `copy_stride` copies.
STRIDE = 64
Kernel = TypeVar("Kernel", bound=Callable[..., Any])


def kernel(function: Kernel) -> Kernel:
    """The function compiled on its first call, without the interpreter's lock and with strict IEEE arithmetic.

    The machine code is kept beside the source or in the user's cache; where neither can be written, each process
    compiles for itself. A division by zero gives what NumPy gives, and raises nothing.
    """
    return cast("Kernel", _Deferred(function, partial(_compiled, inline="never")))


def inlined(function: Kernel) -> Kernel:
    """As `kernel`, and copied into its callers.

    For the few small functions that run for every byte or n-gram, where a call would cost more than the work.
    """
    return cast("Kernel", _Deferred(function, partial(_compiled, inline="always")))


class _Deferred:
    """A function that becomes a kernel when it is first called, here or by another kernel."""

    # The kernels that a kernel calls are made with it, and two threads must not make the same one.
    _lock = RLock()

    def __init__(self, function: Callable[..., Any], compiling: Callable[[Callable[..., Any]], Any]) -> None:
        update_wrapper(self, function)
        self._function = function
        self._compiling = compiling
        self._compiled: Callable[..., Any] | None = None

    def __call__(self, *arguments: Any) -> Any:
        return (self._compiled or self.compiled())(*arguments)

    def compiled(self) -> Callable[..., Any]:
        """The kernel."""
        with self._lock:
            if self._compiled is None:
                self._call_kernels()
                self._compiled = cast("Callable[..., Any]", self._compiling(self._function))
        return self._compiled

    def _call_kernels(self) -> None:
        """Nothing; by the names that the function uses there are kernels, which the compiler knows how to call."""
        for name in self._function.__code__.co_names:
            used = self._function.__globals__.get(name)
            if isinstance(used, _Deferred):
                self._function.__globals__[name] = used.compiled()


def _compiled(function: Callable[..., Any], inline: str) -> Any:
    import numba

    options = {"nogil": True, "fastmath": False, "error_model": "numpy", "inline": inline}
    try:
        return numba.njit(cache=True, **options)(function)
    except RuntimeError:
        # numba looks for a place to write when a function is decorated, and raises where there is none.
        return numba.njit(**options)(function)


def _prefetch(_typing: Any, _address: Any) -> Any:
    from llvmlite import ir
    from numba import types

    def call(_context: Any, builder: Any, _signature: Any, arguments: Any) -> None:
        number, pointer = ir.IntType(32), ir.IntType(8).as_pointer()
        kind = ir.FunctionType(ir.VoidType(), [pointer, number, number, number])
        function = builder.module.declare_intrinsic("llvm.prefetch", [pointer], kind)
        # To read, into the nearest cache, data.
        builder.call(function, [builder.inttoptr(arguments[0], pointer), number(0), number(3), number(1)])

    return types.void(types.uintp), call


def _lowest_bit(_typing: Any, _bits: Any) -> Any:
    from llvmlite import ir
    from numba import types

    def call(_context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        return builder.cttz(arguments[0], ir.IntType(1)(0))

    return types.uint64(types.uint64), call


def _bit_count(_typing: Any, _bits: Any) -> Any:
    from numba import types

    def call(_context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        return builder.ctpop(arguments[0])

    return types.uint64(types.uint64), call


def _load_word(_typing: Any, _address: Any) -> Any:
    from llvmlite import ir
    from numba import types

    def call(_context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        return builder.load(builder.inttoptr(arguments[0], ir.IntType(64).as_pointer()), align=1)

    return types.uint64(types.uintp), call


def _store_word(_typing: Any, _address: Any, _word: Any) -> Any:
    from llvmlite import ir
    from numba import types

    def call(_context: Any, builder: Any, _signature: Any, arguments: Any) -> None:
        builder.store(arguments[1], builder.inttoptr(arguments[0], ir.IntType(64).as_pointer()), align=1)

    return types.void(types.uintp, types.uint64), call


def _bytes_within(_typing: Any, _address: Any, _low: Any, _high: Any) -> Any:
    from llvmlite import ir
    from numba import types

    byte, number = ir.IntType(8), ir.IntType(32)
    vector = ir.VectorType(byte, STRIDE)

    def everywhere(builder: Any, value: Any) -> Any:
        first = builder.insert_element(ir.Constant(vector, ir.Undefined), value, number(0))
        places = ir.Constant(ir.VectorType(number, STRIDE), [0] * STRIDE)
        return builder.shuffle_vector(first, ir.Constant(vector, ir.Undefined), places)

    def call(_context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        address, low, high = arguments
        found = builder.load(builder.inttoptr(address, vector.as_pointer()), align=1)
        above = builder.sub(found, everywhere(builder, low))
        inside = builder.icmp_unsigned("<=", above, everywhere(builder, builder.sub(high, low)))
        return builder.bitcast(inside, ir.IntType(STRIDE))

    return types.uint64(types.uintp, types.uint8, types.uint8), call


def _copy_stride(_typing: Any, _source: Any, _target: Any) -> Any:
    from llvmlite import ir
    from numba import types

    vector = ir.VectorType(ir.IntType(8), STRIDE)

    def call(_context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        source, target = (builder.inttoptr(address, vector.as_pointer()) for address in arguments)
        builder.store(builder.load(source, align=1), target, align=1)

    return types.void(types.uintp, types.uintp), call


def _intrinsic(function: Callable[..., Any]) -> Any:
    from numba.extending import intrinsic

    return intrinsic(function)


#: Asks, inside a compiled loop, for the cache line at an address (uint64) that is needed soon, without waiting for it.
#: Processors foresee neighbours alone: work on rows in a shuffled order would otherwise wait for memory half the time.
prefetch: Callable[[Any], None] = _Deferred(_prefetch, _intrinsic)
#: The place of the lowest bit that is set in a uint64, 64 where none is.
lowest_bit: Callable[[Any], Any] = _Deferred(_lowest_bit, _intrinsic)
#: How many bits of a uint64 are set.
bit_count: Callable[[Any], Any] = _Deferred(_bit_count, _intrinsic)
#: The eight bytes from an address on, the first in the lowest bits; and the same written.
load_word: Callable[[Any], Any] = _Deferred(_load_word, _intrinsic)
store_word: Callable[[Any, Any], None] = _Deferred(_store_word, _intrinsic)
#: Which of the `STRIDE` bytes from an address on lie between two bytes, both included: the first in the lowest bit.
#: Most processors compare them all in a few instructions.
bytes_within: Callable[[Any, Any, Any], Any] = _Deferred(_bytes_within, _intrinsic)
#: `STRIDE` bytes from one address on copied to another.
copy_stride: Callable[[Any, Any], None] = _Deferred(_copy_stride, _intrinsic)
#: Bytes from one `prefetch` to the next.
LINE_BYTES = np.uint64(64)


@kernel
def _nothing(number: int) -> int:
    return number


def load_compiler() -> None:
    """Nothing; the first kernel that this process calls finds the compiler loaded, which takes longer than a kernel."""
    _nothing(0)
