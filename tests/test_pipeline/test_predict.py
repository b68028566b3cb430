"""Scoring tables and partitions."""

import dask.dataframe as dd
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from oracles_text import snapshot_of

from pipeline.errors import ModelError
from pipeline.execute import run_here
from pipeline.predict import predict_frame, predict_table
from pipeline.text.config import FeatureConfig
from pipeline.train.config import TrainConfig
from pipeline.train.fit import fit_model

TEXTS = ["late again and again", "invoice paid twice"] * 40


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    folder = tmp_path_factory.mktemp("model")
    side = pa.array(["train"] * 70 + ["test"] * 10)
    table = pa.table({"text": TEXTS, "label": ["slow", "bill"] * 40, "side": side})
    train = TrainConfig.model_validate({"split": {"column": "side", "test": "test"}})
    result = fit_model(snapshot_of(table, folder), FeatureConfig(ngrams=(1, 1)), train, folder / "c", run_here, {})
    result.model.save(folder / "model")
    return result.model, str(folder / "model")


def test_labels_and_probabilities(model):
    table = pa.table({"text": ["so late", None, "invoice", "!!!"], "id": [1, 2, 3, 4]})
    scored = predict_table(table, model[0])
    assert scored.column_names == ["text", "id", "predicted", "probability"]
    assert scored["predicted"].to_pylist()[:3] == ["slow", None, "bill"]
    assert scored["predicted"].to_pylist()[3] in model[0].labels
    chances = model[0].predict_proba(table["text"]).max(axis=1)
    assert scored["probability"].to_pylist() == [chances[0], None, chances[2], chances[3]]


def test_reasons_are_the_words_that_speak_for_the_label(model):
    scored = predict_table(pa.table({"text": ["late invoice invoice", "xyz"]}), model[0], reasons=2)
    assert scored["reasons"].to_pylist() == ["invoice", ""]
    assert scored["predicted"][0].as_py() == "bill"


def test_another_column_and_old_predictions(model):
    table = pa.table({"review": ["so late"], "predicted": ["old"], "text": ["invoice"]})
    scored = predict_table(table, model[0], "review")
    assert scored.column_names == ["review", "text", "predicted", "probability"]
    assert scored["predicted"].to_pylist() == ["slow"]


def test_no_rows(model):
    scored = predict_table(pa.table({"text": pa.array([], pa.string())}), model[0], reasons=1)
    assert scored.num_rows == 0
    assert scored.schema.field("probability").type == pa.float64()


def test_a_missing_column_is_named(model):
    with pytest.raises(ModelError, match='no column "text" to predict from; its columns: review'):
        predict_table(pa.table({"review": ["so late"]}), model[0])


def test_partitions_score_as_the_whole(model):
    frame = pd.DataFrame({"text": pd.array(TEXTS, pd.ArrowDtype(pa.string()))}, index=np.arange(80) * 2)
    whole = predict_frame(frame, model[1])
    collection = dd.from_pandas(frame, npartitions=3)
    parts = collection.map_partitions(predict_frame, model[1], meta=whole.iloc[:0]).compute(scheduler="synchronous")
    pd.testing.assert_frame_equal(parts, whole)
    assert whole["predicted"].tolist() == ["slow", "bill"] * 40
    assert whole.index.tolist() == frame.index.tolist()
