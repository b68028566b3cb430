"""Which bytes are UTF-8: whole buffers fast, and then, only where one is not, sequence by sequence."""

import numpy as np
import numpy.typing as npt

from storage.compiled import Buffer, inlined, kernel


def is_utf8(data: npt.NDArray[np.uint8]) -> bool:
    """Whether all of `data` is well-formed UTF-8 (Unicode 16, table 3-7); true for no bytes."""
    return not _is_faulty(data)


def count_leads(data: npt.NDArray[np.uint8]) -> tuple[int, int]:
    """How many bytes begin a multi-byte sequence, and how many one of three bytes or four, if `data` is UTF-8."""
    leads, long_leads = _count_leads(data)
    return int(leads), int(long_leads)


def count_sequences(data: npt.NDArray[np.uint8], start: int, stop: int) -> tuple[int, int, int]:
    """How many sequences of ``data[start:stop]`` are of several bytes, of three or four; how many bytes are in none.

    A sequence counts where its first byte lies, so that blocks add up: bytes before `start` and after `stop` are
    looked at where `data` holds them (three on each side are enough).
    """
    well, long_ones, badly = _count_sequences(data, start, stop)
    return int(well), int(long_ones), int(badly)


#: Comparisons with constants of the bytes' own type become vector instructions; with others they would be widened.
_80, _8F, _90, _9F, _A0, _BF = (np.uint8(byte) for byte in (0x80, 0x8F, 0x90, 0x9F, 0xA0, 0xBF))
_C0, _C1, _C2, _E0, _ED = (np.uint8(byte) for byte in (0xC0, 0xC1, 0xC2, 0xE0, 0xED))
_F0, _F4, _F5 = (np.uint8(byte) for byte in (0xF0, 0xF4, 0xF5))


@inlined
def _is_wrong(a: Buffer, b: Buffer, c: Buffer, d: Buffer) -> Buffer:
    """Whether the byte `d` cannot follow the three bytes before it: every fault shows at some byte this way."""
    continues = (c >= _C2) | (b >= _E0) | (a >= _F0)
    return (
        (continues != ((d >= _80) & (d <= _BF)))
        | (d == _C0)
        | (d == _C1)
        | (d >= _F5)
        | ((c == _E0) & (d < _A0))
        | ((c == _ED) & (d > _9F))
        | ((c == _F0) & (d < _90))
        | ((c == _F4) & (d > _8F))
    )


@kernel
def _is_faulty(data: Buffer) -> bool:
    """Whether `data` is not UTF-8; without a branch a byte, so that it runs at the speed of memory."""
    size = data.shape[0]
    edge = np.zeros(6, np.uint8)
    head = min(size, 3)
    edge[3 : 3 + head] = data[:head]
    faulty = False
    for j in range(head):
        faulty |= _is_wrong(edge[j], edge[j + 1], edge[j + 2], edge[j + 3])
    for j in range(size - 3):
        faulty |= _is_wrong(data[j], data[j + 1], data[j + 2], data[j + 3])
    # A sequence that the end cuts off: a byte behind the end would have to continue it.
    last = np.zeros(3, np.uint8)
    tail = min(size, 3)
    last[3 - tail :] = data[size - tail :]
    return bool(faulty | (last[2] >= _C2) | (last[1] >= _E0) | (last[0] >= _F0))


@kernel
def _count_leads(data: Buffer) -> tuple[int, int]:
    count, long_ones = 0, 0
    for i in range(data.shape[0]):
        count += data[i] >= _C2
        long_ones += data[i] >= _E0
    return count, long_ones


@kernel
def sequence_length(data: Buffer, i: int, stop: int) -> int:  # noqa: C901 - one table
    """Length of the well-formed UTF-8 sequence that starts at `i`, below `stop`; 0 where there is none."""
    lead = data[i]
    if lead < 0x80:
        return 1
    if lead < 0xC2 or lead > 0xF4:
        return 0
    length = 2 if lead < 0xE0 else (3 if lead < 0xF0 else 4)
    if i + length > stop:
        return 0
    second = data[i + 1]
    low, high = 0x80, 0xBF
    if lead == 0xE0:
        low = 0xA0
    elif lead == 0xED:
        high = 0x9F
    elif lead == 0xF0:
        low = 0x90
    elif lead == 0xF4:
        high = 0x8F
    if second < low or second > high:
        return 0
    for k in range(2, length):
        if data[i + k] & 0xC0 != 0x80:
            return 0
    return length


@kernel
def _count_sequences(data: Buffer, start: int, stop: int) -> tuple[int, int, int]:
    well, long_ones, badly = 0, 0, 0
    i = start
    # A sequence that begins up to three bytes before `start` and reaches over it was counted there.
    for back in range(1, 4):
        if start - back >= 0 and data[start - back] >= 0xC2:
            length = sequence_length(data, start - back, data.shape[0])
            if length > back:
                i = start - back + length
            break
    while i < stop:
        length = sequence_length(data, i, data.shape[0])
        if length == 0:
            badly += 1
            i += 1
        else:
            if length > 1:
                well += 1
            if length > 2:
                long_ones += 1
            i += length
    return well, long_ones, badly


@kernel
def valid_utf8(data: Buffer, start: int, stop: int) -> bool:
    """Whether ``data[start:stop]`` is well-formed UTF-8."""
    i = start
    while i < stop:
        length = sequence_length(data, i, stop)
        if length == 0:
            return False
        i += length
    return True
