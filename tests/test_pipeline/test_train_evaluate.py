"""Figures against scikit-learn's, and their merging."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import accuracy_score, confusion_matrix, f1_score, log_loss, precision_recall_fscore_support

from pipeline.train.evaluate import Tally, label_figures, metrics, tally

CLASSES = ("bill", "slow", "thanks")
ROWS = st.lists(st.tuples(st.sampled_from(CLASSES), st.integers(0, 2**32)), min_size=1, max_size=30)


def chances_of(rows):
    random = np.array([np.random.default_rng(seed).dirichlet([0.3] * 3) for _, seed in rows])
    return random.reshape(-1, 3)


@given(ROWS)
@settings(max_examples=100, deadline=None)
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.UndefinedMetricWarning")
def test_equals_scikit_learn(rows):
    truth, chances = [label for label, _ in rows], chances_of(rows)
    predicted = [CLASSES[place] for place in chances.argmax(axis=1)]
    total = tally(chances, truth, CLASSES)
    ours = metrics(total, CLASSES)
    assert ours["accuracy"] == pytest.approx(accuracy_score(truth, predicted))
    assert ours["macro_f1"] == pytest.approx(f1_score(truth, predicted, average="macro"))
    assert ours["log_loss"] == pytest.approx(log_loss(truth, chances, labels=CLASSES))
    assert ours["test_rows"] == len(rows)
    np.testing.assert_array_equal(total.confusion, confusion_matrix(truth, predicted, labels=CLASSES))
    present = sorted({*truth, *predicted})
    theirs = precision_recall_fscore_support(truth, predicted, labels=present, zero_division=0.0)
    figures = label_figures(total, CLASSES)
    assert [one.label for one in figures] == present
    for name, expected in zip(("precision", "recall", "f1", "support"), theirs, strict=True):
        assert [getattr(one, name) for one in figures] == pytest.approx(list(expected))


@given(ROWS, st.integers(0, 30))
@settings(max_examples=50, deadline=None)
def test_tallies_merge(rows, cut):
    chances, truth = chances_of(rows), [label for label, _ in rows]
    whole = tally(chances, truth, CLASSES)
    parts = [tally(chances[:cut], truth[:cut], CLASSES), tally(chances[cut:], truth[cut:], CLASSES)]
    merged = Tally.empty(3).merge(parts[0]).merge(parts[1])
    np.testing.assert_array_equal(merged.confusion, whole.confusion)
    assert merged.loss == pytest.approx(whole.loss)
    assert merged.rows == whole.rows


def test_labels_that_the_model_does_not_know_are_mistakes():
    chances = np.array([[0.9, 0.1], [0.9, 0.1], [0.2, 0.8]])
    total = tally(chances, ["bill", "praise", "praise"], CLASSES[:2])
    assert total.unknown == {"praise": (1, 1, 0)}
    merged = total.merge(tally(chances[:1], ["thanks"], CLASSES[:2]))
    assert merged.unknown == {"praise": (1, 1, 0), "thanks": (1, 0, 0)}
    figures = metrics(merged, CLASSES[:2])
    assert figures["accuracy"] == 0.25
    assert figures["test_rows"] == 4
    assert figures["macro_f1"] == pytest.approx(f1_score(*zip(*UNKNOWN_PAIRS, strict=True), average="macro"))
    assert figures["log_loss"] == pytest.approx((-np.log(0.9) - 3 * np.log(np.finfo(float).eps)) / 4)


UNKNOWN_PAIRS = [("bill", "bill"), ("praise", "bill"), ("praise", "slow"), ("thanks", "bill")]


def test_no_rows():
    assert metrics(Tally.empty(2), CLASSES[:2]) == {"accuracy": 0.0, "macro_f1": 0.0, "log_loss": 0.0, "test_rows": 0}
    assert label_figures(Tally.empty(2), CLASSES[:2]) == []
