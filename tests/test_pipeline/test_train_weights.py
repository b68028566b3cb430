"""Rows that count more or less than others: in both solvers, in lanes, in any layout; bad weights are refused."""

import dask
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from sklearn.linear_model import LogisticRegression
from test_pipeline.test_train_fit import fit, tickets

from pipeline.errors import DataError
from pipeline.text.config import FeatureConfig
from pipeline.train.logistic import OnlineLogisticRegression

SPLIT = {"column": "side", "test": "test"}


def weighted(weights, rows=400, wrong=0.0):
    """Rows with a weight each; a share `wrong` of those that weigh nothing have the label of another row."""
    table = tickets(rows, labels=("bill", "slow"))
    labels, weights = np.array(table["label"].to_pylist()), np.asarray(weights)
    spoilt = (weights == 0) & (np.random.default_rng(1).random(rows) < wrong)
    labels[spoilt] = np.where(labels[spoilt] == "bill", "slow", "bill")
    side = np.where(np.arange(rows) % 5 == 0, "test", "train")
    return pa.table({"text": table["text"], "label": labels, "weight": weights, "side": side})


SETTINGS = [{"solver": "lbfgs"}, {"epochs": 3}, {"epochs": 3, "lanes": 3}, {"class_weight": "balanced"}]


@pytest.mark.parametrize("settings", SETTINGS)
def test_a_weight_of_one_changes_nothing(tmp_path, settings):
    table = weighted(np.ones(400))
    plain = fit(table, tmp_path, split=SPLIT, block_rows=50, **settings)
    ones = fit(table, tmp_path, split=SPLIT, block_rows=50, weight="weight", **settings)
    assert ones.model.sha256 == plain.model.sha256
    assert ones.model.lineage["train"]["weight"] == "weight"


@pytest.mark.parametrize("settings", SETTINGS)
def test_rows_that_weigh_nothing_teach_nothing(tmp_path, settings):
    weights = np.tile([0, 1], 200)
    right, spoilt = (weighted(weights, wrong=share) for share in (0.0, 1.0))
    # What a row weighs does not depend on its class where classes weigh the same.
    settings = {**settings, "class_weight": "none", "split": {**SPLIT}, "block_rows": 50, "weight": "weight"}
    tested = pc.equal(right["side"], "test")
    spoilt = spoilt.set_column(1, "label", pc.if_else(tested, right["label"], spoilt["label"]))
    assert spoilt["label"].to_pylist() != right["label"].to_pylist()
    one = fit(right, tmp_path / "right", **settings)
    other = fit(spoilt, tmp_path / "spoilt", **settings)
    assert other.model.sha256 == one.model.sha256


def test_lbfgs_weighs_rows_as_scikit_learn_does(tmp_path):
    weights = np.random.default_rng(2).choice([0.5, 1.0, 3.0], 400)
    table, features = weighted(weights), FeatureConfig(bits=12, idf=False, ngrams=(1, 1))
    ours = fit(table, tmp_path, features=features, solver="lbfgs", split=SPLIT, weight="weight", block_rows=64).model
    trains = np.array(table["side"].to_pylist()) == "train"
    rows = ours.features(table["text"])[trains].astype(np.float64)
    labels = np.array(table["label"].to_pylist())[trains]
    theirs = LogisticRegression(C=10, tol=1e-10, max_iter=10_000).fit(rows, labels, sample_weight=weights[trains])
    assert np.linalg.norm(ours.weights - theirs.coef_.T) <= 1e-3 * np.linalg.norm(theirs.coef_)
    assert ours.intercept == pytest.approx(theirs.intercept_, abs=1e-3)


def test_one_epoch_weighs_rows_as_the_estimator_does(tmp_path):
    weights = np.random.default_rng(2).choice([0.5, 1.0, 3.0], 60)
    table, features = weighted(weights, 60), FeatureConfig(bits=12, ngrams=(1, 1), idf=False)
    ours = fit(table, tmp_path, features=features, epochs=1, split=SPLIT, weight="weight").model
    trains = np.array(table["side"].to_pylist()) == "train"
    labels = np.array(table["label"].to_pylist())
    learned = []
    for given in (weights[trains], None):
        estimator = OnlineLogisticRegression(l2=0.03 / trains.sum(), random_state=0)
        rows = ours.features(table["text"])[trains]
        learned.append(estimator.partial_fit(rows, labels[trains], ["bill", "slow"], given).coef_.T)
    np.testing.assert_array_equal(learned[0], ours.weights)
    assert not np.array_equal(learned[1], ours.weights)


def test_the_same_bits_for_every_layout(tmp_path):
    table = weighted(np.random.default_rng(3).choice([0.25, 1.0, 7.0], 400))
    found = set()
    for files, scheduler in ((1, "synchronous"), (3, "threads")):

        def execute(_stage, tasks, *, sizes=None, scheduler=scheduler):
            return list(dask.compute(*tasks, scheduler=scheduler))

        settings = {"split": SPLIT, "weight": "weight", "block_rows": 33, "lanes": 2}
        found.add(fit(table, tmp_path, files=files, cache=str(files), execute=execute, **settings).model.sha256)
    assert len(found) == 1


@pytest.mark.parametrize("bad", [-1.0, float("nan"), float("inf"), 1e300, None])
def test_a_weight_that_is_none_is_refused_where_the_row_trains(tmp_path, bad):
    weights = [1.0] * 400
    weights[7] = bad
    table = weighted(np.ones(400)).set_column(2, "weight", pa.array(weights))
    with pytest.raises(DataError, match=r'column "weight" holds no number of 0 or more in 1 of .* beside the text'):
        fit(table, tmp_path, split=SPLIT, weight="weight")
    # Row 5 tests.
    weights[7], weights[5] = 1.0, bad
    table = table.set_column(2, "weight", pa.array(weights))
    assert fit(table, tmp_path / "tests", split=SPLIT, weight="weight").test_rows == 80


@pytest.mark.parametrize("written", [["0.5", " 2 ", "+1e1", ".25"], ["1", "0", "3", "7"]])
def test_numbers_are_read_as_they_are_written(tmp_path, written):
    table = weighted(np.tile(np.array(written, float), 100))
    texts = table.set_column(2, "weight", pa.array(written * 100))
    settings = {"split": SPLIT, "weight": "weight"}
    assert fit(texts, tmp_path / "a", **settings).model.sha256 == fit(table, tmp_path / "b", **settings).model.sha256


def test_what_is_no_number_is_refused(tmp_path):
    table = weighted(np.ones(400))
    with pytest.raises(DataError, match=r"no number of 0 or more in 320 of .* train: '(bill|slow)' beside the text"):
        fit(table, tmp_path, split=SPLIT, weight="label")
    with pytest.raises(DataError, match=r'has no column "wieght"\. Did you mean "weight"\?'):
        fit(table, tmp_path, split=SPLIT, weight="wieght")
