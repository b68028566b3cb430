"""Forecasts from 4 to 10,000 workers and from 1 TB to 1 PB: seconds, what limits them, and what would help.

The costs are those of this machine. Two things cannot be measured here and are assumed, and said: each worker has a
core to itself, and the storage gives `STORAGE_BYTES_S`.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from benchmarks.scaling.simulate import Cluster, Costs, Forecast, even_blocks, forecast
from cluster.execute import batch_for

WORKERS = (4, 16, 64, 256, 1_000, 4_000, 10_000)
SIZES = (10**12, 10**13, 10**14, 10**15)
#: What the storage is assumed to give to all workers together: a large bucket or file system.
STORAGE_BYTES_S = 100e9
#: No more blocks than this: a block is as large as that takes, up to what a worker's memory allows.
MOST_BLOCKS = 1_000_000
_BLOCK = 64 * 10**6
_LARGEST_BLOCK = 10**9


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """A forecast: with one block to a task, and with as many as `cluster.execute.batch_for` says."""

    size_bytes: int
    workers: int
    block_bytes: int
    blocks: int
    alone: Forecast
    batch: int
    batched: Forecast


def block_for(size_bytes: int) -> int:
    """Bytes of a block for input of that size."""
    return min(_LARGEST_BLOCK, max(_BLOCK, -(-size_bytes // MOST_BLOCKS)))


def planned(costs: Costs) -> Iterator[Planned]:
    """A forecast for each size and number of workers."""
    costs = replace(costs, crowding={}, storage_bytes_s=STORAGE_BYTES_S)
    for size in SIZES:
        block = block_for(size)
        blocks = even_blocks(size, block)
        for workers in WORKERS:
            cluster, batch = Cluster(workers=workers), batch_for(len(blocks), workers)
            yield Planned(
                size_bytes=size,
                workers=workers,
                block_bytes=block,
                blocks=len(blocks),
                alone=forecast(costs, blocks, cluster),
                batch=batch,
                batched=forecast(costs, blocks, cluster, batch=batch),
            )
