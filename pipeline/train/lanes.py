"""One epoch learned side by side in a fixed number of lanes, merged in their order.

After Agarwal, Chapelle, Dudik, Langford, "A Reliable Effective Terascale Linear Learning System" (JMLR 2014), section
2: each lane starts from the same weights, and the merged weight is the mean of the lanes' weights, each weighted by the
squared gradients that its lane has seen, which say how much it knows of that coordinate. Lanes are shares of the
shards, not of the workers: any number of workers gives the same bits. What a lane has
learned is passed as a file.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from operator import itemgetter
from pathlib import Path
from typing import Any, TypeAlias
from uuid import uuid4

import numpy as np
import numpy.typing as npt
from dask.delayed import Delayed

from pipeline.execute import Execute
from pipeline.text.hashing import read_only
from pipeline.train.array_files import map_array, passing, write_array
from pipeline.train.block_files import open_block
from pipeline.train.checkpoints import open_estimator, saved_rows
from pipeline.train.epoch_steps import STEPS, Learned, begun_again, in_steps, require_rows
from pipeline.train.lane_kernel import add_lane, merge_lanes
from pipeline.train.learner import OnlineLearner
from pipeline.train.shards import Shard

Floats = npt.NDArray[np.float32]
_Key: TypeAlias = tuple[str, int, int]
_Stepped: TypeAlias = tuple[OnlineLearner, Learned]

#: Lanes are merged for so many weights at a time, whose sums stay in the processor's cache.
_TOGETHER = 16_384


@dataclass(frozen=True, slots=True, kw_only=True)
class LaneFile:
    """What a lane has learned, on disk.

    Attributes
    ----------
    path
        Sums of squared gradients, and weights with all their pull, float32, shape (2, features + 1, columns): the
        intercepts are the last row.
    losses
        Rows and summed loss of each shard.
    progress_rows
        Rows of its last step, for whoever shows progress.
    """

    path: str
    losses: tuple[tuple[int, float], ...]
    progress_rows: int


def learn_epoch_in_lanes(
    blank: OnlineLearner,
    before: Path | None,
    shards: Sequence[Shard],
    columns: int,
    classes: int,
    lanes: int,
    folder: Path,
    execute: Execute,
) -> OnlineLearner:
    """The estimator after one pass in which every lane learned its share of `shards`.

    Parameters are as for `learn_epoch`, and a folder that all workers see. A lane sees fewer rows before its weights
    are merged than one that learns all, so more epochs are needed for the same loss.
    """
    shares = [share for lane in range(lanes) if (share := list(shards[lane::lanes]))]

    def once(_: int) -> OnlineLearner:
        with passing(folder) as aside:
            last, told, graph = _lanes(blank, _path(before), shares, columns, classes, saved_rows(before), aside)
            learned = execute("train", [Delayed(key, graph) for key in (*last, *told)])[: len(last)]
            return _merged(learned, lane_start(blank, _path(before), columns, classes)[0])

    return begun_again(once)


def _lanes(
    blank: OnlineLearner,
    before: str | None,
    shares: Sequence[Sequence[Shard]],
    columns: int,
    classes: int,
    learned: int,
    folder: Path,
) -> tuple[list[_Key], list[_Key], dict[_Key, tuple[Any, ...]]]:
    """The key of each lane, those of the words of each step before its last, and the graph.

    Steps change estimators in place. No two graphs share a key, as no two epochs start from the same weights.
    """
    name = uuid4().hex
    graph: dict[_Key, tuple[Any, ...]] = {}
    told: list[_Key] = []
    last: list[_Key] = []
    for lane, share in enumerate(shares):
        # The first step opens the estimator itself, and the last one writes it: each task costs the scheduler time.
        at: Any = (lane_start, blank, before, columns, classes)
        seen = learned
        *steps, end = in_steps(share, max(1, STEPS // len(shares)))
        for number, part in enumerate(steps):
            step, word = (f"step-{name}", lane, number), (f"told-{name}", lane, number)
            graph[step], graph[word] = (lane_step, at, part, seen), (itemgetter(1), step)
            told.append(word)
            at = step
            seen += sum(shard.rows for shard in part)
        last.append((f"lane-{name}", lane, 0))
        graph[last[-1]] = (lane_end, at, end, seen, len(share), str(folder / f"{lane}.npy"))
    return last, told, graph


def _path(before: Path | None) -> str | None:
    return None if before is None else str(before)


def lane_start(blank: OnlineLearner, before: str | None, columns: int, classes: int) -> _Stepped:
    """The estimator that a lane begins with, which has learned nothing in it."""
    if before is None:
        estimator = OnlineLearner(**blank.get_params())
        estimator.started(np.arange(classes, dtype=np.int32), columns)
    else:
        estimator = open_estimator(blank, before)
        estimator.settle()
    return estimator, Learned(progress_rows=0)


def lane_step(before: _Stepped, shards: Sequence[Shard], learned: int) -> _Stepped:
    """The estimator, which has learned so many rows, after some more shards, and word of it.

    They are one answer, since the next step changes the estimator in place.
    """
    estimator = before[0]
    require_rows(estimator, learned)
    for shard in shards:
        block = open_block(shard.folder)
        estimator.learn(block.bounds, block.indices, block.values, block.labels, block.weights)
    return estimator, Learned(progress_rows=sum(shard.rows for shard in shards))


def lane_end(before: _Stepped, shards: Sequence[Shard], learned: int, share: int, path: str) -> LaneFile:
    """What a lane of so many shards has learned after its last step, at `path`; otherwise as `lane_step`."""
    estimator, told = lane_step(before, shards, learned)
    write_array(np.stack([_squares(estimator), _with_intercept(estimator.coef_.T, estimator.intercept_)]), path)
    return LaneFile(path=path, losses=tuple(estimator.losses_[-share:]), progress_rows=told.progress_rows)


def _merged(lanes: Sequence[LaneFile], estimator: OnlineLearner) -> OnlineLearner:
    """The estimator of before the epoch with what the lanes make of it; what no lane has touched stays."""
    squares, weights = _squares(estimator), _with_intercept(estimator.weights_, estimator.intercept_)
    touched = np.zeros(squares.shape, np.bool_)
    learned = [map_array(lane.path).reshape(2, -1) for lane in lanes]
    for at in range(0, squares.size, _TOGETHER):
        part = slice(at, at + _TOGETHER)
        before = squares.reshape(-1)[part]
        sums = np.zeros((3, len(before)))
        for ends in learned:
            add_lane(sums, read_only(before), read_only(ends[0, part]), read_only(ends[1, part]))
        merge_lanes(read_only(sums), before, weights.reshape(-1)[part], touched.reshape(-1)[part])
    estimator.weights_[:], estimator.intercept_ = weights[:-1], weights[-1].copy()
    estimator.squares_[:], estimator.intercept_squares_ = squares[:-1], squares[-1].copy()
    losses = [loss for lane in lanes for loss in lane.losses]
    count = sum(rows for rows, _ in losses)
    estimator.rows_seen_ += count
    estimator.seen_[touched[:-1].any(axis=1)] = estimator.rows_seen_
    estimator.losses_.extend(losses)
    estimator.loss_ = sum(loss for _, loss in losses) / max(1, count)
    return estimator


def _squares(estimator: OnlineLearner) -> Floats:
    return _with_intercept(estimator.squares_, estimator.intercept_squares_)


def _with_intercept(features: Floats, intercept: Floats) -> Floats:
    return np.vstack([features, intercept[None, :]])
