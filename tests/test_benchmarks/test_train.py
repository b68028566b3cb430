"""The training benchmark compares like with like, on a corpus that stays as it is."""

import hashlib

import numpy as np
import pytest

from benchmarks import train
from benchmarks.harness.contender import OURS, Setting
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
