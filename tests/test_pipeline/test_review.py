"""Wrong labels that were planted are found first, by models that have not seen them."""

import numpy as np
import pyarrow as pa
import pytest
from oracles_text import snapshot_of
from pydantic import ValidationError

from pipeline.execute import run_here
from pipeline.review import DOUBT, LABEL_WAS, SUGGESTED, corrected, find_doubtful, fold_settings
from pipeline.text.config import FeatureConfig
from pipeline.train.config import TrainConfig
from pipeline.train.sides import rows_that_test
from pipeline.train.split_config import SplitConfig

WORDS = {"bill": ["invoice", "paid", "charge"], "slow": ["late", "waiting", "queue"], "thanks": ["great", "lovely"]}
WRONG = [3, 50, 77, 120, 250, 401]


def tickets(rows=500):
    random = np.random.default_rng(0)
    labels = random.choice(list(WORDS), rows).tolist()
    texts = [
        " ".join([*random.choice(WORDS[label], 3), *(f"w{number}" for number in random.integers(0, 80, 4)), f"n{at}"])
        for at, label in enumerate(labels)
    ]
    planted = [("slow" if label != "slow" else "bill") if at in WRONG else label for at, label in enumerate(labels)]
    columns = {"text": texts, "label": planted, "_source": ["a.csv"] * rows, "_position": list(range(rows))}
    return pa.table(columns), labels


@pytest.mark.parametrize("folds", [2, 3, 5, 7])
def test_folds_test_every_row_once(folds):
    table, _ = tickets()
    text = table["text"].combine_chunks()
    settings = [fold_settings(TrainConfig(), fold, folds).split for fold in range(folds)]
    tested = np.sum([rows_that_test(table, text, split) for split in settings], axis=0)
    assert tested.tolist() == [1] * table.num_rows
    if folds == 5:
        np.testing.assert_array_equal(
            rows_that_test(table, text, settings[0]), rows_that_test(table, text, SplitConfig())
        )


@pytest.mark.parametrize("split", [{"fold": 5}, {"fold": 1, "test": 0.6}, {"fold": 1, "stratify": True}])
def test_folds_that_cannot_be(split):
    with pytest.raises(ValidationError, match="is no share of"):
        SplitConfig.model_validate(split)


def test_planted_errors_come_first_and_their_correction_is_kept_apart(tmp_path):
    table, truth = tickets()
    snapshot = snapshot_of(table, tmp_path / "store", files=2)
    found = find_doubtful(
        snapshot, FeatureConfig(bits=12), TrainConfig(epochs=3), run_here, tmp_path / "cache", tmp_path / "s",
        folds=3, limit=20,
    )  # fmt: skip
    assert sorted(found["_position"].to_pylist()[: len(WRONG)]) == WRONG
    assert found[SUGGESTED].to_pylist()[: len(WRONG)] == [
        truth[at] for at in found["_position"].to_pylist()[: len(WRONG)]
    ]
    doubts = found[DOUBT].to_pylist()
    assert doubts == sorted(doubts, reverse=True)
    assert found.num_rows <= 20
    assert found[LABEL_WAS].to_pylist() == found["label"].to_pylist()
    assert corrected(found, "label").num_rows == 0
    fixed = [truth[at] for at in found["_position"].to_pylist()]
    changed = corrected(found.set_column(1, "label", pa.array(fixed)), "label")
    assert sorted(changed["_position"].to_pylist()) == WRONG
    assert changed.column_names == table.column_names
