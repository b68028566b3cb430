"""The estimator against its description, against numeric gradients, and as scikit-learn and dask-ml use it."""

import pickle
from itertools import pairwise

import dask
import dask.array as da
import numpy as np
import pytest
from dask_ml.wrappers import Incremental, ParallelPostFit
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles_text import online_logistic
from scipy import sparse
from sklearn.base import clone
from sklearn.datasets import make_classification
from sklearn.feature_extraction.text import HashingVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.utils.estimator_checks import parametrize_with_checks

from pipeline.train import logistic_kernel
from pipeline.train.learner import parts_of
from pipeline.train.logistic import OnlineLogisticRegression

WEIGHTS_ARE_NOT_REPETITIONS = "a row learned twice takes two steps, a row of weight two takes one longer step"


@parametrize_with_checks(
    [OnlineLogisticRegression()],
    expected_failed_checks=lambda _: {
        "check_sample_weight_equivalence_on_dense_data": WEIGHTS_ARE_NOT_REPETITIONS,
        "check_sample_weight_equivalence_on_sparse_data": WEIGHTS_ARE_NOT_REPETITIONS,
        # Needs an environment variable that changes SciPy as a whole.
        "check_array_api_input": "not an array API estimator",
    },
)
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.SkipTestWarning")
def test_is_a_scikit_learn_estimator(estimator, check):
    check(estimator)


def some_rows(rows, features, classes, seed, density=0.4):
    random = np.random.default_rng(seed)
    matrix = sparse.random(rows, features, density, "csr", np.float32, random_state=random)
    return matrix, random.integers(0, classes, rows)


@given(st.integers(1, 25), st.integers(2, 9), st.sampled_from([0.0, 0.01, 0.5]), st.integers(0, 1000))
@settings(max_examples=80, deadline=None)
def test_equals_its_description(rows, classes, l2, seed):
    matrix, targets = some_rows(rows, 7, classes, seed)
    ours = OnlineLogisticRegression(l2=l2, shuffle=False).partial_fit(matrix, targets, classes=np.arange(classes))
    weights, intercept = online_logistic(matrix.toarray().astype(float), targets, classes, 0.5, l2, 0.1)
    np.testing.assert_allclose(ours.coef_.T, weights, rtol=2e-4, atol=2e-5)
    np.testing.assert_allclose(ours.intercept_, intercept, rtol=2e-4, atol=2e-5)


@given(rows=st.integers(1, 40), classes=st.integers(3, 8), l1=st.sampled_from([0.0, 1e-3]), seed=st.integers(0, 99))
@settings(max_examples=60, deadline=None)
def test_few_classes_are_learned_to_the_same_bits_as_many(rows, classes, l1, seed):
    matrix, targets = some_rows(rows, 30, classes, seed)
    parts = (*parts_of(matrix), targets.astype(np.int32), np.ones(rows, np.float32), np.arange(rows))
    learned = []
    for learn in (logistic_kernel.learning(classes), logistic_kernel._learn_many):
        state = logistic_kernel.new_state(30, classes, 0.1)
        ends = np.zeros(classes, np.float32), np.ones(classes, np.float32)
        loss = learn(*parts, state, logistic_kernel.clocks_of(state), *ends, 5, np.float32(0.5), 0.01, l1)
        learned.append((loss, state.tobytes(), *(array.tobytes() for array in ends)))
    assert learned[0] == learned[1]


@pytest.mark.parametrize("classes", [2, 3])
def test_the_step_follows_the_gradient_of_the_loss(classes):
    matrix, targets = some_rows(40, 6, classes, 1)
    model = OnlineLogisticRegression(l2=0.0, shuffle=False, learning_rate=1e-3)
    model.partial_fit(matrix[:39], targets[:39], classes=np.arange(classes))
    row, target = matrix[39], targets[39:]
    before, squares = model.coef_.copy(), model.squares_.T.copy()

    def loss(weights):
        scores = row.toarray() @ weights.T + model_intercept
        scores = np.hstack([np.zeros((1, 1)), scores]) if classes == 2 else scores
        chances = np.exp(scores) / np.exp(scores).sum()
        return log_loss(target, chances, labels=np.arange(classes))

    model_intercept = model.intercept_.copy()
    gradient = np.zeros(before.shape)
    for place in np.ndindex(before.shape):
        nudge = np.zeros(before.shape)
        nudge[place] = 1e-5
        gradient[place] = (loss(before + nudge) - loss(before - nudge)) / 2e-5
    model.partial_fit(row, target)
    expected = before - 1e-3 * gradient / np.sqrt(squares + gradient**2)
    np.testing.assert_allclose(model.coef_, expected, rtol=1e-4, atol=1e-7)


@given(st.lists(st.integers(1, 29), max_size=4))
@settings(max_examples=25, deadline=None)
def test_grouping_of_rows_into_calls_does_not_matter(cuts):
    matrix, targets = some_rows(30, 9, 3, 4)
    whole = OnlineLogisticRegression(shuffle=False).partial_fit(matrix, targets, classes=[0, 1, 2])
    parts = OnlineLogisticRegression(shuffle=False)
    edges = sorted({0, 30, *cuts})
    for start, stop in pairwise(edges):
        parts.partial_fit(matrix[start:stop], targets[start:stop], classes=[0, 1, 2])
    np.testing.assert_array_equal(parts.coef_, whole.coef_)
    np.testing.assert_array_equal(parts.intercept_, whole.intercept_)


def test_shuffles_by_its_seed():
    matrix, targets = some_rows(50, 9, 3, 4)
    first, again, other = (OnlineLogisticRegression(random_state=seed).fit(matrix, targets).coef_ for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()


def test_a_copy_learns_on_as_the_original_does():
    matrix, targets = some_rows(60, 9, 3, 5)
    original = OnlineLogisticRegression().partial_fit(matrix[:30], targets[:30], classes=[0, 1, 2])
    copy = pickle.loads(pickle.dumps(original))
    for model in (original, copy):
        model.partial_fit(matrix[30:], targets[30:])
    np.testing.assert_array_equal(original.coef_, copy.coef_)
    assert original.rows_seen_ == copy.rows_seen_ == 60


def test_finds_what_logistic_regression_finds():
    features, targets = make_classification(
        3000, 20, n_informative=8, n_classes=4, n_clusters_per_class=1, random_state=0
    )
    ours = OnlineLogisticRegression(l2=1 / 2000, epochs=20).fit(features[:2000], targets[:2000])
    theirs = LogisticRegression(C=1.0).fit(features[:2000], targets[:2000])
    test, truth = features[2000:], targets[2000:]
    assert ours.score(test, truth) >= theirs.score(test, truth) - 0.01
    assert log_loss(truth, ours.predict_proba(test)) <= log_loss(truth, theirs.predict_proba(test)) + 0.02


def test_in_a_pipeline_and_cloned():
    texts, labels = ["late again", "paid twice", "so late", "paid it"] * 5, ["slow", "bill", "slow", "bill"] * 5
    pipeline = make_pipeline(HashingVectorizer(n_features=2**10), OnlineLogisticRegression(learning_rate=1.0))
    fitted = clone(pipeline).fit(texts, labels)
    assert fitted.predict(["late", "paid"]).tolist() == ["slow", "bill"]
    assert fitted[-1].get_params()["learning_rate"] == 1.0


def test_class_weights_are_row_weights():
    matrix, targets = some_rows(80, 9, 2, 6)
    targets[:70] = 0
    counts = np.bincount(targets)
    balanced = {label: len(targets) / (2 * count) for label, count in enumerate(counts)}
    weighed = [balanced[target] for target in targets.tolist()]
    by_word = OnlineLogisticRegression(class_weight="balanced").fit(matrix, targets)
    by_mapping = OnlineLogisticRegression(class_weight=balanced).fit(matrix, targets)
    by_rows = OnlineLogisticRegression().fit(matrix, targets, sample_weight=weighed)
    np.testing.assert_array_equal(by_word.coef_, by_mapping.coef_)
    np.testing.assert_array_equal(by_word.coef_, by_rows.coef_)
    plain = OnlineLogisticRegression().fit(matrix, targets)
    assert (by_word.predict(matrix) == 1).sum() > (plain.predict(matrix) == 1).sum()


@given(st.integers(1, 25), st.integers(2, 4), st.sampled_from([None, {0: 0.25, 1: 3.0}]), st.integers(0, 1000))
@settings(max_examples=50, deadline=None)
def test_good_rows_are_learned_as_rows_that_are_checked(rows, classes, class_weight, seed):
    matrix, targets = some_rows(rows, 7, classes, seed)
    numbers = np.arange(classes, dtype=np.int32)
    checked = OnlineLogisticRegression(class_weight=class_weight).partial_fit(matrix, targets, classes=numbers)
    ours = OnlineLogisticRegression(class_weight=class_weight).started(numbers, 7)
    for _ in range(2):
        ours.learn(matrix.indptr, matrix.indices, matrix.data, targets.astype(np.int32))
    checked.partial_fit(matrix, targets)
    assert ours.rows_seen_ == checked.rows_seen_ == 2 * rows
    np.testing.assert_array_equal(ours.state_, checked.state_)
    np.testing.assert_array_equal(ours.intercept_, checked.intercept_)
    assert ours.losses_ == checked.losses_


def test_a_part_of_the_rows_cannot_balance():
    matrix, targets = some_rows(10, 9, 2, 6)
    with pytest.raises(ValueError, match="needs all rows at once"):
        OnlineLogisticRegression(class_weight="balanced").partial_fit(matrix, targets, classes=[0, 1])


@pytest.mark.parametrize(
    ("classes", "targets", "message"),
    [
        (None, [0, 1], "needs all classes"),
        ([0], [0, 0], "only one class"),
        ([0, 1], [0, 2], "none of the classes"),
    ],
)
def test_wrong_classes(classes, targets, message):
    with pytest.raises(ValueError, match=message):
        OnlineLogisticRegression().partial_fit(np.eye(2), targets, classes=classes)


def test_a_call_cut_off_in_its_middle_is_noticed():
    matrix, targets = some_rows(10, 9, 2, 6)
    model = OnlineLogisticRegression().partial_fit(matrix, targets, classes=[0, 1])
    model.torn_ = True
    with pytest.raises(RuntimeError, match="cut off"):
        model.partial_fit(matrix, targets)


def test_rows_with_repeated_columns_are_summed_up():
    repeated = sparse.csr_matrix((np.ones(3, np.float32), [1, 1, 0], [0, 2, 3]), shape=(2, 2))
    summed = repeated.copy()
    summed.sum_duplicates()
    models = [OnlineLogisticRegression().fit(matrix, [0, 1]) for matrix in (repeated, summed)]
    np.testing.assert_array_equal(models[0].coef_, models[1].coef_)
    assert repeated.nnz == 3


@pytest.mark.parametrize("classes", [2, 3])
def test_dask_ml_trains_it_block_by_block_and_predicts_in_parallel(classes):
    matrix, targets = some_rows(600, 12, classes, 3)
    dense = matrix.toarray()
    rows = da.from_array(dense, chunks=(100, 12))
    labels = da.from_array(targets, chunks=100)
    blank = OnlineLogisticRegression(random_state=5)
    with dask.config.set(scheduler="synchronous"):
        learner = Incremental(blank, shuffle_blocks=False, scoring="accuracy").fit(
            rows, labels, classes=np.arange(classes)
        )
        by_hand = clone(blank)
        for first in range(0, 600, 100):
            part = slice(first, first + 100)
            by_hand.partial_fit(dense[part], targets[part], classes=np.arange(classes))
        np.testing.assert_array_equal(learner.estimator_.coef_, by_hand.coef_)
        fitted = ParallelPostFit(by_hand)
        np.testing.assert_array_equal(fitted.predict(rows).compute(), by_hand.predict(dense))
        np.testing.assert_array_equal(fitted.predict_proba(rows).compute(), by_hand.predict_proba(dense))
        assert fitted.score(rows, labels) == by_hand.score(dense, targets)


def test_a_search_of_scikit_learn_tunes_it_in_a_pipeline():
    texts = ["late again", "paid twice", "so late", "paid the bill", "late late", "twice paid"] * 10
    labels = ["slow", "bill"] * 30
    pipeline = make_pipeline(HashingVectorizer(n_features=64), OnlineLogisticRegression())
    found = GridSearchCV(pipeline, {"onlinelogisticregression__l2": [1e-5, 10.0]}, cv=3).fit(texts, labels)
    assert found.best_params_ == {"onlinelogisticregression__l2": 1e-5}
    assert found.predict(["late", "paid"]).tolist() == ["slow", "bill"]
