"""Curves, calibration and thresholds against scikit-learn, and what a model keeps of them."""

from dataclasses import replace

import numpy as np
import orjson
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles_text import snapshot_of
from pydantic import ValidationError
from scipy.optimize import minimize_scalar
from scipy.special import softmax
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.calibration import CalibratedClassifierCV
from sklearn.frozen import FrozenEstimator
from sklearn.isotonic import IsotonicRegression
from sklearn.metrics import average_precision_score, brier_score_loss, log_loss, roc_auc_score

from pipeline.errors import DataError
from pipeline.execute import run_here
from pipeline.predict import predict_table
from pipeline.text.config import FeatureConfig
from pipeline.train.calibrate import best_scale, choose_thresholds, fit_isotonic, fit_platt, missed
from pipeline.train.calibration import Calibration
from pipeline.train.config import ThresholdConfig, TrainConfig
from pipeline.train.decision import Decision
from pipeline.train.evaluate import tally
from pipeline.train.fit import fit_model
from pipeline.train.model import load_model
from pipeline.train.reproduce import reproduce_model
from pipeline.train.score_bins import BINS, ScoreBins, calibration_figures, curves_of, log_odds

LABELS = ("bill", "slow", "thanks")


def chances_of(rows, seed=0, classes=3, sharp=1.0):
    """Probabilities, and labels drawn from them after they were sharpened: `sharp` > 1 means too sure of itself."""
    random = np.random.default_rng(seed)
    scores = random.normal(0, 1.5, (rows, classes)).astype(np.float32)
    true = softmax(scores.astype(np.float64), axis=1)
    targets = (true.cumsum(axis=1) < random.random((rows, 1))).sum(axis=1).clip(max=classes - 1)
    scores = scores * np.float32(sharp)
    return softmax(scores.astype(np.float64), axis=1), targets, scores


@given(st.integers(0, 10_000), st.integers(2, 300))
@settings(max_examples=60, deadline=None)
def test_curves_are_scikit_learns(seed, rows):
    chances, targets, _ = chances_of(rows, seed)
    bins = ScoreBins.of(chances, targets)
    rounded = np.floor(log_odds(chances) * 32)
    for place in range(3):
        truth = targets == place
        curves = curves_of(bins, place, "x")
        if truth.any() and not truth.all():
            assert curves.roc_auc == pytest.approx(roc_auc_score(truth, rounded[:, place]))
            assert curves.roc[0] == (0.0, 0.0)
            assert curves.roc[-1] == (1.0, 1.0)
            assert list(curves.roc) == sorted(curves.roc)
        else:
            assert curves.roc_auc is None
        if truth.any():
            assert curves.average_precision == pytest.approx(average_precision_score(truth, rounded[:, place]))
        else:
            assert curves.average_precision is None


def test_areas_from_bins_are_those_of_the_scores_to_two_thousandths():
    chances, targets, _ = chances_of(5000)
    bins = ScoreBins.of(chances, targets)
    for place in range(3):
        curves = curves_of(bins, place, "x")
        assert curves.roc_auc == pytest.approx(roc_auc_score(targets == place, chances[:, place]), abs=1e-3)
        assert curves.average_precision == pytest.approx(
            average_precision_score(targets == place, chances[:, place]), abs=2e-3
        )
        assert 20 < len(curves.roc) < 80


def test_bins_merge_and_calibration_figures_count_by_hand():
    chances, targets, _ = chances_of(400, classes=2)
    whole = ScoreBins.of(chances, targets)
    parts = (
        ScoreBins.empty(2)
        .merge(ScoreBins.of(chances[:150], targets[:150]))
        .merge(ScoreBins.of(chances[150:], targets[150:]))
    )
    np.testing.assert_array_equal(parts.positives, whole.positives)
    np.testing.assert_array_equal(parts.confidence, whole.confidence)
    figures = calibration_figures(whole)
    assert figures["brier"] == pytest.approx(2 * brier_score_loss(targets, chances[:, 1]))
    best, right = chances.max(axis=1), chances.argmax(axis=1) == targets
    places = np.minimum((best * 15).astype(int), 14)
    error = sum(abs(best[places == at].sum() - right[places == at].sum()) for at in range(15)) / 400
    assert figures["expected_error"] == pytest.approx(error)
    assert sum(each["rows"] for each in figures["bins"]) == 400


@pytest.mark.parametrize("sharp", [0.3, 1.0, 4.0])
@pytest.mark.parametrize("classes", [2, 3])
def test_the_temperature_is_the_likeliest(tmp_path, classes, sharp):
    _, targets, scores = chances_of(3000, classes=classes, sharp=sharp)
    if classes == 2:
        scores = scores[:, 1:] - scores[:, :1]
    places = []
    for number, part in enumerate((slice(0, 1000), slice(1000, None))):
        np.save(tmp_path / f"{number}.scores.npy", scores[part])
        np.save(tmp_path / f"{number}.targets.npy", np.where(np.arange(3000) == 5, -1, targets)[part])
        places.append(str(tmp_path / str(number)))
    scale = best_scale(places)
    known = np.arange(3000) != 5

    def loss(candidate):
        calibrated = Calibration(method="temperature", scale=candidate).chances(scores[known])
        return log_loss(targets[known], calibrated, labels=range(classes))

    best = minimize_scalar(loss, bounds=(0.01, 20), method="bounded", options={"xatol": 1e-7})
    assert scale == pytest.approx(best.x, rel=1e-3)
    assert scale == pytest.approx(1 / sharp, rel=0.15)


@pytest.mark.parametrize("classes", [2, 3])
def test_isotonic_steps_are_scikit_learns(classes):
    chances, targets, scores = chances_of(4000, classes=classes, sharp=3.0)
    bins = ScoreBins.of(chances, targets)
    calibration = fit_isotonic(bins)
    raw = scores[:, 1:] - scores[:, :1] if classes == 2 else scores
    calibrated = calibration.chances(np.ascontiguousarray(raw))
    np.testing.assert_allclose(calibrated.sum(axis=1), 1)
    centres = (np.floor(log_odds(chances) * 32) + 0.5) / 32
    theirs = np.column_stack(
        [
            IsotonicRegression(out_of_bounds="clip")
            .fit(centres[:, at], targets == at)
            .predict(log_odds(chances)[:, at])
            for at in range(classes)
        ]
    )
    np.testing.assert_allclose(calibrated, theirs / theirs.sum(axis=1, keepdims=True), atol=2e-3)
    before, after = (log_loss(targets, one) for one in (chances, calibrated))
    assert after < before - 0.1
    assert Calibration.from_dict(orjson.loads(orjson.dumps(calibration.to_dict()))) == calibration


class Given(ClassifierMixin, BaseEstimator):
    """An estimator whose scores are its rows."""

    def __init__(self, classes):
        self.classes = classes
        self.classes_ = np.arange(classes)

    def fit(self, X, y):  # noqa: N803
        return self

    def predict(self, X):  # noqa: N803
        return X.argmax(axis=1)

    def decision_function(self, X):  # noqa: N803
        return X[:, 1] if self.classes == 2 else X


@pytest.mark.parametrize("sharp", [0.3, 4.0])
@pytest.mark.parametrize("classes", [2, 3])
def test_platt_scaling_is_scikit_learns(classes, sharp):
    chances, targets, scores = chances_of(4000, classes=classes, sharp=sharp)
    calibration = fit_platt(ScoreBins.of(chances, targets))
    raw = scores[:, 1:] - scores[:, :1] if classes == 2 else scores
    calibrated = calibration.chances(np.ascontiguousarray(raw))
    # What textmill fits to is rounded to bins: let both see the same.
    binned = (np.clip(np.floor(log_odds(chances) * 32), -512, 511) + 0.5) / 32
    theirs = CalibratedClassifierCV(FrozenEstimator(Given(classes)), method="sigmoid").fit(binned, targets)
    np.testing.assert_allclose(calibrated, theirs.predict_proba(log_odds(chances)), atol=2e-5)
    assert log_loss(targets, calibrated) < log_loss(targets, chances) - 0.01
    assert Calibration.from_dict(orjson.loads(orjson.dumps(calibration.to_dict()))) == calibration


@pytest.mark.parametrize(("hits", "misses"), [(0, 5), (5, 0), (0, 0), (3, 3), (1, 1_000_000)])
def test_platt_scaling_of_few_or_like_rows_stays_finite(hits, misses):
    positives, negatives = np.zeros((1, BINS), np.int64), np.zeros((1, BINS), np.int64)
    positives[0, 500], negatives[0, 500] = hits, misses
    [line] = fit_platt(replace(ScoreBins.of(*chances_of(2)[:2]), positives=positives, negatives=negatives)).lines
    chance = Calibration(method="platt", lines=(line, line)).chances(np.zeros((1, 1), np.float32))
    assert np.isfinite(line).all()
    np.testing.assert_allclose(chance, 0.5)


def test_thresholds_reach_their_target():
    chances, targets, _ = chances_of(6000)
    bins = ScoreBins.of(chances, targets)
    for target, other in (("precision", "recall"), ("recall", "precision")):
        config = ThresholdConfig(target=target, at_least=0.8)
        decision = choose_thresholds(bins, LABELS, config)
        assert decision.undecided
        assert missed(decision, config) == ()
        for place, (label, facts) in enumerate(decision.expected.items()):
            given_label = chances[:, place] >= decision.thresholds[place]
            truth = targets == place
            share = {"precision": truth[given_label].mean(), "recall": given_label[truth].mean()}
            assert label == LABELS[place]
            assert share[target] >= 0.8
            assert share == pytest.approx({name: facts[name] for name in share})
            # No threshold does more of the other: all of them are tried.
            tried = [chances[:, place] >= at for at in np.linspace(0.01, 0.99, 300)]
            best = max(
                (truth[one].mean() if other == "precision" else one[truth].mean())
                for one in tried
                if one.any() and (truth[one].mean() if target == "precision" else one[truth].mean()) >= 0.8
            )
            assert share[other] >= best - 0.02
    f1 = choose_thresholds(bins, LABELS, ThresholdConfig())
    assert not f1.undecided
    assert set(f1.labels(chances).tolist()) == {0, 1, 2}


def test_a_target_out_of_reach_is_told_and_neared():
    random = np.random.default_rng(0)
    chances = random.dirichlet([5, 5], 500)
    config = ThresholdConfig(target="precision", at_least=0.999, label="slow")
    decision = choose_thresholds(ScoreBins.of(chances, random.integers(0, 2, 500)), LABELS[:2], config)
    if decision.expected["slow"]["precision"] < 0.999:
        assert "No threshold" in missed(decision, config)[0]
    with pytest.raises(DataError, match='"none" is no label'):
        choose_thresholds(ScoreBins.empty(2), LABELS[:2], ThresholdConfig(label="none"))


def test_decisions():
    chances = np.array([[0.5, 0.3, 0.2], [0.3, 0.3, 0.4], [0.2, 0.7, 0.1]])
    each = Decision(thresholds=(0.6, 0.1, 0.9), undecided=True, expected={})
    assert each.labels(chances).tolist() == [1, 1, 1]
    strict = Decision(thresholds=(0.6, 0.6, 0.9), undecided=True, expected={})
    assert strict.labels(chances).tolist() == [-1, -1, 1]
    single = Decision(thresholds=(0.0, 0.0, 0.2), single=2, undecided=False, expected={})
    assert single.labels(chances).tolist() == [2, 2, 1]
    assert Decision.from_dict(orjson.loads(orjson.dumps(single.to_dict()))) == single
    total = tally(chances, ["bill", "slow", "slow"], LABELS, strict.labels(chances))
    assert (total.rows, total.undecided.tolist(), int(total.confusion.trace())) == (3, [1, 1, 0], 1)


@pytest.mark.parametrize("train", [{"calibration": "isotonic"}, {"threshold": {}}])
def test_they_need_rows_that_validate(train):
    with pytest.raises(ValidationError, match=r"write validation = 0\.1"):
        TrainConfig.model_validate(train)


def noisy(rows, seed=0):
    random = np.random.default_rng(seed)
    labels = random.choice(LABELS, rows)
    hints = [label if random.random() < 0.7 else random.choice(LABELS) for label in labels]
    texts = [f"{hint} " + " ".join(f"w{number}" for number in random.integers(0, 300, 6)) for hint in hints]
    return pa.table({"text": texts, "label": labels.tolist()})


@pytest.mark.parametrize("calibration", ["temperature", "platt", "isotonic"])
def test_a_calibrated_model_is_kept_whole_and_reproduced(tmp_path, calibration):
    snapshot = snapshot_of(noisy(2000), tmp_path / "store")
    settings_of = {"validation": 0.3, "solver": "lbfgs", "l2": 0.003, "learning_curve": True, "block_rows": 400}
    settings_of |= {"iterations": 25}

    def fit(**more):
        train = TrainConfig.model_validate({**settings_of, **more})
        lineage = {"dataset": "tickets", "version": 1}
        return fit_model(snapshot, FeatureConfig(bits=14), train, tmp_path / "cache", run_here, lineage)

    plain = fit()
    target = {"target": "precision", "at_least": 0.9}
    result = fit(calibration=calibration, threshold=target)
    assert result.metrics["calibration_error"] < plain.metrics["calibration_error"]
    assert result.metrics["log_loss"] < plain.metrics["log_loss"]
    assert result.metrics["decided"] < 1
    result.model.save(tmp_path / "model")
    model = load_model(tmp_path / "model")
    assert model.sha256 == result.model.sha256 != plain.model.sha256
    assert model.calibration == result.model.calibration
    assert model.evaluation == orjson.loads(orjson.dumps(result.evaluation))
    texts = noisy(200, seed=1)["text"]
    chances = model.predict_proba(texts)
    np.testing.assert_array_equal(chances, result.model.predict_proba(texts))
    places = model.decide(chances)
    assert (places < 0).any()
    scored = predict_table(pa.table({"text": texts}), model)
    assert scored["predicted"].to_pylist() == [None if place < 0 else model.labels[place] for place in places]
    assert scored["probability"].null_count == 0
    again = reproduce_model(model, snapshot, tmp_path / "scratch", run_here)
    assert again.equal
    curve = result.evaluation["learning_curve"]
    assert [point["rows"] for point in curve] == sorted({point["rows"] for point in curve})
    assert curve[-1]["rows"] == result.train_rows
    assert curve[-1]["accuracy"] > curve[0]["accuracy"]
    assert [one["label"] for one in result.evaluation["curves"]] == list(LABELS)
