"""From a version to a tested model."""

import secrets
import shutil
import time
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from pipeline.execute import Execute
from pipeline.passed_file import PassedFile
from pipeline.text.config import FeatureConfig
from pipeline.text.segmentation import segmenter
from pipeline.train.added import AddedRows
from pipeline.train.calibrate import (
    choose_thresholds,
    fit_isotonic,
    fit_platt,
    fit_temperature,
    missed,
)
from pipeline.train.config import TrainConfig
from pipeline.train.evaluate import Tally, evaluate, evaluation, metrics
from pipeline.train.explain import top_features
from pipeline.train.hashed import HashedBlock
from pipeline.train.learn import LearnedWeights, Learning, learn, state_key
from pipeline.train.learning_curve import learning_curve
from pipeline.train.model import TrainedModel
from pipeline.train.prepare import PreparedRows, prepare_rows
from pipeline.train.score_bins import ScoreBins
from pipeline.train.start import Start
from storage.versions import Snapshot


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class FitResult:
    """A model and what is known about it.

    Attributes
    ----------
    model
        The model, with its lineage and metrics.
    metrics
        As `pipeline.train.evaluate.metrics` gives them, and "train_rows".
    evaluation
        As `pipeline.train.evaluate.evaluation` tells it, with "course" (a dict an epoch: "epoch", "rows", "loss",
        "validation_loss") and, where asked for, "thresholds" and "learning_curve".
    top_features
        Each label's weightiest n-grams with their weights, the weightiest first.
    seconds
        Wall time by stage: "features", "train", "calibrate", "evaluate", "explain".
    warnings
        What a person should know: one sentence each.
    train_rows, test_rows
        Rows that trained and tested.
    """

    model: TrainedModel
    metrics: Mapping[str, float | int]
    evaluation: Mapping[str, Any]
    top_features: dict[str, list[tuple[str, float]]]
    seconds: Mapping[str, float]
    warnings: tuple[str, ...]
    train_rows: int
    test_rows: int


@dataclass(slots=True)
class _Watch:
    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def __call__(self, stage: str) -> Iterator[None]:
        began = time.perf_counter()
        yield
        self.seconds[stage] = time.perf_counter() - began


def fit_model(
    snapshot: Snapshot,
    features: FeatureConfig,
    train: TrainConfig,
    cache: Path,
    execute: Execute,
    lineage: Mapping[str, Any],
    start: Start | None = None,
) -> FitResult:
    """The model that the version's rows give, tested on the rows set apart for that.

    It depends on the rows in their order and on the settings alone: not on files, workers, threads, or on what `cache`
    holds.

    Parameters
    ----------
    snapshot
        The version.
    features
        From text to numbers.
    train
        Columns, split, and how to learn.
    cache
        A folder all workers see, for hashed rows; whatever is in it may be thrown away at any time.
    execute
        Runs tasks.
    lineage
        What the model's lineage says beside the settings: dataset, version, run, libraries.
    start
        What learning goes on from, where `train` names a model for that.

    Raises
    ------
    DataError
        If a column is missing, or the rows cannot train and test a classifier.
    ModelError
        If learning cannot go on from `start` with these settings.
    """
    watch = _Watch()
    with watch("features"):
        rows = prepare_rows(snapshot, features, train, cache, execute, start)
    blocks, labels, folder = rows.blocks, rows.labels, rows.folder
    learning = rows.shards, blocks, labels, rows.weighting, rows.counts, train, rows.place, execute
    with watch("train"):
        learned = learn(*learning, start)
        lineage = {**lineage, "split": rows.plan.to_dict()}
        if start is not None and rows.added is not None:
            lineage["start"] = {**start.to_dict(), "removed_rows": rows.added.removed}
        if rows.width is not None:
            lineage["width"] = rows.width.to_dict()
        model = _model_of(learned, rows, train, lineage)
    with watch("calibrate"):
        model = _calibrated(model, blocks, train, folder, execute)
    with watch("evaluate"), _lying_in(folder, model) as lying:
        total = evaluate(lying, blocks, len(labels), execute)
        told = {**evaluation(total, labels), "course": [one.to_dict() for one in learned.course]}
        if train.learning_curve:
            told["learning_curve"] = learning_curve(*learning)
    warnings = [*_warnings(blocks, total, features, train), *learned.warnings]
    if start is not None and rows.added is not None:
        warnings += _start_warnings(blocks, start, rows.added)
    if rows.width is not None:
        warnings.append(str(rows.width))
    if model.decision is not None and train.threshold is not None:
        told["thresholds"] = model.decision.to_dict()
        warnings += missed(model.decision, train.threshold)
    with watch("explain"):
        explained = top_features(model, snapshot, train, execute)
    train_rows = sum(block.train_rows for block in blocks)
    figures = {**metrics(total, labels), "train_rows": train_rows}
    return FitResult(
        model=replace(model, metrics=figures, evaluation=told, state=learned.state),
        metrics=figures,
        evaluation=told,
        top_features=explained,
        seconds=watch.seconds,
        warnings=tuple(warnings),
        train_rows=train_rows,
        test_rows=total.rows,
    )


def _calibrated(
    model: TrainedModel, blocks: Sequence[HashedBlock], train: TrainConfig, folder: Path, execute: Execute
) -> TrainedModel:
    """The model with the calibration and thresholds that `train` asks for."""
    classes = len(model.labels)
    if train.calibration != "none":
        with _lying_in(folder, model) as lying:
            if train.calibration == "temperature":
                calibration = fit_temperature(lying, blocks, Path(lying.path), execute)
            else:
                fit = fit_platt if train.calibration == "platt" else fit_isotonic
                calibration = fit(_bins(evaluate(lying, blocks, classes, execute, validation=True)))
        model = replace(model, calibration=calibration)
    if train.threshold is not None:
        with _lying_in(folder, model) as lying:
            bins = _bins(evaluate(lying, blocks, classes, execute, validation=True))
        model = replace(model, decision=choose_thresholds(bins, model.labels, train.threshold))
    return model


def _bins(total: Tally) -> ScoreBins:
    if total.bins is None:
        raise ValueError("no row validates")
    return total.bins


def prepare_learning(
    snapshot: Snapshot, features: FeatureConfig, train: TrainConfig, cache: Path, execute: Execute
) -> Learning:
    """The learning of the model that `fit_model` would give, before its first epoch; parameters and errors likewise."""
    rows = prepare_rows(snapshot, features, train, cache, execute)
    places = rows.place / f"search-{state_key(train, rows.counts)}"
    return Learning(rows.shards, rows.blocks, rows.labels, rows.weighting, rows.counts, train, places, execute)


def _start_warnings(blocks: Sequence[HashedBlock], start: Start, added: AddedRows) -> list[str]:
    version = start.snapshot.version
    told = []
    if not any(block.train_rows for block in blocks):
        told.append(
            f"No row that trains was added since {version.dataset} version {version.number}: "
            f"the model computes what {start.model_id} does."
        )
    if added.removed:
        told.append(
            f"{added.removed} rows of {version.dataset} version {version.number} are not in this version; "
            f"what {start.model_id} learned from them stays in the model. Leave start out of [train] to forget them."
        )
    return told


@contextmanager
def _lying_in(folder: Path, model: TrainedModel) -> Iterator[PassedFile]:
    """A folder that workers find the model in, while it lasts."""
    place = folder / f"model-{secrets.token_hex(8)}"
    try:
        model.save(place)
        yield PassedFile(path=str(place), digest=model.sha256)
    finally:
        shutil.rmtree(place, ignore_errors=True)


def _model_of(
    learned: LearnedWeights, rows: PreparedRows, train: TrainConfig, lineage: Mapping[str, Any]
) -> TrainedModel:
    facts = {
        **lineage,
        "features": rows.features.model_dump(mode="json"),
        "train": train.model_dump(mode="json"),
        "unicode": unicodedata.unidata_version,
        **segmenter(rows.features),
        "course": [one.to_dict() for one in learned.course],
        "rows": {
            name: sum(getattr(block, name) for block in rows.blocks)
            for name in (
                "rows",
                "train_rows",
                "validation_rows",
                "test_rows",
                "missing_label",
                "no_features",
                "left_out",
            )
        },
    }
    return TrainedModel(
        labels=rows.labels,
        weighting=rows.weighting,
        weights=learned.weights,
        intercept=learned.intercept,
        text=train.text,
        lineage=facts,
    )


def _warnings(
    blocks: Sequence[HashedBlock], tally: Tally, features: FeatureConfig, train: TrainConfig
) -> tuple[str, ...]:
    missing = sum(block.missing_label for block in blocks)
    without = sum(block.no_features for block in blocks)
    found = []
    if missing:
        found.append(f'{missing} rows have no label in column "{train.label}" and neither trained nor tested.')
    if without or tally.no_features:
        found.append(
            f"{without} rows that would have trained and {tally.no_features} test rows have no feature with analyzer "
            f'"{features.analyzer}": the first taught nothing, the others got the most frequent label.'
        )
    left_out = sum(block.left_out for block in blocks)
    if left_out:
        found.append(f"{left_out} rows that would have tested are left out: an equal text trains.")
    if tally.unknown:
        names = ", ".join(f'"{label}"' for label in tally.unknown)
        found.append(f"No row that trains has the label {names}; its test rows count as mistakes.")
    return tuple(found)
