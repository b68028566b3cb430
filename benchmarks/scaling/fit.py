"""The model's costs from real runs, and how far its forecasts lie from runs that it has not seen."""

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from benchmarks.scaling.graph import GraphCost
from benchmarks.scaling.runs import BLOCK_STAGES, Timed
from benchmarks.scaling.simulate import Cluster, Costs, Forecast, StageCost, forecast


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """A run that the model had not seen: what it took and what the model said."""

    run: Timed
    forecast: Forecast

    @property
    def error(self) -> float:
        """The forecast over the truth, minus 1."""
        return self.forecast.seconds / self.run.seconds - 1.0


def fitted(runs: Sequence[Timed], graph: GraphCost) -> Costs:
    """The costs that explain the runs best, with those of the scheduler, the driver and the commit from `graph`.

    Parameters
    ----------
    runs
        Several of one worker, with blocks of at least two sizes and input of two, and some of two workers.
    graph
        A graph without work.

    Raises
    ------
    ValueError
        If the runs leave a cost open.
    """
    alone = [run for run in runs if run.shape.workers == 1]
    if len({run.shape.block_bytes for run in alone}) < 2:
        raise ValueError("runs of one worker with blocks of one size alone do not tell a block's cost from a byte's")
    stages = {name: replace(_stage(name, alone), reads=BLOCK_STAGES.get(name, 0.0)) for name in alone[0].stages}
    crowding = {1: 1.0}
    for workers in sorted({run.shape.workers for run in runs} - {1}):
        crowding[workers] = _crowding(stages, [run for run in runs if run.shape.workers == workers])
    file_s = graph.commit_s / graph.blocks
    rest = _line([(1.0, sum(run.blocks) * crowding[run.shape.workers] / run.shape.workers, run.rest_s) for run in runs])
    return Costs(
        start_s=rest.fixed_s,
        rest_byte_s=rest.byte_s,
        stages=stages,
        hand_over_s=graph.build_s / graph.blocks,
        scheduler_s=graph.scheduler_cpu_s / graph.blocks,
        collect_s=graph.driver_cpu_s / graph.blocks,
        reduce_s=graph.reduce_s / graph.blocks,
        commit_s=0.0,
        file_s=file_s,
        crowding=crowding,
    )


def _stage(name: str, runs: Sequence[Timed]) -> StageCost:
    return _line([(float(len(run.blocks)), float(sum(run.blocks)), run.stages[name]) for run in runs])


def _line(found: Sequence[tuple[float, float, float]]) -> StageCost:
    """What a piece and a byte cost, from pieces, bytes and seconds: least squares of relative errors, none below 0."""
    pieces, sizes, seconds = np.array(found).T
    (fixed, byte), *_ = np.linalg.lstsq(np.stack([pieces, sizes], axis=1) / seconds[:, None], np.ones(len(found)))
    if fixed < 0:
        return StageCost(fixed_s=0.0, byte_s=float(np.median(seconds / sizes)))
    if byte < 0:
        return StageCost(fixed_s=float(np.median(seconds / pieces)), byte_s=0.0)
    return StageCost(fixed_s=float(fixed), byte_s=float(byte))


def _crowding(stages: Mapping[str, StageCost], runs: Sequence[Timed]) -> float:
    """How many times longer a worker takes than alone: what the runs took over what they would have taken."""
    ratios = []
    for run in runs:
        alone = sum(stage.fixed_s * len(run.blocks) + stage.byte_s * sum(run.blocks) for stage in stages.values())
        ratios.append(sum(run.stages.values()) * run.shape.workers / alone)
    return max(1.0, statistics.median(ratios))


def check(costs: Costs, runs: Sequence[Timed]) -> list[Checked]:
    """Each run beside its forecast; the runs are those that `costs` was not fitted to."""
    return [
        Checked(
            run=run,
            forecast=forecast(costs, run.blocks, Cluster(workers=run.shape.workers, per_machine=run.shape.workers)),
        )
        for run in runs
    ]
