"""What workers do with an estimator during an epoch; neither Dask nor dask-ml is loaded for it there."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from pipeline.errors import PipelineError
from pipeline.text.config import FeatureConfig
from pipeline.train.block_files import open_block
from pipeline.train.checkpoints import open_estimator
from pipeline.train.evaluate import Tally, tally
from pipeline.train.hashed import HashedBlock
from pipeline.train.learner import OnlineLearner
from pipeline.train.shards import open_weighting

Step = TypeVar("Step")

#: How often an epoch starts again whose estimator was found ahead of its step.
_TRIES = 3
#: Shards are learned in about so many steps, each a task of at most so many shards: the scheduler has work with each.
STEPS, _STEP_SHARDS = 8, 16


class EstimatorAheadError(PipelineError, RuntimeError):
    """A step was given an estimator that has learned more rows than those before the step.

    Steps change the estimator in place. Where a worker dies, a step may be done again with what another worker fetched
    of it, too late, and rows would be learned twice. Starting again from the epoch's beginning helps.

    Parameters
    ----------
    expected, found
        Rows learned.
    """

    retryable = True

    def __init__(self, expected: int, found: int) -> None:
        super().__init__(expected, found)
        self.expected = expected
        self.found = found

    def __str__(self) -> str:
        return (
            f"an estimator that should have learned {self.expected} rows has learned {self.found}, "
            "after a worker was lost; start the run again, which goes on after the last whole epoch"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Learned:
    """Shards that were learned; it says so to whoever shows progress."""

    progress_rows: int


def begun_again(learn: Callable[[int], OnlineLearner]) -> OnlineLearner:
    """What `learn` answers to the number of the attempt, from 0; it is asked again where an estimator was ahead.

    Raises
    ------
    EstimatorAheadError
        If it happens again and again.
    """
    for attempt in range(_TRIES - 1):
        try:
            return learn(attempt)
        except EstimatorAheadError:
            continue
    return learn(_TRIES - 1)


def require_rows(estimator: OnlineLearner, expected: int) -> None:
    """Nothing, where the estimator has learned so many rows.

    Raises
    ------
    EstimatorAheadError
        If it has learned others.
    """
    found = getattr(estimator, "rows_seen_", 0)
    if found != expected:
        raise EstimatorAheadError(expected, found)


def in_steps(shards: Sequence[Step], steps: int = STEPS) -> list[list[Step]]:
    """What is learned one after the other, in their order, in about so many parts that are learned by one task each."""
    size = min(_STEP_SHARDS, max(1, len(shards) // steps))
    return [list(shards[at : at + size]) for at in range(0, len(shards), size)]


def begun(blank: OnlineLearner, before: str | None) -> OnlineLearner:
    """The estimator that an epoch begins with."""
    return OnlineLearner(**blank.get_params()) if before is None else open_estimator(blank, before)


def learn_steps(learned: int, estimator: OnlineLearner, each: Sequence[Sequence[Any]]) -> OnlineLearner:
    """Several steps of `Incremental`, which change `estimator` in place, for one that has learned so many rows.

    The rows were written by this package, and their labels are the numbers of their classes: neither is checked again.

    Parameters
    ----------
    learned
        How many.
    estimator
        The estimator.
    each
        Of every step the rows, their labels, and how to learn them.
    """
    require_rows(estimator, learned)
    for rows, labels, options in each:
        if not hasattr(estimator, "state_"):
            estimator.started(options["classes"], rows.shape[1])
        estimator.learn(rows.indptr, rows.indices, rows.data, labels, rows.weights)
    return estimator


def labels_of(folder: str) -> npt.NDArray[np.int32]:
    """The numbers of the classes of a shard's rows."""
    return open_block(folder).labels


def told(_: OnlineLearner, rows: int) -> Learned:
    """Word of so many rows that were learned."""
    return Learned(progress_rows=rows)


def held_out_tallies(
    blank: OnlineLearner,
    state: str,
    labels: Sequence[str],
    features: FeatureConfig,
    weighting_folder: Path,
    blocks: Sequence[HashedBlock],
    *,
    validation: bool = False,
) -> tuple[Tally, ...]:
    """The tally of each block's rows that test, or of those that validate, by an estimator on disk, opened once."""
    weighting, estimator = open_weighting(features, weighting_folder), open_estimator(blank, state)
    ranks = weighting.ranks()
    tallies = []
    for block in blocks:
        counts, texts = block.held_out(validation=validation)
        tallies.append(tally(estimator.predict_proba(weighting.weigh(counts, ranks)), texts, labels))
    return tuple(tallies)


def held_out_tally(
    blank: OnlineLearner,
    state: str,
    labels: Sequence[str],
    features: FeatureConfig,
    weighting_folder: Path,
    block: HashedBlock,
) -> Tally:
    """The tally of one block's rows that test, as `held_out_tallies` gives it."""
    return held_out_tallies(blank, state, labels, features, weighting_folder, [block])[0]
