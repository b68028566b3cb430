"""Learning that goes on from an earlier model, on the rows added since the version that it learned from."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from pydantic import ValidationError

from pipeline.errors import ModelError
from pipeline.text.config import FeatureConfig
from pipeline.text.tfidf import Weighting
from pipeline.train.config import TrainConfig
from pipeline.train.learner import OnlineLearner
from pipeline.train.model import TrainedModel, load_model
from pipeline.train.state import LearningState, open_state
from storage.store import Store
from storage.versions import Snapshot

#: Settings that say which rows the earlier model has learned and what it made of them.
_SHARED = ("text", "label", "split", "validation")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Start:
    """What learning goes on from.

    Attributes
    ----------
    model_id
        The earlier model's id in the store.
    model, state
        What it computes, and the state of learning that it was kept in.
    snapshot
        The version that it learned from.
    """

    model_id: str
    model: TrainedModel
    state: LearningState
    snapshot: Snapshot

    def to_dict(self) -> dict[str, Any]:
        """What tells it from any other, as plain values for JSON."""
        version = self.snapshot.version
        return {
            "model": self.model_id,
            "sha256": self.model.sha256,
            "state": self.state.digest,
            "dataset": version.dataset,
            "version": version.number,
            "fingerprint": version.fingerprint,
        }


def find_start(store: Store, name: str) -> Start:
    """What learning goes on from, where a job names it.

    Parameters
    ----------
    store
        The store.
    name
        A model: its id, the start of it, or ``NAME@STAGE``.

    Raises
    ------
    ModelError
        If nothing can start from it.
    storage.errors.StoreError
        If the model or its version is not there.
    """
    folder = store.model_path(name)
    model = load_model(folder)
    snapshot = store.snapshot(str(model.lineage.get("dataset")), model.lineage.get("version"))
    return Start(model_id=folder.name, model=model, state=open_state(folder), snapshot=snapshot)


def fitted_settings(start: Start, features: FeatureConfig, train: TrainConfig, dataset: str) -> FeatureConfig:
    """The settings of features, with the earlier model's width where the job leaves it open.

    Raises
    ------
    ModelError
        If the job learns from another dataset, makes other features of a text, finds other words in it, or tests other
        rows.
    """
    earlier = start.model.weighting.features
    if features.bits == "auto":
        features = features.model_copy(update={"bits": earlier.bits})
    try:
        before = TrainConfig.model_validate(start.model.lineage.get("train"))
    except ValidationError as error:
        raise ModelError(
            start.model_id,
            f"its lineage holds settings that this version of textmill does not know ({error.error_count()} problems)",
            "Start from a newer model, or leave start out of [train]",
        ) from error
    differing = [
        *(f"[features] {name}" for name in _differing(earlier, features)),
        *(f"[train] {name}" for name in _SHARED if getattr(before, name) != getattr(train, name)),
    ]
    if start.snapshot.version.dataset != dataset:
        differing.insert(0, f'dataset (there "{start.snapshot.version.dataset}", here "{dataset}")')
    if differing:
        raise ModelError(
            start.model_id,
            f"learning cannot go on from it with another {', '.join(differing)}",
            "Write the settings as its job had them (`textmill model` shows them), or leave start out of [train]",
        )
    start.model.require_segmenter()
    return features


def _differing(one: FeatureConfig, other: FeatureConfig) -> list[str]:
    facts = [
        {**each.model_dump(mode="json", exclude={"memory"}), "ngrams": list(each.ngram_range)} for each in (one, other)
    ]
    return [name for name in facts[0] if facts[0][name] != facts[1][name]]


def started_from(start: Start, blank: OnlineLearner, weighting: Weighting, labels: Sequence[str]) -> OnlineLearner:
    """An estimator that computes what the earlier model does and learns on as that would have.

    Parameters
    ----------
    start
        What it goes on from.
    blank
        An estimator that has learned nothing, for its parameters.
    weighting
        How counts become features now, with all buckets of the earlier one.
    labels
        The labels now, with all of the earlier model's.
    """
    estimator = OnlineLearner(**blank.get_params())
    estimator.started(np.arange(len(labels), dtype=np.int32), len(weighting.buckets))
    model, state = start.model, start.state
    rows = np.searchsorted(weighting.buckets, model.weighting.buckets)
    if len(labels) == 2:
        columns, halves = np.zeros(1, np.int64), np.ones(1, np.float32)
    elif len(model.labels) == 2:
        # The log-odds of the second of two labels are the difference of their two scores.
        columns, halves = _places(model.labels, labels), np.array([-0.5, 0.5], np.float32)
    else:
        columns, halves = _places(model.labels, labels), np.ones(len(model.labels), np.float32)
    estimator.weights_[np.ix_(rows, columns)] = model.weights * halves
    estimator.squares_[np.ix_(rows, columns)] = state.squares
    estimator.intercept_[columns] = model.intercept * halves
    estimator.intercept_squares_[columns] = state.intercept_squares
    estimator.rows_seen_ = state.rows_seen
    estimator.seen_[:] = state.rows_seen
    return estimator


def _places(some: Sequence[str], labels: Sequence[str]) -> npt.NDArray[np.int64]:
    return np.array([labels.index(label) for label in some], np.int64)
