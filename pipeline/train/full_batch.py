"""Logistic regression to its optimum: gradients over all rows, summed over shards in a fixed tree by Dask tasks.

Rows stay on disk; a task holds the weights, one gradient and one shard. Parameters and gradients go between tasks and
driver as files: to send an array takes several times as long as to write it and map it.
"""

import secrets
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from itertools import pairwise
from pathlib import Path

import numpy as np
import numpy.typing as npt
from dask import delayed

from pipeline.execute import Execute, task_of
from pipeline.text.hashing import read_only
from pipeline.train.block_files import open_block
from pipeline.train.gradient_kernel import add_curvature, add_gradient, dot
from pipeline.train.minimize import Minimum, minimize
from pipeline.train.shards import Shard
from storage.files import explained

Doubles = npt.NDArray[np.float64]

#: Tasks of a pass at least, and sums that one task adds up, or in the end the driver.
_LEAST_TASKS, _FAN_IN = 4, 16
#: Bytes that the remembered steps of the search may take, and how many there are at least and at most.
_MEMORY_BYTES, _FEWEST, _MOST = 1 << 29, 3, 20
#: How near the weights must be to the optimum, relative to their length.
_NEAR = 1e-3
#: Changes when the same parameters lead to another gradient.
_FORMAT = 1
_DIGEST_BYTES = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class SlopeFile:
    """Loss and gradient summed over some rows, on disk.

    Attributes
    ----------
    path
        A flat float64 array: the gradient by weights, then by intercepts, and last the loss.
    rows
        How many rows.
    """

    path: str
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
        """Gradient, or second derivatives, and loss at `point`, as `SlopeFile` has them; on disk afterwards."""
        facts = repr((_FORMAT, self._class_weights, curvature)).encode()
        # A run that goes on comes to the same points.
        kept = self._folder / f"{sha256(facts + sha256(point.data).digest()).hexdigest()}.slope"
        self._kept.append(kept)
        if (found := _restored(kept)) is not None:
            return found
        aside = self._folder / f"pass-{secrets.token_hex(8)}"
        with explained(aside):
            aside.mkdir(parents=True)
            try:
                slope = self._summed(point, aside, curvature)
                _keep(slope, aside / kept.name)
                (aside / kept.name).replace(kept)
            finally:
                shutil.rmtree(aside, ignore_errors=True)
        return slope

    def forget(self) -> None:
        """Nothing; the passes' gradients are off the disk."""
        for kept in self._kept:
            kept.unlink(missing_ok=True)

    def _summed(self, point: Doubles, aside: Path, curvature: bool) -> Doubles:
        np.save(aside / "point.npy", point)
        settings = str(aside / "point.npy"), self._shape, self._class_weights, curvature
        level = [
            task_of(shard_slope, [shard.folder for shard in leaf], *settings, str(aside / f"leaf-{number}.npy"))
            for number, leaf in enumerate(self._leaves)
        ]
        while len(level) > _FAN_IN:
            groups = [level[at : at + _FAN_IN] for at in range(0, len(level), _FAN_IN)]
            names = [str(aside / f"sum-{len(groups)}-{number}.npy") for number in range(len(groups))]
            level = [delayed(add_slopes, pure=False)(*pair) for pair in zip(groups, names, strict=True)]
        return added(self._execute("train", level))


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


def _groups(shards: Sequence[Shard]) -> list[list[Shard]]:
    """Neighbouring shards that are one task: as many as there are tasks, about, since each costs the scheduler time.

    The tasks are a power of two, so that two, four or eight workers end together.
    """
    root = 1 << (max(len(shards) - 1, 0).bit_length() + 1) // 2
    count = min(len(shards), max(_LEAST_TASKS, root))
    edges = [len(shards) * number // count for number in range(count + 1)]
    return [list(shards[start:stop]) for start, stop in pairwise(edges)]


def shard_slope(
    folders: Sequence[str],
    parameters: str,
    shape: tuple[int, int],
    class_weights: Sequence[float],
    curvature: bool,
    path: str,
) -> SlopeFile:
    """The slope of the rows of some shards, at `path`; with `curvature` second derivatives instead.

    The point lies at `parameters`.
    """
    add = add_curvature if curvature else add_gradient
    point = np.load(parameters, mmap_mode="r")
    size = shape[0] * shape[1]
    slope = np.zeros(len(point) + 1)
    gradient, rows = slope[:-1], 0
    for folder in folders:
        block = open_block(folder)
        slope[-1] += add(
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
    return _written(slope, path, rows)


def add_slopes(slopes: Sequence[SlopeFile], path: str) -> SlopeFile:
    """The slope of all rows of `slopes`, at `path`."""
    return _written(added(slopes), path, sum(slope.rows for slope in slopes))


def added(slopes: Sequence[SlopeFile]) -> Doubles:
    """Gradient and loss of all rows of `slopes`, added up in their order."""
    first, *others = (np.load(slope.path, mmap_mode="r") for slope in slopes)
    total = np.array(first)
    for other in others:
        total += other
    return total


def _written(slope: Doubles, path: str, rows: int) -> SlopeFile:
    # A task that is done twice must not take the first one's file from under its readers.
    aside = Path(f"{path}.{secrets.token_hex(4)}.npy")
    with explained(aside):
        np.save(aside, slope)
        aside.replace(path)
    return SlopeFile(path=path, rows=rows)


def weights_by_class(classes: int, given: Mapping[int, float] | None) -> list[float]:
    """The weight of each class in order, one where none is given."""
    return [1.0 if given is None else float(given.get(number, 1.0)) for number in range(classes)]
