"""Keys of a document are sorted by bucket, however many there are and however wide buckets are."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.text.sorting import BUCKET, PLACES, sort_keys


@given(
    st.one_of(st.integers(0, 260), st.sampled_from([254, 255, 256, 257, 2047, 2048, 2049, 5000])),
    st.integers(1, 26),
    st.integers(0, 10_000),
)
@settings(max_examples=300, deadline=None)
def test_keys_are_sorted_by_bucket_and_equal_ones_stay_in_order(count, bits, seed):
    random = np.random.default_rng(seed)
    most = 1 << int(random.integers(0, bits + 1))
    keys = random.integers(0, most, count).astype(np.uint32) | (random.integers(0, 2, count).astype(np.uint32) << 31)
    expected = keys[np.argsort(keys & BUCKET, kind="stable")]
    spare = np.zeros(count + 1, np.uint32)
    sort_keys(keys.copy(), spare, count, bits, np.full(PLACES, 7, np.int32))
    np.testing.assert_array_equal(spare[:count], expected)
    assert spare[count] == 0
