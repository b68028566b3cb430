"""From weighted shards to weights: which epochs are learned, when to stop, and what is kept."""

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import orjson

from pipeline.execute import Execute, task_of
from pipeline.text.tfidf import Weighting
from pipeline.train.checkpoints import is_saved, open_estimator, save_estimator
from pipeline.train.config import TrainConfig
from pipeline.train.epoch_steps import held_out_tallies
from pipeline.train.evaluate import Tally
from pipeline.train.full_batch import fit_full_batch, weights_by_class
from pipeline.train.hashed import HashedBlock
from pipeline.train.incremental import class_weights, epoch_order, learn_epoch, new_estimator
from pipeline.train.lanes import learn_epoch_in_lanes
from pipeline.train.learner import OnlineLearner
from pipeline.train.order import even_parts
from pipeline.train.shards import Shard
from pipeline.train.start import Start, started_from
from pipeline.train.state import LearningState

#: A validation loss must fall by this share to count as better.
_BETTER = 1e-4
#: Blocks whose rows that validate one task scores at most, and tasks that few blocks are spread over.
_SCORED_BLOCKS, _LEAST_SCORING = 8, 4
#: Changes when the same settings lead to other states.
_FORMAT = 2
#: What a checkpoint does not depend on: how many epochs follow, what is done with them, and the columns' names.
_NOT_IN_STATE = {
    *("epochs", "patience", "average", "iterations", "solver", "text", "label", "split"),
    *("calibration", "threshold", "learning_curve"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Epoch:
    """How learning stood after an epoch.

    Attributes
    ----------
    number
        From 1.
    rows
        Rows learned in it.
    loss
        Their mean loss, each before it was learned from: in the first epoch progressive validation.
    validation_loss
        Mean loss of the rows set aside; None where there are none.
    """

    number: int
    rows: int
    loss: float
    validation_loss: float | None

    def to_dict(self) -> dict[str, Any]:
        """A plain dict for JSON."""
        return {
            "epoch": self.number,
            "rows": self.rows,
            "loss": self.loss,
            "validation_loss": self.validation_loss,
        }


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class LearnedWeights:
    """What was learned.

    Attributes
    ----------
    weights, intercept
        As in `TrainedModel`.
    course
        The epochs, in order.
    state
        What learning can go on from; None after lbfgs.
    warnings
        What a person should know: one sentence each.
    """

    weights: npt.NDArray[np.float32]
    intercept: npt.NDArray[np.float32]
    course: tuple[Epoch, ...]
    state: LearningState | None = None
    warnings: tuple[str, ...] = ()


def learn(
    shards: Sequence[Shard],
    blocks: Sequence[HashedBlock],
    labels: Sequence[str],
    weighting: Weighting,
    counts: Sequence[int],
    train: TrainConfig,
    folder: Path,
    execute: Execute,
    start: Start | None = None,
) -> LearnedWeights:
    """The weights after all epochs that help, or at the optimum.

    The state after each epoch is kept in `folder`: a run that was cut off goes on after its last whole epoch, to the
    same bits.

    Parameters
    ----------
    shards
        At least one; none where learning goes on and there is nothing new.
    blocks
        All blocks, for their rows that validate.
    labels
        The classes, in order.
    weighting
        How counts become features.
    counts
        Rows of each class that train, with those that `start` has learned.
    train
        The settings.
    folder
        The folder of `shards`.
    execute
        Runs the tasks.
    start
        What learning goes on from; None to start with all weights zero.
    """
    places = folder / f"states-{state_key(train, counts)}"
    run = Learning(shards, blocks, labels, weighting, counts, train, places, execute, start)
    if train.solver == "lbfgs":
        return _to_the_optimum(run, folder)
    course: list[Epoch] = []
    for number in range(1, train.epochs + 1) if shards else ():
        course.append(run.epoch(number))
        if _stops(course, train):
            break
    kept = _kept(course, train) if shards else [0]
    estimators = [open_estimator(run.blank, run.place(number)) for number in kept]
    weights = np.mean([one.coef_.T for one in estimators], axis=0, dtype=np.float64)
    intercept = np.asarray(np.mean([one.intercept_ for one in estimators], axis=0, dtype=np.float64), np.float32)
    shutil.rmtree(places, ignore_errors=True)
    last = estimators[-1]
    return LearnedWeights(
        weights=np.ascontiguousarray(weights.astype(np.float32)),
        intercept=intercept,
        course=tuple(course),
        state=LearningState(
            squares=np.ascontiguousarray(last.squares_),
            intercept_squares=last.intercept_squares_,
            rows_seen=last.rows_seen_,
            label_rows=dict(zip(labels, counts, strict=True)),
        ),
    )


class Learning:
    """The epochs of one learning, each found on disk or learned."""

    def __init__(
        self,
        shards: Sequence[Shard],
        blocks: Sequence[HashedBlock],
        labels: Sequence[str],
        weighting: Weighting,
        counts: Sequence[int],
        train: TrainConfig,
        places: Path,
        execute: Execute,
        start: Start | None = None,
    ) -> None:
        self.shards, self.blocks, self.labels, self.weighting = shards, blocks, labels, weighting
        self.counts, self.train, self.places, self.execute = counts, train, places, execute
        self.blank = new_estimator(counts, train)
        self.started = start is not None
        if start is not None and not is_saved(self.place(0)):
            save_estimator(started_from(start, self.blank, weighting, labels), self.place(0))

    def place(self, number: int) -> Path:
        """Where the state after an epoch lies; that of epoch 0 is what learning goes on from, if anything."""
        return self.places / f"{number:04d}"

    def epoch(self, number: int) -> Epoch:
        """How learning stood after epoch `number`; its state is on disk afterwards."""
        if not is_saved(self.place(number)):
            save_estimator(self._learned(number), self.place(number))
        estimator = open_estimator(self.blank, self.place(number))
        latest = estimator.losses_[-len(self.shards) :]
        rows = sum(rows for rows, _ in latest)
        return Epoch(
            number=number,
            rows=rows,
            loss=sum(loss for _, loss in latest) / max(rows, 1),
            validation_loss=self._validation_loss(number),
        )

    def _learned(self, number: int) -> OnlineLearner:
        order = epoch_order(self.shards, number - 1, self.train.seed)
        before = self.place(number - 1) if number > 1 or self.started else None
        columns, classes = len(self.weighting.buckets), len(self.counts)
        if self.train.lanes > 1:
            return learn_epoch_in_lanes(
                self.blank, before, order, columns, classes, self.train.lanes, self.places, self.execute
            )
        return learn_epoch(self.blank, before, order, columns, classes, self.execute)

    def _validation_loss(self, number: int) -> float | None:
        held = [block for block in self.blocks if block.validation_rows]
        if not held:
            return None
        scored_by = self.blank, str(self.place(number)), tuple(self.labels), self.weighting.features, self.places.parent
        parts = even_parts(held, min(len(held), max(_LEAST_SCORING, -(-len(held) // _SCORED_BLOCKS))))
        tasks = [task_of(held_out_tallies, *scored_by, part, validation=True) for part in parts]
        total = Tally.empty(len(self.labels))
        for tallies in self.execute("train", tasks):
            total = reduce(Tally.merge, tallies, total)
        return total.loss / total.rows


def _stops(course: Sequence[Epoch], train: TrainConfig) -> bool:
    """Whether the last epochs did not help."""
    return course[-1].validation_loss is not None and len(course) - _best(course) >= train.patience


def _best(course: Sequence[Epoch]) -> int:
    """The number of the epoch that no later one beat clearly."""
    best = course[0]
    for epoch in course[1:]:
        assert epoch.validation_loss is not None  # noqa: S101 - all epochs are measured, or none
        assert best.validation_loss is not None  # noqa: S101
        if epoch.validation_loss < best.validation_loss * (1 - _BETTER):
            best = epoch
    return best.number


def _kept(course: Sequence[Epoch], train: TrainConfig) -> list[int]:
    """The epochs whose mean is the model."""
    if course[-1].validation_loss is not None:
        return [_best(course)]
    last = len(course)
    return list(range(last - last // 2, last + 1)) if train.average and last > 1 else [last]


def _to_the_optimum(run: Learning, folder: Path) -> LearnedWeights:
    first = run.epoch(1)
    estimator = open_estimator(run.blank, run.place(1))
    start = np.ascontiguousarray(estimator.coef_.T), estimator.intercept_
    by_class = weights_by_class(len(run.counts), class_weights(run.counts, run.train))
    weights, intercept, found = fit_full_batch(
        run.shards, start, by_class, run.train.l2, folder / "points", run.execute, iterations=run.train.iterations
    )
    warnings: tuple[str, ...] = ()
    if not found.converged:
        warnings = (
            f"lbfgs did not reach the optimum in {found.iterations} iterations; the model is the best point found. "
            f"Raise iterations in [train] (now {run.train.iterations}) or l2.",
        )
    shutil.rmtree(run.places, ignore_errors=True)
    return LearnedWeights(
        weights=np.ascontiguousarray(weights.astype(np.float32)),
        intercept=intercept.astype(np.float32),
        course=(first,),
        warnings=warnings,
    )


def state_key(train: TrainConfig, counts: Sequence[int]) -> str:
    """A name for the states that these settings lead to."""
    facts = {"format": _FORMAT, "train": train.model_dump(mode="json", exclude=_NOT_IN_STATE), "counts": list(counts)}
    return sha256(orjson.dumps(facts, option=orjson.OPT_SORT_KEYS)).hexdigest()[:16]
