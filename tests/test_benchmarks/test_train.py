"""The training benchmark compares like with like, on a corpus that stays as it is."""

import hashlib
from pathlib import Path

import numpy as np
import pytest

from benchmarks import optimum, train
from benchmarks.harness.child import _function
from benchmarks.harness.contender import OURS, Case, Setting
from benchmarks.peers import train_fasttext, train_sklearn, train_vw
from benchmarks.suites import suite
from benchmarks.zipf_corpus import best_accuracy, chunks, zipf_rows


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> str:
    return train.lay_out(zipf_rows(600, 150), tmp_path_factory.mktemp("in") / "corpus")


def test_the_corpus_is_what_it_always_was():
    [first] = chunks(3_000)
    digest = hashlib.sha256("\n".join([*first.texts.to_pylist(), *map(str, first.labels)]).encode())
    assert digest.hexdigest()[:16] == "4eb23c73a5a599f7"
    assert best_accuracy(first.chances) == pytest.approx(0.73, abs=0.005)
    assert (first.labels == (first.chances > 0.5)).mean() == pytest.approx(0.73, abs=0.03)


def test_all_read_the_same_documents(folder):
    ours = train.counted(folder)
    assert ours == train_vw.counted(folder) == train_fasttext.counted(folder)
    assert (ours["train_rows"], ours["test_rows"]) == (600, 150)
    texts, labels = train_sklearn._read(folder, "train")
    rows = zipf_rows(600, 150).train
    assert texts == rows.texts.to_pylist()
    assert labels == rows.labels.astype(bool).tolist()


def test_quality_is_told(folder, tmp_path):
    for passes, (settings, _) in train.SETTINGS.items():
        (tmp_path / str(passes)).mkdir()
        told = train.learn(folder, passes, 1, settings, str(tmp_path / str(passes)))
        assert 0.4 < told["accuracy"] < 0.8
        assert told["seconds"] > 0 < told["cpu_s"]
    assert train_vw.quality([0.5, 0.25], [True, False]) == {
        "accuracy": 0.5,
        "log_loss": pytest.approx(-np.log([0.5, 0.75]).sum() / 2),
    }


def test_every_case_has_all_contenders_and_targets(tmp_path):
    found = suite("train").cases(Setting(size_bytes=200_000, scratch=tmp_path, peers=True))
    assert [len(case.targets) for case in found] == [3, 3]
    for case in found:
        names = [contender.name for contender in case.contenders]
        assert names[0] == OURS
        assert {name for target in case.targets for name in target.needs} <= set(names)


@pytest.fixture(scope="module")
def optimum_case(tmp_path_factory: pytest.TempPathFactory) -> Case:
    scratch = tmp_path_factory.mktemp("optimum")
    [case] = suite("optimum").cases(Setting(size_bytes=600_000, scratch=scratch, peers=True))
    return case


def test_both_programs_reach_the_optimum(optimum_case, tmp_path):
    assert [contender.name for contender in optimum_case.contenders] == [OURS, optimum.PEER]
    for number, contender in enumerate(optimum_case.contenders):
        (tmp_path / str(number)).mkdir()
        arguments = {**contender.arguments, "scratch": str(tmp_path / str(number))}
        found = _function(contender.run)(**arguments)
        assert found["seconds"] > 0
        assert abs(found[optimum.LOSS_OFF]) < 1e-6
        assert found[optimum.WEIGHTS_OFF] < 1e-3
        assert _function(contender.check)(**arguments)["rows"] > 700


def test_weights_that_are_off_are_seen(optimum_case):
    folder = optimum_case.contenders[0].arguments["folder"]
    rows = optimum._prepared(folder, 1)
    with np.load(Path(folder) / "optimum.npz") as best:
        weights, intercept = best["weights"], float(best["intercept"])
    off = optimum._measured(folder, rows, weights * 1.01, intercept)
    assert off[optimum.WEIGHTS_OFF] == pytest.approx(0.01)
    assert off[optimum.LOSS_OFF] > 1e-6
