"""One pass over a file's bytes, block by block, before anything is parsed: encoding and record boundaries.

Blocks are scanned independently; `resolve` puts the answers together, in order, with a few steps a block.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pipeline.ingest.reading.csv.dialect import START, Dialect
from pipeline.ingest.reading.csv.transitions import Transitions, transitions
from pipeline.ingest.reading.files.bytes_in import read_range
from pipeline.ingest.reading.text.encoding import lines_beyond_ascii
from pipeline.ingest.reading.text.utf8 import count_leads, count_sequences, is_utf8

#: A multi-byte sequence that crosses a block's edge is seen whole with this much of its neighbours.
_MARGIN_BYTES = 3
_SAMPLE_BYTES = 1 << 14


@dataclass(frozen=True, slots=True, kw_only=True)
class BlockScan:
    """What one block's bytes show.

    Attributes
    ----------
    start, stop
        The block, in bytes of the file's data.
    moves
        What it does to the dialect's automaton.
    valid, invalid
        Multi-byte UTF-8 sequences, and bytes that belong to no UTF-8 text.
    long_ones
        Those of the sequences that are of three bytes or four.
    nuls
        NUL bytes.
    sample
        Some lines with bytes beyond ASCII, where `invalid` is not 0 or all sequences are of two bytes.
    doubted
        What it does to the automaton of a dialect that was turned down; None for none.
    """

    start: int
    stop: int
    moves: Transitions
    valid: int
    invalid: int
    long_ones: int
    nuls: int
    sample: tuple[bytes, ...]
    doubted: Transitions | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordRange:
    """Bytes that hold whole records.

    Attributes
    ----------
    start, stop
        From the first record's first byte to behind the last one's end.
    too_long
        Whether this is one record, with any blank lines behind it, that may be longer than allowed.
    """

    start: int
    stop: int
    too_long: bool = False


def raw_blocks(start: int, stop: int, block_bytes: int) -> list[tuple[int, int]]:
    """The bytes from `start` to `stop` cut evenly, whatever they hold; none for an empty stretch."""
    return [(at, min(at + block_bytes, stop)) for at in range(start, stop, block_bytes)]


def scan_block(path: str, start: int, stop: int, dialect: Dialect, doubted: Dialect | None = None) -> BlockScan:
    """What the bytes from `start` to `stop` of the file at `path` show, under `dialect` and under another one."""
    before = min(start, _MARGIN_BYTES)
    wide = read_range(path, start - before, stop + _MARGIN_BYTES)
    data = wide[before : before + stop - start]
    (valid, long_ones), invalid = count_leads(data), 0
    if not is_utf8(data):
        valid, long_ones, invalid = count_sequences(wide, before, before + data.size)
    return BlockScan(
        start=start,
        stop=start + data.size,
        moves=transitions(data, dialect),
        doubted=transitions(data, doubted) if doubted is not None else None,
        valid=valid,
        invalid=invalid,
        long_ones=long_ones,
        nuls=int(data.size - np.count_nonzero(data)),
        sample=lines_beyond_ascii(data, _SAMPLE_BYTES) if invalid or (valid and not long_ones) else (),
    )


def resolve(scans: Sequence[BlockScan], longest: int) -> tuple[list[RecordRange], int, int, int]:
    """Where whole records lie, the quoted fields closed well and badly on the way, and the state at the end.

    Parameters
    ----------
    scans
        All blocks of one file, in order and without gaps, from its first record on.
    longest
        Bytes a record may have.

    Returns
    -------
    tuple
        Ranges in order, one for each block in which a record starts, and one for each record that is too long;
        then the counts, over the one true path through the automaton, and its last state.
    """
    state, well, badly = START, 0, 0
    starts: list[tuple[int, int]] = []
    for scan in scans:
        size = scan.stop - scan.start
        first, last = scan.moves.first[state], scan.moves.last[state]
        inside = [scan.start + place for place in (0 if state == START else -1, first, last) if 0 <= place < size]
        if inside:
            # Only a record that goes on behind the block can be too long for its reader.
            starts.append((min(inside), max(inside) if last < size else -1))
        well += scan.moves.well[state]
        badly += scan.moves.badly[state]
        state = scan.moves.exits[state]
    end = scans[-1].stop if scans else 0
    ranges = []
    for (first_start, open_start), following in zip(starts, [*(start for start, _ in starts[1:]), end], strict=False):
        if open_start < 0 or following - open_start <= longest:
            ranges.append(RecordRange(start=first_start, stop=following))
            continue
        if open_start > first_start:
            ranges.append(RecordRange(start=first_start, stop=open_start))
        ranges.append(RecordRange(start=open_start, stop=following, too_long=True))
    return ranges, well, badly, state
