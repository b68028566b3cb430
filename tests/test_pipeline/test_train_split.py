"""Splits: the same rows whatever the layout, shares that hold, and equal texts never on both sides."""

import re
from collections import Counter, defaultdict
from datetime import date, datetime

import numpy as np
import orjson
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles_text import murmur_64a, snapshot_of
from pydantic import ValidationError

from pipeline.errors import DataError
from pipeline.execute import run_here
from pipeline.text.config import FeatureConfig
from pipeline.text.hashing import hash_normal_forms
from pipeline.train import split_plan
from pipeline.train.config import TrainConfig
from pipeline.train.fit import fit_model
from pipeline.train.model import load_model
from pipeline.train.reproduce import reproduce_model
from pipeline.train.sides import sides_of
from pipeline.train.split_config import SplitConfig
from pipeline.train.split_plan import plan_split


def normal(text):
    return " ".join(re.findall(r"\w+", text.lower())) or text.lower()


def split_rows(table, folder, files=1, **split):
    """(tests, left out) of all rows."""
    train = TrainConfig.model_validate({"split": split})
    plan = plan_split(snapshot_of(table, folder / f"store{files}", files), train, folder / f"split{files}", run_here)
    sides = sides_of(table, table["text"].combine_chunks(), train, plan)
    return sides.tests, sides.left_out


def tickets(rows=4000, seed=0):
    random = np.random.default_rng(seed)
    labels = random.choice(["bill", "slow", "thanks", "rare"], rows, p=[0.6, 0.25, 0.145, 0.005])
    numbers = random.integers(0, rows // 2, rows)
    dress = random.choice(["{}", "{}!", "  {}", "<{}>"], rows)
    texts = [
        form.format(f"Text {number}" if number % 3 else f"TEXT {number}")
        for form, number in zip(dress, numbers, strict=True)
    ]
    days = random.integers(0, 365, rows)
    return pa.table(
        {
            "text": texts,
            "label": [None if number % 50 == 0 else label for number, label in enumerate(labels.tolist())],
            "customer": [None if number % 40 == 0 else f"c{number % 97}" for number in range(rows)],
            "day": pa.array([None if day == 7 else date.fromordinal(738886 + int(day)) for day in days], pa.date32()),
            "_source": [f"{'new' if day > 300 else 'old'}.csv" for day in days],
        }
    )  # fmt: skip


def sides_by_text(table, tests, left_out):
    sides = defaultdict(set)
    for text, label, test, out in zip(
        table["text"].to_pylist(), table["label"].to_pylist(), tests, left_out, strict=True
    ):
        if label is not None and not out:
            sides[normal(text)].add(bool(test))
    return sides


@given(st.lists(st.text(max_size=30), max_size=8), st.integers(0, 2**63 - 1))
@settings(max_examples=200, deadline=None)
def test_normal_hash_equals_its_description(texts, seed):
    hashes = hash_normal_forms(pa.array(texts, pa.string()), seed)
    assert hashes.tolist() == [murmur_64a(normal(text).encode(), seed) for text in texts]


SPLITS = {
    "share": {},
    "stratify": {"stratify": True},
    "group": {"group": "customer"},
    "time": {"time": "day", "cut": date(2024, 10, 1)},
    "files": {"test_files": ["new.csv"], "drop_shared": True},
}


@pytest.mark.parametrize("split", SPLITS.values(), ids=SPLITS)
def test_the_same_rows_for_every_layout_and_never_an_equal_text_on_both_sides(tmp_path, monkeypatch, split):
    table = tickets()
    tests, left_out = split_rows(table, tmp_path, **split)
    monkeypatch.setattr(split_plan, "_BATCH_ROWS", 333)
    monkeypatch.setattr(split_plan, "_RANGE_ROWS", 500)
    again = split_rows(table, tmp_path, files=5, **split)
    np.testing.assert_array_equal(again, (tests, left_out))
    assert 0.02 < tests.mean() < 0.35
    assert all(len(sides) == 1 for sides in sides_by_text(table, tests, left_out).values())
    # What is left out has an equal text that trains, and nothing else is.
    trained = {
        normal(t)
        for t, label, x, o in zip(table["text"].to_pylist(), table["label"].to_pylist(), tests, left_out, strict=True)
        if label is not None and not x and not o
    }
    kept_out = [normal(t) for t, o in zip(table["text"].to_pylist(), left_out, strict=True) if o]
    assert set(kept_out) <= trained


@pytest.mark.parametrize("share", [0.1, 0.2, 0.5])
def test_each_label_has_its_share_to_within_a_row(tmp_path, share):
    rows = [
        (f"text number {number}", ("many", "some", "few")[(number % 100 >= 80) + (number % 100 >= 99)])
        for number in range(5000)
    ]
    table = pa.table({"text": [text for text, _ in rows], "label": [label for _, label in rows]})
    tests, _ = split_rows(table, tmp_path, stratify=True, test=share)
    counts = Counter(label for _, label in rows)
    tested = Counter(label for (_, label), test in zip(rows, tests, strict=True) if test)
    for label, count in counts.items():
        assert abs(tested[label] - share * count) <= 1 + count / 2048, label


def test_a_text_with_two_labels_is_on_the_side_of_the_first(tmp_path):
    table = tickets()
    tests, _ = split_rows(table, tmp_path, stratify=True)
    plain = table.filter(pa.array([label is not None for label in table["label"].to_pylist()]))
    firsts = {}
    for text, label in zip(plain["text"].to_pylist(), plain["label"].to_pylist(), strict=True):
        firsts[normal(text)] = min(label, firsts.get(normal(text), label))
    assert len({normal(text) for text in plain["text"].to_pylist()}) < plain.num_rows / 1.5
    # Each first label alone has its share of rows.
    by_first = defaultdict(list)
    for text, label, test in zip(table["text"].to_pylist(), table["label"].to_pylist(), tests, strict=True):
        if label is not None:
            by_first[firsts[normal(text)]].append(test)
    for label, sides in by_first.items():
        largest = max(Counter(normal(text) for text in table["text"].to_pylist()).values())
        assert abs(sum(sides) - 0.2 * len(sides)) <= largest + len(sides) / 2048, label


def test_groups_stay_together(tmp_path):
    table = tickets()
    tests, left_out = split_rows(table, tmp_path, group="customer")
    sides = defaultdict(set)
    for customer, test, out in zip(table["customer"].to_pylist(), tests, left_out, strict=True):
        if customer is not None and not out:
            sides[customer].add(bool(test))
    assert all(len(found) == 1 for found in sides.values())
    assert {frozenset(found) for found in sides.values()} == {frozenset([True]), frozenset([False])}


MOMENTS = [datetime(2024, 5, 31, 23), datetime(2024, 6, 1)]


@pytest.mark.parametrize(
    ("column", "cut", "later"),
    [
        (pa.array(["2024-05-31", "2024-06-01", None, "2024-07"]), "2024-06-01", [False, True, False, True]),
        (pa.array([1, 2, None, 3]), 2, [False, True, False, True]),
        (pa.array([date(2024, 5, 31), date(2024, 6, 1), None]), date(2024, 6, 1), [False, True, False]),
        (pa.array(MOMENTS), "2024-06-01", [False, True]),
        (pa.array(MOMENTS, pa.timestamp("us", "UTC")), "2024-06-01", [False, True]),
        (pa.array(MOMENTS, pa.timestamp("us", "UTC")), "2024-06-01T01:00+02:00", [True, True]),
    ],
)  # fmt: skip
def test_rows_from_a_moment_on_test(tmp_path, column, cut, later):
    table = pa.table(
        {"text": [f"t{number}" for number in range(len(column))], "label": ["a"] * len(column), "at": column}
    )
    tests, left_out = split_rows(table, tmp_path, time="at", cut=cut)
    assert tests.tolist() == later
    assert not left_out.any()


def test_a_cut_that_is_no_moment_is_refused(tmp_path):
    table = pa.table({"text": ["a"], "label": ["b"], "at": pa.array([date(2024, 5, 31)])})
    with pytest.raises(DataError, match=r'cut = "soon" cannot be compared with column "at", which holds date32'):
        split_rows(table, tmp_path, time="at", cut="soon")


@pytest.mark.parametrize(
    ("split", "told"),
    [
        ({"stratify": True, "group": "a"}, "group and stratify exclude each other"),
        ({"time": "at"}, "time and cut need each other"),
        ({"cut": 3}, "time and cut need each other"),
        ({"drop_shared": True}, "never separates equal texts"),
        ({"test": 1.5}, "not a share"),
    ],
)
def test_splits_that_cannot_be(split, told):
    with pytest.raises(ValidationError, match=told):
        SplitConfig.model_validate(split)


@pytest.mark.parametrize("split", SPLITS.values(), ids=SPLITS)
def test_a_model_says_how_it_was_split_and_is_reproduced(tmp_path, split):
    table, folder = tickets(600), tmp_path / "model"
    train = TrainConfig.model_validate({"split": split, "validation": 0.2, "epochs": 1})
    lineage = {"dataset": "tickets", "version": 1}
    snapshot = snapshot_of(table, tmp_path / "store")
    result = fit_model(snapshot, FeatureConfig(bits=12), train, tmp_path / "cache", run_here, lineage)
    result.model.save(folder)
    model = load_model(folder)
    rows = model.lineage["rows"]
    assert rows["rows"] == 600
    parts = ("train_rows", "validation_rows", "test_rows", "missing_label", "left_out")
    assert sum(rows[name] for name in parts) == 600
    assert model.lineage["split"] == orjson.loads(orjson.dumps(result.model.lineage["split"]))
    assert bool(rows["left_out"]) == any("an equal text trains" in warning for warning in result.warnings)
    assert reproduce_model(model, snapshot, tmp_path / "scratch", run_here).equal
