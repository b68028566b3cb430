"""From a version to a model: the same bits everywhere, honest figures, clear refusals."""

import csv
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import dask
import numpy as np
import orjson
import pyarrow as pa
import pytest
from oracles_text import snapshot_of

from pipeline.errors import DataError, ModelError
from pipeline.execute import run_here
from pipeline.text.config import FeatureConfig
from pipeline.train.config import TrainConfig
from pipeline.train.fit import fit_model
from pipeline.train.model import load_model
from pipeline.train.reproduce import reproduce_model

LINEAGE = {"dataset": "tickets", "version": 1}
TROUBLE = Path(__file__).parents[3] / "shared" / "trouble"
SUBJECTS = {"bill": ["invoice", "paid", "charge", "refund"], "slow": ["late", "waiting", "delay", "queue"]}
SUBJECTS["thanks"] = ["great", "thank", "lovely", "happy"]


def tickets(rows, seed=0, labels=("bill", "slow", "thanks")):
    random = np.random.default_rng(seed)
    chosen = random.choice(labels, rows).tolist()
    fillers = [f"word{number}" for number in range(200)]
    texts = [
        " ".join([*random.choice(fillers, 6), *random.choice(SUBJECTS[label], 2), *random.choice(fillers, 2)])
        for label in chosen
    ]
    return pa.table({"text": texts, "label": chosen})


def fit(table, folder, *, features=None, execute=run_here, files=1, cache="cache", **train):
    snapshot = snapshot_of(table, folder / f"store{files}", files)
    return fit_model(
        snapshot,
        features or FeatureConfig(bits=16),
        TrainConfig.model_validate(train),
        folder / cache,
        execute,
        LINEAGE,
    )


@pytest.fixture(scope="module")
def processes():
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
        yield pool


@pytest.mark.parametrize("labels", [("bill", "slow"), ("bill", "slow", "thanks")])
def test_same_bits_for_every_layout_and_scheduler(tmp_path, processes, labels):
    table = tickets(900, labels=labels)
    schedulers = {"synchronous": 1, "threads": 3, processes: 7}
    results = []
    for scheduler, files in schedulers.items():

        def execute(_stage, tasks, *, sizes=None, scheduler=scheduler):
            return list(dask.compute(*tasks, scheduler=scheduler))

        result = fit(table, tmp_path, execute=execute, files=files, cache=f"cache{files}", block_rows=70)
        results.append(result)
    assert len({result.model.sha256 for result in results}) == 1
    assert [result.metrics for result in results] == [results[0].metrics] * 3
    assert [result.top_features for result in results] == [results[0].top_features] * 3
    assert results[0].metrics["accuracy"] > 0.95


def test_a_warm_cache_and_one_that_was_partly_lost_give_the_same(tmp_path):
    first = fit(tickets(300), tmp_path, block_rows=50)
    lost = sorted((tmp_path / "cache").glob("*/hashed/00000002/*"))
    for path in lost:
        path.unlink()
    lost[0].parent.rmdir()
    again = fit(tickets(300), tmp_path, block_rows=50)
    assert lost
    assert again.model.sha256 == first.model.sha256
    assert again.metrics == first.metrics


def test_settings_that_matter_change_the_model(tmp_path):
    table = tickets(300)
    models = [
        fit(table, tmp_path, **settings).model.sha256
        for settings in (
            {},
            {"seed": 1},
            {"epochs": 3},
            {"l2": 1.0},
            {"split": {"seed": 1}},
            {"class_weight": "balanced"},
        )
    ]
    assert len(set(models)) == len(models)


def test_result_adds_up(tmp_path):
    table = pa.concat_tables([tickets(200), pa.table({"text": ["!!!", "late", None], "label": ["slow", None, "bill"]})])
    result = fit(table, tmp_path)
    rows = result.model.lineage["rows"]
    assert rows["rows"] == 203
    assert rows["missing_label"] == 1
    assert result.train_rows + result.test_rows + rows["no_features"] + 1 == 203
    assert result.metrics["train_rows"] == result.train_rows
    assert np.sum(result.evaluation["confusion"]) == result.test_rows == result.metrics["test_rows"]
    assert result.evaluation["labels"] == ["bill", "slow", "thanks"]
    assert [one["label"] for one in result.evaluation["per_class"]] == ["bill", "slow", "thanks"]
    assert list(result.seconds) == ["features", "train", "calibrate", "evaluate", "explain"]
    assert any("1 rows have no label" in warning for warning in result.warnings)
    assert any("no feature" in warning for warning in result.warnings)
    assert orjson.loads(orjson.dumps(result.evaluation)) == result.evaluation


def test_top_features_are_the_words_that_make_the_label(tmp_path):
    result = fit(tickets(600), tmp_path, features=FeatureConfig(ngrams=(1, 1)))
    for label, grams in result.top_features.items():
        assert {gram for gram, _ in grams[:4]} == set(SUBJECTS[label])
        assert [weight for _, weight in grams] == sorted((weight for _, weight in grams), reverse=True)


def test_official_split_by_source_file(tmp_path):
    table = tickets(200).append_column("_source", pa.array(["train.csv"] * 150 + ["test.csv"] * 50))
    result = fit(table, tmp_path, split={"test_files": ["test.csv"]})
    assert (result.train_rows, result.test_rows) == (150, 50)


def test_numbers_as_labels(tmp_path):
    table = tickets(200, labels=("bill", "slow"))
    table = table.set_column(1, "label", pa.array([int(label == "slow") for label in table["label"].to_pylist()]))
    result = fit(table, tmp_path)
    assert result.model.labels == ("0", "1")
    assert result.metrics["accuracy"] > 0.9


def test_labels_that_only_test_rows_have_are_told(tmp_path):
    table = pa.table({"text": ["late", "paid", "great"] * 4, "label": ["slow", "bill", "thanks"] * 4})
    table = table.append_column("side", pa.array(["train", "train", "test"] * 4))
    result = fit(table, tmp_path, split={"column": "side", "test": "test"})
    assert result.model.labels == ("bill", "slow")
    assert result.metrics["accuracy"] == 0.0
    assert any('"thanks"' in warning for warning in result.warnings)


@pytest.mark.parametrize(
    ("table", "train", "message"),
    [
        (tickets(0), {}, "none of the 0 rows"),
        (pa.table({"text": ["a b"], "label": pa.nulls(1, pa.string())}), {}, "none of the 1 rows"),
        (tickets(50, labels=("bill",)), {}, 'have the label "bill"'),
        (tickets(20), {"split": {"test_files": ["nothing"]}}, "no row is there to test"),
        (tickets(20), {"split": {"column": "side", "test": "yes"}}, "no row is there to train"),
        (tickets(20), {"text": "txt"}, 'Did you mean "text"'),
        (pa.table({"text": [f"! {'?' * n}" for n in range(40)], "label": ["a", "b"] * 20}), {}, "has a feature"),
    ],
    ids=["no rows", "no labels", "one label", "no tests", "all test", "no column", "no features"],
)
def test_what_cannot_be_trained_on_is_refused_with_a_cure(tmp_path, table, train, message):
    for name, value in (("side", "yes"), ("_source", "a.csv")):
        table = table.append_column(name, pa.array([value] * table.num_rows, pa.string()))
    with pytest.raises(DataError, match=message) as caught:
        fit(table, tmp_path, **train)
    assert "[train]" in caught.value.cure or "split" in caught.value.cure


def trouble(name):
    if not TROUBLE.exists():
        pytest.skip("the trouble inputs are not beside the project")
    with open(TROUBLE / name, encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    return pa.table({"text": [row["text"] or None for row in rows], "label": [row["label"] or None for row in rows]})


@pytest.mark.parametrize("block_rows", [10, 16_384])
def test_sorted_by_label_is_learned_as_well_as_shuffled(tmp_path, block_rows):
    table = trouble("29_sorted_by_label.csv")
    shuffled = table.take(pa.array(np.random.default_rng(0).permutation(table.num_rows)))
    for number, rows in enumerate((table, shuffled)):
        assert fit(rows, tmp_path / str(number), block_rows=block_rows).metrics["accuracy"] >= 0.95


def test_a_rare_label_is_found_when_balanced(tmp_path):
    result = fit(trouble("30_imbalanced.csv"), tmp_path, class_weight="balanced")
    recall = {one["label"]: one["recall"] for one in result.evaluation["per_class"]}
    assert recall["complaint"] > 0


def test_chinese_without_spaces_has_features(tmp_path):
    table = trouble("32_zh_short.csv").append_column("side", pa.array(["train"] * 4 + ["test"]))
    split = {"column": "side", "test": "test"}
    result = fit(table, tmp_path, features=FeatureConfig(analyzer="chinese"), split=split)
    assert result.model.lineage["rows"]["no_features"] == 0
    assert result.metrics["accuracy"] == 1.0


def test_a_saved_model_is_the_same_model(tmp_path):
    result = fit(tickets(200), tmp_path)
    result.model.save(tmp_path / "model")
    loaded = load_model(tmp_path / "model")
    assert loaded.sha256 == result.model.sha256
    assert loaded.metrics == result.metrics
    assert loaded.lineage == orjson.loads(orjson.dumps(result.model.lineage))
    texts = tickets(50, seed=1)["text"]
    np.testing.assert_array_equal(loaded.predict_proba(texts), result.model.predict_proba(texts))


def test_a_model_from_before_punctuation_was_skipped_still_keeps_it(tmp_path):
    table = tickets(300).set_column(
        0, "text", pa.array([f"好！{text}，慢。" for text in tickets(300)["text"].to_pylist()])
    )
    result = fit(table, tmp_path, features=FeatureConfig(analyzer="chinese", bits=16, keep_punctuation=True))
    folder = tmp_path / "model"
    result.model.save(folder)
    # Such a model's files do not know the setting: model.json never tells one that changes nothing.
    assert "keep_punctuation" not in orjson.loads((folder / "model.json").read_bytes())["features"]
    lineage = orjson.loads((folder / "lineage.json").read_bytes())
    del lineage["features"]["keep_punctuation"]
    (folder / "lineage.json").write_bytes(orjson.dumps(lineage))
    loaded = load_model(folder)
    assert loaded.weighting.features.keep_punctuation
    np.testing.assert_array_equal(loaded.predict_proba(table["text"]), result.model.predict_proba(table["text"]))
    snapshot = snapshot_of(table, tmp_path / "store1")
    assert reproduce_model(loaded, snapshot, tmp_path / "again", run_here).equal


def test_a_model_that_skips_punctuation_says_so(tmp_path):
    features = FeatureConfig(analyzer="chinese", bits=16)
    result = fit(tickets(200), tmp_path, features=features)
    result.model.save(tmp_path / "model")
    assert orjson.loads((tmp_path / "model" / "model.json").read_bytes())["features"]["keep_punctuation"] is False
    assert load_model(tmp_path / "model").weighting.features == features.model_copy(update={"ngrams": (1, 2)})


def test_a_damaged_or_missing_model_is_refused(tmp_path):
    with pytest.raises(ModelError, match="cannot be read"):
        load_model(tmp_path)
    fit(tickets(200), tmp_path).model.save(tmp_path / "model")
    weights = tmp_path / "model" / "weights.safetensors"
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)
    with pytest.raises(ModelError, match="SHA-256"):
        load_model(tmp_path / "model")
    weights.write_bytes(content[:20])
    with pytest.raises(ModelError, match="cannot be read"):
        load_model(tmp_path / "model")


def test_reproduces_from_its_lineage(tmp_path):
    table = tickets(300)
    result = fit(table, tmp_path, seed=5, class_weight="balanced", split={"test": 0.3, "seed": 7})
    result.model.save(tmp_path / "model")
    model = load_model(tmp_path / "model")
    again = reproduce_model(model, snapshot_of(table, tmp_path / "other", files=3), tmp_path / "scratch", run_here)
    assert again.equal
    changed = table.set_column(0, "text", pa.array(["another text", *table["text"].to_pylist()[1:]]))
    other = reproduce_model(model, snapshot_of(changed, tmp_path / "third"), tmp_path / "scratch2", run_here)
    assert not other.equal


def test_is_not_reproduced_from_another_version(tmp_path):
    result = fit(tickets(200), tmp_path)
    strange = type(result.model)(
        **{name: getattr(result.model, name) for name in ("labels", "weighting", "weights", "intercept", "text")},
        lineage={"dataset": "tickets", "version": 2},
    )
    with pytest.raises(ModelError, match="tickets version 2, not on tickets version 1"):
        reproduce_model(strange, snapshot_of(tickets(200), tmp_path / "o"), tmp_path / "s", run_here)
