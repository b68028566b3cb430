"""Two models on the same rows, and how far input has moved."""

import math

import numpy as np
import pyarrow as pa
import pytest
from oracles_text import snapshot_of
from scipy import sparse

from pipeline.comparison import Paired, compare_models
from pipeline.execute import run_here
from pipeline.text.config import FeatureConfig
from pipeline.train.config import TrainConfig
from pipeline.train.evaluate import Tally
from pipeline.train.fit import fit_model
from pipeline.train.input_profile import InputProfile, measure_input


def texts(rows, seed=0, hint=0.9):
    random = np.random.default_rng(seed)
    labels = random.choice(["bill", "slow"], rows)
    hints = [label if random.random() < hint else random.choice(["bill", "slow"]) for label in labels]
    words = [" ".join(f"w{number}" for number in random.integers(0, 400, 8)) for _ in range(rows)]
    return pa.table({"text": [f"{a} {b}" for a, b in zip(hints, words, strict=True)], "label": labels.tolist()})


def fitted(table, folder, name, features=None, dataset="tickets", **train):
    snapshot = snapshot_of(table, folder / "store")
    result = fit_model(
        snapshot,
        features or FeatureConfig(bits=12),
        TrainConfig.model_validate(train),
        folder / "cache",
        run_here,
        {"dataset": dataset, "version": 1},
    )
    result.model.save(folder / name)
    return snapshot, result


@pytest.fixture(scope="module")
def two(tmp_path_factory):
    folder = tmp_path_factory.mktemp("two")
    table = texts(1500)
    snapshot, good = fitted(table, folder, "good")
    _, bad = fitted(table, folder, "bad", FeatureConfig(bits=2, ngrams=(1, 1)), split={"seed": 7})
    return folder, table, snapshot, good, bad


def test_models_are_compared_on_the_rows_that_neither_learned_from(two):
    folder, _, snapshot, good, _ = two
    paired = compare_models(folder / "bad", folder / "good", snapshot, run_here, folder / "scratch")
    found = paired.significance()
    # Each keeps a fifth, by independent hashes.
    assert 0.02 * 1500 < found["rows"] < 0.07 * 1500
    assert found["rows"] == paired.first.rows == paired.second.rows
    same = compare_models(folder / "good", folder / "good", snapshot, run_here, folder / "scratch")
    assert same.first.rows == good.test_rows
    np.testing.assert_array_equal(same.first.confusion, same.second.confusion)
    assert same.significance()["p_value"] == 1.0
    assert same.significance()["difference"] == 0.0


def test_all_rows_count_on_data_that_neither_knows(two):
    folder, _, _, good, bad = two
    table = texts(800, seed=3)
    snapshot = snapshot_of(table, folder / "elsewhere")
    other = type(snapshot)(
        version=type(snapshot.version)(**{**{name: getattr(snapshot.version, name) for name in
        snapshot.version.__slots__}, "dataset": "later"}), schema=snapshot.schema, files=snapshot.files, uniform=True,
    )  # fmt: skip
    object.__setattr__(other.version, "fingerprint", "")
    paired = compare_models(folder / "bad", folder / "good", other, run_here, folder / "scratch2")
    right = [
        np.array(one.model.labels)[one.model.predict_proba(table["text"]).argmax(axis=1)] == np.array(table["label"])
        for one in (bad, good)
    ]
    expected = [[int((~right[0] & ~right[1]).sum()), int((~right[0] & right[1]).sum())],
                [int((right[0] & ~right[1]).sum()), int((right[0] & right[1]).sum())]]  # fmt: skip
    assert paired.agreement.tolist() == expected
    found = paired.significance()
    assert found["rows"] == 800
    assert found["p_value"] < 0.01
    assert found["low"] > 0
    assert found["difference"] == pytest.approx(right[1].mean() - right[0].mean())


@pytest.mark.parametrize(("first", "second"), [(0, 0), (3, 9), (10, 10), (0, 12)])
def test_mcnemar_by_hand(first, second):
    agreement = np.array([[5, second], [first, 80]], np.int64)
    found = Paired(first=Tally.empty(2), second=Tally.empty(2), agreement=agreement).significance()
    discordant = first + second
    tail = sum(math.comb(discordant, k) for k in range(min(first, second) + 1)) / 2**discordant
    assert found["p_value"] == pytest.approx(min(1.0, 2 * tail))
    rows = 85 + discordant
    # The variance of the differences -1, 0 and 1 of paired rows.
    differences = [1] * second + [-1] * first + [0] * 85
    assert found["high"] - found["low"] == pytest.approx(2 * 1.96 * np.std(differences) / math.sqrt(rows))


def test_a_profile_counts_what_a_model_sees(two):
    good = two[3]
    profile = InputProfile.from_dict(good.evaluation["profile"])
    assert profile.rows == good.test_rows == int(profile.lengths.sum())
    assert profile.labels[:2].tolist() == np.sum(good.evaluation["confusion"], axis=0).tolist()
    assert 0 < profile.unseen_share < 0.5
    rows = sparse.csr_matrix(np.tril(np.ones((40, 64))))
    made = InputProfile.of(rows, 10, np.zeros(40, np.int64), 2)
    expected = np.bincount([1 + math.floor(2 * math.log2(size)) for size in range(1, 41)], minlength=40)
    assert made.lengths.tolist() == expected.tolist()
    assert (made.grams, made.unseen) == (40 * 41 // 2, 40 * 41 // 2 - 10)
    assert 15 < made.median_length < 25
    parts = InputProfile.of(rows[:7], 4, np.zeros(7, np.int64), 2).merge(
        InputProfile.of(rows[7:], 6, np.zeros(33, np.int64), 2)
    )
    assert parts.to_dict() == made.to_dict()


def test_the_same_input_has_not_moved_and_another_has():
    random = np.random.default_rng(0)

    def profile(rows, shares, length, unseen):
        sizes = np.maximum(random.poisson(length, rows), 1)
        matrix = sparse.csr_matrix(
            (np.ones(sizes.sum()), np.zeros(sizes.sum()), np.concatenate([[0], np.cumsum(sizes)]))
        )
        decided = random.choice(3, rows, p=shares)
        return InputProfile.of(matrix, int(sizes.sum() * (1 - unseen)), decided, 3)

    then = profile(2000, [0.5, 0.3, 0.2], 20, 0.1)
    for rows in (20, 100, 3000):
        same = measure_input(then, profile(rows, [0.5, 0.3, 0.2], 20, 0.12), ("a", "b", "c"))
        assert [each.measure for each in same] == ["labels", "lengths", "unseen"]
        assert not any(each.moved for each in same), same
    for other, moved in (
        (profile(500, [0.1, 0.3, 0.6], 20, 0.1), {"labels"}),
        (profile(500, [0.5, 0.3, 0.2], 60, 0.1), {"lengths"}),
        (profile(500, [0.5, 0.3, 0.2], 20, 0.5), {"unseen"}),
    ):
        found = measure_input(then, other, ("a", "b", "c"))
        assert {each.measure for each in found if each.moved} == moved
    assert "a 10" in str(measure_input(then, profile(5000, [0.1, 0.3, 0.6], 20, 0.1), ("a", "b", "c"))[0]).replace(
        ".", " "
    )
    assert measure_input(then, InputProfile.empty(3), ("a", "b", "c")) == []
