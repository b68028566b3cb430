"""Chinese words as features: found by jieba, hashed as scikit-learn would, the same words wherever a model goes."""

import re
from importlib.metadata import version

import pyarrow as pa
import pytest
import rjieba
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles_text import snapshot_of
from scipy import sparse
from sklearn.feature_extraction.text import HashingVectorizer
from test_pipeline.test_text_hashing import RANGES, TEXTS, assert_equal

from cluster.driver import run_job
from pipeline.config import parse_job
from pipeline.errors import JobFileError, ModelError, PackageMissingError
from pipeline.execute import run_here
from pipeline.predict import predict_table
from pipeline.text import segmentation
from pipeline.text.config import FeatureConfig
from pipeline.text.gram_texts import gram_texts
from pipeline.text.hashing import hash_texts
from pipeline.train.config import TrainConfig
from pipeline.train.fit import fit_model
from pipeline.train.model import load_model
from pipeline.train.reproduce import reproduce_model
from pipeline.train.start import Start, fitted_settings
from pipeline.train.state import open_state

FOUND_BY = f"rjieba {version('rjieba')}"
JIEBA = rjieba.Jieba()
SPOKEN = [
    "质量不好，要退款",
    "我来到北京清华大学",
    "iPhone 15 还有货吗？T恤很好",
    "卡拉OK 3.14 元",
    "不 好",
    "！！！",
    "",
]
CHINESE = st.lists(st.sampled_from(SPOKEN) | st.text("质量不好退款北京大学很aB1_ ，。\u3000", max_size=20), max_size=6)


def words(text, *, lowercase=True):
    cut = " ".join(JIEBA.cut(text, True))
    return re.findall(r"\w+", cut.lower() if lowercase else cut)


def reference(texts, features):
    low, high = features.ngram_range

    def grams(text):
        found = [word for word in words(text, lowercase=features.lowercase) if word not in features.stop_words]
        return [" ".join(found[at : at + size]) for size in range(low, high + 1) for at in range(len(found) - size + 1)]

    if not texts:
        return sparse.csr_matrix((0, features.width))
    return HashingVectorizer(analyzer=grams, n_features=features.width, norm=None).transform(texts)


@given(TEXTS | CHINESE, RANGES, st.booleans(), st.sampled_from([(), ("不", "很"), ("北京", "ok")]))
@settings(max_examples=200, deadline=None)
def test_equals_its_description(texts, ngrams, lowercase, left_out):
    features = FeatureConfig(analyzer="chinese_word", ngrams=ngrams, lowercase=lowercase, stop_words=left_out)
    assert_equal(hash_texts(pa.array(texts, pa.string()), features), reference(texts, features))


def test_a_null_is_an_empty_row_and_words_of_one_character_count():
    matrix = hash_texts(pa.array([None, "！", "好"]), FeatureConfig(analyzer="chinese_word"))
    assert (matrix.getnnz(axis=1)).tolist() == [0, 0, 1]


def test_words_that_others_teach_the_package_change_nothing():
    features = FeatureConfig(analyzer="chinese_word", ngrams=(1, 1))
    before = hash_texts(pa.array(["质量不好"]), features)
    rjieba.add_word("质量不好", 1_000_000, "n")
    assert rjieba.cut("质量不好", True) == ["质量不好"]
    assert_equal(hash_texts(pa.array(["质量不好"]), features), before)


def test_words_behind_buckets_are_words():
    features = FeatureConfig(analyzer="chinese_word")
    texts = pa.array(["我来到北京清华大学"])
    found = gram_texts(texts, features, hash_texts(texts, features).indices.tolist())
    assert {text for counts in found.values() for text, _ in counts} == {
        *("我", "来到", "北京", "清华大学", "我 来到", "来到 北京", "北京 清华大学"),
    }


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("words")
    rows = [("质量不好要退款", "差"), ("非常好谢谢", "好"), ("太差了不好", "差"), ("服务很好很满意", "好")] * 10
    table = pa.table(
        {
            "text": [f"{text}{number}" for number, (text, _) in enumerate(rows)],
            "label": [label for _, label in rows],
            "side": ["train"] * 36 + ["test"] * 4,
        }
    )
    snapshot = snapshot_of(table, folder / "store", 1)
    train = TrainConfig.model_validate({"split": {"column": "side", "test": "test"}})
    lineage = {"dataset": "tickets", "version": 1}
    features = FeatureConfig(analyzer="chinese_word", bits=14)
    return snapshot, fit_model(snapshot, features, train, folder / "cache", run_here, lineage).model


def test_a_model_of_words_says_what_found_them_and_can_be_reproduced(trained, tmp_path):
    snapshot, model = trained
    assert model.lineage["segmenter"] == FOUND_BY
    assert model.metrics["accuracy"] == 1.0
    assert reproduce_model(model, snapshot, tmp_path / "again", run_here).equal
    predicted = predict_table(pa.table({"text": ["不好", "非常好"]}), model, "text", reasons=2)
    assert predicted["predicted"].to_pylist() == ["差", "好"]


def test_a_model_of_words_that_another_version_found_scores_nothing(trained, tmp_path):
    snapshot, model = trained
    model.lineage["segmenter"], told = "rjieba 0.0.1", model.lineage["segmenter"]
    try:
        model.save(tmp_path / "model")
    finally:
        model.lineage["segmenter"] = told
    old = load_model(tmp_path / "model")
    refused = rf"rjieba 0\.0\.1 found, and {FOUND_BY} may.*pip install rjieba==0\.0\.1"
    with pytest.raises(ModelError, match=refused):
        old.predict_proba(pa.array(["不好"]))
    # Nor does learning go on from it.
    start = Start(model_id="old", model=old, state=open_state(tmp_path / "model"), snapshot=snapshot)
    train = TrainConfig.model_validate(old.lineage["train"])
    with pytest.raises(ModelError, match=refused):
        fitted_settings(start, old.weighting.features, train, snapshot.version.dataset)


def test_a_job_without_the_package_is_refused_before_anything_is_read(monkeypatch, tmp_path):
    monkeypatch.setattr(segmentation, "find_spec", lambda _: None)
    features = FeatureConfig(analyzer="chinese_word")
    with pytest.raises(PackageMissingError, match=r"pip install 'textmill\[jieba\]'"):
        hash_texts(pa.array(["不好"]), features)
    job = parse_job(
        {
            "name": "words",
            "store": str(tmp_path / "store"),
            "source": {"files": [str(tmp_path / "missing.csv")]},
            "dataset": {"name": "rows"},
            "features": {"analyzer": "chinese_word"},
            "train": {},
        }
    )
    with pytest.raises(JobFileError, match=r'analyzer = "chinese_word" needs the package rjieba'):
        run_job(job)
    assert not (tmp_path / "store").exists()
