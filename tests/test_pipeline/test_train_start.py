"""Learning that goes on from an earlier model: which rows are new, what stays as it was, what is refused."""

from collections import Counter
from dataclasses import replace
from functools import partial

import dask
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles_text import snapshot_of
from pydantic import ValidationError

from pipeline.errors import ModelError
from pipeline.execute import run_here
from pipeline.text.config import FeatureConfig
from pipeline.text.hashing import hash_texts
from pipeline.train import added
from pipeline.train.added import added_rows
from pipeline.train.config import TrainConfig
from pipeline.train.fit import fit_model
from pipeline.train.incremental import new_estimator
from pipeline.train.model import load_model
from pipeline.train.reproduce import reproduce_model
from pipeline.train.sides import rows_that_test
from pipeline.train.start import Start, started_from
from pipeline.train.state import LearningState, open_state

SUBJECTS = {"bill": ["invoice", "paid", "charge"], "slow": ["late", "waiting", "delay"], "thanks": ["great", "lovely"]}
FEATURES = FeatureConfig(bits=16, ngrams=(1, 1))
threads = partial(dask.compute, scheduler="threads")


def tickets(rows, seed=0, labels=("bill", "slow")):
    random = np.random.default_rng(seed)
    chosen = random.choice(labels, rows).tolist()
    texts = [
        " ".join([*random.choice([f"word{seed % 2}{n}" for n in range(150)], 5), random.choice(SUBJECTS[label])])
        for label in chosen
    ]
    return pa.table({"text": texts, "label": chosen})


def start_of(result, snapshot, folder):
    result.model.save(folder)
    return Start(model_id="first", model=load_model(folder), state=open_state(folder), snapshot=snapshot)


def fit(snapshot, folder, start=None, *, execute=run_here, features=FEATURES, **train):
    lineage = {"dataset": snapshot.version.dataset, "version": snapshot.version.number}
    config = TrainConfig.model_validate({**train, "start": None if start is None else "first"})
    return fit_model(snapshot, features, config, folder, execute, lineage, start)


def appended(table, more, folder):
    """Two versions: the rows of `table`, and those with the rows of `more` after them, in files of their own."""
    whole = snapshot_of(pa.concat_tables([table, more]), folder, files=1)
    before, after = snapshot_of(table, folder / "a"), snapshot_of(more, folder / "b")
    version = replace(whole.version, number=2)
    return before, replace(whole, version=version, files=(*before.files, *after.files))


@given(
    st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from(["x", "y", None]), st.booleans()), max_size=30),
    st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from(["x", "y", None]), st.booleans()), max_size=30),
)
@settings(max_examples=40, deadline=None)
def test_added_rows_are_those_beyond_as_many_as_there_were(tmp_path_factory, before, after):
    folder = tmp_path_factory.mktemp("versions")

    def table_of(rows):
        columns = {
            "text": [row[0] for row in rows],
            "label": [row[1] for row in rows],
            "note": [row[2] for row in rows],
        }
        return pa.table(columns, pa.schema([("text", pa.string()), ("label", pa.string()), ("note", pa.bool_())]))

    one, other = (snapshot_of(table_of(rows), folder / name, 2) for name, rows in (("one", before), ("two", after)))
    found = added_rows(one, other, ("text", "label"), folder / "scratch", run_here)
    # Whole, and cut into blocks anywhere.
    mask = found.among(0, len(after))
    np.testing.assert_array_equal(np.concatenate([found.among(at, 1) for at in range(len(after))] or [mask]), mask)
    left, expected = Counter(row[:2] for row in before), []
    for row in after:
        expected.append(left[row[:2]] <= 0)
        left[row[:2]] -= 1
    assert mask.tolist() == expected
    assert found.removed == sum(count for count in left.values() if count > 0)


def test_ranges_of_hashes_and_batches_give_the_same(tmp_path, monkeypatch):
    table = tickets(400)
    one = snapshot_of(table, tmp_path / "one", 2)
    other = snapshot_of(pa.concat_tables([table.slice(100), tickets(50, seed=1)]), tmp_path / "two", 3)
    whole = added_rows(one, other, ("text",), tmp_path / "a", run_here)
    monkeypatch.setattr(added, "_BATCH_ROWS", 37)
    monkeypatch.setattr(added, "_RANGE_ROWS", 20)
    parts = added_rows(one, other, ("text",), tmp_path / "b", run_here)
    assert len(parts.known) > 20
    np.testing.assert_array_equal(parts.among(0, 350), whole.among(0, 350))
    assert (whole.removed, parts.removed) == (100, 100)
    assert whole.among(0, 350).sum() == 50


def test_learning_goes_on_where_it_stopped(tmp_path):
    table, more = tickets(600), tickets(300, seed=1)
    before, after = appended(table, more, tmp_path / "store")
    first = fit(before, tmp_path / "cache", epochs=2, class_weight="balanced")
    start = start_of(first, before, tmp_path / "first")
    second = fit(after, tmp_path / "cache", start, epochs=3, class_weight="balanced")

    # The same by hand: the estimator as it was, and the rows that train of those appended.
    trains = ~rows_that_test(more, more["text"].combine_chunks(), TrainConfig().split)
    hashed = hash_texts(more["text"], FEATURES)[np.flatnonzero(trains)]
    weighting, labels = second.model.weighting, second.model.labels
    counts = Counter(start.state.label_rows) + Counter(more.filter(pa.array(trains))["label"].to_pylist())
    settings_of = TrainConfig(epochs=3, class_weight="balanced")
    blank = new_estimator([counts[label] for label in labels], settings_of)
    estimator = started_from(start, blank, weighting, labels)
    targets = np.array([labels.index(label) for label in more.filter(pa.array(trains))["label"].to_pylist()])
    for _ in range(3):
        weighed = weighting.weigh(hashed)
        estimator.learn(weighed.indptr, weighed.indices, weighed.data, targets)
    np.testing.assert_array_equal(second.model.weights, np.ascontiguousarray(estimator.coef_.T))
    assert second.model.state.rows_seen == 2 * first.train_rows + 3 * second.train_rows
    assert second.model.state.label_rows == counts
    assert second.train_rows == trains.sum()

    # What the first model knew has kept its place and weight; new words have come.
    known = np.isin(weighting.buckets, first.model.weighting.buckets)
    np.testing.assert_array_equal(weighting.idf[known], first.model.weighting.idf)
    assert 0 < known.sum() < len(weighting.buckets)
    assert second.metrics["test_rows"] > first.metrics["test_rows"]
    assert second.metrics["accuracy"] > 0.95


def test_same_bits_however_the_rows_lie_and_it_is_reproduced(tmp_path):
    table, more = (
        tickets(500, labels=("bill", "slow", "thanks")),
        tickets(200, seed=1, labels=("slow", "thanks", "bill")),
    )
    before, after = appended(table, more, tmp_path / "store")
    start = start_of(fit(before, tmp_path / "cache", block_rows=60), before, tmp_path / "first")
    second = fit(after, tmp_path / "cache", start, block_rows=60)
    rewritten = snapshot_of(pa.concat_tables([table, more]), tmp_path / "other", files=3)
    rewritten = replace(rewritten, version=after.version)
    again = fit(
        rewritten, tmp_path / "fresh", start, block_rows=60, execute=lambda _stage, tasks, **_: list(threads(*tasks))
    )
    assert again.model.sha256 == second.model.sha256
    assert again.model.state.digest == second.model.state.digest
    assert second.model.lineage["start"] == {**start.to_dict(), "removed_rows": 0}

    second.model.save(tmp_path / "second")
    model = load_model(tmp_path / "second")
    assert reproduce_model(model, rewritten, tmp_path / "scratch", run_here, start).equal
    with pytest.raises(ModelError, match="learned on from first, which is not given"):
        reproduce_model(model, rewritten, tmp_path / "scratch2", run_here)
    changed = replace(start, state=replace(start.state, rows_seen=1))
    with pytest.raises(ModelError, match="state differ"):
        reproduce_model(model, rewritten, tmp_path / "scratch2", run_here, changed)
    with pytest.raises(ModelError, match="learned on from no model"):
        reproduce_model(start.model, before, tmp_path / "scratch2", run_here, start)


def test_nothing_new_is_the_same_model_and_what_is_gone_is_told(tmp_path):
    table = tickets(400)
    before = snapshot_of(table, tmp_path / "store")
    first = fit(before, tmp_path / "cache")
    start = start_of(first, before, tmp_path / "first")
    fewer = snapshot_of(table.slice(0, 380), tmp_path / "fewer")
    second = fit(replace(fewer, version=replace(fewer.version, number=2)), tmp_path / "cache", start)
    assert second.model.sha256 == first.model.sha256
    assert second.model.state.digest == start.state.digest
    assert second.train_rows == 0
    assert second.evaluation["course"] == []
    told = " ".join(second.warnings)
    assert "No row that trains was added since tickets version 1: the model computes what first does" in told
    assert "20 rows of tickets version 1 are not in this version" in told


@pytest.mark.parametrize("lanes", [1, 3])
def test_a_label_that_is_new_changes_nothing_but_by_what_is_learned(tmp_path, lanes):
    before, after = appended(tickets(400), tickets(300, seed=1, labels=("bill", "slow", "thanks")), tmp_path / "store")
    first = fit(before, tmp_path / "cache", lanes=lanes, block_rows=50)
    start = start_of(first, before, tmp_path / "first")
    labels = ("bill", "slow", "thanks")
    blank = new_estimator([1, 1, 1], TrainConfig())
    estimator = started_from(start, blank, start.model.weighting, labels)
    texts = pa.array(["invoice paid", "late again", "word03"])
    three = estimator.predict_proba(start.model.features(texts))
    pairs = three[:, :2] / three[:, :2].sum(axis=1, keepdims=True)
    np.testing.assert_allclose(pairs, start.model.predict_proba(texts), atol=1e-6)
    second = fit(after, tmp_path / "cache", start, lanes=lanes, block_rows=50)
    assert second.model.labels == labels
    assert second.metrics["accuracy"] > 0.9


@pytest.mark.parametrize(
    ("features", "train", "expected"),
    [
        (FeatureConfig(bits=15, ngrams=(1, 1)), {}, r"another \[features\] bits"),
        (FeatureConfig(bits=16), {}, r"another \[features\] ngrams"),
        (FEATURES, {"split": {"seed": 1}}, r"another \[train\] split"),
        (FEATURES, {"validation": 0.1, "text": "label"}, r"another \[train\] text, \[train\] validation"),
    ],
)
def test_other_settings_are_refused(tmp_path, features, train, expected):
    before = snapshot_of(tickets(100), tmp_path / "store")
    start = start_of(fit(before, tmp_path / "cache", epochs=1), before, tmp_path / "first")
    with pytest.raises(ModelError, match=expected):
        fit(before, tmp_path / "cache", start, features=features, **train)
    elsewhere = replace(before, version=replace(before.version, dataset="orders"))
    with pytest.raises(ModelError, match=r'dataset \(there "tickets", here "orders"\)'):
        fit(elsewhere, tmp_path / "cache", start)


def test_a_width_left_open_is_the_earlier_ones(tmp_path):
    before, after = appended(tickets(300), tickets(100, seed=1), tmp_path / "store")
    start = start_of(fit(before, tmp_path / "cache"), before, tmp_path / "first")
    second = fit(after, tmp_path / "cache", start, features=FeatureConfig(bits="auto", ngrams=(1, 1)))
    assert second.model.weighting.features.bits == 16


def test_models_without_a_state_are_no_start(tmp_path):
    before = snapshot_of(tickets(100), tmp_path / "store")
    fit(before, tmp_path / "cache", solver="lbfgs").model.save(tmp_path / "first")
    with pytest.raises(ModelError, match="keeps no state"):
        open_state(tmp_path / "first")
    fit(before, tmp_path / "cache", epochs=1).model.save(tmp_path / "second")
    (tmp_path / "second" / "state.safetensors").write_bytes(b"cut")
    with pytest.raises(ModelError, match="damaged"):
        open_state(tmp_path / "second")


@pytest.mark.parametrize(
    ("settings_of", "message"),
    [
        ({"solver": "lbfgs"}, "optimum of all rows"),
        ({"split": {"stratify": True}}, "start and stratify exclude"),
        ({"learning_curve": True}, "starts from nothing"),
    ],
)
def test_what_start_excludes(settings_of, message):
    with pytest.raises(ValidationError, match=message):
        TrainConfig.model_validate({"start": "first", **settings_of})


def test_the_same_state_is_the_same_file_each_time(tmp_path):
    state = LearningState(
        squares=np.ones((4, 1), np.float32),
        intercept_squares=np.ones(1, np.float32),
        rows_seen=7,
        label_rows={"投诉": 3, "b": 4},
    )
    written = set()
    for number in range(20):
        folder = tmp_path / str(number)
        folder.mkdir()
        state.save(folder)
        written.add((folder / "state.safetensors").read_bytes())
        assert open_state(folder).digest == state.digest
    assert len(written) == 1
