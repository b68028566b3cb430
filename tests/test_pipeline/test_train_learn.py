"""Epochs: resumed, stopped early, averaged, learned side by side, and taken to the optimum."""

import dask
import numpy as np
import pyarrow as pa
import pytest
from oracles_text import snapshot_of
from pydantic import ValidationError
from sklearn.linear_model import LogisticRegression

from cluster.task_content import merged_graph
from pipeline.execute import run_here
from pipeline.text.config import FeatureConfig
from pipeline.text.hashing import hash_texts
from pipeline.train.config import TrainConfig
from pipeline.train.epoch_steps import in_steps
from pipeline.train.fit import fit_model
from pipeline.train.order import even_parts
from pipeline.train.reproduce import reproduce_model
from pipeline.train.shards import Shard, _batches, plan_shards
from pipeline.train.sides import rows_that_test, sides_of

LINEAGE = {"dataset": "tickets", "version": 1}
LABELS = ("bill", "slow", "thanks")


def tickets(rows, seed=0, labels=LABELS, noise=0.1):
    random = np.random.default_rng(seed)
    fillers = [f"word{number}" for number in range(150)]
    chosen, texts = [], []
    for _ in range(rows):
        label = str(random.choice(labels))
        told = label if random.random() > noise else str(random.choice(labels))
        texts.append(" ".join([*random.choice(fillers, 7), f"{told}{random.integers(5)}"]))
        chosen.append(label)
    return pa.table({"text": texts, "label": chosen})


def fit(table, folder, *, execute=run_here, cache="cache", features=None, **train):
    settings = TrainConfig.model_validate({"block_rows": 60, **train})
    snapshot = snapshot_of(table, folder / "store")
    return fit_model(snapshot, features or FeatureConfig(bits=14), settings, folder / cache, execute, LINEAGE)


class Counting:
    """Runs tasks, and counts what a scheduler would hold at once."""

    def __init__(self):
        self.most = {}

    def __call__(self, stage, tasks, *, sizes=None):
        self.most[stage] = max(self.most.get(stage, 0), len(merged_graph(tasks)))
        return run_here(stage, tasks)


@pytest.mark.parametrize("lanes", [1, 2])
def test_many_blocks_make_few_tasks_and_the_same_figures_as_a_task_a_block(tmp_path, monkeypatch, lanes):
    settings = {
        "block_rows": 2,
        "lanes": lanes,
        "epochs": 2,
        "calibration": "temperature",
        "threshold": {"target": "f1"},
    }
    settings |= {"split": {"test": 0.5}, "validation": 0.5}
    table, counting = tickets(1400), Counting()
    few = fit(table, tmp_path, execute=counting, **settings)
    assert set(counting.most) == {"features", "weigh", "train", "calibrate", "evaluate", "explain"}
    assert max(counting.most.values()) < 0.35 * 700
    monkeypatch.setattr("pipeline.train.evaluate._MANY", 10**6)
    many = fit(table, tmp_path, **settings)
    assert many.model.sha256 == few.model.sha256
    assert many.metrics == few.metrics
    assert many.evaluation["course"] == few.evaluation["course"]


class CutOffError(Exception):
    pass


class FailingAt:
    """Runs tasks until the `call`-th time that training asks for it."""

    def __init__(self, call):
        self.left, self.heard = call, []

    def __call__(self, stage, tasks, *, sizes=None):
        if stage == "train":
            self.left -= 1
            if self.left == 0:
                raise CutOffError
        results = run_here(stage, tasks)
        self.heard += [(stage, getattr(result, "progress_rows", None)) for result in results]
        return results


@pytest.mark.parametrize("settings", [{}, {"lanes": 3}, {"validation": 0.2, "patience": 5}, {"average": True}])
def test_goes_on_after_the_last_whole_epoch_to_the_same_bits(tmp_path, settings):
    table = tickets(400)
    whole = fit(table, tmp_path, cache="whole", **settings)
    with pytest.raises(CutOffError):
        fit(table, tmp_path, execute=FailingAt(4), **settings)
    counting = FailingAt(0)
    again = fit(table, tmp_path, execute=counting, **settings)
    assert again.model.sha256 == whole.model.sha256
    learned = sum(rows for stage, rows in counting.heard if stage == "train" and rows)
    assert 0 < learned < 6 * whole.train_rows
    assert again.evaluation["course"] == whole.evaluation["course"]


def test_epochs_over_one_shard_share_no_task(tmp_path):
    epochs = []

    def execute(stage, tasks, *, sizes=None):
        if stage == "train":
            epochs.append({key for task in tasks for key in task.dask if "fit" in str(key)})
        return run_here(stage, tasks)

    fit(tickets(40), tmp_path, execute=execute, epochs=3)
    assert len(epochs) == 3
    assert not epochs[0] & epochs[1]
    assert not epochs[1] & epochs[2]
    assert not epochs[0] & epochs[2]


def test_each_shard_is_heard_of(tmp_path):
    counting = FailingAt(0)
    result = fit(tickets(400), tmp_path, execute=counting, epochs=2)
    rows = [rows for stage, rows in counting.heard if stage == "train" and rows]
    assert sum(rows) == 2 * result.train_rows
    assert len(rows) > 6


def test_loss_falls_and_is_told_epoch_by_epoch(tmp_path):
    result = fit(tickets(500), tmp_path, epochs=4)
    course = result.evaluation["course"]
    assert [one["epoch"] for one in course] == [1, 2, 3, 4]
    assert [one["rows"] for one in course] == [result.train_rows] * 4
    assert course[0]["loss"] > course[1]["loss"] > course[3]["loss"]
    assert course[0]["validation_loss"] is None


def test_stops_when_rows_set_aside_say_so(tmp_path):
    # Labels by chance: every epoch after the first only learns the noise by heart.
    table = tickets(600, noise=1.0)
    result = fit(table, tmp_path, epochs=20, validation=0.3, patience=2)
    losses = [one["validation_loss"] for one in result.evaluation["course"]]
    assert len(losses) < 20
    assert min(losses) == pytest.approx(losses[-3], rel=1e-3)
    best = fit(table, tmp_path, cache="other", epochs=losses.index(min(losses)) + 1, validation=0.3)
    assert best.model.sha256 == result.model.sha256
    rows = result.model.lineage["rows"]
    assert rows["train_rows"] + rows["validation_rows"] + rows["test_rows"] == 600


def test_equal_texts_are_on_one_side_when_rows_validate():
    texts = pa.array([f"text {number}" for number in range(5000)] * 2)
    settings = TrainConfig.model_validate({"validation": 0.25})
    validates = sides_of(pa.table({"text": texts}), texts, settings).validates
    np.testing.assert_array_equal(validates[:5000], validates[5000:])
    tests = rows_that_test(pa.table({"text": texts}), texts, settings.split)
    assert validates.mean() == pytest.approx(0.25, abs=0.02)
    assert (validates & tests).mean() == pytest.approx(0.05, abs=0.01)


@pytest.mark.parametrize("labels", [LABELS[:2], LABELS])
def test_lanes_give_the_same_bits_everywhere_and_learn(tmp_path, labels):
    table = tickets(5000, labels=labels)
    models = []
    for scheduler in ("synchronous", "threads"):

        def execute(_stage, tasks, *, sizes=None, scheduler=scheduler):
            return list(dask.compute(*tasks, scheduler=scheduler, num_workers=4))

        models.append(fit(table, tmp_path, execute=execute, cache=scheduler, lanes=4, block_rows=300))
    assert models[0].model.sha256 == models[1].model.sha256
    alone = fit(table, tmp_path, cache="alone", block_rows=300)
    assert models[0].model.sha256 != alone.model.sha256
    assert models[0].metrics["accuracy"] >= alone.metrics["accuracy"] - 0.015
    assert models[0].metrics["log_loss"] <= alone.metrics["log_loss"] + 0.08


def test_one_lane_too_many_is_left_out(tmp_path):
    few = fit(tickets(100), tmp_path, cache="few", lanes=2)
    assert few.metrics["test_rows"] > 0
    assert fit(tickets(100), tmp_path, lanes=500).metrics["test_rows"] == few.metrics["test_rows"]


def test_l1_makes_weights_zero(tmp_path):
    table = tickets(500)
    dense, thin = fit(table, tmp_path, cache="a"), fit(table, tmp_path, cache="b", l1=0.4)
    assert (dense.model.weights == 0).mean() < 0.1
    assert (thin.model.weights == 0).mean() > 0.5
    assert thin.metrics["accuracy"] >= dense.metrics["accuracy"] - 0.05


def test_the_mean_of_epochs(tmp_path):
    table = tickets(300)
    ends = [fit(table, tmp_path, cache=str(number), epochs=number).model.weights for number in (2, 3, 4)]
    averaged = fit(table, tmp_path, cache="mean", epochs=4, average=True).model.weights
    np.testing.assert_allclose(averaged, np.mean(ends, axis=0), rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("labels", [LABELS[:2], LABELS])
def test_lbfgs_is_scikit_learns_optimum_on_the_same_features(tmp_path, labels):
    table = tickets(500, labels=labels)
    result = fit(table, tmp_path, solver="lbfgs")
    tests = rows_that_test(table, table["text"].combine_chunks(), TrainConfig().split)
    train = table.filter(pa.array(~tests))
    rows = result.model.weighting.weigh(hash_texts(train["text"], result.model.weighting.features))
    theirs = LogisticRegression(C=10, tol=1e-10, max_iter=10_000).fit(
        rows.astype(np.float64), train["label"].to_pylist()
    )
    distance = np.linalg.norm(result.model.weights - theirs.coef_.T)
    assert distance <= 1e-3 * np.linalg.norm(theirs.coef_)
    assert result.warnings == ()


def test_lbfgs_says_when_it_did_not_arrive(tmp_path):
    result = fit(tickets(300), tmp_path, solver="lbfgs", iterations=2)
    assert any("Raise iterations" in warning for warning in result.warnings)


@pytest.mark.parametrize("settings", [{"lanes": 2}, {"solver": "lbfgs"}, {"validation": 0.2}])
def test_reproduces(tmp_path, settings):
    table = tickets(300)
    result = fit(table, tmp_path, **settings)
    again = reproduce_model(result.model, snapshot_of(table, tmp_path / "o", files=3), tmp_path / "scratch", run_here)
    assert again.equal


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"solver": "lbfgs", "l1": 1}, 'l1 is for solver = "incremental"'),
        ({"solver": "lbfgs", "l2": 0}, "needs l2 above 0"),
        ({"average": True, "validation": 0.1}, "exclude each other"),
        ({"lanes": 0}, "greater than or equal to 1"),
    ],
)
def test_settings_that_do_not_go_together(settings, message):
    with pytest.raises(ValidationError, match=message):
        TrainConfig.model_validate(settings)


def test_steps_take_more_shards_where_there_are_many_and_keep_their_order():
    for count, steps, most in ((1, 1, 1), (7, 7, 1), (8, 8, 1), (20, 10, 2), (128, 8, 16), (1_000, 63, 16)):
        share = [Shard(folder=str(number), rows=1) for number in range(count)]
        parts = in_steps(share)
        assert [shard for part in parts for shard in part] == share
        assert (len(parts), max(map(len, parts))) == (steps, most)


@pytest.mark.parametrize(("blocks", "tasks"), [(1, 1), (3, 2), (11, 4), (20, 6), (256, 64), (272, 17), (1_040, 65)])
def test_many_shards_are_made_by_a_task_a_group(blocks, tasks):
    plans = plan_shards([16] * blocks, 0)
    parts = _batches(plans)
    assert len(parts) == tasks
    assert [plan for _, part in parts for plan in part] == plans
    assert all(len({plan.blocks for plan in part}) == 1 for _, part in parts)
    assert [first for first, _ in parts] == [sum(len(part) for _, part in parts[:at]) for at in range(len(parts))]


def test_parts_differ_by_one_item_at_most_and_the_last_is_a_larger_one():
    for items, count in ((6, 4), (21, 4), (4, 4), (5, 2), (1, 1), (0, 3)):
        parts = even_parts(range(items), count)
        sizes = [len(part) for part in parts]
        assert [item for part in parts for item in part] == list(range(items))
        assert len(parts) == count
        assert max(sizes) == sizes[-1]
        assert max(sizes) - min(sizes) <= 1
