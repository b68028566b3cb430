"""Full-batch training against scikit-learn's optimum, and its minimiser against known functions."""

import dask
import numpy as np
import pytest
from scipy import sparse
from sklearn.linear_model import LogisticRegression

from pipeline.execute import run_here
from pipeline.train.block_files import write_block
from pipeline.train.full_batch import _groups, fit_full_batch, weights_by_class
from pipeline.train.gradient_kernel import add_scaled, dot
from pipeline.train.minimize import minimize
from pipeline.train.shards import Shard


def shards_of(matrix, targets, folder, count):
    shards = []
    for number in range(count):
        start, stop = matrix.shape[0] * number // count, matrix.shape[0] * (number + 1) // count
        place = folder / f"{count}-{number}"
        write_block(place, matrix[start:stop], targets[start:stop].astype(np.int32), {})
        shards.append(Shard(folder=str(place), rows=stop - start))
    return shards


def some_rows(classes, rows=1500, features=300, seed=0):
    random = np.random.default_rng(seed)
    matrix = sparse.random(rows, features, 0.05, "csr", np.float32, random_state=random)
    scores = matrix @ random.normal(0, 4, (features, classes)) + random.gumbel(size=(rows, classes))
    return matrix, scores.argmax(axis=1)


def objective(weights, intercept, matrix, targets, l2):
    scores = matrix.astype(np.float64) @ weights + intercept
    scores = np.hstack([np.zeros_like(scores), scores]) if scores.shape[1] == 1 else scores
    losses = np.logaddexp.reduce(scores, axis=1) - scores[np.arange(len(targets)), targets]
    return losses.sum() + l2 / 2 * (weights**2).sum()


@pytest.mark.parametrize(("classes", "l2"), [(2, 0.1), (2, 3.0), (4, 0.1)])
def test_reaches_scikit_learns_optimum(tmp_path, classes, l2):
    matrix, targets = some_rows(classes)
    columns = 1 if classes == 2 else classes
    start = np.zeros((300, columns), np.float32), np.zeros(columns, np.float32)
    shards = shards_of(matrix, targets, tmp_path, 5)
    weights, intercept, found = fit_full_batch(
        shards, start, weights_by_class(classes, None), l2, tmp_path / "points", run_here
    )
    theirs = LogisticRegression(C=1 / l2, tol=1e-10, max_iter=10_000).fit(matrix.astype(np.float64), targets)
    best = objective(theirs.coef_.T, theirs.intercept_, matrix, targets, l2)
    assert found.converged
    assert abs(objective(weights, intercept, matrix, targets, l2) / best - 1) < 1e-6
    assert np.linalg.norm(weights - theirs.coef_.T) <= 1e-3 * np.linalg.norm(theirs.coef_)
    assert list((tmp_path / "points").iterdir()) == []


def test_class_weights_as_scikit_learn_has_them(tmp_path):
    matrix, targets = some_rows(3)
    given = {0: 2.0, 1: 0.5, 2: 1.0}
    start = np.zeros((300, 3), np.float32), np.zeros(3, np.float32)
    weights, _, _ = fit_full_batch(
        shards_of(matrix, targets, tmp_path, 2), start, weights_by_class(3, given), 1.0, tmp_path / "p", run_here
    )
    theirs = LogisticRegression(C=1.0, tol=1e-10, max_iter=10_000, class_weight=given).fit(matrix, targets)
    assert np.linalg.norm(weights - theirs.coef_.T) <= 1e-3 * np.linalg.norm(theirs.coef_)


def test_same_bits_for_every_scheduler(tmp_path):
    matrix, targets = some_rows(3)
    start = np.zeros((300, 3), np.float32), np.zeros(3, np.float32)
    shards = shards_of(matrix, targets, tmp_path, 7)
    results = []
    for scheduler in ("synchronous", "threads"):

        def execute(_stage, tasks, *, sizes=None, scheduler=scheduler):
            return list(dask.compute(*tasks, scheduler=scheduler, num_workers=4))

        results.append(fit_full_batch(shards, start, [1.0] * 3, 0.1, tmp_path / "p", execute)[:2])
    np.testing.assert_array_equal(results[0][0], results[1][0])
    np.testing.assert_array_equal(results[0][1], results[1][1])


def test_minimises_a_badly_scaled_bowl():
    scales = np.logspace(0, 3, 30)

    def bowl(point):
        return float((scales * (point - 1) ** 2).sum() / 2), scales * (point - 1)

    found = minimize(bowl, np.zeros(30), lambda _, slope: np.abs(slope).max() < 1e-6, iterations=500)
    assert found.converged
    np.testing.assert_allclose(found.point, 1, atol=1e-6)


def test_stops_where_it_may_not_go_on():
    found = minimize(lambda x: (float(x @ x), 2 * x), np.ones(3), lambda *_: False, iterations=1)
    assert (found.iterations, found.converged) == (1, False)


@pytest.mark.parametrize(
    ("count", "tasks"), [(1, 1), (3, 3), (4, 4), (16, 4), (63, 4), (64, 8), (256, 16), (1_000, 16), (10_000, 64)]
)
def test_a_task_has_as_many_shards_as_there_are_tasks_or_some_more(count, tasks):
    shards = [Shard(folder=str(number), rows=1) for number in range(count)]
    groups = _groups(shards)
    assert len(groups) == tasks
    assert [shard for group in groups for shard in group] == shards
    assert max(map(len, groups)) - min(map(len, groups)) <= 1


def test_sums_of_many_tasks_are_added_by_tasks_too(tmp_path, monkeypatch):
    matrix, targets = some_rows(2)
    start = np.zeros((300, 1), np.float32), np.zeros(1, np.float32)
    asked = []

    def execute(stage, tasks, *, sizes=None):
        asked.append(len(tasks))
        return run_here(stage, tasks, sizes=sizes)

    def search():
        shards = shards_of(matrix, targets, tmp_path / str(len(asked)), 8)
        return fit_full_batch(shards, start, [1.0] * 2, 0.5, tmp_path / "p", execute)[0]

    expected = search()
    monkeypatch.setattr("pipeline.train.array_files._FAN_IN", 2)
    np.testing.assert_allclose(search(), expected, rtol=1e-6, atol=1e-9)
    assert set(asked) == {4, 2}


class CutOffError(Exception):
    pass


def test_a_search_that_was_cut_off_makes_no_pass_twice(tmp_path):
    matrix, targets = some_rows(2)
    start = np.zeros((300, 1), np.float32), np.zeros(1, np.float32)
    shards = shards_of(matrix, targets, tmp_path, 3)

    def search(place, most=10**6):
        passes = []

        def execute(stage, tasks, *, sizes=None):
            if len(passes) == most:
                raise CutOffError
            passes.append(stage)
            return run_here(stage, tasks, sizes=sizes)

        try:
            return fit_full_batch(shards, start, [1.0] * 2, 0.1, tmp_path / place, execute)[0], len(passes)
        except CutOffError:
            return None, len(passes)

    expected, whole = search("at once")
    _, first = search("cut off", most=4)
    kept = sorted((tmp_path / "cut off").iterdir())
    assert len(kept) == first == 4
    # A machine that dies may leave a file without its last bytes.
    kept[0].write_bytes(kept[0].read_bytes()[:-8])
    found, rest = search("cut off")
    np.testing.assert_array_equal(found, expected)
    assert first - 1 + rest == whole
    assert list((tmp_path / "cut off").iterdir()) == []


@pytest.mark.parametrize("length", [0, 1, 255, 256, 257, 1000])
def test_products_and_sums_of_arrays_of_any_length(length):
    random = np.random.default_rng(length)
    one, two, three = (random.normal(size=length) for _ in range(3))
    assert dot(one, two) == pytest.approx((one * two).sum(), abs=1e-12)
    target = one.copy()
    product = add_scaled(target, 0.7, two, three)
    np.testing.assert_array_equal(target, one + 0.7 * two)
    assert product == dot(three, target)
