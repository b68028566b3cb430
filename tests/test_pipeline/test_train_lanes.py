"""Lanes are merged as the formula says, in few tasks, each told of."""

import numpy as np
import pytest
from scipy import sparse

from cluster.task_content import merged_graph
from pipeline.execute import run_here
from pipeline.train.block_files import write_block
from pipeline.train.lane_kernel import add_lane, merge_lanes
from pipeline.train.lanes import learn_epoch_in_lanes
from pipeline.train.learner import OnlineLearner
from pipeline.train.shards import Shard

FEATURES, ROWS = 40, 30


def test_a_merged_weight_is_the_mean_weighted_by_what_each_lane_has_seen():
    random = np.random.default_rng(0)
    before, weights = (random.random((50, 3), np.float32) for _ in range(2))
    gained = np.where(random.random((4, 50, 3)) < 0.3, random.random((4, 50, 3)), 0).astype(np.float32)
    lanes = [np.stack([before + one, random.random((50, 3), np.float32)]) for one in gained]
    sums, squares, merged, touched = np.zeros((3, 150)), before.copy(), weights.copy(), np.zeros(150, np.bool_)
    for lane in lanes:
        add_lane(sums, before.ravel(), *lane.reshape(2, -1))
    merge_lanes(sums, squares.reshape(-1), merged.reshape(-1), touched)
    seen = np.array([lane[0].astype(np.float64) - before for lane in lanes])
    known = seen.sum(axis=0) > 0
    share = np.divide(seen, seen.sum(axis=0), out=np.zeros_like(seen), where=known)
    np.testing.assert_array_equal(touched.reshape(50, 3), known)
    expected = (share * [lane[1] for lane in lanes]).sum(axis=0)
    np.testing.assert_allclose(merged, np.where(known, expected, weights), rtol=1e-6)
    np.testing.assert_allclose(squares, before + (share * seen).sum(axis=0), rtol=1e-6)
    np.testing.assert_array_equal(merged[~known], weights[~known])
    np.testing.assert_array_equal(squares[~known], before[~known])


@pytest.mark.parametrize(("shards", "lanes", "tasks", "words"), [(24, 8, 8, 8), (12, 1, 23, 12), (3, 8, 3, 3)])
def test_a_lane_is_a_task_where_there_are_many_and_all_rows_are_told(tmp_path, shards, lanes, tasks, words):
    random = np.random.default_rng(1)
    made = []
    for number in range(shards):
        rows = sparse.random(ROWS, FEATURES, 0.2, "csr", np.float32, random_state=random)
        write_block(tmp_path / str(number), rows, random.integers(0, 2, ROWS, np.int32), {})
        made.append(Shard(folder=str(tmp_path / str(number)), rows=ROWS))
    answers, sizes = [], []

    def execute(stage, asked, *, sizes_of=sizes, **_):
        sizes_of.append(len(merged_graph(asked)))
        answers.extend(run_here(stage, asked))
        return answers

    learned = learn_epoch_in_lanes(OnlineLearner(), None, made, FEATURES, 2, lanes, tmp_path / "states", execute)
    assert sizes == [tasks]
    assert len(answers) == words
    assert sum(answer.progress_rows for answer in answers) == learned.rows_seen_ == shards * ROWS
    assert sorted(rows for rows, _ in learned.losses_) == [ROWS] * shards
    assert list((tmp_path / "states").iterdir()) == []
