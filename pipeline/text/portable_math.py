"""Exponential and logarithm from IEEE additions, multiplications and divisions alone.

The C library's versions differ in the last bit from one system to the next; these give the same bits everywhere, which
is what makes equal models equal. Both are good to about one unit in the last place.
"""

import math

import numpy as np
import numpy.typing as npt

from storage.compiled import inlined, kernel

_LOG2_E = 1.4426950408889634
#: ln 2 in two parts, the first with so few digits that multiples of it are exact.
_LN2_HIGH, _LN2_LOW = 0.6931471803691238, 1.9082149292705877e-10
_LN2 = 0.6931471805599453
_SQRT_HALF = 0.7071067811865476

_SMALLEST_POWER, _LARGEST_POWER = -1074, 1023
_POWERS_OF_TWO = np.array([math.ldexp(1.0, power) for power in range(_SMALLEST_POWER, _LARGEST_POWER + 1)])
#: Taylor coefficients of exp, highest first.
_EXP_TERMS = tuple(1.0 / math.factorial(order) for order in range(13, -1, -1))
#: Coefficients of artanh(s) / s in powers of s squared, highest first.
_ARTANH_TERMS = tuple(1.0 / (2 * order + 1) for order in range(11, -1, -1))


@inlined
def portable_exp(x: float) -> float:
    """The exponential of `x`; 0 below -708, infinity above 709."""
    if x < -708.0:
        return 0.0
    if x > 709.0:
        return np.inf
    power = math.floor(x * _LOG2_E + 0.5)
    rest = (x - power * _LN2_HIGH) - power * _LN2_LOW
    result = 0.0
    for term in _EXP_TERMS:
        result = result * rest + term
    return float(result * _POWERS_OF_TWO[power - _SMALLEST_POWER])


@kernel
def portable_log(x: float) -> float:
    """The natural logarithm of a positive, finite `x`."""
    mantissa, exponent = math.frexp(x)
    if mantissa < _SQRT_HALF:
        mantissa *= 2.0
        exponent -= 1
    slope = (mantissa - 1.0) / (mantissa + 1.0)
    square = slope * slope
    result = 0.0
    for term in _ARTANH_TERMS:
        result = result * square + term
    return float(2.0 * slope * result + exponent * _LN2_LOW + exponent * _LN2_HIGH)


def portable_logs(x: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """`portable_log` of each value, to the same bits: for arrays, where there is nothing to compile for."""
    mantissa, exponent = np.frexp(x)
    small = mantissa < _SQRT_HALF
    mantissa = np.where(small, mantissa * 2.0, mantissa)
    exponent = exponent - small
    slope = (mantissa - 1.0) / (mantissa + 1.0)
    square = slope * slope
    result = np.zeros_like(square)
    for term in _ARTANH_TERMS:
        result = result * square + term
    return np.asarray(2.0 * slope * result + exponent * _LN2_LOW + exponent * _LN2_HIGH)
