"""Successive halving: the better settings win, trials go on exactly where they were, and nothing depends on chance."""

import numpy as np
import pyarrow as pa
import pytest
from oracles_text import snapshot_of
from pydantic import ValidationError

from pipeline.errors import JobFileError
from pipeline.execute import run_here
from pipeline.search import search_settings, settings_of, trials_of
from pipeline.search_config import SearchConfig
from pipeline.text.config import FeatureConfig
from pipeline.train.config import TrainConfig
from pipeline.train.fit import fit_model
from storage.store import Store

FEATURES, TRAIN = FeatureConfig(bits=12), TrainConfig()


def tickets(rows=400):
    random = np.random.default_rng(0)
    labels = random.choice(["bill", "slow"], rows)
    hints = [label if random.random() < 0.85 else random.choice(["bill", "slow"]) for label in labels]
    texts = [f"{hint} " + " ".join(f"w{number}" for number in random.integers(0, 200, 6)) for hint in hints]
    return pa.table({"text": texts, "label": labels.tolist()})


def search_of(**settings):
    return SearchConfig.model_validate(settings)


def test_every_combination_is_a_trial_or_a_drawn_part():
    values = {"train.l2": [0.01, 0.1, 1.0], "features.bits": [10, 12]}
    whole = trials_of(search_of(values=values))
    assert [trial.settings for trial in whole[:2]] == [
        {"train.l2": 0.01, "features.bits": 10}, {"train.l2": 0.01, "features.bits": 12},
    ]  # fmt: skip
    assert len(whole) == 6
    drawn = trials_of(search_of(values=values, trials=3, seed=1))
    assert len(drawn) == 3
    assert all(trial.settings in [one.settings for one in whole] for trial in drawn)
    assert drawn == trials_of(search_of(values=values, trials=3, seed=1))


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"train.l3": [1]}, "l3"),
        ({"cluster.workers": [1]}, "is no setting"),
        ({"train.l2": ["much"]}, "l2"),
        ({"train.solver": ["lbfgs"]}, "search is for solver"),
    ],
)
def test_what_cannot_be_tried_is_refused_before_anything_is_learned(values, told):
    (trial,) = trials_of(search_of(values=values))
    with pytest.raises(JobFileError, match=told):
        settings_of(trial, FEATURES, TRAIN, 0.2)


def test_a_search_without_values_is_refused():
    with pytest.raises(ValidationError, match="nothing to try"):
        search_of(values={"train.l2": []})


def test_the_better_settings_win_and_losses_are_those_of_training_alone(tmp_path):
    snapshot = snapshot_of(tickets(), tmp_path / "store")
    search = search_of(values={"train.l2": [0.1, 50.0, 1000.0], "features.bits": [12, 2]}, most_epochs=4, keep_one_of=2)
    found = search_settings(snapshot, FEATURES, TRAIN, search, tmp_path / "cache", run_here)
    assert [dict(one) for one in found.rounds] == [
        {"trials": 6, "epochs": 1}, {"trials": 3, "epochs": 2}, {"trials": 2, "epochs": 4},
    ]  # fmt: skip
    assert found.best.settings == {"train.l2": 0.1, "features.bits": 12}
    assert sorted(len(trial.losses) for trial in found.trials) == [1, 1, 1, 2, 4, 4]
    assert [len(trial.losses) for trial in found.trials] == [4, 4, 2, 1, 1, 1]
    assert not list((tmp_path / "cache").rglob("search-*"))
    again = search_settings(snapshot, FEATURES, TRAIN, search, tmp_path / "other", run_here)
    assert again == found
    # Going on from a state is learning in one go.
    train = TrainConfig.model_validate({"validation": 0.2, "epochs": 4, "patience": 9, "l2": 0.1})
    alone = fit_model(snapshot, FEATURES, train, tmp_path / "alone", run_here, {})
    assert [one["validation_loss"] for one in alone.evaluation["course"]] == list(found.best.losses)


def test_trials_stay_in_the_store(tmp_path):
    store = Store.open(tmp_path / "store", create=True)
    trials = [{"trial": 1, "settings": {"train.l2": 0.1}, "epochs": 3, "validation_loss": 0.5}]
    store.record_search("s1", "job", ("tickets", 2), trials)
    with store.sql(
        "SELECT search, dataset, version, place, settings->>'train.l2' AS l2 FROM _system.searches"
    ) as found:
        rows = found.read_all().to_pylist()
    assert [row["search"] for row in rows] == ["s1"]
    assert (rows[0]["version"], rows[0]["place"]) == (2, 1)
    assert store.verify() == []
