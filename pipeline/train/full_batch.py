"""Logistic regression to its optimum: gradients over all rows, summed over shards in a fixed tree by Dask tasks.

Rows stay on disk; a task holds the weights, one gradient and one shard. Parameters and gradients are passed as files.
"""

from collections.abc import Mapping, Sequence
from hashlib import sha256
from pathlib import Path

import numpy as np
import numpy.typing as npt

from pipeline.execute import Execute, task_of
from pipeline.text.hashing import read_only
from pipeline.train.array_files import ArrayFile, map_array, passing, summed, total_of, write_array
from pipeline.train.block_files import open_block
from pipeline.train.gradient_kernel import add_curvature, add_gradient, dot
from pipeline.train.minimize import Minimum, minimize
from pipeline.train.order import even_parts
from pipeline.train.shards import Shard
from storage.files import explained

Doubles = npt.NDArray[np.float64]

#: Tasks of a pass at least, where there are as many shards.
_LEAST_TASKS = 4
#: Bytes that the remembered steps of the search may take, and how many there are at least and at most.
_MEMORY_BYTES, _FEWEST, _MOST = 1 << 29, 3, 20
#: How near the weights must be to the optimum, relative to their length.
_NEAR = 1e-3
#: Changes when the same parameters lead to another gradient.
_FORMAT = 1
_DIGEST_BYTES = 32


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
        Where parameters and gradients lie, seen by all workers. A run that was cut off finds there what passes gave.
    execute
        Runs the tasks.
    iterations
        Steps at most.
    """
    shape = start[0].shape
    size = shape[0] * shape[1]
    passes = _Passes(shards, shape, class_weights, folder, execute)
    pull = np.full(size + shape[1], l2)
    pull[size:] = 0.0
    first = np.concatenate([start[0].ravel(), start[1]]).astype(np.float64)
    # The search is for each weight times the root of its curvature: frequent and rare features are then alike.
    curvature = passes.slope(first, curvature=True)[:-1]
    scale = 1.0 / np.sqrt(np.maximum(curvature + pull, np.finfo(np.float64).tiny))

    def function(scaled: Doubles) -> tuple[float, Doubles]:
        point = scale * scaled
        slope = passes.slope(point)
        return slope[-1] + l2 / 2 * dot(point[:size], point[:size]), scale * (slope[:-1] + pull * point)

    def near(scaled: Doubles, gradient: Doubles) -> bool:
        point, slope = scale * scaled, gradient / scale
        return bool(np.sqrt(dot(slope, slope)) <= _NEAR * l2 * np.sqrt(dot(point, point)))

    memory = min(_MOST, max(_FEWEST, _MEMORY_BYTES // (16 * (size + shape[1]))))
    found = minimize(function, first / scale, near, iterations=iterations, memory=memory)
    passes.forget()
    point = scale * found.point
    return point[:size].reshape(shape), point[size:], found


class _Passes:
    """Passes over all rows."""

    def __init__(
        self,
        shards: Sequence[Shard],
        shape: tuple[int, int],
        class_weights: Sequence[float],
        folder: Path,
        execute: Execute,
    ) -> None:
        self._leaves = _groups(shards)
        self._shape, self._class_weights = shape, tuple(class_weights)
        self._folder, self._execute = folder, execute
        self._kept: list[Path] = []

    def slope(self, point: Doubles, *, curvature: bool = False) -> Doubles:
        """Gradient, or second derivatives, and loss at `point`, as in `shard_slope`; on disk afterwards."""
        facts = repr((_FORMAT, self._class_weights, curvature)).encode()
        # A run that goes on comes to the same points.
        kept = self._folder / f"{sha256(facts + sha256(point.data).digest()).hexdigest()}.slope"
        self._kept.append(kept)
        if (found := _restored(kept)) is not None:
            return found
        with passing(self._folder) as aside:
            slope = self._summed(point, aside, curvature)
            with explained(kept):
                _keep(slope, aside / kept.name)
                (aside / kept.name).replace(kept)
        return slope

    def forget(self) -> None:
        """Nothing; the passes' gradients are off the disk."""
        for kept in self._kept:
            kept.unlink(missing_ok=True)

    def _summed(self, point: Doubles, aside: Path, curvature: bool) -> Doubles:
        parameters = str(aside / "point.npy")
        write_array(point, parameters)
        settings = parameters, self._shape, self._class_weights, curvature
        leaves = [
            task_of(shard_slope, [shard.folder for shard in leaf], *settings, str(aside / f"leaf-{number}.npy"))
            for number, leaf in enumerate(self._leaves)
        ]
        return total_of(self._execute("train", summed(leaves, aside)))


def _keep(slope: Doubles, path: Path) -> None:
    with path.open("wb") as file:
        file.write(sha256(slope.data).digest())
        file.write(slope.data)


def _restored(path: Path) -> Doubles | None:
    """The slope that `_keep` left at `path`; None where there is none, or not all of it, as after a machine's death."""
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return None
    digest, slope = content[:_DIGEST_BYTES], content[_DIGEST_BYTES:]
    return np.frombuffer(slope) if sha256(slope).digest() == digest else None


def _groups(shards: Sequence[Shard]) -> list[Sequence[Shard]]:
    """Neighbouring shards that are one task: as many as there are tasks, or up to four times as many.

    A task costs worker, scheduler and driver together as much time as a shard or two. The tasks are a power of two, so
    that two, four or eight workers end together.
    """
    root = 1 << (len(shards).bit_length() - 1) // 2
    return even_parts(shards, min(len(shards), max(_LEAST_TASKS, root)))


def shard_slope(
    folders: Sequence[str],
    parameters: str,
    shape: tuple[int, int],
    class_weights: Sequence[float],
    curvature: bool,
    path: str,
) -> ArrayFile:
    """The slope of the rows of some shards, at `path`; with `curvature` second derivatives instead.

    It is a flat float64 array: the gradient by weights, then by intercepts, and last the loss, the sum of negative
    log-probabilities. The point lies at `parameters`.
    """
    add = add_curvature if curvature else add_gradient
    point = map_array(parameters)
    size = shape[0] * shape[1]
    slope, by_class = np.zeros(len(point) + 1), np.array(class_weights, np.float64)
    gradient, rows = slope[:-1], 0
    for folder in folders:
        block = open_block(folder)
        weights = by_class[block.labels]
        if block.weights is not None:
            weights *= block.weights
        slope[-1] += add(
            read_only(block.bounds.astype(np.int64)),
            read_only(block.indices),
            read_only(block.values),
            read_only(block.labels),
            read_only(weights),
            read_only(point[:size].reshape(shape)),
            read_only(point[size:]),
            gradient[:size].reshape(shape),
            gradient[size:],
        )
        rows += len(block.labels)
    write_array(slope, path)
    return ArrayFile(path=path, progress_rows=rows)


def weights_by_class(classes: int, given: Mapping[int, float] | None) -> list[float]:
    """The weight of each class in order, one where none is given."""
    return [1.0 if given is None else float(given.get(number, 1.0)) for number in range(classes)]
