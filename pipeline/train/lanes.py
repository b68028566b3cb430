"""One epoch learned side by side in a fixed number of lanes, merged in a fixed tree.

After Agarwal, Chapelle, Dudik, Langford, "A Reliable Effective Terascale Linear Learning System" (JMLR 2014), section
2: each lane starts from the same weights, and the merged weight is the mean of the lanes' weights, each weighted by the
squared gradients that its lane has seen, which say how much it knows of that coordinate. Lanes are shares of the
shards, not of the workers: any number of workers gives the same bits.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce
from operator import itemgetter
from pathlib import Path
from typing import Any, TypeAlias
from uuid import uuid4

import numpy as np
import numpy.typing as npt
from dask.delayed import Delayed

from pipeline.execute import Execute
from pipeline.train.block_files import open_block
from pipeline.train.checkpoints import open_estimator, saved_rows
from pipeline.train.epoch_steps import Learned, begun_again, in_steps, require_rows
from pipeline.train.learner import OnlineLearner
from pipeline.train.shards import Shard

Doubles = npt.NDArray[np.float64]
_Key: TypeAlias = tuple[str, int, int]
_Stepped: TypeAlias = tuple[OnlineLearner, Learned]

#: So many lanes are merged by one task.
_FAN_IN = 4


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class LaneSums:
    """What lanes add up to.

    Attributes
    ----------
    gained, weighted, doubly
        Squared gradients since the epoch began, weights times these, and these times themselves, float64, shape
        (features + 1, columns): the intercepts are the last row.
    rows
        Rows learned.
    losses
        Rows and summed loss of each shard.
    """

    gained: Doubles
    weighted: Doubles
    doubly: Doubles
    rows: int
    losses: tuple[tuple[int, float], ...]

    def merge(self, other: "LaneSums") -> "LaneSums":
        """The sums of the lanes of both; merge in a fixed order, since they are floats."""
        return LaneSums(
            gained=self.gained + other.gained,
            weighted=self.weighted + other.weighted,
            doubly=self.doubly + other.doubly,
            rows=self.rows + other.rows,
            losses=(*self.losses, *other.losses),
        )


def learn_epoch_in_lanes(
    blank: OnlineLearner,
    before: Path | None,
    shards: Sequence[Shard],
    columns: int,
    classes: int,
    lanes: int,
    execute: Execute,
) -> OnlineLearner:
    """The estimator after one pass in which every lane learned its share of `shards`.

    Parameters are as for `learn_epoch`. A lane sees fewer rows before its weights are merged than one that learns all,
    so more epochs are needed for the same loss.
    """
    shares = [share for lane in range(lanes) if (share := list(shards[lane::lanes]))]

    def once(_: int) -> OnlineLearner:
        last, told, graph = _lanes(blank, _path(before), shares, columns, classes, saved_rows(before))
        total = execute("train", [Delayed(key, graph) for key in (last, *told)])[0]
        return _applied(total, lane_start(blank, _path(before), columns, classes)[0])

    return begun_again(once)


def _lanes(
    blank: OnlineLearner,
    before: str | None,
    shares: Sequence[Sequence[Shard]],
    columns: int,
    classes: int,
    learned: int,
) -> tuple[_Key, list[_Key], dict[_Key, tuple[Any, ...]]]:
    """The key of all lanes' sums, those of the words of each step, and the graph: steps change estimators in place.

    No two graphs share a key, as no two epochs start from the same weights.
    """
    name = uuid4().hex
    graph: dict[_Key, tuple[Any, ...]] = {}
    told: list[_Key] = []
    level: list[_Key] = []
    for lane, share in enumerate(shares):
        at: _Key = (f"start-{name}", lane, 0)
        graph[at] = (lane_start, blank, before, columns, classes)
        seen = learned
        for number, part in enumerate(in_steps(share)):
            step, word = (f"step-{name}", lane, number), (f"told-{name}", lane, number)
            graph[step], graph[word] = (lane_step, at, part, seen), (itemgetter(1), step)
            told.append(word)
            at = step
            seen += sum(shard.rows for shard in part)
        level.append((f"sums-{name}", 0, lane))
        graph[level[-1]] = (lane_sums, at, blank, before, columns, classes, seen)
    height = 0
    while len(level) > 1:
        height += 1
        groups = [level[at : at + _FAN_IN] for at in range(0, len(level), _FAN_IN)]
        level = [(f"sums-{name}", height, number) for number in range(len(groups))]
        graph |= {key: (merged, group) for key, group in zip(level, groups, strict=True)}
    return level[0], told, graph


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
        estimator.learn(block.bounds, block.indices, block.values, block.labels)
    return estimator, Learned(progress_rows=sum(shard.rows for shard in shards))


def lane_sums(
    last: _Stepped,
    blank: OnlineLearner,
    before: str | None,
    columns: int,
    classes: int,
    learned: int,
) -> LaneSums:
    """What a finished lane, which has learned so many rows, brings to the merge."""
    estimator = last[0]
    require_rows(estimator, learned)
    start, _ = lane_start(blank, before, columns, classes)
    gained = _with_intercept(estimator.squares_, estimator.intercept_squares_)
    gained -= _with_intercept(start.squares_, start.intercept_squares_)
    return LaneSums(
        gained=gained,
        weighted=gained * _with_intercept(estimator.coef_.T, estimator.intercept_),
        doubly=gained * gained,
        rows=estimator.rows_seen_ - start.rows_seen_,
        losses=tuple(estimator.losses_[len(start.losses_) :]),
    )


def merged(sums: Sequence[LaneSums]) -> LaneSums:
    """The sums of several lanes, added up in their order."""
    return reduce(LaneSums.merge, sums)


def _applied(total: LaneSums, estimator: OnlineLearner) -> OnlineLearner:
    """The estimator of before the epoch with the merged weights; what no lane has touched stays."""
    touched = total.gained > 0
    sums = np.where(touched, total.gained, 1.0)
    weights = np.where(touched, total.weighted / sums, _with_intercept(estimator.weights_, estimator.intercept_))
    # Steps shrink by what a lane has seen of a coordinate, not by what all have: each moved on its own.
    squares = _with_intercept(estimator.squares_, estimator.intercept_squares_) + total.doubly / sums
    estimator.weights_[:], estimator.intercept_ = _without_intercept(weights)
    estimator.squares_[:], estimator.intercept_squares_ = _without_intercept(squares)
    estimator.rows_seen_ += total.rows
    estimator.seen_[touched[:-1].any(axis=1)] = estimator.rows_seen_
    estimator.losses_.extend(total.losses)
    estimator.loss_ = sum(loss for _, loss in total.losses) / max(1, total.rows)
    return estimator


def _with_intercept(features: npt.NDArray[Any], intercept: npt.NDArray[Any]) -> Doubles:
    return np.vstack([features, intercept[None, :]]).astype(np.float64)


def _without_intercept(both: Doubles) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    narrow = both.astype(np.float32)
    return np.ascontiguousarray(narrow[:-1]), np.ascontiguousarray(narrow[-1])
