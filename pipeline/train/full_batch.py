"""Logistic regression to its optimum: gradients over all rows, summed over shards in a fixed tree by Dask tasks.

Rows stay on disk; a task holds the weights, one gradient and one shard. The parameters go to the tasks as a file.
"""

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from itertools import pairwise
from pathlib import Path

import numpy as np
import numpy.typing as npt
from dask import delayed

from pipeline.execute import Execute, task_of
from pipeline.passed_file import PassedFile
from pipeline.text.hashing import read_only
from pipeline.train.block_files import open_block
from pipeline.train.gradient_kernel import add_curvature, add_gradient, dot
from pipeline.train.minimize import Minimum, minimize
from pipeline.train.shards import Shard

Doubles = npt.NDArray[np.float64]

#: Gradients are summed by so many tasks, each over neighbouring shards, or by as many as give each task so many shards:
#: with more shards more workers are of use. So many sums are added by one task.
_TASKS, _TASK_SHARDS, _FAN_IN = 16, 16, 4
#: Bytes that the remembered steps of the search may take, and how many there are at least and at most.
_MEMORY_BYTES, _FEWEST, _MOST = 1 << 29, 3, 20
#: How near the weights must be to the optimum, relative to their length.
_NEAR = 1e-3


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Slope:
    """Loss and gradient summed over some rows.

    Attributes
    ----------
    loss
        Sum of negative log-probabilities.
    gradient
        By weights, then by intercepts, flat, float64.
    rows
        How many rows.
    """

    loss: float
    gradient: Doubles
    rows: int

    @property
    def progress_rows(self) -> int:
        """Rows done with it, for whoever shows progress."""
        return self.rows


def fit_full_batch(
    shards: Sequence[Shard],
    start: tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]],
    class_weights: Sequence[float],
    l2: float,
    folder: Path,
    execute: Execute,
    *,
    iterations: int = 300,
) -> tuple[Doubles, Doubles, Minimum]:
    """Weights, shape (features, columns), intercepts, shape (columns,), and how the search went.

    What is minimised is scikit-learn's objective times l2: the summed loss and ``l2 / 2`` times the squared length of
    the weights, without the intercepts. The search ends when strong convexity promises that the weights are within
    0.1 % of the optimum: it cannot be further away than the gradient's length divided by `l2`.

    Parameters
    ----------
    shards
        All rows that train.
    start
        Weights and intercepts to begin from.
    class_weights
        The weight of each class.
    l2
        Strength of the pull towards zero; more than 0.
    folder
        Where parameters lie for the tasks; seen by all workers.
    execute
        Runs the tasks.
    iterations
        Steps at most.
    """
    shape = start[0].shape
    size = shape[0] * shape[1]
    leaves = _groups(shards)
    pull = np.full(size + shape[1], l2)
    pull[size:] = 0.0

    def total(point: Doubles, *, curvature: bool) -> Slope:
        path = folder / f"point-{secrets.token_hex(8)}.npy"
        np.save(path, point)
        # A run that goes on comes to the same points, and finds what was made of them.
        passed = PassedFile(path=str(path), digest=sha256(point.tobytes()).hexdigest())
        try:
            return _total(leaves, passed, shape, tuple(class_weights), curvature, execute)
        finally:
            path.unlink()

    folder.mkdir(parents=True, exist_ok=True)
    first = np.concatenate([start[0].ravel(), start[1]]).astype(np.float64)
    # The search is for each weight times the root of its curvature: frequent and rare features are then alike.
    scale = 1.0 / np.sqrt(np.maximum(total(first, curvature=True).gradient + pull, np.finfo(np.float64).tiny))

    def function(scaled: Doubles) -> tuple[float, Doubles]:
        point = scale * scaled
        slope = total(point, curvature=False)
        return slope.loss + l2 / 2 * dot(point[:size], point[:size]), scale * (slope.gradient + pull * point)

    def near(scaled: Doubles, gradient: Doubles) -> bool:
        point, slope = scale * scaled, gradient / scale
        return bool(np.sqrt(dot(slope, slope)) <= _NEAR * l2 * np.sqrt(dot(point, point)))

    memory = min(_MOST, max(_FEWEST, _MEMORY_BYTES // (16 * (size + shape[1]))))
    found = minimize(function, first / scale, near, iterations=iterations, memory=memory)
    point = scale * found.point
    return point[:size].reshape(shape), point[size:], found


def _groups(shards: Sequence[Shard]) -> list[list[Shard]]:
    count = min(len(shards), max(_TASKS, len(shards) // _TASK_SHARDS))
    edges = [len(shards) * number // count for number in range(count + 1)]
    return [list(shards[start:stop]) for start, stop in pairwise(edges)]


def _total(
    leaves: Sequence[Sequence[Shard]],
    parameters: PassedFile,
    shape: tuple[int, int],
    class_weights: tuple[float, ...],
    curvature: bool,
    execute: Execute,
) -> Slope:
    level = [
        task_of(shard_slope, [shard.folder for shard in leaf], parameters, shape, class_weights, curvature)
        for leaf in leaves
    ]
    while len(level) > 1:
        level = [delayed(added, pure=False)(level[at : at + _FAN_IN]) for at in range(0, len(level), _FAN_IN)]
    slope: Slope = execute("train", level)[0]
    return slope


def shard_slope(
    folders: Sequence[str],
    parameters: PassedFile,
    shape: tuple[int, int],
    class_weights: Sequence[float],
    curvature: bool = False,
) -> Slope:
    """The slope of the rows of some shards, one after the other; with `curvature` second derivatives instead."""
    add = add_curvature if curvature else add_gradient
    point = np.load(parameters.path, mmap_mode="r")
    size = shape[0] * shape[1]
    gradient = np.zeros(len(point), np.float64)
    loss, rows = 0.0, 0
    for folder in folders:
        block = open_block(folder)
        loss += add(
            read_only(block.bounds.astype(np.int64)),
            read_only(block.indices),
            read_only(block.values),
            read_only(block.labels),
            read_only(np.array(class_weights, np.float64)),
            read_only(point[:size].reshape(shape)),
            read_only(point[size:]),
            gradient[:size].reshape(shape),
            gradient[size:],
        )
        rows += len(block.labels)
    return Slope(loss=loss, gradient=gradient, rows=rows)


def added(slopes: Sequence[Slope]) -> Slope:
    """The slope of all rows of `slopes`, added up in their order."""
    gradient = slopes[0].gradient.copy()
    for slope in slopes[1:]:
        gradient += slope.gradient
    return Slope(loss=sum(slope.loss for slope in slopes), gradient=gradient, rows=sum(slope.rows for slope in slopes))


def weights_by_class(classes: int, given: Mapping[int, float] | None) -> list[float]:
    """The weight of each class in order, one where none is given."""
    return [1.0 if given is None else float(given.get(number, 1.0)) for number in range(classes)]
