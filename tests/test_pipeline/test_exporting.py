"""Exported models against the models themselves: ONNX by onnxruntime, and the scorer in plain NumPy."""

import json
import subprocess
import sys

import numpy as np
import onnxruntime
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.utils import murmurhash3_32

from pipeline.errors import ModelError
from pipeline.exporting.export import export_onnx
from pipeline.exporting.scorer import Scorer, murmur3
from pipeline.text.config import FeatureConfig
from pipeline.text.hashing import hash_texts
from pipeline.text.tfidf import Weighting, document_frequencies
from pipeline.train.calibration import Calibration
from pipeline.train.decision import Decision
from pipeline.train.model import TrainedModel

TEXTS = [
    "Where is my parcel? It is late, late, LATE again!",
    "Invoice 2024-11 was paid twice; please refund £20.",
    "Thanks, lovely service",
    "a b",
    "",
    "   ",
    "!!!",
    "naïve Straße ΣΊΣΥΦΟΣ İstanbul",
    "我要退钱！订单号 20241125 还没有收到",
    "服务很好，谢谢 谢谢",
    "请 问 iPhone 15 还有货吗？",
    "今天天气不错 OK thanks",
]
ANY = st.lists(
    st.one_of(st.text(max_size=25), st.sampled_from(TEXTS), st.text("ab 退款， \u3000", max_size=20)), max_size=6
)


def model_of(analyzer, labels=("a", "b", "c"), *, seed=0, **changes):
    """A model with weights drawn by chance: what it computes does not depend on how it was learned."""
    parts = {name: changes.pop(name) for name in ("calibration", "decision") if name in changes}
    features = FeatureConfig(analyzer=analyzer, bits=12, **changes)
    counts = document_frequencies(hash_texts(pa.array(TEXTS), features))
    random = np.random.default_rng(seed)
    weighting = Weighting.learned(features, counts, len(TEXTS))
    columns = 1 if len(labels) == 2 else len(labels)
    return TrainedModel(
        labels=labels,
        weighting=weighting,
        weights=random.normal(0, 2, (len(weighting.buckets), columns)).astype(np.float32),
        intercept=random.normal(0, 0.5, columns).astype(np.float32),
        text="text",
        **parts,
    )


STEPS = (((-3.0, 0.05), (0.0, 0.4), (0.0001, 0.4), (2.5, 0.9)), ((-1.0, 0.2), (1.0, 0.2)), ((0.5, 0.3),))
MODELS = {
    "words": model_of("word"),
    "two labels, temperature": model_of(
        "word", ("ham", "spam"), calibration=Calibration(method="temperature", scale=0.6)
    ),
    "without stop words": model_of("word", stop_words=("is", "it", "the", "my")),
    "characters": model_of("char", norm="l1", sublinear_tf=False),
    "within words": model_of("char_wb", ngrams=(3, 5), idf=False),
    "chinese, isotonic": model_of("chinese", calibration=Calibration(method="isotonic", steps=STEPS)),
    "chinese words": model_of("chinese_word", stop_words=("的", "ok")),
    "two labels, isotonic, no norm": model_of(
        "chinese",
        ("否", "是"),
        norm="none",
        lowercase=False,
        calibration=Calibration(method="isotonic", steps=STEPS[:2]),
    ),
    "platt": model_of("word", calibration=Calibration(method="platt", lines=((0.7, -0.2), (1.4, 0.3), (-0.1, 1.0)))),
    "two labels, platt": model_of(
        "char_wb", ("no", "yes"), calibration=Calibration(method="platt", lines=((2.0, 0.5), (2.0, -0.5)))
    ),
    "thresholds": model_of("word", decision=Decision(thresholds=(0.5, 0.6, 0.9), undecided=True, expected={})),
    "chinese with punctuation": model_of("chinese", keep_punctuation=True),
    "one threshold": model_of(
        "chinese", decision=Decision(thresholds=(0.0, 0.2, 0.0), single=1, undecided=False, expected={})
    ),
}


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    made = {}
    for name, model in MODELS.items():
        folder = tmp_path_factory.mktemp("export") / "model"
        assert export_onnx(model, folder, []) == ["model.json", "model.onnx", "scorer.py", "weights.npz"]
        made[name] = (Scorer(folder), onnxruntime.InferenceSession(folder / "model.onnx"), folder)
    return made


@given(st.binary(max_size=40))
def test_murmur_is_scikit_learns(data):
    assert murmur3(data) == murmurhash3_32(data, seed=0)


@pytest.mark.parametrize("name", MODELS)
def test_both_score_as_the_model(exported, name):
    model, (scorer, session, _) = MODELS[name], exported[name]

    @given(ANY)
    @settings(max_examples=40, deadline=None)
    def check(texts):
        expected = model.predict_proba(pa.array(texts, pa.string()))
        given_rows = scorer.hashed(texts)
        matrix = hash_texts(pa.array(texts, pa.string()), model.weighting.features)
        ours = np.zeros(matrix.shape)
        ours[given_rows["rows"], given_rows["buckets"]] = given_rows["counts"]
        np.testing.assert_array_equal(ours, matrix.toarray())
        if not texts:
            return
        (chances,) = session.run(["probabilities"], given_rows)
        assert chances.dtype == np.float32
        np.testing.assert_allclose(chances, expected, atol=2e-5)
        np.testing.assert_allclose(scorer.probabilities(texts), expected, atol=2e-5)
        assert [scorer.decide(row) for row in expected] == model.decide(expected).tolist()

    check()
    # Real sentences in both languages, all at once.
    expected = model.predict_proba(pa.array(TEXTS))
    (chances,) = session.run(["probabilities"], scorer.hashed(TEXTS))
    np.testing.assert_allclose(chances, expected, atol=2e-5)
    places = model.decide(expected).tolist()
    assert scorer.predict([*TEXTS, None]) == [*(None if at < 0 else model.labels[at] for at in places), None]


def test_the_scorer_is_a_program_that_needs_numpy_alone(exported):
    _, _, folder = exported["chinese, isotonic"]
    code = "import sys; sys.modules['pipeline'] = sys.modules['onnx'] = None; import runpy; sys.argv = sys.argv[1:]; "
    code += "runpy.run_path(sys.argv[0], run_name='__main__')"
    done = subprocess.run(
        [sys.executable, "-c", code, folder / "scorer.py", *TEXTS[:3]],
        capture_output=True, text=True, check=True, cwd=folder, timeout=120,
    )  # fmt: skip
    labels = [
        MODELS["chinese, isotonic"].labels[at]
        for at in MODELS["chinese, isotonic"].predict_proba(pa.array(TEXTS[:3])).argmax(axis=1)
    ]
    assert done.stdout.splitlines() == [f"{label}\t{text}" for label, text in zip(labels, TEXTS[:3], strict=True)]


def test_an_export_says_what_it_is_and_overwrites_nothing(exported, tmp_path):
    facts = json.loads((exported["words"][2] / "model.json").read_text(encoding="utf-8"))
    assert facts["sha256"] == MODELS["words"].sha256
    assert facts["features"]["analyzer"] == "word"
    export_onnx(MODELS["words"], tmp_path / "x", [{"op": "trim"}])
    assert json.loads((tmp_path / "x" / "model.json").read_text(encoding="utf-8"))["steps"] == [{"op": "trim"}]
    with pytest.raises(ModelError, match="is not empty"):
        export_onnx(MODELS["words"], tmp_path / "x", [])
