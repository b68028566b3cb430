"""A job on a cluster that is not there, event by event: workers, the scheduler, the driver, the storage, the commit.

What is modelled: a stage's tasks wait in one queue. A worker that is free is given the next one by the scheduler, which
serves one event at a time; each answer then costs the driver some time, one answer at a time. A stage starts when the
one before it has ended and the driver has named and handed over all its tasks. All workers read from one storage, which
gives so many bytes a second and no more, in each stage that reads its blocks. The commit comes last and is the driver's
alone.

What is not: failures, stragglers beyond a block's own share, contention in the network's core, a store whose commits
others race for.
"""

import heapq
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

#: Above so many tasks a stage is not followed to its end: its steady pace is taken on.
MOST_EVENTS = 100_000


@dataclass(frozen=True, slots=True, kw_only=True)
class StageCost:
    """What a block costs one worker in a stage: ``fixed_s + byte_s * bytes``, with a core to itself.

    `reads` says how much of a block is read from the storage, as a share of its bytes.
    """

    fixed_s: float
    byte_s: float
    reads: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Costs:
    """What a machine and this program cost, all in seconds.

    Attributes
    ----------
    start_s
        Until the cluster is there, and all else that a run does once, however large it is.
    rest_byte_s
        Of a worker for each byte of input, in stages that have no task for each block.
    stages
        By name, in order; each has as many tasks as there are blocks.
    hand_over_s
        Of the driver for each task, before the first one starts.
    scheduler_s
        Of the scheduler for each task.
    collect_s
        Of the driver for each answer, its transfer included.
    reduce_s
        Of the driver for adding up what is known of each block.
    commit_s, file_s
        Of the commit, once and for each file.
    crowding
        Workers sharing a machine -> how many times longer each takes than alone.
    storage_bytes_s
        What all workers together can read in a second; None for no limit.
    """

    start_s: float
    stages: Mapping[str, StageCost]
    hand_over_s: float
    scheduler_s: float
    collect_s: float
    commit_s: float
    file_s: float
    rest_byte_s: float = 0.0
    reduce_s: float = 0.0
    crowding: Mapping[int, float] = field(default_factory=dict)
    storage_bytes_s: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Cluster:
    """Workers, and how many of them share a machine."""

    workers: int
    per_machine: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Forecast:
    """What a run would take, and what it would wait for.

    Attributes
    ----------
    stages
        Seconds by stage.
    bounds
        Seconds that each part is busy at the least, whatever the others do: "workers", "scheduler", "driver",
        "storage", "commit", "start".
    """

    seconds: float
    stages: Mapping[str, float]
    bounds: Mapping[str, float]

    @property
    def bottleneck(self) -> str:
        """The part that is busy longest."""
        return max(self.bounds, key=lambda name: self.bounds[name])


def forecast(costs: Costs, blocks: Sequence[int], cluster: Cluster, *, batch: int = 1) -> Forecast:
    """What a run over blocks of so many bytes takes.

    Parameters
    ----------
    costs
        See `Costs`.
    blocks
        Bytes of each block.
    cluster
        Where it runs.
    batch
        Blocks that one task does, one after the other.
    """
    tasks = [blocks[at : at + batch] for at in range(0, len(blocks), batch)]
    crowded = costs.crowding.get(min(cluster.per_machine, cluster.workers), 1.0)
    stages, work, read_s = {}, 0.0, 0.0
    for name, stage in costs.stages.items():
        each = [crowded * sum(stage.fixed_s + stage.byte_s * size for size in task) for task in tasks]
        work += sum(each)
        # A stage cannot be over before the storage has given all that it reads.
        reading = stage.reads * sum(blocks) / costs.storage_bytes_s if costs.storage_bytes_s else 0.0
        stages[name] = max(_stage_s(costs, each, cluster.workers), reading)
        read_s += reading
    rest = crowded * costs.rest_byte_s * sum(blocks)
    work += rest
    commit = costs.commit_s + costs.file_s * len(blocks)
    reduction = costs.reduce_s * len(blocks)
    bounds = {
        "start": costs.start_s,
        "workers": work / cluster.workers,
        "scheduler": costs.scheduler_s * len(tasks) * len(costs.stages),
        "driver": (costs.hand_over_s + costs.collect_s) * len(tasks) * len(costs.stages) + reduction,
        "storage": read_s,
        "commit": commit,
    }
    seconds = costs.start_s + sum(stages.values()) + rest / cluster.workers + reduction + commit
    return Forecast(seconds=seconds, stages=stages, bounds=bounds)


def _stage_s(costs: Costs, tasks: Sequence[float], workers: int) -> float:
    """Seconds of one stage whose tasks take so long each."""
    if len(tasks) > MOST_EVENTS:
        # A long stage goes at the pace of its middle; its beginning and its end are followed as they are.
        whole, half = (_followed(costs, tasks[:count], workers) for count in (MOST_EVENTS, MOST_EVENTS // 2))
        pace = (whole - half) / (MOST_EVENTS - MOST_EVENTS // 2)
        return costs.hand_over_s * len(tasks) + whole + pace * (len(tasks) - MOST_EVENTS)
    return costs.hand_over_s * len(tasks) + _followed(costs, tasks, workers)


def _followed(costs: Costs, tasks: Sequence[float], workers: int) -> float:
    """Seconds from the first task's start to the last answer, event by event."""
    # When a worker asks for work, and whether it has an answer to tell of.
    asking = [(0.0, False)] * min(workers, len(tasks))
    scheduler = driver = 0.0
    given = iter(tasks)
    while asking:
        at, answers = heapq.heappop(asking)
        scheduler = max(scheduler, at) + costs.scheduler_s
        if answers:
            driver = max(driver, scheduler) + costs.collect_s
        seconds = next(given, None)
        if seconds is not None:
            heapq.heappush(asking, (scheduler + seconds, True))
    return max(scheduler, driver)


def even_blocks(size_bytes: int, block_bytes: int) -> list[int]:
    """Input of that size cut into blocks."""
    whole, rest = divmod(size_bytes, block_bytes)
    return [block_bytes] * whole + ([rest] if rest else [])


def faster_driver(costs: Costs, times: float) -> Costs:
    """The same costs, were driver and scheduler so many times faster for each task."""
    return replace(
        costs,
        hand_over_s=costs.hand_over_s / times,
        scheduler_s=costs.scheduler_s / times,
        collect_s=costs.collect_s / times,
    )
