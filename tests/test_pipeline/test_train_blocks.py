"""Blocks, splits and shards: every row once, on one side, whatever the layout."""

import pickle
from collections import Counter
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest
from dask.sizeof import sizeof
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles_text import snapshot_of
from scipy import sparse

from pipeline.errors import DataError
from pipeline.execute import run_here, task_of
from pipeline.text.config import FeatureConfig
from pipeline.train.block_files import StoredCsr, is_written, open_block, write_block
from pipeline.train.columns import needed_columns, require_columns
from pipeline.train.config import SplitConfig, TrainConfig
from pipeline.train.hashed import HashedBatch, feature_key, hash_block, hash_blocks
from pipeline.train.incremental import epoch_order
from pipeline.train.order import shuffled, shuffled_rows
from pipeline.train.shards import Shard, plan_shards
from pipeline.train.sides import rows_that_test


def split_of(**settings):
    return SplitConfig.model_validate(settings)


@given(st.lists(st.integers(0, 20), min_size=1, max_size=12), st.integers(0, 99), st.integers(1, 5))
@settings(max_examples=150, deadline=None)
def test_shards_hold_every_row_once(block_rows, seed, mixed):
    plans = plan_shards(block_rows, seed, mixed)
    taken = Counter(
        (block, row) for plan in plans for block in plan.blocks for row in plan.rows_of(block, block_rows[block], seed)
    )
    assert taken == Counter((block, row) for block, rows in enumerate(block_rows) for row in range(rows))


def test_shards_mix_blocks_that_are_sorted_by_label():
    plans = plan_shards([100] * 32, seed=0)
    first_half = [sum(len(plan.rows_of(b, 100, 0)) for b in plan.blocks if b < 16) for plan in plans]
    sizes = [sum(len(plan.rows_of(b, 100, 0)) for b in plan.blocks) for plan in plans]
    assert all(0.2 < part / size < 0.8 for part, size in zip(first_half, sizes, strict=True))


@given(st.integers(0, 50), st.integers(0, 2**63 - 1), st.integers(0, 2**63 - 1))
def test_shuffled_is_a_permutation_that_its_seeds_decide(count, seed, other):
    order = shuffled(count, seed, other)
    assert sorted(order.tolist()) == list(range(count))
    np.testing.assert_array_equal(order, shuffled(count, seed, other))


@given(st.integers(0, 5000), st.integers(0, 2**63 - 1), st.integers(0, 2**63 - 1))
@settings(deadline=None)
def test_rows_are_shuffled_by_a_compiled_loop_as_by_numpy(count, seed, other):
    np.testing.assert_array_equal(shuffled_rows(count, seed, other), shuffled(count, seed, other))


def test_shuffles_do_not_change():
    assert shuffled(8, 0).tolist() == [5, 7, 2, 0, 3, 1, 6, 4]
    assert shuffled(8, 42, 1).tolist() == [0, 3, 7, 1, 4, 2, 6, 5]


def test_each_epoch_learns_each_shard_once_in_another_order():
    shards = [Shard(folder=str(number), rows=1) for number in range(20)]
    epochs = [[shard.folder for shard in epoch_order(shards, epoch, seed=0)] for epoch in range(3)]
    assert all(sorted(epoch, key=int) == [shard.folder for shard in shards] for epoch in epochs)
    assert epochs[0] != epochs[1] != epochs[2]


@given(st.lists(st.text(max_size=8), max_size=40), st.integers(0, 99))
@settings(max_examples=60, deadline=None)
def test_equal_texts_are_on_one_side(texts, seed):
    array = pa.array([*texts, *reversed(texts)], pa.string())
    tests = rows_that_test(pa.table({"text": array}), array, split_of(test=0.5, seed=seed))
    sides = dict(zip(texts, tests.tolist(), strict=False))
    assert [sides[text] for text in array.to_pylist()] == tests.tolist()


def test_a_share_is_about_that_share_and_moves_with_the_seed():
    array = pa.array([f"text {number}" for number in range(20_000)])
    table = pa.table({"text": array})
    tests = rows_that_test(table, array, split_of(test=0.2))
    assert tests.mean() == pytest.approx(0.2, abs=0.01)
    assert (tests & rows_that_test(table, array, split_of(test=0.2, seed=43))).mean() == pytest.approx(0.04, abs=0.01)
    assert not (tests & ~rows_that_test(table, array, split_of(test=0.3))).any()


def test_split_by_source_file():
    sources = pa.array(["data/train.csv", "data/test.csv", "test.csv", "latest.csv", None]).dictionary_encode()
    table = pa.table({"_source": sources})
    by_name = rows_that_test(table, pa.nulls(5, pa.string()), split_of(test_files=["test.csv"]))
    assert by_name.tolist() == [False, True, True, False, False]
    by_path = rows_that_test(table, pa.nulls(5, pa.string()), split_of(test_files=["data/*"]))
    assert by_path.tolist() == [True, True, False, False, False]


@pytest.mark.parametrize(
    ("column", "value", "expected"),
    [
        (pa.array(["test", "dev", None]), "test", [True, False, False]),
        (pa.array([1, 2, None]), "2", [False, True, False]),
    ],
)
def test_split_by_column(column, value, expected):
    table = pa.table({"side": column})
    assert rows_that_test(table, pa.nulls(3, pa.string()), split_of(column="side", test=value)).tolist() == expected


def test_a_missing_column_is_named_with_the_nearest():
    train = TrainConfig.model_validate({"text": "txet", "split": {"column": "side", "test": "test"}})
    assert needed_columns(train) == ("txet", "label", "side")
    schema = pa.schema([("text", pa.string()), ("label", pa.string()), ("side", pa.list_(pa.string()))])
    with pytest.raises(DataError, match=r'no column "txet".*Did you mean "text"'):
        require_columns(schema, needed_columns(train), "tickets")
    with pytest.raises(DataError, match='"side" of dataset tickets holds list'):
        require_columns(schema, ("side",), "tickets")


MATRIX = sparse.csr_matrix(np.array([[0, 1, 2], [0, 0, 0], [3, 0, 0]], np.float32))
LABELS = np.array([1, 0, 1], np.int32)


def test_a_stored_block_travels_as_its_path(tmp_path):
    write_block(tmp_path / "0", MATRIX, LABELS, {"rows": 3})
    stored = StoredCsr.opened(str(tmp_path / "0"))
    sent = pickle.dumps(stored)
    assert len(sent) < 1000 + len(str(tmp_path))
    np.testing.assert_array_equal(pickle.loads(sent).toarray(), MATRIX.toarray())
    assert sizeof(stored) < 10_000
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(stored[1:])).toarray(), MATRIX[1:].toarray())
    np.testing.assert_array_equal(open_block(tmp_path / "0").rows(1, 3).toarray(), MATRIX[1:].toarray())


def test_the_second_writer_of_a_block_finds_it_there(tmp_path):
    write_block(tmp_path / "0", MATRIX, LABELS, {"rows": 3})
    write_block(tmp_path / "0", MATRIX, LABELS, {"rows": 3})
    assert [path.name for path in tmp_path.iterdir()] == ["0"]
    assert is_written(tmp_path / "0")


def test_a_block_without_rows(tmp_path):
    write_block(tmp_path / "0", sparse.csr_matrix((0, 4), dtype=np.float32), LABELS[:0], {"rows": 0})
    assert StoredCsr.opened(str(tmp_path / "0")).shape == (0, 4)
    assert open_block(tmp_path / "0").rows(0, 0).shape == (0, 4)


def test_counts_of_a_hashed_version(tmp_path):
    table = pa.table(
        {
            "text": ["late again", None, "!!!", "paid twice", "late again"],
            "label": ["slow", "bill", "slow", None, "slow"],
            "side": ["train", "train", "train", "train", "test"],
        }
    )
    train = TrainConfig.model_validate({"split": {"column": "side", "test": "test"}, "block_rows": 2})
    snapshot = snapshot_of(table, tmp_path / "store", files=2)
    blocks, frequencies = hash_blocks(snapshot, FeatureConfig(), train, tmp_path / "cache", run_here)
    assert [block.rows for block in blocks] == [2, 2, 1]
    assert [block.train_rows for block in blocks] == [1, 0, 0]
    assert [block.test_rows for block in blocks] == [0, 0, 1]
    assert sum(block.missing_label for block in blocks) == 1
    assert sum(block.no_features for block in blocks) == 2
    assert [dict(block.train_labels) for block in blocks] == [{"slow": 1, "bill": 1}, {"slow": 1}, {}]
    assert blocks[2].test_label_texts() == ["slow"]
    assert frequencies.sum() == 3
    found, again = hash_blocks(snapshot, FeatureConfig(), train, tmp_path / "cache", run_here)
    assert found == blocks
    np.testing.assert_array_equal(again, frequencies)


def test_blocks_read_together_are_as_those_read_alone(tmp_path):
    table = pa.table({"text": [f"text number {n} of {n % 7}" for n in range(400)], "label": ["a", "b"] * 200})
    train, snapshot = TrainConfig(block_rows=9), snapshot_of(table, tmp_path / "store", files=3, row_group_rows=50)
    blocks, _ = hash_blocks(snapshot, FeatureConfig(), train, tmp_path / "together", run_here)
    assert len(blocks) == 45
    for number, block in enumerate(blocks):
        alone = hash_block(table.slice(9 * number, 9), FeatureConfig(), train, tmp_path / "alone" / str(number))
        assert replace(alone, folder=block.folder) == block
        for ours, theirs in ((block.train_matrix(), alone.train_matrix()), (block.test_matrix(), alone.test_matrix())):
            assert (ours != theirs).nnz == 0
        np.testing.assert_array_equal(block.targets(["a", "b"]), alone.targets(["a", "b"]))


def test_other_settings_have_another_place(tmp_path):
    snapshot = snapshot_of(pa.table({"text": ["a"], "label": ["b"]}), tmp_path)
    base = feature_key(snapshot, FeatureConfig(), TrainConfig())
    same = [(FeatureConfig(ngrams=(1, 2)), TrainConfig()), (FeatureConfig(norm="l1"), TrainConfig(epochs=1))]
    assert {feature_key(snapshot, *settings) for settings in same} == {base}
    other = [
        (FeatureConfig(bits=10), TrainConfig()),
        (FeatureConfig(ngrams=(1, 1)), TrainConfig()),
        (FeatureConfig(), TrainConfig(block_rows=7)),
        (FeatureConfig(), TrainConfig(split=SplitConfig(seed=1))),
    ]
    assert len({base, *(feature_key(snapshot, *settings) for settings in other)}) == 5


def test_a_task_takes_its_arguments_as_they_are():
    held = {"one": [1, 2], "other": HashedBatch(blocks=())}
    task = task_of(dict, held, more=(3,))
    [found] = run_here("look", [task])
    assert found == {**held, "more": (3,)}
    assert found["other"] is held["other"]
    assert task.key.startswith("dict-")
