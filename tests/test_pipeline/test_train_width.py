"""The width chosen from the data: near the true number of n-grams, bounded by memory, kept in the model."""

import numpy as np
import pyarrow as pa
import pytest
from oracles_text import snapshot_of
from sklearn.feature_extraction.text import CountVectorizer

from pipeline.execute import run_here
from pipeline.text.config import FeatureConfig
from pipeline.train.config import TrainConfig
from pipeline.train.fit import fit_model
from pipeline.train.model import load_model
from pipeline.train.reproduce import reproduce_model
from pipeline.train.width import choose_width


def zipf_texts(rows, seed=0, labels=("a", "b")):
    random = np.random.default_rng(seed)
    words = random.zipf(1.3, (rows, 12)) % 50_000
    chosen = random.choice(labels, rows)
    return pa.table(
        {"text": [f"{label} " + " ".join(f"w{n}" for n in line) for label, line in zip(chosen, words, strict=True)],
         "label": chosen.tolist()}
    )  # fmt: skip


def choose(table, folder, block_rows=16_384, **features):
    snapshot = snapshot_of(table, folder / "store", files=2)
    settings = FeatureConfig.model_validate({"bits": "auto", **features})
    return choose_width(snapshot, settings, TrainConfig(block_rows=block_rows), run_here)


@pytest.mark.parametrize(("rows", "block_rows"), [(50, 16_384), (4000, 500), (4000, 100)])
def test_as_many_buckets_as_different_grams(tmp_path, rows, block_rows):
    table = zipf_texts(rows)
    width = choose(table, tmp_path, block_rows)
    true = len(CountVectorizer(ngram_range=(1, 2)).fit(table["text"].to_pylist()).vocabulary_)
    # All blocks are counted, or 14 of 40 and carried on.
    assert width.grams == pytest.approx(true, rel=0.02 if block_rows != 100 else 0.15)
    assert 2 ** (width.bits - 1) < width.grams <= 2**width.bits or width.bits == 10
    assert not width.limited


def test_memory_bounds_it_by_the_labels(tmp_path):
    two = choose(zipf_texts(3000), tmp_path / "two", memory="200KB")
    many = choose(zipf_texts(3000, labels=[f"l{n}" for n in range(20)]), tmp_path / "many", memory="200KB")
    assert two.limited
    assert (two.bits, many.bits) == (14, 9)
    assert "for [features] memory" in str(two)


def test_no_rows_have_the_least(tmp_path):
    assert choose(zipf_texts(0), tmp_path).bits == 10


def test_the_choice_is_told_kept_and_reproduced(tmp_path):
    snapshot = snapshot_of(zipf_texts(600), tmp_path / "store")
    lineage = {"dataset": "tickets", "version": 1}
    settings = FeatureConfig(bits="auto"), TrainConfig(epochs=1)
    result = fit_model(snapshot, *settings, tmp_path / "cache", run_here, lineage)
    result.model.save(tmp_path / "model")
    model = load_model(tmp_path / "model")
    bits = model.weighting.features.bits
    assert bits == model.lineage["width"]["bits"] == model.lineage["features"]["bits"]
    assert any(f"bits = {bits} was chosen" in warning for warning in result.warnings)
    assert reproduce_model(model, snapshot, tmp_path / "scratch", run_here).equal
    given = fit_model(snapshot, FeatureConfig(bits=bits), TrainConfig(epochs=1), tmp_path / "other", run_here, lineage)
    assert given.model.sha256 == model.sha256
    with pytest.raises(ValueError, match="is chosen when a model is trained"):
        FeatureConfig(bits="auto").width  # noqa: B018 - the property raises
