"""A search for settings by successive halving: all trials learn a little, the better ones go on from where they were.

After Jamieson and Talwalkar, "Non-stochastic Best Arm Identification and Hyperparameter Optimization" (AISTATS 2016):
each round keeps a part of the trials and gives each of these so many times the epochs. Rows stay on disk, and a trial
that goes on starts from its last epoch's state.
"""

import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import product
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from pipeline.errors import JobFileError
from pipeline.execute import Execute
from pipeline.problems import explain
from pipeline.search_config import SearchConfig
from pipeline.text.config import FeatureConfig
from pipeline.train.config import TrainConfig
from pipeline.train.fit import prepare_learning
from pipeline.train.learn import Learning
from pipeline.train.order import shuffled
from storage.versions import Snapshot


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """Settings that were tried, and how far they came.

    Attributes
    ----------
    number
        Its place in the order of the search's table, from 0.
    settings
        Dotted key -> value, such as "train.l2" -> 0.1.
    losses
        Mean log loss of the rows that validate after each epoch that it learned.
    """

    number: int
    settings: Mapping[str, Any]
    losses: tuple[float, ...] = ()

    @property
    def loss(self) -> float:
        """The least loss of any epoch, as early stopping would keep it; infinite before the first."""
        return min(self.losses, default=float("inf"))

    def to_dict(self) -> dict[str, Any]:
        """A plain dict for JSON."""
        return {
            "trial": self.number,
            "settings": dict(self.settings),
            "epochs": len(self.losses),
            "validation_loss": self.loss,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Searched:
    """All trials, the best first: those that came further before those that were given up, then by loss."""

    trials: tuple[Trial, ...]
    rounds: tuple[Mapping[str, int], ...] = field(default_factory=tuple)

    @property
    def best(self) -> Trial:
        """The winner."""
        return self.trials[0]


def trials_of(search: SearchConfig) -> list[Trial]:
    """The trials: every combination of the values given, or so many of them drawn by the seed."""
    combinations = [dict(zip(search.values, chosen, strict=True)) for chosen in product(*search.values.values())]
    order = range(len(combinations))
    if search.trials is not None and search.trials < len(combinations):
        order = sorted(shuffled(len(combinations), search.seed)[: search.trials].tolist())  # type: ignore[assignment]
    return [Trial(number=number, settings=combinations[at]) for number, at in enumerate(order)]


def settings_of(
    trial: Trial, features: FeatureConfig, train: TrainConfig, share: float
) -> tuple[FeatureConfig, TrainConfig]:
    """A trial's whole settings; a share of the rows validates where the job sets none aside.

    Raises
    ------
    JobFileError
        If a key is unknown or a value is none of its kind, as in the job file itself.
    """
    tables: dict[str, dict[str, Any]] = {
        "features": features.model_dump(mode="python"),
        "train": train.model_dump(mode="python"),
    }
    for key, value in trial.settings.items():
        table, _, name = key.partition(".")
        if table not in tables or not name:
            raise JobFileError((f'search.values: "{key}" is no setting; write train.KEY or features.KEY',), "[search]")
        tables[table][name] = value
    # All trials learn from nothing: what they are told apart by must not be what an earlier model was good at.
    tables["train"]["start"] = None
    if tables["train"]["validation"] == 0:
        tables["train"]["validation"] = share
    try:
        made = FeatureConfig.model_validate(tables["features"]), TrainConfig.model_validate(tables["train"])
    except ValidationError as error:
        problems = explain(error, FeatureConfig if error.title == "FeatureConfig" else TrainConfig)
        raise JobFileError(
            tuple(f"search.values, trial {trial.number}: {one}" for one in problems), "[search]"
        ) from error
    if made[1].solver != "incremental" or made[1].average:
        raise JobFileError(
            ('search is for solver = "incremental" without average: it goes on from epoch to epoch',), "[search]"
        )
    return made


def search_settings(
    snapshot: Snapshot,
    features: FeatureConfig,
    train: TrainConfig,
    search: SearchConfig,
    cache: Path,
    execute: Execute,
    *,
    note: Callable[[str], None] = lambda _: None,
) -> Searched:
    """The trials with their losses. It depends on the rows and the settings alone.

    The rows that test are never looked at: trials are told apart by rows that validate.

    Parameters
    ----------
    snapshot
        The version.
    features, train
        What trials do not change.
    search
        What they do, and for how long.
    cache
        A folder that all workers see, for hashed rows; trials with the same features share them.
    execute
        Runs tasks.
    note
        Hears of each round.

    Raises
    ------
    JobFileError, DataError
        If the settings, or the rows, do not serve.
    """
    alive = trials_of(search)
    whole = [settings_of(trial, features, train, search.validation) for trial in alive]
    learnings: dict[int, Learning] = {}
    given_up: list[Trial] = []
    rounds = []
    epochs = search.first_epochs
    try:
        while True:
            note(f"{len(alive)} trials learn for {epochs} epochs")
            rounds.append({"trials": len(alive), "epochs": epochs})
            for at, trial in enumerate(alive):
                if trial.number not in learnings:
                    learnings[trial.number] = prepare_learning(snapshot, *whole[trial.number], cache, execute)
                alive[at] = _gone_on(trial, learnings[trial.number], epochs)
            alive = _ranked(alive)
            if len(alive) == 1 or epochs >= search.most_epochs:
                break
            kept = -(-len(alive) // search.keep_one_of)
            given_up = [*alive[kept:], *given_up]
            for trial in alive[kept:]:
                shutil.rmtree(learnings.pop(trial.number).places, ignore_errors=True)
            alive, epochs = alive[:kept], min(epochs * search.keep_one_of, search.most_epochs)
    finally:
        for learning in learnings.values():
            shutil.rmtree(learning.places, ignore_errors=True)
    return Searched(trials=(*alive, *given_up), rounds=tuple(rounds))


def _gone_on(trial: Trial, learning: Learning, epochs: int) -> Trial:
    losses = list(trial.losses)
    for number in range(len(losses) + 1, epochs + 1):
        loss = learning.epoch(number).validation_loss
        losses.append(float("inf") if loss is None else loss)
    return replace(trial, losses=tuple(losses))


def _ranked(trials: Sequence[Trial]) -> list[Trial]:
    return sorted(trials, key=lambda trial: (trial.loss, trial.number))
