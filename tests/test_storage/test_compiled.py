"""What compiled loops can ask of the processor."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from storage.compiled import LINE_BYTES, STRIDE, bit_count, bytes_within, copy_stride, kernel, lowest_bit, prefetch


@kernel
def _sum_foreseen(values, ahead):
    total = 0.0
    start = np.uint64(values.ctypes.data)
    for item in range(len(values)):
        prefetch(start + np.uint64(item + ahead) * LINE_BYTES)
        total += values[item]
    return total


def test_a_prefetch_changes_nothing_even_beyond_the_memory_of_the_process():
    values = np.arange(1_000, dtype=np.float64)
    assert _sum_foreseen(values, 0) == values.sum()
    assert _sum_foreseen(values, 1 << 40) == values.sum()


@kernel
def _within(data, start, low, high):
    return bytes_within(np.uint64(data.ctypes.data) + np.uint64(start), low, high)


@given(st.binary(min_size=STRIDE, max_size=2 * STRIDE), st.integers(0, 255), st.integers(0, 255), st.data())
@settings(max_examples=300, deadline=None)
def test_the_bytes_of_a_stride_between_two_bytes_are_the_bits_of_one_word(data, one, other, draw):
    start = draw.draw(st.integers(0, len(data) - STRIDE))
    low, high = np.uint8(min(one, other)), np.uint8(max(one, other))
    found = int(_within(np.frombuffer(data, np.uint8), start, low, high))
    wanted = [low <= byte <= high for byte in data[start : start + STRIDE]]
    assert [bool(found >> place & 1) for place in range(STRIDE)] == wanted
    assert int(_counted(np.uint64(found))) == sum(wanted)
    assert int(_lowest(np.uint64(found))) == (wanted.index(True) if found else 64)


@kernel
def _lowest(bits):
    return lowest_bit(bits)


@kernel
def _counted(bits):
    return bit_count(bits)


@kernel
def _copy(source, start, target, at):
    copy_stride(
        np.uint64(source.ctypes.data) + np.uint64(start),
        np.uint64(target.ctypes.data) + np.uint64(at),
    )


def test_a_stride_is_copied_and_no_byte_beside_it():
    source = np.random.default_rng(0).integers(0, 256, 3 * STRIDE).astype(np.uint8)
    for start, at in ((0, 0), (1, 7), (65, 3), (2 * STRIDE, STRIDE)):
        target = np.zeros(3 * STRIDE, np.uint8)
        _copy(source, start, target, at)
        assert np.array_equal(target[at : at + STRIDE], source[start : start + STRIDE])
        assert not target[:at].any()
        assert not target[at + STRIDE :].any()
