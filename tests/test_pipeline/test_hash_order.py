"""The order of hashes is NumPy's, whatever the numbers are."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from pipeline.hash_order import in_order, order_of

RECORD = np.dtype([("hi", "<u8"), ("row", "<u4")])
RANDOM = np.random.default_rng(0)
SPREAD = RANDOM.integers(0, 2**64, 50_000, dtype=np.uint64)


@given(arrays(np.uint64, st.integers(0, 300), elements=st.integers(0, 2**64 - 1) | st.integers(0, 3)))
@settings(deadline=None)
def test_any_numbers(numbers):
    np.testing.assert_array_equal(order_of(numbers), np.argsort(numbers, kind="stable"))


@pytest.mark.parametrize(
    "numbers",
    [
        SPREAD,
        np.where(RANDOM.random(50_000) < 0.5, SPREAD[0], SPREAD),
        np.full(50_000, SPREAD[0]),
        # All in one drawer: many of few numbers, and all in the wrong order.
        np.resize(np.array([5, 3, 4], np.uint64), 50_000),
        np.arange(50_000, 0, -1, dtype=np.uint64),
        SPREAD >> np.uint64(32),
    ],
    ids=["spread", "one often", "one alone", "near", "backwards", "low bits"],
)
def test_many_numbers_as_a_column_of_records(numbers):
    records = np.zeros(len(numbers), RECORD)
    records["hi"], records["row"] = numbers, np.arange(len(numbers))
    order = order_of(records["hi"])
    np.testing.assert_array_equal(order, np.argsort(numbers, kind="stable"))
    np.testing.assert_array_equal(in_order(records, order), records[order])
